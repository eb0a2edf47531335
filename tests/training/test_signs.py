"""What a job shows of its runs while it trains, and the table that is made of it."""

import os
import re
import sys
import time

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.small_runs import train
from workflow.scripts.base.errors import InputError
from workflow.scripts.training.options import TrainingOptions
from workflow.scripts.training.signs import SIGN, Signs
from workflow.scripts.training.stages import lines_of, runs_in

HISTORY = [(32, 320, 1.0, "0.01", "3.5", "3.25", "1.0"), (45, 450, 1.4, "0.01", "3.1", "3.0", "2.0")]


@pytest.fixture
def results(tmp_path):
    """Two runs of one job: the longer is under way, the shorter has not begun."""
    for budget in (1000, 2000):
        (tmp_path / f"models/gpt_a/{budget}-seed0").mkdir(parents=True)
    folder = tmp_path / "models/gpt_a/2000-seed0"
    Signs(False).show(folder, HISTORY, 500, 2000, 0.01, 2.5, None, 100.0)
    return tmp_path


def stages(results) -> dict[str, str]:
    return {run.name.removeprefix("models/gpt_a/"): run.stage for run in runs_in(results)}


def test_a_run_under_way_has_its_tokens_loss_speed_and_time_left(results):
    run = next(run for run in runs_in(results) if run.stage == "training")
    assert (run.tokens, run.of, run.loss, run.speed, run.seconds_left) == (500, 2000, 2.5, 100.0, 15.0)
    head, _, first, second = lines_of(runs_in(results))
    assert head == "2 runs: 1 waiting, 1 training; 17% of their 3k tokens"
    assert re.fullmatch(r"gpt_a/2000-seed0  training  500 of 2k +██········  2\.500 +100  15 s", first)
    assert re.fullmatch(r"gpt_a/1000-seed0  waiting +0 of 1k +··········", second)


def test_a_job_without_a_sign_has_stopped_unless_it_is_at_another_of_its_runs(results):
    assert stages(results) == {"1000-seed0": "waiting", "2000-seed0": "training"}
    long_ago = time.time() - 1000
    os.utime(results / "models/gpt_a/2000-seed0" / SIGN, (long_ago, long_ago))
    assert stages(results) == {"1000-seed0": "waiting", "2000-seed0": "stopped"}
    Signs(False).show(results / "models/gpt_a/1000-seed0", [], 10, 1000, 0.01, 4.0, None, 100.0)
    assert stages(results) == {"1000-seed0": "training", "2000-seed0": "training"}


def test_signs_are_seldom_and_end_with_the_run(tmp_path):
    signs = Signs(False)
    for tokens in (1, 2):
        signs.show(tmp_path, [], tokens, 3, 0.01, 4.0, None, 100.0)
        assert '"tokens": 1,' in (tmp_path / SIGN).read_text()
    signs.end(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_terminal_of_any_size_is_not_overrun(results):
    for number in range(30):
        (results / f"models/b{number}/1000-seed0").mkdir(parents=True)
    table = lines_of(runs_in(results), 40, 12)
    assert len(table) < 12
    assert max(map(len, table)) <= 40
    assert table[-1] == f"... and {32 - (len(table) - 3)} more"
    assert "training" in table[2]


def test_tensorboard_has_the_curves_over_tokens_and_makes_no_other_run(corpus_dir, tmp_path):
    folders = [tmp_path / "whole", tmp_path / "half"]
    done = train(corpus_dir, folders, "--tensorboard", "true", tokens=[16384, 9216])
    assert done.returncode == 0, done.stderr
    for folder in folders:
        events = EventAccumulator(str(folder)).Reload()
        history = pd.read_csv(folder / "history.csv")
        for name, column in (("loss/validation", "val_loss"), ("loss/train", "train_loss"), ("learning rate", "lr")):
            points = {event.step: event.value for event in events.Scalars(name)}
            assert [points[tokens] for tokens in history["tokens"]] == pytest.approx(history[column], rel=1e-4)
        assert all(event.value > 0 for event in events.Scalars("tokens a second"))
        assert not (folder / SIGN).exists()
    plain, shown = (TrainingOptions(model_name="a", tensorboard=wanted) for wanted in (False, True))
    assert plain.identity() == shown.identity()


def test_tensorboard_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(InputError, match="pip install tensorboard"):
        Signs(True)
