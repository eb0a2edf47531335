"""A study's results -> a page of Markdown tables, every number of it read from a result file."""

import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.amounts import short
from workflow.scripts.base.tables import Cells, table
from workflow.scripts.findings.ngram_losses import beside_best, model_losses, ngram_sentence
from workflow.scripts.findings.tune_start import start_sentence
from workflow.scripts.findings.words import formula
from workflow.scripts.findings.written import beaten_by_ngrams

NONE: Mapping[str, str] = types.MappingProxyType({})


class Study(NamedTuple):
    """What a study's result files hold.

    Attributes:
        runs: runs.csv, ``fit`` fit.json, ``writing`` writing.csv, and ``corpus`` corpus.json.
        strata: strata.csv, and ``ngrams`` baselines.csv; None where there are none.
        missing: runs of the study that have no result.
    """

    runs: pd.DataFrame
    fit: dict
    writing: pd.DataFrame
    corpus: dict
    strata: pd.DataFrame | None = None
    ngrams: pd.DataFrame | None = None
    missing: Sequence[str] = ()


def runs_table(runs: pd.DataFrame) -> Cells:
    header = ["run", "shape", "N", "all", "tokens", "rate", "test loss", "perplexity", "bits/char", "valid", "seconds"]
    rows = [
        [
            f"{run.model}, seed {run.seed}",
            f"{run.n_layer}×{run.n_embd}",
            f"{run.params_non_embedding:,}",
            f"{run.params:,}",
            f"{run.tokens:,}",
            f"{run.learning_rate:g}",
            f"{run.test_loss:.3f}" + (f" ± {run.test_loss_se:.3f}" if pd.notna(run.test_loss_se) else ""),
            f"{run.perplexity:.2f}",
            f"{run.bits_per_char:.3f}",
            f"{run.valid_rate:.0%}" if run.samples and pd.notna(run.valid_rate) else "",
            f"{run.seconds:.0f}",
        ]
        for run in runs.itertuples()
    ]
    return Cells(header, rows)


def errors_sentence(runs: pd.DataFrame, test_tunes: int) -> str:
    """What the page says beside the test losses: with what error they are given."""
    if runs["test_loss_se"].notna().all():
        return "with its standard error over tunes"
    tunes = "one test tune" if test_tunes == 1 else f"{test_tunes:,} test tunes"
    some = "" if runs["test_loss_se"].isna().all() else " for some runs"
    return f"of {tunes}: no interval{some}"


VALIDITY = {
    "syntax": measures.SYNTAX,
    "tools": measures.TOOLS,
    "compiles": measures.COMPILES,
    "music21": measures.MUSIC21,
    "rhythm": measures.RHYTHM,
    "bars": measures.BARS_RIGHT,
    "out of step": measures.BARS_MISALIGNED,
    "cut": measures.CUT,
    "copied": measures.COPIED,
    "similarity": measures.SIMILARITY,
    "longest stretch": measures.LCS_SHARE,
}


CEILING = 0.97  # share of real tunes, of which less pass some steps
# Why: what the tunes of collections, or the programs, fail at where nothing is wrong with the checks (docs/method.md).
LOWER = {
    measures.SYNTAX: "signs lack their other half",
    measures.TOOLS: "abc2midi reports errors in what is right, or there are some",
    measures.COMPILES: "they last over ten minutes, or no note sounds",
    measures.MUSIC21: "music21 expands no repeats that it finds incoherent, and lacks some lengths",
    measures.RHYTHM: "people wrote bars that are longer or shorter than the meter, and one fails a tune",
}


STYLE = {
    "syntax": measures.SYNTAX,
    "rhythm": measures.RHYTHM,
    "ended": measures.ENDED,
    "closed": measures.CLOSED,
    "header": measures.HEADER_COMPLETE,
    "two voices": measures.TWO_VOICES,
    "in key": measures.IN_KEY,
    "rests": measures.REST_SHARE,
    "polyphony": measures.POLYPHONY,
    "repetition": measures.REPETITION,
    "pitch classes": measures.PITCH_CLASS.overlap,
    "note lengths": measures.NOTE_LENGTH.overlap,
}


def writing_table(writing: pd.DataFrame, shown: dict[str, str]) -> Cells:
    """A row for each writer and prompt, seeds together.

    ``shown`` are measures by their headings; one of which nothing is known of anybody is left out.
    """
    known = writing.columns[writing.notna().any()]
    shown = {heading: name for heading, name in shown.items() if measures.column_of(name) in known}
    order = ["arch", "params_non_embedding", "writer", *(["prompt"] if writing["prompt"].notna().any() else [])]
    rows = [
        [*key[2:], f"{some['samples'].sum()}", *(pooled(some, measure) for measure in shown.values())]
        for key, some in writing.sort_values(order[:2], kind="stable").groupby(order, sort=False, dropna=False)
    ]
    return Cells([*order[2:], "tunes", *shown], rows)


