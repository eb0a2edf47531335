"""What a plan (workflow.scripts.plan) says that runs take, to stand beside what they took."""

from pathlib import Path

import pandas as pd

from workflow.scripts.base import schema
from workflow.scripts.base.files import read_json


def with_plan(runs: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """Rows of runs with ``planned_seconds``, of each by itself with its start; empty where the plan has it not.

    Args:
        runs: with the columns ``model`` and ``tokens``.
        path: of the plan.json; without one the rows stay as they are.

    Raises:
        InputError: it is no plan.
    """
    if path is None:
        return runs
    plan = read_json(path)
    schema.check(plan, "plan.schema.json", str(path))
    alone = {
        (name, int(tokens)): seconds
        for name, model in plan["models"].items()
        for tokens, seconds in model.get("alone_seconds", {}).items()
    }
    return runs.assign(planned_seconds=[alone.get(run) for run in zip(runs["model"], runs["tokens"], strict=True)])
