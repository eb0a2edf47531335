"""What other people's programs say of texts of ABC: abc2midi, abcm2ps, abcjs, abc2svg and music21.

Needs those that are there: abc2midi and music21 come with our packages, abcm2ps is looked for on the PATH, and abcjs
and abc2svg by node on NODE_PATH. The texts are our own examples, so node runs with the environment that it needs.
"""

import json
import re
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine.sandbox import find_program, run_limited
from workflow.scripts.writing.programs import Abc2midi, Music21

NAMES = ("abc2midi", "abcm2ps", "abcjs", "abc2svg", "music21")
ABCM2PS_ERROR = re.compile(r"^\S+?:\d+:\d+: error: (.*)$", re.MULTILINE)
SCRIPT = Path(__file__).with_name("other_programs.js")


class Said(NamedTuple):
    """What one program says.

    Attributes:
        version: of the program.
        errors: its first error in each text, "" where it takes it.
    """

    version: str
    errors: list[str]


def ask(texts: list[str], seconds: float) -> dict[str, Said]:
    """What each program that is installed says, by its name in the order of `NAMES`.

    Args:
        seconds: that a program may take for a text, and node for all of them.

    Raises:
        InputError: abc2midi or music21 is not there, or node fails.
    """
    found = {"abc2midi": ask_abc2midi(texts, seconds), "music21": ask_music21(texts, seconds)}
    if program := shutil.which("abcm2ps"):
        found["abcm2ps"] = ask_abcm2ps(program, texts, seconds)
    if node := shutil.which("node"):
        found |= ask_node(node, texts, seconds)
    return {name: found[name] for name in NAMES if name in found}


def ask_abc2midi(texts: list[str], seconds: float) -> Said:
    """abc2midi takes what it writes as MIDI with a note, without an error but for those that are none."""
    with tempfile.TemporaryDirectory() as folder:
        banner = run_limited([find_program("abc2midi"), "-ver"], Path(folder), seconds).output
    with Abc2midi(seconds) as abc2midi:
        messages = [abc2midi.judge(text, None)[2] for text in texts]
    return Said(
        banner.split(" ")[0], [first["message"].strip() for first, *_ in (m or [{"message": ""}] for m in messages)]
    )


def ask_music21(texts: list[str], seconds: float) -> Said:
    """music21 takes what it parses and writes as MIDI, with a note."""
    errors = []
    with Music21(seconds) as music21:
        for text in texts:
            music21.ask(text)
            takes, messages = music21.verdict()
            errors.append("" if takes else messages[0]["message"].removeprefix("music21: ") if messages else "no note")
    return Said(version("music21"), errors)


def ask_abcm2ps(program: str, texts: list[str], seconds: float) -> Said:
    """abcm2ps takes what it prints without an error; warnings, as of a line that is not full, do not count."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        banner = run_limited([program, "-V"], folder, seconds).output
        errors = []
        for text in texts:
            (folder / "tune.abc").write_text(text, encoding="utf-8")
            outcome = run_limited([program, "tune.abc", "-O", "tune.ps"], folder, seconds)
            error = ABCM2PS_ERROR.search(outcome.output)
            errors.append(outcome.problem or (error[1] if error else ""))
    return Said(re.sub(r"^abcm2ps-(\S+)[^\0]*", r"\1", banner), errors)


def ask_node(node: str, texts: list[str], seconds: float) -> dict[str, Said]:
    """abcjs takes what it parses without a warning, abc2svg what it draws without an error."""
    try:
        done = subprocess.run(
            [node, SCRIPT], input=json.dumps(texts), capture_output=True, text=True, timeout=seconds, check=True
        )
    except subprocess.SubprocessError as error:
        raise InputError(f"node did not run {SCRIPT.name}: {error}") from error
    answers = json.loads(done.stdout)
    return {
        name: Said(answer["version"], [errors[0] if errors else "" for errors in answer["errors"]])
        for name, answer in answers.items()
    }
