"""How far the first characters of tunes, which are nearly the same in all, lower a loss.

Needs the rows of strata.csv.
"""

import pandas as pd

from workflow.scripts.base.measures import START

# Of strata.csv.
STRATA = ("arch", "params_non_embedding", "by", "start", "stop", "model", "seed", "tunes", "chars", "loss")


def without_start(strata: pd.DataFrame) -> pd.DataFrame:
    """Test losses with and without the first `START` characters of each tune, by model, the mean over seeds.

    Returns:
        model, arch, params_non_embedding, loss and loss_without_start (nats a character), ascending in size; none where
        tokens are not characters, so that the strata do not say where a tune's first characters end.
    """
    places = strata[strata["by"] == "position"]
    first = places[places["start"] == 0]
    keys = ["arch", "params_non_embedding", "model", "seed"]
    if not (first["chars"] == first["tunes"]).all() or START not in set(places["start"]):
        return pd.DataFrame(columns=[*keys[:3], "loss", "loss_without_start"])
    later = places["start"] >= START
    nats = places["loss"] * places["chars"]
    found = pd.DataFrame({"nats": nats, "chars": places["chars"], "late_nats": nats * later,
                          "late_chars": places["chars"] * later})  # fmt: skip
    sums = found.groupby([places[key] for key in keys]).sum()
    losses = pd.DataFrame({
        "loss": sums["nats"] / sums["chars"], "loss_without_start": sums["late_nats"] / sums["late_chars"],
    })  # fmt: skip
    return losses.groupby(level=keys[:3]).mean().reset_index()


def start_sentence(strata: pd.DataFrame) -> str:
    """By how much the first characters of all tunes, which are alike, lower the losses; empty if that is not known."""
    losses = without_start(strata)
    if losses.empty:
        return ""
    lower = 1 - losses["loss"] / losses["loss_without_start"]
    by = f"{lower.min():.1%}" + (f" to {lower.max():.1%}" if f"{lower.max():.1%}" != f"{lower.min():.1%}" else "")
    largest = losses.loc[losses.groupby("arch")["params_non_embedding"].idxmax()]
    told = ", ".join(
        f"{row.model} {row.loss_without_start:.3f} (with them {row.loss:.3f})" for row in largest.itertuples()
    )
    return (
        f"Cleaning makes the first {START} characters of nearly all tunes alike, which lowers the mean loss by {by}."
        f" Without them it is, at the largest sizes: {told}."
    )
