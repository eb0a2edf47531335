"""What a plan said of a run stands beside what it took."""

from pathlib import Path

import pandas as pd
import pytest

from workflow.scripts import plan
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.evaluation.planned import with_plan


def test_what_a_run_was_planned_to_take_stands_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text("suite: [gpt_tiny]\nseeds: [0]\ntargets: { gpt_wide: [2097152, 4194304] }\n")
    plan.main(["small.yaml", "--device", "h100", "--json", "plan.json"])
    runs = pd.DataFrame({"model": ["gpt_wide", "gpt_wide", "unknown"], "tokens": [4194304, 7, 4194304]})
    found = with_plan(runs, Path("plan.json"))["planned_seconds"]
    assert found[0] == read_json("plan.json")["models"]["gpt_wide"]["alone_seconds"]["4194304"]
    assert found[1:].isna().all()
    assert with_plan(runs, None) is runs


def test_a_plan_from_before_each_run_had_its_own_seconds_has_none(planned_of):
    path = planned_of({"gpt": {}})
    found = read_json(path)
    del found["models"]["gpt"]["alone_seconds"]
    write_json(path, found)
    assert with_plan(pd.DataFrame({"model": ["gpt"], "tokens": [8]}), path)["planned_seconds"].isna().all()


def test_what_is_no_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(InputError, match=r"plan\.json: "):
        with_plan(pd.DataFrame({"model": ["gpt"], "tokens": [8]}), tmp_path / "plan.json")
