import pytest

from tests.conftest import command
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.samples import read_samples


@pytest.fixture
def real(either):
    """(corpus, texts of its validation tunes)."""
    corpus = Corpus.load(either[0])
    split = corpus.split("val")
    return corpus, [corpus.tokenizer.decode(split.tune(i)) for i in range(split.n_tunes)]


def drawn(corpus, folder, *flags):
    done = command("draw_real", "--data_dir", corpus.folder, "--split", "val", "--output_dir", folder, *flags)
    assert done.returncode == 0, done.stderr
    return read_samples(folder)


def test_each_tune_is_drawn_once_as_it_is(real, tmp_path):
    corpus, texts = real
    samples = drawn(corpus, tmp_path, "--num_samples", 1000, "--max_new_tokens", 100000)
    assert sorted(sample.path.read_text() for sample in samples) == sorted(texts)
    assert [sample.path.read_text() for sample in samples] != texts
    for sample in samples:
        assert (sample.ended, sample.prompt_chars, sample.chars) == (True, 0, len(sample.path.read_text()))


def test_a_tune_is_cut_where_a_models_would_be(real, tmp_path):
    """After as many tokens, of which the end is one."""
    corpus, texts = real
    lengths = sorted(len(corpus.tokenizer.encode(text)) + 1 for text in texts)
    longest = lengths[len(lengths) // 2]
    samples = drawn(corpus, tmp_path, "--num_samples", 1000, "--max_new_tokens", longest)
    assert sum(sample.ended for sample in samples) == sum(length <= longest for length in lengths)
    for sample in samples:
        text = sample.path.read_text()[: sample.chars]
        whole = [tune for tune in texts if tune.startswith(text)]
        assert whole
        if not sample.ended:
            assert len(corpus.tokenizer.encode(whole[0])) >= longest
            assert corpus.tokenizer.decode(corpus.tokenizer.encode(whole[0])[:longest]) == text


def test_a_draw_hangs_on_the_seed_and_not_on_how_many(real, tmp_path):
    few, many, other = (
        [
            sample.path.read_text()
            for sample in drawn(real[0], tmp_path / f"{n}-{seed}", "--num_samples", n, "--seed", seed)
        ]
        for n, seed in ((2, 1), (4, 1), (4, 2))
    )
    assert few == many[:2]
    assert many != other
