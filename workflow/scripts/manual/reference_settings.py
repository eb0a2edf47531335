"""Of the page on a study with a registered forecast: learning rates, other settings, and what the models write."""

from collections.abc import Mapping

import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.amounts import short
from workflow.scripts.base.tables import table
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.evaluation.ablations import (
    ARCHS,
    BASE,
    BEATS,
    MARGIN,
    MOST_FLOPS,
    as_markdown,
    difference_in_words,
    parts_in_words,
)
from workflow.scripts.figures import ablations, transfer
from workflow.scripts.findings.headline import names_of
from workflow.scripts.findings.written import pooled, unprompted
from workflow.scripts.manual.record import Record

PRECISION, SMALL_CHANGE = "bfloat16", 0.003  # nats: less than that is no change that matters here
RATES = {
    "grammar kept": measures.SYNTAX,
    "abc2midi finds no error": measures.TOOLS,
    "every bar right": measures.RHYTHM,
    "ended by its writer": measures.ENDED,
    "copied": measures.COPIED,
}
NO_PART, NO_MUON = ARCHS["gpt"], ARCHS["lstm"]
MUON_ALONE = parts_in_words({"arch": "modern", "parts": "muon"})
WHAT = {"width": "units of width", "depth": "layers", "horizon": "tokens"}


def learning_rates(record: Record) -> list[str]:
    """How far the best rate moves, in words, and the figure."""
    found = record.json("lr_transfer.json")
    if not found:
        return ["No trials of learning rates are recorded yet."]
    trials = record.csv("lr_transfer.csv", "model", "tokens", "learning_rate", "seed")
    counts = (
        sorted(set(trials.groupby(["model", "tokens", "learning_rate"])["seed"].nunique()))
        if trials is not None
        else []
    )
    seeds = f"{counts[0]} seed{'s' if counts[0] > 1 else ''} at each rate" if len(counts) == 1 else "some seeds at each"
    said = [
        f"- {record.names.get(arch, arch.upper())}: {move_words(moves[kind], kind)}"
        for arch, moves in found["archs"].items()
        for kind in WHAT
        if kind in moves
    ]
    for arch, moves in found["archs"].items():
        lost, name = moves["most_lost_at_rate_in_use"], record.names.get(arch, arch.upper())
        if lost is not None:
            said.append(f"- {name}: the rate in use, {rate_words(moves)}, loses at most {lost:.4f} nats to the best one"
                        f" tried, of {moves['trials']} trials.")  # fmt: skip
    has_figure = record.has("lr_transfer.png")
    figure = ["![Validation loss against learning rate](lr_transfer.png)", transfer.CAPTION] if has_figure else []
    note = f"Optima are vertices of parabolas through three trials, {seeds}; they have no intervals."
    return [note, "\n".join(said), *figure]


def rate_words(moves: Mapping) -> str:
    """The rate in use, and how it falls with tokens."""
    if "exponent_in_use" not in moves:
        return f"{moves['rate_in_use']:g}"
    tokens = short(moves["tokens_in_use"])
    return f"{moves['rate_in_use']:g} at {tokens} tokens and otherwise as their power {moves['exponent_in_use']:g}"


def move_words(line: Mapping, kind: str) -> str:
    """By how much the best rate moves along one direction."""
    shown = short if kind == "horizon" else str
    said = (
        f"from {shown(line['from'])} to {shown(line['to'])} {WHAT[kind]} the best"
        f" rate moves by a factor of {line['optimum_moves_by_factor']:.2f}"
    )
    if line.get("exponent") is not None:
        said += f" (tokens to the power {round(line['exponent'], 2) + 0.0:.2f})"
    ends = "" if line["all_bracketed"] else "; not every optimum is between two trials, so that may be more"
    return f"{said}{ends}."


def settings(record: Record) -> list[str]:
    """What other settings cost or gain, as tables and in words."""
    found = record.json("ablations.json")
    if not found:
        return ["No trials of other settings are recorded yet."]
    parts = [
        "Each setting at its own best rate, beside the base. Difference: validation loss in nats a character,"
        " with 95% over tunes, paired tune by tune; how far seeds differ is not in it."
    ]
    if said := parts_words(found):
        parts.append(said)
    names = names_of(list(found["bases"]))
    for group, base in found["bases"].items():
        own = [entry for entry in found["settings"] if entry["group"] == group]
        parts += [f"### {names[group]}: beside {base}", as_markdown(found, group)]
        parts.append("\n".join(f"- {one}" for one in (better_words(own), *map(precision_words, precisions(own)))))
    if record.has("ablations.png"):
        parts += ["![What each setting loses or gains beside the base](ablations.png)", ablations.CAPTION]
    return parts


def parts_words(found: Mapping) -> str:
    """How far the Transformer is behind the LSTM with and without what the bases add to them, and what Muon does alone.

    Empty where not all of these were tried.
    """
    of_group = {
        group: {entry["setting"]: entry for entry in found["settings"] if entry["group"] == group}
        for group in found["bases"]
    }
    wanted = {"gpt": (NO_PART, MUON_ALONE, BASE), "lstm": (NO_MUON, BASE)}
    if any(name not in of_group.get(group, {}) for group, names in wanted.items() for name in names):
        return ""
    (none, alone, every), (plain, muon) = ([of_group[group][name] for name in names] for group, names in wanted.items())

    def behind(first: Mapping, second: Mapping) -> str:
        gap = first["best_loss"] - second["best_loss"]
        return f"{abs(gap):.3f} nats {'behind' if gap > 0 else 'ahead of'}"

    return (
        f"At {short(every['tokens'])} tokens the Transformer of {short(none['params_non_embedding'])} parameters with"
        f" {none['setting']} is {behind(none, plain)} the LSTM of {short(plain['params_non_embedding'])} with"
        f" {plain['setting']}, and the base of the one is {behind(every, muon)} that of the other. Beside its base the"
        f" Transformer with {none['setting']} is at {difference_in_words(none)}, and with Muon alone at"
        f" {difference_in_words(alone)}."
    )


