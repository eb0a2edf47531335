"""How often each verdict is given on tables whose law is known, and how often intervals of alpha and E hold.

Tables of 4 to 8 sizes over two decades, of one or three seeds, with noise of 0.3 to 3% in each run. The laws of all
tables of a cell are fitted at once, by the code that fits one; some are judged one by one as well, which shows that it
comes to the same. ``effects`` says how often intervals hold where sizes deviate by more than their seeds.

Example:
  python -m benchmarks.verdicts
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.special import fdtrc, fdtri, stdtr, stdtrit

from benchmarks.against import write_result
from workflow.scripts.base import cli
from workflow.scripts.findings.curves import curves_through
from workflow.scripts.findings.evidence import Evidence, bonferroni
from workflow.scripts.findings.verdict import HALF, HEADLINES, MATERIAL, decide, judge
from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.estimate import LOOSE, Settings
from workflow.scripts.laws.forms import POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.line import Points, curvature, own_deviation, points_of, pool
from workflow.scripts.laws.power_law import MISFIT, fit_power, fit_power_irreducible
from workflow.scripts.laws.problem import Held, Problem

SPAN = (1e4, 1e6)
SIZES, SEEDS, NOISE = (4, 5, 6, 8), (1, 3), (0.003, 0.01, 0.03)
EFFECTS = (0.0, 0.5, 1.0, 2.0)  # standard deviation of a size beyond its seeds, in that of seeds
ALONE = 1  # tables of each cell that are judged one by one, too


def places(sizes: int) -> np.ndarray:
    """(sizes,) log N, evenly over `SPAN`."""
    return np.linspace(np.log(SPAN[0]), np.log(SPAN[1]), sizes)


def floored(share: float, alpha: float) -> Callable[[np.ndarray], np.ndarray]:
    """A law whose floor is this share of the loss at the largest size, 1."""
    return lambda x: share + (1 - share) * np.exp(-alpha * (x - x[-1]))


def bad_largest(x: np.ndarray) -> np.ndarray:
    """A power law whose largest size is 15% worse than the next smaller."""
    loss = np.exp(-0.2 * (x - x[-1]))
    return np.where(x == x[-1], 1.15 * loss[-2], loss)


# Loss by log N of each truth, and the verdicts that are wrong of it.
TRUTHS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[str, ...]]] = {
    "power, α 0.1": (floored(0, 0.1), ("saturating", "reversal", "flat")),
    "power, α 0.3": (floored(0, 0.3), ("saturating", "reversal", "flat")),
    "floor of 14%": (floored(0.14, 0.3), ("saturating", "reversal", "flat")),
    "floor of 50%": (floored(0.5, 0.3), ("power", "reversal", "flat")),
    "floor of 85%": (floored(0.85, 0.5), ("power", "reversal", "flat")),
    "flat": (lambda x: np.ones_like(x), ("power", "saturating", "reversal")),
    "a bad largest": (bad_largest, ("power", "saturating", "flat")),
    "log-quadratic": (lambda x: np.exp(-0.1 * (x - x[-1]) + 0.01 * (x - x[-1]) ** 2), ("reversal", "flat")),
}


class Tables:
    """The mean log losses (m, k) of m tables of the same k sizes, and the noise between their seeds."""

    def __init__(self, log_n: np.ndarray, means: np.ndarray, pure: np.ndarray, dof_pure: int, seeds: int):
        n = np.exp(log_n)
        self.data = data_of(n, n, np.ones(len(n)))._replace(log_loss=means)
        self.x, self.means, self.pure, self.dof_pure, self.seeds = self.data.log_n, means, pure, dof_pure, seeds

    def noise(self, squares: np.ndarray, parameters: int, pooled: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """`laws.line.pooled_noise` of each table: variance and degrees of freedom, each (m,)."""
        dof = len(self.x) - parameters
        alone = squares / dof
        if not (self.dof_pure and pooled):
            return alone, np.full(len(alone), dof)
        together, variance, known = pool(alone, dof, self.pure / self.dof_pure / self.seeds, self.dof_pure)
        return np.where(together, variance * (1 + own_deviation(dof) * self.seeds), variance), known


class Floors:
    """The law with irreducible loss of m tables.

    Attributes:
        theta: (m, 3).
        squares: (m,) residual sum of squares.
        variance: (m,) of a size's mean about that law, as its intervals have it.
        dof: (m,) that go with it.
    """

    def __init__(self, tables: Tables):
        self.tables, means = tables, tables.means
        start = curves_through(tables.x, means)
        self.problem = Problem(POWER_IRREDUCIBLE, tables.data, weights=np.ones(means.shape))
        # From zero no gradient leads back, so a floor that the grid does not see gets some to start from.
        ends = [
            minimise_all(self.problem, np.column_stack((np.maximum(start[:, 0], floor), start[:, 1:])), LOOSE)
            for floor in (means.min(axis=1) - np.log(50), means.min(axis=1) - np.log(2))
        ]
        one, two = ends
        self.theta = np.where((two.objective < one.objective)[:, None], two.theta, one.theta)
        self.squares = 2 * np.minimum(one.objective, two.objective)
        self.variance, self.dof = tables.noise(self.squares, 3)

    def rise(self, name: str, values: np.ndarray) -> np.ndarray:
        """How far the squares rise above their minimum with a parameter held at ``values`` (m,)."""
        held = [POWER_IRREDUCIBLE.constraint(name, value, self.tables.data) for value in values]
        loss = np.exp(self.tables.means)
        floor = values if name == "E" else np.zeros(len(values))
        slope, level = np.polyfit(self.tables.x, np.log(np.maximum(loss - floor[:, None], 1e-3 * loss)).T, 1)
        begin = np.column_stack((np.zeros(len(floor)), level, np.clip(-slope, 0.01, 2.5)))
        own = self.theta.copy()
        ends = [minimise_all(replace(self.problem, held=Held.of(held, 3)), start, LOOSE) for start in (begin, own)]
        return 2 * np.minimum(*(end.objective for end in ends)) - self.squares

    def allowed(self, pooled: bool = True) -> np.ndarray:
        """(m,) how far the squares may rise within a 95% interval, by seeds as well or by sizes alone."""
        variance, dof = (self.variance, self.dof) if pooled else self.tables.noise(self.squares, 3, pooled=False)
        return np.asarray(variance * fdtri(1, dof, 0.95))

    def floor(self) -> tuple[np.ndarray, np.ndarray]:
        """(m,) whether E's interval is above 0 and above what is material, and whether below half of it."""
        allowed = self.allowed()
        lowest = np.exp(self.tables.means.min(axis=1))
        e = np.exp(self.theta[:, 0])
        line = Lines(self.tables, 1).squares - self.squares  # without a floor
        above = (e > 0) & (line > allowed), (e > MATERIAL * lowest) & (self.rise("E", MATERIAL * lowest) > allowed)
        below = (e < HALF * lowest) & (self.rise("E", HALF * lowest) > allowed)
        # Ends that say as much to `decide` as the true ones.
        return np.where(above[1], MATERIAL, np.where(above[0], 1e-3, 0.0)), np.where(below, HALF, 1.0)

    def forecast(self, log_n: float) -> tuple[np.ndarray, np.ndarray]:
        """(m,) log loss at another N, and its variance."""
        data = self.tables.data
        place = data.at(np.exp(log_n), 1.0)
        theta = self.theta.T[:, :, None]
        expected, by = POWER_IRREDUCIBLE.predict(theta, place)
        _, slopes = POWER_IRREDUCIBLE.predict(theta, data)
        inverse = np.linalg.pinv(slopes.swapaxes(1, 2) @ slopes)
        return expected[:, 0], self.variance * np.einsum("mp,mpq,mq->m", by[:, 0], inverse, by[:, 0])


