"""Kills, stops, full disks and stale states: a run goes on to the same weights, or says why it does not."""

import os
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import torch

from tests.conftest import command, on_a_full_disk, start
from tests.training.small_runs import SMALL, train
from workflow.scripts.base.errors import InputError
from workflow.scripts.models.stored import WEIGHTS, load_model
from workflow.scripts.training.run import RESULTS
from workflow.scripts.training.state import load_state, save_state

ENDLESS = 20000  # steps of a run that is ended before, though each of them is saved: more take long to be laid out


def begin(corpus_dir, folders, log, *flags):
    """A training process that writes what it says into a file."""
    with open(log, "w") as out:
        return start(
            "train", *SMALL, *flags, "--data_dir", corpus_dir, "--output_dir", *folders, stdout=out, stderr=out
        )


def finish_through_kills(corpus_dir, folders, *flags, kills, rng, seconds):
    """Start runs again and again, killing them at random moments of their work, then let them end.

    One kill of three comes while they get ready; the others wait until a state is saved, then a random
    part of the ``seconds`` (little enough that they are still at work, on a fast machine too), then for a state
    to be on its way to the disk. Returns how many kills hit, how many left a torn file, how many times they went on
    from a state of their own, and at how many steps.
    """
    log, hit, torn, resumed = folders[0].with_suffix(".log"), 0, 0, []

    def newest():
        return max((path.stat().st_mtime_ns for folder in folders for path in folder.glob("checkpoint.pt")), default=0)

    def half_written():
        return [
            name for folder in folders if folder.exists() for name in os.listdir(folder) if name[:12] == ".checkpoint."
        ]

    while True:
        before = newest()
        process = begin(corpus_dir, folders, log, *flags)
        if hit < kills:
            while process.poll() is None and "outside the embedding" not in log.read_text():
                time.sleep(0.005)
            if hit % 3:
                while process.poll() is None and newest() <= before:
                    time.sleep(0.001)
                time.sleep(rng.uniform(0, seconds / (4 * kills)))
                while process.poll() is None and not half_written():
                    time.sleep(0.0002)  # a third of the time that it is on its way, and no core of its own
            else:
                time.sleep(rng.uniform(0, 0.05))
            process.kill()
        code = process.wait()
        torn += bool(half_written())
        resumed += re.findall(r"resuming from step (\d+)", log.read_text())
        if code == 0:
            return hit, torn, resumed
        assert code == -signal.SIGKILL, log.read_text()
        hit += 1


