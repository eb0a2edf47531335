"""The tables of README.md are those of the recorded studies."""

import pandas as pd

from tests.conftest import ROOT
from workflow.scripts.manual.readme import losses

DOCS = ROOT / "docs"


def test_a_loss_is_the_mean_of_its_seeds_at_the_budget_of_all_sizes():
    for study, budget, n in (("default", 1048576, 5), ("reference", 4194304, 5)):
        runs = pd.read_csv(DOCS / f"{study}-study/runs.csv").query(f"tokens == {budget}")
        rows = [line.split(" | ") for line in losses(DOCS).splitlines() if line.startswith(f"| {study} |")]
        assert len(rows) == n
        means = {f"{loss:.3f}" for loss in runs.groupby("model")["test_loss"].mean()}
        assert {row[side].split()[0] for row in rows for side in (3, 6)} == means
