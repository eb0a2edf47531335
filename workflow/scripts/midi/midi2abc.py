"""Run the program midi2abc on one MIDI file after another, under limits and at about its bare speed.

Needs midi2abc, which comes with symusic. Gives the bytes of one tune for those of one file, or a `ConversionError`.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from workflow.scripts.machine.sandbox import ended, find_program, killed_by, limits, ready, start_limited, stop
from workflow.scripts.midi.errors import ConversionError

NAME = "tune.mid"  # midi2abc prints the name, so it is the same for all
EXPANSION = 100  # bytes of ABC per byte of MIDI; real music stays near 1
GAVE_UP = (
    b"\nProbably infinite loop: aborting\n"  # -splitvoices prints this into a voice at 5000 bars, and drops the rest
)
HAS_NOTE = re.compile(rb"^(?![A-Za-z]:|%)[^%\n]*[A-Ga-g]", re.MULTILINE)


class Midi2abc:
    """Runs the program on one MIDI after another, in a folder of its own that lives as long as the ``with`` block.

    The result depends on the bytes and the flags alone. Not for use by several threads at a time.
    """

    def __init__(self, seconds: float = 10, memory_bytes: int = 1 << 30, max_bytes: int = 1 << 20):
        """Find the program.

        Args:
            seconds: bounds wall time and, rounded up, CPU time.
            memory_bytes: bounds the program's address space.
            max_bytes: the most ABC that is taken.

        Raises:
            InputError: midi2abc is not installed.
        """
        self.program = find_program("midi2abc")
        self.seconds = seconds
        self.max_bytes = max_bytes
        # The output goes through a pipe, so the program needs no right to write any file, nor to start a process.
        self.bounds = limits(seconds, memory_bytes, file_bytes=0, processes=0)

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="midi2abc.")
        self._folder = Path(self._temporary.name)
        # One file, overwritten: making a new one, or emptying it first, costs ext4 a third of a conversion.
        self._input = open(self._folder / NAME, "wb", buffering=0)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._input.close()
        self._temporary.cleanup()

    def run(self, midi: bytes, flags: list[str]) -> bytes:
        """The ABC text of one MIDI file, from its ``X:`` line on and without the title that names the file.

        Args:
            flags: of midi2abc, beside the name of its input.

        Raises:
            ConversionError: there is none; the reason says why.
            OSError: this machine failed (a full disk, no more processes), not the MIDI.
        """
        self._input.seek(0)
        view = memoryview(midi)
        while view:
            view = view[self._input.write(view) :]
        self._input.truncate()
        output = self._output(["midi2abc", NAME, *flags], min(self.max_bytes, EXPANSION * len(midi)))
        if GAVE_UP in output:
            raise ConversionError("midi_runaway", "over 5000 bars in a voice")
        abc = _tune(output)
        if not HAS_NOTE.search(abc, max(0, abc.find(b"\nK:") + 1)):
            raise ConversionError("midi_empty", "no note in the output" if output else "no output")
        return abc

    def _output(self, command: list[str], most: int) -> bytes:
        """What the program prints of the file, in at most so many bytes.

        Raises:
            ConversionError: as from `run`.
        """
        end = time.monotonic() + self.seconds
        process = start_limited(
            command,
            self._folder,
            self.bounds,
            executable=self.program,
            bufsize=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stdout, stderr = process.stdout, process.stderr
        assert stdout is not None  # as it is a pipe
        assert stderr is not None
        output = bytearray()
        try:
            pipe = stdout.fileno()
            whole = False
            while not whole and ready(pipe, end):
                block = os.read(pipe, 1 << 16)
                whole = not block
                output += block
                if len(output) > most:
                    raise ConversionError("midi_runaway", f"over {most} bytes of ABC")
            if not (whole and ended(process, end)):
                raise ConversionError("midi_timeout", f"no end after {self.seconds:g} s")
        finally:
            code = stop(process)
            # One read: it writes only to say why it exits, and a pipe holds more than that.
            os.set_blocking(stderr.fileno(), False)
            said = stderr.read(200) or b""
            stdout.close()
            stderr.close()
        self._check_end(code, said)
        return bytes(output)

    def _check_end(self, code: int, said: bytes) -> None:
        """Refuse a file of which the program died, or with which it found fault.

        Args:
            code: the exit status, or a negative signal.
            said: the beginning of what the program wrote to stderr.
        """
        if code == -signal.SIGXCPU:
            raise ConversionError("midi_timeout", f"over {self.seconds:g} s of CPU time")
        if code < 0:
            raise ConversionError("midi_crash", killed_by(code))
        if said.startswith(b"MIDI file has no notes!"):
            raise ConversionError("midi_empty", "MIDI file has no notes")
        if code:
            reason = "midi_memory" if said.startswith(b"Out of memory") else "midi_failed"
            line = said.partition(b"\n")[0].decode("ascii", "replace")
            raise ConversionError(reason, f"exit status {code}" + (f": {line}" if line else ""))


def _tune(output: bytes) -> bytes:
    """The tune in what midi2abc printed: what comes before it is cut, and so is the title that names the file."""
    start = re.search(rb"^X:", output, re.MULTILINE)
    return output[start.start() :].replace(b"\nT: from " + NAME.encode() + b"\n", b"\n", 1) if start else b""
