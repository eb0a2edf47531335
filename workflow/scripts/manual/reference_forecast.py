"""Of the page on a study with a registered forecast: what was found, and the forecast beside its outcome."""

from collections.abc import Mapping, Sequence

from workflow.scripts.base.amounts import short
from workflow.scripts.base.tables import table
from workflow.scripts.figures.summary import with_ends
from workflow.scripts.findings.comparison import gaps_sentence
from workflow.scripts.findings.headline import measured, whole_sentence
from workflow.scripts.findings.seeds import spread_over_seeds
from workflow.scripts.findings.words import LAWS, span
from workflow.scripts.manual.record import Record, laws_of

DIGITS = 7  # of a commit, and of other digests
NOT_RUN = "not run yet"
GREEK = {"alpha": "α", "beta": "β", "E": "E"}


def first(record: Record, crossings: Mapping | None, caption: str) -> list[str]:
    """What was found, in a few sentences below the figure.

    Args:
        caption: of the figure.
        crossings: as `findings.crossings.crossings` gives them; None of a study that is not of two architectures.
    """
    said = [f"{whole_sentence(record.head)}.", leader(record), largest_pair(record)]
    if crossings:
        said += [crossing_words(crossings[what], what, record.names) for what in ("size", "flops") if crossings[what]]
    said.append(" ".join(exponents(record, arch) for arch in record.archs))
    return [
        "![Test loss against training FLOP: the runs of the fit, the forecasts with their intervals, and what came of"
        " them](forecast.png)",
        caption,
        "\n".join(f"- {one}" for one in said if one),
    ]


def leader(record: Record) -> str:
    """Which architecture is ahead at the sizes of the runs at one budget of tokens; empty if that is not known."""
    for pair in record.fit["comparison"]["pairs"]:
        gaps = pair["params"]["gaps"] if pair["params"] else []
        if sorted(pair["archs"]) == record.archs and gaps and all(gap["ci95"] for gap in gaps):
            names = (record.names[pair["archs"][0]], record.names[pair["archs"][1]])
            tokens = f"At {short(pair['tokens'])} training tokens: " if pair.get("tokens") else ""
            return tokens + gaps_sentence(gaps, names, "size", None)
    return ""


def largest_pair(record: Record) -> str:
    """How the two architectures differ at the largest size that both were forecast and measured at."""
    known = {target.run: target for target in measured(record.head.targets)}
    pairs = record.forecast["registrations"][-1]["pairs"] if record.forecast else []
    said = ""
    for pair in sorted(pairs, key=lambda one: one["tokens"]):
        one, other = (known.get((model, pair["tokens"])) for model in pair["models"])
        if one and other and pair["observed"] is not None:
            ahead, behind = (one, other) if pair["observed"] < 0 else (other, one)
            said = (
                f"At {short(one.params)} parameters and {short(one.tokens)} tokens the {record.names[ahead.arch]}"
                f" measured {abs(pair['observed']):.3f} nats less than the {record.names[behind.arch]}; how far seeds"
                " would differ is not in that."
            )
    return said


def with_targets(record: Record, crossings: Mapping | None) -> list[str]:
    """Where the two cross along FLOP by laws that are fitted to the runs that were forecast, too."""
    if not crossings or not crossings["flops"]:
        return []
    later = crossing_words(crossings["flops"], "flops", record.names)
    return [f"With the forecast runs in the fit: {later[0].lower()}{later[1:]}"]


def crossing_words(found: Mapping, what: str, names: Mapping[str, str]) -> str:
    """Where two architectures cross, in a sentence.

    Args:
        found: ``size`` or ``flops`` of the crossings, as ``what`` says.
    """
    shown = short if what == "size" else "{:.2g}".format
    where = (
        f"At equal N and {short(found['tokens'])} tokens" if what == "size" else "Along the best sizes for their FLOP"
    )
    symbol = "N" if what == "size" else "C"
    low, high = (shown(end) for end in found["looked_at"])
    share = f"{found['share_of_draws']:.0%} of draws cross there"
    if found["at"] is None:
        return (
            f"{where} the two do not cross from {symbol} = {low} to {high}: the {names[found['ahead_below']]} is ahead"
            f" throughout by the fit ({share}).{gap_words(found, what, names)}"
        )
    ends = ("beyond the range" if end is None else shown(end) for end in found["ci95"])
    measured = "" if found["within_measured"] else ", which is beyond what both were measured at"
    return (
        f"{where} the two cross near {symbol} = {shown(found['at'])}, 95% [{', '.join(ends)}]{measured}; below it the"
        f" {names[found['ahead_below']]} is ahead ({share}, from {low} to {high}).{gap_words(found, what, names)}"
    )


