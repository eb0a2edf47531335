"""The vocabulary, the tables, and the files of a corpus: each tune comes back, and the report counts what is there."""

import csv
import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

from workflow.scripts.base.files import sha256
from workflow.scripts.base.kept import KEPT
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.options import Cleaning, Options
from workflow.scripts.corpus.tokenizer import BEGIN, END
from workflow.scripts.corpus.write import MAX_VOCABULARY, TUNE_COLUMNS, join, means_music, table, vocabulary
from workflow.scripts.notation.clean import clean, find_tunes

# The vocabulary


def test_characters_seen_often_enough_are_kept_in_order():
    assert vocabulary(Counter({"b": 9, "ü": 5, "\n": 7, "ø": 4, "*": 4}), 5) == ("\nbü", {"*": "", "ø": ""})
    assert vocabulary(Counter("aab"), 1) == ("ab", {})


def test_what_sounds_is_kept_however_rare():
    chars, mapped = vocabulary(Counter('"Am"^A\'/2[ce]{g}!trill!~(3_B=c,<>:|z$@音'), 5)
    assert set(mapped) == set("$@音")
    assert set("\"^'/2[]{}!~(3_=,<>:|z") <= set(chars)


@pytest.mark.parametrize(
    ("char", "becomes"),
    [("é", "e"), ("Å", "A"), ("ﬁ", "fi"), ("ñ", ""), ("☃", ""), ("½", ""), ("´", ""), ("\u0301", "")],
)
def test_a_rare_character_becomes_its_base_letter_where_that_is_kept(char, becomes):
    chars, mapped = vocabulary(Counter({char: 1} | dict.fromkeys("eAfi", 10)), 5)
    assert chars == "Aefi"
    assert mapped == {char: becomes}


def test_a_vocabulary_fits_a_byte():
    counts = Counter({chr(0x4E00 + i): 1000 - i for i in range(400)})
    chars, mapped = vocabulary(counts, 1)
    assert len(chars) == MAX_VOCABULARY == 254
    assert set(chars) == {chr(0x4E00 + i) for i in range(254)}
    assert set(mapped) == {chr(0x4E00 + i) for i in range(254, 400)}
    # Which of the equally rare are kept is no matter of chance.
    equal = [f"{i:c}" for i in range(0x4E00, 0x4E00 + 300)]
    assert vocabulary(Counter(equal), 1) == vocabulary(Counter(reversed(equal)), 1)


# Files


ODD = [
    "plain",
    "",
    "tab\there",
    'a "quoted" word',
    "new\nline",
    "carriage\rreturn",
    "\r",
    "comma, and",
    "é☃\ufffd",
    "'",
]


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_whatever_is_written_to_a_table_is_read_back(tmp_path, delimiter):
    rows = [[field, "x", 7] for field in ODD] + [["x", field, 7] for field in ODD]
    with open(tmp_path / "t", "w", encoding="utf-8", newline="") as file:
        write = table(file, delimiter)
        for row in rows:
            write(row)
    with open(tmp_path / "t", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter=delimiter)) == [[*row[:2], "7"] for row in rows]


def test_parts_are_joined_and_go(tmp_path):
    parts = [tmp_path / f"{i}" for i in range(3)]
    for i, part in enumerate(parts):
        part.write_bytes(bytes([i]) * (i << 20))
    join(parts, tmp_path / "all")
    assert (tmp_path / "all").read_bytes() == b"\1" * (1 << 20) + b"\2" * (2 << 20)
    assert [path.name for path in tmp_path.iterdir()] == ["all"]


# A corpus


