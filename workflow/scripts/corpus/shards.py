"""A shard: the clean tunes of a share of the input, measured and sketched, kept in one file by `prepare`.

`measure` makes it. It holds text, counts and sketches of every tune that could be kept, and lists the others with the
reason. Whether a tune is kept depends on all the others, so that is decided later (`selection`).
"""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np

from workflow.scripts.base.files import atomic_path
from workflow.scripts.notation.sound import Ragged
from workflow.scripts.reading.sources import Rejected

TUNE = np.dtype(
    [
        ("file", "<u4"),  # index into the shard's files
        ("line", "<i8"),  # in its file, from 1
        ("offset", "<i8"),  # in its file, in characters
        ("raw_chars", "<i8"),  # its length there
        ("chars", "<i8"),  # its length when clean
        ("notes", "<i4"),
        ("rests", "<i4"),
        ("voices", "<i4"),
        ("digest", "<u8", 2),  # of what is heard
        ("key", "<u8"),  # of its melody: what its own split depends on
    ]
)


@dataclasses.dataclass
class Shard:
    """The n tunes of some pieces; `save` and `load` keep it in one file."""

    tunes: np.ndarray  # (n,) TUNE
    text: np.ndarray  # UTF-8 of the clean tunes, one after another
    bounds: np.ndarray  # (n + 1,) where each begins in text
    sketches: dict[str, np.ndarray]  # feature -> (n, N_HASHES)
    files: list[str]
    rejected: list[Rejected]
    cleaned: np.ndarray  # what cleaning took out or put right in all tunes that were found, by `clean_tune.KINDS`
    played: Ragged  # what `played_of` makes of the MIDI that each tune was read from; empty for the others
    converted: np.ndarray  # (MIDI files that gave a tune, conversion.COLUMNS) float64

    def tune_text(self, i: int) -> str:
        return self.text[self.bounds[i] : self.bounds[i + 1]].tobytes().decode()

    def save(self, path: Path, key: str) -> None:
        """Write the file, whole or not at all; ``key`` says what it was made of."""
        said = {"key": key, "files": self.files, "rejected": [dataclasses.astuple(item) for item in self.rejected]}
        arrays = {"tunes": self.tunes, "text": self.text, "bounds": self.bounds, "cleaned": self.cleaned}
        arrays |= {"played": self.played.values, "played_bounds": self.played.bounds, "converted": self.converted}
        arrays |= {f"sketch_{name}": array for name, array in self.sketches.items()}
        with atomic_path(path) as temporary:
            np.savez(temporary, allow_pickle=False, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path, sketches: bool = False) -> "Shard":
        """Read the file, without the sketches unless they are asked for."""
        with np.load(path) as file:
            said = json.loads(file["said"].tobytes())
            names = [name for name in file.files if name.startswith("sketch_")] if sketches else []
            return cls(
                file["tunes"],
                file["text"],
                file["bounds"],
                {name.removeprefix("sketch_"): file[name] for name in names},
                said["files"],
                [Rejected(*item) for item in said["rejected"]],
                file["cleaned"],
                Ragged(file["played"], file["played_bounds"]),
                file["converted"],
            )

    @staticmethod
    def load_said(path: Path) -> dict:
        """Of a saved shard only ``key``, ``files`` and ``rejected``."""
        return json.loads(load_part(path, "said").tobytes())

    @classmethod
    def load_rejected(cls, path: Path) -> list[Rejected]:
        return [Rejected(*item) for item in cls.load_said(path)["rejected"]]


def key_of(path: Path) -> str | None:
    """Key of the shard in a file, or None if there is no whole shard."""
    try:
        return Shard.load_said(path)["key"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def load_part(path: Path, name: str) -> np.ndarray:
    """One array of a saved shard."""
    with np.load(path) as file:
        return file[name]


def picked(stream: Ragged, which: np.ndarray) -> Ragged:
    """The values of some tunes alone; ``which`` is (n,) bool."""
    lengths = np.diff(stream.bounds)
    return Ragged(stream.values[np.repeat(which, lengths)], np.concatenate(([0], np.cumsum(lengths[which]))))
