"""Copy what is to be kept of a study into a folder in git: tables, fits, figures and a few tunes, but no weights.

From the tables alone every figure is redrawn where no model and no corpus is:
`snakemake --cores 1 figures --configfile ...`, if the study's `recorded` names the folder. summary.md becomes its
README.md; of a study with a registered forecast it stays summary.md, and README.md is the page on the forecast.

Example:
  python -m workflow.scripts.record --results results/reference --corpus data/corpora/abc_collection \\
      --output docs/reference-study
"""

import shutil
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import CAPTIONS, atomic_path, write_text

NEEDED = "runs.csv"
TABLES = (
    "fit.json", "curves.csv", "strata.csv", "writing.csv", "baselines.csv", "registered.json", "forecast.json",
    "lr_transfer.csv", "lr_transfer.json", "ablations.csv", "ablations.json", "plan.json", "targets/runs.csv",
    "targets/curves.csv", "targets/strata.csv", "targets/writing.csv", "model_card.md", "split_gap.csv",
    "split_gap.json", "missing.csv", "carried.json",
)  # fmt: skip
OF_CORPUS = ("corpus.json", "corpus.png")
TUNES = 3  # of each model, as they were drawn: the first ones


def files_of(results: Path, corpus: Path, record: Path) -> dict[str, Path]:
    """What is copied, by its name in the record.

    Raises:
        InputError: there are no runs, here or on record.
    """
    if not any((folder / NEEDED).exists() for folder in (results, record)):
        raise InputError(f"{results / NEEDED} does not exist: finish the study first, or some of its runs")
    wanted = {name: results / name for name in (NEEDED, *TABLES)}
    wanted |= {path.name: path for path in sorted(results.glob("*.png"))}
    wanted |= {f"{CAPTIONS}/{path.name}": path for path in sorted(results.glob(f"{CAPTIONS}/*.md"))}
    wanted |= {name: corpus / name for name in OF_CORPUS}
    if (record / "plan.json").exists():  # it was made where the first of its runs were trained
        del wanted["plan.json"]
    is_registered = any((folder / "registered.json").exists() for folder in (results, record))
    wanted["summary.md" if is_registered else "README.md"] = results / "summary.md"
    return {name: path for name, path in wanted.items() if path.exists()}


def tunes_of(results: Path) -> dict[str, str]:
    """The first tunes of each model's first seed, as one book of ABC for each, by its name in the record."""
    books: dict[str, str] = {}
    for folder in sorted(results.glob("*/*/*/samples")):
        kind, model, _ = folder.relative_to(results).parts[:3]
        tunes = sorted(folder.glob("*.abc"))[:TUNES]
        if kind in ("models", "targets") and tunes:
            texts = [tune.read_text(encoding="utf-8").strip() + "\n" for tune in tunes]
            books.setdefault(f"samples/{model}.abc", "\n".join(texts))
    return books


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--results", default="results", help="folder of the study's results")
    parser.add_argument("--corpus", required=True, help="folder of its prepared corpus")
    parser.add_argument("--output", required=True, help="folder to copy into")
    args = parser.parse_args(argv)
    if not args.output:
        raise InputError("no folder to copy into: the study's config names none as recorded")
    results, output = Path(args.results), Path(args.output)
    found = files_of(results, Path(args.corpus), output)
    for name, path in found.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
    for name, book in tunes_of(results).items():
        write_text(output / name, book)
    print(f"copied {len(found)} files to {output}")


if __name__ == "__main__":
    cli.run(main)
