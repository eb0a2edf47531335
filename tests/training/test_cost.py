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
from workflow.scripts.training.probe import TimedOptimizer, whole_step
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


def timing(flops, train, arch="gpt", **settings):
    return cost.Timing(cost.Kind(arch, **settings), flops, cost.Rate(train, 2 * train))


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
    gpt, lstm = cost.Kind("gpt"), cost.Kind("lstm")
    assert cost.rate_at(timings, gpt, 10) == (cost.Rate(2.0, 4.0), "measured")
    rate, known = cost.rate_at(timings, gpt, 100)
    assert (rate.train, rate.score, known) == (pytest.approx(6.0), pytest.approx(12.0), "between")
    assert cost.rate_at(timings, gpt, 5000) == (cost.Rate(10.0, 20.0), "beyond")
    assert cost.rate_at(timings, lstm, 10**9) == (cost.Rate(100.0, 200.0), "beyond")
    assert cost.rate_at(timings[:2], lstm, 10)[1] == "akin"  # of another architecture
    with pytest.raises(InputError, match="not even the smallest model could be timed"):
        cost.rate_at([], gpt, 10)


def test_a_rate_is_of_models_with_the_same_settings_or_with_most_of_them():
    timings = [
        timing(10, 1.0, precision="float32", block_size=256, windows=16),
        timing(10, 2.0, precision="bfloat16", block_size=256, windows=16),
        timing(10, 3.0, precision="bfloat16", block_size=128, windows=32),
        timing(10, 4.0, "lstm", precision="bfloat16", block_size=256, windows=32),
    ]
    for kind, rate, known in (
        (cost.Kind("gpt", "bfloat16", "all", 256, 16), 2.0, "measured"),
        (cost.Kind("gpt", "bfloat16", "all", 64, 32), 3.0, "akin"),
        (cost.Kind("gpt", "float32", "muon", 256, 16), 1.0, "akin"),
        (cost.Kind("lstm", "float32", "all", 128, 16), 4.0, "akin"),  # of its architecture, whatever else
    ):
        found, how = cost.rate_at(timings, kind, 10)
        assert (found.train, how) == (rate, known)


def test_an_optimiser_takes_as_long_in_a_part_of_a_step():
    optimizer, ticks = TimedOptimizer([], 0.1), itertools.count()
    optimizer.step(1.0)
    assert optimizer.seconds == 0
    optimizer.clock = lambda: float(next(ticks))
    for _ in range(2):
        optimizer.step(1.0)
    assert optimizer.seconds == 2
    assert whole_step(3.0, 1.0, part=0.25) == 9.0
    assert whole_step(3.0, 1.0, part=1.0) == 3.0


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
    akin = JOB | {"rate": "akin"}
    assert cost.for_slurm({"a": akin}, "a", "train", 1)["runtime"] == 490


def test_a_run_that_is_trained_by_itself_asks_for_the_time_of_its_tokens():
    plan = {"a": JOB | {"alone_seconds": {"200": 3600, "1000": 7200.0}}, "b": JOB}
    asked = {
        (kind, tokens): cost.for_slurm(plan, "a", kind, 1, tokens)["runtime"]
        for kind in ("train", "trial", "target")
        for tokens in ("200", 1000, 2000, 300, None)
    }
    for kind in ("trial", "target"):
        assert [asked[kind, tokens] for tokens in ("200", 1000, 2000, 300, None)] == [100, 190, 370, 190, 190]
    assert asked["train", "200"] == 190
    assert cost.for_slurm(plan, "b", "target", 1, "200")["runtime"] == 12  # of a plan made before there were targets
    assert cost.for_slurm(plan, "c", "trial", 1, "200")["runtime"] == 100


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
