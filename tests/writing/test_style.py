"""The report on a folder: its schema, what counts in each rate, and what is compared with what."""

import json
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

from tests.conftest import ROOT, command
from workflow.scripts import draw_real, eval_style
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.features import LENGTHS
from workflow.scripts.writing.samples import Drawn, write_samples
from workflow.scripts.writing.style import MAX_TUNES, mean_of, reference_of

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "style.schema.json").read_text())
HEADER = "X:1\nT:a\nM:4/4\nL:1/4\nK:G\n"


@pytest.fixture
def report(corpus_dir, tmp_path):
    """The report on tunes, or on a folder of them; it follows the schema."""

    def write(tunes: list[Drawn] | Path) -> dict:
        folder, output = tunes, tmp_path / "style.json"
        if isinstance(tunes, list):
            folder = tmp_path / "samples"
            write_samples(folder, "some", tunes)
        eval_style.main(["--folders", str(folder), "--data_dir", str(corpus_dir), "--output", str(output)])
        found = json.loads(output.read_text())
        jsonschema.Draft202012Validator(SCHEMA).validate(found)
        assert [*found["folders"]] == [folder.name]
        return found["folders"][folder.name] | {"reference": found["reference"]}

    return write


def whole(music: str) -> Drawn:
    return Drawn("", HEADER + music, True)


def counts(found: dict) -> dict:
    return {name: rate["count"] for name, rate in found["rates"].items() if rate}


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_real_tunes_are_like_the_reference_and_noise_is_not(report, corpus_dir, tmp_path):
    drawn = {"data_dir": corpus_dir, "output_dir": tmp_path / "real", "num_samples": 60, "max_new_tokens": 5000}
    draw_real.main(["--split", "train", *(f"--{name}={value}" for name, value in drawn.items())])
    real = report(tmp_path / "real")
    assert counts(real)["ended"] == counts(real)["header_complete"] == real["n"] == 60
    noise = report([whole("C12C12C12|^C16^C16|" * 9) for _ in range(9)] + [whole("_E9_E9|_E9|")])
    for name in ("pitch_class", "note_length"):
        assert real["distances"][name]["overlap"] > 0.8  # of a reference of twenty tunes
        assert noise["distances"][name]["overlap"] < 0.6
        assert noise["distances"][name]["kl"] > 10 * real["distances"][name]["kl"]
    assert real["means"]["in_key"]["mean"] > 0.9
    assert real["means"]["repetition"]["mean"] > 0.05


def test_the_reference_is_the_validation_split(report, corpus_dir):
    corpus = Corpus.load(corpus_dir)
    found = report([whole("CDEF|")])
    assert found["reference"] == {
        "corpus_sha256": corpus.content_sha256,
        "split": "val",
        "tunes": corpus.split("val").n_tunes,
        "header_fields": ["X", "K", "T", "M", "L"],
    }
    split = corpus.split("val")
    tunes = [corpus.tokenizer.decode(split.tune(i)) for i in range(split.n_tunes)]
    same = report([Drawn("", tune, True) for tune in tunes])
    for distance in same["distances"].values():
        assert distance["samples"] == distance["reference"]
        assert distance["n"] == split.n_tunes


def book_of(tunes: list[str]) -> SimpleNamespace:
    """What `reference_of` needs of a corpus; remembers which tunes it took."""
    taken = []
    split = SimpleNamespace(n_tunes=len(tunes), tune=lambda i: taken.append(i) or tunes[i])
    tokenizer = SimpleNamespace(decode=lambda text: text)
    return SimpleNamespace(split=lambda name: split, tokenizer=tokenizer, taken=taken)


@pytest.mark.parametrize(("without", "fields"), [(5, ("X", "K", "T", "M", "L")), (6, ("X", "K", "M", "L"))])
def test_a_complete_header_has_what_nearly_all_real_ones_have(without, fields):
    bare = HEADER.replace("T:a\n", "")
    book = book_of([bare + "CDEF|"] * without + [HEADER + "CDEF|"] * (100 - without))
    assert reference_of(book).fields == fields


