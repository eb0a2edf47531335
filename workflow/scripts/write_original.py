"""Write a page that sets the claims of the study this one grew out of beside its own logs and beside our runs.

Reads, in --facts, runs.csv (what the original tells of its runs, and in which of its files) and claims.csv (each claim,
what its repository shows and what ours does, with names in braces for every number that is computed here); and in
--study our recorded runs.csv, fit.json, writing.csv and corpus.json.

Example:
  python -m workflow.scripts.write_original --facts docs/original-study --study docs/default-study \\
      --output docs/original-study.md
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.base.tables import read_csv
from workflow.scripts.figures.original import of_original, of_ours, page, picture
from workflow.scripts.figures.save import save
from workflow.scripts.findings.original_runs import fit_runs, read_runs
from workflow.scripts.tables.fit_file import read_fit


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--facts", default="docs/original-study", help="folder of what the original tells")
    parser.add_argument("--study", default="docs/default-study", help="folder of our recorded results")
    parser.add_argument("--output", default="docs/original-study.md", help="page to write, and PNG and PDF beside it")
    args = parser.parse_args(argv)
    facts, study, output = Path(args.facts), Path(args.study), Path(args.output)
    runs = read_runs(facts / "runs.csv")
    claims = read_csv(facts / "claims.csv", "claim", "says", "shown", "ours", "where")
    groups, without = (fit_runs(rows, facts / "runs.csv") for rows in (runs, runs[runs["size"] != "xxl"]))
    ours = of_ours(read_fit(study / "fit.json"), read_csv(study / "writing.csv"), read_json(study / "corpus.json"))
    shown = picture(runs, groups)
    name = output.with_suffix(".png").name
    try:
        text = page(claims, of_original(runs, groups, without) | ours, runs, name, shown.caption)
    except KeyError as error:
        raise InputError(f"{facts / 'claims.csv'} names {error}, which nothing computes") from error
    save(shown, output.with_suffix(""))
    write_text(output, text)


if __name__ == "__main__":
    cli.run(main)
