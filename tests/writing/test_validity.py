"""The report on a folder: its rates and intervals, its MIDI files, and what the command says."""

import json

import jsonschema

from tests.conftest import ROOT, command
from tests.writing.test_ladder import GOOD, HEAD
from workflow.scripts.writing import validity
from workflow.scripts.writing.ladder import STEPS
from workflow.scripts.writing.validity import report_on

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "validity.schema.json").read_text())


def test_midi_of_good_tunes_is_kept(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "good.abc").write_text(GOOD)
    (folder / "rests.abc").write_text("X:1\nK:C\nz8|\n")
    done = command("eval_syntax", "--folder", folder, "--json", tmp_path / "v.json", "--midi_dir", tmp_path / "midi")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "v.json").read_text())
    assert result["rates"]["valid"]["count"] == 1
    assert result["rates"]["valid"]["n"] == 2
    assert [path.name for path in (tmp_path / "midi").iterdir()] == ["good.mid"]
    assert (tmp_path / "midi" / "good.mid").read_bytes().startswith(b"MThd")


def test_a_folder_without_music_still_leaves_its_results(tmp_path):
    (tmp_path / "rests.abc").write_text("X:1\nK:C\nz8|\n")
    done = command("eval_syntax", "--folder", tmp_path, "--json", tmp_path / "v.json", "--midi_dir", tmp_path / "midi")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "v.json").read_text())["rates"]["valid"]["rate"] == 0
    assert list((tmp_path / "midi").iterdir()) == []


def test_the_checker_alone_reports_where_and_fails_under_a_rate(tmp_path):
    (tmp_path / "good.abc").write_text(GOOD)
    (tmp_path / "bad.abc").write_text("X:1\nM:4/4\nL:1/8\nK:C\nC2D2 [EG|\n")
    arguments = ("eval_syntax", "--folder", tmp_path, "--steps", "syntax", "rhythm", "--json", tmp_path / "v.json")
    done = command(*arguments, "--fail-under", "0.9")
    assert done.returncode == 1
    assert done.stderr == "error: less than 90.0% of the tunes pass syntax\n"
    assert "bad.abc:5:6: a chord that is not closed (1 in all)" in done.stdout
    bad, good = json.loads((tmp_path / "v.json").read_text())["files"]
    assert (bad["syntax_valid"], bad["tiers"], bad["tools_agree"], bad["music21"]) == (False, ["hard"], None, None)
    assert (good["syntax_valid"], good["bars_correct"]) == (True, True)
    assert command(*arguments, "--fail-under", "0.5").returncode == 0


def test_an_empty_folder_is_one_sentence(tmp_path):
    done = command("eval_syntax", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path} holds no .abc files\n"
    done = command("eval_syntax", "--folder", tmp_path / "book.abc")
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'book.abc'}: no such file or folder\n"


