"""The workflow as its users run it, on one book of tunes and the smallest models, in a copy of the repository."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

STUDY = """
corpus: {book}
val_fraction: 0.1
test_fraction: 0.1
suite: [gpt_a, gpt_b, gpt_c, lstm_a, lstm_b, lstm_c]
models:
  gpt_a: {{arch: gpt, n_layer: 1, n_embd: 8, n_head: 2, learning_rate: 0.01}}
  gpt_b: {{arch: gpt, n_layer: 1, n_embd: 12, n_head: 2, learning_rate: 0.01}}
  gpt_c: {{arch: gpt, n_layer: 1, n_embd: 16, n_head: 2, learning_rate: 0.01}}
  lstm_a: {{arch: lstm, n_layer: 1, n_embd: 10, learning_rate: 0.01}}
  lstm_b: {{arch: lstm, n_layer: 1, n_embd: 15, learning_rate: 0.01}}
  lstm_c: {{arch: lstm, n_layer: 1, n_embd: 20, learning_rate: 0.01}}
tokens: [4096, 8192]
seeds: [0]
block_size: 32
num_samples: 2
samples_per_prompt: 1
baseline_samples: 3
ngram_orders: [4]
max_new_tokens: 40
eval_tokens: 512
checkpoint_seconds: 0
"""
JUDGES = ("syntax", "style", "copying")


class Study:
    def __init__(self, folder):
        self.folder = folder

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--configfile", "study.yaml", "--cores", "2", *args]

    def run(self, *args: str) -> str:
        """Output of a run that must succeed."""
        done = subprocess.run(self.command(*args), cwd=self.folder, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *args: str) -> dict[str, int]:
        """Jobs of a dry run by rule."""
        lines = self.run("--dry-run", *args).splitlines()
        if "job" not in " ".join(lines):
            return {}
        start = next((i for i, line in enumerate(lines) if line.split() == ["job", "count"]), None)
        if start is None:
            return {}
        table = {}
        for line in lines[start + 2 :]:
            if len(line.split()) != 2 or line.startswith("total"):
                break
            table[line.split()[0]] = int(line.split()[1])
        return table


@pytest.fixture(scope="module")
def study(book, tmp_path_factory):
    """A finished study in a copy of the repository's tracked files."""
    folder = tmp_path_factory.mktemp("copy") / "repo with a space"
    for name in ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs"):
        source, target = ROOT / name, folder / name
        folder.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (folder / "study.yaml").write_text(STUDY.format(book=book))
    study = Study(folder)
    study.run()
    return study


def test_every_run_has_a_row_with_a_finite_loss(study):
    runs = pd.read_csv(study.folder / "results" / "runs.csv")
    assert len(runs) == 12
    assert runs["test_loss"].between(1, 4.8).all()
    assert runs["corpus"].nunique() == 1
    assert runs.groupby("tokens").size().to_dict() == {4096: 6, 8192: 6}
    assert (runs[runs["tokens"] == 8192]["samples"] == 2).all()
    assert runs[runs["tokens"] == 4096]["valid_rate"].isna().all()
    assert (runs["trunk_seconds"] > 0).all()
    writing = pd.read_csv(study.folder / "results" / "writing.csv")
    prompts = writing["prompt"].fillna("").groupby(writing["writer"]).agg(set).to_dict()
    assert set(prompts) == {*runs["model"], "real", "ngram4"}
    assert prompts["real"] == prompts["ngram4"] == {""}
    assert prompts["gpt_a"] == prompts["lstm_c"] == {"", "key_and_meter", "two_voices", "title_and_rhythm"}
    for name in ("scaling_plot.pdf", "scaling_plot.png", "validity.pdf", "copying.pdf", "loss_places.pdf",
                 "strata.csv", "fit.json", "summary.md"):  # fmt: skip
        assert (study.folder / "results" / name).stat().st_size > 500


def test_a_second_run_does_nothing(study):
    assert "Nothing to be done" in study.run()
    for path in (study.folder / "workflow" / "scripts").glob("*.py"):
        path.touch()
    assert study.planned() == {}  # what a file holds counts, not when it was written


def test_what_changes_no_result_trains_nothing_again(study):
    (study.folder / "reordered.yaml").write_text("tokens: [8192, 4096]\n")
    for change in (
        ("--config", "checkpoint_seconds=99"),
        ("--config", "device=cpu"),
        ("--configfile", "study.yaml", "reordered.yaml"),
    ):
        assert not {"trunk", "cooldown", "perplexity", "sample"} & set(study.planned(*change)), change
    assert study.planned("--config", "weight_decay=0.5")["trunk"] == 6


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("models/lstm", {"trunk": 3, "cooldown": 6, "perplexity": 6, "sample": 3} | dict.fromkeys(JUDGES, 3)),
        ("eval_syntax", {"syntax": 8}),  # of the baselines, too
        ("sample", {"sample": 6} | dict.fromkeys(JUDGES, 6)),
        ("sample_ngram", {"sample_ngram": 1} | dict.fromkeys(JUDGES, 1)),
        ("fit_scaling", {"fit": 1, "plots": 1, "summary": 1}),
        ("plot_scaling", {"plots": 1}),
    ],
)
def test_editing_a_module_reruns_the_jobs_that_run_it(study, module, jobs):
    path = study.folder / "workflow" / "scripts" / f"{module}.py"
    before = path.read_text()
    path.write_text(before + "\n# edited\n")
    try:
        planned = study.planned()
    finally:
        path.write_text(before)
    always = {"writing_table": 1, "runs_table": 1, "fit": 1, "plots": 1, "summary": 1, "all": 1}
    downstream = always if module not in ("fit_scaling", "plot_scaling") else {"all": 1}
    assert {rule: n for rule, n in planned.items() if rule != "all"} == {
        rule: n for rule, n in (downstream | jobs).items() if rule != "all"
    }


