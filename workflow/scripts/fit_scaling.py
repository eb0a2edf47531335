"""Fit scaling laws to a table of runs, and say in words what the table can and cannot decide.

For each architecture, or each value of another column (--group):
  power              L = A N^-alpha                         scipy's curve_fit of log L on log N
  power_irreducible  L = E + A N^-alpha                     from 4 sizes on
  chinchilla         L = E + A N^-alpha + B D^-beta         and with beta = alpha (chinchilla_tied)
  kaplan             L = ((N_c/N)^(alpha/beta) + D_c/D)^beta
  repeat             chinchilla with effective N and D where data are repeated; and MuPT's law (repeat_sms)
  isoflop            optima at equal FLOP and their exponents; and L = A C^-alpha over the frontier (compute)
The first two are of the runs at one budget of tokens, the one that most sizes have; the mean over seeds of log loss.

TABLE.csv is runs.csv, or any table with params (N outside the embedding) and loss; arch, size, tokens (D),
unique_tokens, flops (C), loss_se and seed are used if there. A law that the table cannot support is null, and
`absent` says why (an architecture of one or two sizes has none); `warnings` gives reasons to doubt the others.

Example:
  python -m workflow.scripts.fit_scaling results/runs.csv --output results/fit.json --plot laws.pdf
"""

from pathlib import Path

import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json
from workflow.scripts.findings.fit_table import FORMS, fit_table
from workflow.scripts.laws.estimate import Settings


def plot(table: pd.DataFrame, result: dict, by: str, path: Path) -> None:
    """Draw loss against N at ``path``, as PDF and PNG, and loss over N and D beside it, named _surface."""
    from workflow.scripts.figures import laws  # matplotlib takes longer to load than most tables to be fitted
    from workflow.scripts.figures.save import save

    save(laws.scaling(table, result, by, "Loss"), path.with_suffix(""))
    if laws.surfaces(result):
        save(laws.surface(table, result, by, "Loss"), path.with_name(f"{path.stem}_surface"))


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("table", metavar="TABLE.csv", help="table of runs")
    parser.add_argument("--output", default="fit.json", help="JSON to write")
    parser.add_argument("--loss", choices=("huber", "mse"), default="huber", help="estimator of the laws of N and D")
    parser.add_argument("--delta", type=cli.positive_float, default=1e-3, help="of Huber's loss, in log loss")
    parser.add_argument("--group", default="arch", help="column whose values are fitted apart")
    parser.add_argument("--exclude-highest", type=cli.non_negative_int, default=0, metavar="K",
                        help="leave out the K highest losses of each group")  # fmt: skip
    parser.add_argument("--form", choices=("all", *FORMS), default="all", help="law to fit beside the pure power law")
    parser.add_argument("--bootstrap", type=cli.non_negative_int, default=400, help="resamples of each law")
    parser.add_argument("--forecast-from", type=cli.positive_float, metavar="FLOP",
                        help="predict runs of so many FLOP from the rest; else the top half decade")  # fmt: skip
    parser.add_argument("--plot", metavar="FILE.pdf", help="draw the laws, too, as PDF and PNG")
    args = parser.parse_args(argv)
    settings = Settings(args.loss, args.delta, args.bootstrap)
    table, result = fit_table(args.table, args.group, args.exclude_highest, args.form, settings, args.forecast_from)
    write_json(args.output, result)
    if args.plot:
        plot(table, result, args.group, Path(args.plot))
    for group in result["groups"].values():
        print(" ".join(group["said"]))
        for warning in group["warnings"]:
            print(f"  warning: {warning}")
        for form, why in group["absent"].items() if group["power"] else ():
            print(f"  no {form}: {why}")
    print(" ".join(result["comparison"]["said"]))


if __name__ == "__main__":
    cli.run(main)
