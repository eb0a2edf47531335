"""The index of a corpus against the same by slicing; and what it refuses."""

import json
from collections import Counter

import numpy as np
import pytest

from tests.conftest import command
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.training_index import (
    GRAM,
    TUNE_BITS,
    VIEWS,
    CopyIndex,
    build,
    intervals,
    join,
    music_of,
    views_of,
)


@pytest.fixture(scope="module")
def index(corpus_dir, tmp_path_factory) -> CopyIndex:
    folder = tmp_path_factory.mktemp("copy_index")
    build(Corpus.load(corpus_dir), 10**9, folder)
    return CopyIndex.load(folder)


@pytest.fixture(scope="module")
def tunes(corpus_dir) -> list[str]:
    corpus = Corpus.load(corpus_dir)
    split = corpus.split("train")
    return [corpus.tokenizer.decode(split.tune(i)) for i in range(split.n_tunes)]


def transposed(music: str) -> bytes:
    text, bounds = join([f"X:1\nK:C\n{music}\n".encode()])
    return views_of(text, bounds)["transposed"].values.tobytes()


def test_suffixes_are_in_order(index):
    text = index.text.tobytes()
    assert sorted(index.suffixes.tolist()) == list(range(len(text)))
    some = index.suffixes[:: len(text) // 2000].tolist()
    suffixes = [text[i:] for i in some]
    assert suffixes == sorted(suffixes)


def test_text_is_the_music_of_every_training_tune(index, tunes):
    parts = index.text.tobytes().split(b"\0")
    assert parts[-1] == b""
    assert parts[:-1] == [tune[tune.index("\nK:") + 1 :].split("\n", 1)[1].encode() for tune in tunes]
    assert index.bodies.tolist() == np.cumsum([0, *(len(part) + 1 for part in parts[:-1])]).tolist()
    assert index.numbers.tolist() == list(range(len(tunes)))


@pytest.mark.parametrize("name", VIEWS)
def test_each_gram_leads_to_the_tunes_that_hold_it(index, name):
    view = index.views[name]
    found: dict[tuple[bytes, int], int] = {}
    for g, gram in enumerate(view.grams.tolist()):
        for k in range(view.first[g], view.first[g + 1]):
            found[gram.to_bytes(GRAM, "big"), int(view.tunes[k])] = int(view.counts[k])
    expected: Counter = Counter()
    for tune in range(len(view.bounds) - 1):
        values = view.values[view.bounds[tune] : view.bounds[tune + 1]].tobytes()
        expected.update((values[i : i + GRAM], tune) for i in range(len(values) - GRAM + 1))
    assert len(expected) > 10_000
    assert found == expected
    assert (np.diff(view.grams) > 0).all()


def test_a_gram_and_a_tune_fit_one_key():
    assert 8 * GRAM + TUNE_BITS <= 64


def test_a_transposed_tune_looks_the_same():
    view = transposed("D2|: F>A d'2 z (3efg [DFA]2 ^c4 :|")
    assert view == transposed("E2|: G>B e'2 z (3fga [EGB]2 =d4 :|")
    assert view == transposed("D,2|: F,>A, d2 z (3EFG [D,F,A,]2 C4 :|")
    assert view != transposed("E2|: G>B e'2 z (3fga [EGB]2 =d2 :|"), "rhythm counts"
    assert view != transposed("E2|: G>B e'2 z (3fgb [EGB]2 =d4 :|"), "melody counts"


def test_a_step_of_any_height_is_a_byte_that_text_has_not():
    notes = np.frombuffer(b"A,,,,,,,,,,,,,,,,a''''''''''''''''A\xff^A", dtype=np.uint8)
    values, bounds = intervals(notes, np.array([0, len(notes)]))
    assert values.tolist() == [192, 252, 132, 192]
    assert bounds.tolist() == [0, 4]


def test_music_begins_after_the_header():
    assert music_of(b"X:1\nT:K:\nK:G\nGAB\nK:D\nA\n") == b"GAB\nK:D\nA\n"
    assert music_of(b"X:1\nK:G") == b""
    assert music_of(b"GAB\n") == b""


def test_sources_are_those_of_the_table(index, corpus_dir):
    rows = [line.split("\t") for line in (corpus_dir / "tunes.tsv").read_text().splitlines()]
    expected = [f"{row[0]}:{row[1]}" for row in rows if row[5] == "train"]
    assert [index.source(i) for i in range(len(index.numbers))] == expected
    assert len(set(expected)) == len(expected)


def test_a_large_corpus_is_indexed_in_part_and_evenly(corpus_dir, tunes, tmp_path):
    limit = sum(map(len, tunes)) // 4
    info = build(Corpus.load(corpus_dir), limit, tmp_path)
    part = CopyIndex.load(tmp_path)
    numbers = part.numbers.tolist()
    assert numbers == sorted(set(numbers))
    assert info["searched_chars"] == sum(len(tunes[i]) for i in numbers)
    assert limit - max(map(len, tunes)) < info["searched_chars"] <= limit
    assert info["training_chars"] == sum(map(len, tunes))
    assert info["training_tunes"] == len(tunes)
    assert max(np.diff(numbers)) <= 8  # a random choice of a quarter leaves gaps of a dozen and more
    i = len(numbers) // 2
    assert part.text[part.bodies[i] : part.bodies[i + 1] - 1].tobytes() == music_of(tunes[numbers[i]].encode())


def test_the_same_corpus_gives_the_same_bytes(corpus_dir, tmp_path):
    for name in "ab":
        done = command("copy_index", "--data_dir", corpus_dir, "--output", tmp_path / name)
        assert done.returncode == 0, done.stderr
    assert "training tunes" in done.stdout
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_byte_pairs_are_indexed_as_the_text_they_stand_for(bpe_corpus_dir, index, tmp_path):
    build(Corpus.load(bpe_corpus_dir), 10**9, tmp_path)
    other = CopyIndex.load(tmp_path)
    assert other.text.tobytes() == index.text.tobytes()
    assert other.source(0) is None, "this corpus has no tunes.tsv"


def test_what_is_not_a_whole_index_is_refused(corpus_dir, tmp_path):
    with pytest.raises(InputError, match=r"no index\.json"):
        CopyIndex.load(tmp_path)
    build(Corpus.load(corpus_dir), 20_000, tmp_path)
    data = (tmp_path / "suffixes.npy").read_bytes()
    (tmp_path / "suffixes.npy").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"suffixes\.npy is damaged"):
        CopyIndex.load(tmp_path)
    np.save(tmp_path / "suffixes.npy", np.zeros(5, dtype=np.int32))
    with pytest.raises(InputError, match=r"suffixes\.npy does not belong"):
        CopyIndex.load(tmp_path)
    np.save(tmp_path / "suffixes.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"suffixes\.npy is damaged"):
        CopyIndex.load(tmp_path)
    info = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(info | {"format": 0}))
    with pytest.raises(InputError, match=r"index\.json is not of this version"):
        CopyIndex.load(tmp_path)


def test_a_build_that_fails_leaves_no_index(corpus_dir, tmp_path):
    build(Corpus.load(corpus_dir), 20_000, tmp_path)
    (tmp_path / "written_grams.npy").unlink()
    (tmp_path / "written_grams.npy").mkdir()  # cannot be replaced by a file
    with pytest.raises(OSError, match="written_grams"):
        build(Corpus.load(corpus_dir), 30_000, tmp_path)
    with pytest.raises(InputError, match=r"no index\.json"):
        CopyIndex.load(tmp_path)


def test_too_few_or_too_many_characters_are_refused(corpus_dir, tmp_path):
    for limit, words in ((10, "no training tune fits into 10 characters"), (2**31, "more than an index holds")):
        done = command("copy_index", "--data_dir", corpus_dir, "--output", tmp_path, "--max_chars", limit)
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