@pytest.fixture(scope="module")
def rows(corpus_dir) -> list[dict[str, str]]:
    with open(corpus_dir / "tunes.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_kept_tune_comes_back_from_its_split(corpus_dir, book, rows):
    corpus = Corpus.load(corpus_dir)
    source = book.read_text()
    assert tuple(rows[0]) == TUNE_COLUMNS
    mapped = {char: entry["becomes"] for char, entry in corpus.info["mapped_chars"].items()}
    for split in SPLITS:
        part = corpus.split(split)
        mine = [row for row in rows if row["split"] == split]
        assert part.n_tunes == len(mine) == corpus.info["splits"][split]["tunes"] > 0
        chars = 0
        for i, row in enumerate(mine):
            ids = part.tune(i)
            assert (ids[0], ids[-1]) == (BEGIN, END)
            raw = source[int(row["offset"]) :][: int(row["chars"])].encode()
            text, _ = clean(raw, find_tunes(np.frombuffer(raw, np.uint8)), Cleaning())
            text = text.tobytes().decode()
            assert len(text) == int(row["text_chars"])
            text = text.translate(str.maketrans(mapped))
            assert corpus.tokenizer.decode(ids) == text
            chars += len(text)
        assert chars == corpus.info["splits"][split]["chars"]
        assert len(part.tokens) == corpus.info["splits"][split]["tokens"] == chars + 2 * len(mine)


def test_rows_say_where_a_tune_is_and_stand_in_the_order_of_the_input(book, rows):
    lines = book.read_text().split("\n")
    for row in rows:
        assert row["path"] == "book1.abc"
        assert row["source"] == "book1"
        assert lines[int(row["line"]) - 1].startswith("X:")
        assert int(row["notes"]) >= 8
        assert len(row["cluster"]) == 16
    assert [int(row["line"]) for row in rows] == sorted(int(row["line"]) for row in rows)


def test_token_files_are_small_integers(corpus_dir):
    tokens = np.fromfile(corpus_dir / "train.bin", dtype=np.uint8)
    starts = np.fromfile(corpus_dir / "train.idx", dtype="<u8")
    assert (tokens == BEGIN).sum() == (tokens == END).sum() == Corpus.load(corpus_dir).split("train").n_tunes
    assert (tokens[starts[:-1]] == BEGIN).all()
    assert (tokens[starts[1:] - 1] == END).all()
    assert starts[-1] == len(tokens)


def test_the_report_counts_what_the_files_hold(corpus_dir, rows):
    report = json.loads((corpus_dir / "corpus.json").read_text())
    assert report["tunes"] == len(rows) == sum(split["tunes"] for split in report["splits"].values())
    assert report["chars"] == sum(split["chars"] for split in report["splits"].values())
    assert report["files"] == 1
    assert report["vocab_size"] == report["distinct_chars"] + 2 <= 256
    assert list(report["char_counts"].values()) == sorted(report["char_counts"].values(), reverse=True)
    assert all(count >= 5 or means_music(char) for char, count in report["char_counts"].items())
    assert all(entry["count"] < 5 for entry in report["mapped_chars"].values())
    corpus = Corpus.load(corpus_dir)
    found = Counter(
        corpus.tokenizer.decode(np.concatenate([corpus.split(name).tokens for name in SPLITS])).replace("\0", "")
    )
    became = Counter()
    for entry in report["mapped_chars"].values():
        for char in entry["becomes"]:
            became[char] += entry["count"]
    assert found == Counter(report["char_counts"]) + became
    files = [corpus_dir / name for name in ("tokenizer.json", "train.bin", "val.bin", "test.bin")]
    assert report["content_sha256"] == sha256(*files)


def test_the_report_says_all_in_its_order(corpus_dir):
    report = json.loads((corpus_dir / "corpus.json").read_text())
    assert list(report) == [
        "input", "files", "tunes", "chars", "distinct_chars", "tokenizer", "vocab_size", "splits", "sources",
        "rejected", "cleaned", "conversion", "options", "test_fraction", "clusters", "leakage", "audit", "char_counts",
        "mapped_chars", "content_sha256",
    ]  # fmt: skip
    assert report["options"] == dataclasses.asdict(Options(val_fraction=0.1, test_fraction=0.05))


def test_a_corpus_is_its_files_and_no_others(corpus_dir):
    assert {path.name for path in corpus_dir.iterdir()} == {
        *(f"{split}.{end}" for split in SPLITS for end in ("bin", "idx")),
        "corpus.json", "tokenizer.json", "tunes.tsv", "quarantine.csv", KEPT,
    }  # fmt: skip