def test_a_large_reference_is_spread_evenly():
    book = book_of([HEADER + "CDEF|"] * 1201)
    assert reference_of(book).n == MAX_TUNES == len(set(book.taken))
    assert book.taken[:3] == [0, 2, 4]
    assert book.taken[-1] == 1198
    book = book_of([HEADER + "CDEF|"] * 7)
    assert reference_of(book).n == 7
    assert book.taken == [*range(7)]


def test_what_counts_in_each_rate(report):
    tunes = [
        whole("CDEF|GABc|]\n"),
        whole("CDEF|GABc\n"),  # its last bar is open
        whole("V:1\nCDEF|\nV:2\nCDEF|\n"),
        whole("V:1\nCDEF|\nV:2\nCDEF\n"),  # that of one voice is
        Drawn("", HEADER.replace("M:4/4\n", "") + "CDEF|\n", False),
        Drawn("", "T:a\nM:4/4\nL:1/4\nK:G\nCDEF|\n", True),
        Drawn("", HEADER.removesuffix("K:G\n"), False),
    ]
    found = report(tunes)
    assert [file["ended"] for file in found["files"]] == [True, True, True, True, False, True, False]
    assert [file["closed"] for file in found["files"]] == [True, False, True, False, True, True, False]
    assert [file["header_complete"] for file in found["files"]] == [True] * 4 + [False] * 3
    assert [file["two_voices"] for file in found["files"]] == [False, False, True, True, False, False, False]
    assert [file["syntax"] for file in found["files"]] == [True] * 5 + [False] * 2
    assert [file["rhythm"] for file in found["files"]] == [True] * 4 + [None, True, None]
    assert counts(found) == {
        "syntax": 5, "rhythm": 5, "ended": 5, "closed": 4, "header_complete": 4, "two_voices": 2
    }  # fmt: skip
    assert found["rates"]["rhythm"]["n"] == 5
    assert found["rates"]["ended"]["rate"] == 5 / 7
    assert found["means"]["notes"] == {"mean": round(40 / 7, 4), "ci95": found["means"]["notes"]["ci95"], "n": 7}
    assert found["means"]["in_key"]["n"] == 6
    assert found["files"][0]["path"] == "some-000.abc"


def test_what_a_prompt_holds_is_not_measured(report):
    prompt = HEADER + "V:1\nzDEF|GABc|\nV:2\n"
    (file,) = report([Drawn(prompt, "^CDEF|[K:C]F4|\n", True)])["files"]
    assert file == {
        "path": "some-000.abc",
        "syntax": True,
        "rhythm": True,
        "ended": True,
        "closed": True,
        "header_complete": True,
        "two_voices": False,
        "notes": 5,
        "in_key": 0.8,
        "rest_share": 0,
        "polyphony": 1,
        "repetition": 0,
    }
    file = report([Drawn(prompt, "", True)])["files"][0]
    assert (file["notes"], file["closed"], file["in_key"], file["repetition"]) == (0, False, None, None)
    assert (file["syntax"], file["rhythm"]) == (False, False), "the notes of the prompt are not the model's"


def test_histograms_are_means_over_tunes(report):
    found = report([whole("C4|"), whole("D2D2|D4|D4|"), whole("z4|")])["distances"]
    assert found["pitch_class"]["n"] == 2
    assert found["pitch_class"]["classes"][:3] == ["C", "C#", "D"]
    assert found["pitch_class"]["samples"] == [0.5, 0, 0.5] + [0] * 9
    assert found["note_length"]["classes"] == list(LENGTHS)
    assert found["note_length"]["samples"] == [0.75, 0.25] + [0] * 10


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "texts",
    [[""], ["", "hello, all\n"], [HEADER], [HEADER + "CDEF|"], [HEADER + "z4|"] * 3, [HEADER + "C|"] * 3, ["\0\ufeff"]],
)
def test_folders_with_little_in_them_have_a_report(report, capsys, texts):
    found = report([Drawn("", text, False) for text in texts])
    assert len(found["files"]) == found["n"] == len(texts)
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert len(printed.splitlines()) >= 4


