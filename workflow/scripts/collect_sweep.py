"""Gather a sweep of learning rates into one table and one figure (lr_sweep.csv, .pdf and .png).

The table has a row a run: model, arch, size, learning_rate, val_loss (over the whole validation split),
and in the column ``best`` a 1 where no other rate of that model did better.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from workflow.scripts import cli
from workflow.scripts.figures import loss_axis, save, shaded_sizes, short
from workflow.scripts.files import read_json, write_text


def read_trial(folder: Path) -> dict:
    config, perplexity = read_json(folder / "config.json"), read_json(folder / "perplexity.json")
    training = config["training"]
    return {
        "model": training["model_name"],
        "arch": config["model"]["arch"],
        "params_non_embedding": training["params_non_embedding"],
        "tokens": training["tokens"],
        "seed": training["options"]["seed"],
        "learning_rate": training["options"]["learning_rate"],
        "val_loss": perplexity["loss"],
        "val_loss_se": perplexity["loss_se"],
    }


def draw(trials: pd.DataFrame) -> Figure:
    archs, rates = sorted(trials["arch"].unique()), sorted(trials["learning_rate"].unique())
    fig, axes = plt.subplots(1, len(archs), figsize=(3.4 * len(archs) + 0.4, 3.4), sharey=True, squeeze=False)
    for ax, arch in zip(axes[0], archs, strict=True):
        rows = trials[trials["arch"] == arch]
        for size, shade in shaded_sizes(rows):
            line = rows[rows["params_non_embedding"] == size].sort_values("learning_rate")
            best = line[line["best"] == 1]
            ax.plot(line["learning_rate"], line["val_loss"], ".-", color=shade, label=f"N = {short(size)}")
            ax.plot(best["learning_rate"], best["val_loss"], "o", color=shade, markersize=7, fillstyle="none")
        ax.set_xscale("log")
        ax.set_xticks(rates, labels=[f"{rate:g}" for rate in rates])
        ax.minorticks_off()
        ax.set_xlabel("Peak learning rate")
        ax.set_title(f"{arch.upper()} (rings: best)", loc="left", fontsize=10)
        ax.legend(fontsize=7.5)
    loss_axis(axes[0][0], "Validation loss (nats a character)")
    fig.tight_layout()
    return fig


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the trials")
    parser.add_argument("--table", default="results/lr_sweep.csv", help="table to write; the figure goes beside it")
    args = parser.parse_args(argv)
    trials = pd.DataFrame([read_trial(Path(folder)) for folder in args.folders])
    trials = trials.sort_values(["arch", "params_non_embedding", "learning_rate"], kind="stable")
    trials["best"] = (trials["val_loss"] == trials.groupby("model")["val_loss"].transform("min")).astype(int)
    write_text(args.table, trials.to_csv(index=False, lineterminator="\n"))
    save(draw(trials), Path(args.table).with_suffix(""))
    for row in trials[trials["best"] == 1].itertuples():
        print(f"{row.model:<14} best rate {row.learning_rate:g}, validation loss {row.val_loss:.4f}")


if __name__ == "__main__":
    cli.run(main)
