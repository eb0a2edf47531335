"""The leak measure against sets, on real tunes; and the leak of whole corpora."""

import csv
import io
import itertools
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import zstandard

from workflow.scripts.corpus import leakage
from workflow.scripts.corpus.build import build, select
from workflow.scripts.corpus.leakage import count_distinct, measure
from workflow.scripts.corpus.measure import build as build_shard
from workflow.scripts.corpus.options import Options, Rules, Source
from workflow.scripts.corpus.selection import TEST, TRAIN, VAL, splits_of, uniform
from workflow.scripts.corpus.shards import Shard
from workflow.scripts.corpus.tunes import Tunes, load_tunes
from workflow.scripts.machine.pool import Pool
from workflow.scripts.notation.sound import Ragged, listen
from workflow.scripts.reading.sources import Piece, read_pieces

WIDTHS, THRESHOLD, LEAST = {"notes": 16, "steps": 11, "played": 12}, 0.5, 32  # what docs and README say is measured
BETWEEN_PARTS = -128


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


def shards_of(texts: list[str], folder: Path, per_shard: int, midi: bool = False) -> Tunes:
    """The tunes in shards; with ``midi`` as if they had been played, each in parts of up to 40 steps."""
    paths = []
    for at in range(0, len(texts), per_shard):
        data = "".join(f"{text.strip()}\n\n" for text in texts[at : at + per_shard]).encode()
        paths.append(folder / f"shard-{len(paths)}.npz")
        shard = build_shard([Piece(f"{at}.abc", "abc", data, 0, 1, "")], Rules(min_notes=1))
        assert not shard.rejected
        if midi:
            steps = listen(shard.text, shard.bounds).steps
            shard.played = Ragged(steps.values.copy(), steps.bounds)
            for start, stop in itertools.pairwise(steps.bounds.tolist()):
                shard.played.values[start + 40 : stop : 41] = BETWEEN_PARTS
        shard.save(paths[-1], "")
    tunes = load_tunes([Source("", "a.abc")], paths, [0] * len(paths), None)
    assert len(tunes) == len(texts)
    return tunes


def sets_of(tunes: Tunes) -> dict[str, list[set[bytes]]]:
    """The windows of each tune as sets of slices."""
    found = defaultdict(list)
    for path, _ in tunes.shards():
        shard = Shard.load(path)
        music = listen(shard.text, shard.bounds)._asdict() | {"played": shard.played}
        for name, width in WIDTHS.items():
            data = music[name].values.tobytes()
            for a, b in itertools.pairwise(music[name].bounds.tolist()):
                size = min(width, b - a)
                windows = {data[i : i + size] for i in range(a, b - size + 1)} if size else set()
                found[name].append({w for w in windows if name != "played" or bytes([BETWEEN_PARTS & 0xFF]) not in w})
    return found


def places(tunes: Tunes) -> list[tuple[str, int]]:
    """File and line of each tune."""
    shards = [Shard.load(path) for path, _ in tunes.shards()]
    return [(shard.files[tune["file"]], int(tune["line"])) for shard in shards for tune in shard.tunes]


def likeness(one: set, other: set) -> tuple[float, float, float]:
    """Jaccard index, and the share of each in the other, where it is large enough for that to count."""
    shared = len(one & other)
    return (
        shared / max(len(one | other), 1),
        shared / len(one) if len(one) >= LEAST else 0,
        shared / len(other) if len(other) >= LEAST else 0,
    )


def brute_force(sets: dict[str, list[set]], split: np.ndarray) -> dict:
    """Shares of test tunes with a relative in training or half in it, or half of it, each compared with each."""
    queries, trains = np.flatnonzero(split == TEST), np.flatnonzero(split == TRAIN)
    most = {
        name: np.array(
            [
                [max(kind) for kind in zip((0, 0, 0), *(likeness(values[q], values[t]) for t in trains), strict=True)]
                for q in queries
            ]
        )
        for name, values in sets.items()
    }
    most["either"] = np.max(list(most.values()), axis=0)
    shares = {name: (found >= THRESHOLD).mean(axis=0).tolist() for name, found in most.items()}
    jaccard, contained, containing = ({name: kinds[k] for name, kinds in shares.items()} for k in range(3))
    return {"test_tunes": len(queries)} | jaccard | {"contained": contained, "containing": containing}


