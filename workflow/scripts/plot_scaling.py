"""Draw a study's figures from its small result files, and from nothing else.

Reads runs.csv and fit.json in --results_dir and, where they are, the tables named; writes there, as PDF and PNG:
  scaling_plot  test loss against parameters outside the embedding, with the fitted laws
  loss_surface  the same at every budget of tokens, with slices of equal FLOP and the compute-optimal frontier
  loss_curves   validation loss over training tokens (needs curves.csv)
  loss_compute  test loss against training FLOP
  loss_places   test loss by place in the tune (needs strata.csv)
  validity      shares of tunes that pass each check, against parameters, beside real tunes and n-grams (writing.csv)
  copying       how near to training tunes they are, against parameters (writing.csv)

The same input gives the same bytes: no date is written into a file.

Example:
  python -m workflow.scripts.plot_scaling --results_dir results
"""

from pathlib import Path

import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.tables import read_csv
from workflow.scripts.figures.laws import scaling
from workflow.scripts.figures.losses import CURVES, STRATA, loss_compute, loss_curves, loss_places
from workflow.scripts.figures.save import save
from workflow.scripts.figures.surface import surface
from workflow.scripts.figures.writing import COLUMNS as WRITING
from workflow.scripts.figures.writing import copying, validity
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.tables.table import read_table

# Of runs.csv: a study's has them all, while other tables that laws can be fitted to may lack some.
COLUMNS = ("arch", "params_non_embedding", "tokens", "flops", "seed", "test_loss", "test_loss_se")


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--results_dir", default="results", help="folder with the tables; the figures go there too")
    folder = Path(parser.parse_args(argv).results_dir)
    for name in ("runs.csv", "fit.json"):
        if not (folder / name).exists():
            raise InputError(f"{folder / name} does not exist: it is made by snakemake {folder}/scaling_plot.pdf")
    table, _ = read_table(folder / "runs.csv", columns=COLUMNS)
    fit = read_fit(folder / "fit.json")
    curves = optional(folder / "curves.csv", *CURVES)
    strata = optional(folder / "strata.csv", *STRATA)
    writing = optional(folder / "writing.csv", *WRITING)
    if curves is not None:
        save(loss_curves(curves), folder / "loss_curves")
    save(scaling(table, fit), folder / "scaling_plot")
    save(surface(table, fit), folder / "loss_surface")
    save(loss_compute(table, curves), folder / "loss_compute")
    if strata is not None:
        save(loss_places(strata), folder / "loss_places")
    if writing is not None:
        save(validity(writing), folder / "validity")
        save(copying(writing), folder / "copying")


def optional(path: Path, *columns: str) -> pd.DataFrame | None:
    """A table; without it, what is drawn from it is not drawn, and that is said."""
    if path.exists():
        return read_csv(path, *columns)
    print(f"{path} does not exist: what is drawn from it is left out")
    return None


if __name__ == "__main__":
    cli.run(main)
