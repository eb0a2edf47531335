"""Which differences between models are real, told from their losses on the same tunes, tune by tune.

Each run is a folder with perplexity.json and perplexity_tunes.csv, or such a JSON file. Tunes are resampled for both
models of a pair at once, so that what makes a tune hard for both cancels. A difference is called real if its
p-value, corrected for the number of pairs (Holm 1979), is under 0.05: then the two trained models differ on tunes like
these. Whether their recipes do is for runs of several seeds to say.

Example:
  python -m workflow.scripts.compare results/models/*/1048576-seed0 --json differences.json
"""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from workflow.scripts.base import cli
from workflow.scripts.base.cli import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.base.uncertainty import FEWEST, ratio_means

LEVEL = 0.05


class Run(NamedTuple):
    """Losses of a model: (n_tunes,) nats and characters, and the digest of the tunes' text."""

    name: str
    nats: np.ndarray
    chars: np.ndarray
    text: str


def read(path: str) -> Run:
    """A run's losses.

    Raises:
        InputError: there are none, or the two files are not of one evaluation.
    """
    summary_path = Path(path) / "perplexity.json" if Path(path).is_dir() else Path(path)
    summary = read_json(summary_path)
    if summary.get("loss", 0) is None:
        raise InputError(f"{summary_path} has no loss: the run diverged at step {summary.get('diverged_at_step')}")
    if "text_sha256" not in summary:
        raise InputError(f"{summary_path} does not say which tunes it is of: run calc_perplexity once more")
    table_path = summary_path.with_name(summary_path.stem + "_tunes.csv")
    table = read_csv(table_path, "chars", "nats")
    nats, chars = table["nats"].to_numpy(float), table["chars"].to_numpy(float)
    if len(table) != summary["tunes"] or chars.sum() != summary["chars"]:
        raise InputError(f"{table_path} is not of the same evaluation as {summary_path}: run calc_perplexity once more")
    name = Path(path).resolve()
    return Run("/".join(name.parts[-2:]) if name.is_dir() else str(path), nats, chars, summary["text_sha256"])


def holm(p: np.ndarray) -> np.ndarray:
    """p-values corrected for their number (Holm 1979), in the order given."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return np.minimum(stepped, 1)[np.argsort(order)]


def differences(runs: list[Run]) -> list[dict]:
    """Every pair of runs, the most surely different first: how much more the first loses than the second.

    Raises:
        InputError: two are not of the same tunes, or of too few.
    """
    for run in runs[1:]:
        if run.text != runs[0].text:
            raise InputError(f"{runs[0].name} and {run.name} were not measured on the same tunes")
    if len(runs[0].nats) < FEWEST:
        raise InputError(f"{len(runs[0].nats)} tunes are too few to tell differences from: {FEWEST} are needed")
    pairs = list(itertools.combinations(runs, 2))
    means = ratio_means(np.stack([a.nats - b.nats for a, b in pairs], axis=1), runs[0].chars[:, None])
    # As exact as a t-test of that many tunes, where a share of 2000 draws could not be small enough for many pairs.
    errors = np.array([mean.se for mean in means])
    values = np.array([mean.value for mean in means])
    sizes = np.divide(np.abs(values), errors, out=np.where(values == 0, 0, np.inf), where=errors > 0)
    p = holm(2 * stats.t.sf(sizes, len(runs[0].nats) - 1))
    return [
        {
            "first": pairs[k][0].name,
            "second": pairs[k][1].name,
            "difference": means[k].value,
            "se": means[k].se,
            "ci95": means[k].ci95,
            "p_holm": float(p[k]),
            "real": bool(p[k] < LEVEL),
        }
        for k in np.argsort(-sizes, kind="stable")
    ]


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("runs", nargs="+", help="folders of evaluated runs")
    parser.add_argument("--json", help="file to write every pair to")
    args = parser.parse_args(argv)

    runs = [read(path) for path in args.runs]
    if len(runs) < 2:
        raise InputError("a comparison needs two runs at least")
    found = differences(runs)
    losses = ratio_means(np.stack([run.nats for run in runs], axis=1), runs[0].chars[:, None])
    listed = [
        {"run": run.name, "loss": mean.value, "se": mean.se, "ci95": mean.ci95}
        for run, mean in sorted(zip(runs, losses, strict=True), key=lambda pair: pair[1].value)
    ]
    if args.json:
        write_json(args.json, {"tunes": len(runs[0].nats), "level": LEVEL, "losses": listed, "differences": found})
    width = max(len(run.name) for run in runs)
    for row in listed:
        print(f"{row['run']:<{width}}  {row['loss']:.4f} ± {row['se']:.4f} nats a character")
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
