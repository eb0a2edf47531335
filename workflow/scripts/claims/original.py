"""The claims of the original README, each on the tables of its own repository and on ours."""

import numpy as np

from workflow.scripts.claims.claim import (
    ORIGINAL,
    OURS,
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Claim,
    Evidence,
    nothing_measured,
)  # fmt: skip
from workflow.scripts.claims.losses import (
    AHEAD_TEST,
    PLATEAU,
    POWER_TEST,
    SATURATION_TEST,
    TRANSFORMER,
    ahead,
    power_law,
    saturation,
    transformer_of,
)  # fmt: skip
from workflow.scripts.claims.sources import GPT, LSTM, README, Original, Study
from workflow.scripts.findings.headline import NAMES

PLATEAU_AT = 25e6
CLOSE = 1.05  # a stated perplexity agrees with a logged one if neither is larger by more
WHERE = "readme.md, Overview"
NAMED = {GPT: "Transformer", LSTM: "LSTM"}


def claims_of_original(original: Original, study: Study) -> list[Claim]:
    """All but the abilities, in the order of the README."""
    return [power(original, study), no_saturation(original, study), transformers_ahead(original, study),
            plateau(original, study), perplexities(original), samples()]  # fmt: skip


def power(original: Original, study: Study) -> Claim:
    found = [
        power_law(ORIGINAL, "Transformer, by its README", original.points(README), original.laws[README],
                  (original.file, "perplexity")),
        power_law(ORIGINAL, "Transformer, by its logs without XXL", original.points(GPT, without=True),
                  original.laws_without[GPT], (original.file, "loss")),
        *(power_law(OURS, study.names[arch], study.points(arch), study.fit["groups"][arch],
                    (study.file("fit.json"), f"groups.{arch}.power.alpha")) for arch in study.archs),
    ]  # fmt: skip
    return Claim("power-law", ORIGINAL, WHERE, "Music follows power laws",
                 "Test loss falls as a power of model size.", POWER_TEST, found,
                 "At one budget of tokens and one seed of each in the original.")  # fmt: skip


def no_saturation(original: Original, study: Study) -> Claim:
    found = [
        saturation(ORIGINAL, "Transformer, by its README", original.laws[README], (original.file, "perplexity")),
        saturation(ORIGINAL, "Transformer, by its logs without XXL", original.laws_without[GPT],
                   (original.file, "loss")),
        *(saturation(OURS, study.names[arch], study.fit["groups"][arch],
                     (study.file("fit.json"), f"groups.{arch}.power_irreducible.E")) for arch in study.archs),
    ]  # fmt: skip
    return Claim("no-saturation", ORIGINAL, WHERE, "No saturation", "Even at 738M parameters the model shows no"
                 " diminishing returns.", SATURATION_TEST, found,
                 "Its XXL has a higher loss than a model of a ninth its size; in the logs it is in the middle of a"
                 " longer run. Our largest is far smaller than 738M, so ours says nothing of that size.")  # fmt: skip


def transformers_ahead(original: Original, study: Study) -> Claim:
    found = [ahead(ORIGINAL, original.pair, GPT, NAMED, (original.file, "loss"))]
    for number, pair in enumerate(study.fit["comparison"]["pairs"]):
        leader = transformer_of(pair)
        if leader and set(pair["archs"]) <= set(study.archs):
            at = study.file("fit.json"), f"comparison.pairs.{number}"
            found += [ahead(OURS, pair, leader, study.names, at, by) for by in ("params", "flops")]
    if len(found) == 1:
        found.append(nothing_measured(OURS, "this study has not a Transformer and an LSTM at one budget"))
    return Claim("transformers-ahead", ORIGINAL, WHERE, "Transformers outperform LSTMs",
                 "Under iso-compute conditions (98M tokens) Transformers significantly outperform LSTMs.",
                 AHEAD_TEST, found,
                 "Its runs have equal tokens, not equal compute, and one seed; its LSTMs read windows of 128"
                 " characters, its Transformers 1,024.")  # fmt: skip


def plateau(original: Original, study: Study) -> Claim:
    own = saturation(ORIGINAL, "LSTM, by its logs", original.laws[LSTM], (original.file, "loss"), PLATEAU)
    power = original.laws[LSTM]["power"]
    own = own._replace(what=f"exponent α; verdict {original.laws[LSTM]['verdict']}", value=power["alpha"],
                       interval=tuple(power["ci95"]["alpha"]), shown="plain")  # fmt: skip
    found = [own]
    for arch in study.archs:
        if NAMES.get(arch) == TRANSFORMER:
            continue
        rows = study.table[study.table["arch"] == arch]
        largest = float(rows["params"].max())
        at = study.file("fit.json"), f"groups.{arch}.power_irreducible.E"
        one = saturation(OURS, study.names[arch], study.fit["groups"][arch], at, PLATEAU)
        if largest < PLATEAU_AT:  # a plateau that begins beyond the largest size cannot be seen
            one = Evidence(OURS, study.names[arch], "largest size, which does not reach 25M", largest, None, "params",
                           study.file("runs.csv"), "params_non_embedding", UNDECIDED)  # fmt: skip
        found.append(one)
    if len(found) == 1:
        found.append(nothing_measured(OURS, "this study has no LSTM"))
    return Claim("lstm-plateau", ORIGINAL, WHERE, "LSTMs plateau at about 25M parameters",
                 "LSTMs plateau early, at about 25M parameters.",
                 "A plateau is a fall that ends: supported if the saturation verdict on sizes on both sides of 25M is"
                 " saturating; not supported if it is power, or flat or reversal (loss never fell); undecided if it is"
                 " inconclusive or the sizes do not reach 25M.", found)  # fmt: skip


def perplexities(original: Original) -> Claim:
    losses = original.runs.set_index(["told_by", "size"])["loss"]
    sizes = [size for size in losses[README].index if size in losses[GPT].index]
    found = []
    for size in sizes:
        ratio = float(np.exp(losses[GPT, size] - losses[README, size]))
        found.append(Evidence(
            ORIGINAL, size, "logged validation perplexity / stated test perplexity", ratio, None, "plain",
            original.file, "perplexity, loss", SUPPORTED if 1 / CLOSE <= ratio <= CLOSE else REFUTED,
        ))  # fmt: skip
    return Claim("perplexities", ORIGINAL, "readme.md, Key Findings", "The stated test perplexities",
                 "Test perplexities of about 2.10, 1.75, 1.45, 1.38 and 1.417 for its five models.",
                 "Supported if each stated perplexity and that of the logged validation loss of the same model differ"
                 f" by at most {CLOSE - 1:.0%}; not supported if one differs by more.", found,
                 "No interval: one seed, and the tunes of its splits are not there. No code in its repository computes"
                 " the first four.")  # fmt: skip


def samples() -> Claim:
    return Claim("samples", ORIGINAL, "readme.md, Sample Outputs", "XXL chose meter, key and voices itself",
                 "From a title alone XXL inferred note length, key and meter, and generated several voices.",
                 "Needs how often it does so over titles whose prompt does not hold the answer; there is no such table,"
                 " so it is undecided.",
                 [nothing_measured(ORIGINAL, "src/generate_conditional.py gives these fields in the prompt"),
                  nothing_measured(OURS, "not measured here")])  # fmt: skip
