"""Training: it learns, in as many passes and processes as asked, and refuses what would mislead."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import forked
from tests.conftest import ROOT, command
from tests.training.small_runs import SMALL, train
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.scoring import score_tunes
from workflow.scripts.machine.device import pick_precision
from workflow.scripts.models.stored import WEIGHTS, load_model
from workflow.scripts.training.batches import sample_tunes


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_it_learns_and_leaves_only_its_results(arch, trained, corpus_dir):
    folder = trained[arch]
    assert sorted(os.listdir(folder)) == [".kept", ".lock", "config.json", "history.csv", WEIGHTS]
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["val_loss"]) for row in rows]
    assert [int(row["step"]) for row in rows] == [32, 45, 64, 91, 120]
    assert int(rows[-1]["tokens"]) == 120 * 8 * 32
    assert losses[-1] < 0.9 * losses[0]
    _, _, training = load_model(folder, torch.device("cpu"))
    assert training["tokens"] == training["unique_tokens"] == 120 * 8 * 32
    assert training["flops"] == training["flops_per_token"] * 120 * 8 * 32
    assert training["corpus"] == Corpus.load(corpus_dir).content_sha256
    assert 100 < training["peak_memory_mb"] < 4000  # torch alone takes the first 100


def test_the_losses_on_the_way_are_those_of_characters(either):
    """Against the loss of the finished model on the same tunes, over characters counted in their text."""
    data, trained = either
    with open(trained["gpt"] / "history.csv", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    model, tokenizer, _ = load_model(trained["gpt"], torch.device("cpu"))
    losses = {}
    for name in ("train", "val"):
        tunes = sample_tunes(Corpus.load(data).split(name), 16384)
        nats = score_tunes(model, tunes, torch.device("cpu")).sum()
        losses[name] = nats / sum(len(tokenizer.decode(tune)) + 1 for tune in tunes)
    assert float(last["val_loss"]) == pytest.approx(losses["val"], rel=1e-5)
    assert float(last["train_loss"]) == pytest.approx(losses["train"], rel=0.1)  # of the last steps, in other windows


def test_gradient_accumulation_is_one_large_batch(corpus_dir, tmp_path):
    """The same windows in one forward pass or in four: the same model, up to rounding."""
    weights = []
    for name, batch, accum in (("one", 8, 1), ("four", 2, 4)):
        for arch in ("gpt", "lstm"):
            flags = ("--batch_size", batch, "--grad_accum", accum, "--arch", arch)
            assert train(corpus_dir, tmp_path / name / arch, *flags, iters=5).returncode == 0
            model, _, _ = load_model(tmp_path / name / arch, torch.device("cpu"))
            weights.append(torch.cat([p.flatten() for p in model.parameters()]))
    for a, b in zip(weights[:2], weights[2:], strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_two_processes_take_the_steps_of_one(arch, corpus_dir, tmp_path):
    """50 steps of the same global batch: losses to 1e-5."""
    flags = ("--arch", arch, "--batch_size", 8, "--grad_accum", 1, "--eval_interval", 10)
    assert train(corpus_dir, tmp_path / "one", *flags, iters=50).returncode == 0
    line = [Path(sys.executable).with_name("torchrun"), "--standalone", "--nproc_per_node", 2, "-m",
            "workflow.scripts.train", *SMALL, *flags, "--max_iters", 50, "--data_dir", corpus_dir,
            "--output_dir", tmp_path / "two"]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, line)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout
    one, two = (np.loadtxt(tmp_path / name / "history.csv", delimiter=",", skiprows=1) for name in ("one", "two"))
    np.testing.assert_allclose(one[:, 4:6], two[:, 4:6], atol=1e-5)
    assert (tmp_path / "one" / WEIGHTS).read_bytes() != (tmp_path / "two" / WEIGHTS).read_bytes()  # two did sum apart


def test_windows_that_cannot_be_shared_are_refused(corpus_dir, tmp_path):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2)
    done = forked.run(*torchrun, "-m", "workflow.scripts.train", *SMALL, "--batch_size", 3, "--grad_accum", 1,
                      "--data_dir", corpus_dir, "--output_dir", tmp_path / "two", cwd=ROOT, timeout=120)  # fmt: skip
    assert done.returncode != 0
    assert "3 windows a step cannot be shared by 2 processes" in done.stderr


def test_memory_that_runs_out_halves_the_pass_not_the_batch(corpus_dir, tmp_path):
    """For real: in an address space that cannot hold what so many windows of a wide model leave for the way back."""
    flags = [*map(str, SMALL), "--n_embd", "128", "--batch_size", "1024", "--grad_accum", "1"]
    flags += ["--precision", "bfloat16", "--max_iters", "3", "--data_dir", str(corpus_dir)]
    code = (
        "import resource, sys; from workflow.scripts import train; from workflow.scripts.base import cli;"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), ) * 2) if int(sys.argv[1]) else None;"
        "cli.run(lambda: train.main(sys.argv[2:]))"
    )
    losses = []
    for name, room in (("whole", 0), ("tight", 260 << 20)):
        done = subprocess.run(
            [sys.executable, "-c", code, str(room), *flags, "--output_dir", str(tmp_path / name)],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        losses.append(np.loadtxt(tmp_path / name / "history.csv", delimiter=",", skiprows=1)[4:6])
        halved = "out of memory with 1024 windows in one pass: going on with 512, 2 passes a step" in done.stdout
        assert halved == (name == "tight"), done.stdout
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_a_finished_run_is_not_trained_again(corpus_dir, tmp_path):
    assert train(corpus_dir, tmp_path).returncode == 0
    before = (tmp_path / WEIGHTS).stat().st_mtime_ns
    done = train(corpus_dir, tmp_path)
    assert "already holds this run" in done.stdout
    assert (tmp_path / WEIGHTS).stat().st_mtime_ns == before
    assert "already holds" not in train(corpus_dir, tmp_path, "--seed", 1).stdout


def test_a_loss_that_is_not_finite_stops_the_run(corpus_dir, tmp_path):
    assert train(corpus_dir, tmp_path).returncode == 0
    before = (tmp_path / WEIGHTS).read_bytes()
    done = train(corpus_dir, tmp_path, "--learning_rate", 1e30, "--grad_clip", 1e30, "--warmup_steps", 0)
    assert done.returncode == 1
    assert "at step" in done.stderr
    assert "learning rate 1e+30" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / WEIGHTS).read_bytes() == before


def test_a_trial_that_diverges_is_a_result_without_a_loss(corpus_dir, tmp_path):
    too_high = ("--learning_rate", 1e30, "--grad_clip", 1e30, "--warmup_steps", 0, "--keep_diverged")
    done = train(corpus_dir, tmp_path, *too_high)
    assert done.returncode == 0, done.stderr
    assert "diverged: the loss is nan" in done.stdout
    step = read_json(tmp_path / "config.json")["training"]["diverged_at_step"]
    assert 0 <= step < 40
    assert "already holds" in train(corpus_dir, tmp_path, *too_high).stdout
    scored = command("calc_perplexity", "--checkpoint", tmp_path, "--split", "val", "--data_dir", corpus_dir)
    assert scored.returncode == 0, scored.stderr
    assert read_json(tmp_path / "perplexity_val.json") == {
        "split": "val", "loss": None, "loss_se": None, "diverged_at_step": step
    }  # fmt: skip
    written = command("sample", "--checkpoint_dir", tmp_path, "--output_dir", tmp_path / "tunes")
    assert written.returncode == 1
    assert "not those of a trained model" in written.stderr
    assert not (tmp_path / "tunes").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--context_size", 10**7), "too few for a context of 10000000"),
        (("--data_dir", "/nowhere"), "is not a prepared corpus"),
        (("--n_head", 5), "must be a multiple of 2 x n_head"),
        (("--device", "cuda:9"), "cannot be used here"),
        (("--arch", "rnn"), "invalid choice: 'rnn'"),
        (("--learning_rate", -1), "is not a positive number"),
        (("--n_layers", 2), "unrecognized arguments: --n_layers"),
    ],
)
def test_bad_input_is_one_sentence(flags, sentence, corpus_dir, tmp_path):
    done = train(corpus_dir, tmp_path / "out", *flags)
    assert done.returncode != 0
    assert sentence in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "out").glob("*") if path.name != ".lock"]


def test_precision_is_what_the_hardware_is_good_at():
    cpu = torch.device("cpu")
    assert pick_precision("float32", cpu) == "float32"
    native = torch.cpu._is_avx512_bf16_supported()
    assert pick_precision("auto", cpu) == ("bfloat16" if native else "float32")


def test_bfloat16_learns_as_float32_does(corpus_dir, tmp_path):
    losses = []
    for precision in ("float32", "bfloat16"):
        assert train(corpus_dir, tmp_path / precision, "--precision", precision, iters=100).returncode == 0
        with open(tmp_path / precision / "history.csv", newline="") as file:
            losses.append(float(list(csv.DictReader(file))[-1]["val_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.03)