def gap_words(found: Mapping, what: str, names: Mapping[str, str]) -> str:
    """By how much which is ahead along FLOP at the largest that both were measured at; sizes have it from fit.json."""
    one = found["at_largest"]
    if what == "size" or not one["ci95"]:
        return ""
    low, high = one["ci95"]
    interval = f"{abs(one['gap']):.3f} nats, 95% [{min(abs(low), abs(high)):.3f}, {max(abs(low), abs(high)):.3f}]"
    at = f" At C = {one['at']:.2g}, the largest that both were measured at,"
    if low <= 0 <= high:
        return f"{at} they cannot be told apart (a gap of {abs(one['gap']):.3f} nats, whose 95% holds zero)."
    return f"{at} the {names[one['ahead']]} is ahead by {interval}."


def exponents(record: Record, arch: str) -> str:
    """The parameters of the law that the forecast is by, else of the first law of N and D there is."""
    if not (laws := laws_of(record, arch)):
        return f"{record.names[arch]}: no law of N and D can be fitted to these runs."
    name, law = laws[0]
    values = ", ".join(f"{sign} = {text}" for key, sign in GREEK.items() if (text := with_ends(law, key)))
    return f"{record.names[arch]}, {LAWS[name]} over {law['n_rows']} runs: {values} (95%)."


def section(record: Record) -> list[str]:
    """Every registration, with what each law said, and what came of it."""
    if not record.registered:
        return ["No forecast is registered yet."]
    registrations = record.registered["registrations"]
    outcomes = record.forecast["registrations"] if record.forecast else []
    parts = [
        "A bold line is the law that was told: of those that the interval allows, the one that forecast the larger runs"
        " of the fit best from the smaller ones. Its interval leaves room for a law that drifts; the intervals of the"
        " other laws are as if each were right. Error: forecast / outcome - 1.",
        *between_seeds(record),
    ]
    for number, one in enumerate(registrations, 1):
        if len(registrations) > 1:
            parts.append(f"### Registration {number} of {len(registrations)}")
        parts.append(rests_on(one, record.forecast if number == len(registrations) else None))
        outcome = outcomes[number - 1]["targets"] if number <= len(outcomes) else []
        parts.append(laws_table(one["targets"], outcome))
        parts += [held_by(outcome)] if outcome else []
    if not record.forecast:
        parts.append("None of these runs is measured yet.")
    return parts


def between_seeds(record: Record) -> list[str]:
    """How far apart runs are that differ in their seed alone, and what all sizes share of that."""
    found = spread_over_seeds(record.table)
    if found is None:
        return []
    shared = ""
    if found.shared is not None:
        shared = f" Of the variance {found.shared:.0%} is common to all sizes of a seed, which read the same tunes."
    return [
        f"Runs of the fit that differ in their seed alone are {found.spread:.2%} of their loss apart (standard"
        f" deviation over {found.places} pairs of N and D).{shared} So far off would a perfect law be, too: an outcome"
        " is one run."
    ]


def of_later_runs(record: Record, found: Sequence[Mapping]) -> list[str]:
    """How the first registration would have forecast runs that joined the fit after it.

    Args:
        found: as `findings.joined_later` gives them.
    """
    if not found:
        return []
    laws = list(dict.fromkeys(name for one in found for name in one["laws"]))
    rows = []
    for one in found:
        told = {name: "**" if name == one["told"] else "" for name in laws}
        errors = [f"{told[name]}{one['laws'][name]:+.2%}{told[name]}" if name in one["laws"] else "" for name in laws]
        rows.append(
            [record.names[one["arch"]], short(one["params"]), short(one["tokens"]), f"{one['observed']:.4f}", *errors]
        )
    return [
        "### Where it misses",
        "Runs that joined the fit after the first registration, of its own sizes but more tokens, and the errors with"
        " which its laws forecast them (forecast / outcome - 1; bold: the law that it tells there). Chinchilla's law"
        " adds a term of N to one of D, and so holds the gap between two sizes to be the same at all D: an error that"
        " grows with N is a gap that widens with tokens.",
        table(["architecture", "N", "D", "outcome", *(LAWS[name] for name in laws)], rows),
    ]


