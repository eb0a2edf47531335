"""Pieces of the input -> one shard: what a worker of `prepare` does.

Finds the tunes, cleans them, measures and sketches each, and lists those that are none with the reason.
"""

import contextlib
import hashlib
import itertools
import multiprocessing
from pathlib import Path

import numpy as np

from workflow.scripts.corpus.midi_to_abc import ConversionError, Converter
from workflow.scripts.corpus.options import Rules
from workflow.scripts.corpus.pieces import to_utf8
from workflow.scripts.corpus.shards import TUNE, Shard
from workflow.scripts.corpus.sources import Piece, Rejected
from workflow.scripts.corpus.versions import FEATURES, KEY_WIDTH, sketch, window_key
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.rests import longest_rests, shorten_rests
from workflow.scripts.notation.sound import HAS_KEY, NOTES, RESTS, VOICES, Music, Ragged, listen

NUL = 2  # flag of `find_tunes`


def build_file(items: list[Piece | Rejected], rules: Rules, path: Path, key: str) -> None:
    """`build` a shard and save it."""
    shard = build(items, rules)
    parent = multiprocessing.parent_process()
    if parent is None or parent.is_alive():  # else it was killed, and the next run may be writing the same file
        shard.save(path, key)


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


def wide(stream: Ragged) -> Ragged:
    """A stream of bytes or of steps as one type, so that what reads both is compiled but once."""
    return Ragged(stream.values.astype(np.int16), stream.bounds)


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
