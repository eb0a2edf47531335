"""Write the claims page: each claim of the original study and of this one, the number behind it, and a verdict.

A claim is held against a stated test of what the tables say, and against nothing else. The page has of each number its
95% interval, its file and its column; beside the page stands claims.json with the same. --tables holds runs.csv and
fit.json, and whatever there is of writing.csv, corpus.json, forecast.json and targets/writing.csv.

Example:
  python -m workflow.scripts.write_claims --tables docs/reference-study --original docs/original-study \\
      --output results/claims.html
"""

from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json, write_text
from workflow.scripts.claims.abilities import abilities
from workflow.scripts.claims.original import claims_of_original
from workflow.scripts.claims.ours import claims_of_ours
from workflow.scripts.claims.page import facts, page
from workflow.scripts.claims.sources import Original, Study


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--tables", default="results", help="folder of the study's tables")
    parser.add_argument("--corpus", type=Path, help="corpus.json, if it is not in that folder")
    parser.add_argument("--original", default="docs/original-study", help="folder of what the original study tells")
    parser.add_argument("--output", default="results/claims.html", help="page to write, and claims.json beside it")
    args = parser.parse_args(argv)
    study, original = Study(Path(args.tables), args.corpus), Original(Path(args.original))
    claims = [*claims_of_original(original, study), *abilities(study), *claims_of_ours(study)]
    output = Path(args.output)
    write_json(output.with_suffix(".json"), facts(claims, study.folder.as_posix(), original.file))
    write_text(output, page(claims, study.folder.as_posix()))


if __name__ == "__main__":
    cli.run(main)
