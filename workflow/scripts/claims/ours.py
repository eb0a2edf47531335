"""The claims of this study, each on its tables."""

from workflow.scripts.base import measures
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.claims.claim import OURS, Claim, Evidence, below, nothing_measured
from workflow.scripts.claims.losses import (
    AHEAD_TEST,
    CROSS,
    LEVEL,
    ahead,
    crosses,
    falls,
    forecast_inside,
    leader_of,
    seeds_against_sizes,
    told_law,
)  # fmt: skip
from workflow.scripts.claims.sources import Study
from workflow.scripts.claims.writing import COPIES, no_more_copies, trend

LEAK = 0.01  # share of test tunes with a relative in training that a clean split may have
WHERE = "README.md, docs/method.md"


def claims_of_ours(study: Study) -> list[Claim]:
    """All of them, losses first."""
    archs, pairs = study.archs, range(len(study.fit["comparison"]["pairs"]))
    return [
        Claim("falls", OURS, WHERE, "Loss falls with size", "Held-out loss falls with size, at one budget of tokens.",
              "Supported if the 95% interval of the power law's exponent lies above zero; not supported if it lies"
              " below; undecided otherwise.", [falls(study, arch) for arch in archs]),
        Claim("law", OURS, WHERE, "A law of N and D fits all runs",
              "The law of N and D that forecasts best describes all runs.",
              f"The lack-of-fit test against the noise of seeds: supported if p is at least {LEVEL:g}, not supported if"
              " it is less, undecided without seeds or such a law.", [told_law(study, arch) for arch in archs]),
        *(claim for number in pairs for claim in of_pair(study, number)),
        Claim("forecast", OURS, WHERE, "Forecasts hold", "Measured losses lie inside their 95% forecast intervals."
              " Registered forecasts where there are any, else that of each architecture's largest size.",
              "Supported if all lie inside; not supported if more lie outside than intervals of 95% allow (binomial"
              f" test, p < {LEVEL:g}); undecided otherwise.", forecast_inside(study)),
        Claim("seeds", OURS, WHERE, "Seeds differ less than sizes", "Runs of two seeds differ less than runs of two"
              " sizes, at one budget of tokens.",
              "One-way analysis of variance of log loss: supported if the 95% interval of the ratio of mean squares"
              " within sizes and between them (F) lies below 1; not supported if above; undecided otherwise.",
              [seeds_against_sizes(study, arch) for arch in archs]),
        Claim("validity", OURS, WHERE, "Validity rises with size", "The share of tunes that keep the grammar of ABC"
              " rises with size, without a prompt.",
              "The slope of the log odds on log10 N over all runs (least squares, Student's t): supported if its 95%"
              " interval lies above zero, not supported if below, undecided otherwise.",
              [trend(study, arch, measures.SYNTAX) for arch in archs]),
        Claim("copying", OURS, WHERE, "Copying does not rise with size", "The largest models copy no more training"
              " tunes than the smallest.",
              "The difference of the shares copied, with Newcombe's 95% interval: supported if it lies below"
              f" {COPIES:.0%}, not supported if above zero, undecided otherwise.",
              [no_more_copies(study, arch) for arch in archs]),
        Claim("split", OURS, WHERE, "The split is clean", "Hardly any test tune has a relative in training (Jaccard"
              " index of 0.5 in notes, steps or what is played).",
              f"Supported if Wilson's 95% interval of the share lies below {LEAK:.0%}, not supported if above,"
              " undecided otherwise.", [leak(study)]),
    ]  # fmt: skip


def of_pair(study: Study, number: int) -> list[Claim]:
    """Which of two architectures is ahead, and whether they cross."""
    pair = study.fit["comparison"]["pairs"][number]
    if not set(pair["archs"]) <= set(study.archs):
        return []
    at = study.file("fit.json"), f"comparison.pairs.{number}"
    found = []
    for by, what in (("params", "N"), ("flops", "FLOP")):
        leader = leader_of(pair, by)
        found.append(Claim(
            f"ahead-{by}-{number}", OURS, WHERE, f"{study.names[leader]} is ahead at equal {what}",
            f"{study.names[leader]}, which has the lower loss over all places compared together, is ahead at each of"
            f" them, at equal {what}.", AHEAD_TEST, [ahead(OURS, pair, leader, study.names, at, by)],
        ))  # fmt: skip
    crossing = Claim(
        f"crossing-{number}", OURS, WHERE, "The two architectures cross", "The losses of the two architectures cross"
        " within the sizes and the FLOP that were measured.",
        "The fitted curves, and curves fitted anew to redrawn losses: supported if they cross within what was measured"
        f" and at least {CROSS:.0%} of the redrawn ones cross; not supported if the fitted ones do not cross or at most"
        f" {1 - CROSS:.0%} of the redrawn ones do; undecided otherwise.",
        [crosses(study, number, by) for by in ("params", "flops")],
    )  # fmt: skip
    return [*found, crossing]


def leak(study: Study) -> Evidence:
    """How many test tunes have a relative in training."""
    found = (study.corpus or {}).get("leakage")
    if not found:
        return nothing_measured(OURS, f"{study.corpus_file.name} does not tell it")
    share, n = found["in_force"]["either"], found["in_force"]["test_tunes"]
    interval = wilson(round(share * n), n)
    return Evidence(
        OURS, f"{n:,} test tunes", "share with a relative in training", share, interval, "share",
        study.corpus_file.as_posix(), "leakage.in_force.either", below(interval, LEAK),
    )  # fmt: skip
