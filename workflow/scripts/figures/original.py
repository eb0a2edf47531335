"""The page on the study that this one grew out of: its claims beside its own logs and beside our recorded results."""

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from workflow.scripts.base.amounts import short
from workflow.scripts.base.measures import RHYTHM, SYNTAX, TOOLS
from workflow.scripts.base.tables import table
from workflow.scripts.figures.laws import OF_ALL, draw_lines, key_to
from workflow.scripts.figures.look import MEDIUM, grid_of, small
from workflow.scripts.figures.look import page as page_of
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.summary import pooled
from workflow.scripts.figures.surface import GREY, HALO
from workflow.scripts.figures.words import legend_below

SOURCE = "https://github.com/ishan-tandon/music-scaling-laws"

PANELS = (
    ("README: test loss", ("readme",), "Test loss (nats a character)"),
    ("Logs: validation loss", ("gpt logs", "lstm logs"), "Validation loss (nats a character)"),
)
CAPTION = (
    "Losses of the original study by its README, at nominal sizes, and by its logs, with laws fitted to each: two kinds"
    " of loss, on axes of their own."
)


def interval_text(interval: list[float], digits: int = 3) -> str:
    """[low, high] as it is printed."""
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def alpha_text(group: dict) -> str:
    """The exponent of a group's power law with its interval, as it is printed; the group as fit.json has it."""
    return f"{group['power']['alpha']:.3f} {interval_text(group['power']['ci95']['alpha'])}"


def of_original(runs: pd.DataFrame, groups: dict, without: dict) -> dict[str, str]:
    """Every number of the original that claims.csv names, as it is printed.

    ``groups`` are the laws of all its runs, ``without`` those of all but XXL, by who reports the runs.
    """
    loss = runs.set_index(["told_by", "size"])["loss"]
    forecast = groups["readme"]["forecast"]["laws"]["power"]
    floor = without["gpt logs"]["power_irreducible"]
    xxl, xxl_ends = np.exp(forecast["loss"]), np.exp(forecast["pi95"]).tolist()
    logged = np.exp(loss["gpt logs"][["tiny", "small", "medium", "large"]])
    return {
        "readme_alpha": alpha_text(groups["readme"]),
        "readme_without_alpha": alpha_text(without["readme"]),
        "readme_verdict": groups["readme"]["verdict"],
        "forecast": f"{xxl:.3f} {interval_text(xxl_ends, 2)}",
        "stated_xxl": f"{np.exp(loss['readme', 'xxl']):.3f}",
        "stated_large": f"{np.exp(loss['readme', 'large']):.2f}",
        "gpt_alpha": alpha_text(without["gpt logs"]),
        "gpt_verdict": without["gpt logs"]["verdict"],
        "gpt_floor": f"{floor['E']:.2f} {interval_text(floor['ci95']['E'], 2)}",
        "xxl_loss": f"{loss['gpt logs', 'xxl']:.3f}",
        "xl_loss": f"{loss['gpt logs', 'xl']:.3f}",
        "lstm_alpha": alpha_text(groups["lstm logs"]),
        "lstm_verdict": groups["lstm logs"]["verdict"],
        "lstm_tiny_loss": f"{loss['lstm logs', 'tiny']:.3f}",
        "gpt_tiny_loss": f"{loss['gpt logs', 'tiny']:.3f}",
        "logged_ppl": ", ".join(f"{value:.2f}" for value in logged),
        "tokens": f"{runs['tokens'].mode()[0] / 1e6:.1f}M",
    }


def of_ours(fit: dict, writing: pd.DataFrame, corpus: dict) -> dict[str, str]:
    """Every sentence about our runs that claims.csv names.

    ``fit`` and ``corpus`` are the contents of fit.json and corpus.json, ``writing`` is writing.csv.
    """
    groups = fit["groups"]
    own = writing[writing["prompt"].isna()]
    models = own[own["arch"].notna()]
    largest = models[models["params_non_embedding"] == models.groupby("arch")["params_non_embedding"].transform("max")]
    smallest = models[models["params_non_embedding"] == models.groupby("arch")["params_non_embedding"].transform("min")]
    rates = "; ".join(
        f"{arch.upper()} {pooled(smallest[smallest['arch'] == arch], SYNTAX)} to"
        f" {pooled(largest[largest['arch'] == arch], SYNTAX)}"
        for arch in sorted(groups)
    )
    real = own[own["writer"] == "real"]
    leak = corpus["leakage"]
    return {
        "our_alphas": "; ".join(
            f"{arch.upper()} α = {alpha_text(group)}" if group["power"] else group["said"][0].removesuffix(".")
            for arch, group in sorted(groups.items())
        )
        + ". An exponent holds for its sizes, tokens and corpus.",
        "our_saturation": "; ".join(f"{arch.upper()}: **{group['verdict']}**" for arch, group in sorted(groups.items()))
        + ". The verdict is drawn on the figure.",
        "our_comparison": " ".join(fit["comparison"]["said"]),
        "our_validity": f"Share of tunes that keep the grammar of ABC, smallest to largest: {rates}.",
        "our_real": f"Real tunes stand beside the models: {pooled(real, SYNTAX)} keep the grammar,"
        f" {pooled(real, TOOLS)} pass abc2midi, {pooled(real, RHYTHM)} have every bar right.",
        "our_leak": f"Versions of one tune never cross the split: {leak['in_force']['either']:.2%} of test tunes have a"
        f" relative in training, against {leak['random']['either']:.2%} with a random split.",
    }


