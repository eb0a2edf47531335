"""Which differences between models are real, told from their losses on the same tunes, tune by tune.

Each run is a folder with perplexity.json and perplexity_tunes.csv, or such a JSON file. Tunes are resampled for both
models of a pair at once, so that what makes a tune hard for both cancels. A difference is called real if its
p-value, corrected for the number of pairs (Holm 1979), is under 0.05: then the two trained models differ on tunes like
these. Whether their recipes do is for runs of several seeds to say.

Example:
  python -m workflow.scripts.compare results/models/*/1048576-seed0 --json differences.json
"""

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.evaluation.differences import LEVEL, differences, mean_losses, read_losses


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("runs", nargs="+", help="folders of evaluated runs")
    parser.add_argument("--json", help="file to write every pair to")
    args = parser.parse_args(argv)

    runs = [read_losses(path) for path in args.runs]
    if len(runs) < 2:
        raise InputError("a comparison needs two runs at least")
    losses, found = mean_losses(runs), differences(runs)
    if args.json:
        write_json(args.json, {"tunes": len(runs[0].nats), "level": LEVEL, "losses": losses, "differences": found})
    width = max(len(run.name) for run in runs)
    for run in losses:
        print(f"{run['run']:<{width}}  {run['loss']:.4f} ± {run['se']:.4f} nats a character")
    print()
    for row in found:
        low, high = row["ci95"]
        print(
            f"{row['first']:<{width}}  {row['second']:<{width}}  {row['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
            f"  p {row['p_holm']:.2g}  {'real' if row['real'] else 'not told apart'}"
        )
    real = sum(row["real"] for row in found)
    print(f"\n{real} of {len(found)} differences are real, on {len(runs[0].nats):,} tunes")


if __name__ == "__main__":
    cli.run(main)
