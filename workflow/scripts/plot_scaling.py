"""Draw a study's figures from its small result files, and from nothing else.

Reads runs.csv and fit.json in --results_dir (or --tables) and, where they are, the tables named; writes as PDF and PNG:
  scaling_plot  test loss against parameters outside the embedding, with the fitted laws
  loss_surface  the same at every budget of tokens, with slices of equal FLOP and the compute-optimal frontier
  loss_curves   validation loss over training tokens (needs curves.csv)
  loss_compute  test loss against training FLOP
  loss_places   test loss by place in the tune (needs strata.csv)
  validity      shares of tunes that pass each check, against parameters, beside real tunes and n-grams (writing.csv)
  copying       how near to training tunes they are, against parameters (writing.csv)
  forecast      the runs, the registered forecasts and what came of them, against FLOP (registered.json, forecast.json)
  and with --trials those of the trials of learning rates (lr_transfer.csv and .json), of settings (ablations.json) and
  of a split with relatives in training (split_gap.json)
Of each the caption stands in captions/, as .md and .tex. Losses of n-grams are drawn where baselines.csv is there.

The same input gives the same bytes: no date is written into a file.

Example:
  python -m workflow.scripts.plot_scaling --results_dir results
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import CORPUS_NAME, read_csv
from workflow.scripts.figures import ablations, split_gap, transfer
from workflow.scripts.figures.forecast import draw
from workflow.scripts.figures.laws import scaling
from workflow.scripts.figures.look import MEDIUM
from workflow.scripts.figures.losses import CURVES, loss_compute, loss_curves, loss_places
from workflow.scripts.figures.save import Picture, save
from workflow.scripts.figures.surface import surface
from workflow.scripts.figures.writing import copying, validity
from workflow.scripts.findings.headline import headline
from workflow.scripts.findings.ngram_losses import NGRAMS
from workflow.scripts.findings.tune_start import STRATA, start_sentence
from workflow.scripts.findings.written import COLUMNS as WRITING
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.tables.table import read_table

# Of runs.csv: a study's has them all, while other tables that laws can be fitted to may lack some.
COLUMNS = ("arch", "params_non_embedding", "tokens", "flops", "seed", "test_loss", "test_loss_se")


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--results_dir", default="results", help="folder with the tables; the figures go there too")
    parser.add_argument("--tables", help="folder with the tables, if they are elsewhere")
    parser.add_argument("--width", type=cli.positive_float, default=MEDIUM, metavar="INCHES", help="of each figure")
    parser.add_argument("--trials", action="store_true", help="draw the trials, too, if they are in --tables")
    args = parser.parse_args(argv)
    folder, tables, width = Path(args.results_dir), Path(args.tables or args.results_dir), args.width
    for name in ("runs.csv", "fit.json"):
        if not (tables / name).exists():
            raise InputError(f"{tables / name} does not exist: it is made by snakemake {folder}/scaling_plot.pdf")
    table, _ = read_table(tables / "runs.csv", columns=COLUMNS)
    fit = read_fit(tables / "fit.json")
    curves = optional(tables / "curves.csv", *CURVES)
    strata = optional(tables / "strata.csv", *STRATA)
    writing = optional(tables / "writing.csv", *WRITING)
    ngrams = optional(tables / "baselines.csv", *NGRAMS)
    if writing is not None and (tables / "targets" / "writing.csv").exists():
        writing = pd.concat([writing, read_csv(tables / "targets" / "writing.csv", *WRITING)], ignore_index=True)
    folder.mkdir(parents=True, exist_ok=True)
    corpora = sorted(set(table[CORPUS_NAME]) - {""}) if CORPUS_NAME in table else []
    write = partial(save, note=f"Corpus: {', '.join(corpora)}." if corpora else "")
    if curves is not None:
        write(loss_curves(curves, width), folder / "loss_curves")
    start = "" if strata is None else start_sentence(strata)
    write(scaling(table, fit, width=width, ngrams=ngrams, note=start), folder / "scaling_plot")
    later = tables / "targets" / "runs.csv"
    beyond = read_table(later)[0] if later.exists() else None
    write(surface(table, fit, width=width, later=beyond, ngrams=ngrams), folder / "loss_surface")
    write(loss_compute(table, curves, width, ngrams), folder / "loss_compute")
    if strata is not None:
        write(loss_places(strata, width), folder / "loss_places")
    if writing is not None:
        write(validity(writing, width), folder / "validity")
        write(copying(writing, width), folder / "copying")
    if (tables / "registered.json").exists():
        write(forecast(table, fit["groups"], tables, width, ngrams), folder / "forecast")
    if args.trials:
        save_trials(tables, folder, width, write)


def save_trials(tables: Path, folder: Path, width: float, write: Callable[[Picture, Path], None]) -> None:
    """The figures of trials, of learning rates, of settings and of splits, if there were any."""
    if (tables / "lr_transfer.json").exists():
        trials = read_csv(tables / "lr_transfer.csv", "model", "arch", "tokens", "learning_rate", "val_loss")
        write(transfer.draw(trials, read_json(tables / "lr_transfer.json"), width), folder / "lr_transfer")
    if (tables / "ablations.json").exists():
        write(ablations.draw(read_json(tables / "ablations.json"), width), folder / "ablations")
    if (tables / "split_gap.json").exists():
        save(split_gap.draw(read_json(tables / "split_gap.json"), width), folder / "split_gap")  # of corpora of its own


def forecast(
    table: pd.DataFrame, groups: Mapping, tables: Path, width: float, ngrams: pd.DataFrame | None = None
) -> Picture:
    """The figure of registered forecasts, with what came of them and where curves cross, as far as that is there."""
    found = {name: tables / name for name in ("registered.json", "forecast.json", "derived.json")}
    registered, outcome, derived = (read_json(path) if path.exists() else None for path in found.values())
    crossing = ((derived or {}).get("crossings") or {}).get("flops")
    return draw(table, groups, headline(registered or {}, outcome), crossing, width, ngrams)


def optional(path: Path, *columns: str) -> pd.DataFrame | None:
    """A table; without it, what is drawn from it is not drawn, and that is said."""
    if path.exists():
        return read_csv(path, *columns)
    print(f"{path} does not exist: what is drawn from it is left out")
    return None


if __name__ == "__main__":
    cli.run(main)
