"""Of the page on a study with a registered forecast: what is known now and what is not, in plain words."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.summary import with_ends
from workflow.scripts.findings.headline import Headline, measured, times, whole_sentence
from workflow.scripts.findings.seeds import spread_over_seeds
from workflow.scripts.findings.words import LAWS
from workflow.scripts.manual.record import Record, laws_of
from workflow.scripts.manual.reference_settings import rate_text, rates_by_size

ADDS, NO_FLOOR = "chinchilla", "kaplan"  # the law that adds a term of N to one of D; the law that ends in zero
TOKENS_A_PARAMETER = 20  # about what Hoffmann et al. 2022 find best for text
SURE = 1.96  # standard errors
GRAMMAR, BARS = "grammar kept", "every bar right"


def section(record: Record, derived: Mapping) -> list[str]:
    """What is known, then what is not.

    Args:
        derived: ``best_for`` and ``joined_later``, as they are in derived.json.
    """
    runs = record.runs
    said = [
        f"Known: losses of {len(runs)} runs from {short(runs['params_non_embedding'].min())} to"
        f" {short(runs['params_non_embedding'].max())} parameters, {short(runs['tokens'].min())} to"
        f" {short(runs['tokens'].max())} tokens and {runs['seed'].nunique()} seeds.",
        of_forecast(record.head),
        of_floor(record),
        of_gap(record, derived["joined_later"]),
        of_best_size(record, derived["best_for"]),
        of_writing(record),
        "Not known: whether any of it holds for another corpus, another notation or another tokenizer. One corpus has"
        " been trained on here.",
        not_reached(record),
        of_one_seed(record.targets),
    ]
    return ["\n".join(f"- {one}" for one in sorted(filter(None, said), key=lambda one: one.startswith("Not")))]


def of_forecast(head: Headline) -> str:
    """What the forecast has shown so far."""
    if not head.targets:
        return "Not known: whether the laws forecast larger runs. No forecast is registered."
    if not measured(head.targets):
        most = times(max(target.times_flops for target in head.earliest))
        return f"Not known yet: whether the laws hold at {most} times the compute. The forecast is registered."
    said = whole_sentence(head)
    return f"Known: {said[0].lower()}{said[1:]}."


def of_floor(record: Record) -> str:
    """Whether loss has a floor that no size and no tokens get under: by the law of each architecture, empty without.

    Nobody knows while a law that has none forecasts larger runs, too.
    """
    floors, above_zero = [], True
    for arch in record.archs:
        if with_floor := [(name, law) for name, law in laws_of(record, arch) if "E" in law]:
            name, law = with_floor[0]
            above_zero &= law["ci95"]["E"][0] > 0
            floors.append(f"{with_ends(law, 'E')} ({record.names[arch]}, {LAWS[name]})")
    if not floors:
        return ""
    targets = record.forecast["registrations"][0]["targets"] if record.forecast else []
    laws = [target["laws"].get(NO_FLOOR) for target in targets if target["observed"] and not target["after_outcome"]]
    tried = [law for law in laws if law]
    held = [law for law in tried if law["inside"]]
    said = "Known: loss falls" if above_zero and tried and not held else "Not known: whether loss falls"
    said += f" towards a floor above zero. E = {', '.join(floors)} nats a character, 95% in brackets."
    if held:
        most = max(abs(law["error"]) for law in tried)
        of = f"{len(held)} of {len(tried)} forecast runs"
        said += f" {LAWS[NO_FLOOR]}, which has none, held {of}; it was off by at most {most:.1%}."
    return said


def of_gap(record: Record, joined: Sequence[Mapping]) -> str:
    """Where the gap between sizes widens with tokens, by the errors of a law that adds; empty where seeds may say it.

    At the tokens at which most sizes joined, the error at the largest size less that at the smallest counts if it is
    beyond what two runs of one seed differ by.

    Args:
        joined: as `findings.joined_later` gives them.
    """
    seeds = spread_over_seeds(record.table)
    rows = pd.DataFrame([{**one, "error": one["laws"].get(ADDS)} for one in joined])
    if seeds is None or rows.empty:
        return ""
    noise = seeds.spread * np.sqrt(2 * (1 - (seeds.shared or 0)))
    said = []
    for arch, own in rows.dropna(subset=["error"]).groupby("arch"):
        sizes = own.groupby("tokens")["params"].nunique()
        tokens = sizes.index[sizes == sizes.max()].max()
        at = own[own["tokens"] == tokens].sort_values("params")
        small, large = at.iloc[0], at.iloc[-1]
        if large["error"] - small["error"] > SURE * noise:
            said.append(
                f"at {short(tokens)} tokens {small['error']:+.1%} at {short(small['params'])} parameters and"
                f" {large['error']:+.1%} at {short(large['params'])} ({record.names[arch]})"
            )
    if not said:
        return ""
    return (
        "Known: the gap between a small and a large model widens with tokens, more than seeds explain. Errors of"
        f" {LAWS[ADDS]}, which has it the same at all tokens: {'; '.join(said)}."
    )


def of_best_size(record: Record, best: Mapping[str, Sequence[Mapping]]) -> str:
    """How many tokens the best size reads, at the most FLOP inside the runs' range; empty if that is not known.

    Of a given FLOP more parameters are fewer tokens, so the ends of both intervals make that of the ratio.
    """
    said, flops = [], None
    for arch, found in best.items():
        inside = [one for one in found if not one["absent"] and one["beyond"]["inside"]]
        if not inside:
            return ""
        one = max(inside, key=lambda answer: answer["flops"])
        if flops not in (None, one["flops"]):
            return ""
        flops = one["flops"]
        (n_low, n_high), (d_low, d_high) = one["ci95"]["params"], one["ci95"]["tokens"]
        if None in (n_low, n_high, d_low, d_high):
            return ""
        ratio = one["tokens"] / one["params"]
        said.append(f"{ratio:.0f} [{d_low / n_high:.0f}, {d_high / n_low:.0f}] ({record.names[arch]})")
    if not said:
        return ""
    return (
        f"Known: at {flops:.2g} FLOP the tokens for each parameter of the best size are {', '.join(said)}, 95% in"
        f" brackets; of text in byte pairs Hoffmann et al. 2022 find about {TOKENS_A_PARAMETER}."
    )


def of_writing(record: Record) -> str:
    """How grammar comes before bars from the smallest run that wrote to the largest; empty where intervals overlap."""
    if record.writing is None:
        return ""
    tokens = record.writing.groupby("params_non_embedding")["tokens"].max()
    said = []
    for arch, by_size in rates_by_size(record).items():
        grammar, bars = by_size.get(GRAMMAR), by_size.get(BARS)
        if grammar is None or bars is None or len(grammar) < 2 or len(bars) < 2:
            continue
        rose = grammar.iloc[-1]["low"] > grammar.iloc[0]["high"]
        if rose and grammar.iloc[-1]["low"] > bars.iloc[-1]["high"]:
            small, large = (f"N = {short(n)}, D = {short(tokens[n])}" for n in grammar.index[[0, -1]])
            said.append(
                f"from {small} to {large} tunes that keep it go from {rate_text(grammar.iloc[0])} to"
                f" {rate_text(grammar.iloc[-1])}, and those with every bar right from {rate_text(bars.iloc[0])} to"
                f" {rate_text(bars.iloc[-1])} ({record.names[arch]})"
            )
    return f"Known: grammar comes with N and D, and before rhythm: {'; '.join(said)}." if said else ""


def not_reached(record: Record) -> str:
    """How far the largest runs are from the tokens of the corpus, and so from repeating them."""
    corpus = record.json("corpus.json")
    runs = record.runs if record.targets is None else pd.concat([record.runs, record.targets])
    most, largest = runs["tokens"].max(), short(runs["params_non_embedding"].max())
    if corpus is None:
        return f"Not known: anything above {largest} parameters or {short(most)} tokens."
    train = corpus["splits"]["train"]["tokens"]
    share = most / train
    once = f"reads {share:.0%} of the training split once, so what reading tunes again does to the laws is not measured"
    again = f"reads the training split {share:.1f} times"
    return (
        f"Not known: anything above {largest} parameters or {short(most)} tokens. The longest run"
        f" {once if share <= 1 else again}."
    )


def of_one_seed(targets: pd.DataFrame | None) -> str:
    """That a forecast run was trained once; empty if none was, or some with several seeds."""
    if targets is None or targets.duplicated(["model", "tokens"]).any():
        return ""
    return "Not known: how far another seed of a forecast run would be off. Each was trained once."