def history(folder):
    """All but the seconds."""
    return [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_runs_of_several_budgets_are_those_trained_alone_and_kills_change_nothing(arch, corpus_dir, tmp_path):
    """The same bytes, with the process killed ten times, a state written at every step."""
    rng = np.random.default_rng(0)
    budgets, often = (16384, 32768, 65536), ("--arch", arch, "--checkpoint_seconds", 0)
    for tokens in budgets:
        assert train(corpus_dir, tmp_path / f"alone{tokens}", "--arch", arch, tokens=tokens).returncode == 0
    seconds = float((tmp_path / f"alone{budgets[-1]}" / "history.csv").read_text().split(",")[-1])
    folders = [tmp_path / f"run{tokens}" for tokens in budgets]
    hit, torn, resumed = finish_through_kills(
        corpus_dir, folders, *often, "--tokens", *budgets, kills=10, rng=rng, seconds=seconds
    )
    assert hit == 10
    assert torn >= 1
    assert len(set(resumed)) >= 5
    for tokens, folder in zip(budgets, folders, strict=True):
        alone = tmp_path / f"alone{tokens}"
        assert (folder / WEIGHTS).read_bytes() == (alone / WEIGHTS).read_bytes()
        assert history(folder) == history(alone)
        assert sorted(os.listdir(folder)) == sorted([".kept", ".lock", *RESULTS])
        _, _, training = load_model(folder, torch.device("cpu"))
        assert 0 < training["trunk_seconds"] < training["train_seconds"]


def test_one_budget_more_or_a_lost_result_trains_no_other_again(corpus_dir, tmp_path):
    folders = {tokens: tmp_path / str(tokens) for tokens in (8192, 16384, 32768)}

    def budgets(*tokens):
        return train(corpus_dir, [folders[n] for n in tokens], tokens=tokens)

    assert budgets(8192, 32768).returncode == 0
    before = {n: (folders[n] / WEIGHTS).stat().st_mtime_ns for n in (8192, 32768)}
    done = budgets(8192, 16384, 32768)
    assert done.returncode == 0, done.stderr
    assert f"{folders[8192]} already holds this run" in done.stdout
    assert f"{folders[32768]} already holds this run" in done.stdout
    assert " 16,384 tokens (" in done.stdout
    assert {n: (folders[n] / WEIGHTS).stat().st_mtime_ns for n in before} == before
    assert train(corpus_dir, tmp_path / "alone", tokens=16384).returncode == 0
    assert (folders[16384] / WEIGHTS).read_bytes() == (tmp_path / "alone" / WEIGHTS).read_bytes()

    weights = (folders[8192] / WEIGHTS).read_bytes()
    for name in RESULTS:  # as Snakemake does before it starts a job, and after one that failed
        (folders[8192] / name).unlink()
    assert budgets(8192).returncode == 0
    assert (folders[8192] / WEIGHTS).read_bytes() == weights
    assert "steps" not in budgets(8192).stdout
    shutil.rmtree(folders[8192])
    assert "outside the embedding" in budgets(8192).stdout
    assert (folders[8192] / WEIGHTS).read_bytes() == weights


def test_what_is_kept_is_given_back_to_its_own_run_alone(corpus_dir, tmp_path):
    """Another rate trains anew, and what was kept of the old one stays until the new one is there."""
    assert train(corpus_dir, tmp_path / "a").returncode == 0
    weights = (tmp_path / "a" / WEIGHTS).read_bytes()

    def lose():
        for name in RESULTS:
            (tmp_path / "a" / name).unlink()

    lose()
    assert train(corpus_dir, tmp_path / "a", "--beta1", 1).returncode == 2
    process = begin(corpus_dir, [tmp_path / "a"], tmp_path / "log", "--learning_rate", 0.02, "--max_iters", ENDLESS,
                    "--checkpoint_seconds", 0)  # fmt: skip
    while not (tmp_path / "a" / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (tmp_path / "a" / WEIGHTS).exists()
    done = train(corpus_dir, tmp_path / "a")
    assert "already holds this run" in done.stdout
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == weights
    lose()
    (tmp_path / "a" / ".kept" / WEIGHTS).write_bytes(weights[:-1] + b"?")
    assert train(corpus_dir, tmp_path / "a").returncode == 0
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == weights
    assert train(corpus_dir, tmp_path / "a", "--seed", 1).returncode == 0
    lose()
    assert "outside the embedding" in train(corpus_dir, tmp_path / "a").stdout


def test_a_shorter_run_that_the_longest_has_passed_is_trained_by_itself(corpus_dir, tmp_path):
    """A budget that is new, when the longest run is half done."""
    long, short = tmp_path / "long", tmp_path / "short"
    flags = ("--checkpoint_seconds", 0)
    process = begin(corpus_dir, [long], tmp_path / "log", *flags, "--tokens", 131072)
    while not (long / "checkpoint.pt").exists() or b"step 64/" not in (tmp_path / "log").read_bytes():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = train(corpus_dir, [short, long], *flags, tokens=(8192, 131072))
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("131,072 tokens done") < done.stdout.index("8,192 tokens done")
    for folder, tokens in ((short, 8192), (long, 131072)):
        assert train(corpus_dir, tmp_path / f"alone{tokens}", tokens=tokens).returncode == 0
        assert (folder / WEIGHTS).read_bytes() == (tmp_path / f"alone{tokens}" / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--tokens", 8192, 16384, "--output_dir", "a"), "--output_dir: give 2, one for each of --tokens"),
        (("--tokens", 8192, 8193, "--output_dir", "a", "b"), "8192 and 8193 tokens are too near"),
        (("--tokens", 8192, 16384, "--output_dir", "a", "b", "--keep_diverged"), "--keep_diverged goes with one of"),
        (("--beta1", 1), "argument --beta1: 1 is not at least 0 and below 1"),
        (("--model_name", "../../x"), "argument --model_name: '../../x' is not a name of letters, digits"),
        (("--model_name", "a/b"), "argument --model_name: 'a/b' is not a name of letters, digits"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_writes_nothing(flags, sentence, corpus_dir, tmp_path):
    done = command("train", *SMALL, *flags, "--data_dir", corpus_dir, cwd=tmp_path)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_warm_up_that_never_ends_is_told(corpus_dir, tmp_path):
    done = train(corpus_dir, tmp_path / "a", "--warmup_steps", 100, iters=40)
    assert done.returncode == 0, done.stderr
    assert (
        "warning: the rate rises for 100 steps, but the cooldown of a run of 40 begins after 32, so it never reaches"
        " the learning rate; lower --warmup_steps"
    ) in done.stdout
    assert "warning" not in train(corpus_dir, tmp_path / "b", "--warmup_steps", 32, iters=40).stdout


def test_a_state_of_another_run_is_told_and_not_taken(corpus_dir, tmp_path):
    """Left by a run with another rate in the same folder."""
    process = begin(corpus_dir, [tmp_path / "a"], tmp_path / "log", "--max_iters", ENDLESS, "--checkpoint_seconds", 0)
    while not (tmp_path / "a" / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = train(corpus_dir, tmp_path / "a", "--learning_rate", 0.02)
    assert "another configuration, corpus or code (learning_rate 0.01, here 0.02): starting from step 0" in done.stdout
    assert train(corpus_dir, tmp_path / "b", "--learning_rate", 0.02).returncode == 0
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()


def stop(corpus_dir, folder, number, *flags):
    """Start a long run and send it a signal once it has said how it starts and has saved a state."""
    state = folder / "checkpoint.pt"
    before = state.stat().st_mtime_ns if state.exists() else 0
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = start("train", *SMALL, "--max_iters", ENDLESS, "--data_dir", corpus_dir, "--output_dir", folder,
                    "--checkpoint_seconds", 0, *flags, **pipes)  # fmt: skip
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
    line = ("train", *SMALL, "--max_iters", ENDLESS, "--data_dir", corpus_dir, "--output_dir", tmp_path,
            "--checkpoint_seconds", 0)  # fmt: skip
    first = start(*line, stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "checkpoint.pt").exists():
            assert first.poll() is None
            time.sleep(0.01)
        done = train(corpus_dir, tmp_path)
        assert done.returncode == 1
        assert done.stderr == f"error: another process is training into {tmp_path}: wait for it or stop it\n"
        assert first.poll() is None
        second = start(*line, "--wait", stdout=subprocess.PIPE, text=True)
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
    shutil.copytree(corpus_dir, data)
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
