"""Tables of runs and what fit.json says of them, made by hand: quick, and of any shape that a reader's may have."""

import numpy as np
import pandas as pd


def runs(n, loss, tokens=None, arch: str = "gpt", **columns) -> pd.DataFrame:
    """A table as `read_table` gives it, of sizes and losses (k,); tokens and others are one number or (k,)."""
    tokens = np.nan if tokens is None else tokens
    table = pd.DataFrame({"arch": arch, "params": np.asarray(n, float), "tokens": tokens, "loss": loss})
    table["unique_tokens"], table["flops"] = table["tokens"], 6 * table["params"] * table["tokens"]
    return table.assign(size=table["params"].map("{:.4g}".format), seed="", loss_se=np.nan).assign(**columns)


def group(points: pd.DataFrame, **said) -> dict:
    """What fit.json says of one group whose laws are of ``points``: the pure law, without a floor; and ``said``."""
    means = np.log(points["loss"]).groupby(points["params"]).mean()
    seeds = points.groupby("params").size()
    x = np.log(means.index.to_numpy(float))
    power = None
    if len(means) > 2:
        (slope, level), rss, *_ = np.polyfit(x, means, 1, full=True)
        basis = np.stack((np.ones_like(x), -x))
        covariance = float(rss[0]) / (len(x) - 2) * np.linalg.inv(basis @ basis.T)
        power = {"A": float(np.exp(level)), "alpha": float(-slope), "dof": len(x) - 2,
                 "covariance_log_A_alpha": covariance.tolist(),
                 "ci95": {"alpha": [-slope - 0.1, -slope + 0.1]}}  # fmt: skip
    tokens = points["tokens"]
    return {
        "tokens": None if tokens.isna().any() or tokens.nunique() > 1 else int(tokens.iloc[0]),
        "evaluation_se": None,
        "points": [{"size": f"{n:.4g}", "params": n, "loss": loss, "seeds": int(seeds[n])}
                   for n, loss in np.exp(means).items()],
        "power": power,
        "power_irreducible": None,
        "forecast": None,
        "verdict": "inconclusive",
        "said": ["GPT: undecided.", "Every step up in size helps."],
    } | said  # fmt: skip


def fit(headline: str = "", **groups: dict) -> dict:
    """The contents of fit.json."""
    return {"groups": groups, "comparison": {"said": [], "headline": headline}}


def forecast(params: float, loss: float, ends: list) -> dict:
    """The forecast of the largest size."""
    law = {"loss": 2 * loss, "pi95": ends, "error": 1.0, "rolling_error": None}
    return {"size": "xl", "params": params, "tokens": None, "from_sizes": 4, "observed": loss, "told": "kaplan",
            "loss": loss, "pi95": ends, "laws": {"kaplan": law}, "average": law | {"weights": {}}}  # fmt: skip


def law_of_n_and_d(e=1.7, a=400.0, b=410.0, alpha=0.34, beta=0.28) -> dict:
    """The entry ``chinchilla`` of a group."""
    share = beta / (alpha + beta)
    return {"formula": "L = E + A/N^alpha + B/D^beta", "E": e, "A": a, "B": b, "alpha": alpha, "beta": beta,
            "compute_optimal": {"N_exponent": share, "ci95": {"N_exponent": [share - 0.05, share + 0.05]}}}  # fmt: skip


def at_equal_flop(levels=(1e18, 3e18, 1e19, 3e19), sizes=5) -> tuple[pd.DataFrame, dict]:
    """Runs at levels of FLOP, each with its own tokens, by the law `law_of_n_and_d`; and the group's entry."""
    law, tables, optima = law_of_n_and_d(), [], []
    for flops in levels:
        n = np.geomspace(0.2, 5, sizes) * 0.1 * flops**0.5
        d = flops / (6 * n)
        loss = law["E"] + law["A"] * n ** -law["alpha"] + law["B"] * d ** -law["beta"]
        tables.append(runs(n, loss, d, flops=flops))
        best = int(loss.argmin())
        optima.append({"flops": flops, "params": n[best], "tokens": d[best], "loss": loss[best]})
    table = pd.concat(tables, ignore_index=True)
    isoflop = {"optima": optima, "optima_given": False, "N_exponent": 0.5, "ci95": {"N_exponent": [0.45, 0.55]}}
    return table, group(table, tokens=None, chinchilla=law, isoflop=isoflop)