def vary(text: str, rng: np.random.Generator, share: float) -> str:
    """The tune with some of its notes another."""
    head, key, body = text.partition("\nK:")
    line, _, music = body.partition("\n")
    for at in [match.start() for match in re.finditer("[A-Ga-g]", music)]:
        if rng.random() < share:
            music = music[:at] + rng.choice(list("CDEFGABcdefgab")) + music[at + 1 :]
    return f"{head}{key}{line}\n{music}"


def medley(texts: list[str]) -> str:
    """Tunes as one."""
    first, *others = (text.strip() for text in texts)
    return "\n".join([first, *(re.split(r"\nK:.*\n", text, maxsplit=1)[1] for text in others)])


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """250 real tunes, 50 medleys of three each, and 200 variants, nearly the same to hardly like; in five shards."""
    from music21 import corpus

    (piece,) = read_pieces(str(Path(corpus.__file__).parent / "airdsAirs" / "book1.abc"))
    more = "".join(p.data.decode() for p in itertools.islice(read_pieces("music21"), 400, 500))
    texts = re.findall("^X:.*?(?=^X:|\\Z)", piece.data.decode() + "\n" + more, re.MULTILINE | re.DOTALL)[:300]
    texts[250:] = [medley(texts[3 * i : 3 * i + 3]) for i in range(50)]
    rng = np.random.default_rng(1)
    variants = [vary(texts[i], rng, share) for i, share in enumerate(np.linspace(0.005, 0.12, 200))]
    folder = tmp_path_factory.mktemp("planted")
    tunes = shards_of(texts + variants, folder, 100, midi=True)
    return tunes, sets_of(tunes)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 1000])
def test_distinct_values_are_counted(n):
    rng = np.random.default_rng(n)
    for high in (1, 2, n + 1, 2**64):  # zeros, which mark free places of the table, and others
        values = rng.integers(0, high, n, dtype=np.uint64)
        for given in (values, values << np.uint64(32)):  # of the latter all begin at the same place
            assert count_distinct(given) == len(set(given.tolist()))


def test_the_measure_is_what_sets_give(planted, pool, tmp_path):
    tunes, sets = planted
    rng = np.random.default_rng(2)
    schemes = {f"random {k}": rng.choice([TRAIN, VAL, TEST, -1], len(tunes), p=[0.6, 0.1, 0.2, 0.1]) for k in range(4)}
    apart = np.full(len(tunes), TRAIN)
    apart[300:] = TEST
    schemes["the variants"] = apart
    schemes["nothing trains"] = np.full(len(tunes), TEST)
    told = []
    found = measure(pool, tunes, schemes, rng.random(len(tunes)), tmp_path, told.append)
    assert found == {name: brute_force(sets, split) for name, split in schemes.items()}
    assert sum(told) == 2 * len(tunes.paths)
    # A measure that always says 0 or always 1 would agree with nothing.
    assert 0.2 < found["the variants"]["either"] < 0.95
    assert all(found[f"random {k}"]["either"] > 0.02 for k in range(4))
    assert found["nothing trains"]["either"] == 0


def test_the_measure_is_right_of_each_tune(planted, pool, tmp_path):
    """One test tune a scheme, so that what is found is found of it."""
    tunes, sets = planted
    schemes = {}
    for i in range(0, 200, 6):
        schemes[str(i)] = np.full(len(tunes), VAL)
        schemes[str(i)][[i, 205, 250]] = TRAIN
        schemes[str(i)][300 + i] = TEST
    found = measure(pool, tunes, schemes, np.zeros(len(tunes)), tmp_path, lambda n: None)
    assert found == {name: brute_force(sets, split) for name, split in schemes.items()}
    assert {one["either"] for one in found.values()} == {0.0, 1.0}
    assert found["0"]["either"] == 1  # half a percent of its notes changed