def test_one_model_is_rerun_alone(study):
    target = "results/models/gpt_b/8192-seed0/perplexity.json"
    assert study.planned("--forcerun", "trunk", "--", target) == {"trunk": 1, "cooldown": 1, "perplexity": 1}


def test_branches_go_when_their_cooldowns_are_done_and_one_cooldown_alone_comes_back_the_same(study):
    assert not list(study.folder.glob("results/trunks/*/*/branch-*.pt"))
    target = "results/models/gpt_b/4096-seed0/model.safetensors"
    before = (study.folder / target).read_bytes()
    (study.folder / target).unlink()
    assert study.planned(target) == {"trunk": 1, "cooldown": 1}
    study.run(target)
    assert (study.folder / target).read_bytes() == before
    assert not list(study.folder.glob("results/trunks/*/*/branch-*.pt"))


def test_a_budget_of_ones_own_is_trained_from_its_first_step(study):
    target = "results/models/gpt_b/2048-seed0/history.csv"
    assert study.planned(target) == {"cooldown": 1}


def test_figures_are_redrawn_without_models_or_training(study):
    results, aside = study.folder / "results", study.folder / "aside"
    results.rename(aside)
    results.mkdir()
    for name in ("runs.csv", "curves.csv", "strata.csv", "writing.csv", "fit.json"):
        shutil.copy(aside / name, results)
    try:
        assert study.planned("figures") == {"figures": 1}
        study.run("figures")
        for name in ("scaling_plot.pdf", "loss_places.png", "validity.png", "copying.pdf"):
            assert (results / name).read_bytes() == (aside / name).read_bytes()
        assert not (results / "models").exists()
    finally:
        shutil.rmtree(results)
        aside.rename(results)


def test_it_runs_from_another_folder(study, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", study.folder / "Snakefile",
         "--configfile", study.folder / "study.yaml", "--", "results/models/gpt_a/8192-seed0/history.csv"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    weights = "results/models/gpt_a/8192-seed0/model.safetensors"
    assert (tmp_path / weights).read_bytes() == (study.folder / weights).read_bytes()


def test_snakemake_killed_in_the_middle_loses_nothing(study, tmp_path):
    """SIGKILL to Snakemake and all its jobs while a trunk trains, and a cooldown; the next ends the same."""
    folder = tmp_path / "copy"
    shutil.copytree(study.folder, folder, ignore=shutil.ignore_patterns("results", ".snakemake", "__pycache__"))
    (folder / "study.yaml").write_text((folder / "study.yaml").read_text().replace("[4096, 8192]", "[262144, 524288]"))
    killed, run = Study(folder), "results/models/lstm_a/524288-seed0"
    reference = killed.folder / "reference.safetensors"
    killed.run(f"{run}/model.safetensors")
    shutil.move(folder / run / "model.safetensors", reference)
    shutil.rmtree(folder / "results")

    trunk = folder / "results/trunks/lstm_a/seed0"
    for state in (trunk / "checkpoint.pt", trunk / ".branch-262144.pt", folder / run / "checkpoint.pt"):
        process = subprocess.Popen(
            killed.command(f"{run}/model.safetensors"),
            cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not state.exists():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert state.exists()
        assert not (folder / run / "model.safetensors").exists()
    killed.run(f"{run}/model.safetensors")
    assert "resuming from step" in (folder / "results/logs/cooldown/lstm_a-524288-seed0.log").read_text()
    assert (folder / run / "model.safetensors").read_bytes() == reference.read_bytes()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--config", "n_layers=3"], "config: unknown key 'n_layers'"),
        (["results/models/gpt_z/8192-seed0/perplexity.json"], "no model 'gpt_z' in the config"),
        (["--config", "corpus=data/nothing"], "data/nothing: no such file or folder"),
        (["--config", "corpus=profiles"], "profiles holds no .abc, .mid or .midi file"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_touches_nothing(study, args, sentence):
    before = (study.folder / "results" / "runs.csv").read_bytes()
    done = subprocess.run(study.command(*args), cwd=study.folder, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert sentence in done.stdout + done.stderr
    assert (study.folder / "results" / "runs.csv").read_bytes() == before
