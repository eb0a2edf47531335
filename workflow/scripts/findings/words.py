"""Laws of N and D, optima and forecasts in words, for whoever reads the terminal.

Needs a group of fit.json: its laws, and what was asked of it.
"""

from collections.abc import Callable, Mapping
from functools import reduce

from workflow.scripts.base.amounts import short

LAWS = {
    "power": "a power law", "power_irreducible": "a power law with a floor", "chinchilla": "Chinchilla's law",
    "chinchilla_tied": "Chinchilla's law with one exponent", "kaplan": "Kaplan's law", "coupled": "the coupled law",
    "repeat": "the law of repeated data", "repeat_sms": "the SMS law",
    "isoflop": "the lines through the optima",
}  # fmt: skip
GREEK = {"alpha": "α", "beta": "β"}
SHOWN = ("chinchilla", "kaplan", "coupled", "chinchilla_tied", "repeat", "repeat_sms")

End = float | None


def formula(law: Mapping) -> str:
    """The formula of a law of fit.json, with its exponents in Greek."""
    return reduce(lambda text, name: text.replace(name, GREEK[name]), GREEK, law["formula"])


def lines_of(result: dict) -> list[str]:
    """All that fit.json says, a line for each thing, as `fit_scaling` prints it."""
    lines = [f"note: {note}" for note in result["notes"]]
    for name, group in result["groups"].items():
        lines += [" ".join(group["said"])]
        lines += [f"  {sentence}" for sentence in group["said_of_laws"] if sentence not in group["said"]]
        lines += [f"  forecast: {forecast_words(name.upper(), answer)}" for answer in group["predictions"]]
        lines += [f"  best: {best_size_words(name.upper(), answer)}" for answer in group["best_for"]]
        lines += [f"  warning: {warning}" for warning in group["warnings"]]
        if group["power"]:
            lines += absent_lines(group["absent"])
    if result["comparison"]["said"]:
        lines.append(" ".join(result["comparison"]["said"]))
    return lines


def absent_lines(absent: Mapping[str, str]) -> list[str]:
    """Which laws there are not and why, one line for each reason."""
    return [
        f"  no {', '.join(form for form, reason in absent.items() if reason == why)}: {why}"
        for why in dict.fromkeys(absent.values())
    ]


def law_words(name: str, laws: Mapping[str, dict | None]) -> list[str]:
    """What the laws over all budgets came out to: of N and D the first in `SHOWN` that there is, and the optima.

    Args:
        name: of the architecture, as it is to be printed.
        laws: of fit.json, by their keys.
    """
    said = []
    for key in SHOWN:
        if law := laws.get(key):
            said.append(surface_words(name, key, law))
            break
    if isoflop := laws.get("isoflop"):
        said.append(optima_words(name, isoflop))
    return said


def surface_words(name: str, key: str, law: dict) -> str:
    """The parameters of a law of N and D with their intervals, and how the best size grows by it."""
    values = [
        f"{GREEK.get(parameter, parameter)} = {with_interval(law[parameter], law['ci95'].get(parameter))}"
        for parameter in law["other_estimate"] or law["ci95"]
        if parameter != "objective" and parameter in law
    ]
    said = f"{name}, {LAWS[key]} over {law['n_rows']} runs: {', '.join(values)}."
    best = law.get("compute_optimal")
    if best and best["N_exponent"] is not None:
        said += f" Compute-optimal: {growth_words(best)}."
    return said


def optima_words(name: str, law: dict) -> str:
    """How the optima at equal FLOP grow, and by how much their parabolas are off."""
    of = "optima, as given," if law["optima_given"] else "optima of parabolas"
    said = f"{name}, {len(law['optima'])} {of} at equal FLOP: {growth_words(law)}."
    if fixed := law["corrected"]:
        off = f"{abs(fixed['bias']['params']):.1%} {'above' if fixed['bias']['params'] > 0 else 'below'}"
        said += f" Parabolas put N {off} the law's optimum; without that {growth_words(fixed)}."
    return said


def growth_words(law: dict) -> str:
    """How the best N and D grow with compute, with profile or t intervals, else those of resampled runs."""
    return ", ".join(
        f"{what} ∝ C^{with_interval(law[key], law['ci95'][key] or law['bootstrap95'][key])}"
        for what, key in (("N", "N_exponent"), ("D", "D_exponent"))
    )


def forecast_words(name: str, answer: dict) -> str:
    """The loss of a run that was asked for."""
    what = f"N = {short(answer['params'])}" + (f", D = {short(answer['tokens'])}" if answer["tokens"] else "")
    if answer["absent"]:
        return f"{name}, {what}: no forecast: {answer['absent']}."
    return (
        f"{name}, {what}: loss {with_interval(answer['loss'], answer['pi95'])} by {LAWS[answer['told']]},"
        f" {how_chosen(answer)}; average of laws {answer['average']['loss']:.4g}; {beyond_words(answer['beyond'])}."
    )


def best_size_words(name: str, answer: dict) -> str:
    """The best run for so much compute."""
    what = f"{name}, {answer['flops']:.3g} FLOP"
    if answer["absent"]:
        return f"{what}: no best size: {answer['absent']}."
    n, d = (f"{short(answer[key])} {span(answer['ci95'][key])}" for key in ("params", "tokens"))
    return (
        f"{what}: best N = {n}, D = {d}, loss {with_interval(answer['loss'], answer['pi95'])}"
        f" by {LAWS[answer['told']]}; {beyond_words(answer['beyond'])}."
    )


def how_chosen(answer: dict) -> str:
    """Why the law that is told was chosen."""
    error = answer["laws"][answer["told"]]["rolling_error"]
    if error is None:
        return "as the smaller runs are too few to try laws on the larger"
    cuts = "1 cut" if answer["origins"] == 1 else f"{answer['origins']} cuts"
    return f"which misses larger runs by {error:.1%} from smaller ones ({cuts})"


def beyond_words(beyond: dict) -> str:
    """How far a place is from the runs."""
    if beyond["inside"]:
        return "inside the runs' range"
    parts = [
        f"{factor:.3g} times the largest {what}" if factor > 1 else f"{1 / factor:.3g} times below the smallest {what}"
        for what, factor in (("N", beyond["params"]), ("D", beyond["tokens"]), ("FLOP", beyond["flops"]))
        if factor not in (None, 1.0)
    ]
    return f"beyond the runs: {', '.join(parts)}"


def with_interval(value: float, ends: list[End] | None) -> str:
    """A value with its 95% interval, if it has one."""
    return f"{value:.4g}" if ends is None else f"{value:.4g} {span(ends, '{:.4g}'.format)}"


def span(ends: list[End], shown: Callable[[float], str] = short) -> str:
    """An interval, of which an end may be open; of counts, unless it is said how a number is ``shown``."""
    low, high = ("none" if end is None else shown(end) for end in ends)
    return f"[{low}, {high}]"
