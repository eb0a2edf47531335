"""Kills, stops, full disks and stale states: a run goes on to the same weights, or says why it does not."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from tests.conftest import ROOT, command, on_a_full_disk
from tests.training import SMALL, train
from workflow.scripts.checkpoint import WEIGHTS, load_model, load_state, save_state
from workflow.scripts.cli import InputError


def start(corpus_dir, folder, log, *flags):
    line = [sys.executable, "-m", "workflow.scripts.train", *map(str, (*SMALL, *flags)), "--data_dir", str(corpus_dir),
            "--output_dir", str(folder)]  # fmt: skip
    with open(log, "w") as out:
        return subprocess.Popen(line, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish_through_kills(corpus_dir, folder, *flags, kills, rng, seconds):
    """Start a run again and again, killing it at random moments of its work, then let it end.

    One kill of three comes while the run gets ready; the others wait until it saves states, then a random
    part of its ``seconds`` (little enough that it is still at work, on a fast machine too), then for a state
    to be on its way to the disk. Returns how many kills hit the run, how many left a torn file, and how many
    times it went on from a state of its own.
    """
    log, state, hit, torn, resumed = folder.with_suffix(".log"), folder / "checkpoint.pt", 0, 0, 0
    while True:
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = start(corpus_dir, folder, log, *flags)
        if hit < kills:
            while process.poll() is None and "outside the embedding" not in log.read_text():
                time.sleep(0.005)
            if hit % 3:
                while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > before):
                    time.sleep(0.001)
                time.sleep(rng.uniform(0, seconds / (4 * kills)))
                while process.poll() is None and not list(folder.glob(".*.tmp.*")):
                    pass
            else:
                time.sleep(rng.uniform(0, 0.05))
            process.kill()
        code = process.wait()
        torn += bool(list(folder.glob(".*.tmp.*")))
        resumed += "resuming from step" in log.read_text()
        if code == 0:
            return hit, torn, resumed
        assert code == -signal.SIGKILL, log.read_text()
        hit += 1


def history(folder):
    """All but the seconds."""
    return [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_a_cooldown_off_a_trunk_is_a_run_from_scratch_and_kills_change_nothing(arch, corpus_dir, tmp_path):
    """The same bytes, with the trunk killed seven times and the cooldown three, a state written at every step."""
    rng = np.random.default_rng(0)
    budgets, often = (131072, 262144), ("--arch", arch, "--checkpoint_seconds", 0)
    for tokens in budgets:
        assert train(corpus_dir, tmp_path / f"whole{tokens}", "--arch", arch, tokens=tokens).returncode == 0
    seconds = float((tmp_path / "whole262144" / "history.csv").read_text().split(",")[-1])
    hit, torn, resumed = finish_through_kills(
        corpus_dir, tmp_path / "trunk", *often, "--trunk_for", *budgets, kills=7, rng=rng, seconds=0.8 * seconds
    )
    assert hit == 7
    assert torn >= 1
    assert resumed >= 4
    assert sorted(os.listdir(tmp_path / "trunk")) == [
        ".lock", "branch-131072.pt", "branch-262144.pt", "trunk.json"
    ]  # fmt: skip
    for tokens, kills in zip(budgets, (0, 3), strict=True):
        branch = tmp_path / "trunk" / f"branch-{tokens}.pt"
        folder, whole = tmp_path / f"cooldown{tokens}", tmp_path / f"whole{tokens}"
        flags = (*often, "--tokens", tokens, "--branch", branch)
        hit, _, _ = finish_through_kills(corpus_dir, folder, *flags, kills=kills, rng=rng, seconds=0.2 * seconds)
        assert hit == kills
        assert (folder / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
        assert history(folder) == history(whole)
        assert sorted(os.listdir(folder)) == [".lock", "config.json", "history.csv", WEIGHTS]
        _, _, training = load_model(folder, torch.device("cpu"))
        assert 0 < training["trunk_seconds"] < training["train_seconds"]


def test_a_trunk_whose_branches_were_taken_away_starts_again(corpus_dir, tmp_path):
    """As Snakemake does with the outputs of a job that was killed just before its end."""
    flags = ("--trunk_for", 16384, 65536, "--checkpoint_seconds", 0)
    assert train(corpus_dir, tmp_path / "whole", *flags, tokens=None).returncode == 0
    process = start(corpus_dir, tmp_path / "trunk", tmp_path / "log", *flags)
    branch, state = (tmp_path / "trunk" / name for name in (".branch-16384.pt", "checkpoint.pt"))
    while not branch.exists() or state.stat().st_mtime_ns <= branch.stat().st_mtime_ns:  # the state is past it
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    branch.unlink()
    done = train(corpus_dir, tmp_path / "trunk", *flags, tokens=None)
    assert "starting from step 0" in done.stdout
    for tokens in (16384, 65536):
        name = f"branch-{tokens}.pt"
        one, other = (torch.load(tmp_path / run / name, weights_only=True)["model"] for run in ("whole", "trunk"))
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_branch_of_another_cooldown_is_not_taken_for_this_ones(corpus_dir, tmp_path):
    """A trunk that stopped past a branch, and goes on for cooldowns that start elsewhere."""
    flags = ("--trunk_for", 8192, 65536)
    process = start(corpus_dir, tmp_path / "trunk", tmp_path / "log", *flags, "--checkpoint_seconds", 0)
    branch, state = (tmp_path / "trunk" / name for name in (".branch-8192.pt", "checkpoint.pt"))
    while not branch.exists() or state.stat().st_mtime_ns <= branch.stat().st_mtime_ns:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    flags = ("--trunk_for", 16384, 65536, "--cooldown_fraction", 0.5)
    done = train(corpus_dir, tmp_path / "trunk", *flags, tokens=None)
    assert done.returncode == 0, done.stderr
    # 8192 is not asked for any more, and 16384 leaves at step 32, not at 51.
    assert sorted(os.listdir(tmp_path / "trunk")) == [".lock", "branch-16384.pt", "branch-65536.pt", "trunk.json"]
    left = torch.load(tmp_path / "trunk" / "branch-16384.pt", weights_only=True)
    assert left["progress"]["step"] == 32


def test_a_trunk_starts_from_no_branch(corpus_dir, tmp_path):
    done = train(corpus_dir, tmp_path / "out", "--trunk_for", 8192, "--branch", "b.pt", tokens=None)
    assert done.returncode == 2
    assert "--branch and --keep_diverged go with the --tokens of one run, not with --trunk_for" in done.stderr


@pytest.mark.parametrize("change", ["budget", "rate", "seed", "flipped", "cut"])
def test_a_branch_that_is_not_this_runs_is_refused(change, corpus_dir, tmp_path):
    assert train(corpus_dir, tmp_path / "trunk", "--trunk_for", 8192, 16384, tokens=None).returncode == 0
    branch, flags = tmp_path / "trunk" / "branch-8192.pt", ()
    sentence = "belongs to another configuration, corpus or code"
    if change == "budget":
        branch, sentence = tmp_path / "trunk" / "branch-16384.pt", "but the cooldown of 8192 tokens starts at step 26"
    elif change == "rate":
        flags, sentence = ("--learning_rate", 0.02), f"{sentence} (learning_rate 0.01, here 0.02)"
    elif change == "seed":
        flags, sentence = ("--seed", 1), f"{sentence} (seed 0, here 1)"
    else:
        data, sentence = bytearray(branch.read_bytes()), "is damaged or cut short"
        data[len(data) // 2] ^= 1
        branch.write_bytes(data if change == "flipped" else data[: len(data) // 2])
    done = train(corpus_dir, tmp_path / "run", *flags, "--branch", branch, tokens=8192)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert os.listdir(tmp_path / "run") == [".lock"]


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
    for seconds, sentence in ((0, "make room on the disk and run the same command again"), (1000, "File too large")):
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


@pytest.mark.parametrize("change", ["nothing", "config", "corpus", "torn", "flipped", "foreign"])
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
    elif change == "flipped":
        content = bytearray(state.read_bytes())
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif change == "foreign":
        save_state(state, {"fingerprint": "another's"})
    _, out, err = stop(data, folder, signal.SIGTERM, *flags)
    assert err == ""
    assert ("resuming from step" in out) == (change == "nothing")
    assert ("starting from step 0" in out) == (change != "nothing")


def test_a_state_file_runs_no_code(tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    save_state(tmp_path / "checkpoint.pt", {"fingerprint": Attack()})  # closed by its hash, as any stranger can
    with pytest.raises(InputError, match="is not a state of training"):
        load_state(tmp_path / "checkpoint.pt", "x")
    assert not (tmp_path / "pwned").exists()
