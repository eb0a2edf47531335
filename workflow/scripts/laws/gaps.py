"""How architectures differ: by their losses at the same size and the same FLOP, never by their exponents.

Each is described by its law with irreducible loss (by the straight line below four sizes). How sure a curve is, is told
by fitting it again to losses drawn around it: each draw has a noise of its own, from the chi-square distribution that
the residuals leave for it, so that few sizes give the wide intervals of Student's t and not those of a normal.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workflow.scripts.laws.estimate import search
from workflow.scripts.laws.forms import EXPONENTS, POWER_IRREDUCIBLE, VANISHED, Data, data_of
from workflow.scripts.laws.line import fit_line, points_of
from workflow.scripts.laws.problem import Problem

DRAWS = 400
ALPHAS = np.geomspace(*EXPONENTS, 200)  # 4% from one to the next
MATCHED = 1.10  # sizes within this factor count as the same
REACH = 10.0  # how far beyond the measured sizes a crossing or an equal is looked for, as a factor


@dataclass(frozen=True)
class Curve:
    """Loss against N (or FLOP) of one architecture: its best fit, first, and draws of it, (1 + DRAWS, p)."""

    data: Data
    thetas: np.ndarray
    low: float
    high: float

    def log_loss(self, x: np.ndarray) -> np.ndarray:
        """(1 + DRAWS, len(x))"""
        x = np.log(np.asarray(x, float)) - self.data.mean_n
        if self.thetas.shape[1] == 2:
            log_a, alpha = self.thetas.T[:, :, None]
            return log_a - alpha * x
        log_e, log_a, alpha = self.thetas.T[:, :, None]
        return np.logaddexp(log_e, log_a - alpha * x)


def curve(x: np.ndarray, loss: np.ndarray, rng: np.random.Generator) -> Curve:
    """From runs' sizes (or FLOP) and losses, each (n,)."""
    points = points_of(x, loss)
    data = data_of(points.n, points.n, points.loss)
    few = len(points.n) < 4
    if few:
        line = fit_line(points)
        best = np.array([line.log_loss(np.exp(data.mean_n)), line.alpha])
        fitted, rss, dof = line.log_loss(points.n), line.rss, line.dof
    else:
        problem = Problem(POWER_IRREDUCIBLE, data)
        found = search(problem).best
        best, rss, dof = found.theta, 2 * found.objective, len(points.n) - 3
        fitted = POWER_IRREDUCIBLE.predict(best, data)[0]
    noise = np.sqrt(rss / rng.chisquare(dof, (DRAWS, 1))) * rng.standard_normal((DRAWS, len(fitted)))
    # One degree of freedom leaves some draws a noise beyond all numbers; so far out it makes no odds how much.
    drawn = np.clip(noise, -VANISHED, VANISHED) + fitted
    thetas = lines_through(data.log_n, drawn) if few else curves_through(data.log_n, drawn)
    return Curve(data, np.vstack((best, thetas)), float(points.n[0]), float(points.n[-1]))


