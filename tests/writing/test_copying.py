"""Copies are found and named; whatever a file holds, it gets a record."""

import json
import re
from difflib import SequenceMatcher

import jsonschema
import numpy as np
import pytest

from tests.conftest import ROOT, command
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.copies import LONG, THRESHOLD
from workflow.scripts.writing.copying import search, summarise
from workflow.scripts.writing.samples import MAX_BYTES

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "copying.schema.json").read_text())


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


def test_the_stretch_is_the_one_that_difflib_finds(index, split, copied):
    text = index.text.tobytes().decode()
    for tune in split("test")[:4]:
        record, music = copied(tune), cut_header(tune)[1]
        match = SequenceMatcher(None, music, text, autojunk=False).find_longest_match()
        assert record["lcs_chars"] == match.size
        assert record["lcs_share"] == round(match.size / len(music), 4)
        stretch = music[record["lcs_at"] :][: match.size]
        assert stretch in split("train")[record["lcs_tune"]["number"]]


def test_a_copy_is_found_and_named(split, copied, corpus_dir):
    rows = [line.split("\t") for line in (corpus_dir / "tunes.tsv").read_text().splitlines()]
    sources = [f"{row[0]}:{row[1]}" for row in rows if row[5] == "train"]
    for i, tune in [*enumerate(split("train"))][::20]:
        record = copied(tune)
        assert record["copied"]
        assert record["similarity"] == record["transposed_similarity"] == record["lcs_share"] == 1
        assert record["originality"] == 0
        assert record["lcs_chars"] == len(cut_header(tune)[1])
        assert record["nearest"] == record["lcs_tune"] == {"number": i, "source": sources[i]}


def test_a_copy_in_another_key_is_found(split, copied):
    for i, tune in [*enumerate(split("train"))][::20]:
        record = copied(up_a_third(tune))
        assert record["copied"]
        assert record["transposed_similarity"] == 1
        assert record["transposed_nearest"]["number"] == i
        assert record["similarity"] < THRESHOLD


def test_a_copy_under_another_title_and_meter_is_found(split, copied):
    tune = split("train")[3]
    record = copied("X:9\nT:Mine\nM:5/4\nL:1/32\nK:Gm\n" + cut_header(tune)[1])
    assert record["similarity"] == record["lcs_share"] == 1


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r"), lambda text: text.encode("utf-16")])
def test_a_copy_with_other_line_ends_or_in_another_encoding_is_found(split, copied, change):
    tune = split("train")[3]
    assert copied(change(tune)) == copied(tune)


def test_a_header_alone_is_no_copy(split, copied):
    record = copied(cut_header(split("train")[3])[0] + "zzzz zzzz\n")
    assert not record["copied"]
    assert record["lcs_chars"] < 10


def test_tunes_of_people_are_no_copies(split, copied):
    assert not any(copied(tune)["copied"] for tune in split("test"))


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
def test_where_there_is_no_music_nothing_is_measured(copied, data):
    record = copied(data)
    assert record.items() >= NOTHING.items()
    assert not record["copied"]


def test_marks_without_notes_have_no_likeness_in_another_key(copied):
    record = copied("X:1\nK:C\n^^\n")
    assert record["similarity"] is not None
    assert record["transposed_similarity"] is record["transposed_nearest"] is None
    assert copied('X:1\nK:C\n"A chord"\n')["similarity"] is None


def test_any_bytes_get_a_record_that_follows_the_schema(copied, index):
    rng = np.random.default_rng(3)
    texts = [rng.bytes(int(size)) for size in rng.integers(1, 3000, 30)]
    texts += [
        b"X:1\nK:C\n" + rng.choice([*b"A^_=,'2/|:[]{}\"!&\n\\%VK\xc3\xa4\0z("], 500).astype("u1").tobytes()
        for _ in range(60)
    ]
    texts += ["X:1\nK:C\nABcd ef".encode("utf-16"), b"X:1\rK:C\rABcd\xe4", b"X:1\nK:C\nA" + b"\xf0\x9f"]
    schema = SCHEMA["properties"]["files"]["items"] | {"$defs": SCHEMA["$defs"]}
    validator = jsonschema.Draft202012Validator(schema)
    records = [copied(text) for text in texts]
    for record in records:
        validator.validate(record)
    assert sum(record["similarity"] is not None for record in records) > 50


@pytest.mark.parametrize("unit", [b"A", b"z8|", b"AB,c' "])
def test_a_file_too_large_of_one_thing_is_measured(copied, unit):
    record = copied(b"X:1\nK:C\n" + unit * (2 * MAX_BYTES // len(unit)))
    assert 0 < record["lcs_chars"] < 2 * LONG
    assert 0 <= record["similarity"] < 0.01


def test_hostile_tunes_get_a_record(shared, index):
    paths = sorted((shared / "abc-cases" / "hostile").glob("*.abc"))
    assert len(paths) > 50
    assert not any(search(path, index)["copied"] for path in paths)


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
