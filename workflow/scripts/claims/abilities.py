"""The "emergent capabilities" of the original README, and which of our measures comes nearest to each.

Its table names them by the smallest of its models that is said to have them: 1M, 6M, 25M, 85M and 738M parameters.
"""

from typing import NamedTuple

from workflow.scripts.base import measures
from workflow.scripts.claims.claim import ORIGINAL, OURS, Claim, Evidence, nothing_measured
from workflow.scripts.claims.losses import TRANSFORMER
from workflow.scripts.claims.sources import Study
from workflow.scripts.claims.writing import OF_REAL, SEEN, ability
from workflow.scripts.findings.headline import NAMES

SIZES = {"Tiny": 1e6, "Small": 6e6, "Medium": 25e6, "Large": 85e6, "XXL": 738e6}


class Ability(NamedTuple):
    """A capability as the README words it, the model that it is said to emerge with, and what we measure for it."""

    words: str
    model: str
    measure: str
    meaning: str

    @property
    def beyond(self) -> float:
        """The size of the next smaller of its models, which by its table lacks the ability; 0 below the smallest."""
        return max((size for size in SIZES.values() if size < SIZES[self.model]), default=0.0)


ABILITIES = (
    Ability("Valid ABC characters", "Tiny", measures.COMPILES, "abc2midi makes a MIDI file with a sounding note of it"),
    Ability("Basic delimiters", "Tiny", measures.CLOSED, "the last bar has its bar line"),
    Ability("Local syntax, bar lines, repeat signs", "Small", measures.SYNTAX,
            "every character keeps the grammar of ABC 2.1, and repeats, ties and slurs have their other half"),
    Ability("Key signatures", "Medium", measures.HEADER_COMPLETE, "the header has its key and what real tunes have"),
    Ability("Consistent time signatures", "Medium", measures.RHYTHM, "every bar lasts what the meter says"),
    Ability("Harmonic consistency", "Large", measures.IN_KEY, "notes in the scale of the key, mean over tunes"),
    Ability("Basic phrasing", "Large", measures.ENDED, "the model itself ends the tune"),
    Ability("Global structure", "XXL", measures.REPETITION, "bars that repeat an earlier bar, mean over tunes"),
    Ability("Polyphony", "XXL", measures.TWO_VOICES, "two voices or more with notes"),
)  # fmt: skip

TEST = (
    "Of Transformers, as the README's are; LSTMs stand beside them. A size has the ability if it shows it more than"
    f" {OF_REAL:.0%} as often as real tunes do: the 95% interval of the unprompted tunes lies above that threshold,"
    " there and at every larger size measured. Supported if the smallest such size lies beyond the README's next"
    " smaller model and not beyond the named one; not supported if it is another; undecided if no size has it yet, or"
    f" fewer than {SEEN:.0%} of real tunes do."
)
NOT_MEASURED = "No rate by size is in its repository: samples were drawn from XXL alone."


def abilities(study: Study) -> list[Claim]:
    """A claim for each capability, and one that nothing here measures."""
    found = [
        Claim(
            f"ability-{number}", ORIGINAL, "readme.md, Key Findings", one.words,
            f"{one.words}: an ability that emerges with the model of {SIZES[one.model] / 1e6:.0f}M parameters.", TEST,
            [nothing_measured(ORIGINAL, NOT_MEASURED), *evidence_of(study, one)],
            f"Measured as: {one.meaning}. Ours are other sizes and another corpus.",
        )
        for number, one in enumerate(ABILITIES, 1)
    ]  # fmt: skip
    style = Claim(
        f"ability-{len(found) + 1}", ORIGINAL, "readme.md, Key Findings", "Genre stylization",
        "Genre stylization: an ability that emerges with the model of 738M parameters.",
        "Needs a measure of genre that the prompt does not hold; there is none, so it is undecided.",
        [nothing_measured(ORIGINAL, NOT_MEASURED), nothing_measured(OURS, "not measured here")],
    )  # fmt: skip
    return [*found, style]


def evidence_of(study: Study, one: Ability) -> list[Evidence]:
    """An ability of each architecture; the verdict is of the Transformers alone, where there are any."""
    found = {arch: ability(study, arch, one.measure, one.beyond, SIZES[one.model]) for arch in study.archs}
    claimed = [arch for arch in study.archs if NAMES.get(arch) == TRANSFORMER] or study.archs
    return [found[arch] if arch in claimed else found[arch]._replace(verdict=None) for arch in study.archs]
