"""Units of a table: losses in nats, amounts that can be what their columns say, and what looks wrong about either."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.tables.columns import AMOUNTS, Taken, called, kind_of_loss, short
from workflow.scripts.tables.headings import heading
from workflow.scripts.tables.rows import lines_of

LOSS_UNITS = ("nats", "bits", "ppl")
LARGEST_VOCABULARY = 300_000  # no tokenizer in use has more, so that no loss of a token above its log is a guess's
# No run is beyond these, nor do squares and products of them overflow.
LIMITS = {"params": 1e18, "tokens": 1e24, "unique_tokens": 1e24, "flops": 1e45, "loss": 1e9, "loss_se": 1e9,
          "params_log_se": 1e3}  # fmt: skip
LOWEST_LOSS = 1e-9
SAME = 2e-3  # losses that differ by less, as by rounding, are the same
FLOPS_OFF = 100.0  # times 6 N D, or as little of it, that no way to count FLOP explains


def in_nats(table: pd.DataFrame, unit: str) -> list[str]:
    """Turn ``loss`` and ``loss_se`` into nats, in place, and say so; a standard error by the slope of the logarithm."""
    if unit == "bits":
        table[["loss", "loss_se"]] *= np.log(2)
        return ["losses are in bits: times ln 2 they are nats, which is what is fitted"]
    if unit == "ppl":
        table["loss_se"] /= table["loss"]
        table["loss"] = np.log(table["loss"])
        return ["losses are perplexities: their logarithms, in nats, are fitted"]
    return []


def refuse_impossible(
    table: pd.DataFrame,
    text: pd.DataFrame,
    taken: Mapping[str, Taken],
    lines: Sequence[int],
    unit: str,
    where: str,
) -> None:
    """
    Args:
        table: numbers, all above 0, with losses as they were given.
        text: the cells that they are of, as they were written.
        taken: the columns that they are from.
        lines: of each row in the file.
        unit: of the losses.
        where: the file.

    Raises:
        InputError: params and loss are swapped, or numbers are too small or large to be what they are said to be.
    """
    params, loss = table["params"], table["loss"]
    if unit == "nats" and params.max() < 100 <= loss.min():
        spans = [f"{name} ({table[name].min():.4g} to {table[name].max():.4g})" for name in ("params", "loss")]
        turned = f"--columns params={taken['loss'].column},loss={taken['params'].column}"
        raise InputError(f"{where}: {' and '.join(spans)} look swapped: {turned} turns them")
    for name in AMOUNTS:
        small = np.flatnonzero(table[name] < 1).tolist()
        if small:
            cell = text[name].iloc[small[0]]
            told = f"{where} line {lines[small[0]]}: {called(name, taken)} is {short(cell)}, below 1"
            how = f"'{name} (B)' as the name of the column, or {cell}B in its cells, says so"
            raise InputError(f"{told}: is it in millions or billions? {how}")
    for name, limit in LIMITS.items():
        large = np.flatnonzero(table[name] > limit).tolist()
        if large and not (name == "loss" and unit == "ppl"):
            cell = short(text[name].iloc[large[0]])
            raise InputError(
                f"{where} line {lines[large[0]]}: {called(name, taken)} is {cell}, above {limit:.0e}, which no run has"
            )
    low = np.flatnonzero(loss <= 1).tolist() if unit == "ppl" else np.flatnonzero(loss < LOWEST_LOSS).tolist()
    if low:
        cell = short(text["loss"].iloc[low[0]])
        why = "a perplexity that is not above 1" if unit == "ppl" else f"below {LOWEST_LOSS:.0e}, which no run has"
        raise InputError(f"{where} line {lines[low[0]]}: {called('loss', taken)} is {cell}, {why}")


def doubts(table: pd.DataFrame, raw: pd.DataFrame, lines: Sequence[int], unit: str) -> list[str]:
    """Sentences about numbers that look as if they were in other units than they are said to be in.

    Args:
        table: numbers, with losses in nats.
        raw: all columns as they were written, under their own names.
        lines: of each row in the file.
        unit: that the losses were given in.
    """
    found = []
    params, tokens, flops = table["params"], table["tokens"], table["flops"]
    if params.max() < 1000 and (params % 1 != 0).any():
        found.append(f"params are {params.min():.4g} to {params.max():.4g}, not all whole: are they in millions?")
    if tokens.max() < 1000 and params.min() >= 1e5:
        found.append(f"tokens are {tokens.min():.4g} to {tokens.max():.4g}, fewer than params: are they in billions?")
    off = np.exp(np.nanmedian(np.log(flops / (6 * params * tokens)))) if (flops * tokens).notna().any() else 1.0
    if not 1 / FLOPS_OFF < off < FLOPS_OFF:
        found.append(f"flops are {off:.2g} times 6 N D: are flops, params and tokens in the units they should be in?")
    return found + doubts_of_loss(table["loss"], raw, lines, unit)


def doubts_of_loss(loss: pd.Series, raw: pd.DataFrame, lines: Sequence[int], unit: str) -> list[str]:
    """Sentences about losses worse than a guess, or in the unit of a column beside them; see `doubts`."""
    found = []
    vocabulary, of = np.full(len(loss), float(LARGEST_VOCABULARY)), "no tokenizer has more"
    for name in raw.columns.astype(str):
        named = heading(name)
        kind = kind_of_loss(named)[0]
        if named.words - {"size", "n"} in ({"vocab"}, {"vocabulary"}):
            sizes = pd.to_numeric(raw[name], errors="coerce").to_numpy(float)
            vocabulary, of = np.where(sizes > 1, sizes, LARGEST_VOCABULARY), short(name)
        elif unit == "nats" and kind in ("ppl", "bits") and "train" not in named.words:
            beside = pd.to_numeric(raw[name], errors="coerce").to_numpy(float)
            if wrong := unit_beside(loss.to_numpy(), beside, kind):
                found.append(f"loss is in {wrong}, as {short(name)} beside it tells: --loss-unit {wrong} makes it nats")
    limits = np.log(vocabulary)
    if high := np.flatnonzero(loss.to_numpy() > limits).tolist():
        guess = f"{limits[high[0]]:.3g} nats, a guess among {vocabulary[high[0]]:,.0f} tokens ({of})"
        another = ", or losses are in another unit (--loss-unit bits or ppl)" if unit == "nats" else ""
        told = lines_of([lines[place] for place in high])
        found.append(f"loss is above {guess}, in {told}: such runs diverged{another}")
    return found


def unit_beside(loss: np.ndarray, beside: np.ndarray, kind: str) -> str:
    """The unit, bits or ppl, that losses (n,) are in by perplexities or bits (n,) of the same runs; '' if it is nats.

    Args:
        kind: unit of the column beside: ppl or bits.
    """
    if not ((beside > 0) & np.isfinite(beside)).all():
        return ""
    ppl, bits = (beside, np.log2(beside)) if kind == "ppl" else (np.full_like(beside, np.nan), beside)
    return next((unit for unit, same in (("bits", bits), ("ppl", ppl)) if np.allclose(loss, same, rtol=SAME)), "")
