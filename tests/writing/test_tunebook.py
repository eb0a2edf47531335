"""A file of several tunes is judged tune by tune, with the lines of the file."""

import json
from pathlib import Path

import jsonschema

from tests.conftest import ROOT, command
from workflow.scripts.writing.samples import MAX_BYTES
from workflow.scripts.writing.tunebook import tunes_in
from workflow.scripts.writing.validity import report_on

BOOK = """%abc-2.1
M:3/4
L:1/4

Tunes of a book, with a file header and free text.

X:1
T:One
K:G
GAB|c2d|]

 X:2
T:Two
M:2/4
K:D
de|[fe|]

Free text between tunes, of Élisa.

X:3
T:Three
K:C
C3|DEF G|E3|]
"""


def verdicts(path: Path, **options) -> dict[str, dict]:
    return {file["path"]: file for file in report_on(path, steps=("syntax", "rhythm"), split=True, **options)["files"]}


def said(verdict: dict) -> list[tuple[int, str]]:
    return [(message["line"], message["tier"]) for message in verdict["messages"] if message["tier"] != "soft"]


def test_each_tune_has_a_verdict_with_the_defaults_and_the_lines_of_its_file(tmp_path):
    path = tmp_path / "book.abc"
    for data in (BOOK.encode(), BOOK.replace("\n", "\r\n").encode("latin-1"), BOOK.encode("utf-16")):
        path.write_bytes(data)
        found = verdicts(path)
        assert list(found) == ["book.abc:7", "book.abc:12", "book.abc:20"]
        one, two, three = found.values()
        assert (one["syntax_valid"], one["bars_correct"], one["bars"], said(one)) == (True, True, 2, [])
        assert (two["syntax_valid"], said(two)) == (False, [(16, "hard")])
        assert (three["syntax_valid"], three["bars_correct"], said(three)) == (True, False, [(23, "rhythm")])


def test_a_folder_is_judged_tune_by_tune_and_a_file_by_itself(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "book.abc").write_text(BOOK, encoding="utf-8")
    (tmp_path / "a" / "one.abc").write_text("X:1\nK:C\nC8|]\n")
    assert list(verdicts(tmp_path / "a")) == [*(f"deep/book.abc:{line}" for line in (7, 12, 20)), "one.abc:1"]
    whole = report_on(tmp_path / "a" / "one.abc", steps=("syntax",))["files"]
    assert [(file["path"], file["syntax_valid"]) for file in whole] == [("one.abc", True)]


def test_what_is_no_tune_is_judged_too(tmp_path):
    path = tmp_path / "book.abc"
    for text, expected in {
        "": ["book.abc:1"],
        "free text\n": ["book.abc:1"],
        "M:3/4\n\nT:No X\nK:C\nCDE|]\n": ["book.abc:3"],
        "Words\n\nT:No X\nK:C\nCDE|]\n\nX:2\nT:t\nK:C\nCDE|]\n": ["book.abc:3", "book.abc:7"],
        "X:1\nK:C\nA\0B|\n": ["book.abc:1"],
        "X:1\nK:C\n" + "% long\n" * (MAX_BYTES // 7) + "C|]\n": ["book.abc:1"],
    }.items():
        path.write_text(text)
        found = verdicts(path)
        assert list(found) == expected
        assert not next(iter(found.values()))["syntax_valid"], text[:30]


def test_a_tune_is_cut_out_of_a_book_larger_than_a_file_of_one_tune_may_be(tmp_path):
    path = tmp_path / "book.abc"
    path.write_text(BOOK[: BOOK.index("X:1")] + "X:1\nT:t\nK:C\nCDE|FGA|]\n\n" * 20_000)
    assert path.stat().st_size > MAX_BYTES
    tunes = list(tunes_in(path, "book.abc", None))
    assert len(tunes) == 20_000
    assert (tunes[-1].name, tunes[-1].line_in_file(0)) == ("book.abc:100002", 0)
    text, problem = tunes[-1].read
    assert problem is None
    assert text.splitlines()[0] == "X:1"
    assert {"M:3/4", "L:1/4"} <= set(text.splitlines())
    assert tunes[-1].line_in_file(text.count("\n")) == 100_005


def test_midi_and_table_of_the_command(tmp_path):
    (tmp_path / "book.abc").write_text(BOOK, encoding="utf-8")
    arguments = ("eval_syntax", "--folder", tmp_path / "book.abc", "--split", "--json", tmp_path / "v.json")
    done = command(*arguments, "--midi_dir", tmp_path / "midi", "--music21_limit", 1)
    assert done.returncode == 0, done.stderr
    assert "book.abc:12:16:4: a chord that is not closed" in done.stdout
    report = json.loads((tmp_path / "v.json").read_text())
    jsonschema.validate(report, json.loads((ROOT / "workflow" / "schemas" / "validity.schema.json").read_text()))
    assert report["rates"]["music21"]["n"] == 1
    assert sorted(path.name for path in (tmp_path / "midi").iterdir()) == ["book-12.mid", "book-20.mid", "book-7.mid"]
