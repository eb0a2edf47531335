"""How much runs and sizes count: a run that diverged next to nothing, sizes by how well they are known.

Needs runs' sizes and log losses. Runs are judged by a robust scale, the median over sizes of the variance between
seeds, so that the run that is asked about does not widen it. A run is never taken out; one that is far out has the
weight that Student's t with 3 degrees of freedom gives it (Lange, Little and Taylor 1989), which is next to none.
"""

import numpy as np
from scipy.special import chdtri, fdtrc

FAR = 8.0  # standard errors; of normal noise one table in a hundred or fewer has such a run
SEED = 0.05  # no seed moves a log loss by so much: what is nearer is noise, however alike the other seeds are
HEAVY = 3.0  # degrees of freedom of the t distribution that weighs a run that is far out
FEWEST = 3  # sizes with several runs, of which a median says what is usual; and degrees of freedom of a variance
UNEQUAL = 0.01  # p of the F test from which the noise of small and large sizes is taken to differ
UNSHARED = 2.0  # errors of evaluation that differ by this factor are not one error that all runs share


def run_weights(log_n: np.ndarray, log_loss: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(n,) how much each run counts in the mean of its size: 1, or nearly 0 if it is far from the others of its size.

    At most one run of a size is far out. Of two runs that differ so, it is the one farther from the line through the
    other sizes.

    Args:
        log_n: (n,) log N of each run.
        log_loss: (n,) its log loss.
        size: (n,) the place of its size, from 0.
    """
    weights = np.ones(len(size))
    counts = np.bincount(size)
    if (counts > 1).sum() < FEWEST:
        return weights
    means = np.bincount(size, log_loss) / counts
    squares = np.bincount(size, (log_loss - means[size]) ** 2)
    dof = counts[counts > 1] - 1
    usual = np.sqrt(np.median(squares[counts > 1] / chdtri(dof, 0.5)))
    of_run = counts[size]
    apart = np.abs(log_loss - means[size]) * of_run / np.maximum(of_run - 1, 1)  # from the mean of the other runs
    errors = np.maximum(usual * np.sqrt(of_run / np.maximum(of_run - 1, 1)), 1e-300)
    for place in np.unique(size[(apart > SEED) & (apart > FAR * errors)]):
        runs = np.flatnonzero(size == place)
        others = size != place
        if len(runs) == 2:
            line = np.polyfit(log_n[others], log_loss[others], 1)
            out = runs[np.abs(log_loss[runs] - np.polyval(line, log_n[runs])).argmax()]
        else:
            out = runs[apart[runs].argmax()]
        score = min(apart[out] / errors[out], 1e100)
        weights[out] = (HEAVY + 1) / (HEAVY + score**2)
    return weights


def seed_spread(squares: np.ndarray, dof: np.ndarray) -> np.ndarray:
    """(k,) the variance between seeds of each size, ascending, relative to their geometric mean.

    All 1 unless an F test finds that the smaller half and the larger differ; then each half has its own. Of single
    sizes two or three seeds tell far too little.

    Args:
        squares: (k,) sums of squares of log loss within each size.
        dof: (k,) their degrees of freedom.
    """
    half = np.arange(len(dof)) >= len(dof) / 2
    sums, freedom = (np.array([values[~half].sum(), values[half].sum()]) for values in (squares, dof))
    if freedom.min() < FEWEST or sums.min() <= 0:
        return np.ones(len(dof))
    variances = sums / freedom
    large, small = variances.argmax(), variances.argmin()
    if 2 * fdtrc(freedom[large], freedom[small], variances[large] / variances[small]) >= UNEQUAL:
        return np.ones(len(dof))
    relative: np.ndarray = (variances / np.sqrt(variances.prod()))[half.astype(int)]
    return relative


def error_weights(log_n: np.ndarray, log_loss: np.ndarray, size: np.ndarray, se: np.ndarray) -> np.ndarray | None:
    """(k,) how much each size counts by its own error of evaluation, 1 on average; None if errors are much alike.

    A size lies from the law by that error and by what all sizes have, whose variance is estimated by moments about the
    straight line (DerSimonian and Laird 1986), so that a size measured very well does not decide alone.

    Args:
        log_n: (k,) log N.
        log_loss: (k,) the mean log loss of each size.
        size: (n,) the place of each run's size.
        se: (n,) each run's relative standard error of evaluation, NaN where not known.
    """
    own = np.bincount(size, se**2) / np.bincount(size)
    if len(own) < 3 or not np.isfinite(own).all() or own.min() <= 0 or own.max() < UNSHARED**2 * own.min():
        return None
    basis = np.stack((np.ones_like(log_n), log_n - log_n.mean()), axis=1)
    weighted = basis / own[:, None]
    inverse = np.linalg.inv(basis.T @ weighted)
    residuals = log_loss - basis @ (inverse @ (weighted.T @ log_loss))
    excess = residuals**2 @ (1 / own) - (len(own) - 2)
    shared = max(excess / ((1 / own).sum() - np.trace(inverse @ weighted.T @ weighted)), 0.0)
    weights = 1 / (own + shared)
    return np.asarray(weights / weights.mean())
