"""Training: it learns, survives kills with the same weights, and refuses what would mislead."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from tests.conftest import ROOT, command, on_a_full_disk
from workflow.scripts.batches import sample_tunes
from workflow.scripts.checkpoint import WEIGHTS, load_model, load_state
from workflow.scripts.corpus import Corpus
from workflow.scripts.device import pick_precision
from workflow.scripts.scoring import score_tunes

SMALL = ("--n_layer", 1, "--n_embd", 16, "--n_head", 2, "--context_size", 32, "--batch_size", 4, "--grad_accum", 2,
         "--learning_rate", 0.01, "--model_name", "t", "--threads", 1)  # fmt: skip


def train(corpus_dir, folder, *flags, iters=40):
    return command("train", *SMALL, "--max_iters", iters, "--data_dir", corpus_dir, "--output_dir", folder, *flags)


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_it_learns_and_leaves_only_its_results(arch, trained, corpus_dir):
    folder = trained[arch]
    assert sorted(os.listdir(folder)) == [".lock", "config.json", "history.csv", WEIGHTS]
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["val_loss"]) for row in rows]
    assert len(rows) == 10
    assert int(rows[-1]["tokens"]) == 120 * 8 * 32
    assert losses[-1] < 0.85 * losses[0]
    _, _, training = load_model(folder, torch.device("cpu"))
    assert training["tokens"] == training["unique_tokens"] == 120 * 8 * 32
    assert training["flops"] == training["flops_per_token"] * 120 * 8 * 32
    assert training["corpus"] == Corpus.load(corpus_dir).content_sha256


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
def test_killed_at_any_moment_it_ends_with_the_same_bytes(arch, corpus_dir, tmp_path):
    flags = ("--arch", arch, "--checkpoint_seconds", 0)  # save as often as the loop looks up
    iters = 600
    assert train(corpus_dir, tmp_path / "whole", *flags, iters=iters).returncode == 0
    folder = tmp_path / "killed"
    line = [sys.executable, "-m", "workflow.scripts.train", *map(str, (*SMALL, *flags)), "--max_iters", str(iters),
            "--data_dir", str(corpus_dir), "--output_dir", str(folder)]  # fmt: skip
    rng = np.random.default_rng(0)
    kills = resumed = 0
    for _ in range(30):
        log = tmp_path / "log"
        with open(log, "w") as out:
            process = subprocess.Popen(
                line, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        if kills < 4:
            while process.poll() is None and not list(folder.glob("checkpoint.pt")):
                time.sleep(0.005)
            if kills:  # let it load the state, and go on for a while
                while (
                    process.poll() is None and "resuming" not in log.read_text() and "starting" not in log.read_text()
                ):
                    time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
            code = process.wait()
            kills += code == -signal.SIGKILL
        else:
            code = process.wait()
        resumed += "resuming from step" in log.read_text()
        if code == 0:
            break
    assert code == 0
    assert kills >= 3
    assert resumed >= 3
    assert (folder / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert sorted(os.listdir(folder)) == [".lock", "config.json", "history.csv", WEIGHTS]
    with open(folder / "history.csv") as one, open(tmp_path / "whole" / "history.csv") as other:
        for a, b in zip(one, other, strict=True):  # all but the seconds
            assert a.rsplit(",", 1)[0] == b.rsplit(",", 1)[0]


def stop(corpus_dir, folder, number, *flags):
    """Start a long run and send it a signal once it has said how it starts and has saved a state."""
    line = [sys.executable, "-m", "workflow.scripts.train", *map(str, SMALL), "--max_iters", "100000", "--data_dir",
            str(corpus_dir), "--output_dir", str(folder), "--checkpoint_seconds", "0", *map(str, flags)]  # fmt: skip
    state = folder / "checkpoint.pt"
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    before = state.stat().st_mtime_ns if state.exists() else 0
    while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > before):
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_asked_to_stop_it_saves_and_says_so(corpus_dir, tmp_path):
    code, out, err = stop(corpus_dir, tmp_path, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert "the same command goes on from here" in out
    assert err == ""
    assert (tmp_path / "checkpoint.pt").exists()
    assert not (tmp_path / WEIGHTS).exists()


def test_two_runs_into_one_folder_are_refused(corpus_dir, tmp_path):
    line = [sys.executable, "-m", "workflow.scripts.train", *map(str, SMALL), "--max_iters", "100000", "--data_dir",
            str(corpus_dir), "--output_dir", str(tmp_path), "--checkpoint_seconds", "0"]  # fmt: skip
    first = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "checkpoint.pt").exists():
            assert first.poll() is None
            time.sleep(0.01)
        done = train(corpus_dir, tmp_path)
        assert done.returncode == 1
        assert done.stderr == f"error: another process is training into {tmp_path}: wait for it or stop it\n"
        assert first.poll() is None
        second = subprocess.Popen([*line, "--wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert "waiting for the process" in second.stdout.readline()
        first.kill()
        assert "resuming from step" in next(line for line in second.stdout if "from step" in line)
        second.kill()
        second.wait()
    finally:
        first.kill()
        first.wait()


def test_a_full_disk_is_one_sentence_and_loses_nothing(corpus_dir, tmp_path):
    """Too full for the state, then for the weights."""
    assert train(corpus_dir, tmp_path).returncode == 0
    before = {name: (tmp_path / name).read_bytes() for name in ("config.json", "history.csv", WEIGHTS)}
    for seconds, sentence in ((0, "could not be written; is the disk full?"), (1000, "File too large")):
        flags = [*map(str, SMALL), "--max_iters", "40", "--seed", "1", "--checkpoint_seconds", str(seconds),
                 "--data_dir", str(corpus_dir), "--output_dir", str(tmp_path)]  # fmt: skip
        done = on_a_full_disk(f"train.main({flags!r})", 3000)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_weights_of_another_run_are_not_taken_for_this_ones(corpus_dir, tmp_path):
    """As after a kill between the weights and the config of a second run into the same folder."""
    assert train(corpus_dir, tmp_path / "a").returncode == 0
    assert train(corpus_dir, tmp_path / "b", "--seed", 1).returncode == 0
    expected = (tmp_path / "a" / WEIGHTS).read_bytes()
    (tmp_path / "a" / WEIGHTS).write_bytes((tmp_path / "b" / WEIGHTS).read_bytes())
    done = command("calc_perplexity", "--checkpoint", tmp_path / "a")
    assert done.returncode == 1
    assert "is not the file that config.json beside it was written for" in done.stderr
    assert "already holds" not in train(corpus_dir, tmp_path / "a").stdout
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == expected


@pytest.mark.parametrize("change", ["nothing", "config", "corpus", "torn", "foreign"])
def test_a_stale_checkpoint_is_never_resumed(change, corpus_dir, tmp_path):
    folder, data = tmp_path / "run", tmp_path / "data"
    data.mkdir()
    for path in corpus_dir.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    stop(data, folder, signal.SIGTERM)
    flags, state = (), folder / "checkpoint.pt"
    if change == "config":
        flags = ("--learning_rate", 0.02)
    elif change == "corpus":
        text = (data / "corpus.json").read_text()
        (data / "corpus.json").write_text(text.replace('content_sha256": "', 'content_sha256": "0'))
    elif change == "torn":
        state.write_bytes(state.read_bytes()[:-1000])
    elif change == "foreign":
        torch.save({"fingerprint": os.system}, state)  # a pickle that names a function
    _, out, err = stop(data, folder, signal.SIGTERM, *flags)
    assert err == ""
    assert ("resuming from step" in out) == (change == "nothing")
    assert ("starting from step 0" in out) == (change != "nothing")


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
    done = train(corpus_dir, tmp_path, "--learning_rate", 1e30, "--grad_clip", 1e30, "--warmup_fraction", 0)
    assert done.returncode == 1
    assert "at step" in done.stderr
    assert "learning rate 1e+30" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / WEIGHTS).read_bytes() == before


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
    assert not list((tmp_path / "out").glob("*"))


def test_a_state_file_runs_no_code(tmp_path, capsys):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"fingerprint": Attack()}, tmp_path / "checkpoint.pt")
    assert load_state(tmp_path / "checkpoint.pt", "x") is None
    assert "starting from step 0" in capsys.readouterr().out
    assert not (tmp_path / "pwned").exists()


def test_precision_is_what_the_hardware_is_good_at():
    cpu = torch.device("cpu")
    assert pick_precision("float32", cpu, 4096) == "float32"
    assert pick_precision("auto", cpu, 64) == "float32"
    native = torch.cpu._is_avx512_bf16_supported()
    assert pick_precision("auto", cpu, 128) == ("bfloat16" if native else "float32")


def test_bfloat16_learns_as_float32_does(corpus_dir, tmp_path):
    losses = []
    for precision in ("float32", "bfloat16"):
        assert train(corpus_dir, tmp_path / precision, "--precision", precision, iters=100).returncode == 0
        with open(tmp_path / precision / "history.csv", newline="") as file:
            losses.append(float(list(csv.DictReader(file))[-1]["val_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.03)
