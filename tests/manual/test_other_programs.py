"""What programs are recorded to say is what they say."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, command
from workflow.scripts.base.errors import InputError
from workflow.scripts.manual.disputed import DISPUTED
from workflow.scripts.manual.examples import HEADER
from workflow.scripts.manual.other_programs import NAMES, ask, ask_node

GOOD, BAD = HEADER + "CDEF GABc|]\n", HEADER + "(10CDEFGABcde z6|]\n"
RECORD = json.loads((ROOT / "docs/checker/programs.json").read_text(encoding="utf-8"))


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Have shell scripts, and no other program, on the PATH."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_our_own_two_are_asked_where_there_is_no_other(tmp_path, monkeypatch):
    put_on_path(tmp_path, monkeypatch)
    said = ask([GOOD, BAD, HEADER + "z8|]\n"], 60)
    assert list(said) == ["abc2midi", "music21"]
    assert said["abc2midi"].errors[:2] == ["", "Only tuples (2 - (9 allowed"]
    assert said["music21"].errors == ["", "", "no note"]
    assert [answer.version for answer in said.values()] == [RECORD["programs"][name] for name in said]


def test_a_program_takes_what_it_reports_no_error_in(tmp_path, monkeypatch):
    """Warnings are no errors, and of several errors the first is told."""
    answers = {
        "abcjs": {"version": "1.0", "errors": [[], ["one", "two"]]},
        "abc2svg": {"version": "2.0", "errors": [["three"], []]},
    }
    (tmp_path / "answers").write_text(json.dumps(answers))
    put_on_path(
        tmp_path, monkeypatch,
        abcm2ps='case "$1" in -V) echo "abcm2ps-8.0 (2022)"; echo Options;; *) echo "tune.abc:6:9: warning: Line";'
                ' while read -r l; do case "$l" in "(10"*) echo "tune.abc:6:0: error: Bad one";'
                ' echo "tune.abc:6:1: error: Bad two";; esac; done <tune.abc;; esac',
        node=f"exec /bin/cat {tmp_path}/answers",
    )  # fmt: skip
    said = ask([GOOD, BAD], 60)
    assert list(said) == list(NAMES)
    assert said["abcm2ps"] == ("8.0", ["", "Bad one"])
    assert said["abcjs"] == ("1.0", ["", "one"])
    assert said["abc2svg"] == ("2.0", ["three", ""])


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_node_is_asked_of_the_packages_that_it_finds(tmp_path, monkeypatch):
    """A package that is not there is left out, a crash is an error, and messages are without what they quote."""
    abcjs = tmp_path / "modules" / "abcjs"
    abcjs.mkdir(parents=True)
    (abcjs / "index.js").write_text(
        'exports.signature = "abcjs-basic v9.9.9"; exports.parseOnly = (text) => { if (text === "c") throw Error("no");'
        ' return text === "a" ? [{}] : [{ warnings: ["Music Line:6:7: Bad bar:  |<b>"] }]; };'
    )
    node = shutil.which("node")
    put_on_path(tmp_path, monkeypatch)
    monkeypatch.setenv("NODE_PATH", str(tmp_path / "modules"))
    said = ask_node(node, ["a", "b", "c"], 60)
    assert said == {"abcjs": ("9.9.9", ["", "Bad bar", "crash: Error: no"])}


def test_node_that_fails_is_one_sentence(tmp_path, monkeypatch):
    put_on_path(tmp_path, monkeypatch, node="exit 3")
    with pytest.raises(InputError, match=r"node did not run other_programs\.js: .* exit status 3"):
        ask([GOOD], 60)


def test_abc2midi_and_music21_still_say_what_is_recorded(tmp_path):
    """The command, with none of the other programs there."""
    output = tmp_path / "programs.json"
    done = command("compare_programs", "--output", output, env={"PATH": str(tmp_path), "HOME": os.environ["HOME"]})
    assert done.returncode == 0, done.stderr
    assert "abcm2ps   is not installed" in done.stdout
    fresh = json.loads(output.read_text(encoding="utf-8"))
    assert list(fresh["errors"]) == [notation.example for notation in DISPUTED]
    for example, errors in fresh["errors"].items():
        assert list(errors) == ["abc2midi", "music21"]
        assert errors.items() <= RECORD["errors"][example].items()
