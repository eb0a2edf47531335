"""What a table shows about saturation, in one word and in sentences a reader can check.

power         loss falls as a power of N: the irreducible loss is at most half the lowest loss, and may be none
saturating    a law with irreducible loss fits, and that loss is at least a fifth of the lowest loss
reversal      loss rises: with size throughout, or at the largest, which is worse than the next smaller and than the law
              of the smaller sizes allows
flat          loss does not change with size: the exponent's interval holds zero and nothing beyond 0.05
inconclusive  the table decides none of these

Needs the points of one architecture at one budget of tokens (`laws.line.Points`) and its laws as fit.json has them:
``laws`` and ``group`` are dicts with the keys power, power_irreducible, curvature and forecast. benchmarks/verdicts.py
measures how often each verdict is wrong.
"""

import itertools

from workflow.scripts.findings.evidence import Evidence, evidence
from workflow.scripts.findings.words import span
from workflow.scripts.laws.line import Points

HEADLINES = {
    "power": "loss falls as a power of N, with no floor in sight",
    "saturating": "loss levels off at this budget",
    "reversal": "the largest size is worse, so no law in N alone holds",
    "flat": "no fall of loss with N",
    "inconclusive": "these runs do not decide whether loss levels off",
}
SMALL_FLOOR = "loss falls as a power of N; a floor is found, but a small one"
NO_BUDGET = "too few sizes share a budget of tokens for a law in N alone"
FLAT = 0.05  # exponents from -0.05 to 0.05 change the loss by less than an eighth over a decade of sizes
# Shares of the lowest loss. A floor of a fifth makes the straight line's forecast a decade on 4% too low, if the rest
# falls with the exponent 0.3: that is beyond the noise of seeds. One below a half leaves a power law for a decade.
MATERIAL, HALF = 0.2, 0.5
RISING, DOUBTFUL = 0.05, 0.05  # levels: of the tests of a rise together, and of those against a law together
LAWS = {
    "power": "the power law",
    "power_irreducible": "the law with irreducible loss",
    "chinchilla": "the law of N and D",
    "chinchilla_tied": "the law of N and D with one exponent",
    "kaplan": "Kaplan's law",
    "coupled": "the coupled law of N and D",
}


def judge(points: Points, laws: dict) -> str:
    """The verdict, one of `HEADLINES`, on one architecture at one budget of tokens."""
    return decide(evidence(points, laws))


def decide(found: Evidence) -> str:
    """The verdict by what was found.

    An exponent whose interval holds zero or lies below it is decided first; of a fall, the irreducible loss decides.
    """
    low, high = found.alpha
    fell_early = bool(found.early < DOUBTFUL and found.floor and found.floor[0] >= MATERIAL)
    if low <= 0 and max(-low, high) <= FLAT:
        return "saturating" if fell_early else "flat"
    if found.rising < RISING:
        return "reversal"
    if low <= 0:
        return "saturating" if fell_early else "inconclusive"
    if found.floor is None or found.misfit:
        return "inconclusive"
    least, most = found.floor
    if least >= MATERIAL:
        return "saturating" if found.saturation >= DOUBTFUL else "inconclusive"
    against = found.floored if least > 0 else found.straight
    return "power" if most <= HALF and against >= DOUBTFUL else "inconclusive"


def sentences(name: str, points: Points, sizes: list[str], group: dict, alike: bool = True) -> list[str]:
    """What the verdict rests on.

    Args:
        name: of the architecture, as it is to be printed.
        sizes: names of the points' sizes.
        group: the laws, and tokens and verdict as fit.json has them.
        alike: the points are of one budget of tokens. If not, no exponent and no forecast of them is told.
    """
    if not alike:
        return [f"{name}: {NO_BUDGET}."]
    power, irreducible, verdict = group["power"], group["power_irreducible"], group["verdict"]
    low, high = power["ci95"]["alpha"]
    said = [
        f"{name}: {headline(verdict, irreducible)}. α = {power['alpha']:.3f}, 95% [{low:.3f}, {high:.3f}],"
        f" {len(points.n)} sizes, R² {power['r2']:.3f}.",
        steps_sentence(points, sizes),
    ]
    if group["forecast"]:
        said += forecast_sentences(group["forecast"])
    if irreducible is None:
        few = ["Three sizes cannot tell whether loss levels off."] if len(points.n) == 3 else []
        return said + few
    if verdict == "flat":
        return said
    said.append(floor_sentence(irreducible, float(points.loss.min()), group["tokens"] is not None))
    return said + [
        f"Misfit exceeds seed noise: {words} is rejected (F test, p = {p:.2g})."
        for law, words in ((power, "a power law without a floor"), (irreducible, "one with a floor"))
        if (p := (law["lack_of_fit"] or {}).get("p", 1)) < DOUBTFUL
    ]


def headline(verdict: str, irreducible: dict | None) -> str:
    """The verdict in words."""
    if verdict == "power" and irreducible and irreducible["ci95"]["E"][0] > 0:
        return SMALL_FLOOR
    return HEADLINES[verdict]


def floor_sentence(irreducible: dict, lowest: float, one_budget: bool) -> str:
    """The irreducible loss and which share of the lowest loss it is; or that the law does not fit."""
    if irreducible["misfit"]:
        return f"A law with irreducible loss misses these sizes by {irreducible['misfit']:.0%}: it does not fit."
    e, (low, high) = irreducible["E"], irreducible["ci95"]["E"]
    at = "at this budget, B/D^β of data included" if one_budget else "of these runs"
    return (
        f"Irreducible loss {at}: {e:.2f} nats, 95% [{low:.2f}, {high:.2f}], which is {e / lowest:.0%}"
        f" [{low / lowest:.0%}, {high / lowest:.0%}] of the lowest loss."
    )


def steps_sentence(points: Points, sizes: list[str]) -> str:
    """Which steps up in size do not lower the loss."""
    rises = [
        f"{sizes[i + 1]} ({b:.3f}) is worse than {sizes[i]} ({a:.3f})"
        for i, (a, b) in enumerate(itertools.pairwise(points.loss))
        if b >= a
    ]
    return "Not every step up helps: " + "; ".join(rises) + "." if rises else "Every step up in size helps."


def forecast_sentences(forecast: dict) -> list[str]:
    """What the largest size was to be and what it was."""
    observed = forecast["observed"]
    tried = forecast["laws"][forecast["told"]]["rolling_error"] is not None
    chosen = ", chosen by its error on earlier sizes" if tried else ""
    said = [
        f"Forecast of {forecast['size']} from the {forecast['from_sizes']} smaller by {LAWS[forecast['told']]}{chosen}:"
        f" {expected(forecast)}; measured {observed:.3f}, {place_of(observed, forecast['pi95'])}."
    ]
    average = forecast["average"]
    if len(average["weights"]) > 1:
        said.append(f"The average of laws by that error: {expected(average)}.")
    return said


def expected(entry: dict) -> str:
    """A forecast and its interval, of which an end may be open."""
    return f"{entry['loss']:.3f}, 95% {span(entry['pi95'], '{:.3f}'.format)}"


def place_of(observed: float, interval: list[float | None]) -> str:
    """Where a loss is by the forecast's interval."""
    low, high = interval
    if high is not None and observed > high:
        return "above the forecast interval"
    if low is not None and observed < low:
        return "below the forecast interval"
    return "inside the forecast interval"
