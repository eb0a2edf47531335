from collections import Counter, defaultdict

import numpy as np
import pytest

from tests.conftest import command
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.ngram import NGram, training_text
from workflow.scripts.writing.samples import read_samples


@pytest.fixture(scope="module")
def tunes(corpus_dir) -> list[str]:
    return training_text(Corpus.load(corpus_dir), 10**9)


def draw(model: NGram, number: int, longest: int = 2000) -> list[tuple[str, bool]]:
    return [model.draw(np.random.default_rng((0, k)), longest) for k in range(number)]


@pytest.mark.parametrize("order", [1, 2, 5])
def test_draws_follow_the_counts_of_the_training_text(order):
    """Every context's next characters in many draws, against their frequencies counted one by one."""
    texts = ["abab", "abba", "aab", "b"]
    expected, drawn = defaultdict(Counter), defaultdict(Counter)
    sampled = [text for text, ended in draw(NGram(texts, order), 4000) if ended]
    for counts, source in ((expected, texts), (drawn, sampled)):
        for text in source:
            padded = "^" * (order - 1) + text + "$"
            for i in range(order - 1, len(padded)):
                counts[padded[i - order + 1 : i]][padded[i]] += 1
    assert set(drawn) == set(expected)
    for context, counts in expected.items():
        n = drawn[context].total()
        for char, count in counts.items():
            p = count / counts.total()
            assert abs(drawn[context][char] - n * p) <= 5 * (n * p * (1 - p)) ** 0.5, (context, char)


@pytest.mark.parametrize("order", [4, 8, 12])
def test_every_stretch_of_n_characters_stands_in_the_training_text(order, tunes):
    text = "".join(f"\0{tune}\0" for tune in tunes)
    for drawn, ended in draw(NGram(tunes, order), 20):
        assert ended
        padded = f"\0{drawn}\0"
        assert all(padded[i : i + order] in text for i in range(len(padded) - order + 1))
    if order < 12:
        assert any(drawn not in text for drawn, _ in draw(NGram(tunes, order), 5))


def test_a_context_as_long_as_every_tune_copies_whole_tunes(tunes):
    shortest = sorted(tunes, key=len)[:10]
    drawn = {text for text, _ in draw(NGram(shortest, len(shortest[-1]) + 1), 40)}
    assert len(drawn) > 5
    assert drawn <= set(shortest)


def test_the_end_counts_as_a_character_of_the_longest_tune():
    model = NGram(["abc"], 2)
    assert draw(model, 1, 4) == [("abc", True)]
    assert draw(model, 1, 3) == [("abc", False)]


def test_training_text_is_spread_evenly_over_whole_tunes(either, tunes):
    corpus = Corpus.load(either[0])
    assert training_text(corpus, 10**9) == tunes
    half = training_text(corpus, sum(map(len, tunes)) // 2)
    assert half == [tunes[i * len(tunes) // len(half)] for i in range(len(half))]
    assert abs(len(half) - len(tunes) / 2) <= 1
    assert training_text(corpus, 1) == tunes[:1]


def test_the_command_writes_what_a_models_does(either, tmp_path):
    corpus = Corpus.load(either[0])
    train = corpus.split("train")
    tokens = len(train.tokens) - train.n_tunes
    longest = round(100 * corpus.tokenizer.count_chars(train.tokens) / tokens)  # as long as 100 of a model's tokens
    folders = [tmp_path / name for name in ("few", "many", "other")]
    for folder, number, seed in zip(folders, (2, 5, 2), (3, 3, 4), strict=True):
        done = command("sample_ngram", "--data_dir", either[0], "--order", 6, "--num_samples", number, "--seed", seed,
                       "--max_new_tokens", 100, "--output_dir", folder)  # fmt: skip
        assert done.returncode == 0, done.stderr
    few, many, other = ([s.path.read_text() for s in read_samples(folder)] for folder in folders)
    assert few == many[:2] != other
    assert (folders[0] / "ngram6-seed3.csv").exists()
    for sample in read_samples(folders[1]):
        assert sample.prompt_chars == 0
        assert sample.ended or sample.chars == longest
