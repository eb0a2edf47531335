"""What waits for a GPU: which rows, in what order, how each is kept, and what pages say with and without them."""

import json
import os
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import against, gpu, gpu_page, kept, memory, train, write_readme
from benchmarks.goals import goals
from benchmarks.hardware import makers_flops
from benchmarks.kept import Kept
from benchmarks.shapes import of_study
from workflow.scripts import study_config
from workflow.scripts.base.errors import InputError
from workflow.scripts.models import ModelConfig

CPU, GPU = torch.device("cpu"), torch.device("cuda")
ROW = {"name": "gpt 24x1600, T=1024, B=32, bfloat16", "against": "nanoGPT, bfloat16", "unit": "tokens/s"}
RATES = {"ours": [9e4, 1e5, 2e5], "baseline": [4e4, 5e4, 6e4], "ratio": [1.9, 2.0, 2.1], "rounds": 3}
ON = {"machine": "NVIDIA H100", "threads": 1, "torch": "t", "date": "2026-12-01", "commit": "c", "code": "d"}


def test_a_gpu_is_measured_on_all_that_the_lakh_study_trains_and_names():
    config = study_config.read_study(study_config.ROOT / "studies" / "lakh.yaml", [])
    trained = [study_config.shape_of(config, name, 121) for name in [*config["suite"], *config["targets"]]]
    assert [shape.config for shape in of_study() if shape.is_trained] == list(dict.fromkeys(trained))
    shapes = {shape.label: shape for shape in of_study()}
    assert not shapes["gpt 5x256"].is_trained
    assert all(shape.lanes * shape.config.block_size == 32768 for shape in shapes.values())
    assert {goal.shape for goal in goals()} <= shapes.keys()


def test_a_pass_takes_half_of_a_card_at_the_most():
    of = {config.n_layer * config.n_embd: at_once for config, _, at_once in train.on_gpu(80000)}
    assert 32 % of[24 * 1600] == 0
    assert of[24 * 1600] < of[5 * 128] == 32
    assert {at_once for _, lanes, at_once in train.on_gpu(None)} == {32}


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H200", 989), ("NVIDIA A100-SXM4-80GB", 312), ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362), ("NVIDIA RTX A6000", 154.8), ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA H100 PCIe", None), ("NVIDIA H100 NVL", None), ("NVIDIA A10G", None), ("NVIDIA GH200 480GB", None),
    ],
)  # fmt: skip
def test_the_makers_figure_is_of_this_very_board(name, tflops):
    assert makers_flops(name, "bfloat16") == (tflops and 1e12 * tflops)


def test_mfu_counts_what_the_model_does_and_what_others_count():
    config = ModelConfig("gpt", 121, 1024, 24, 1600, 25)
    row = RATES | {"name": "x"}
    ours = train.share_of(989e12, 4.66e9, row)["ours"]
    assert ours == pytest.approx(4.66e9 * 1e5 / 989e12)
    assert train.other_half(config) == 6 * 24 * 1024 * 1600
    assert train.other_half(ModelConfig("lstm", 121, 1024, 2, 64, 1)) == 0


def test_each_row_is_on_disk_when_it_is_measured_and_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "recorded")
    monkeypatch.setattr("sys.argv", ["train"])
    old = {"machine": "another", "threads": 1, "torch": "t", "date": "2026-11-29", "command": "c"}
    path = tmp_path / "recorded" / f"train-{against.kind(CPU)}.json"
    path.parent.mkdir()
    path.write_text(json.dumps(old | {"rows": [{"name": "b", "against": "x", "ours": [0]}]}))
    first = Kept("train", CPU, tmp_path, "1234abc", {"a", "b"})
    assert not first.has("a", "x", "code")
    for value in (1, 2):
        first.add({"name": "a", "against": "x", "ours": [value]}, "code")
        found = json.loads((tmp_path / path.name).read_text())["rows"]
        assert [(row["name"], row["ours"], row["on"]["machine"]) for row in found] == [
            ("b", [0], "another"), ("a", [value], against.machine(CPU)),
        ]  # fmt: skip
    assert found[1]["on"]["commit"] == "1234abc"
    again = Kept("train", CPU, tmp_path, "", {"a"})
    assert again.has("a", "x", "code")
    assert not again.has("a", "x", "other code")
    assert not again.has("a", "y", "code")
    assert [row["name"] for row in Kept("train", CPU, tmp_path, "", set()).rows] == ["b"]
    assert not list(path.parent.glob("train*tmp*"))


