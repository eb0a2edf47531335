"""What abc2midi and music21 make of a tune that nobody has vetted.

Each runs in an empty folder of its own, without an environment, under limits on time, memory, size of files and how
many are open; breaking one counts as invalid. Neither sees a text that is over a limit, nor lines that name files.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import atomic_path
from workflow.scripts.grammar.fields import VOICE
from workflow.scripts.grammar.findings import MAX_MESSAGES
from workflow.scripts.machine.sandbox import (
    Outcome,
    ended,
    find_program,
    killed_by,
    limits,
    ready,
    run_limited,
    start_limited,
    stop,
)
from workflow.scripts.reading.pieces import to_lf
from workflow.scripts.writing import music21_worker

# Limits on what a program is given: what kills programs, or makes them last, is far beyond what music has. In 13,000
# tunes of music21, and in MIDI of all kinds as midi2abc writes it, no line is longer than 314 characters, no tune has
# more than 18 voices, and no number in the music more than 4 digits.
MAX_LINE = 4096  # characters; 10,000 commas, ampersands or notes in a group kill abc2midi
MAX_VOICES = 32  # what `prepare` keeps
MAX_DIGITS = 6  # in a row; C99999999 takes 1 GB, z99999999 more
LONG_LINE = re.compile(rf"^.{{{MAX_LINE + 1}}}", re.MULTILINE)
# Text that no program takes for numbers may hold as long ones as it likes: comments, titles and the like.
LONG_NUMBER = re.compile(rf"^(?!%|[ABCDFGHNORSTWZrw]:).*?\d{{{MAX_DIGITS + 1}}}", re.MULTILINE)

# Lines that say something to programs, but for these: among the rest are some that read any file of this machine. As
# abc2midi reads them, there may be blanks of all kinds before and between the signs.
DIRECTIVE = re.compile(
    r"^[^\S\n]*(?!(?:%%|I:)[ \t]*(?:MIDI[ \t]+(?:program|channel)[ \t]+[\d \t]{1,9}|score|staves|clef)\b)"
    r"(?:%[^\S\n]*%|I:).*$",
    re.MULTILINE,
)
ERROR = re.compile(r"^Error in line-char (\d+)-(\d+) : (.*)$", re.MULTILINE)
# What abc2midi calls an error in text that is right by ABC 2.1 (sections in brackets).
IGNORED = re.compile(
    # Chord symbols that it cannot play, as "Segno": "Programs should treat chord symbols quite liberally" (4.18).
    "Guitar chord does not start with A-G|Unrecognized chord name"
    # The accompaniment that it makes up of chord symbols, which goes on after a last bar that is short.
    "|Sustained notes beyond end of track"
    # R: is free text, to which the meter owes nothing.
    "|Hornpipe must be in"
    # G' is g, and c, is C: a program should read any combination of , and ' after a note (4.1).
    "|Bad pitch specifier [,'] after note"
    # A repeat that begins where the one before ended needs no |: (4.8).
    r"| found \[1 or like before \|:"
    # It follows no tie into an overlay or after a < sign (4.11). Our own step, syntax, follows them all.
    "|Could not find note to be tied"
)
# The same where what the message begins with is about a place (line, and column from 0) at which this stands.
IGNORED_AT = {
    # A decoration of one letter on a bar line or before a slur, or a letter of no meaning, which is skipped (4.14).
    "Malformed note": re.compile(r"[.~H-Wh-w]+(?=[(\[|])|(?<=.)[.~H-Wh-w]+(?=:)"),
    # A tempo in words alone, which may have any sign in them (3.1.8).
    "malformed Q:": re.compile(r'Q:[ \t]*"[^"]*"[ \t]*$'),
}
INVISIBLE_BAR = "[|]"  # a bar line by the standard (4.8), which both programs take for a chord
MAX_SECONDS = 600  # of a tune as MIDI
START_SECONDS = 120  # for music21 to be imported, on a slow disk


def said(message: str, line: int = 0, column: int = 0, tier: str = "tool") -> dict:
    """A message about a tune; line 0 where it is about no line."""
    return {"line": line, "column": column, "tier": tier, "message": message}


def over_limit(text: str) -> dict | None:
    """A message with the line and the limit that keeps a text from programs, if one does."""
    if match := LONG_LINE.search(text):
        what = f"a line of more than {MAX_LINE} characters"
    elif match := LONG_NUMBER.search(text):
        what = f"a number of more than {MAX_DIGITS} digits"
    else:
        voices: set[str] = set()
        for match in VOICE.finditer(text):
            voices.add(match[1])
            if len(voices) > MAX_VOICES:
                break
        else:
            return None
        what = f"more than {MAX_VOICES} voices"
    return said(f"not given to programs: {what}", text.count("\n", 0, match.end()) + 1)


def sanitise(text: str) -> tuple[str, bool]:
    """(text that names no file to a program, whether a line was taken out); with line feeds as its only line ends.

    An invisible bar line is a plain one in it.
    """
    text, dropped = DIRECTIVE.subn("%", to_lf(text))
    return text.replace(INVISIBLE_BAR, "|".ljust(len(INVISIBLE_BAR))), dropped > 0


def is_no_error(message: str, line: str, column: int) -> bool:
    """Whether abc2midi says so of what is right, at a column of a line."""
    places = (place for beginning, place in IGNORED_AT.items() if message.startswith(beginning))
    return bool(IGNORED.match(message)) or any(place.match(line, column) for place in places)


class Abc2midi:
    """Compiles one text after another, in a folder that lives as long as the ``with`` block and is emptied between."""

    def __init__(self, seconds: float):
        self.program = find_program("abc2midi")
        self.seconds = seconds

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="abc2midi.")
        self._folder = Path(self._temporary.name)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._temporary.cleanup()

    def compile(self, text: str) -> tuple[Outcome, Path]:
        """How compiling a tune went, and where its MIDI file is if there is one, until the next is compiled."""
        for path in self._folder.iterdir():
            path.unlink()
        (self._folder / "tune.abc").write_bytes(text.encode())
        command = [self.program, "tune.abc", "-NFER", "-o", "tune.mid"]
        return run_limited(command, self._folder, self.seconds), self._folder / "tune.mid"

    def judge(self, text: str, keep: Path | None) -> tuple[bool, bool, list[dict]]:
        """(no error, a MIDI file of notes, messages) of compiling a tune; ``keep`` receives a clean result."""
        outcome, midi = self.compile(text)
        lines = dict(enumerate(text.split("\n"), 1))
        found = [(int(line), int(column), what) for line, column, what in ERROR.findall(outcome.output)]
        errors = [error for error in found if not is_no_error(error[2], lines.get(error[0], ""), error[1])]
        messages = [said(what, line, at) for line, at, what in errors[:MAX_MESSAGES]]
        if outcome.problem:
            messages.append(said(outcome.problem))
        agrees, compiles = not messages, False
        if not outcome.problem:
            problem = listen(midi)
            compiles = problem is None
            messages += [said(problem)] if problem else []
        if agrees and compiles and keep:
            with atomic_path(keep) as temporary:
                shutil.copyfile(midi, temporary)
        return agrees, compiles, messages


def listen(midi: Path) -> str | None:
    """What is wrong with a MIDI file: nothing if a library other than its maker's reads it and finds a note in it."""
    import symusic

    if not midi.exists():
        return "no MIDI file was written"
    try:
        score = symusic.Score(midi)  # whose methods symusic gives no types
        notes, lasts = score.note_num(), score.to("second").end()  # type: ignore[attr-defined]
    except (RuntimeError, ValueError) as error:
        return f"the MIDI file cannot be read ({error})"
    return None if notes and 0 < lasts <= MAX_SECONDS else f"the MIDI file has {notes} notes and lasts {lasts:.0f} s"


