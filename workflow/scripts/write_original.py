"""Write a page that sets the claims of the study this one grew out of beside its own logs and beside our runs.

Reads, in --facts, runs.csv (what the original tells of its runs, and in which of its files) and claims.csv (each claim,
what its repository shows and what ours does, with names in braces for every number that is computed here); and in
--study our recorded runs.csv, fit.json, writing.csv and corpus.json.

Example:
  python -m workflow.scripts.write_original --facts docs/original-study --study docs/default-study \\
      --output docs/original-study.md
"""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.base.tables import read_csv, table
from workflow.scripts.figures.laws import scaling
from workflow.scripts.figures.look import save
from workflow.scripts.laws.describe import Settings
from workflow.scripts.laws.fit_table import fit_group
from workflow.scripts.laws.table import complete, read_fit
from workflow.scripts.writing.columns import weighted

SOURCE = "https://github.com/ishan-tandon/music-scaling-laws"
FORMS = ("power", "power_irreducible")


def read_runs(path: Path) -> pd.DataFrame:
    """The original's runs as a table of laws; where it tells a perplexity, the loss is its logarithm."""
    runs = read_csv(path, "told_by", "size", "params", "tokens", "perplexity", "loss", "where")
    runs["loss"] = runs["loss"].fillna(np.log(runs["perplexity"]))
    unknown = dict.fromkeys(("flops", "unique_tokens", "loss_se"), np.nan)
    runs, _ = complete(runs.assign(seed="", **unknown))
    return runs


def ends(values: list[float], digits: int = 3) -> str:
    return f"[{values[0]:.{digits}f}, {values[1]:.{digits}f}]"


def alpha(group: dict) -> str:
    return f"{group['power']['alpha']:.3f} {ends(group['power']['ci95']['alpha'])}"


def of_original(runs: pd.DataFrame, groups: dict, without: dict) -> dict[str, str]:
    """Every number that claims.csv names, of the original."""
    loss = runs.set_index(["told_by", "size"])["loss"]
    forecast = groups["readme"]["forecast"]
    floor = without["gpt logs"]["power_irreducible"]
    logged = np.exp(loss["gpt logs"][["tiny", "small", "medium", "large"]])
    return {
        "readme_alpha": alpha(groups["readme"]),
        "readme_without_alpha": alpha(without["readme"]),
        "readme_verdict": groups["readme"]["verdict"],
        "forecast": f"{np.exp(forecast['power']['loss']):.3f} {ends(np.exp(forecast['power']['pi95']).tolist(), 2)}",
        "stated_xxl": f"{np.exp(loss['readme', 'xxl']):.3f}",
        "stated_large": f"{np.exp(loss['readme', 'large']):.2f}",
        "gpt_alpha": alpha(without["gpt logs"]),
        "gpt_verdict": without["gpt logs"]["verdict"],
        "gpt_floor": f"{floor['E']:.2f} {ends(floor['ci95']['E'], 2)}",
        "xxl_loss": f"{loss['gpt logs', 'xxl']:.3f}",
        "xl_loss": f"{loss['gpt logs', 'xl']:.3f}",
        "lstm_alpha": alpha(groups["lstm logs"]),
        "lstm_verdict": groups["lstm logs"]["verdict"],
        "lstm_tiny_loss": f"{loss['lstm logs', 'tiny']:.3f}",
        "gpt_tiny_loss": f"{loss['gpt logs', 'tiny']:.3f}",
        "logged_ppl": ", ".join(f"{value:.2f}" for value in logged),
        "tokens": f"{runs['tokens'].max() / 1e6:.1f}M",
    }


