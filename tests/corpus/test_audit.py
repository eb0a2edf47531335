"""The audit of the small corpus against what Python and regular expressions count in its text."""

import csv
import json
import re
import statistics
from collections import Counter

import numpy as np
import pytest
import zstandard

from workflow.scripts.corpus import audit
from workflow.scripts.corpus.audit import OUTLIERS, Survey, add, commonest, count_chars, histogram, plain_key, survey
from workflow.scripts.corpus.measure import build
from workflow.scripts.corpus.options import Cleaning, Rules
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.reading.sources import Piece, read_pieces


@pytest.fixture(scope="module")
def small(corpus_dir, book) -> tuple[dict, list[str]]:
    """(audit, clean texts of all kept tunes)."""
    source, texts = book.read_text(), []
    with open(corpus_dir / "tunes.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            raw = source[int(row["offset"]) :][: int(row["chars"])].encode()
            text, _ = clean(raw, find_tunes(np.frombuffer(raw, np.uint8)), Cleaning())
            texts.append(text.tobytes().decode())
    return json.loads((corpus_dir / "corpus.json").read_text())["audit"], texts


def music_of(text: str) -> str:
    """The music without fields, chord symbols, decorations, grace notes and inline fields."""
    music = "\n".join(line for line in text.partition("\nK:")[2].split("\n")[1:] if not re.match("[A-Za-z+]:|%", line))
    return re.sub(r'"[^"\n]*"|![^!\n ]*!|\{[^}\n]*\}|\[[A-Za-z]:[^\]\n]*\]', "", music)


def test_lengths(small):
    found, texts = small
    lengths = sorted(map(len, texts))
    told = found["length"]
    assert (told["min"], told["max"]) == (lengths[0], lengths[-1])
    assert told["50%"] == statistics.median(lengths)
    assert told["mean"] == round(statistics.mean(lengths), 1)
    cuts = statistics.quantiles(lengths, n=100, method="inclusive")
    for name, at in (("1%", 0), ("5%", 4), ("25%", 24), ("75%", 74), ("95%", 94), ("99%", 98)):
        assert told[name] == pytest.approx(cuts[at], abs=1e-3)
    largest = lengths[::-1][: max(1, len(lengths) // 100)]
    assert found["share_of_text_in_largest_1_percent"] == round(sum(largest) / sum(lengths), 5)
    assert found["largest_share_of_a_tune"] == round(lengths[-1] / sum(lengths), 6)


def test_histograms_count_every_tune(small):
    found, texts = small
    for one in (found["length"]["histogram"], found["zstd_bits_per_char_of_a_tune"]["histogram"]):
        assert sum(one["counts"]) == len(texts)
        assert len(one["edges"]) == len(one["counts"]) + 1
        assert one["edges"] == sorted(one["edges"])
    edges, counts = found["length"]["histogram"].values()
    for a, b, count in zip(edges, edges[1:], counts, strict=False):
        assert count == sum(a <= len(text) < b for text in texts)


def test_notes_and_rests(small):
    found, texts = small
    notes = sum(len(re.findall("[A-Ga-g]", music_of(text))) for text in texts)
    rests = sum(len(re.findall("[zxZX]", music_of(text))) for text in texts)
    assert rests > 0
    assert found["rest_share"] == pytest.approx(rests / (rests + notes), abs=2e-5)


def test_meters_keys_voices(small):
    found, texts = small
    meters = Counter((re.search("^M: *(.{1,20})", text, re.MULTILINE) or [0, "none"])[1] for text in texts)
    assert found["meters"] == dict(meters)
    voices = Counter(
        str(max(1, len(set(re.findall(r"(?:^|\[)V: *([^ \n\]]+)", text, re.MULTILINE))))) for text in texts
    )
    assert found["voices"] == dict(voices)
    fields = [text.partition("\nK:")[2] for text in texts]
    written = [re.match(r"(?:[A-Ga-g][#b]?[ ]*[A-Za-z]{0,10}|none|HP|Hp|)", field)[0].rstrip() for field in fields]
    keys = Counter(plain_key(key or "none") for key in written)
    assert found["keys"] == dict(keys)
    assert sum(found["keys"].values()) == sum(found["meters"].values()) == len(texts)
    assert found["programs"] == {}


def test_compression(small):
    found, texts = small
    single = zstandard.ZstdCompressor(level=3, write_content_size=False)
    bits = [8 * len(single.compress(text.encode())) / len(text) for text in texts]
    told = found["zstd_bits_per_char_of_a_tune"]
    assert told["50%"] == pytest.approx(statistics.median(bits), abs=2e-3)
    assert (told["min"], told["max"]) == (pytest.approx(min(bits), abs=2e-3), pytest.approx(max(bits), abs=2e-3))
    whole = 8 * len(zstandard.ZstdCompressor(level=6).compress("".join(texts).encode())) / sum(map(len, texts))
    assert found["zstd_bits_per_char"] == round(whole, 4)
    rows = found["most_and_least_compressible"]
    assert len(rows) == 2 * OUTLIERS
    extremes = sorted(bits)[:OUTLIERS] + sorted(bits)[-OUTLIERS:]
    assert [row["bits_per_char"] for row in rows] == pytest.approx(extremes, abs=2e-3)


def test_sources_are_shares_of_the_whole(small):
    found, texts = small
    (name,) = found["sources"]
    assert name == "book1"
    one = found["sources"][name]
    assert (one["tunes"], one["chars"]) == (len(texts), sum(map(len, texts)))
    assert one["rest_share"] == found["rest_share"]
    assert one["zstd_bits_per_char"] == found["zstd_bits_per_char"]
    assert one["median_bits_per_char_of_a_tune"] == found["zstd_bits_per_char_of_a_tune"]["50%"]


def report_of(chars: list[int], source: list[int], bits: list[float]) -> dict:
    n = len(chars)
    found = Survey(*(Counter() for _ in range(4)), Counter(dict.fromkeys(source, 80)), np.array(bits, np.float32), [])
    columns = {name: np.array(chars) for name in ("chars", "notes", "rests", "voices")}
    return audit.report(found, columns, np.array(source), [f"s{i}" for i in range(n)])


@pytest.mark.parametrize("chars", [[10], [1], [15], [16], [17, 10], [3, 2**20], [2**20 - 1], [64, 64]])
def test_histograms_hold_the_shortest_and_the_longest(chars):
    report = report_of(chars, [0] * len(chars), [30.0] * len(chars))
    assert sum(report["length"]["histogram"]["counts"]) == len(chars)
    assert sum(report["zstd_bits_per_char_of_a_tune"]["histogram"]["counts"]) == len(chars)


def test_many_sources_are_told_apart_at_once():
    n = 40_000
    source = np.random.default_rng(0).permutation(np.arange(n) // 2).tolist()
    report = report_of([100 + i for i in source], source, [float(i % 7) for i in source])
    assert len(report["sources"]) == n // 2
    for i in (0, 5, n // 2 - 1):
        assert report["sources"][f"s{i}"] == {
            "tunes": 2, "chars": 2 * (100 + i), "rest_share": 0.5, "zstd_bits_per_char": round(40 / (100 + i), 4),
            "median_bits_per_char_of_a_tune": i % 7,
        }  # fmt: skip


def look(tmp_path, *texts: str) -> Survey:
    data = "".join(f"{text}\n\n" for text in texts).encode()
    shard = build([Piece("a.abc", "abc", data, 0, 1, "")], Rules(min_notes=1))
    shard.save(tmp_path / "shard.npz", "")
    n = len(shard.tunes)
    assert n == len(texts)
    return survey(tmp_path / "shard.npz", np.ones(n, bool), np.zeros(n, int))


def test_programs_are_those_of_tunes_and_hostile_numbers_are_none(tmp_path):
    tune = "X:1\nM:4/4\nK:C\n{}GABc|"
    found = look(
        tmp_path,
        tune.format("%%MIDI program 25\n%%MIDI program 1 25\n%%MIDI program 2 025\n"),
        tune.format("%%MIDI program 25\n"),
        tune.format("%%MIDI program 3 40\n"),
        tune.format("%%MIDI program " + "9" * 5000 + "\n"),
        tune.format("%%MIDI program piano\n"),
        tune.format("[I:MIDI program 9]G[I: MIDI program 25]"),
    )
    assert found.programs == {25: 3, 40: 1, 9: 1}


def test_meters_that_are_cut_in_a_character_count_together(tmp_path):
    found = look(tmp_path, *(f"X:1\nM:{'x' * 19}{char}\nK:C\nGABc|" for char in "éü"))
    assert found.meters.total() == 2


def test_shards_together_are_as_one(book, tmp_path):
    shard = build(list(read_pieces(str(book))), Rules())
    shard.save(tmp_path / "shard.npz", "")
    n, source = len(shard.tunes), np.arange(len(shard.tunes)) % 3
    rng = np.random.default_rng(0)
    kept = rng.random(n) < 0.8
    part = rng.integers(0, 3, n)
    whole = survey(tmp_path / "shard.npz", kept, source)
    parts = [survey(tmp_path / "shard.npz", kept & (part == i), source) for i in range(3)]
    none = survey(tmp_path / "shard.npz", kept & False, source)
    found = add(add(none, parts[0]), add(parts[1], parts[2]))
    for name in ("chars", "meters", "keys", "programs"):
        assert getattr(found, name) == getattr(whole, name), name
    assert sorted(found.bits) == sorted(whole.bits)
    assert sorted(found.extremes) == sorted(whole.extremes)
    assert len(found.bits) == kept.sum()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("G", "G"), ("Gmaj", "G"), ("G Major", "G"), ("g", "G"), ("Am", "Am"), ("A minor", "Am"), ("Aaeolian", "Am"),
        ("D dor", "D dor"), ("DDorian", "D dor"), ("F#mix", "F# mix"), ("Bb", "Bb"), ("none", "none"), ("HP", "HP"),
        ("C treble", "C"),
    ],
)  # fmt: skip
def test_keys_are_told_however_they_are_written(text, key):
    assert plain_key(text) == key


def test_the_commonest_come_first_and_the_others_are_counted():
    counts = Counter({f"m{i:02d}": 60 - i // 2 for i in range(50)})
    table = commonest(counts)
    assert list(table)[:3] == ["m00", "m01", "m02"]
    assert len(table) == audit.COMMONEST + 1
    assert sum(table.values()) == counts.total()
    assert "others" not in commonest(Counter("aab"))


def test_characters_are_counted_in_any_script():
    for text in ("GABc\n" * 3, "é☃\n", ""):
        assert count_chars(text.encode()) == Counter(text)


def test_a_histogram_is_in_plain_numbers():
    assert histogram(np.array([1, 2, 2.5]), np.array([1, 2, 3])) == {"edges": [1.0, 2.0, 3.0], "counts": [1, 2]}
