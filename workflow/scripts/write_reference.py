"""Write the page on a study with a registered forecast, from what is recorded of it, and the figures of it.

--tables holds runs.csv and fit.json, and whatever else `record` has put there: registered.json, forecast.json,
targets/, lr_transfer.json, ablations.json, plan.json, corpus.json. What is not there yet is told as such. Beside the
page are written the figures forecast, frontier and writing, and derived.json: where two architectures cross, the best
sizes, and how the first registration would have forecast runs that joined the fit after it.

Example:
  python -m workflow.scripts.write_reference --tables docs/reference-study --original docs/original-study \\
      --output docs/reference-study/README.md
"""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json, write_text
from workflow.scripts.figures import forecast as forecast_figure
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.save import Picture, save
from workflow.scripts.figures.surface import surface
from workflow.scripts.figures.writing import validity
from workflow.scripts.findings import original_runs
from workflow.scripts.findings.crossings import crossings
from workflow.scripts.findings.joined_later import joined_later
from workflow.scripts.forecasts.ask import answer_of_flops
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.forecasts.registered import read_runs
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.manual.record import Record
from workflow.scripts.manual.reference_laws import PUBLISHED
from workflow.scripts.manual.reference_page import Beside, page

FURTHER = 3  # powers of ten of FLOP, from the largest run on, that the best size is told for
LARGEST = "xxl"  # of the original study: a law without it is another one


def derived(record: Record) -> dict:
    """What is computed for the page alone, as derived.json has it."""
    most = max([target.flops for target in record.head.targets], default=0)
    pair = (record.archs[0], record.archs[-1])
    tables = [record.table, None if record.later is None else pd.concat([record.table, record.later])]
    found, later = (
        crossings(table, pair, record.told, most) if len(record.archs) == 2 and table is not None else None
        for table in tables
    )
    sizes = {arch: best_for(record, arch) for arch in record.archs}
    first = record.registered["registrations"][0] if record.registered else None
    joined = joined_later(first, read_runs(record.folder / "runs.csv"), record.archs) if first else []
    return {"crossings": found, "with_targets": later, "best_for": sizes, "joined_later": joined}


def best_for(record: Record, arch: str) -> list[dict]:
    """The best sizes of an architecture: those that fit.json tells, else at a few powers of ten of FLOP."""
    if told := record.fit["groups"].get(arch, {}).get("best_for"):
        return list(told)
    rows = record.table[record.table["arch"] == arch]
    if rows["flops"].isna().any() or rows.empty:
        return []
    first = int(np.floor(np.log10(record.table["flops"].max())))
    forecaster = Forecaster(rows, Settings())
    return [answer_of_flops(forecaster, 10.0 ** (first + i)) for i in range(FURTHER)]


def original(folder: Path) -> tuple[dict[str, dict], pd.DataFrame | None]:
    """Laws of the original study's runs, with and without its largest, and the runs; nothing where there are none."""
    if not (folder / "runs.csv").exists():
        return {}, None
    path = folder / "runs.csv"
    runs = original_runs.read_runs(path)
    without = runs[runs["size"] != LARGEST]
    changed = without[without["told_by"].isin(runs[runs["size"] == LARGEST]["told_by"])]
    tables = {"": runs, ", without its largest": changed}
    return {name: original_runs.fit_runs(table, path) for name, table in tables.items()}, runs


def frontier(record: Record, width: float) -> Picture:
    """Loss over N and D of each architecture under the name that the page gives it, by the law that it is told by."""
    names = dict(record.names)
    table, later = (None if runs is None else runs.replace({"arch": names}) for runs in (record.table, record.later))
    groups = {names[arch]: group for arch, group in record.fit["groups"].items()}
    told = {names[arch]: law for arch, law in record.told.items()}
    return surface(table, {"groups": groups}, width=width, later=later, told=told, ngrams=record.ngrams)


def pictures(record: Record, found: dict, width: float) -> dict[str, Picture]:
    """The figures of the page, by name."""
    crossing = found["crossings"] and found["crossings"]["flops"]
    drawn = {
        "forecast": forecast_figure.draw(
            record.table, record.fit["groups"], record.head, crossing, width, record.ngrams
        ),
        "frontier": frontier(record, width),
    }
    if record.writing is not None:
        drawn["writing"] = validity(record.writing.replace({"arch": dict(record.names)}), width)
    return drawn


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--tables", default="docs/reference-study", help="folder of what is recorded of the study")
    parser.add_argument("--original", default="docs/original-study", help="folder of what the original study tells")
    parser.add_argument("--output", default="docs/reference-study/README.md", help="page to write, and files beside it")
    parser.add_argument("--width", type=cli.positive_float, default=MEDIUM, metavar="INCHES", help="of each figure")
    args = parser.parse_args(argv)
    record, output = Record(Path(args.tables)), Path(args.output)
    found = derived(record)
    laws, runs = original(Path(args.original))
    drawn = pictures(record, found, args.width)
    captions = {name: picture.caption for name, picture in drawn.items()}
    text = page(record, Beside(found, record.csv("published.csv", *PUBLISHED), laws, runs, captions))
    for name, picture in drawn.items():
        save(picture, output.parent / name)
    write_json(output.parent / "derived.json", found)
    write_text(output, text)


if __name__ == "__main__":
    cli.run(main)
