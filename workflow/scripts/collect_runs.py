"""Gather what every run of a study left behind into three tables.

  runs.csv    one row a run: what it was, what it cost, how well it predicts, how often it writes music
  curves.csv  one row a validation: how the loss fell over tokens and FLOP
  strata.csv  one row for each kind of test tunes and each stretch of them, of each run at one budget

With --missing_table there is a fourth: missing.csv, one row for each run of the study that has no result yet.

Losses are nats a character; tokens are what the model reads, of ``chars_per_token`` characters of the test split.

These, writing.csv and fit.json are all that the figures read, so they can be redrawn where no model is.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_text
from workflow.scripts.base.tables import CORPUS_NAME, read_csv, with_kept
from workflow.scripts.evaluation.planned import with_plan
from workflow.scripts.evaluation.runs_table import runs_tables


def require_one_corpus(runs: pd.DataFrame, kept: Path) -> None:
    """Refuse to put runs beside those that were ``kept`` if these learnt from another corpus.

    Raises:
        InputError: some did.
    """
    if len(corpora := sorted(runs["corpus"].fillna("none").unique())) > 1:
        raise InputError(
            f"{kept} is of runs on another corpus than those here (corpora {', '.join(corpora)}): keep_recorded=false"
            " trains them all on this one"
        )


def missing_csv(runs: list[str]) -> str:
    """The table of runs, each given as KIND/MODEL/TOKENS-seedK, that have no result."""
    rows = [run.replace("-seed", "/").replace("/", ",") for run in runs]
    return "\n".join(["kind,model,tokens,seed", *rows]) + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", nargs="*", default=[], help="folders of the runs")
    parser.add_argument("--writing", help="table that collect_writing wrote; without it, none of the runs wrote")
    parser.add_argument("--runs", default="results/runs.csv", help="table of runs to write")
    parser.add_argument("--curves", default="results/curves.csv", help="table of loss curves to write")
    parser.add_argument("--strata", default="results/strata.csv", help="table of losses by kind and place to write")
    parser.add_argument(
        "--missing", nargs="*", default=[], metavar="RUN", help="runs without a result, as KIND/MODEL/TOKENS-seedK"
    )
    parser.add_argument("--missing_table", type=Path, help="table of these to write")
    parser.add_argument("--kept", type=Path, help="folder of such tables, whose other runs these tables keep")
    parser.add_argument("--strata_tokens", type=cli.positive_int, default=np.inf, help="that budget, or the largest")
    parser.add_argument("--plan", type=Path, help="plan.json of this machine, for a column of what it said")
    parser.add_argument("--corpus_name", help="what the corpus of these runs is called, for a column")
    args = parser.parse_args(argv)
    columns = ("writer", "arch", "tokens", "seed", "prompt", "samples")
    writing = read_csv(args.writing, *columns) if args.writing else None
    of_run = ["model", "budget", "seed"]
    keys = {"runs.csv": ["model", "tokens", "seed"], "curves.csv": of_run, "strata.csv": of_run}
    if args.folders:
        runs, *others = runs_tables(list(map(Path, args.folders)), writing, args.strata_tokens)
        if args.corpus_name:
            runs.insert(runs.columns.get_loc("corpus"), CORPUS_NAME, args.corpus_name)
        tables = [with_plan(runs, args.plan), *others]
    elif args.kept:
        tables = [pd.DataFrame(columns=key) for key in keys.values()]
    else:
        parser.error("give --folders, or --kept")
    for (name, key), path, table in zip(keys.items(), (args.runs, args.curves, args.strata), tables, strict=True):
        whole = with_kept(table, args.kept / name, key) if args.kept else table
        if args.kept and name == "runs.csv":
            require_one_corpus(whole, args.kept / name)
        write_text(path, whole.to_csv(index=False, lineterminator="\n"))
        print(f"wrote {len(whole)} rows to {path}")
    if args.missing_table:
        write_text(args.missing_table, missing_csv(args.missing))


if __name__ == "__main__":
    cli.run(main)