def test_bytes_that_are_no_text_are_measured(report, tmp_path):
    folder = tmp_path / "bytes"
    write_samples(folder, "some", [whole("CDEF|")] * 2)
    (folder / "some-000.abc").write_bytes(HEADER.encode() + b"CD\xff\xfeEF|\r\n")
    assert report(folder)["files"][0]["notes"] == 4


def test_the_table_says_what_the_file_says(corpus_dir, tmp_path):
    write_samples(tmp_path, "some", [whole("CDEF|CDEF|"), whole("C4|z4|"), whole("GA")])
    outputs = [tmp_path / "a.json", tmp_path / "b.json"]
    for output in outputs:
        done = command("eval_style", "--folders", tmp_path, "--data_dir", corpus_dir, "--output", output)
        assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    found = json.loads(outputs[0].read_text())["folders"][tmp_path.name]
    first, *rest = done.stdout.splitlines()
    assert first == f"{tmp_path.name}:"
    lines = dict(line.split(maxsplit=1) for line in rest)
    assert [*lines] == [*found["rates"], *found["means"], *found["distances"]]
    assert lines["closed"].startswith("2 of 3     66.7%   95% interval ")
    assert lines["repetition"].startswith("3 tunes    0.167   95% interval 0.000 to 0.500")
    assert f"overlap {found['distances']['pitch_class']['overlap']:.3f}, KL " in lines["pitch_class"]


def test_each_folder_is_judged_by_itself_and_an_empty_one_left_out(corpus_dir, tmp_path):
    for name, tunes in (("samples", [whole("CDEF|")]), ("none", []), ("duet", [Drawn(HEADER, "C4|z4|", True)] * 2)):
        write_samples(tmp_path / name, "some", tunes)
    folders = [str(tmp_path / name) for name in ("samples", "none", "duet")]
    output = tmp_path / "style.json"
    eval_style.main(["--folders", *folders, "--data_dir", str(corpus_dir), "--output", str(output)])
    found = json.loads(output.read_text())["folders"]
    assert {name: report["n"] for name, report in found.items()} == {"samples": 1, "duet": 2}
    assert found["duet"]["means"]["rest_share"]["mean"] == 0.5


def test_what_is_no_folder_of_samples_and_no_corpus_is_refused(corpus_dir, tmp_path):
    empty, none, whole_one = tmp_path / "empty", tmp_path / "none", tmp_path / "whole"
    for folder, tunes in ((none, []), (whole_one, [whole("CDEF|")])):
        write_samples(folder, "some", tunes)
    empty.mkdir()
    for folder, data_dir, words in (
        (empty, corpus_dir, "holds no table of samples"),
        (none, corpus_dir, "list no tunes"),
        (whole_one, empty, "is not a prepared corpus"),
    ):
        done = command("eval_style", "--folders", folder, "--data_dir", data_dir, "--output", tmp_path / "style.json")
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "style.json").exists()


def test_means_have_the_interval_of_the_bootstrap():
    values = np.random.default_rng(9).normal(5, 2, 100).tolist()
    found = mean_of(values)
    half = 1.96 * np.std(values) / 10
    assert found["mean"] == pytest.approx(np.mean(values), abs=1e-4)
    assert found["ci95"] == pytest.approx([found["mean"] - half, found["mean"] + half], abs=0.1)
    assert found["n"] == 100
    assert mean_of([0.5]) == {"mean": 0.5, "ci95": None, "n": 1}
    assert mean_of([1, 1])["ci95"] == [1, 1]
    assert mean_of([]) is None
