"""Pieces of the input -> one shard: what a worker of `prepare` does.

Needs ABC and MIDI as `sources` reads them. Finds the tunes, cleans them, measures and sketches each, and lists what is
no tune with the reason.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workflow.scripts.corpus import conversion
from workflow.scripts.corpus.options import Cleaning, Rules
from workflow.scripts.corpus.shards import TUNE, Shard, picked
from workflow.scripts.corpus.versions import FEATURES, KEY_WIDTH, sketch, window_key
from workflow.scripts.midi.convert import Converter
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.midi.played import played_of
from workflow.scripts.notation.clean import CHARS, FIRST_CHAR, FLAGS, HAS_NUL, LINE, START, clean_and_count, find_tunes
from workflow.scripts.notation.clean_tune import KINDS
from workflow.scripts.notation.rests import longest_rests, shorten_rests
from workflow.scripts.notation.sound import HAS_KEY, NOTES, RESTS, VOICES, Music, Ragged, listen
from workflow.scripts.reading.pieces import unnumbered_tune
from workflow.scripts.reading.sources import Piece, Rejected

NOT_PLAYED = np.zeros(0, np.int8)  # of a tune that was read as ABC
ABC_PER_CHAR = 8  # bytes of ABC taken from a MIDI file for each character that a clean tune may have


@dataclasses.dataclass
class Draft:
    """The clean tunes of some pieces, before they are measured, and what was rejected on the way."""

    places: list[np.ndarray] = dataclasses.field(default_factory=list)  # of TUNE, the columns on the input alone
    texts: list[np.ndarray] = dataclasses.field(default_factory=list)  # UTF-8
    lengths: list[np.ndarray] = dataclasses.field(default_factory=list)  # of each tune in bytes
    played: list[np.ndarray] = dataclasses.field(default_factory=list)  # of each tune
    converted: list[np.ndarray] = dataclasses.field(default_factory=list)  # as of `conversion.row_of`, of each file
    files: list[str] = dataclasses.field(default_factory=list)
    rejected: list[Rejected] = dataclasses.field(default_factory=list)
    cleaned: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(KINDS), np.int64))  # as in a `Shard`

    def add(self, piece: Piece, abc: bytes, cleaning: Cleaning, played: np.ndarray = NOT_PLAYED) -> None:
        """Take in the tunes of a piece, whose text is ``abc``; ``played`` as from `played_of` if it was MIDI."""
        found = find_tunes(np.frombuffer(abc, np.uint8))
        if not piece.offset:
            if unnumbered := unnumbered_tune(abc[: found[0, START]] if len(found) else abc):
                self.rejected.append(Rejected(piece.path, unnumbered[1], "no_tune", "a tune without an X: line"))
            elif not len(found):
                self.rejected.append(Rejected(piece.path, 0, "no_tune", "no line starts with X:"))
        has_nul = found[:, FLAGS] & HAS_NUL != 0
        for line in found[has_nul, LINE].tolist():
            self.rejected.append(Rejected(piece.path, piece.line + line - 1, "nul", "a NUL character: this is no text"))
        found = found[~has_nul]
        if not len(found):
            return
        text, bounds, counts = clean_and_count(abc, found, cleaning, piece.header)
        self.cleaned += counts
        self.texts.append(text)
        self.lengths.append(np.diff(bounds))
        self.played += [played] * len(found)
        if not self.files or self.files[-1] != piece.path:
            self.files.append(piece.path)
        places = np.zeros(len(found), dtype=TUNE)
        places["file"] = len(self.files) - 1
        places["line"] = piece.line + found[:, LINE] - 1 if piece.line else 0
        places["offset"] = piece.offset + found[:, FIRST_CHAR]
        places["raw_chars"] = found[:, CHARS]
        self.places.append(places)

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ragged]:
        """Of all n tunes: (n,) TUNE, their text, (n + 1,) where each begins in it, and what was played of each."""
        return (
            np.concatenate([np.zeros(0, TUNE), *self.places]),
            np.concatenate([np.zeros(0, np.uint8), *self.texts]),
            np.cumsum(np.concatenate([np.zeros(1, np.int64), *self.lengths])),
            Ragged(np.concatenate([NOT_PLAYED, *self.played]), np.cumsum([0, *map(len, self.played)])),
        )


def build_file(items: list[Piece | Rejected], rules: Rules, path: Path, key: str) -> None:
    """`build` a shard and save it."""
    shard = build(items, rules)
    parent = multiprocessing.parent_process()
    if parent is None or parent.is_alive():  # else it was killed, and the next run may be writing the same file
        shard.save(path, key)


def build(items: list[Piece | Rejected], rules: Rules) -> Shard:
    """Turn pieces of input into a shard; what was rejected before is passed on."""
    draft = draft_of(items, rules)
    tunes, text, bounds, played = draft.joined()
    text, bounds = shorten(text, bounds, rules.max_rest_bars)
    music = listen(text, bounds)
    fill_in(tunes, text, bounds, music)
    good, rejected = judge(tunes, music.counts, draft.files, rules)
    return Shard(
        tunes[good],
        *picked(Ragged(text, bounds), good),
        sketches_of(music._asdict() | {"played": played}, good) if rules.near_duplicates else {},
        draft.files,
        draft.rejected + rejected,
        draft.cleaned,
        picked(played, good),
        np.array(draft.converted).reshape(-1, len(conversion.COLUMNS)),
    )


def draft_of(items: list[Piece | Rejected], rules: Rules) -> Draft:
    """The clean tunes of some pieces; MIDI is made ABC first."""
    draft = Draft()
    with converter_for(items, rules) as converter:
        for item in items:
            if isinstance(item, Rejected):
                draft.rejected.append(item)
                continue
            if item.kind != "midi":
                draft.add(item, item.data, rules.cleaning)
                continue
            assert converter is not None  # as there is MIDI
            try:
                found = converter.convert(item.data)
            except ConversionError as error:
                draft.rejected.append(Rejected(item.path, 0, error.reason, error.detail))
            else:
                draft.converted.append(conversion.row_of(found))
                draft.add(item, found.abc, rules.cleaning, played_of(found.song.notes))
    return draft


def converter_for(
    items: list[Piece | Rejected], rules: Rules
) -> contextlib.AbstractContextManager[Converter | None, None]:
    """What makes ABC of the MIDI among the items, if there is any."""
    if any(isinstance(item, Piece) and item.kind == "midi" for item in items):
        return Converter(
            rules.midi_flags,
            rules.midi_agreement,
            seconds=rules.midi_seconds,
            max_bytes=ABC_PER_CHAR * rules.max_chars,
        )
    return contextlib.nullcontext()


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


def fill_in(tunes: np.ndarray, text: np.ndarray, bounds: np.ndarray, music: Music) -> None:
    """Write what was measured of the tunes into their columns."""
    tunes["chars"] = lengths_in_chars(text, bounds)
    for name, column in (("notes", NOTES), ("rests", RESTS), ("voices", VOICES)):
        tunes[name] = music.counts[:, column]
    tunes["digest"] = digests(music.heard)
    tunes["key"] = tunes["digest"][:, 0]
    for stream in (music.steps, music.contour):  # the first voice where it holds enough to tell tunes apart, else all
        key = window_key(*wide(stream), KEY_WIDTH)
        tunes["key"] = np.where(key > 0, key, tunes["key"])


def lengths_in_chars(text: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """(n,) characters of each tune, of which some may take more than one byte."""
    chars = np.diff(bounds)
    if len(text) and text.max() >= 0x80:
        follows = np.concatenate(([0], np.cumsum(text & 0xC0 == 0x80)))  # bytes that continue a character
        chars = chars - np.diff(follows[bounds])
    return chars


def digests(heard: Ragged) -> np.ndarray:
    """(n, 2) uint64 BLAKE2b of what is heard of each tune."""
    sounds = heard.values.tobytes()
    found = b"".join(
        hashlib.blake2b(sounds[a:b], digest_size=16).digest() for a, b in itertools.pairwise(heard.bounds.tolist())
    )
    return np.frombuffer(found, "<u8").reshape(-1, 2)


def wide(stream: Ragged) -> Ragged:
    """A stream of bytes or of steps as one type, so that what reads both is compiled but once."""
    return Ragged(stream.values.astype(np.int16), stream.bounds)


def sketches_of(streams: dict[str, Ragged], good: np.ndarray) -> dict[str, np.ndarray]:
    """Feature -> (n, N_HASHES) sketches of the n tunes that are good."""
    return {name: sketch(*wide(streams[name]), feature.width)[good] for name, feature in FEATURES.items()}


def judge(
    tunes: np.ndarray, counts: np.ndarray, files: Sequence[str], rules: Rules
) -> tuple[np.ndarray, list[Rejected]]:
    """(n,) True for what is a tune by the rules, and of each other the first rule that it breaks."""
    rests = counts[:, RESTS] / np.maximum(counts[:, RESTS] + counts[:, NOTES], 1)
    verdicts: list[tuple[str, np.ndarray, Callable[[int], str]]] = [
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
    rejected = []
    for reason, bad, detail in verdicts:
        for i in np.flatnonzero(bad & good).tolist():
            rejected.append(Rejected(files[tunes["file"][i]], int(tunes["line"][i]), reason, detail(i)))
        good &= ~bad
    return good, rejected
