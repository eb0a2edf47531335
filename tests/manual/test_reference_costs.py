"""Hours that were planned stand beside those measured, by the plan of the machine that each stage ran on."""

import shutil

import pandas as pd
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.files import write_json
from workflow.scripts.manual.record import Record
from workflow.scripts.manual.reference_costs import hours

TABLES = {"forecast runs": "targets/runs.csv", "other settings": "ablations.csv", "learning rates": "lr_transfer.csv"}


@pytest.fixture
def study(tmp_path):
    """A record without plans, whose runs of each of TABLES take two hours together."""
    (tmp_path / "targets").mkdir()
    for name in ("runs.csv", "fit.json"):
        shutil.copy(ROOT / "docs/reference-study" / name, tmp_path / name)
    for name in TABLES.values():
        runs = pd.read_csv(ROOT / "docs/reference-study" / name).drop(columns="planned_seconds", errors="ignore")
        runs.assign(seconds=7200 / len(runs)).to_csv(tmp_path / name, index=False)
    return tmp_path


def rows_of(folder) -> dict[str, list[str]]:
    """By what was run: how many, hours measured and planned, and how far these are apart."""
    *_, table = hours(Record(folder))
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    return {what: cells for what, *cells in rows}


def test_without_a_plan_nothing_stands_beside(study):
    rows = rows_of(study)
    assert {tuple(cells[2:]) for cells in rows.values()} == {("", "")}
    assert {rows[what][1] for what in TABLES} == {"2.00"}
    assert float(rows["**together**"][1]) == pytest.approx(sum(float(row[1]) for row in rows.values()) / 2, abs=0.03)


def test_the_plan_of_the_study_stands_beside(study):
    stages = {name: {"job_seconds": 3600.0 * i} for i, name in enumerate(("suite", "targets", "settings", "trials"), 1)}
    write_json(study / "plan.json", {"stages": stages, "total": {}})
    rows = rows_of(study)
    assert rows["runs of the fit"][2] == "1.00"
    assert {what: rows[what][2:] for what in TABLES} == {
        "forecast runs": ["2.00", "+0%"],
        "other settings": ["3.00", "+50%"],
        "learning rates": ["4.00", "+100%"],
    }
    assert rows["**together**"][2:] == ["", ""]
    (study / "ablations.csv").unlink()
    assert rows_of(study)["other settings"] == ["", "not recorded", "3.00", ""]


@pytest.mark.parametrize(("what", "table"), TABLES.items())
def test_that_of_its_own_machine_comes_first(study, what, table):
    write_json(study / "plan.json", {"total": {}, "stages": {}})
    runs = pd.read_csv(study / table)
    runs["planned_seconds"] = 0.8 * runs["seconds"]
    runs.to_csv(study / table, index=False)
    assert rows_of(study)[what][2:] == ["1.60", "-20%"]
    runs.loc[0, "planned_seconds"] = None  # what is not known of each run is not told
    runs.to_csv(study / table, index=False)
    assert rows_of(study)[what][2:] == ["", ""]