def held_by(targets: Sequence[Mapping]) -> str:
    """How many forecasts of a registration, by the law told and by single laws, were outside their intervals."""
    known = [target for target in targets if target["observed"] is not None]
    if not known:
        return "None of these runs is measured yet."
    missed = [target for target in known if not target["inside"]]
    told = (
        f"Of {len(known)} measured {'run' if len(known) == 1 else 'runs'} {len(known) - len(missed)}"
        f" {'is' if len(known) - len(missed) == 1 else 'are'} inside the interval of the law told"
    )
    if missed:
        told += f"; outside: {', '.join(target['model'] for target in missed)}"
    others = [(name, target["model"], law) for target in known for name, law in target["laws"].items()]
    out = [f"{LAWS.get(name, name)} of {model}" for name, model, law in others if not law["inside"]]
    single = f" As if each law were right, {len(out)} of {len(others)} forecasts are outside their intervals"
    return f"{told}.{single}{': ' + '; '.join(out) if out else ''}."


def rests_on(registration: Mapping, forecast: Mapping | None) -> str:
    """When a forecast was made, from what, and where it is kept."""
    because = f" Why it was made again: {registration['reason'].rstrip('.')}." if registration["reason"] else ""
    at = f" at commit `{registration['commit'][:DIGITS]}`" if registration["commit"] else ""
    kept = ""
    if forecast and forecast["commit"]:
        kept = (
            f" `registered.json` is as commit `{forecast['commit'][:DIGITS]}` of {forecast['committed'][:10]} has it."
        )
    after = [target["model"] for target in registration["targets"] if target["after_outcome"]]
    known = f" Trained before it was registered, and so no forecast: {', '.join(after)}." if after else ""
    return (
        f"Made {registration['made'][:10]}{at}, from {len(registration['runs'])} runs (`runs.csv` with SHA-256"
        f" `{registration['table_sha256'][:DIGITS]}…`) on the corpus `{registration['corpus'][:DIGITS]}…`."
        f"{because}{known}{kept}"
    )


def laws_table(targets: list[dict], outcomes: list[dict]) -> str:
    """What each law said of each target."""
    found = {(target["model"], target["tokens"]): target for target in outcomes}
    rows = []
    for target in targets:
        outcome = found.get((target["model"], target["tokens"]), {})
        what = (
            f"{target['model']}: N {short(target['params'])}, D {short(target['tokens'])},"
            f" {target['times_flops']:.3g}× the FLOP"
        )
        observed = outcome.get("observed")
        outcome_cell = NOT_RUN if observed is None else f"{observed:.4f}"
        for name, law in (*target["laws"].items(), ("average", target["average"])):
            is_told = name == target["told"]
            ended = (
                outcome if is_told else (outcome.get("laws", {}) | {"average": outcome.get("average")}).get(name) or {}
            )
            loss, ends = (target["loss"], target["pi95"]) if is_told else (law["loss"], law["pi95"])
            cells = [LAWS.get(name, f"the {name} of laws"), f"{loss:.4f}", span(ends, "{:.4f}".format), *ending(ended)]
            rows.append([what, *(f"**{cell}**" if is_told and cell else cell for cell in cells), outcome_cell])
            what, outcome_cell = "", ""
    return table(["run", "law", "forecast", "95%", "error", "interval", "outcome"], rows)


def ending(outcome: Mapping) -> list[str]:
    """How far a forecast was off, and whether its interval held."""
    if outcome.get("error") is None:
        return ["", ""]
    return [f"{outcome['error']:+.2%}", "inside" if outcome["inside"] else "outside"]
