import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import jsonschema
import psutil
import pytest

from tests.conftest import ROOT, command
from workflow.scripts.machine.sandbox import find_program, run_limited
from workflow.scripts.writing import ladder
from workflow.scripts.writing.ladder import STEPS, evaluate, rates
from workflow.scripts.writing.programs import IGNORED, MAX_DIGITS, MAX_LINE, MAX_VOICES, Abc2midi, Music21, over_limit
from workflow.scripts.writing.samples import Drawn, write_samples

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "validity.schema.json").read_text())
HEAD = "X:1\nT:Scale\nM:4/4\nL:1/8\nK:C\n"
GOOD = f"{HEAD}CDEF GABc|cBAG FEDC|]\n"


def verdicts_of(tmp_path, texts, seconds=20):
    """The verdicts on several texts, for which the programs start once."""
    paths = [tmp_path / f"tune-{i}.abc" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(evaluate(paths, seconds, set(STEPS)))


def verdict_of(tmp_path, text, seconds=20):
    (verdict,) = verdicts_of(tmp_path, [text], seconds)
    return verdict


def test_a_good_tune_passes_everything(tmp_path):
    verdict = verdict_of(tmp_path, GOOD)
    passed = ("syntax_valid", "bars_correct", "tools_agree", "compiles", "music21", "abc2midi", "valid")
    assert {name: verdict[name] for name in passed} == dict.fromkeys(passed, True)
    assert (verdict["tiers"], verdict["messages"]) == ([], [])


def test_what_is_no_music_does_not_pass(tmp_path):
    cases = {
        "hello\n": "No tune processed",
        "X:1\nM:4/4\nL:1/8\nK:C\nz8|z8|\n": "",  # abc2midi makes a MIDI file of it, with nothing in it
        "X:1\nM:4/4\nL:1/8\nK:C\nCDE(F GAH!Bc|]3\n": "Malformed note",
        "": "no MIDI file was written",
        b"X:1\nK:C\nCDE\xff\n": "not read: ",
        b"X:1\nK:C\nCDE\0FG\n": "not read: a NUL character",
        b"X:1\nK:C\n" + b"C" * 2_000_000: "not read: 2000008 bytes",
    }
    for (text, message), verdict in zip(cases.items(), verdicts_of(tmp_path, cases), strict=True):
        assert (verdict["abc2midi"], verdict["valid"]) == (False, False), text[:99]
        assert message in " ".join(m["message"] for m in verdict["messages"])


def test_text_cannot_read_files(tmp_path):
    """The secret is the only note there could be."""
    secret = tmp_path / "secret.abc"
    secret.write_text(GOOD)
    include = f"%%abc-include {secret}"
    bodies = [include, f" \v{include}", f"% \f{include[1:]}", f"%%MIDI program 1\r{include}", f"I:{include[2:]}"]
    bodies += [f"z8|\\\n{include}", f"V:1 {include}", f"[I:{include[2:]}]z8|", f"\\{include}", f"w:{include}"]
    texts = [f"X:1\nK:C\nz8|\n{body}\nz8|\n" for body in bodies]
    texts += [f"X:1\rK:C\r{include}\r", str(secret)]
    paths = [tmp_path / f"{i}.abc" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, newline="")
    for text, verdict in zip(texts, evaluate(paths, 20, set(STEPS)), strict=True):
        assert (verdict["compiles"], verdict["music21"], verdict["valid"]) == (False, False, False), text


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
        verdicts = list(evaluate(sorted(tmp_path.glob("*.abc")), 20, set(steps)))
        expected = set(steps) | ({"abc2midi"} if {"tools", "compiles"} <= set(steps) else set())
        expected |= {"valid"} if steps == STEPS else set()
        assert {name: (rate["count"], rate["n"]) for name, rate in rates(verdicts).items()} == dict.fromkeys(
            expected, (1, 2)
        )


def test_directives_that_are_not_sound_never_reach_a_program(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    sound = [GOOD, GOOD.replace("M:", "%%MIDI program 3\nM:")]
    others = [f"%%MIDI ptstress {tmp_path}/secret.txt", f"%%EPS {tmp_path}/secret.txt", "I:abc-include x"]
    verdicts = verdicts_of(tmp_path, sound + [GOOD.replace("M:", f"{line}\nM:") for line in others])
    assert [verdict["sanitised"] for verdict in verdicts] == 2 * [False] + 3 * [True]
    assert all(verdict["tools_agree"] and verdict["compiles"] for verdict in verdicts)


def test_an_empty_folder_is_one_sentence(tmp_path):
    done = command("eval_syntax", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path} holds no .abc files\n"


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


def test_the_notes_of_a_prompt_are_no_success(tmp_path):
    prompt = f"{HEAD}CDEF GABc|"
    tunes = [Drawn(prompt, "cBAG FEDC|]\n", True), Drawn(prompt, "]\n", True), Drawn("", GOOD, True)]
    write_samples(tmp_path / "tunes", "gpt", tunes)
    (tmp_path / "tunes" / "other.csv").write_text("no,table,of,samples\n1,2,3,4\n")
    prompts = ladder.prompts(tmp_path)
    assert sorted(prompts.values()) == [0, len(prompt), len(prompt)]
    midi = {path: tmp_path / f"{path.stem}.mid" for path in prompts}
    went_on, stopped, own = evaluate(sorted(prompts), 20, set(STEPS), midi, prompts)
    passed = dict.fromkeys((*ladder.RATES.values(),), True)
    assert {name: went_on[name] for name in passed} == {name: own[name] for name in passed} == passed
    assert {name: stopped[name] for name in passed} == dict.fromkeys(passed, False) | {"tools_agree": True}
    assert [(v["bars"], v["bars_right"]) for v in (went_on, stopped, own)] == [(1, 1), (0, 0), (2, 2)]
    assert "no note after the prompt" in [message["message"] for message in stopped["messages"]]
    assert sorted(path.name for path in tmp_path.glob("*.mid")) == ["gpt-000.mid", "gpt-002.mid"]
    # No step that needs the checker: the notes are counted all the same.
    assert [v["compiles"] for v in evaluate(sorted(prompts), 20, {"compiles"}, prompt_chars=prompts)] == [
        True,
        False,
        True,
    ]
    done = command("eval_syntax", "--folder", tmp_path, "--json", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["rates"]["valid"]["count"] == 2, done.stderr


@pytest.mark.parametrize(
    "music",
    [
        '"Segno"CDEF "D.C."GABc|',
        "CDEF G'ABc,|",
        "CDEF GABc:|cBAG FEDC|1CDEF GABc:|2cBAG FEDC|]",
        '|A,2-A,"Dm"G,A,|',
    ],
)
def test_what_is_right_by_the_standard_is_no_error(tmp_path, music):
    """abc2midi says that it is, each time; with a real error beside it, that is told."""
    text = f"X:1\nR:hornpipe\nM:3/4\nL:1/16\nK:C\n{music}\n"
    with Abc2midi(20) as program:
        agrees, _, messages = program.judge(text, None)
        assert (agrees, messages) == (True, [])
        agrees, _, messages = program.judge(f"{text}CDE]F|\n", None)
        assert not agrees
        assert {message["message"] for message in messages} == {"Chord already finished"}


def test_no_more_messages_of_a_program_than_of_the_checker(tmp_path):
    verdict = verdict_of(tmp_path, f"{HEAD}{'CDE]F|' * 100}\n")
    assert sum(message["tier"] == "tool" for message in verdict["messages"]) == 50


def test_messages_about_real_faults_are_none_of_the_ignored():
    for message in ("Malformed note : expecting a-g or A-G", "Missing :| at end of tune", "Chord already finished"):
        assert not IGNORED.match(message)


@pytest.mark.parametrize(
    ("music", "message"),
    [
        ("C" + "," * MAX_LINE, f"line 6: a line of more than {MAX_LINE} characters"),
        ("C" + "," * (MAX_LINE - 1), None),
        ("".join(f"V:{i}\nC8|\n" for i in range(MAX_VOICES + 1)), f"line 70: more than {MAX_VOICES} voices"),
        ("".join(f"[V:{i}]C8|" for i in range(MAX_VOICES + 1)), f"line 6: more than {MAX_VOICES} voices"),
        ("".join(f"V:{i}\nC8|\n" for i in range(MAX_VOICES)) * 2, None),
        ("C8|\nz" + "9" * (MAX_DIGITS + 1), f"line 7: a number of more than {MAX_DIGITS} digits"),
        ("z" + "9" * MAX_DIGITS, None),
        ("K:C octave=99999999", f"line 6: a number of more than {MAX_DIGITS} digits"),
        ("% 20001206201155\nN:20001206201155\nC8|", None),
    ],
)
def test_text_over_a_limit_is_given_to_no_program(tmp_path, music, message):
    found = over_limit(f"{HEAD}{music}\n")
    assert (f"line {found['line']}: {found['message']}" if found else None) == (
        message and message.replace(": ", ": not given to programs: ")
    )
    if message:
        verdict = verdict_of(tmp_path, f"{HEAD}{music}\n")
        assert (verdict["tools_agree"], verdict["compiles"], verdict["music21"]) == (False, False, False)
        assert [m["message"] for m in verdict["messages"] if m["tier"] == "tool"] == [found["message"]]
        assert verdict["bars"] is not None  # the checker has judged it


def test_music21_judges_as_many_as_it_is_to_evenly_spread(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.abc").write_text(GOOD)
    done = command("eval_syntax", "--folder", tmp_path, "--music21_limit", 4, "--json", tmp_path / "v.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "v.json").read_text())
    assert [file["path"] for file in result["files"] if file["music21"]] == ["0.abc", "2.abc", "5.abc", "7.abc"]
    counts = {name: rate["n"] for name, rate in result["rates"].items()}
    assert counts == dict.fromkeys(counts, 10) | {"music21": 4, "valid": 4}


def test_every_verdict_satisfies_the_schema(tmp_path):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    texts = (GOOD, "hello\n", b"\xff", f"{HEAD}(C8|C9|", "X:1\nK:C\nz8|\n", "X:1\nM:none\nK:C\nC")
    for i, text in enumerate(texts):
        (tmp_path / f"{i}.abc").write_bytes(text if isinstance(text, bytes) else text.encode())
    for steps in (STEPS, ("tools",), ("rhythm",)):
        command("eval_syntax", "--folder", tmp_path, "--steps", *steps, "--json", tmp_path / "v.json")
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads((tmp_path / "v.json").read_text()))


def test_known_cases(shared):
    """Good cases pass; hostile ones end soon and small, and never take the others down."""
    cases = json.loads((shared / "abc-cases" / "manifest.json").read_text())["files"]
    good = random.Random(0).sample([c for c in cases if c["kind"] == "good" and c["certain"]], 15)
    hostile = [c for c in cases if c["kind"] == "hostile"]
    verdicts, slow = [], []
    start = time.monotonic()
    for verdict in evaluate([shared / "abc-cases" / c["path"] for c in good + hostile], 10, set(STEPS)):
        verdicts.append(verdict)
        took, start = time.monotonic() - start, time.monotonic()
        if took > 5:  # 1 s where the machine has nothing else to do
            slow.append((verdict["path"], took))
    assert [v for v in verdicts[: len(good)] if not v["valid"]] == []
    assert len(verdicts) == len(good) + len(hostile)
    assert slow == []
    assert any("not given to programs" in m["message"] for v in verdicts for m in v["messages"])


def test_no_good_case_is_over_a_limit_nor_met_with_an_error(shared):
    folder = shared / "abc-cases"
    cases = json.loads((folder / "manifest.json").read_text())["files"]
    paths = [folder / c["path"] for c in cases if c["kind"] == "good" and c["certain"]]
    verdicts = list(evaluate(paths, 10, {"syntax", "tools", "compiles"}))
    assert [v for v in verdicts if not (v["syntax_valid"] and v["abc2midi"])] == []


@contextlib.contextmanager
def music21_worker(seconds=20):
    """(what asks, its process), once it has answered."""
    with Music21(seconds) as asked:
        asked.ask(GOOD)
        assert asked.verdict() == (True, [])
        yield asked, psutil.Process(asked._process.pid)
    assert not psutil.pid_exists(asked._process.pid if asked._process else -1)


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="looks at another process's limits")
def test_music21_runs_under_limits():
    with music21_worker() as (_, process):
        assert set(process.environ()) <= {"LC_CTYPE"}  # set by Python itself
        assert os.listdir(process.cwd()) == []
        assert Path(process.cwd()) != Path.cwd()
        limits = {name: process.rlimit(getattr(psutil, name))[0] for name in ("RLIMIT_AS", "RLIMIT_NOFILE")}
        assert limits == {"RLIMIT_AS": 1 << 29, "RLIMIT_NOFILE": 64}
        assert 0 < process.rlimit(psutil.RLIMIT_FSIZE)[0] <= 8 << 20
        assert process.rlimit(psutil.RLIMIT_CPU)[0] > 0


def test_what_music21_parses_but_makes_no_midi_of_does_not_pass():
    with music21_worker() as (asked, _):
        asked.ask(f"{HEAD}|:CDEF GABc|cBAG FEDC|\n")
        passes, messages = asked.verdict()
    assert not passes
    assert messages[0]["message"].startswith("music21: ExpanderException: ")


def test_a_music21_that_dies_or_hangs_costs_its_own_text_alone():
    with music21_worker() as (asked, process):
        process.kill()
        asked.ask(GOOD)
        assert asked.verdict()[1][0]["message"] == "music21: killed by SIGKILL"
        asked.ask(GOOD)
        assert asked.verdict() == (True, [])
        asked.seconds = 0.5
        os.kill(asked._process.pid, signal.SIGSTOP)
        asked.ask(GOOD)
        assert asked.verdict()[1][0]["message"] == "music21: no end after 0.5 s"
        asked.seconds = 20
        asked.ask("K:nonsense\nhello [\n")
        assert not asked.verdict()[0]
        asked.ask(GOOD)
        assert asked.verdict() == (True, [])


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("while True: pass", "no end after 1 s"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("x = bytearray(8 << 30)", None),
        ("open('big', 'wb').write(bytes(16 << 20))", None),
        ("files = [open('/dev/null') for _ in range(100)]", None),
        ("import os; print(sorted(os.environ), os.listdir())", None),
    ],
)
def test_programs_run_under_limits(tmp_path, program, problem):
    # The limits are set from outside once it runs: on a busy machine that takes longer than these programs do.
    outcome = run_limited([sys.executable, "-S", "-c", f"import time; time.sleep(0.3)\n{program}"], tmp_path, 1)
    assert outcome.problem == problem
    if "bytearray" in program:
        assert "MemoryError" in outcome.output
    if "big" in program:
        assert "File too large" in outcome.output
    if "files" in program:
        assert "Too many open files" in outcome.output
    if "environ" in program:
        assert "PATH" not in outcome.output
        assert "[]\n" in outcome.output


def test_the_wheels_own_programs_are_found():
    assert "symusic" in find_program("abc2midi")
