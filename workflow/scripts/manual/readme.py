"""The tables in README.md, between comments, from what is recorded of the studies and from published exponents."""

import re
from pathlib import Path

import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv, table
from workflow.scripts.figures.summary import with_ends
from workflow.scripts.findings.headline import names_of

LAW = "chinchilla"  # the law of N and D that the papers fit
ROW = ["model", "params_non_embedding", "tokens", "test_loss", "test_loss_low", "test_loss_high", "perplexity", "seed"]


def with_tables(readme: str, docs: Path) -> str:
    """The page with its tables made anew; ``docs`` is the folder of recorded studies.

    Raises:
        InputError: a table that is needed is missing or wrong.
    """
    tables = {"losses": losses(docs), "related work": related(docs)}
    for name, made in tables.items():
        readme = re.sub(
            rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", lambda _, made=made: f"\n{made}\n\n", readme, flags=re.DOTALL
        )
    return readme


def losses(docs: Path) -> str:
    """Test loss of each size of a study at its largest budget that all sizes have, and of the runs that were forecast."""
    rows = []
    for study in ("default", "reference"):
        runs = read_csv(docs / f"{study}-study/runs.csv", "arch", *ROW)
        names = names_of(sorted(set(runs["arch"])))
        sizes = runs.groupby("tokens")["model"].nunique()
        budget = max(sizes.index[sizes == sizes.max()])
        rows += rows_of(study, runs[runs["tokens"] == budget], names)
        if (later := docs / f"{study}-study/targets/runs.csv").exists():
            rows += rows_of(f"{study}, forecast first", read_csv(later, "arch", *ROW), names)
    return table(["study", "tokens", *(f"{kind}: N | loss [95%] | perplexity" for kind in ("Transformer", "LSTM"))], rows)


def rows_of(study: str, runs: pd.DataFrame, names: dict[str, str]) -> list[list[str]]:
    """A row a size, the architectures side by side: their sizes are matched one by one."""
    of_kind = {}
    for arch, some in runs.groupby("arch"):
        means = some.groupby(["params_non_embedding", "tokens"])[ROW[3:7]].mean().reset_index()
        of_kind["LSTM" if "LSTM" in names[str(arch)] else "Transformer"] = list(means.itertuples())
    return [
        [study, short(left.tokens), *map(cells, (left, right))]
        for left, right in zip(of_kind["Transformer"], of_kind["LSTM"], strict=True)
    ]


def cells(run) -> str:
    """Size, loss with the interval over test tunes, and perplexity."""
    interval = f"[{run.test_loss_low:.3f}, {run.test_loss_high:.3f}]"
    return f"{short(run.params_non_embedding)} | {run.test_loss:.3f} {interval} | {run.perplexity:.2f}"


def related(docs: Path) -> str:
    """Exponents of the reference study beside published ones."""
    folder = docs / "reference-study"
    fit = read_json(folder / "fit.json")["groups"]
    names = names_of(sorted(fit))
    rows = [
        [f"this repository: {names[arch]}s on ABC", law["formula"], *(with_ends(law, key) for key in ("alpha", "beta", "E"))]
        for arch, group in sorted(fit.items())
        if (law := group.get(LAW))
    ]
    for paper in read_csv(folder / "published.csv", "source", "arxiv", "what", "law", "alpha", "beta", "E").itertuples():
        values = ["" if pd.isna(value) else f"{value:g}" for value in (paper.alpha, paper.beta, paper.E)]
        link = f"[{paper.source}](https://arxiv.org/abs/{paper.arxiv}): {paper.what}"
        rows.append([link, paper.law, *(values if any(values) else ["not printed"] * 3)])
    return table(["", "law", "α [95%]", "β [95%]", "E [95%]"], rows)