def of_ours(fit: dict, writing: pd.DataFrame, corpus: dict) -> dict[str, str]:
    """Every sentence of claims.csv about our runs."""
    groups = fit["groups"]
    own = writing[writing["prompt"].isna()]
    models = own[own["arch"].notna()]
    largest = models[models["params_non_embedding"] == models.groupby("arch")["params_non_embedding"].transform("max")]
    smallest = models[models["params_non_embedding"] == models.groupby("arch")["params_non_embedding"].transform("min")]
    rates = "; ".join(
        f"{arch.upper()} {weighted(smallest[smallest['arch'] == arch], 'syntax')} to"
        f" {weighted(largest[largest['arch'] == arch], 'syntax')}"
        for arch in sorted(groups)
    )
    real = own[own["writer"] == "real"]
    leak = corpus["leakage"]
    return {
        "our_alphas": "; ".join(
            f"{arch.upper()} α = {alpha(group)}" if group["power"] else group["said"][0].removesuffix(".")
            for arch, group in sorted(groups.items())
        )
        + ". An exponent holds for its sizes, tokens and corpus.",
        "our_saturation": "; ".join(f"{arch.upper()}: **{group['verdict']}**" for arch, group in sorted(groups.items()))
        + ". The verdict is drawn on the figure.",
        "our_comparison": " ".join(fit["comparison"]["said"]),
        "our_validity": f"Share of tunes that keep the grammar of ABC, smallest to largest: {rates}.",
        "our_real": f"Real tunes stand beside the models: {weighted(real, 'syntax')} keep the grammar,"
        f" {weighted(real, 'tools')} pass abc2midi, {weighted(real, 'rhythm')} have every bar right.",
        "our_leak": f"Versions of one tune never cross the split: {leak['in_force']['either']:.2%} of test tunes have a"
        f" relative in training, against {leak['random']['either']:.2%} with a random split.",
    }


def page(claims: pd.DataFrame, words: dict[str, str], runs: pd.DataFrame, picture: str) -> str:
    rows = [
        [f"**{claim.claim}.** {claim.says}", claim.shown.format(**words), claim.ours.format(**words), claim.where]
        for claim in claims.itertuples()
    ]
    stated = [
        [run.told_by, run.size, f"{run.params:,.0f}", f"{np.exp(run.loss):.3f}", f"{run.loss:.4f}", run.where]
        for run in runs.itertuples()
    ]
    return "\n\n".join([
        "# The study this one grew out of",
        f"[The original]({SOURCE}) trained Transformers of 1M to 738M parameters and four LSTMs on the Lakh MIDI"
        " dataset in ABC notation. This page sets what its README claims beside what its own logs and code show, and"
        " beside what our default study finds. Its weights and data could not be had: nothing is said of what cannot be"
        " seen in the repository. Ours is of another corpus and of much smaller models: what happens at 738M is for the"
        " Lakh study of this repository to find out.",
        f"![Losses of the original study by its README and by its logs, with fitted laws]({picture})",
        table(["It claims", "Its own repository shows", "Our runs show", "where"], rows),
        "## What it tells of its runs",
        "README: test perplexity, nominal sizes. Logs: validation loss, parameters outside the embedding.",
        table(["told by", "size", "N", "perplexity", "loss", "where"], stated),
        "Written by `snakemake --cores 1 docs/original-study.md` from the two tables in `docs/original-study` and the"
        " recorded results in `docs/default-study`.",
    ]) + "\n"  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--facts", default="docs/original-study", help="folder of what the original tells")
    parser.add_argument("--study", default="docs/default-study", help="folder of our recorded results")
    parser.add_argument("--output", default="docs/original-study.md", help="page to write, and PNG and PDF beside it")
    args = parser.parse_args(argv)
    facts, study, output = Path(args.facts), Path(args.study), Path(args.output)
    runs = read_runs(facts / "runs.csv")
    claims = read_csv(facts / "claims.csv", "claim", "says", "shown", "ours", "where")
    settings = Settings(draws=0)

    def fitted(rows: pd.DataFrame) -> dict:
        found = {name: fit_group(some, name, settings, FORMS, None) for name, some in rows.groupby("told_by")}
        for group in found.values():
            if not group["power"]:
                raise InputError(f"{facts / 'runs.csv'}: {group['said'][0]}")
        return found

    groups, without = fitted(runs), fitted(runs[runs["size"] != "xxl"])
    ours = of_ours(read_fit(study / "fit.json"), read_csv(study / "writing.csv"), read_json(study / "corpus.json"))
    try:
        text = page(claims, of_original(runs, groups, without) | ours, runs, output.with_suffix(".png").name)
    except KeyError as error:
        raise InputError(f"{facts / 'claims.csv'} names {error}, which nothing computes") from error
    fit = {"groups": groups, "comparison": {"said": [], "pairs": []}}
    save(scaling(runs, fit, "told_by", "Loss (nats a character)"),
         output.with_suffix(""))  # fmt: skip
    write_text(output, text)


if __name__ == "__main__":
    cli.run(main)
