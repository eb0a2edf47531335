"""What a table shows about saturation, in one word and in sentences a reader can check.

power         loss falls as a power of N: no irreducible loss is needed, and none above half the lowest loss is allowed
saturating    a law with an irreducible loss above zero fits, and one without does not
reversal      the largest size is worse than the next smaller and than its forecast, or loss rises with size
flat          loss does not change with size: the exponent's interval holds zero and nothing beyond 0.05
inconclusive  the table decides none of these

Needs the points of one architecture at one budget of tokens (`laws.line.Points`) and its laws as fit.json has them:
``laws`` and ``group`` are dicts with the keys power, power_irreducible, curvature and forecast.
"""

import itertools

import numpy as np
from scipy.special import fdtrc, stdtr

from workflow.scripts.laws.line import Points, seed_noise

HEADLINES = {
    "power": "loss falls as a power of N, with no floor in sight",
    "saturating": "loss levels off at this budget",
    "reversal": "the largest size is worse, so no law in N alone holds",
    "flat": "no fall of loss with N",
    "inconclusive": "these runs do not decide whether loss levels off",
}
FLAT = 0.05  # exponents from -0.05 to 0.05 change the loss by less than an eighth over a decade of sizes
MATERIAL = 0.5  # a floor below half the lowest loss leaves a power law for the next decades
SIGNIFICANT = 0.05


def judge(points: Points, laws: dict) -> str:
    """The verdict, one of `HEADLINES`, on one architecture at one budget of tokens.

    An exponent whose interval holds zero or lies below it is decided first; of a fall, the irreducible loss decides.
    """
    power, irreducible, forecast = laws["power"], laws["power_irreducible"], laws["forecast"]
    low, high = power["ci95"]["alpha"]
    if low <= 0 and max(-low, high) <= FLAT:
        return "saturating" if early_fall(points, irreducible) else "flat"
    if high < 0 or falls_back(points, forecast):
        return "reversal"
    if low <= 0:
        return "saturating" if early_fall(points, irreducible) else "inconclusive"
    if irreducible is None:
        return "inconclusive"
    floor_low, floor_high = irreducible["ci95"]["E"]
    if floor_low > 0:
        return "inconclusive" if seeds_rule_out(irreducible) else "saturating"
    held = is_inside(forecast["observed"], forecast["power"]["pi95"])
    if seeds_rule_out(power) or is_bent(laws["curvature"]) or not held or floor_high > MATERIAL * points.loss.min():
        return "inconclusive"
    return "power"


def seeds_rule_out(law: dict) -> bool:
    """Whether seeds vary too little for the law to be right, by its lack-of-fit F test."""
    return bool((law["lack_of_fit"] or {}).get("p", 1) < SIGNIFICANT)


def is_bent(curvature: dict | None) -> bool:
    """Whether the interval of the curvature leaves out zero."""
    return curvature is not None and not is_inside(0, curvature["ci95"]["curvature"])


def is_inside(value: float, interval: list[float]) -> bool:
    """Whether an interval holds a value."""
    return interval[0] <= value <= interval[1]


def decisive(forecast: dict) -> dict:
    """The forecast that counts: of the law with irreducible loss if its interval has two degrees of freedom, as a
    curve that flattens has not turned; else of the straight line."""
    line: dict = forecast["power"]
    curve: dict | None = forecast["power_irreducible"]
    return curve if curve and curve["dof"] >= 2 else line


def early_fall(points: Points, irreducible: dict | None) -> bool:
    """Whether the law with irreducible loss beats a constant (F test), where no straight line does: loss fell early."""
    if irreducible is None or irreducible["ci95"]["E"][0] <= 0 or irreducible["A"] == 0:
        return False
    log_loss, dof, rss = np.log(points.loss), irreducible["dof"], irreducible["objective"]
    constant = np.sum((log_loss - log_loss.mean()) ** 2)
    return bool(rss == 0 or fdtrc(2, dof, (constant - rss) / 2 / (rss / dof)) < SIGNIFICANT)


def falls_back(points: Points, forecast: dict | None) -> bool:
    """Whether the largest size is worse than the next smaller, by more than chance and by more than levelling off.

    By its forecast; or by a t test against the noise between seeds.
    """
    if points.loss[-1] <= points.loss[-2]:
        return False
    if forecast and forecast["observed"] > decisive(forecast)["pi95"][1]:
        return True
    within, dof = seed_noise(points)
    counts = np.bincount(points.run_size)
    if dof == 0 or within == 0:
        return False
    error = np.sqrt(within / dof * (1 / counts[-1] + 1 / counts[-2]))
    return bool(stdtr(dof, -np.log(points.loss[-1] / points.loss[-2]) / error) < SIGNIFICANT / 2)


def sentences(name: str, points: Points, sizes: list[str], group: dict) -> list[str]:
    """What the verdict rests on.

    Args:
        name: of the architecture, as it is to be printed.
        sizes: names of the points' sizes.
        group: the laws, and tokens and verdict as fit.json has them.
    """
    power, irreducible, forecast = group["power"], group["power_irreducible"], group["forecast"]
    low, high = power["ci95"]["alpha"]
    said = [
        f"{name}: {HEADLINES[group['verdict']]}. α = {power['alpha']:.3f}, 95% [{low:.3f}, {high:.3f}],"
        f" {len(points.n)} sizes, R² {power['r2']:.3f}.",
        steps_sentence(points, sizes),
    ]
    if forecast:
        said += forecast_sentences(forecast)
    if irreducible is None:
        return [*said, "Three sizes cannot tell whether loss levels off."]
    if group["verdict"] == "flat":
        return said
    low, high = irreducible["ci95"]["E"]
    at = "at this budget, B/D^β of data included" if group["tokens"] else "of these runs"
    said.append(f"Irreducible loss {at}: {irreducible['E']:.2f} nats, 95% [{low:.2f}, {high:.2f}].")
    return said + [
        f"Seeds vary too little for {words} to be right (F test, p = {law['lack_of_fit']['p']:.2g})."
        for law, words in ((power, "a power law"), (irreducible, "one with a floor"))
        if seeds_rule_out(law)
    ]


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
    low, high = forecast["power"]["pi95"]
    observed = forecast["observed"]
    how = "as forecast" if low <= observed <= high else "above it" if observed > high else "below it"
    said = [
        f"Forecast of {forecast['size']} from the {forecast['from_sizes']} smaller:"
        f" {forecast['power']['loss']:.3f}, 95% [{low:.3f}, {high:.3f}]; it was {observed:.3f}, {how}."
    ]
    if (curve := decisive(forecast)) is not forecast["power"]:
        low, high = curve["pi95"]
        said.append(f"With irreducible loss: {curve['loss']:.3f} [{low:.3f}, {high:.3f}].")
    return said
