"""Folders of tunes are read as they were written; of one file all judges read the same text."""

import codecs
import itertools

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.rhythm import judge as judge_rhythm
from workflow.scripts.writing import samples as sample_files
from workflow.scripts.writing.copying import search
from workflow.scripts.writing.ladder import evaluate
from workflow.scripts.writing.samples import MAX_BYTES, Drawn, Sample, read_samples, read_tune, write_samples
from workflow.scripts.writing.style import describe

LITTLE = 16 << 10  # bytes that are looked at of a file, for a quick test
TUNES = [Drawn("X:1\nK:G\n", "GABc|", False), Drawn("", "X:1\nK:C\né\n", True)]


def test_what_is_written_is_read_again(tmp_path):
    write_samples(tmp_path / "a", "gpt-seed0", TUNES)
    samples = read_samples(tmp_path / "a")
    assert [sample.path.name for sample in samples] == ["gpt-seed0-000.abc", "gpt-seed0-001.abc"]
    for sample, tune in zip(samples, TUNES, strict=True):
        text = sample.path.read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert text[: sample.prompt_chars] == tune.prompt
        assert text[sample.prompt_chars : sample.prompt_chars + sample.chars] == tune.written
        assert sample.ended == tune.ended


def test_tunes_are_read_in_the_order_drawn_even_past_a_thousand(tmp_path):
    write_samples(tmp_path, "gpt-seed0", [Drawn("", f"K:C\n%{k}\n", True) for k in range(1002)])
    assert [sample.path.read_text() for sample in read_samples(tmp_path)][998:] == [
        f"K:C\n%{k}\n" for k in range(998, 1002)
    ]


def test_fewer_tunes_leave_none_of_an_earlier_drawing_of_theirs(tmp_path):
    for stem in ("gpt-seed0", "gpt-seed00", "gpt[ab]-seed0", "gpta-seed0"):
        write_samples(tmp_path, stem, TUNES * 2)
    write_samples(tmp_path, "gpt-seed0", TUNES[:1])
    write_samples(tmp_path, "gpt[ab]-seed0", TUNES[:1])
    counts = {stem: len([p for p in tmp_path.iterdir() if p.name.startswith(f"{stem}-")])
              for stem in ("gpt-seed0", "gpt-seed00", "gpt[ab]-seed0", "gpta-seed0")}  # fmt: skip
    assert counts == {"gpt-seed0": 1, "gpt-seed00": 4, "gpt[ab]-seed0": 1, "gpta-seed0": 4}
    assert len(read_samples(tmp_path)) == 10


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("file,chars,ended\na.abc,3,True\n", "has no column 'prompt_chars'"),
        ("", "has no column 'file'"),
        ("file,chars,ended,prompt_chars\na.abc,3,True,0\na.abc,3,yes,0\n", "line 3: not the characters"),
        ("file,chars,ended,prompt_chars\na.abc,-3,True,0\n", "line 2: not the characters"),
        ("file,chars,ended,prompt_chars\n\na.abc,3\n", "line 3: not the characters"),
        ("file,chars,ended,prompt_chars\nb.abc,3,True,0\n", "line 2: 'b.abc' is not a file beside it"),
        ("file,chars,ended,prompt_chars\n../a.abc,3,True,0\n", "line 2: '../a.abc' is not a file beside it"),
    ],
)
def test_a_table_that_was_edited_is_one_sentence(table, sentence, tmp_path):
    (tmp_path / "a.abc").touch()
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a.abc").touch()
    (tmp_path / "up" / "t.csv").write_text(table)
    with pytest.raises(InputError, match=f"t.csv.*{sentence}"):
        read_samples(tmp_path / "up")


def test_what_is_no_table_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no table of samples"):
        read_samples(tmp_path)
    (tmp_path / "t.csv").write_bytes(b"file,chars,ended,prompt_chars\n\xff\n")
    with pytest.raises(InputError, match=r"t\.csv is not readable as CSV"):
        read_samples(tmp_path)


@pytest.fixture(scope="module")
def tune(split) -> str:
    """Of the training text, so a copy; it keeps the grammar and its meter, and its title goes beyond ASCII."""
    texts = ("X:1\nT:Prélude\n" + text[text.index("M:") :] for text in split("train"))
    return next(text for text in texts if (found := parse(text)).is_valid and judge_rhythm(found).is_right)


