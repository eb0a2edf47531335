"""Which models differ in loss on the same tunes; or, without several seeds, which trained runs do.

Each run is a folder with config.json, perplexity.json and perplexity_tunes.csv, or such a JSON file. Runs of one model
differ in the seed alone. With several seeds of some models, all at one budget, models are compared: the difference of
their means over seeds against how far other tunes and other seeds would move it. Else runs are compared, and against
other tunes alone: two seeds of one model can differ, too. Tunes are paired in both cases, so that what makes a tune
hard for both cancels. Two differ if their p-value, corrected for the number of pairs (Holm 1979), is under 0.05. Losses
are printed with their standard error, differences with their 95% interval.

Example:
  python -m workflow.scripts.compare results/models/*/1048576-seed* --json differences.json
"""

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json
from workflow.scripts.evaluation.differences import LEVEL, Difference, RunLoss, differences, mean_losses, read_losses
from workflow.scripts.evaluation.over_seeds import model_differences, model_losses, models_of, read_trained, seed_noise


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("runs", nargs="+", help="folders of evaluated runs")
    parser.add_argument("--json", help="file to write every pair to")
    args = parser.parse_args(argv)

    runs = [read_losses(path) for path in args.runs]
    if len(runs) < 2:
        raise InputError("a comparison needs two runs at least")
    trained = [read_trained(path, run) for path, run in zip(args.runs, runs, strict=True)]
    known = [run for run in trained if run]
    models = models_of(known) if len(known) == len(runs) else []
    noise = seed_noise(models) if models else None
    losses = model_losses(models) if models else mean_losses(runs)
    found = model_differences(models) if models else differences(runs)
    tunes = len(runs[0].nats)
    if args.json:
        compared = {
            "compared": "models" if models else "runs",
            "tunes": tunes,
            "level": LEVEL,
            "seeds": {model.name: len(model.runs) for model in models} or None,
            "seed_sd": noise and noise.sd,
            "seed_dof": noise and noise.dof,
        }
        write_json(args.json, compared | {"losses": losses, "differences": found})
    print_tables(losses, found)
    pairs = f"{sum(row['differ'] for row in found)} of {len(found)} pairs"
    if noise:
        print(
            f"Models differ in {pairs} ({len(runs)} runs, {tunes:,} tunes). Seeds of one model have a standard"
            f" deviation of {noise.sd:.4f} nats, pooled over models; its degrees of freedom: {noise.dof}"
        )
    else:
        print(
            f"Trained runs differ in {pairs} on these {tunes:,} tunes. Seeds are not in it: whether models differ"
            " is told from several seeds of each"
        )


def print_tables(losses: list[RunLoss], found: list[Difference]) -> None:
    width = max(len(run["run"]) for run in losses)
    for run in losses:
        print(f"{run['run']:<{width}}  {run['loss']:.4f} ± {run['se']:.4f} nats a character")
    print()
    for row in found:
        low, high = row["ci95"]
        p = f"p {row['p_holm']:.2g}" if row["p_holm"] >= 0.001 else "p < 0.001"
        print(
            f"{row['first']:<{width}}  {row['second']:<{width}}  {row['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
            f"  {p}  {'differ' if row['differ'] else 'not told apart'}"
        )
    print()


if __name__ == "__main__":
    cli.run(main)