def picture(runs: pd.DataFrame, groups: dict, width: float = MEDIUM) -> Picture:
    """Its runs with their laws: by its README, which states test losses, and by its logs, which have validation losses.

    Args:
        runs: as `read_runs` gives them, and ``groups`` their laws as `fit_runs` does.
        width: of the figure, in inches.
    """
    rows = {name: runs[runs["told_by"] == name] for name in groups}
    usual = runs["tokens"].mode()[0]
    with page_of(width) as scale:
        fig, axes, each = grid_of(len(PANELS), width, scale, titles=1)
        handles: dict[str, Line2D] = {}
        said = [CAPTION]
        for ax, (title, names, loss) in zip(axes, PANELS, strict=True):
            own = {name: groups[name] for name in names}
            entries = draw_lines(ax, rows, own, loss, each - 0.9 * scale, list(groups))
            handles |= {str(entry.get_label()): entry for entry in entries}
            ax.set_ylabel(loss)
            ax.set_title(title, loc="left", fontsize=9 * scale)
            for run in pd.concat([rows[name] for name in names]).itertuples():
                if run.tokens != usual:
                    ax.annotate(f"D = {short(run.tokens)}", (run.params, run.loss), (0, 6), ha="right", va="bottom",
                                textcoords="offset points", fontsize=small(), color=GREY,
                                path_effects=HALO)  # fmt: skip
            verdicts = [sentence for group in own.values() for sentence in group["said"]]
            said += [f"{title}.", *verdicts, key_to(own, rows)]
        legend_below(fig, sorted(handles.values(), key=lambda entry: entry.get_label() in OF_ALL))
    others = runs[runs["tokens"] != usual]
    said += [
        f"All runs read {short(usual)} tokens but {run.size} of the {run.told_by.upper()}, which read"
        f" {short(run.tokens)}."
        for run in others.itertuples()
    ]
    return Picture(fig, " ".join(said))


def page(claims: pd.DataFrame, words: dict[str, str], runs: pd.DataFrame, shown: str, caption: str) -> str:
    """The page in Markdown.

    Args:
        words: what takes the place of each name in braces.
        shown: name of the figure's file, beside the page, and its ``caption``.

    Raises:
        KeyError: a claim has a name in braces that is not in ``words``.
    """
    rows = [
        [f"**{claim.claim}.** {claim.says}", claim.shown.format(**words), claim.ours.format(**words), claim.where]
        for claim in claims.itertuples()
    ]
    stated = [
        [run.told_by, run.size, *(f"{count:,.0f}" for count in (run.params, run.tokens)), f"{np.exp(run.loss):.3f}",
         f"{run.loss:.4f}", run.where]
        for run in runs.itertuples()
    ]  # fmt: skip
    return "\n\n".join([
        "# The study this one grew out of",
        f"[The original]({SOURCE}) trained Transformers and LSTMs of {short(runs['params'].min())} to"
        f" {short(runs['params'].max())} parameters on the Lakh MIDI dataset in ABC notation. This page sets what its"
        " README claims beside what its own logs and code show, and beside what our default study finds. Its weights"
        " and data could not be had: nothing is said of what cannot be seen in the repository. Ours is of another"
        " corpus and of much smaller models: what happens at its largest size is for the Lakh study of this repository"
        " to find out.",
        f"![Losses of the original study by its README and by its logs, with fitted laws]({shown})",
        caption,
        table(["It claims", "Its own repository shows", "Our runs show", "where"], rows),
        "## What it tells of its runs",
        "README: test perplexity, nominal sizes. Logs: validation loss, parameters outside the embedding.",
        table(["told by", "size", "N", "tokens", "perplexity", "loss", "where"], stated),
        "Written by `snakemake --cores 1 docs/original-study.md` from the two tables in `docs/original-study` and the"
        " recorded results in `docs/default-study`.",
    ]) + "\n"  # fmt: skip