CASES = {
    "plain": (lambda text: text.encode(), None),
    "byte order mark": (lambda text: codecs.BOM_UTF8 + text.encode(), None),
    "crlf": (lambda text: text.replace("\n", "\r\n").encode(), None),
    "cr": (lambda text: text.replace("\n", "\r").encode(), None),
    "latin-1": (lambda text: text.encode("latin-1"), None),
    "latin-1 after a byte order mark": (lambda text: codecs.BOM_UTF8 + text.encode("latin-1"), None),
    "macroman": (lambda text: text.encode("mac_roman"), None),
    "utf-16": (lambda text: text.encode("utf-16"), None),
    "utf-16 without a byte order mark": (lambda text: text.encode("utf-16-be"), None),
    "utf-32": (lambda text: text.encode("utf-32"), None),
    "nul": (lambda text: f"{text}% \0\n".encode(), "a NUL character"),
    "large": (lambda text: (text + "% é\n" * (MAX_BYTES // 5)).encode(), f" bytes, more than {MAX_BYTES}"),
    "large with crlf": (
        lambda text: (text + "% é\n" * (MAX_BYTES // 5)).replace("\n", "\r\n").encode(), f"more than {MAX_BYTES}"
    ),
    "large in utf-16": (lambda text: (text + "% 𝄞\n" * (MAX_BYTES // 9)).encode("utf-16"), f"more than {MAX_BYTES}"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_all_judges_read_the_same_text_of_a_file(case, tune, index, tmp_path):
    """What is no text of ABC passes nothing, is measured all the same, and the prompt ends where it ended."""
    encoded, problem = CASES[case]
    found = []
    for name, data in (("plain.abc", tune.encode()), ("case.abc", encoded(tune))):
        path = tmp_path / name
        path.write_bytes(data)
        text = read_tune(path).text
        prompt = text.index("K:") + len("K:")
        sample = Sample(path, len(text) - prompt, True, prompt)
        (verdict,) = evaluate([path], 10, {"syntax", "rhythm"}, samples={path: sample})
        style, histograms = describe(sample, ("X", "T", "K"))
        assert (verdict["syntax_valid"], verdict["bars_correct"]) == (style["syntax"], style["rhythm"])
        found.append((verdict, style, search(path, index), {name: list(h) for name, h in histograms.items()}))
    (_, plain_style, plain_copy, plain_histograms), (verdict, style, copy, histograms) = found
    assert verdict["syntax_valid"] == (problem is None)
    said = [message["message"] for message in verdict["messages"]]
    assert [message.startswith("not read: ") and problem in message for message in said] == ([True] if problem else [])
    passes = {"path": "plain.abc", "syntax": True, "rhythm": True}
    assert style | passes == plain_style
    assert copy | {"path": "plain.abc"} == plain_copy
    assert copy["copied"]
    assert histograms == plain_histograms


def test_files_that_differ_in_encoding_and_line_ends_alone_have_one_verdict(shared, index):
    paths = [sample.path for sample in read_samples(shared / "reports" / "read" / "two_readers")]
    verdicts = list(evaluate(paths, 10, {"syntax", "rhythm"}))
    styles = [describe(Sample(path, 48, True, 0), ("X", "T", "K"))[0] for path in paths]
    found = [
        [
            verdict["syntax_valid"],
            verdict["bars_correct"],
            style["syntax"],
            style["rhythm"],
            search(path, index)["copied"],
        ]
        for path, verdict, style in zip(paths, verdicts, styles, strict=True)
    ]
    assert found == [[True, True, True, True, False]] * 3
    assert [text.splitlines()[1] for text, _ in map(read_tune, paths)] == ["T:Case", "T:Casé", "T:Case"]


@pytest.mark.parametrize(
    ("unit", "encoding", "eol"),
    [
        *itertools.product(("é", "é|\n", "aé|\n"), ("utf-8", "utf-8-sig", "utf-16", "latin-1"), ("\n", "\r", "\r\n")),
        *itertools.product("𝄞", ("utf-8", "utf-16"), "\n"),
    ],
)
def test_a_file_too_large_is_cut_at_a_line_end_or_else_between_characters(unit, encoding, eol, tmp_path, monkeypatch):
    monkeypatch.setattr(sample_files, "MAX_BYTES", LITTLE)
    for shift in range(4):
        text = "X:1\nK:C\n" + "a" * shift + unit * LITTLE
        (tmp_path / "tune.abc").write_bytes(text.replace("\n", eol).encode(encoding))
        found, problem = read_tune(tmp_path / "tune.abc")
        assert problem.endswith(f" bytes, more than {LITTLE}")
        assert text.startswith(found)
        assert len(unit) == 1 or found.endswith("\n")
        half = 2 if eol == "\r\n" else 0  # bytes: a CR that the file is cut after ends a line, too
        assert 0 <= LITTLE + half - len(found.replace("\n", eol).encode(encoding)) < 16


def test_a_file_as_large_as_is_looked_at_is_read_whole(tmp_path):
    text = "X:1\nK:C\n" + "é" * ((MAX_BYTES - 8) // 2)
    for more, problem in (("", None), ("a", f"{MAX_BYTES + 1} bytes, more than {MAX_BYTES}")):
        (tmp_path / "tune.abc").write_text(text + more, encoding="utf-8")
        assert read_tune(tmp_path / "tune.abc")[1] == problem
    (tmp_path / "tune.abc").write_text(text, encoding="utf-8")
    assert read_tune(tmp_path / "tune.abc") == (text, None)
