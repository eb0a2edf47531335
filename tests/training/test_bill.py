"""What a plan times here, and what it takes from that of others."""

import pytest
import torch

from workflow.scripts import plan
from workflow.scripts.base.errors import InputError
from workflow.scripts.training import bill
from workflow.scripts.training.place import Place

STUDY = """
suite: [small, large]
seeds: [0]
models:
  small: &small {arch: gpt, n_layer: 2, n_embd: 16, n_head: 2}
  large: {arch: gpt, n_layer: 2, n_embd: 32, n_head: 2}
  smaller: {arch: gpt, n_layer: 2, n_embd: 8, n_head: 2}
  between: {arch: gpt, n_layer: 2, n_embd: 24, n_head: 2}
  deep: {arch: gpt, n_layer: 4, n_embd: 16, n_head: 2}
  short: {<<: *small, block_size: 64}
lr_transfer_models: []
ablations: {small: [smaller, between, deep, short]}
"""


def test_a_setting_is_timed_where_the_suite_has_none_of_its_kind_depth_and_size(monkeypatch, tmp_path):
    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bill, "probe", lambda wanted, *_: asked.extend(wanted) or ({}, 1.0))
    (tmp_path / "study.yaml").write_text(STUDY)
    with pytest.raises(InputError, match="not even the smallest model could be timed"):
        plan.main(["study.yaml", "--device", "cpu", "--jobs", "1"])
    assert {model.name: model.is_extra for model in asked} == {
        "small": False, "large": False, "smaller": True, "deep": True, "short": True,
    }  # fmt: skip


@pytest.mark.parametrize(("a_job", "n_gpus", "at_once"), [(1, 8, 8), (2, 8, 4), (4, 1, 1)])
def test_as_many_jobs_at_once_as_there_are_gpus_for(a_job, n_gpus, at_once):
    """Those that there are before the plan claims one, and is shown no other."""
    place = Place("a GPU", torch.device("cuda"), "bfloat16", 80000)
    assert plan.default_jobs({}, place, a_job, n_gpus) == at_once
