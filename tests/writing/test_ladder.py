"""Verdicts on files: what passes which step, and what is never given to a program."""

import json
import random
import time

import pytest

from tests.conftest import command
from workflow.scripts.writing.ladder import RATES, STEPS, evaluate
from workflow.scripts.writing.programs import MAX_DIGITS, MAX_LINE, MAX_VOICES, over_limit
from workflow.scripts.writing.samples import Drawn, listed_below, write_samples
from workflow.scripts.writing.validity import rates

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


def test_a_step_not_taken_has_no_rate_and_an_unread_file_fails_those_that_were(tmp_path):
    (tmp_path / "good.abc").write_text(GOOD)
    (tmp_path / "unread.abc").write_bytes(b"\0")
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


def test_the_notes_of_a_prompt_are_no_success(tmp_path):
    prompt = f"{HEAD}CDEF GABc|"
    tunes = [Drawn(prompt, "cBAG FEDC|]\n", True), Drawn(prompt, "]\n", True), Drawn("", GOOD, True)]
    write_samples(tmp_path / "tunes", "gpt", tunes)
    (tmp_path / "tunes" / "other.csv").write_text("no,table,of,samples\n1,2,3,4\n")
    listed = listed_below(tmp_path)
    assert sorted(sample.prompt_chars for sample in listed.values()) == [0, len(prompt), len(prompt)]
    midi = {path: tmp_path / f"{path.stem}.mid" for path in listed}
    went_on, stopped, own = evaluate(sorted(listed), 20, set(STEPS), midi, listed)
    passed = dict.fromkeys((*RATES.values(),), True)
    assert {name: went_on[name] for name in passed} == {name: own[name] for name in passed} == passed
    assert {name: stopped[name] for name in passed} == dict.fromkeys(passed, False) | {"tools_agree": True}
    assert [(v["bars"], v["bars_right"]) for v in (went_on, stopped, own)] == [(1, 1), (0, 0), (2, 2)]
    assert "no note after the prompt" in [message["message"] for message in stopped["messages"]]
    assert sorted(path.name for path in tmp_path.glob("*.mid")) == ["gpt-000.mid", "gpt-002.mid"]
    # No step that needs the checker: the notes are counted all the same.
    assert [v["compiles"] for v in evaluate(sorted(listed), 20, {"compiles"}, samples=listed)] == [
        True,
        False,
        True,
    ]
    done = command("eval_syntax", "--folder", tmp_path, "--json", tmp_path / "v.json")
    assert json.loads((tmp_path / "v.json").read_text())["rates"]["valid"]["count"] == 2, done.stderr


def test_a_tune_that_was_cut_is_judged_up_to_its_last_whole_bar_in_every_step(tmp_path):
    """What is open there is no fault to the programs either; and one that is not cut has no such grace."""
    cut = f"{HEAD}|:CDEF GABc|(cBAG F2|[EG]4 C2C2-|CDE[F"
    header = f"{HEAD}CDE"
    fault = f"{HEAD}CDE]F GABc|cBAG [F"
    tunes = [Drawn("", cut, False), Drawn("", cut, True), Drawn("", header, False), Drawn("", fault, False)]
    write_samples(tmp_path, "gpt", [*tunes, Drawn("", GOOD, True)])
    listed = listed_below(tmp_path)
    verdicts = list(evaluate(sorted(listed), 20, set(STEPS), samples=listed))
    assert [verdict["cut"] for verdict in verdicts] == [True, False, True, True, False]
    steps = [[verdict[RATES[step]] for step in STEPS] for verdict in verdicts]
    assert steps[0] == [True, True, True, True, False]  # a bar of it is short
    assert steps[1] == [False, False, True, False, False]
    assert steps[2] == [False] * 5
    assert steps[3][:2] == [False, False]
    assert (verdicts[0]["bars"], verdicts[2]["messages"][0]["message"]) == (
        3, "not read: cut before its first bar was whole"
    )  # fmt: skip
    assert {name: (rate["count"], rate["n"]) for name, rate in rates(verdicts).items() if name == "cut"} == {
        "cut": (3, 5)
    }


def test_no_more_messages_of_a_program_than_of_the_checker(tmp_path):
    verdict = verdict_of(tmp_path, f"{HEAD}{'CDE]F|' * 100}\n")
    assert sum(message["tier"] == "tool" for message in verdict["messages"]) == 50


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
