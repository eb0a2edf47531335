"""MIDI that nobody has vetted -> ABC that says the same, with the measure of how far it does.

Needs midi2abc, which comes with symusic. The file is read here, put on a grid, and written anew, plain, for midi2abc;
what that writes gets its keys and tempos, is read note by note, and is compared with the file.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from workflow.scripts.midi.agreement import Agreement, agreement
from workflow.scripts.midi.arrange import arrange
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.midi.midi2abc import Midi2abc
from workflow.scripts.midi.read_abc import UNITS, notes_of
from workflow.scripts.midi.song import DRUMS, Song, read_song
from workflow.scripts.midi.spell import spelt
from workflow.scripts.midi.write import plain_midi

MAX_PARTS = 63  # midi2abc has room for 64 tracks, one of them without notes, and runs over it


@dataclass(frozen=True)
class Conversion:
    """A tune made of a MIDI file.

    Attributes:
        abc: its text, ASCII.
        song: what the file says.
        agreement: how far the notes of both agree.
    """

    abc: bytes
    song: Song
    agreement: Agreement


class Converter:
    """Converts one MIDI after another; to be used in a ``with`` block, by one thread at a time.

    The result depends on the bytes and the options alone.
    """

    def __init__(
        self,
        flags: str = "",
        min_agreement: float = 0.9,
        seconds: float = 10,
        memory_bytes: int = 1 << 30,
        max_bytes: int = 1 << 20,
    ):
        """Find the program.

        Args:
            flags: of midi2abc, beside those that say what grid the notes are on.
            min_agreement: least F1 of the onsets of a tune that is taken.
            seconds, memory_bytes, max_bytes: as of `Midi2abc`.

        Raises:
            InputError: midi2abc is not installed.
        """
        self.flags = flags.split()
        self.min_agreement = min_agreement
        self.max_bytes = max_bytes
        self._program = Midi2abc(seconds, memory_bytes, max_bytes)

    def __enter__(self) -> Self:
        self._program.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._program.__exit__(kind, error, trace)

    def convert(self, midi: bytes) -> Conversion:
        """The tune that a MIDI file plays.

        Raises:
            ConversionError: there is none, or none that says the same; the reason says why.
            OSError: this machine failed (a full disk, no more processes), not the MIDI.
        """
        song = read_song(midi)
        if len(song.channels) > MAX_PARTS:
            raise ConversionError("midi_voices", f"{len(song.channels)} channels of tracks, more than {MAX_PARTS}")
        if len(song.notes) > self.max_bytes:
            raise ConversionError("midi_runaway", f"{len(song.notes)} notes, for {self.max_bytes} bytes of ABC")
        arranged = arrange(song)
        flags = [*self.flags, "-nt", "-nb", "-ppu", str(arranged.parts_per_unit)]
        abc = spelt(self._program.run(plain_midi(song, arranged), flags), song, arranged)
        found = compare(song, notes_of(abc))
        if found.onsets < self.min_agreement:
            said = f"{found.notes:.1%} of the notes agree, {found.onsets:.1%} in onset too"
            raise ConversionError("midi_unlike", f"{said}: less than {self.min_agreement:.0%}")
        return Conversion(abc, song, found)


def compare(song: Song, notes: np.ndarray) -> Agreement:
    """How far the notes of a tune, as `notes_of` gives them, are those of the song."""
    played, is_drum = song.notes, song.channels == DRUMS
    return agreement(
        played["pitch"] + 128 * played["drum"].astype(np.int64),
        played["onset"] / song.division,
        played["length"] / song.division,
        (
            notes[:, 3] + 128 * is_drum[np.minimum(notes[:, 0], len(is_drum) - 1)],
            notes[:, 1] / UNITS,
            (notes[:, 2] - notes[:, 1]) / UNITS,
        ),
    )