def test_a_part_of_a_medley_is_a_leak_and_the_worst_pairs_are_told(planted, pool, tmp_path):
    tunes, sets = planted
    medleys, parts = np.arange(250, 300), np.arange(150)
    for tested, trained in ((parts, medleys), (medleys, parts)):
        split = np.full(len(tunes), VAL)
        split[tested], split[trained] = TEST, TRAIN
        found = measure(pool, tunes, {"": split}, np.zeros(len(tunes)), tmp_path, lambda n: None, "")[""]
        pairs = found.pop("pairs")
        assert found == brute_force(sets, split)
        at = {place: i for i, place in enumerate(places(tunes))}
        most = []
        for pair in pairs:
            q, t = at[pair["test_path"], pair["test_line"]], at[pair["train_path"], pair["train_line"]]
            kinds = likeness(sets[pair["by"]][q], sets[pair["by"]][t])
            assert split[[q, t]].tolist() == [TEST, TRAIN]
            assert [pair["jaccard"], pair["of_test"], pair["of_train"]] == [round(kind, 3) for kind in kinds]
            most.append((max(kinds), kinds[0]))
        best = []
        for q in tested:
            of_all = [likeness(values[q], values[t]) for values in sets.values() for t in trained]
            best.append(max((max(kinds), kinds[0]) for kinds in of_all))
        assert most == sorted(best, reverse=True)[:10]
        half = found["contained" if tested is parts else "containing"]
        assert all(half[name] > 0.7 > found[name] for name in WIDTHS)
    nothing = measure(pool, tunes, {"": np.full(len(tunes), TEST)}, np.zeros(len(tunes)), tmp_path, lambda n: None, "")
    assert nothing[""]["pairs"] == []


def test_without_clustering_it_finds_what_leaks_and_with_it_hardly_any(planted, pool, tmp_path):
    tunes, _ = planted
    schemes = {"by digest": splits_of(uniform(tunes.digest[:, 0], "exact"), 0.1, 0.3)}
    for name, on in (("clustered", True), ("not", False)):
        options = Options(Rules(near_duplicates=on), 0.1, 0.3, 0)
        schemes[name] = select(tunes, [Source("", "a.abc")], options, tmp_path).fate
    found = measure(pool, tunes, schemes, np.zeros(len(tunes)), tmp_path, lambda n: None)
    assert found["by digest"]["either"] > 0.1
    assert found["by digest"]["either"] > found["not"]["either"] > found["clustered"]["either"]
    assert found["clustered"]["either"] <= 0.01


SHORT = "X:1\nL:1/8\nK:{}\n{}\n"


def test_a_tune_shorter_than_a_window_is_one_window(pool, tmp_path):
    texts = [
        SHORT.format("C", "CDE|"),
        SHORT.format("G", "CDE|"),  # the same notes
        SHORT.format("C", "CDF|"),
        SHORT.format("C", "DEF|"),  # the same steps as the first
        SHORT.format("C", "A|"),  # no step
        SHORT.format("D", "B|"),
    ]
    tunes = shards_of(texts, tmp_path, 2)
    sets = sets_of(tunes)
    schemes = {}
    for q, t in itertools.permutations(range(6), 2):
        schemes[f"{q} {t}"] = np.full(6, VAL)
        schemes[f"{q} {t}"][[q, t]] = TEST, TRAIN
    found = measure(pool, tunes, schemes, np.zeros(6), tmp_path, lambda n: None)
    assert found == {name: brute_force(sets, split) for name, split in schemes.items()}
    alike = {name: {k for k in WIDTHS if one[k]} for name, one in found.items() if one["either"]}
    assert alike == {
        "0 1": {"notes", "steps"}, "1 0": {"notes", "steps"},
        "0 3": {"steps"}, "3 0": {"steps"}, "1 3": {"steps"}, "3 1": {"steps"},
    }  # fmt: skip


