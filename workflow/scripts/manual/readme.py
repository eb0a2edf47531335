"""The tables in README.md, from what is recorded of the studies and from published exponents."""

from pathlib import Path

import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv, table
from workflow.scripts.figures.summary import with_ends
from workflow.scripts.findings.headline import names_of
from workflow.scripts.findings.ngram_losses import at_largest_budget
from workflow.scripts.findings.words import formula

LAW = "chinchilla"  # the law of N and D that the papers fit
KEYS = ("alpha", "beta", "E")
SIZE = ["params_non_embedding", "tokens"]
MEANS = ["test_loss", "test_loss_low", "test_loss_high", "perplexity"]
KINDS = ("Transformer", "LSTM")


def losses(docs: Path) -> str:
    """Test loss of each size at the largest budget that all sizes have, and of the runs that were forecast."""
    rows = []
    for study in ("default", "reference"):
        folder = docs / f"{study}-study"
        runs = read_csv(folder / "runs.csv", "arch", "model", *SIZE, *MEANS)
        rows += rows_of(study, at_largest_budget(runs))
        if (later := folder / "targets" / "runs.csv").exists():
            rows += rows_of(f"{study}, forecast before", read_csv(later, "arch", *SIZE, *MEANS))
    return table(
        ["study", "tokens", *(f"{kind}{what}" for kind in KINDS for what in (", N", ", loss", ", perplexity"))], rows
    )


def rows_of(study: str, runs: pd.DataFrame) -> list[list[str]]:
    """A row a size, with the architectures side by side: their sizes are matched one by one."""
    names = names_of(sorted(set(runs["arch"])))
    kind = runs["arch"].map(lambda arch: next(kind for kind in KINDS if kind in names[arch]))
    sides = [list(runs[kind == one].groupby(SIZE)[MEANS].mean().reset_index().itertuples()) for one in KINDS]
    return [[study, short(left.tokens), *cells(left), *cells(right)] for left, right in zip(*sides, strict=True)]


def cells(run) -> list[str]:
    """Size, loss with its interval over test tunes, and perplexity."""
    loss = f"{run.test_loss:.3f} [{run.test_loss_low:.3f}, {run.test_loss_high:.3f}]"
    return [short(run.params_non_embedding), loss, f"{run.perplexity:.2f}"]


def related(docs: Path) -> str:
    """Exponents of the reference study beside published ones."""
    folder = docs / "reference-study"
    fit = read_json(folder / "fit.json")["groups"]
    names = names_of(sorted(fit))
    rows = [
        [f"this repository: {names[arch]}s on ABC", formula(law), *(with_ends(law, key) for key in KEYS)]
        for arch, group in sorted(fit.items())
        if (law := group.get(LAW))
    ]
    for paper in read_csv(folder / "published.csv", "source", "arxiv", "what", "law", *KEYS).itertuples():
        values = ["" if pd.isna(value) else f"{value:g}" for value in (paper.alpha, paper.beta, paper.E)]
        link = f"[{paper.source}](https://arxiv.org/abs/{paper.arxiv}): {paper.what}"
        rows.append([link, paper.law, *(values if any(values) else ["not printed"] * 3)])
    return table(["", "law", "α [95%]", "β [95%]", "E [95%]"], rows)