def lines_through(x: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
    """(draws, 2) log_a, alpha of straight lines through each row of ``log_loss`` (draws, k)."""
    slope, level = np.polyfit(x, log_loss.T, 1)
    return np.stack((level, -slope), axis=1)


def curves_through(x: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
    """(draws, 3) log_e, log_a, alpha of E + A N^-alpha through each row of ``log_loss`` (draws, k), all at once.

    For each alpha of a fine grid E and A are linear; squares of relative residuals stand for those of log loss.
    """
    weights = np.exp(-log_loss)[:, None]  # (draws, 1, k); the loss itself becomes 1
    powers = np.exp(-ALPHAS[:, None] * x)  # (alphas, k)
    e, a = weights, weights * powers
    ee, ea, aa = (e * e).sum(-1), (e * a).sum(-1), (a * a).sum(-1)
    e1, a1 = e.sum(-1), a.sum(-1)
    determinant = np.maximum(ee * aa - ea**2, 1e-14 * ee * aa)
    floor, size = (aa * e1 - ea * a1) / determinant, (ee * a1 - ea * e1) / determinant
    size = np.where(floor < 0, a1 / aa, size)
    floor = np.where(floor < 0, 0.0, floor)
    floor = np.where(size < 0, e1 / ee, floor)
    size = np.maximum(size, 0.0)
    squares = ((floor[..., None] * e + size[..., None] * a - 1) ** 2).sum(-1)
    best = squares.argmin(axis=1)
    rows = np.arange(len(log_loss))
    tiny = np.exp(log_loss.min() - VANISHED)
    logs = (np.log(np.maximum(values[rows, best], tiny)) for values in (floor, size))
    return np.stack((*logs, ALPHAS[best]), axis=1)


def spread(values: np.ndarray) -> list[float]:
    return np.quantile(values, (0.025, 0.975)).tolist()


def gaps_at(a: Curve, b: Curve, places: np.ndarray) -> list[dict]:
    """Loss of a less loss of b at each place, with its 95% interval."""
    gaps = np.exp(a.log_loss(places)) - np.exp(b.log_loss(places))
    return [
        {"at": float(place), "gap": float(column[0]), "ci95": spread(column[1:])}
        for place, column in zip(places, gaps.T, strict=True)
    ]


def crossing(a: Curve, b: Curve) -> dict | None:
    """Where the curves first cross, from ten times below to ten times above what was measured; None if they do not.

    An end of the interval is None where it lies beyond that: a draw that never crosses has its crossing, if any,
    beyond the end towards which the one that begins lower still is the lower.
    """
    grid = np.geomspace(min(a.low, b.low) / REACH, max(a.high, b.high) * REACH, 401)
    signs = np.sign(a.log_loss(grid) - b.log_loss(grid))
    turns = np.diff(signs, axis=1) != 0
    if not turns[0].any():
        return None
    beyond = np.where(signs[:, 0] == signs[0, 0], np.inf, -np.inf)
    where = np.where(turns.any(axis=1), grid[turns.argmax(axis=1)], beyond)
    low, high = np.quantile(where[1:], (0.025, 0.975), method="inverted_cdf")
    place = float(where[0])
    return {
        "at": place,
        "ci95": [finite(low), finite(high)],
        "within_measured": bool(max(a.low, b.low) <= place <= min(a.high, b.high)),
        "draws_that_cross": float(turns[1:].any(axis=1).mean()),
    }


def equals(a: Curve, b: Curve, rows: pd.DataFrame) -> list[dict]:
    """For each size of a, how many times the parameters b needs for the loss measured there; None if it never has it.

    ``rows``: the runs of a. The measured loss is as uncertain as a's curve is there.
    """
    points = points_of(rows["params"].to_numpy(), rows["loss"].to_numpy())
    curves = a.log_loss(points.n)
    grid = np.geomspace(b.low / REACH, b.high * REACH**2, 1201)
    others = b.log_loss(grid)
    found = []
    for place, wanted in zip(points.n, (np.log(points.loss) + curves - curves[0]).T, strict=True):
        reached = others <= wanted[:, None]
        factors = np.where(reached.any(axis=1), grid[reached.argmax(axis=1)] / place, np.inf)
        low, high = np.quantile(factors[1:], (0.025, 0.975), method="inverted_cdf")
        found.append({
            "at": float(place),
            "factor": finite(factors[0]),
            "ci95": [finite(low), finite(high)],
            "extrapolated": bool(factors[0] * place > b.high),
        })  # fmt: skip
    return found


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def compare(
    a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str], alphas: tuple[float, float]
) -> tuple[dict, list[str]]:
    """Two architectures at one budget of tokens: rows with params, flops, loss; and sentences about them.

    They are compared at the sizes of both, but for those beyond what the other has. ``alphas``: their pure laws'
    exponents, of which it is said only whether they would mislead.
    """
    rng = np.random.default_rng(0)
    pair: dict = {"archs": list(names)}
    for key, column in (("params", "params"), ("flops", "flops")):
        if a[column].isna().any() or b[column].isna().any():
            pair[key] = None
            continue
        both = [curve(rows[column].to_numpy(), rows["loss"].to_numpy(), rng) for rows in (a, b)]
        low, high = max(c.low for c in both) / MATCHED, min(c.high for c in both) * MATCHED
        places = np.unique(np.concatenate([rows[column].to_numpy() for rows in (a, b)]))
        places = thinned(places[(places >= low) & (places <= high)])
        pair[key] = {"gaps": gaps_at(*both, places) if len(places) else [], "crossing": crossing(*both)}
        if key == "params":
            ahead, behind = (0, 1) if np.mean([gap["gap"] for gap in pair[key]["gaps"]] or [0]) <= 0 else (1, 0)
            sizes = equals(both[ahead], both[behind], (a, b)[ahead])
            pair["to_equal"] = {"ahead": names[ahead], "behind": names[behind], "sizes": sizes}
    return pair, sentences(pair, alphas)


def compare_measured(a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str]) -> tuple[dict, list[str]]:
    """Two architectures of which one has no law: their losses as measured at the sizes that both have, without
    intervals, as no curve tells how sure they are; and a sentence about them."""
    one, two = (points_of(rows["params"].to_numpy(), rows["loss"].to_numpy()) for rows in (a, b))
    found = []
    for n, loss in zip(one.n, one.loss, strict=True):
        nearest = np.abs(np.log(two.n / n)).argmin()
        if max(two.n[nearest] / n, n / two.n[nearest]) <= MATCHED:
            found.append({"at": float(n), "gap": float(loss - two.loss[nearest]), "ci95": None})
    pair = {"archs": list(names), "params": {"gaps": found, "crossing": None}, "flops": None, "to_equal": None}
    return pair, [measured_sentence(found, *(name.upper() for name in names))]


