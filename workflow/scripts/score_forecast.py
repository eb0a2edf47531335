"""Put the outcome beside a registered forecast: how far off each law was, and whether its interval held.

The runs are those of the targets, in a table like a study's runs.csv; what is not measured yet is null. The commit that
is noted is the last that changed the file of registrations, and none where that differs from what git has. A commit is
no proof of when a run was trained.

workflow/schemas/forecast.schema.json says what each key means.

Example:
  python -m workflow.scripts.score_forecast --registered results/reference/registered.json \\
    --runs results/reference/targets/runs.csv --output results/reference/forecast.json
"""

from pathlib import Path

from workflow.scripts.base import cli, schema
from workflow.scripts.base.files import read_json, sha256, write_json
from workflow.scripts.findings.outcome import outcomes, read_measured
from workflow.scripts.forecasts.registered import git


def committed(path: Path) -> tuple[str, str]:
    """The last commit that changed a file, and its date; empty unless the file is just as it is there."""
    folder, name = path.resolve().parent, path.resolve().name
    commit, _, date = git("log", "-1", "--format=%H %cI", "--", name, folder=folder).partition(" ")
    is_so = commit and not git("status", "--porcelain", "--", name, folder=folder)
    return (commit, date) if is_so else ("", "")


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--registered", required=True, type=Path, help="file that register wrote")
    parser.add_argument("--runs", required=True, type=Path, help="table of the runs of its targets")
    parser.add_argument("--output", required=True, type=Path, help="JSON to write")
    args = parser.parse_args(argv)
    registered = read_json(args.registered)
    schema.check(registered, "registered.schema.json", str(args.registered))
    commit, date = committed(args.registered)
    result = {
        "study": registered["study"],
        "commit": commit,
        "committed": date,
        "table_sha256": sha256(args.runs),
        **outcomes(registered, read_measured(args.runs)),
    }
    schema.check(result, "forecast.schema.json", str(args.output))
    write_json(args.output, result)
    print("\n".join(result["said"]))


if __name__ == "__main__":
    cli.run(main)