def ceilings(own: pd.DataFrame) -> list[str]:
    """Which steps less than `CEILING` of the real tunes pass, and why: no model need be better."""
    real = own[own["writer"] == "real"]
    low = {step: real[step.rate].iloc[0] for step in LOWER if len(real) and real[step.rate].iloc[0] < CEILING}
    if not low:
        return []
    said = "; ".join(f"{step} {rate:.0%}: {LOWER[step]}" for step, rate in low.items())
    return [f"Real tunes themselves pass some steps in less than {CEILING:.0%} of cases ({said})."]


def without_prompts(left_out: Mapping[str, str]) -> list[str]:
    """Why nothing was written after some prompts, a line for each by its name."""
    return ["\n".join(f"- Nothing was written after the prompt `{name}`: {why}." for name, why in left_out.items())]


def writing_parts(writing: pd.DataFrame, left_out: Mapping[str, str] = NONE) -> list[str]:
    """What each writer's tunes are like, by itself and after the prompts."""
    own, after = writing[writing["prompt"].isna()], writing[writing["prompt"].notna()]
    parts = [
        "## What they write",
        "Shares of tunes, as drawn, none selected; *real* are tunes of the test split, n-grams are of characters of"
        " the training text. Syntax: the grammar of ABC 2.1 is kept; tools: abc2midi reports no error; compiles: a MIDI"
        " file with notes comes of it; rhythm: every bar is as long as its meter; bars: share of them that are; out of"
        " step: share of the bars of several voices that do not last alike in all; cut: at the longest, and judged up"
        " to the last whole bar."
        " Copied: at least 0.85 similar to a training tune, in any key. Similarity to the nearest as written, and the"
        " share of a tune that its longest stretch of a training tune makes up, are medians.",
        writing_table(own, VALIDITY).markdown(),
        *filter(None, [beaten_by_ngrams(writing)]),
        *ceilings(own),
        "## How they sound",
        "Closed: the last bar has its bar line. In key: notes of the key's scale; rests: share of the time; polyphony:"
        " notes at a time; repetition: bars that repeat an earlier one. Pitch classes and note lengths: overlap of"
        " their distances from real tunes with those among real tunes (Yang and Lerch 2020); 1 is best.",
        writing_table(own, STYLE).markdown(),
    ]
    if len(after):
        parts += ["After a prompt, of what the model wrote itself (in the header the prompt's fields count):"]
        parts += [writing_table(after, STYLE).markdown()]
    return parts + (without_prompts(left_out) if left_out else [])


def with_ends(law: Mapping, name: str) -> str:
    """A parameter with its 95% interval; empty if the law has none of the name."""
    if name not in law:
        return ""
    low, high = law["ci95"][name]
    return f"{law[name]:.3f} [{low:.3f}, {high:.3f}]"


LATER = f"without the first {measures.START} characters"
LOSSES = ["writer", "N", "test loss", "perplexity", LATER, "perplexity of these"]


def losses_table(models: pd.DataFrame, ngrams: pd.DataFrame | None) -> Cells:
    """Models, then n-grams by order; ``models`` as of `findings.ngram_losses.model_losses`."""
    rows = [
        [
            run.model,
            f"{run.params_non_embedding:,}",
            *loss_cells(run.test_loss, run.test_loss_se, run.loss_without_start),
        ]
        for run in models.itertuples()
    ]
    if ngrams is not None:
        rows += [
            [f"{row.order}-gram", "", *loss_cells(row.loss, row.loss_se, row.loss_without_start)]
            for row in ngrams.sort_values("order").itertuples()
        ]
    return Cells(LOSSES, rows)


def loss_cells(loss: float, error: float, later: float) -> list[str]:
    """A loss with its standard error, and one without the start of each tune; the perplexity of each."""
    shown = f"{loss:.3f}" + (f" ± {error:.3f}" if pd.notna(error) else "")
    return [shown, f"{np.exp(loss):.2f}", *(["", ""] if pd.isna(later) else [f"{later:.3f}", f"{np.exp(later):.2f}"])]


def laws_table(groups: dict) -> Cells:
    rows = [
        [arch, formula(law),
         *(with_ends(law, name) for name in ("alpha", "beta", "E")),
         f"{law['r2']:.4f}", "" if law["loo_error"] is None else f"{law['loo_error']:.2%}"]
        for arch, group in groups.items()
        for form in ("power", "power_irreducible", "chinchilla", "kaplan", "coupled", "repeat")
        if (law := group.get(form))
    ]  # fmt: skip
    header = ["arch", "law", "α [95%]", "β [95%]", "E [95%]", "R² of log L", "error of a run left out"]
    return Cells(header, rows)


def doubts(groups: dict) -> list[str]:
    """Reasons to doubt a fit, each a line of a list."""
    said = [f"- {arch}: {warning}." for arch, group in groups.items() for warning in group["warnings"]]
    return ["Reasons to doubt them:", "\n".join(said)] if said else []


def corpus_table(corpus: dict) -> str:
    rows = [
        [split, f"{size['tunes']:,}", f"{size['chars']:,}", f"{size['tokens']:,}"]
        for split, size in corpus["splits"].items()
    ]
    return table(["split", "tunes", "characters", "tokens"], rows)