def measured_sentence(found: list[dict], a: str, b: str) -> str:
    if not found:
        return f"{a} and {b} are not compared: one of them has no law, and they have no size in common."
    wins = {a: [-gap["gap"] for gap in found if gap["gap"] < 0], b: [gap["gap"] for gap in found if gap["gap"] > 0]}
    ahead, behind = sorted(wins, key=lambda name: -len(wins[name]))
    sizes = "the one size" if len(found) == 1 else f"the {len(found)} sizes"
    if not wins[ahead]:
        return f"{a} and {b} have the same loss at {sizes} that both have."
    part = "" if len(wins[ahead]) == len(found) else f"{len(wins[ahead])} of "
    span = f"{min(wins[ahead]):.2f} to {max(wins[ahead]):.2f}" if len(wins[ahead]) > 1 else f"{wins[ahead][0]:.2f}"
    return (
        f"{ahead} is ahead of {behind} at {part}{sizes} that both have, by {span} nats; how sure that is cannot be"
        " told, as one of them has no law."
    )


def sentences(pair: dict, alphas: tuple[float, float]) -> list[str]:
    a, b = (name.upper() for name in pair["archs"])
    steeper = a if alphas[0] > alphas[1] else b
    said = []
    for key, what in (("params", "size"), ("flops", "FLOP")):
        if pair[key] is None:
            continue
        found = pair[key]["gaps"]
        if not found:
            said.append(f"{a} and {b} have no {what} in common.")
            continue
        wins = {a: [g for g in found if g["gap"] < 0], b: [g for g in found if g["gap"] >= 0]}
        sure = {name: sum(g["ci95"][1] < 0 or g["ci95"][0] > 0 for g in gaps) for name, gaps in wins.items()}
        ahead, behind = (a, b) if len(wins[a]) >= len(wins[b]) else (b, a)
        small, large = (pick(abs(g["gap"]) for g in wins[ahead]) for pick in (min, max))
        if not any(sure.values()):
            line = f"{a} and {b} cannot be told apart at any {what} compared"
        elif not wins[behind]:
            where = f"at every {what} compared" if key == "flops" else "at every size"
            line = f"{ahead} is ahead {where}, by {small:.2f} to {large:.2f} nats"
            if sure[ahead] < len(found):
                line += f" ({sure[ahead]} of {len(found)} intervals leave out zero)"
        else:
            line = (f"{ahead} is ahead at {len(wins[ahead])} of {len(found)} {'sizes' if key == 'params' else 'FLOP'},"
                    f" {behind} at the rest")  # fmt: skip
        if key == "params" and any(sure.values()) and not wins[behind] and steeper == behind:
            line += f", although the {behind}'s α is larger"
        said.append(line + ".")
        if (place := pair[key]["crossing"]) and place["within_measured"]:
            said.append(f"Their curves cross near {'N' if key == 'params' else 'C'} = {place['at']:.3g}.")
    factors = [size for size in pair.get("to_equal", {}).get("sizes", []) if size["factor"]]
    if factors and all(size["factor"] > 1 for size in factors):
        least, most = (pick(size["factor"] for size in factors) for pick in (min, max))
        beyond = " (beyond the largest measured)" if any(size["extrapolated"] for size in factors) else ""
        said.append(f"To equal it, the {pair['to_equal']['behind'].upper()} needs {least:.1f} to {most:.1f} times the"
                    f" parameters{beyond}.")  # fmt: skip
    return said


def thinned(places: np.ndarray) -> np.ndarray:
    """Sizes of both architectures that match are one place."""
    kept: list[float] = []
    for place in places:
        if not kept or place > MATCHED * kept[-1]:
            kept.append(float(place))
    return np.array(kept)
