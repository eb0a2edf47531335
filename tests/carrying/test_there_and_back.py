"""A study goes to a machine that lacks packages, is cut off there, and comes back as if it had been trained here."""

import csv
import json
import shutil

import pytest

from tests.conftest import ROOT, command
from workflow.scripts.base.errors import InputError
from workflow.scripts.carrying import archive, arrive, back, pack
from workflow.scripts.study_config import read_study
from workflow.scripts.study_jobs import KINDS, jobs_of

STUDY = """
pathvars: {{ results: results/mine }}
corpus: {book}
corpus_name: book
val_fraction: 0.1
min_test_chars: {min_test_chars}
suite: [gpt_a, lstm_a]
models:
  gpt_a: {{arch: gpt, n_layer: 1, n_embd: 8, n_head: 2, learning_rate: 0.01}}
  lstm_a: {{arch: lstm, n_layer: 1, n_embd: 10, learning_rate: 0.01}}
tokens: [4096, 8192]
seeds: [0]
block_size: 32
warmup_steps: 4
num_samples: 1
samples_per_prompt: 1
prompts: {{}}
max_new_tokens: 20
eval_tokens: 512
lr_transfer_models: []
"""
# Of all machines that Python starts on in a test, each lacks what is not on the machines that this is made for.
LACKING = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
"""
NAMES = {"snakemake", "music21", "symusic", "ftfy", "pydivsufsort", "rapidfuzz", "zstandard", "jsonschema"}


@pytest.fixture(scope="module")
def home(tmp_path_factory, corpus_dir, book):
    """A folder with a study and its prepared corpus, and the pack of it."""
    folder = tmp_path_factory.mktemp("home")
    info = json.loads((corpus_dir / "corpus.json").read_text())
    (folder / "study.yaml").write_text(STUDY.format(book=book, min_test_chars=info["options"]["min_test_chars"]))
    (folder / "data" / "corpora").mkdir(parents=True)
    (folder / "data" / "corpora" / "book").symlink_to(corpus_dir)
    done = command("carry", "pack", "study.yaml", "--output", "pack.tar.xz", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2 jobs of 4 runs in order of worth" in done.stdout
    return folder


@pytest.fixture(scope="module")
def came_back(home, tmp_path_factory):
    """What came back from two machines: the first did one of the two models and was lost."""
    bare = tmp_path_factory.mktemp("bare")
    (bare / "sitecustomize.py").write_text(LACKING.format(names=NAMES))

    def run(name: str, *args: str):
        folder = bare / name
        folder.mkdir()
        line = ["carry", "run", home / "pack.tar.xz", "--work", "work", "--output", "out", *args]
        return folder / "out" / back.NAME, command(*line, cwd=folder, env={"PYTHONPATH": f"{bare}:{ROOT}"})

    first, done = run("first", "--only", "lstm_a", "--tunes", "each")
    assert (done.returncode, done.stderr) == (0, "")
    shutil.rmtree(first.parents[1] / "work")
    second, done = run("second", "--have", str(first), "--at_once", "2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 runs came back before" in done.stdout
    assert "lstm_a" not in done.stdout
    assert "4 runs finished, 0 not" in done.stdout
    return second


def jobs_at(home):
    return jobs_of(read_study(home / "study.yaml", []), 100, KINDS)


def test_what_came_back_is_what_is_trained_here(home, came_back, tmp_path):
    corpus = json.loads((home / "data/corpora/book/corpus.json").read_text())["content_sha256"]
    jobs = jobs_at(home)
    said = arrive.put(came_back, jobs, corpus, tmp_path / "results")
    assert "4 runs" in said
    assert "missing" not in said
    job = next(job for job in jobs if job.model == "gpt_a")
    name, *words = job.train_words(job.runs, "here", "data/corpora/book", ["--threads", "1", "--device", "cpu"])
    done = command(name, *words, cwd=home)
    assert done.returncode == 0, done.stderr
    for folder in job.runs:
        there, here = tmp_path / "results" / folder, home / "here" / folder
        found, expected = (json.loads((run / "config.json").read_text()) for run in (there, here))
        assert found["weights_sha256"] == expected["weights_sha256"]
        assert found["training"]["fingerprint"] == expected["training"]["fingerprint"]
        mine, theirs = (list(csv.DictReader((run / "history.csv").open())) for run in (here, there))
        assert [row | {"seconds": ""} for row in mine] == [row | {"seconds": ""} for row in theirs]
        assert json.loads((there / "perplexity.json").read_text())["trained_on_this_corpus"]
        assert not (there / "model.safetensors").exists()
        told = json.loads((there / "carried.json").read_text())
        assert told["machine"]["torch"]
        assert told["command"].startswith("python -m workflow.scripts.train --model_name gpt_a")
    for each in jobs:
        assert len(list((tmp_path / "results" / each.writes / "samples").glob("*.abc"))) == 1
    record = arrive.brought(tmp_path / "results")
    assert len(record["machines"]) == 1
    assert set(record["runs"]) == {folder for each in jobs for folder in each.runs}


def test_what_was_trained_here_stays_and_another_recipe_is_refused(home, came_back, tmp_path):
    corpus = json.loads((home / "data/corpora/book/corpus.json").read_text())["content_sha256"]
    config = read_study(home / "study.yaml", [])
    jobs = jobs_of(config, 100, KINDS)
    mine = tmp_path / "results" / next(iter(jobs[0].runs))
    mine.mkdir(parents=True)
    (mine / "config.json").write_text('{"weights_sha256": "mine"}')
    said = arrive.put(came_back, jobs, corpus, tmp_path / "results")
    assert "1 that were trained here stay" in said
    assert (mine / "config.json").read_text() == '{"weights_sha256": "mine"}'
    wrong = [
        (jobs, "another", "on another corpus"),
        (jobs_of(config | {"warmup_steps": 5}, 100, KINDS), corpus, "was told flags .* and the study says"),
        (jobs_of(config | {"tokens": [8192]}, 100, KINDS), corpus, "which is no run of this study"),
    ]
    for others, of, message in wrong:
        with pytest.raises(InputError, match=message):
            arrive.put(came_back, others, of, tmp_path / "other")
    assert list(tmp_path.glob("other/*")) == []
    more = jobs_of(config | {"suite": ["gpt_a", "lstm_a", "gpt_tiny"]}, 100, KINDS)
    assert "2 runs of the study are missing: models/gpt_tiny/4096-seed0" in arrive.put(
        came_back, more, corpus, tmp_path / "more"
    )


def test_other_code_does_not_train_it(home, tmp_path):
    about = archive.read_head(home / "pack.tar.xz", pack.HEAD)
    archive.write(tmp_path / "odd", pack.HEAD, about | {"code": {"gpt": "x", "lstm": "x"}}, {}, **archive.QUICK)
    done = command("carry", "run", tmp_path / "odd", "--work", tmp_path / "work", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "are not those of the pack" in done.stderr
