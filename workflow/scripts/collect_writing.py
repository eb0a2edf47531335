"""Gather what was found of all that was written into one table: by models, by n-grams and by people.

A row is what one writer (a run of a model, or a baseline) wrote, without a prompt or after one of the study's. A
model's columns say which run it is. Then come the rates with their 95% intervals, the means of style, the distances
from real tunes, and of copying the medians. After a prompt, only form and style were judged.
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_text
from workflow.scripts.base.tables import with_kept
from workflow.scripts.writing.table import writing_table


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of runs and baselines")
    parser.add_argument("--output", required=True, help="CSV to write")
    parser.add_argument("--kept", type=Path, help="folder with such a writing.csv, whose other writers the table keeps")
    args = parser.parse_args(argv)
    table = writing_table(args.folders)
    if args.kept:
        table = with_kept(table, args.kept / "writing.csv", ["writer", "tokens", "seed"])
    write_text(args.output, table.to_csv(index=False, lineterminator="\n"))
    print(f"wrote {len(table)} rows to {args.output}")


if __name__ == "__main__":
    cli.run(main)
