import json
import random
import sys

import pytest

from tests.conftest import command
from workflow.scripts.eval_syntax import STEPS, evaluate, rates
from workflow.scripts.external import find_program, run_limited

GOOD = "X:1\nT:Scale\nM:4/4\nL:1/8\nK:C\nCDEF GABc|cBAG FEDC|]\n"


def verdict_of(tmp_path, text, seconds=20):
    (tmp_path / "tune.abc").write_bytes(text if isinstance(text, bytes) else text.encode())
    (verdict,) = evaluate([tmp_path / "tune.abc"], seconds, None, set(STEPS))
    return verdict


def test_a_good_tune_passes_everything(tmp_path):
    verdict = verdict_of(tmp_path, GOOD)
    passed = ("syntax_valid", "bars_correct", "tools_agree", "compiles", "music21", "abc2midi", "valid")
    assert {name: verdict[name] for name in passed} == dict.fromkeys(passed, True)
    assert (verdict["tiers"], verdict["messages"]) == ([], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "No tune processed"),
        ("X:1\nM:4/4\nL:1/8\nK:C\nz8|z8|\n", None),  # abc2midi makes a MIDI file of it, with nothing in it
        ("X:1\nM:4/4\nL:1/8\nK:C\nCDE(F GAH!Bc|]3\n", "Malformed note"),
        ("", "no MIDI file was written"),
        (b"X:1\nK:C\nCDE\xff\n", "not read: "),
        (b"X:1\nK:C\nCDE\0FG\n", "not read: a NUL character"),
        (b"X:1\nK:C\n" + b"C" * 2_000_000, "not read: 2000008 bytes"),
    ],
)
def test_what_is_no_music_does_not_pass(tmp_path, text, message):
    verdict = verdict_of(tmp_path, text)
    assert not verdict["abc2midi"]
    assert not verdict["valid"]
    if message:
        assert message in " ".join(m["message"] for m in verdict["messages"])


def test_text_cannot_read_files(tmp_path):
    (tmp_path / "secret.abc").write_text(GOOD)
    verdict = verdict_of(tmp_path, f"X:1\nK:C\n%%abc-include {tmp_path}/secret.abc\n")
    assert not verdict["abc2midi"]
    verdict = verdict_of(tmp_path, f"{tmp_path}/secret.abc")
    assert not verdict["music21"]


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


def test_a_step_not_taken_has_no_rate_and_an_unread_file_fails_those_that_were(tmp_path):
    (tmp_path / "good.abc").write_text(GOOD)
    (tmp_path / "unread.abc").write_bytes(b"\xff")
    for steps in (STEPS, ("tools", "compiles"), ("tools",), ("rhythm",)):
        verdicts = list(evaluate(sorted(tmp_path.glob("*.abc")), 20, None, set(steps)))
        expected = set(steps) | ({"abc2midi"} if {"tools", "compiles"} <= set(steps) else set())
        expected |= {"valid"} if steps == STEPS else set()
        assert {name: (rate["count"], rate["n"]) for name, rate in rates(verdicts).items()} == dict.fromkeys(
            expected, (1, 2)
        )


def test_directives_that_are_not_sound_never_reach_a_program(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    assert verdict_of(tmp_path, GOOD)["sanitised"] is False
    assert verdict_of(tmp_path, GOOD.replace("M:", "%%MIDI program 3\nM:"))["sanitised"] is False
    for line in (f"%%MIDI ptstress {tmp_path}/secret.txt", f"%%EPS {tmp_path}/secret.txt", "I:abc-include x"):
        verdict = verdict_of(tmp_path, GOOD.replace("M:", f"{line}\nM:"))
        assert (verdict["sanitised"], verdict["tools_agree"], verdict["compiles"]) == (True, True, True)


def test_an_empty_folder_is_one_sentence(tmp_path):
    done = command("eval_syntax", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path} holds no .abc files\n"


def test_known_cases(shared, tmp_path):
    """Good cases pass; hostile ones end within their limits and never take the others down."""
    cases = json.loads((shared / "abc-cases" / "manifest.json").read_text())["files"]
    good = random.Random(0).sample([c for c in cases if c["kind"] == "good" and c["certain"]], 15)
    hostile = [c for c in cases if c["kind"] == "hostile"]
    verdicts = list(evaluate([shared / "abc-cases" / c["path"] for c in good + hostile], 3, None, set(STEPS)))
    assert [v for v in verdicts[: len(good)] if not v["valid"]] == []
    assert len(verdicts) == len(good) + len(hostile)
    assert any("no end after" in m["message"] or "Timeout" in m["message"] for v in verdicts for m in v["messages"])


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("while True: pass", "no end after 1 s"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("x = bytearray(8 << 30)", None),
        ("open('big', 'wb').write(bytes(64 << 20))", None),
        ("import os; print(sorted(os.environ), os.listdir())", None),
    ],
)
def test_programs_run_under_limits(tmp_path, program, problem):
    outcome = run_limited([sys.executable, "-S", "-c", program], tmp_path, 1)
    assert outcome.problem == problem
    if "bytearray" in program:
        assert "MemoryError" in outcome.output
    if "big" in program:
        assert "File too large" in outcome.output
    if "environ" in program:
        assert "PATH" not in outcome.output
        assert "['output.txt']" in outcome.output


def test_the_wheels_own_programs_are_found():
    assert "symusic" in find_program("abc2midi")
