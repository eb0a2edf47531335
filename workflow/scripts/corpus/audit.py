"""What a corpus is made of: the numbers that corpus.json reports, counted shard by shard and then put together.

Needs the shards, and which of their tunes are kept.
"""

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import zstandard
from numba import njit

from workflow.scripts.corpus.shards import Shard

METER = re.compile(rb"^M:[ ]*([^\n]{1,20})", re.MULTILINE)
KEY = re.compile(rb"^K:[ ]*([A-Ga-g][#b]?[ ]*[A-Za-z]{0,10}|none|HP|Hp)?", re.MULTILINE)
PROGRAM = re.compile(rb"(?:%%|\[I: ?)MIDI program(?: \d+)? (\d{1,3})\b")
LEVEL = 6  # of zstd, for all of the text
TUNE_LEVEL = 3  # for each tune by itself
OUTLIERS = 10
COMMONEST = 40


@dataclasses.dataclass
class Survey:
    """Counts over the kept tunes of some shards."""

    chars: Counter[str]
    meters: Counter[str]
    keys: Counter[str]
    programs: Counter[int]
    compressed: Counter[int]  # number of the source -> bits of its text
    bits: np.ndarray  # (n,) float32 bits a character of each tune by itself
    extremes: list[tuple[float, str, int, int]]  # (bits a character, file, line, characters)


def survey(path: Path, kept: np.ndarray, source: np.ndarray) -> Survey:
    """Look at the kept tunes of a shard; ``source`` is the number of each tune's source."""
    shard = Shard.load(path)
    data = shard.text.tobytes()
    whole = zstandard.ZstdCompressor(level=LEVEL)
    single = zstandard.ZstdCompressor(level=TUNE_LEVEL, write_content_size=False)
    found = Survey(Counter(), Counter(), Counter(), Counter(), Counter(), np.zeros(0, np.float32), [])
    rows = np.flatnonzero(kept)
    bits = np.zeros(len(rows), dtype=np.float32)
    texts: dict[int, list[bytes]] = {}
    meters: Counter[bytes] = Counter()
    keys: Counter[bytes] = Counter()
    for k, i in enumerate(rows.tolist()):
        tune = data[shard.bounds[i] : shard.bounds[i + 1]]
        texts.setdefault(int(source[i]), []).append(tune)
        bits[k] = 8 * len(single.compress(tune)) / shard.tunes["chars"][i]
        meters[match[1] if (match := METER.search(tune)) else b"none"] += 1
        keys[(match[1] if (match := KEY.search(tune)) else None) or b"none"] += 1
        if b"MIDI program" in tune:
            found.programs.update(set(map(int, PROGRAM.findall(tune))))
    for number, tunes in texts.items():
        text = b"".join(tunes)
        found.compressed[number] += 8 * len(whole.compress(text))
        found.chars.update(count_chars(text))
    for name, count in meters.items():  # two may decode to the same
        found.meters[name.decode("utf-8", "replace")] += count
    for name, count in keys.items():
        found.keys[plain_key(name.decode("utf-8", "replace"))] += count
    found.bits = bits
    order = np.argsort(bits, kind="stable")
    for k in {*order[:OUTLIERS].tolist(), *order[-OUTLIERS:].tolist()}:
        tune = shard.tunes[rows[k]]
        found.extremes.append(
            (round(float(bits[k]), 3), shard.files[tune["file"]], int(tune["line"]), int(tune["chars"]))
        )
    return found


@njit(cache=True)
def count_bytes(text):
    """(256,) how often each value occurs."""
    counts = np.zeros(256, dtype=np.int64)
    for byte in text:
        counts[byte] += 1
    return counts


def count_chars(text: bytes) -> Counter[str]:
    """How often each character of a text in UTF-8 occurs."""
    if not text.isascii():
        return Counter(text.decode())
    counts = count_bytes(np.frombuffer(text, np.uint8))
    return Counter({chr(i): int(counts[i]) for i in np.flatnonzero(counts)})


def plain_key(text: str) -> str:
    """A key as 'G', 'Am' or 'D dor', however it was written."""
    match = re.fullmatch(r"([A-Ga-g])([#b]?)[ ]*([A-Za-z]*)", text)
    if not match:
        return text
    mode = match[3][:3].lower()
    ending = {"": "", "maj": "", "ion": "", "m": "m", "min": "m", "aeo": "m"}.get(mode)
    if ending is None:
        ending = f" {mode}" if mode in ("dor", "phr", "lyd", "mix", "loc") else ""
    return match[1].upper() + match[2] + ending


