"""What a table shows about saturation, in one word and in sentences a reader can check.

power         loss falls as a power of N: no irreducible loss is needed, and none above half the lowest loss is allowed
saturating    a law with an irreducible loss above zero fits, and one without does not
reversal      the largest size is worse than the next smaller and than its forecast, or loss rises with size
flat          loss does not change with size: the exponent's interval holds zero and nothing beyond 0.05
inconclusive  the table decides none of these
"""

import itertools

import numpy as np
from scipy.special import fdtrc, stdtr

from workflow.scripts.laws.line import Points, seed_noise

FLAT = 0.05  # exponents from -0.05 to 0.05 change the loss by less than a ninth over a decade of sizes
MATERIAL = 0.5  # a floor below half the lowest loss leaves a power law for the next decades
SIGNIFICANT = 0.05


def judge(points: Points, group: dict) -> str:
    """One of `HEADLINES` for one architecture at one budget of tokens; ``group`` as in fit.json."""
    power, irreducible, forecast, bent = (
        group[name] for name in ("power", "power_irreducible", "forecast", "curvature")
    )
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
    rejected = (power["lack_of_fit"] or {}).get("p", 1) < SIGNIFICANT
    if floor_low > 0:
        return "inconclusive" if (irreducible["lack_of_fit"] or {}).get("p", 1) < SIGNIFICANT else "saturating"
    is_bent = bent is not None and not bent["ci95"]["curvature"][0] <= 0 <= bent["ci95"]["curvature"][1]
    inside = forecast["power"]["pi95"][0] <= forecast["observed"] <= forecast["power"]["pi95"][1]
    if rejected or is_bent or not inside or floor_high > MATERIAL * points.loss.min():
        return "inconclusive"
    return "power"


def informed(forecast: dict) -> dict:
    """The forecast that counts: of the law with irreducible loss if its interval has two degrees of freedom, as a
    curve that flattens has not turned; else of the straight line."""
    floor = forecast["power_irreducible"]
    return floor if floor and floor["dof"] >= 2 else forecast["power"]


def early_fall(points: Points, irreducible: dict | None) -> bool:
    """Whether the law with irreducible loss beats a constant, where no straight line does: loss fell early on."""
    if irreducible is None or irreducible["ci95"]["E"][0] <= 0 or irreducible["A"] == 0:
        return False
    log_loss, dof, rss = np.log(points.loss), irreducible["dof"], irreducible["objective"]
    constant = np.sum((log_loss - log_loss.mean()) ** 2)
    return bool(rss == 0 or fdtrc(2, dof, (constant - rss) / 2 / (rss / dof)) < SIGNIFICANT)


def falls_back(points: Points, forecast: dict | None) -> bool:
    """Whether the largest size is worse than the next smaller, by more than chance and by more than levelling off."""
    if points.loss[-1] <= points.loss[-2]:
        return False
    if forecast and forecast["observed"] > informed(forecast)["pi95"][1]:
        return True
    within, dof = seed_noise(points)
    counts = np.bincount(points.run_size)
    if dof == 0 or within == 0:
        return False
    error = np.sqrt(within / dof * (1 / counts[-1] + 1 / counts[-2]))
    return bool(stdtr(dof, -np.log(points.loss[-1] / points.loss[-2]) / error) < SIGNIFICANT / 2)


def sentences(name: str, points: Points, sizes: list[str], group: dict) -> list[str]:
    """What the verdict rests on; ``sizes`` are the names of the points."""
    power, irreducible, forecast = group["power"], group["power_irreducible"], group["forecast"]
    low, high = power["ci95"]["alpha"]
    said = [
        f"{name}: {HEADLINES[group['verdict']]}. α = {power['alpha']:.3f}, 95% [{low:.3f}, {high:.3f}],"
        f" {len(points.n)} sizes, R² {power['r2']:.3f}."
    ]
    rises = [
        f"{sizes[i + 1]} ({b:.3f}) is worse than {sizes[i]} ({a:.3f})"
        for i, (a, b) in enumerate(itertools.pairwise(points.loss))
        if b >= a
    ]
    said.append("Not every step up helps: " + "; ".join(rises) + "." if rises else "Every step up in size helps.")
    if forecast:
        ends = forecast["power"]["pi95"]
        inside = ends[0] <= forecast["observed"] <= ends[1]
        how = "as forecast" if inside else "above it" if forecast["observed"] > ends[1] else "below it"
        said.append(
            f"Forecast of {forecast['size']} from the {forecast['from_sizes']} smaller:"
            f" {forecast['power']['loss']:.3f}, 95% [{ends[0]:.3f}, {ends[1]:.3f}]; it was"
            f" {forecast['observed']:.3f}, {how}."
        )
        if (curve := informed(forecast)) is not forecast["power"]:
            low, high = curve["pi95"]
            said.append(f"With irreducible loss: {curve['loss']:.3f} [{low:.3f}, {high:.3f}].")
    if irreducible is None:
        return [*said, "Three sizes cannot tell whether loss levels off."]
    e_low, e_high = irreducible["ci95"]["E"]
    if group["verdict"] == "flat":
        return said
    at = "at this budget, B/D^β of data included" if group["tokens"] else "of these runs"
    said.append(f"Irreducible loss {at}: {irreducible['E']:.2f} nats, 95% [{e_low:.2f}, {e_high:.2f}].")
    for law, words in ((power, "a power law"), (irreducible, "one with a floor")):
        if (test := law["lack_of_fit"]) and test["p"] < SIGNIFICANT:
            said.append(f"Seeds vary too little for {words} to be right (F test, p = {test['p']:.2g}).")
    return said


HEADLINES = {
    "power": "loss falls as a power of N, with no floor in sight",
    "saturating": "loss levels off at this budget",
    "reversal": "the largest size is worse, so no law in N alone holds",
    "flat": "no fall of loss with N",
    "inconclusive": "these runs do not decide whether loss levels off",
}
