"""The page on a study with a registered forecast: every number of it from the files that are recorded of the study."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from workflow.scripts.manual import reference_costs as costs
from workflow.scripts.manual import reference_forecast as forecast
from workflow.scripts.manual import reference_known as known
from workflow.scripts.manual import reference_laws as laws
from workflow.scripts.manual import reference_settings as settings
from workflow.scripts.manual.record import Record

BY = "Written by `python -m workflow.scripts.write_reference` from the files in this folder and `docs/original-study`."


class Beside(NamedTuple):
    """What the page sets beside the record.

    Attributes:
        derived: ``crossings``, ``with_targets``, ``best_for`` and ``joined_later``, as they are in derived.json.
        published: numbers of papers; see `reference_laws.PUBLISHED`.
        original_laws: see `reference_laws.section`.
        original_runs: the runs of the original study.
        captions: of the figures, by name.
    """

    derived: Mapping
    published: pd.DataFrame | None
    original_laws: Mapping[str, Mapping]
    original_runs: pd.DataFrame | None
    captions: Mapping[str, str]


def page(record: Record, beside: Beside) -> str:
    """The page in Markdown."""
    tables = "[summary.md](summary.md) has every run and every law." if record.has("summary.md") else ""
    frontier = "![Loss over size and tokens, and the best size for each FLOP](frontier.png)"
    parts = [
        "# The reference study: larger runs, forecast before they were trained",
        *forecast.first(record, beside.derived["crossings"], beside.captions["forecast"]),
        *([tables] if tables else []),
        "## The forecast",
        *forecast.section(record),
        *forecast.of_later_runs(record, beside.derived["joined_later"]),
        "## Exponents beside others",
        *laws.section(record, beside.published, beside.original_laws),
        "## What size for how much compute",
        frontier,
        beside.captions["frontier"],
        *laws.best_sizes(record, beside.derived["best_for"]),
        *forecast.with_targets(record, beside.derived["with_targets"]),
        "## Learning rates: width, depth, horizon",
        *settings.learning_rates(record),
        "## Settings",
        *settings.settings(record),
        "## What they write",
        *settings.written(record, beside.captions.get("writing", "")),
        "## What is known now, what is not, and what a GPU would add",
        *known.section(record, beside.derived),
        *costs.gpus(record, beside.original_runs),
        "## Hours",
        *costs.hours(record),
        "## Corpus",
        *costs.corpus(record),
        BY,
    ]
    return "\n\n".join(parts) + "\n"