def leak_sentence(leakage: dict) -> list[str]:
    """How clean the split is, if that was measured."""
    if not leakage:
        return []
    shares = {name: f"{leakage[name]['either']:.2%}" for name in ("in_force", "exact_duplicates_only", "random")}
    return [
        f"Test tunes with a relative in training (Jaccard index of notes or melody at least 0.5, of"
        f" {leakage['in_force']['test_tunes']:,} tunes looked at): {shares['in_force']}. With only exact duplicates"
        f" removed it would be {shares['exact_duplicates_only']}, with a random split {shares['random']}."
    ]


def seconds_spent(runs: pd.DataFrame) -> float:
    """What training took in all: each trunk once, however many runs branch off it.

    Runs of two rates share none, and those that are longer than the budgets of all models share none with these.
    """
    at_budget = runs.groupby("tokens").size()
    is_longer = runs["tokens"] > at_budget.index[at_budget == at_budget.max()].max()
    trunks = runs.groupby([runs["model"], runs["seed"], runs["learning_rate"], is_longer])["trunk_seconds"].max()
    return float((runs["seconds"] - runs["trunk_seconds"]).sum() + trunks.sum())


def tables(study: Study) -> dict[str, Cells]:
    """The tables of a study that a paper may want, by name."""
    own = study.writing[study.writing["prompt"].isna()]
    return {
        "runs": runs_table(study.runs),
        "laws": laws_table(study.fit["groups"]),
        "losses": losses_table(model_losses(study.runs, study.strata), study.ngrams),
        "validity": writing_table(own, VALIDITY),
        "style": writing_table(own, STYLE),
    }


def loss_parts(study: Study, shown: Cells) -> list[str]:
    """The losses of models beside those of n-grams, and without what tunes begin with; nothing if neither is known."""
    models = model_losses(study.runs, study.strata)
    start = "" if study.strata is None else start_sentence(study.strata)
    said = " ".join(filter(None, [ngram_sentence(study.ngrams), beside_best(models, study.ngrams), start]))
    if not said:
        return []
    read = f"Of models that read {short(models['tokens'].max())} tokens, means over seeds; and of n-grams, if measured."
    return ["## Losses at the largest budget", read, shown.markdown(), said]


def missing_parts(runs: Sequence[str]) -> list[str]:
    """Which runs of the study are not in it, and how they come into it; nothing if none is missing."""
    if not runs:
        return []
    listed = "\n".join(f"- {run}" for run in runs)
    how = "Snakemake trains them with `train_missing=true`; `python -m workflow.scripts.carry` on another machine."
    return [
        f"**Not measured yet:** {len(runs)} runs of this study, so that no law and no figure here has them. {how}",
        listed,
    ]


def summary(study: Study, left_out: Mapping[str, str] = NONE) -> str:
    """The page.

    Args:
        left_out: why no model could go on from a prompt, by its name.
    """
    runs, fit, corpus, shown = study.runs, study.fit, study.corpus, tables(study)
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in corpus["rejected"].items()) or "nothing"
    minutes = seconds_spent(runs) / 60
    spent = f"{minutes:.1f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
    said = [" ".join(group["said"]) for group in fit["groups"].values()]
    parts = [
        "# What this study found",
        "\n".join(f"- {sentence}" for sentence in [*fit["comparison"]["said"], *said]),
        f"{len(runs)} runs, {spent} of training on {', '.join(sorted(runs['device'].unique()))}.",
        *missing_parts(study.missing),
        "## Laws",
        "The first two at the largest budget of tokens that most sizes have, the others over all budgets.",
        shown["laws"].markdown() if shown["laws"].rows else "No law can be fitted to these runs.",
        *doubts(fit["groups"]),
        *loss_parts(study, shown["losses"]),
        "## Runs",
        "N: parameters outside the embedding. Test loss in nats a character (the end of a tune counts as one),"
        f" {errors_sentence(runs, corpus['splits']['test']['tunes'])}. Valid: share of generated tunes that music21 and"
        " abc2midi both make MIDI of.",
        shown["runs"].markdown(),
        *writing_parts(study.writing, left_out),
        "## Corpus",
        f"`{corpus['input']}`: {corpus['tunes']:,} tunes of {corpus['files']:,} files kept,"
        f" {corpus['distinct_chars']} distinct characters; dropped: {dropped}.",
        corpus_table(corpus),
        *leak_sentence(corpus["leakage"]),
    ]
    return "\n\n".join(parts) + "\n"


def pooled(rows: pd.DataFrame, measure: str) -> str:
    """Mean of a measure over all tunes of several rows, as a page shows it: of a rate in per cent."""
    column, number = measures.column_of(measure), measure.n if isinstance(measure, measures.Rate) else "samples"
    known = rows[rows[column].notna()]
    if known.empty:
        return ""
    mean = (known[column] * known[number]).sum() / known[number].sum()
    return f"{mean:.0%}" if isinstance(measure, measures.Rate) else f"{mean:.2f}"
