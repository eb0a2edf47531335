"""A share of the input -> its clean tunes, measured and sketched, in one file: what a worker of `prepare` does.

A shard holds text, counts and sketches of every tune that could be kept, and lists the others with the reason.
Whether a tune is kept depends on all the others, so that is decided later (`selection`).
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import zipfile
from pathlib import Path

import numpy as np

from workflow.scripts.base.files import atomic_path
from workflow.scripts.corpus.midi_to_abc import ConversionError, Converter
from workflow.scripts.corpus.pieces import to_utf8
from workflow.scripts.corpus.sources import Piece, Rejected
from workflow.scripts.corpus.versions import FEATURES, KEY_WIDTH, sketch, window_key
from workflow.scripts.notation.clean import Cleaning, clean, find_tunes
from workflow.scripts.notation.rests import longest_rests, shorten_rests
from workflow.scripts.notation.sound import HAS_KEY, NOTES, RESTS, VOICES, Music, Stream, listen

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
        ("key", "<u8"),  # of its melody: what its own split hangs on
    ]
)
NUL = 2  # flag of `find_tunes`


@dataclasses.dataclass(frozen=True)
class Rules:
    """What makes a text a tune to learn from."""

    cleaning: Cleaning = dataclasses.field(default_factory=Cleaning)
    max_chars: int = 100_000
    min_notes: int = 8
    max_voices: int = 32
    max_rest_share: float = 0.8
    max_rest_bars: int = 8
    midi_flags: str = "-noly -sr 2"
    midi_seconds: float = 10.0
    near_duplicates: bool = True


@dataclasses.dataclass
class Shard:
    """What `build` made of some pieces; `save` and `load` keep it in one file."""

    tunes: np.ndarray  # (n,) TUNE
    text: np.ndarray  # UTF-8 of the clean tunes, one after another
    bounds: np.ndarray  # (n + 1,) where each stands in text
    sketches: dict[str, np.ndarray]  # feature -> (n, N_HASHES)
    files: list[str]
    rejected: list[Rejected]

    def tune_text(self, i: int) -> str:
        return self.text[self.bounds[i] : self.bounds[i + 1]].tobytes().decode()

    def save(self, path: Path, key: str) -> None:
        said = {"key": key, "files": self.files, "rejected": [dataclasses.astuple(item) for item in self.rejected]}
        arrays = {"tunes": self.tunes, "text": self.text, "bounds": self.bounds}
        arrays |= {f"sketch_{name}": array for name, array in self.sketches.items()}
        with atomic_path(path) as temporary:
            np.savez(temporary, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path, sketches: bool = False) -> "Shard":
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
            )

    @staticmethod
    def load_said(path: Path) -> dict:
        """Of a saved shard only ``key``, ``files`` and ``rejected``."""
        return json.loads(load_part(path, "said").tobytes())

    @classmethod
    def load_rejected(cls, path: Path) -> list[Rejected]:
        return [Rejected(*item) for item in cls.load_said(path)["rejected"]]


def build_file(items: list[Piece | Rejected], rules: Rules, path: Path, key: str) -> None:
    """`build` a shard and save it."""
    shard = build(items, rules)
    parent = multiprocessing.parent_process()
    if parent is None or parent.is_alive():  # else it was killed, and the next run may be writing the same file
        shard.save(path, key)


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


def build(items: list[Piece | Rejected], rules: Rules) -> Shard:
    """Turn pieces of input into a shard; what was rejected before is passed on."""
    files: list[str] = []
    rejected: list[Rejected] = []
    rows: list[np.ndarray] = []
    texts: list[np.ndarray] = []
    lengths: list[np.ndarray] = []
    has_midi = any(isinstance(item, Piece) and item.kind == "midi" for item in items)
    converter = Converter(rules.midi_flags, rules.midi_seconds, max_bytes=8 * rules.max_chars) if has_midi else None
    with converter or contextlib.nullcontext():
        for item in items:
            if isinstance(item, Rejected):
                rejected.append(item)
                continue
            data = item.data
            if item.kind == "midi":
                try:
                    data, _ = to_utf8(converter.convert(data))
                except ConversionError as error:
                    rejected.append(Rejected(item.path, 0, error.reason, error.detail))
                    continue
            found = find_tunes(np.frombuffer(data, np.uint8))
            if not len(found) and not item.offset:
                rejected.append(Rejected(item.path, 0, "no_tune", "no line starts with X:"))
            spoilt = found[:, 5] & NUL != 0
            for line in found[spoilt, 4].tolist():
                rejected.append(Rejected(item.path, item.line + line - 1, "nul", "a NUL character: this is no text"))
            found = found[~spoilt]
            if not len(found):
                continue
            text, bounds = clean(data, found, rules.cleaning)
            texts.append(text)
            lengths.append(np.diff(bounds))
            if not files or files[-1] != item.path:
                files.append(item.path)
            part = np.zeros(len(found), dtype=TUNE)
            part["file"] = len(files) - 1
            part["line"] = item.line + found[:, 4] - 1 if item.line else 0
            part["offset"] = item.offset + found[:, 2]
            part["raw_chars"] = found[:, 3]
            rows.append(part)
    tunes = np.concatenate(rows) if rows else np.zeros(0, dtype=TUNE)
    text = np.concatenate(texts) if texts else np.zeros(0, np.uint8)
    bounds = np.concatenate(([0], np.cumsum(np.concatenate(lengths)))) if lengths else np.zeros(1, np.int64)
    text, bounds = shorten(text, bounds, rules.max_rest_bars)
    return measured(tunes, text, bounds, listen(text, bounds), files, rejected, rules)


def shorten(text: np.ndarray, bounds: np.ndarray, max_rest_bars: int) -> tuple[np.ndarray, np.ndarray]:
    """The text with long rests shortened, and its new bounds."""
    long = np.flatnonzero(longest_rests(text, bounds) > max_rest_bars)
    if not len(long):
        return text, bounds
    data = text.tobytes()
    parts = [data[a:b] for a, b in itertools.pairwise(bounds.tolist())]
    for i in long.tolist():
        parts[i] = shorten_rests(parts[i].decode(), max_rest_bars).encode()
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([0, *map(len, parts)])


def wide(stream: Stream) -> Stream:
    """A stream of bytes or of steps as one type, so that what reads both is compiled but once."""
    return Stream(stream.values.astype(np.int16), stream.bounds)


def measured(
    tunes: np.ndarray,
    text: np.ndarray,
    bounds: np.ndarray,
    music: Music,
    files: list[str],
    rejected: list[Rejected],
    rules: Rules,
) -> Shard:
    """Fill in the tunes' measures, drop what is no tune, and sketch the rest."""
    counts = music.counts
    tunes["chars"] = np.diff(bounds)
    if len(text) and text.max() >= 0x80:
        follows = np.concatenate(([0], np.cumsum(text & 0xC0 == 0x80)))  # bytes that continue a character
        tunes["chars"] -= np.diff(follows[bounds])
    tunes["notes"], tunes["rests"], tunes["voices"] = counts[:, NOTES], counts[:, RESTS], counts[:, VOICES]
    sounds = music.heard.values.tobytes()
    digests = b"".join(
        hashlib.blake2b(sounds[a:b], digest_size=16).digest()
        for a, b in itertools.pairwise(music.heard.bounds.tolist())
    )
    tunes["digest"] = np.frombuffer(digests, "<u8").reshape(-1, 2)
    melody = window_key(*wide(music.contour), KEY_WIDTH)
    tunes["key"] = np.where(np.diff(music.contour.bounds) > 0, melody, tunes["digest"][:, 0])

    rests = counts[:, RESTS] / np.maximum(counts[:, RESTS] + counts[:, NOTES], 1)
    verdicts = [
        ("no_key", counts[:, HAS_KEY] == 0, lambda i: "no K: field ends the header"),
        (
            "no_notes",
            counts[:, NOTES] < rules.min_notes,
            lambda i: f"{tunes['notes'][i]} notes, fewer than {rules.min_notes}",
        ),
        (
            "too_long",
            tunes["chars"] > rules.max_chars,
            lambda i: f"{tunes['chars'][i]} characters, more than {rules.max_chars}",
        ),
        ("too_many_voices", counts[:, VOICES] > rules.max_voices, lambda i: f"more than {rules.max_voices} voices"),
        ("mostly_rests", rests > rules.max_rest_share, lambda i: f"{rests[i]:.0%} of notes and rests are rests"),
    ]
    good = np.ones(len(tunes), dtype=bool)
    for reason, bad, detail in verdicts:
        for i in np.flatnonzero(bad & good).tolist():
            rejected.append(Rejected(files[tunes["file"][i]], int(tunes["line"][i]), reason, detail(i)))
        good &= ~bad
    kept = np.repeat(good, np.diff(bounds))
    return Shard(
        tunes[good],
        text[kept],
        np.concatenate(([0], np.cumsum(np.diff(bounds)[good]))),
        {name: sketch(*wide(getattr(music, name)), feature.width)[good] for name, feature in FEATURES.items()}
        if rules.near_duplicates
        else {},
        files,
        rejected,
    )
