"""Of the page on a study with a registered forecast: its exponents beside those of others, and the best sizes."""

from collections.abc import Mapping, Sequence

import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.base.tables import table
from workflow.scripts.figures.summary import with_ends
from workflow.scripts.findings.words import LAWS, beyond_words, span
from workflow.scripts.manual.record import Record

OURS = ("chinchilla", "chinchilla_tied", "kaplan", "coupled", "power", "power_irreducible")
UNIT = "nats a character"
PUBLISHED = ("source", "arxiv", "what", "law", "alpha", "beta", "E", "unit", "where")
OF_OTHERS = (
    "α is how loss falls with parameters, β with tokens, E what is left. They are of different texts, tokens, sizes and"
    " laws, so a row says where it stands and none confirms or refutes another; E is in the unit of its row. Of N alone"
    " α is at one budget of tokens. Brackets: 95%, where the source has them or its runs give them."
)


def section(record: Record, published: pd.DataFrame | None, original: Mapping[str, Mapping]) -> list[str]:
    """Exponents of this study, of the logs of the original one, and of papers.

    Args:
        published: a row a source, with the columns `PUBLISHED`.
        original: laws of the original's runs, by what is said of these, then by who reports them.
    """
    rows = [
        [f"this study, {record.names[arch]}", LAWS[name], *(with_ends(law, key) for key in ("alpha", "beta", "E")),
         UNIT, f"{law['n_rows']} runs; `fit.json`"]
        for arch, group in sorted(record.fit["groups"].items())
        for name in OURS
        if (law := group.get(name))
    ]  # fmt: skip
    rows += [
        [f"the original study, {name}{which}", LAWS[law_name],
         *(with_ends(law, key) for key in ("alpha", "beta", "E")), UNIT, f"{law['n_rows']} runs; `docs/original-study`"]
        for which, groups in original.items()
        for name, group in groups.items()
        for law_name in ("power", "power_irreducible")
        if (law := group.get(law_name))
    ]  # fmt: skip
    if published is not None:
        rows += [published_row(row) for row in published.to_dict("records")]
    header = ["what", "law", "α", "β", "E", "unit of the loss", "where"]
    missing = [] if published is not None else ["`published.csv` is not there: rows of papers are left out."]
    return [OF_OTHERS, table(header, rows), *missing]


def published_row(row: Mapping) -> list[str]:
    """A paper's row: its numbers as they are in the file; of a number that it does not print, that."""
    link = f"[{row['source']}](https://arxiv.org/abs/{row['arxiv']})"
    values = ["" if pd.isna(row[key]) else f"{row[key]:g}" for key in ("alpha", "beta", "E")]
    if not any(values):
        values = ["not printed", "not printed", "not printed"]
    return [f"{link}: {row['what']}", row["law"], *values, row["unit"], row["where"]]


def best_sizes(record: Record, answers: Mapping[str, Sequence[Mapping]]) -> list[str]:
    """Which size is best for some amounts of compute.

    Args:
        answers: ``best_for`` of each architecture, as fit.json has it.
    """
    rows, absent = [], []
    for arch, found in answers.items():
        for one in found:
            if one["absent"]:
                absent.append(f"{record.names[arch]}, {one['flops']:.2g} FLOP: no best size: {one['absent']}.")
                continue
            n, d = (f"{short(one[key])} {span(one['ci95'][key])}" for key in ("params", "tokens"))
            loss = f"{one['loss']:.3f} {span(one['pi95'], '{:.3f}'.format)}" if one["loss"] else ""
            ratio = f"{one['tokens'] / one['params']:.1f}"
            rows.append([record.names[arch], f"{one['flops']:.2g}", n, d, ratio, loss, LAWS[one["told"]],
                         beyond_words(one["beyond"])])  # fmt: skip
    if not rows:
        return absent or ["No best size is known: it needs a law of N and D."]
    header = ["architecture", "FLOP", "best N [95%]", "its tokens [95%]", "tokens / N", "loss [95%]", "law", "how far"]
    return [
        "By the law that forecast runs of more FLOP best, at the cost of a token that these runs have. The intervals"
        " are over draws of that law, of Chinchilla's and of the coupled one; `none` is an end that they leave open.",
        table(header, rows),
        *absent,
    ]
