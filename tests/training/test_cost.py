"""What training costs, from how fast a step is; of the default study, against what its recorded runs did."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from workflow.scripts import study_config
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.training import cost
from workflow.scripts.training.loop import is_eval_step
from workflow.scripts.training.schedule import Schedule

JOB = {
    "flags": "--n_layer 2", "params_non_embedding": 10, "params": 12, "flops_per_token": 72, "jobs": 1, "trials": 0,
    "steps": 100, "flops": 7200, "start_seconds": 1.5, "train_seconds": 7200.0, "trial_seconds": 60.0,
    "flops_per_second": 10, "rate": "measured", "micro_batch": 8, "memory_mb": 1000, "host_mb": 1000, "disk_mb": 1,
}  # fmt: skip
TOTAL = dict.fromkeys(
    ("jobs", "runs", "flops", "job_seconds", "start_seconds", "clock_seconds", "disk_mb", "unfinished_mb", "trials",
     "trial_seconds"), 0,
)  # fmt: skip
PLAN = {
    "place": "here", "precision": "float32", "measured": True, "jobs_at_once": 1, "tokens": [5, 9],
    "models": {"a": JOB}, "total": TOTAL, "does_not_fit": [],
}  # fmt: skip


def timing(flops, train, arch="gpt"):
    return cost.Timing(arch, flops, cost.Rate(train, 2 * train))


def test_a_job_of_the_default_study_has_the_steps_and_validations_that_its_runs_had():
    """Each run's rows begin with those of the trunk that it shares: only the rows after its branch are its own."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    schedules = study_config.schedules(config)
    curves = pd.read_csv(ROOT / "docs/default-study/curves.csv")
    curves = curves[(curves["model"] == "gpt_tiny") & (curves["seed"] == 0)]
    own = 0
    for tokens, schedule in schedules.items():
        steps = curves.loc[curves["budget"] == tokens, "step"]
        assert steps.max() == schedule.steps
        own += len(steps) if tokens == max(schedules) else (steps > schedule.branch).sum()
    work = cost.work_of(schedules.values(), lambda step: is_eval_step(step, None))
    assert work == cost.Work(1024 + 26 + 51 + 102, own)


def test_a_budget_less_saves_its_cooldown_alone():
    schedules = [Schedule(steps, 5, steps // 4) for steps in (40, 80, 160)]
    work = cost.work_of(schedules, lambda step: step % 10 == 0)
    without = cost.work_of(schedules[1:], lambda step: step % 10 == 0)
    assert work.steps - without.steps == 10
    assert work.steps == 160 + 20 + 10
    assert work.validations - without.validations == 1  # after 40 steps
    assert cost.work_of(schedules[:1], lambda step: False) == cost.Work(40, 1)


def test_rates_between_sizes_follow_the_logarithm_of_flop():
    timings = [timing(1000, 10.0), timing(10, 2.0), timing(10, 100.0, "lstm")]
    assert cost.rate_at(timings, "gpt", 10) == (cost.Rate(2.0, 4.0), "measured")
    rate, known = cost.rate_at(timings, "gpt", 100)
    assert (rate.train, rate.score, known) == (pytest.approx(6.0), pytest.approx(12.0), "between")
    assert cost.rate_at(timings, "gpt", 5000) == (cost.Rate(10.0, 20.0), "beyond")
    assert cost.rate_at(timings, "lstm", 10**9) == (cost.Rate(100.0, 200.0), "beyond")
    assert cost.rate_at(timings[:2], "lstm", 10)[1] == "beyond"  # of another architecture
    with pytest.raises(InputError, match="not even the smallest model could be timed"):
        cost.rate_at([], "gpt", 10)


def test_seconds_are_those_of_steps_and_of_forward_passes():
    work, rate = cost.Work(steps=100, validations=6), cost.Rate(train=1000.0, score=500.0)
    steps, scores = 100 * 8 * 30 / 1000, 6 * 50 * 30 / 3 / 500
    assert cost.seconds_of(work, 8, 50, 30, rate) == pytest.approx(steps + scores)
    assert cost.seconds_of(work, 8, 50, 30, rate, gpus=4) == pytest.approx(steps / 4 + scores)


def test_jobs_by_the_clock_come_near_to_the_best_order():
    """Never less than the best of all ways to share jobs out, nor more than a third above it (Graham's bound)."""
    draw = np.random.default_rng(0)
    for _ in range(20):
        jobs, at_once = draw.integers(1, 20, 6).tolist(), int(draw.integers(1, 4))
        best = min(
            max(sum(job for job, at in zip(jobs, places, strict=True) if at == k) for k in range(at_once))
            for places in itertools.product(range(at_once), repeat=len(jobs))
        )
        assert best <= cost.by_the_clock(jobs, at_once) <= 4 / 3 * best
    assert cost.by_the_clock([3, 2, 4], 1) == 9
    assert cost.by_the_clock([3, 2], 5) == 3


def test_disk_is_weights_or_states():
    assert cost.disk_mb(1 << 20, 4) == 16
    assert cost.disk_mb(1 << 20, 4, unfinished=True) == 36


def test_slurm_is_asked_for_more_than_is_expected_and_more_again():
    assert cost.for_slurm({"a": JOB}, "a", "train", 1) == {"runtime": 190, "mem_mb": 1300}
    assert cost.for_slurm({"a": JOB}, "a", "trial", 3) == {"runtime": 36, "mem_mb": 3900}
    unsure = JOB | {"rate": "assumed", "host_mb": 10}
    assert cost.for_slurm({"a": unsure}, "a", "train", 1) == {"runtime": 490, "mem_mb": 100}
    assert cost.for_slurm({"a": JOB, "b": unsure}, "c", "train", 1) == {"runtime": 490, "mem_mb": 1300}


def test_a_device_is_named_as_people_do():
    assert cost.named_device("h100").tflops["bfloat16"] == 989
    assert all({"bfloat16", "float32"} == set(device.tflops) for device in cost.DEVICES.values())
    with pytest.raises(InputError, match=r"no device 'h10' \(did you mean 'h100'\?\)"):
        cost.named_device("h10")


@pytest.mark.parametrize(
    ("change", "asked", "tokens", "sentence"),
    [
        ({}, {"a": "--n_layer 2"}, [9, 5], ""),
        ({}, {"a": "--n_layer 3"}, [5, 9], "made with other settings (of a), and is not used: make the plan again"),
        ({}, {"a": "--n_layer 2", "b": ""}, [5, 9], "made with other settings (of b)"),
        ({}, {"a": "--n_layer 2"}, [5], "made with other settings (tokens)"),
        ({"tokens": []}, {"a": "--n_layer 2"}, [5], "it is not used: make the plan again"),
    ],
)
def test_a_plan_serves_the_study_that_it_was_made_of(tmp_path, change, asked, tokens, sentence):
    path = tmp_path / "plan.json"
    assert cost.read_plan(path, asked, tokens) == ({}, "")
    write_json(path, PLAN | change)
    found, said = cost.read_plan(path, asked, tokens)
    assert found == ({} if sentence else {"a": JOB})
    assert sentence in said
    path.write_text("{")
    assert "is not readable as JSON" in cost.read_plan(path, asked, tokens)[1]