def test_a_row_that_fails_is_told_and_the_others_are_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["memory"])
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "recorded")
    jobs = memory.jobs_on(CPU)[:2]

    def measure(job):
        if job is jobs[0]:
            raise InputError("it ended")
        return {"name": job.name, "measured_mb": 3, "estimated_mb": 4}

    args = type("Args", (), {"only": "", "skip_measured": True, "seconds": 60.0})()
    result = Kept("memory", CPU, tmp_path, "c", {job.name for job in jobs})
    with pytest.raises(InputError, match=jobs[0].name):
        kept.keep_each(jobs, result, measure, args)
    assert f"{jobs[0].name}: it ended" in capsys.readouterr().out
    assert [row["name"] for row in result.rows] == [jobs[1].name]
    with pytest.raises(InputError):
        kept.keep_each(jobs, result, measure, args)
    assert jobs[1].name not in capsys.readouterr().out  # by the same code, here


def test_a_process_that_ends_before_it_measured_is_one_sentence():
    with pytest.raises(InputError, match="see what it printed"), against.timed(partial(sys.exit, 3), CPU, list):
        pass


def test_goals_come_first_and_what_the_study_only_names_last():
    names = [task.name for task in gpu.tasks(GPU)]
    assert len(names) == len(set(names))
    first = [f"train: {goal.shape}, T=1024, B=32, bfloat16" for goal in goals()]
    assert names[: len(first)] == first
    assert names.index("memory: gpt 24x1600, T=1024, B=32, bfloat16") < names.index(
        "train: gpt 8x512, T=1024, B=32, bfloat16"
    )
    assert "5x256" in names[-1] or "4x248" in names[-1]
    assert any(name.startswith("plan: studies/lakh.yaml") for name in names)


def test_a_command_is_stopped_with_all_that_it_started(tmp_path):
    child = f"import time, pathlib; time.sleep(1.5); pathlib.Path({str(tmp_path / 'late')!r}).touch()"
    line = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    begun = time.monotonic()
    assert gpu.run([sys.executable, "-c", line], 0.5) is None
    assert time.monotonic() - begun < 1.5
    time.sleep(1.6)
    assert not os.path.exists(tmp_path / "late")
    assert gpu.run([sys.executable, "-c", "raise SystemExit(3)"], 20) == 3


def test_the_page_shows_what_was_measured_and_the_command_of_what_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_page, "RESULTS", tmp_path)
    page = "".join(gpu_page.lines())
    shapes = of_study()
    assert page.count("not measured: `python -m benchmarks.train --device cuda") == len(shapes) + len(goals())
    row = ROW | RATES | {"on": ON, "mfu": {"ours": 0.48}, "mfu_whole_attention": {"ours": 0.5}}
    (tmp_path / "train-cuda.json").write_text(json.dumps(ON | {"command": "c", "rows": [row]}))
    page = "".join(gpu_page.lines())
    assert "| at least 50.0% |" in page
    assert "| 48.0% (NVIDIA H100) |" in page
    assert page.count("not measured") == len(shapes) + len(goals()) - 2
    minutes = next(shape.tokens for shape in shapes if shape.label == "gpt 24x1600") / 1e5 / 60
    assert f"| 100,000 | 48.0% | 50.0% | – | 2.00 (1.90 to 2.10): nanoGPT, bfloat16 | {minutes:.1f} min |" in page
    assert "`gpt 24x1600`" not in gpu_page.waiting("train", [row])
    assert "`gpt 24x1024`" in gpu_page.waiting("train", [row])


def test_memory_stands_beside_its_estimate_by_machine():
    rows = [
        {"name": "gpt 5x128", "windows_in_a_pass": 8, "estimated_mb": 1500, "measured_mb": 1000, "on": on}
        for on in (ON, ON | {"machine": "NVIDIA H200", "commit": "e"})
    ]
    text = write_readme.table({"rows": rows})
    assert text.count("| gpt 5x128 | 8 | 1,500 MB | 1,000 MB | 1.50 |") == 2
    assert "NVIDIA H100, threads: 1, torch t, 2026-12-01, commit c." in text
    assert "NVIDIA H200, threads: 1, torch t, 2026-12-01, commit e." in text
    host = {"host_estimated_mb": 3200, "host_measured_mb": 2800}
    assert "| 1.50 | 3,200 MB, 2,800 MB |" in write_readme.table({"rows": [rows[0] | host]})


def test_what_a_cpu_holds_is_measured():
    block = np.ones(200 << 17)  # 200 MB
    assert memory.held(CPU, 0)["measured_mb"] >= block.nbytes >> 20