def better_words(entries: list[dict]) -> str:
    """Which settings beat the base by the margin, at a cost that is about equal."""
    better = [entry for entry in entries if entry[BEATS]]
    bound = f"by more than {MARGIN:g} nats at no more than {MOST_FLOPS:g} times the FLOP"
    if not better:
        return f"No setting tried beats the base {bound}."
    sure = [entry for entry in better if entry["difference_ci95"][1] < -MARGIN]
    told = ", ".join(f"{entry['setting']} ({difference_in_words(entry)})" for entry in better)
    held = "the whole interval is beyond that" if len(better) == 1 else "whole intervals are beyond that"
    surely = f"; {held}" if len(sure) == len(better) else f"; of {len(sure)} of {len(better)} {held}"
    return f"Better {bound}: {told}{surely}."


def precisions(entries: list[dict]) -> list[dict]:
    """The settings that differ from the base in the precision alone."""
    return [entry for entry in entries if entry["setting"] == PRECISION and entry["difference_ci95"]]


def precision_words(entry: dict) -> str:
    """Whether another precision changes the loss."""
    low, high = entry["difference_ci95"]
    if low > -SMALL_CHANGE and high < SMALL_CHANGE:
        what = f"changes the loss by less than {SMALL_CHANGE:g}"
    elif low > SMALL_CHANGE or high < -SMALL_CHANGE:
        what = f"changes the loss by more than {SMALL_CHANGE:g}"
    else:
        what = f"may change the loss by more than {SMALL_CHANGE:g} or less, which these tunes do not decide"
    return f"{PRECISION} {what}: {difference_in_words(entry)}."


def rates_by_size(record: Record) -> dict[str, dict[str, pd.DataFrame]]:
    """Of each architecture each of the `RATES` by size, with its interval, seeds together."""
    if record.writing is None:
        return {}
    rows = unprompted(record.writing)
    return {
        arch: {name: pooled(rows[rows["arch"] == arch], rate) for name, rate in RATES.items()} for arch in record.archs
    }


def written(record: Record, caption: str) -> list[str]:
    """Rates of what the models of each size write, and which of them change with size, and the figure."""
    if record.writing is None:
        return ["Nothing that the models write is recorded yet."]
    rows = unprompted(record.writing)
    lines, said = [], []
    for arch, by_size in rates_by_size(record).items():
        sizes = rows[rows["arch"] == arch].groupby("params_non_embedding")
        for size, own in sizes:
            cells = [rate_text(found.loc[size]) if size in found.index else "" for found in by_size.values()]
            lines.append(
                [record.names[arch], short(size), short(own["tokens"].max()), f"{own['samples'].sum():,.0f}", *cells]
            )
        said.append(f"- {record.names[arch]}: {changes(by_size)}")
    real = rows[rows["writer"] == "real"]
    if len(real):
        cells = [real_text(real, rate) for rate in RATES.values()]
        lines.append(["real tunes", "", "", f"{real['samples'].sum():,.0f}", *cells])
    missing = [] if record.has("targets/writing.csv") else ["What the forecast runs write is not recorded yet."]
    return [
        "Shares of tunes, seeds of a size together, with 95% (Wilson).",
        table(["writer", "N", "D", "tunes", *RATES], lines),
        "Between the smallest size and the largest, which read more tokens if it was forecast, by whether the intervals"
        " of the two are apart:",
        "\n".join(said),
        "![Shares of tunes that pass each check, against parameters, with lines for real tunes and n-grams]"
        "(writing.png)",
        caption,
        *missing,
    ]


def rate_text(found: pd.Series) -> str:
    """A rate with its interval, in per cent."""
    return f"{found['rate']:.0%} [{found['low']:.0%}, {found['high']:.0%}]"


def real_text(real: pd.DataFrame, rate: measures.Rate) -> str:
    """The rate of real tunes; they are one writer, so it is a row."""
    row = real.iloc[0]
    if pd.isna(row[rate.rate]) or not row[rate.n]:
        return ""
    low, high = wilson(round(row[rate.rate] * row[rate.n]), int(row[rate.n]))
    return rate_text(pd.Series({"rate": row[rate.rate], "low": low, "high": high}))


def changes(by_size: Mapping[str, pd.DataFrame]) -> str:
    """Which rates rise, which fall, and which cannot be told apart, from the smallest size to the largest."""
    told: dict[str, list[str]] = {"rises": [], "falls": [], "cannot be told apart": []}
    for name, found in by_size.items():
        if len(found) > 1:
            small, large = found.iloc[0], found.iloc[-1]
            way = "rises" if large["low"] > small["high"] else "falls" if large["high"] < small["low"] else ""
            told[way or "cannot be told apart"].append(f"*{name}*")
    return "; ".join(f"{way}: {', '.join(names)}" for way, names in told.items() if names) + "."
