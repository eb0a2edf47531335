"""What tunes pass which checks: models by their size, and the n-grams that pass more than any of them.

Needs the rows of writing.csv.
"""

import numpy as np
import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.uncertainty import wilson

COLUMNS = (
    "writer", "arch", "params_non_embedding", "prompt", "samples",
    measures.SYNTAX.rate, measures.BARS_RIGHT.rate, measures.COPIED.rate, measures.SIMILARITY,
)  # fmt: skip
TITLES = {
    measures.SYNTAX: "Grammar of ABC 2.1 kept",
    measures.TOOLS: "abc2midi reports no error",
    measures.COMPILES: "abc2midi's MIDI has notes",
    measures.MUSIC21: "music21 makes MIDI of it",
    measures.RHYTHM: "Every bar as long as its meter",
    measures.ENDED: "Ended by its writer",
}


def unprompted(writing: pd.DataFrame) -> pd.DataFrame:
    """The rows of what was written without a prompt."""
    return writing[writing["prompt"].isna()]


def name_of(writer: str) -> str:
    """What the legend calls a baseline."""
    return "real tunes" if writer == "real" else f"{writer.removeprefix('ngram')}-gram"


def pooled(rows: pd.DataFrame, rate: measures.Rate) -> pd.DataFrame:
    """A rate of each size over all its seeds, with the ends of its 95% interval."""
    known = rows[rows[rate.rate].notna()]
    n = known[rate.n].groupby(known["params_non_embedding"]).sum()
    count = (known[rate.rate] * known[rate.n]).groupby(known["params_non_embedding"]).sum().round()
    ends = np.array([wilson(int(k), int(m)) for k, m in zip(count, n, strict=True)]).reshape(-1, 2)
    return pd.DataFrame({"rate": count / n, "low": ends[:, 0], "high": ends[:, 1]})


def beaten_by_ngrams(writing: pd.DataFrame) -> str:
    """Which checks an n-gram passes more often than the models of all sizes; empty if none.

    It does where its 95% interval is above those of all sizes, seeds of a size together.
    """
    own = unprompted(writing)
    models, ngrams = own[own["arch"].notna()], own[own["writer"].str.startswith("ngram")]
    found: dict[str, list[str]] = {}
    for rate, title in TITLES.items():
        sizes = pd.concat([pooled(rows, rate) for _, rows in models.groupby("arch")])
        for _, row in ngrams[ngrams[rate.rate].notna()].iterrows():
            n = int(row[rate.n])
            if len(sizes) and wilson(round(row[rate.rate] * n), n)[0] > sizes["high"].max():
                told = f"{title[0].lower()}{title[1:]} ({row[rate.rate]:.0%}, models at most {sizes['rate'].max():.0%})"
                found.setdefault(name_of(row["writer"]), []).append(told)
    return " ".join(
        f"The {name} passes more often than models of any size, by their 95% intervals: {'; '.join(steps)}."
        for name, steps in found.items()
    )