def test_bars_are_counted_over_all_tunes_with_intervals_over_tunes(tmp_path):
    for k in range(12):
        (tmp_path / f"{k:02d}.abc").write_text(GOOD if k % 2 else f"{HEAD}V:1\nC8|D8|E8|]\nV:2\nE8|F7|G8|]\n")
    done = command("eval_syntax", "--folder", tmp_path, "--steps", "rhythm", "--json", tmp_path / "v.json")
    report = json.loads((tmp_path / "v.json").read_text())
    jsonschema.validate(report, SCHEMA)
    right, misaligned = report["bars"]["bars_right"], report["bars"]["bars_misaligned"]
    assert (right["count"], right["n"], right["rate"]) == (6 * 5 + 6 * 2, 48, 42 / 48)
    # Tunes are drawn, each all right or in 5 of 6 bars: the interval is not that of 48 bars by themselves.
    assert 5 / 6 <= right["ci95"][0] < right["rate"] < right["ci95"][1] <= 1
    assert (misaligned["count"], misaligned["n"]) == (6, 18)
    assert "bars_right          42 of 48      87.5%   95% interval" in done.stdout
    command("eval_syntax", "--folder", tmp_path, "--steps", "syntax", "--json", tmp_path / "v.json")
    report = json.loads((tmp_path / "v.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert report["bars"] == {}


def test_each_tune_has_a_midi_file_of_its_own_as_long_as_it_compiles(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "tune.abc").write_text(GOOD)
    run = ("eval_syntax", "--folder", tmp_path / "in", "--midi_dir", tmp_path / "midi", "--steps", "compiles", "tools")
    for there in (["a/tune.mid", "b/tune.mid"], ["b/tune.mid"]):
        assert command(*run).returncode == 0
        found = sorted(str(path.relative_to(tmp_path / "midi")) for path in (tmp_path / "midi").rglob("*.*"))
        assert found == there
        (tmp_path / "in" / "a" / "tune.abc").write_text(f"{HEAD}CDE]F|\n")
    assert command(*run[:-2], "syntax").returncode == 0  # compiles nothing, so it takes nothing away
    assert (tmp_path / "midi" / "b" / "tune.mid").exists()


def test_music21_judges_as_many_as_it_is_to_evenly_spread(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.abc").write_text(GOOD)
    done = command("eval_syntax", "--folder", tmp_path, "--music21_limit", 4, "--json", tmp_path / "v.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "v.json").read_text())
    assert [file["path"] for file in result["files"] if file["music21"]] == ["0.abc", "2.abc", "5.abc", "7.abc"]
    counts = {name: rate["n"] for name, rate in result["rates"].items()}
    assert counts == dict.fromkeys(counts, 10) | {"music21": 4, "valid": 4}


def test_music21_judges_as_much_as_it_reads_in_a_minute(tmp_path, monkeypatch):
    monkeypatch.setattr(validity, "MUSIC21_CHARS", 3 * len(GOOD))
    monkeypatch.setattr(validity, "MUSIC21_LONGEST", len(GOOD))
    for i in range(7):
        (tmp_path / f"{i}.abc").write_text(GOOD + "%\n" * (i == 1))
    judged = [
        [file["path"][0] for file in report_on(tmp_path, None, 10, ("music21",), limit)["files"] if file["music21"]]
        for limit in (None, 0, 4)
    ]
    assert judged == [["0", "3", "5"], [*"0123456"], ["0", "1", "3", "5"]]


def test_every_verdict_satisfies_the_schema(tmp_path):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    texts = (GOOD, "hello\n", b"\xff", f"{HEAD}(C8|C9|", "X:1\nK:C\nz8|\n", "X:1\nM:none\nK:C\nC")
    for i, text in enumerate(texts):
        (tmp_path / f"{i}.abc").write_bytes(text if isinstance(text, bytes) else text.encode())
    for steps in (STEPS, ("tools",), ("rhythm",)):
        command("eval_syntax", "--folder", tmp_path, "--steps", *steps, "--json", tmp_path / "v.json")
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads((tmp_path / "v.json").read_text()))


def test_a_silent_tune_is_legal_has_a_name_of_its_own_and_passes_no_step(tmp_path):
    header = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n"
    for name, music in (("rests", "z8|Z4|]"), ("chords", '"C"z4 "G"z4|]'), ("notes", "C8|]")):
        (tmp_path / f"{name}.abc").write_text(f"{header}{music}\n")
    report = report_on(tmp_path, steps=("syntax", "rhythm", "compiles"))
    assert [(file["path"], file["syntax_valid"], file["tiers"]) for file in report["files"]] == [
        ("chords.abc", True, ["silent"]),
        ("notes.abc", True, []),
        ("rests.abc", True, ["silent"]),
    ]
    counts = {name: (row["count"], row["n"]) for name, row in report["rates"].items()}
    assert counts == {"syntax": (1, 3), "rhythm": (1, 3), "compiles": (1, 3), "silent": (2, 3)}
