"""Gather what every run of a study left behind into three tables.

  runs.csv    one row a run: what it was, what it cost, how well it predicts, how often it writes music
  curves.csv  one row a validation: how the loss fell over tokens and FLOP
  strata.csv  one row for each kind of test tunes and each stretch of them, of each run at the largest budget

Losses are nats a character; tokens are what the model reads, of ``chars_per_token`` characters of the test split.

These, writing.csv and fit.json are all that the figures read, so they can be redrawn where no model is.
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.base.tables import read_csv, with_kept
from workflow.scripts.evaluation.runs_table import runs_tables


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the runs")
    parser.add_argument("--writing", required=True, help="table that collect_writing wrote")
    parser.add_argument("--runs", default="results/runs.csv", help="table of runs to write")
    parser.add_argument("--curves", default="results/curves.csv", help="table of loss curves to write")
    parser.add_argument("--strata", default="results/strata.csv", help="table of losses by kind and place to write")
    parser.add_argument("--kept", type=Path, help="folder of such tables, whose other runs these tables keep")
    args = parser.parse_args(argv)
    writing = read_csv(args.writing, "writer", "arch", "tokens", "seed", "prompt", "samples")
    tables = runs_tables(list(map(Path, args.folders)), writing)
    runs, of_run = tables[0], ["model", "budget", "seed"]
    keys = {"runs.csv": ["model", "tokens", "seed"], "curves.csv": of_run, "strata.csv": of_run}
    for (name, key), path, table in zip(keys.items(), (args.runs, args.curves, args.strata), tables, strict=True):
        whole = with_kept(table, args.kept / name, key) if args.kept else table
        write_text(path, whole.to_csv(index=False, lineterminator="\n"))
    print(f"wrote {len(runs)} runs to {args.runs}")


if __name__ == "__main__":
    cli.run(main)