def add(one: Survey, other: Survey) -> Survey:
    """The counts of both together; of the extremes the outermost stay."""
    extremes = sorted({*one.extremes, *other.extremes})
    if len(extremes) > 2 * OUTLIERS:
        extremes = extremes[:OUTLIERS] + extremes[-OUTLIERS:]
    return Survey(
        one.chars + other.chars,
        one.meters + other.meters,
        one.keys + other.keys,
        one.programs + other.programs,
        one.compressed + other.compressed,
        np.concatenate([one.bits, other.bits]),
        extremes,
    )


def commonest(counts: Counter) -> dict:
    """The most frequent entries, ties by name, and how many are in none of them."""
    rows = sorted(counts.items(), key=lambda row: (-row[1], str(row[0])))
    table = {str(name): count for name, count in rows[:COMMONEST]}
    if len(rows) > COMMONEST:
        table["others"] = sum(count for _, count in rows[COMMONEST:])
    return table


def quantiles(values: np.ndarray) -> dict[str, float]:
    """Quantiles by their names in corpus.json, rounded to 3 decimals."""
    points = {
        "min": 0,
        "1%": 0.01,
        "5%": 0.05,
        "25%": 0.25,
        "50%": 0.5,
        "75%": 0.75,
        "95%": 0.95,
        "99%": 0.99,
        "max": 1,
    }
    found = np.quantile(values, list(points.values()))
    return {name: round(float(value), 3) for name, value in zip(points, found, strict=True)}


def histogram(values: np.ndarray, edges: np.ndarray) -> dict[str, list]:
    """Counts between n + 1 edges, as plain lists."""
    return {"edges": [round(float(e), 4) for e in edges], "counts": np.histogram(values, edges)[0].tolist()}


def report(found: Survey, tunes: dict[str, np.ndarray], source: np.ndarray, names: list[str]) -> dict:
    """The audit of corpus.json.

    Args:
        tunes: ``chars``, ``notes``, ``rests`` and ``voices`` of the kept tunes, in input order.
        source: (n,) number of each kept tune's source in ``names``.
    """
    chars = tunes["chars"]
    total = int(chars.sum())
    top = np.sort(chars)[::-1][: max(1, len(chars) // 100)]
    least, largest = np.floor(np.log2(chars.min())), np.ceil(np.log2(chars.max() + 1))  # powers of two around all
    sources = {}
    by_source = np.argsort(source, kind="stable")
    for mine in np.split(by_source, np.flatnonzero(np.diff(source[by_source])) + 1):
        number = int(source[mine[0]])
        sources[names[number]] = {
            "tunes": len(mine),
            "chars": int(chars[mine].sum()),
            "rest_share": rest_share(tunes["notes"][mine], tunes["rests"][mine]),
            "zstd_bits_per_char": round(found.compressed[number] / float(chars[mine].sum()), 4),
            "median_bits_per_char_of_a_tune": round(float(np.median(found.bits[mine])), 3),
        }
    return {
        "length": quantiles(chars)
        | {"mean": round(total / len(chars), 1)}
        | {"histogram": histogram(chars, 2.0 ** np.arange(min(least, 4), largest + 0.5, 0.5))},
        "share_of_text_in_largest_1_percent": round(float(top.sum() / total), 5),
        "largest_share_of_a_tune": round(float(chars.max() / total), 6),
        "rest_share": rest_share(tunes["notes"], tunes["rests"]),
        "zstd_bits_per_char": round(sum(found.compressed.values()) / total, 4),
        "zstd_bits_per_char_of_a_tune": quantiles(found.bits)
        | {"histogram": histogram(found.bits, np.arange(0, max(10.0, float(found.bits.max())) + 0.25, 0.25))},
        "zstd_level": {"all": LEVEL, "tune": TUNE_LEVEL},
        "most_and_least_compressible": [
            {"bits_per_char": bits, "path": path, "line": line, "chars": size}
            for bits, path, line, size in sorted(found.extremes)
        ],
        "meters": commonest(found.meters),
        "keys": commonest(found.keys),
        "voices": commonest(Counter(tunes["voices"].tolist())),
        "programs": commonest(found.programs),
        "sources": sources,
    }


def rest_share(notes: np.ndarray, rests: np.ndarray) -> float:
    """Rests among notes and rests."""
    return round(float(rests.sum() / max(rests.sum() + notes.sum(), 1)), 5)