def test_of_many_test_tunes_some_are_drawn(planted, pool, tmp_path, monkeypatch):
    tunes, _ = planted
    split = np.where(np.arange(len(tunes)) < 150, TEST, TRAIN)
    order = np.random.default_rng(3).random(len(tunes))
    monkeypatch.setattr(leakage, "MAX_QUERIES", 40)
    picked = leakage.pick_queries(split == TEST, order, tunes.notes)
    assert picked.tolist() == sorted(np.argsort(order[:150])[:40].tolist())
    assert measure(pool, tunes, {"": split}, order, tmp_path, lambda n: None)[""]["test_tunes"] == 40
    monkeypatch.setattr(leakage, "MAX_QUERY_NOTES", 1000)
    some = leakage.pick_queries(split == TEST, order, tunes.notes)
    assert set(some) < set(picked)
    assert 0 < tunes.notes[some].sum() <= 1000
    monkeypatch.setattr(leakage, "MAX_QUERY_NOTES", 0)
    assert len(leakage.pick_queries(split == TEST, order, tunes.notes)) == 1


def test_no_test_tunes_leak_nothing(planted, pool, tmp_path):
    tunes, _ = planted
    found = measure(pool, tunes, {"": np.full(len(tunes), TRAIN)}, np.zeros(len(tunes)), tmp_path, lambda n: None)
    none = dict.fromkeys([*WIDTHS, "either"], 0)
    assert found == {"": {"test_tunes": 0} | none | {"contained": none, "containing": none}}


# Whole corpora


def check_leak(report: dict) -> None:
    leak = report["leakage"]
    assert leak["in_force"]["test_tunes"] > 500
    assert leak["in_force"]["either"] <= 0.003
    assert leak["random"]["steps"] > 0.05
    assert leak["exact_duplicates_only"]["steps"] > 0.02
    assert leak["in_force"]["either"] < 0.1 * leak["exact_duplicates_only"]["either"]


def check_rows(folder: Path, count: int) -> list[dict[str, str]]:
    """Every tune of the input is in one of the tables; returns the rows of tunes.tsv."""
    report = json.loads((folder / "corpus.json").read_text())
    with open(folder / "tunes.tsv", newline="") as file:
        kept = list(csv.DictReader(file, delimiter="\t"))
    with open(folder / "quarantine.csv", newline="") as file:
        lost = list(csv.DictReader(file))
    assert len(kept) + len(lost) == count
    assert len({(row["path"], row["line"]) for row in kept + lost}) == count
    assert Counter(row["reason"] for row in lost) == report["rejected"]
    assert Counter(row["split"] for row in kept) == {k: v["tunes"] for k, v in report["splits"].items()}
    splits = defaultdict(set)
    for row in kept:
        splits[row["cluster"]].add(row["split"])
    assert {len(found) for found in splits.values()} == {1}
    return kept


@pytest.mark.slow
def test_music21_does_not_leak(tmp_path):
    check_leak(build([Source("", "music21")], tmp_path, Options(), 2))
    check_rows(tmp_path, 12978)


@pytest.mark.slow
def test_a_raw_collection_does_not_leak(shared, tmp_path):
    check_leak(build([Source("", str(shared / "corpora" / "abc_collection_utf8.tar.zst"))], tmp_path, Options(), 2))
    check_rows(tmp_path, 18619)


@pytest.mark.slow
def test_families_found_by_others_hardly_cross(shared, tmp_path):
    source = shared / "corpora" / "mid_notated.abc.zst"
    build([Source("", str(source))], tmp_path, Options(min_test_chars=0), 2)
    kept = check_rows(tmp_path, 19748)
    with open(source.with_name("mid_notated.tsv.zst"), "rb") as file:
        table = zstandard.ZstdDecompressor().stream_reader(file).read().decode()
    group_at = {row["offset"]: row["group"] for row in csv.DictReader(io.StringIO(table), delimiter="\t")}
    groups = defaultdict(list)
    for row in kept:
        groups[group_at[row["offset"]]].append(row["split"])
    families = [splits for splits in groups.values() if len(splits) > 1]
    assert len(families) > 300
    assert np.mean([len(set(splits)) > 1 for splits in families]) <= 0.005
    alone = np.random.default_rng(0).permutation([row["split"] for row in kept])
    ends = np.cumsum([len(splits) for splits in families])
    assert np.mean([len(set(splits)) > 1 for splits in np.split(alone[: ends[-1]], ends[:-1])]) > 0.1