class Music21:
    """Has music21 parse one text after another and make MIDI of it, in a process that is replaced if it dies or hangs.

    `ask`, then do something else, then take the `verdict`.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.bounds = limits(10 * 3600)  # CPU seconds for all texts, since a time-out bounds each
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="music21.")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        self._temporary.cleanup()

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, which is started unless it runs.

        Raises:
            InputError: music21 cannot be imported.
        """
        if self._process:
            return self._process
        command = [sys.executable, "-I", music21_worker.__file__, *map(os.path.abspath, sys.path)]
        self._process = process = start_limited(
            command,
            Path(self._temporary.name),
            self.bounds,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if "ready" not in self._answer(process, START_SECONDS):
            raise InputError("music21 cannot be imported: pip install -r requirements.txt")
        return process

    def _end(self) -> int:
        """End the process; how it ended."""
        process, self._process = self._process, None
        if not process:
            return 0
        code = stop(process)
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()
        return code

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> dict:
        """The process's next line, or what became of it; it is ended if there is none."""
        assert process.stdout  # a pipe, as it was started
        end, line = time.monotonic() + seconds, b""
        late = {"error": f"no end after {seconds:g} s"}
        descriptor = process.stdout.fileno()
        while not line.endswith(b"\n"):
            block = os.read(descriptor, 1 << 16) if ready(descriptor, end) else b""
            if not block:  # late or dead; waited for, so that of a death its own cause is said
                dead = ended(process, end)
                code = self._end()
                return {"error": killed_by(code) if code < 0 else f"exit status {code}"} if dead else late
            line += block
        return json.loads(line)

    def ask(self, text: str) -> None:
        """Give the process a text, and do not wait for what it says."""
        process = self._running()
        assert process.stdin  # a pipe, as it was started
        with contextlib.suppress(BrokenPipeError):  # `verdict` will say so
            view = memoryview(json.dumps(text).encode() + b"\n")
            while view:
                view = view[process.stdin.write(view) :]

    def verdict(self) -> tuple[bool, list[dict]]:
        """(notes were found, messages) of the text that was asked about."""
        answer = self._answer(self._running(), self.seconds)
        if "error" in answer:
            return False, [said(f"music21: {answer['error']}")]
        return answer["notes"] > 0, []