class Lines:
    """Straight lines, or parabolas, through m tables' mean log losses (m, k): the same by least squares."""

    def __init__(self, tables: Tables, degree: int, pooled: bool = True):
        self.basis = np.vander(tables.x, degree + 1, increasing=True)
        self.inverse = np.linalg.inv(self.basis.T @ self.basis)
        self.values = tables.means @ self.basis @ self.inverse
        self.squares = ((self.values @ self.basis.T - tables.means) ** 2).sum(axis=1)
        self.variance, self.dof = tables.noise(self.squares, degree + 1, pooled)
        self.mean_n = tables.data.mean_n

    def error(self, which: int) -> np.ndarray:
        """(m,) standard error of a coefficient."""
        return np.sqrt(self.variance * self.inverse[which, which])

    def forecast(self, log_n: float) -> tuple[np.ndarray, np.ndarray]:
        """(m,) log loss at another N, and its variance."""
        place = (log_n - self.mean_n) ** np.arange(self.basis.shape[1])
        return self.values @ place, self.variance * (place @ self.inverse @ place)


def evidences(log_n: np.ndarray, log_loss: np.ndarray) -> list[Evidence]:
    """`findings.evidence.evidence` of m tables at once; log N (k,) and runs' log losses (m, k, seeds)."""
    m, k, seeds = log_loss.shape
    means = log_loss.mean(axis=2)
    whole, rest = of_runs(log_n, log_loss), of_runs(log_n[:-1], log_loss[:, :-1])
    fits, line, bent = Floors(whole), Lines(whole, 1), Lines(whole, 2) if k > 4 else None
    alpha, half = -line.values[:, 1], stdtrit(line.dof, 0.975) * line.error(1)
    pure, dof_pure = whole.pure, whole.dof_pure

    def lack(squares: np.ndarray, parameters: int) -> list:
        if not dof_pure or k == parameters:
            return [None] * m
        return fdtrc(k - parameters, dof_pure, squares / (k - parameters) / (pure / dof_pure / seeds)).tolist()

    def surprise(law: Floors | Lines) -> tuple[np.ndarray, np.ndarray]:
        expected, variance = law.forecast(log_n[-1])
        return (means[:, -1] - expected) / np.sqrt(variance + law.variance), law.dof

    t_line, t_alone = surprise(Lines(rest, 1)), surprise(Lines(rest, 1, pooled=False))
    t_floor = surprise(Floors(rest)) if k > 4 else None
    worse = stdtr(t_alone[1], -t_alone[0])
    if dof_pure:
        gap = (means[:, -1] - means[:, -2]) / np.sqrt(pure / dof_pure * 2 / seeds)
        worse = np.minimum(1, 2 * np.minimum(worse, stdtr(dof_pure, -gap)))
    if t_floor:
        worse = np.where(t_floor[1] >= 2, stdtr(t_floor[1], -t_floor[0]), worse)
    worse = np.where(means[:, -1] > means[:, -2], worse, 1.0)
    negative = stdtr(line.dof, alpha / line.error(1))
    both = lambda t: [None] * m if t is None else (2 * stdtr(t[1], -np.abs(t[0]))).tolist()  # noqa: E731
    curved = [None] * m if bent is None else (2 * stdtr(bent.dof, -np.abs(bent.values[:, 2] / bent.error(2)))).tolist()
    explained = ((means - means.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) - fits.squares
    early = fdtrc(2, fits.dof, np.maximum(explained, 0) / 2 / fits.variance)
    low, high = fits.floor()
    misfit = np.sqrt(fits.squares / (k - 3)) > MISFIT
    columns = zip(lack(line.squares, 2), lack(fits.squares, 3), curved, both(t_line), both(t_floor), strict=True)
    return [
        Evidence(
            (alpha[i] - half[i], alpha[i] + half[i]), bonferroni(negative[i], worse[i]), (low[i], high[i]), early[i],
            bonferroni(of_floor), bonferroni(of_floor, beyond_floor), bonferroni(of_line, bend, beyond_line),
            bool(misfit[i]),
        )
        for i, (of_line, of_floor, bend, beyond_line, beyond_floor) in enumerate(columns)
    ]  # fmt: skip


def points_at(log_n: np.ndarray, log_loss: np.ndarray) -> Points:
    """Of one table, log losses (k, seeds)."""
    return points_of(np.exp(np.repeat(log_n, log_loss.shape[1])), np.exp(log_loss.ravel()))


def is_plain(points: Points) -> bool:
    """Whether all runs and all sizes count alike, as they do in what is fitted at once."""
    return bool((points.run_weight == 1).all() and np.ptp(points.weight) == 0)


def judged_alone(points: Points) -> str:
    """The verdict on one table, by the code that fits one."""
    settings = Settings(draws=0)
    laws = {
        "power": fit_power(points, settings, 0.0),
        "power_irreducible": fit_power_irreducible(points, settings, 0.0).law,
        "curvature": curvature(points),
    }
    return judge(points, laws)


def cell(truth: str, sizes: int, seeds: int, noise: float, tables: int) -> dict:
    """Shares of verdicts on so many tables, and how many of `ALONE` are judged the same one by one."""
    rng = np.random.default_rng(sizes + 10 * seeds + int(1e5 * noise))
    log_n = places(sizes)
    log_loss = np.log(TRUTHS[truth][0](log_n))[:, None] + rng.normal(0, noise, (tables, sizes, seeds))
    verdicts = [decide(found) for found in evidences(log_n, log_loss)]
    # Of tables whose seeds differ as if their noise did, which chance makes one in a hundred, none is judged alone.
    plain = [i for i in range(min(tables, 10 * ALONE)) if is_plain(points_at(log_n, log_loss[i]))][:ALONE]
    same = sum(judged_alone(points_at(log_n, log_loss[i])) == verdicts[i] for i in plain)
    counts = Counter(verdicts)
    return {
        "truth": truth, "sizes": sizes, "seeds": seeds, "noise": noise, "tables": tables, "same_alone": same,
        "alone": len(plain), "verdicts": {name: counts[name] / tables for name in HEADLINES},
        "wrong": sum(counts[name] for name in TRUTHS[truth][1]) / tables,
    }  # fmt: skip


def of_runs(log_n: np.ndarray, log_loss: np.ndarray) -> Tables:
    """Of log N (k,) and runs' log losses (m, k, seeds)."""
    _, k, seeds = log_loss.shape
    means = log_loss.mean(axis=2)
    within = ((log_loss - means[:, :, None]) ** 2).sum(axis=(1, 2))
    return Tables(log_n, means, within, k * (seeds - 1), seeds)


def effects(sizes: int, seeds: int, effect: float, tables: int) -> dict:
    """How often 95% intervals hold, by seeds as well and by sizes alone, if sizes deviate by ``effect`` seeds."""
    rng = np.random.default_rng(sizes + 10 * seeds + int(100 * effect))
    log_n = places(sizes)
    noise = 0.01 * (rng.normal(0, 1, (tables, sizes, seeds)) + rng.normal(0, effect, (tables, sizes, 1)))
    found = {"sizes": sizes, "seeds": seeds, "effect": effect, "tables": tables}
    straight = of_runs(log_n, np.log(floored(0, 0.1)(log_n))[:, None] + noise)
    for name, pooled in (("pooled", True), ("alone", False)):
        line = Lines(straight, 1, pooled)
        within = np.abs(line.values[:, 1] + 0.1) <= stdtrit(line.dof, 0.975) * line.error(1)
        found[f"line_alpha_{name}"] = float(within.mean())
    flat = Floors(of_runs(log_n, np.log(floored(0.5, 0.3)(log_n))[:, None] + noise))
    for parameter, truth in (("E", 0.5), ("alpha", 0.3)):
        rise = flat.rise(parameter, np.full(tables, truth))
        for name, pooled in (("pooled", True), ("alone", False)):
            found[f"{parameter}_{name}"] = float((rise <= flat.allowed(pooled)).mean())
    return found


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--tables", type=cli.positive_int, default=400, help="of each cell")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [effects(*at, 5 * args.tables) for at in itertools.product(SIZES, (2, 3), EFFECTS)]
    for row in rows:
        print({name: value if isinstance(value, int) else round(value, 3) for name, value in row.items()}, flush=True)
    cells = []
    for truth in TRUTHS:
        found = [cell(truth, *at, args.tables) for at in itertools.product(SIZES, SEEDS, NOISE)]
        cells += found
        wrong = [one["wrong"] for one in found]
        print(f"{truth}: wrong in {np.mean(wrong):.1%}, at most {max(wrong):.1%}", flush=True)
    write_result("verdicts", torch.device("cpu"), [], by_kind=False, verdicts=cells, effects=rows)


if __name__ == "__main__":
    cli.run(main)
