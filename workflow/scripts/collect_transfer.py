"""Gather the trials of learning rates: where each model's best rate is, and how far it moves with width and depth.

  lr_transfer.csv    a row a trial: model, shape, learning_rate, val_loss over the whole validation split, infinite
                     if it diverged; ``best`` is 1 where no other rate of that model did better
  lr_transfer.json   each model's optimum; by architecture how far it moves, and what the rate in use gives away
  lr_transfer.pdf, .png

Example:
  python -m workflow.scripts.collect_transfer --folders results/lr_transfer/*/* --rates gpt=0.004 lstm=0.016
"""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.scripts.base import cli
from workflow.scripts.base.cli import InputError
from workflow.scripts.base.files import read_json, write_json, write_text
from workflow.scripts.figures.look import loss_axis, save, shades


def read_trial(folder: Path) -> dict:
    config, perplexity = read_json(folder / "config.json"), read_json(folder / "perplexity_val.json")
    model, training = config["model"], config["training"]
    if perplexity["split"] != "val":
        raise InputError(
            f"{folder / 'perplexity_val.json'} is not of the validation split: trials must not see the test"
        )
    return {
        "model": training["model_name"],
        "arch": model["arch"],
        "n_layer": model["n_layer"],
        "n_embd": model["n_embd"],
        "params_non_embedding": training["params_non_embedding"],
        "tokens": training["tokens"],
        "seed": training["options"]["seed"],
        "learning_rate": training["options"]["learning_rate"],
        "val_loss": math.inf if perplexity["loss"] is None else perplexity["loss"],
        "val_loss_se": perplexity["loss_se"],
    }


def optimum(rates: np.ndarray, losses: np.ndarray) -> tuple[float, bool]:
    """(best rate between the trials, whether it was bracketed), for ascending rates.

    The vertex of the parabola through the best trial and its neighbours, in the logarithm of the rate. A
    best trial at an end of the range is returned as it is: the optimum may lie beyond. So is one next to a
    trial that diverged, whose loss is infinite: no parabola goes through that.
    """
    i = int(losses.argmin())
    if i in (0, len(rates) - 1):
        return float(rates[i]), False
    around = slice(i - 1, i + 2)
    if not np.isfinite(losses[around]).all():
        return float(rates[i]), True
    curvature, slope, _ = np.polyfit(np.log(rates[around] / rates[i]), losses[around], 2)
    return float(rates[i] * np.exp(-slope / (2 * curvature))), True


def series(models: pd.DataFrame, varied: str, fixed: str) -> pd.DataFrame:
    """The models that differ in ``varied`` alone: of those that share a value of ``fixed``, the most numerous."""
    value = models.groupby(fixed)[varied].nunique().idxmax()
    return models[models[fixed] == value].sort_values(varied)


def summarise(trials: pd.DataFrame, taken: dict[str, float]) -> dict:
    """What lr_transfer.json holds; ``taken`` is the rate in use by architecture.

    Raises:
        InputError: every trial of a model diverged.
    """
    found = []
    for (name, arch), rows in trials.groupby(["model", "arch"], sort=False):
        rows = rows.sort_values("learning_rate")
        rates, losses = rows["learning_rate"].to_numpy(), rows["val_loss"].to_numpy()
        if not np.isfinite(losses).any():
            raise InputError(f"every trial of {name} diverged: try rates lower than {rates[0]:g}")
        rate, bracketed = optimum(rates, losses)
        used = losses[np.isclose(rates, taken[arch]) & np.isfinite(losses)]
        found.append(
            {
                "model": name,
                "arch": arch,
                "n_layer": int(rows["n_layer"].iloc[0]),
                "n_embd": int(rows["n_embd"].iloc[0]),
                "trials": len(rows),
                "diverged": int(np.isinf(losses).sum()),
                "best_trial": float(rates[losses.argmin()]),
                "best_loss": float(losses.min()),
                "optimum": rate,
                "bracketed": bracketed,
                "lost_at_rate_in_use": float(used[0] - losses.min()) if used.size else None,
            }
        )
    models = pd.DataFrame(found)
    archs = {}
    for arch, rows in models.groupby("arch"):
        lost = rows["lost_at_rate_in_use"].dropna()
        archs[arch] = {
            "rate_in_use": taken[arch],
            "most_lost_at_rate_in_use": float(lost.max()) if len(lost) == len(rows) else None,
            "trials": int(rows["trials"].sum()),
        }
        for what, varied, fixed in (("width", "n_embd", "n_layer"), ("depth", "n_layer", "n_embd")):
            line = series(rows, varied, fixed)
            if len(line) > 1:
                archs[arch][what] = {
                    "models": line["model"].tolist(),
                    "from": int(line[varied].iloc[0]),
                    "to": int(line[varied].iloc[-1]),
                    "optimum_moves_by_factor": float(line["optimum"].iloc[-1] / line["optimum"].iloc[0]),
                    "all_bracketed": bool(line["bracketed"].all()),
                }
    return {"archs": archs, "models": found}


