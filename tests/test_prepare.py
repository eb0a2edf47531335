import csv
import json

import numpy as np
import pytest

from tests.conftest import command
from workflow.scripts.corpus import SPLITS, Corpus
from workflow.scripts.prepare import clean, music_of, why_not

NOTES = "GABc defg|"


def tune(number: int, notes: str = NOTES, title: str = "x") -> str:
    return f"X:{number}\nT:{title}\nM:4/4\nL:1/8\nK:G\n{notes}\n\n"


def book(count: int) -> str:
    """Tunes that all differ: each spells its number in notes."""
    return "".join(tune(i, NOTES + "".join("CDEFGABcde"[int(d)] for d in f"{i:05d}") + "|") for i in range(count))


def prepare(tmp_path, text, *flags, name="out"):
    (tmp_path / "in.abc").write_text(text)
    return command("prepare", "--input_path", tmp_path / "in.abc", "--output_dir", tmp_path / name, *flags)


def test_every_kept_tune_comes_back_from_its_split(tmp_path, corpus_dir, book):
    corpus = Corpus.load(corpus_dir)
    source = book.read_text()
    with open(corpus_dir / "tunes.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for split in SPLITS:
        part = corpus.split(split)
        mine = [row for row in rows if row["split"] == split]
        assert part.n_tunes == len(mine) == corpus.info["splits"][split]["tunes"] > 0
        for i, row in enumerate(mine):
            ids = part.tune(i)
            assert (ids[0], ids[-1]) == (0, 1)
            raw = source[int(row["offset"]) : int(row["offset"]) + int(row["chars"])]
            assert corpus.tokenizer.decode(ids) == clean(raw)


def test_adding_tunes_moves_none_between_splits(tmp_path):
    def splits(name):
        with open(tmp_path / name / "tunes.tsv", newline="") as file:
            return {row["line"]: row["split"] for row in csv.DictReader(file, delimiter="\t")}

    assert prepare(tmp_path, book(300), "--test_fraction", 0.2, name="few").returncode == 0
    assert prepare(tmp_path, book(600), "--test_fraction", 0.2, name="many").returncode == 0
    few, many = splits("few"), splits("many")
    assert len(few) == 300
    assert few.items() <= many.items()


def test_same_music_is_kept_once_and_lost_tunes_are_listed(tmp_path):
    text = book(300) + tune(301, NOTES + "CCCCC|", "another title") + "X:400\nT:no key\nabc\n\n" + tune(401, "z8|")
    done = prepare(tmp_path, text, "--val_fraction", 0.1, "--test_fraction", 0.1)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out" / "quarantine.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["reason"]) for row in rows] == ["duplicate", "no_key", "no_notes"]
    assert rows[0]["detail"] == "same music as in.abc line 1"
    assert json.loads((tmp_path / "out" / "corpus.json").read_text())["rejected"] == {
        "duplicate": 1,
        "no_key": 1,
        "no_notes": 1,
    }


def test_same_input_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        assert prepare(tmp_path, book(100), "--val_fraction", 0.2, "--test_fraction", 0.2, name=name).returncode == 0
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no usable tune (no_tune 1)"),
        ("X:1\nK:C\nz8|\n", "holds no usable tune (no_notes 1)"),
        (tune(1), "too few: the"),
    ],
)
def test_a_bad_corpus_is_one_sentence_and_leaves_the_old_one(tmp_path, text, sentence):
    assert prepare(tmp_path, book(100), "--val_fraction", 0.2, "--test_fraction", 0.2).returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    done = prepare(tmp_path, text)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_notes_are_counted_in_music_only():
    assert why_not('X:1\nK:C\n"Cm7"z!fade!z[K:A]z|\nw: a b c d e f g a\n', 1000, 1) == (
        "no_notes",
        "0 notes, fewer than 1",
    )


def test_music_ignores_what_is_not_heard():
    one = "X:1\nT:A\nC:trad\nM:4/4\nK:G\n% so\nGA Bc|\nw: la la\n"
    assert music_of(one) == music_of("X:77\nT:B\nM:4/4\nK:G\nGABc |\n") == "M:4/4K:GGABc|"
    assert music_of(one) == music_of(one.replace("Bc\n", "Bc % a comment\n"))
    assert music_of(one) != music_of(one.replace("K:G", "K:D"))
    assert music_of("P:AAB\n" + one) != music_of("P:ABB\n" + one)


def test_control_characters_and_blanks_are_dropped():
    assert clean("X:1\n\nK:G\t \nG\x00A\x85B  \n") == "X:1\nK:G\nGAB\n"


def test_token_files_are_small_integers(corpus_dir):
    tokens = np.fromfile(corpus_dir / "train.bin", dtype=np.uint8)
    assert (tokens == 0).sum() == (tokens == 1).sum() == Corpus.load(corpus_dir).split("train").n_tunes
