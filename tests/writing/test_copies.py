"""Copies are found, against brute force; whatever a file holds, it gets a record."""

import dataclasses
import itertools
import json
import random
import re
from difflib import SequenceMatcher
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from pydivsufsort import divsufsort, longest_previous_factor
from rapidfuzz.distance import Levenshtein

from tests.conftest import ROOT, command
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.notation.sound import Ragged
from workflow.scripts.writing import copies
from workflow.scripts.writing.copies import (
    LONG,
    MAX_BYTES,
    THRESHOLD,
    longest_match,
    measure,
    nearest,
    shared_grams,
    summarise,
)
from workflow.scripts.writing.training_index import (
    VIEWS,
    CopyIndex,
    build,
    gram_keys,
    group,
    index_view,
    join,
    views_of,
)

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "copying.schema.json").read_text())


@pytest.fixture(scope="module")
def index_dir(corpus_dir, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copy_index")
    build(Corpus.load(corpus_dir), 10**9, folder)
    return folder


@pytest.fixture(scope="module")
def index(index_dir) -> CopyIndex:
    return CopyIndex.load(index_dir)


@pytest.fixture(scope="module")
def split(corpus_dir):
    """Texts of a split by its name."""
    corpus = Corpus.load(corpus_dir)

    def texts(name: str) -> list[str]:
        found = corpus.split(name)
        return [corpus.tokenizer.decode(found.tune(i)) for i in range(found.n_tunes)]

    return texts


@pytest.fixture
def judge(index, tmp_path):
    """The record of a tune."""

    def record(text: str | bytes) -> dict:
        path = tmp_path / "tune.abc"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return measure(path, index)

    return record


def cut_header(text: str) -> tuple[str, str]:
    end = re.search(r"^K:.*\n", text, re.MULTILINE).end()
    return text[:end], text[end:]


def up_a_third(text: str) -> str:
    """The tune two steps higher, in another key; text in quotes and fields stay."""

    def higher(note: re.Match) -> str:
        octave, step = divmod("CDEFGAB".index(note[1].upper()) + 2, 7)
        octave += note[1].islower() + note[2].count("'") - note[2].count(",")
        return "CDEFGAB"[step] + "," * -octave if octave <= 0 else "cdefgab"[step] + "'" * (octave - 1)

    header, music = cut_header(text)
    parts = re.split(r'("[^"\n]*"|^[A-Za-z]:.*$|\[[A-Z]:[^\]]*\])', music, flags=re.MULTILINE)
    return header + "".join(
        part if i % 2 else re.sub(r"([A-Ga-g])([,']*)", higher, part) for i, part in enumerate(parts)
    )


def common(music: bytes, text: bytes, recurs: np.ndarray | None = None) -> tuple[int, int, int]:
    arrays = [np.frombuffer(bytearray(data), dtype=np.uint8) for data in (text, music)]
    recurs = np.zeros(len(music), dtype=np.int32) if recurs is None else recurs
    return longest_match(arrays[0], divsufsort(arrays[0]), arrays[1], recurs)


def by_slicing(music: bytes, text: bytes) -> tuple[int, int]:
    """(length, first start) of the longest common substring."""
    for length in range(len(music), 0, -1):
        for at in range(len(music) - length + 1):
            if music[at : at + length] in text:
                return length, at
    return 0, 0


@pytest.mark.parametrize("recurring", [False, True])
def test_the_longest_common_substring_is_that_of_slicing(recurring):
    rng, lengths = random.Random(7), set()
    for _ in range(400):
        letters = b"ab"[: rng.choice((1, 2))] + bytes(rng.choices(b"abcd", k=2))
        text = bytes(rng.choices(letters, k=rng.randint(1, 120)))
        music = bytes(rng.choices(letters, k=rng.randint(1, 40)))
        if rng.random() < 0.5:  # a copy with a mistake, longer than what tells that a window stands nowhere
            music += text[: rng.randint(1, 60)] + b"e" + text[rng.randint(0, len(text) - 1) :]
        recurs = longest_previous_factor(np.frombuffer(bytearray(music), np.uint8)) if recurring else None
        length, at, place = common(music, text, recurs)
        assert (length, at) == by_slicing(music, text)
        assert text[place : place + length] == music[at : at + length]
        lengths.add(length)
    assert max(lengths) > 2 * copies.TAIL


def test_the_stretch_is_the_one_that_difflib_finds(index, split, judge):
    text = index.text.tobytes().decode()
    for tune in split("test")[:4]:
        record, music = judge(tune), cut_header(tune)[1]
        match = SequenceMatcher(None, music, text, autojunk=False).find_longest_match()
        assert record["lcs_chars"] == match.size
        assert record["lcs_share"] == round(match.size / len(music), 4)
        stretch = music[record["lcs_at"] :][: match.size]
        assert stretch in split("train")[record["lcs_tune"]["number"]]


def test_stretches_end_at_whole_characters(tmp_path, index):
    # ä and å begin with the same byte, ä and Ĥ (C4 A4) end with the same.
    text, bodies = join(["GABcĤdefgaböGAB\n\0".encode()])
    index = dataclasses.replace(index, text=text, bodies=bodies, suffixes=divsufsort(text))
    (tmp_path / "tune.abc").write_text('X:1\nK:C\n"ü"ädefgabõ\n')
    record = measure(tmp_path / "tune.abc", index)
    assert (record["lcs_chars"], record["lcs_at"]) == (6, 4)


def test_a_copy_is_found_and_named(split, judge, corpus_dir):
    rows = [line.split("\t") for line in (corpus_dir / "tunes.tsv").read_text().splitlines()]
    sources = [f"{row[0]}:{row[1]}" for row in rows if row[5] == "train"]
    for i, tune in [*enumerate(split("train"))][::20]:
        record = judge(tune)
        assert record["copied"]
        assert record["similarity"] == record["transposed_similarity"] == record["lcs_share"] == 1
        assert record["originality"] == 0
        assert record["lcs_chars"] == len(cut_header(tune)[1])
        assert record["nearest"] == record["lcs_tune"] == {"number": i, "source": sources[i]}


def test_a_copy_in_another_key_is_found(split, judge):
    for i, tune in [*enumerate(split("train"))][::20]:
        record = judge(up_a_third(tune))
        assert record["copied"]
        assert record["transposed_similarity"] == 1
        assert record["transposed_nearest"]["number"] == i
        assert record["similarity"] < THRESHOLD


def test_a_copy_under_another_title_and_meter_is_found(split, judge):
    tune = split("train")[3]
    record = judge("X:9\nT:Mine\nM:5/4\nL:1/32\nK:Gm\n" + cut_header(tune)[1])
    assert record["similarity"] == record["lcs_share"] == 1


def test_a_header_alone_is_no_copy(split, judge):
    record = judge(cut_header(split("train")[3])[0] + "zzzz zzzz\n")
    assert not record["copied"]
    assert record["lcs_chars"] < 10


def test_tunes_of_people_are_no_copies(split, judge):
    assert not any(judge(tune)["copied"] for tune in split("test"))


def mutate(text: bytes, edits: int, rng: random.Random) -> bytes:
    data = bytearray(text)
    for _ in range(edits):
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.choice(b"ABCDEFGabcdefg23|")
        elif kind == 1:
            del data[at]
        else:
            data.insert(at, rng.choice(b"ABCDEFGabcdefg23|"))
    return bytes(data)


def test_no_tune_above_the_threshold_is_missed(index, monkeypatch):
    """With none but the possible copies to compare, the nearest is brute force's nearest wherever that is a copy."""
    monkeypatch.setattr(copies, "CANDIDATES", 1)
    rng = random.Random(11)
    for name in VIEWS:
        view = index.views[name]
        tunes = [view.values[a:b].tobytes() for a, b in itertools.pairwise(view.bounds.tolist())]
        tunes += [tune[:size] for tune in tunes for size in (2, 5, 9, 14)]  # short ones, too
        tunes += [tune[:size] * 12 for tune in tunes[:200] for size in (4, 7)]  # and the same over and over
        view = index_view(Ragged(*join(tunes)))
        near = 0
        for tune in rng.sample(tunes, 200):
            query = mutate(tune, rng.randint(0, max(1, len(tune) // 5)), rng) or b"A"
            best = max(Levenshtein.normalized_similarity(query, other) for other in tunes)
            if best >= THRESHOLD:
                found, i = nearest(view, np.frombuffer(query, dtype=np.uint8))
                assert found == best == Levenshtein.normalized_similarity(query, tunes[i])
                near += 1
        assert near > 60


def test_the_threshold_and_the_bound_are_exact(index, judge):
    """Edits so far apart that each destroys three grams of its own: as many as the bound allows, and one more."""
    view = index.views["written"]
    for i in range(0, len(index.numbers), 20):
        tune = view.values[view.bounds[i] : view.bounds[i + 1]].copy()
        most = int((1 - THRESHOLD) * len(tune))
        places = np.flatnonzero(np.isin(tune, [*b"ABCDEFGabcdefg"]))
        places = places[np.linspace(3, len(places) - 4, most + 1).astype(int)]
        for edits in (most, most + 1):
            query = tune.copy()
            query[places[:edits]] = ord("y")
            grams, _, _, counts = group(np.sort(gram_keys(query, np.array([0, len(query)]))))
            _, possible = shared_grams(*view[1:], grams, counts, len(query))
            record = judge(b"X:1\nK:C\n" + query.tobytes())
            assert record["similarity"] == round(1 - edits / len(tune), 4)
            assert possible[i] == record["copied"] == (edits == most)


def test_the_nearest_of_unlike_tunes_is_brute_forces_nearest(index, split):
    """This book has fewer tunes than are compared."""
    for tune in split("test"):
        streams = views_of(*join([tune.encode()]))
        for name in VIEWS:
            view, query = index.views[name], streams[name].values
            tunes = [view.values[a:b].tobytes() for a, b in itertools.pairwise(view.bounds.tolist())]
            best = max(Levenshtein.normalized_similarity(query.tobytes(), other) for other in tunes)
            assert nearest(view, query)[0] == best


NOTHING = {"lcs_chars": None, "lcs_tune": None, "similarity": None, "nearest": None, "originality": None}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello\n",
        b"\0" * 99,
        b"X:1\nT:no key\nCDEF|\n",
        b"K:",
        b"X:1\nK:C",
        b"\xff\xfe",
        b"X:1\nK:C\n\n \n\r\r%x\n",
    ],
)
def test_where_there_is_no_music_nothing_is_measured(judge, data):
    record = judge(data)
    assert record.items() >= NOTHING.items()
    assert not record["copied"]


def test_marks_without_notes_have_no_likeness_in_another_key(judge):
    record = judge("X:1\nK:C\n^^\n")
    assert record["similarity"] is not None
    assert record["transposed_similarity"] is record["transposed_nearest"] is None
    assert judge('X:1\nK:C\n"A chord"\n')["similarity"] is None


def test_any_bytes_get_a_record_that_follows_the_schema(judge, index):
    rng = np.random.default_rng(3)
    texts = [rng.bytes(int(size)) for size in rng.integers(1, 3000, 30)]
    texts += [
        b"X:1\nK:C\n" + rng.choice([*b"A^_=,'2/|:[]{}\"!&\n\\%VK\xc3\xa4\0z("], 500).astype("u1").tobytes()
        for _ in range(60)
    ]
    texts += ["X:1\nK:C\nABcd ef".encode("utf-16"), b"X:1\rK:C\rABcd\xe4", b"X:1\nK:C\nA" + b"\xf0\x9f"]
    schema = SCHEMA["properties"]["files"]["items"] | {"$defs": SCHEMA["$defs"]}
    validator = jsonschema.Draft202012Validator(schema)
    records = [judge(text) for text in texts]
    for record in records:
        validator.validate(record)
    assert sum(record["similarity"] is not None for record in records) > 50


@pytest.mark.parametrize("unit", [b"A", b"z8|", b"AB,c' "])
def test_a_megabyte_of_one_thing_is_measured(judge, unit):
    record = judge(b"X:1\nK:C\n" + unit * (2 * MAX_BYTES // len(unit)))
    assert 0 < record["lcs_chars"] < 2 * LONG
    assert 0 <= record["similarity"] < 0.01


def test_hostile_tunes_get_a_record(shared, index):
    paths = sorted((shared / "abc-cases" / "hostile").glob("*.abc"))
    assert len(paths) > 50
    assert not any(measure(path, index)["copied"] for path in paths)


def test_the_summary_counts_all_files_and_describes_those_measured():
    files = [
        {"copied": similarity == 0.9, "lcs_chars": 10, "lcs_share": 0.5, "transposed_similarity": None}
        | {"similarity": similarity, "originality": similarity and 1 - similarity}
        for similarity in (0.2, 0.3, 0.9, None)
    ]
    summary = summarise(files)
    assert summary["n"] == 4
    assert summary["copied"]["rate"] == 0.25
    assert summary["copied"]["ci95"][0] < 0.25 < summary["copied"]["ci95"][1]
    assert summary["similarity"]["n"] == 3
    assert summary["similarity"]["median"] == 0.3
    assert summary["originality"]["max"] == 0.8
    assert summary["transposed_similarity"] is None


def test_a_folder_makes_a_report_that_follows_the_schema(index_dir, corpus_dir, split, tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "copy.abc").write_text(split("train")[0])
    (folder / "human.abc").write_text(split("test")[0])
    (folder / "empty.abc").write_text("")
    outputs = [tmp_path / "a.json", tmp_path / "b.json"]
    for output in outputs:
        done = command("copying", "--folder", folder, "--index", index_dir, "--output", output)
        assert done.returncode == 0, done.stderr
    assert "copied 1 of 3 (33.3%, 95% interval" in done.stdout
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    report = json.loads(outputs[0].read_text())
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    info = Corpus.load(corpus_dir).info
    assert report["index"]["corpus_sha256"] == info["content_sha256"]
    assert report["index"]["searched_chars"] == report["index"]["training_chars"] == info["splits"]["train"]["chars"]
    assert [file["path"] for file in report["files"]] == ["copy.abc", "empty.abc", "human.abc"]
    assert report["summary"]["lcs_chars"]["n"] == 2


def test_a_folder_without_tunes_and_a_foreign_index_are_refused(index_dir, corpus_dir, tmp_path):
    for index, words in ((index_dir, "holds no .abc files"), (corpus_dir, "is not an index of a corpus")):
        done = command("copying", "--folder", tmp_path, "--index", index, "--output", tmp_path / "copying.json")
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "copying.json").exists()