def draw(trials: pd.DataFrame, summary: dict) -> Figure:
    """A column an architecture; above widths, below depths."""
    archs = summary["archs"]
    kinds = [kind for kind in ("width", "depth") if any(kind in moves for moves in archs.values())]
    fig, axes = plt.subplots(
        len(kinds), len(archs), figsize=(3.2 * len(archs) + 0.4, 2.9 * len(kinds) + 0.2), sharey=True, squeeze=False
    )
    for row, kind in zip(axes, kinds, strict=True):
        for ax, (arch, moves) in zip(row, archs.items(), strict=True):
            if kind not in moves:
                ax.set_axis_off()
                continue
            panel(ax, trials[trials["arch"] == arch], summary, arch, kind)
        loss_axis(row[0], "Validation loss (nats a character)")
    fig.tight_layout()
    return fig


def panel(ax: Axes, trials: pd.DataFrame, summary: dict, arch: str, kind: str) -> None:
    moves = summary["archs"][arch]
    line_of = moves[kind]
    models = {model["model"]: model for model in summary["models"]}
    for name, shade in zip(line_of["models"], shades(len(line_of["models"])), strict=True):
        rows, model = trials[trials["model"] == name].sort_values("learning_rate"), models[name]
        label = f"{model['n_layer']}×{model['n_embd']}"
        ax.plot(rows["learning_rate"], rows["val_loss"], ".-", color=shade, label=label)
        diverged = rows.loc[np.isinf(rows["val_loss"]), "learning_rate"]
        ax.plot(diverged, np.ones(len(diverged)), "x", color=shade, transform=ax.get_xaxis_transform(), clip_on=False)
        ax.plot(model["optimum"], model["best_loss"], "o", color=shade, markersize=7, fillstyle="none")
    ax.axvline(moves["rate_in_use"], color="#999999", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    rates = sorted(trials["learning_rate"].unique())
    ax.set_xticks(rates, labels=[f"{rate:g}" for rate in rates], fontsize=7)
    ax.minorticks_off()
    ax.set_xlabel("Peak learning rate")
    factor = line_of["optimum_moves_by_factor"]
    ax.set_title(f"{arch.upper()}, {kind}: optimum ×{factor:.2f}", loc="left", fontsize=9.5)
    ax.legend(title="layers × width", fontsize=7.5, title_fontsize=7.5)


def rate_of(text: str) -> tuple[str, float]:
    arch, _, rate = text.partition("=")
    return arch, cli.positive_float(rate)


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the trials")
    parser.add_argument("--rates", required=True, nargs="+", type=rate_of, metavar="ARCH=RATE", help="rates in use")
    parser.add_argument("--table", default="results/lr_transfer.csv", help="table to write; the rest goes beside it")
    args = parser.parse_args(argv)
    trials = pd.DataFrame([read_trial(Path(folder)) for folder in args.folders])
    taken = dict(args.rates)
    if unknown := set(trials["arch"]) - set(taken):
        raise InputError(f"--rates names no rate for {', '.join(sorted(unknown))}")
    order = ["arch", "n_layer", "params_non_embedding", "learning_rate"]
    trials = trials.sort_values(order, kind="stable")
    trials["best"] = (trials["val_loss"] == trials.groupby("model")["val_loss"].transform("min")).astype(int)
    summary = summarise(trials, taken)
    table = Path(args.table)
    write_text(table, trials.to_csv(index=False, lineterminator="\n"))
    write_json(table.with_suffix(".json"), summary)
    save(draw(trials, summary), table.with_suffix(""))
    for model in summary["models"]:
        edge = "" if model["bracketed"] else " (at the end of the range)"
        print(f"{model['model']:<14} optimum {model['optimum']:.3g}{edge}, best loss {model['best_loss']:.4f}")


if __name__ == "__main__":
    cli.run(main)
