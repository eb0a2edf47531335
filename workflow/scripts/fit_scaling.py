"""Fit scaling laws to a table of runs, and say in words what the table can and cannot decide.

For each architecture, or each value of another column (--group):
  power              L = A N^-alpha                         scipy's curve_fit of log L on log N
  power_irreducible  L = E + A N^-alpha                     from 4 sizes on
  chinchilla         L = E + A N^-alpha + B D^-beta         and chinchilla_tied with beta = alpha
  kaplan             L = ((N_c/N)^(alpha/beta) + D_c/D)^beta
  coupled            L = E + (A/N^alpha + B/D^beta)^k
  repeat             chinchilla with effective N and D where data are repeated; and MuPT's law (repeat_sms)
  isoflop            optima at equal FLOP and their exponents
  compute            L = A C^-alpha over the frontier
The first two are of the runs at one budget of tokens, the one that most sizes have; the mean over seeds of log loss.

--predict and --best-for ask of runs that were not trained: the loss at any N and D, by the law that forecast the larger
runs best from the smaller ones; the best N and D for so much compute. docs/laws.md leads from a table to a forecast.

TABLE.csv is runs.csv, or any table, separated by commas, tabs or semicolons, with a number of parameters and a loss.
Columns are found by their names, and what was taken for what is said; --columns says it where that fails. A law that
the table cannot support is null, and `absent` says why (an architecture of one or two sizes has none); `warnings` gives
reasons to doubt the others.

Example:
  python -m workflow.scripts.fit_scaling results/runs.csv --plot laws.pdf --predict 6.3M,16M --best-for 1e15
"""

from pathlib import Path

import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json
from workflow.scripts.findings.fit_table import FORMS, fit_table
from workflow.scripts.findings.words import lines_of
from workflow.scripts.forecasts.ask import Questions, parse_amount, parse_place
from workflow.scripts.laws.estimate import Settings, parse_fixed
from workflow.scripts.tables.columns import parse_columns
from workflow.scripts.tables.units import LOSS_UNITS


def plot(table: pd.DataFrame, result: dict, by: str, path: Path, width: float) -> None:
    """Draw loss against N at ``path``, as PDF and PNG, and loss over N and D beside it, named _surface; see `save`."""
    from workflow.scripts.figures import laws, surface  # matplotlib takes longer to load than most tables to be fitted
    from workflow.scripts.figures.save import save

    save(laws.scaling(table, result, by, "Loss", width), path.with_suffix(""))
    if surface.surfaces(result):
        save(surface.surface(table, result, by, "Loss", width), path.with_name(f"{path.stem}_surface"))


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("table", metavar="TABLE.csv", help="table of runs")
    parser.add_argument("--output", default="fit.json", help="JSON to write")
    parser.add_argument("--columns", default="", metavar="OURS=THEIRS,...",
                        help="which column is what, such as params=model/params,loss=eval/loss")  # fmt: skip
    parser.add_argument("--loss-unit", choices=LOSS_UNITS, default="nats", help="of the losses; kept in nats")
    parser.add_argument("--group", default="arch", help="column whose values are fitted apart")
    parser.add_argument("--exclude-highest", type=cli.non_negative_int, default=0, metavar="K",
                        help="leave out the K highest losses of each group")  # fmt: skip
    parser.add_argument("--form", choices=("all", *FORMS), default="all", help="law to fit beside the pure power law")
    parser.add_argument("--loss", choices=("huber", "mse"), default="huber", help="estimator of the laws of N and D")
    parser.add_argument("--delta", type=cli.positive_float, default=1e-3, help="of Huber's loss, in log loss")
    parser.add_argument("--fix", default="", metavar="NAME=VALUE,...",
                        help="parameters of the laws of N and D to hold, such as E=1.69,A=406.4")  # fmt: skip
    parser.add_argument("--bootstrap", type=cli.non_negative_int, default=400, help="resamples of each law")
    parser.add_argument("--predict", nargs="+", default=[], metavar="N,D",
                        help="forecast the loss of runs such as 6.3M,16M; N alone is at the common budget")  # fmt: skip
    parser.add_argument("--best-for", nargs="+", default=[], metavar="FLOP", help="find the best N and D for so much")
    parser.add_argument("--forecast-from", type=cli.positive_float, metavar="FLOP",
                        help="predict runs of so many FLOP from the rest; else the top half decade")  # fmt: skip
    parser.add_argument(
        "--plot", metavar="FILE.pdf", help="draw the laws, too, as PDF and PNG; captions/ has their words"
    )
    parser.add_argument("--plot-width", type=cli.positive_float, default=6.6, metavar="INCHES", help="of the figures")
    args = parser.parse_args(argv)
    fixed = parse_fixed(args.fix) if args.fix else {}
    settings = Settings(args.loss, args.delta, args.bootstrap, fixed)
    questions = Questions(tuple(map(parse_place, args.predict)), tuple(map(parse_amount, args.best_for)))
    columns = parse_columns(args.columns) if args.columns else {}
    table, result = fit_table(
        args.table, args.group, args.exclude_highest, args.form, settings, args.forecast_from, questions, columns,
        args.loss_unit,
    )  # fmt: skip
    write_json(args.output, result)
    print("\n".join(lines_of(result)))
    if args.plot:
        plot(table, result, args.group, Path(args.plot), args.plot_width)


if __name__ == "__main__":
    cli.run(main)
