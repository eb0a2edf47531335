"""A claim, what was found for and against it, and the verdict that a stated test gives of that alone."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Verdict = Literal["supported", "not supported", "undecided"]
SUPPORTED: Verdict = "supported"
REFUTED: Verdict = "not supported"
UNDECIDED: Verdict = "undecided"

End = float | None
Interval = tuple[End, End]

ORIGINAL, OURS = "original", "ours"  # whose tables an evidence is of, and whose a claim is


class Point(NamedTuple):
    """A rate or a mean at one size.

    Attributes:
        params: outside the embedding.
        n: tunes, or bars, that it is of.
        interval: 95%; None of one seed of what is no rate.
    """

    params: int
    tokens: int
    n: int
    value: float
    interval: tuple[float, float] | None
    file: str


class Evidence(NamedTuple):
    """One number, where it is from, and what the claim's test makes of it.

    Attributes:
        on: whose tables it is of, `ORIGINAL` or `OURS`.
        of: of what, such as an architecture.
        what: the number in words.
        value: None where there is none.
        interval: 95%; an end may be open, and None is an interval that is not known.
        shown: how a page prints the number: share, params or plain.
        file: that the number is in or is computed from; empty where nothing was measured.
        column: of a CSV; of a JSON file the keys that lead to the number, with points between them.
        verdict: None of what only stands beside that which the claim is about.
        p: of the test, where it has one.
        points: the same by size, where the number is drawn from these.
        threshold: that `points` are held against.
    """

    on: str
    of: str
    what: str
    value: float | None
    interval: Interval | None
    shown: str
    file: str
    column: str
    verdict: Verdict | None
    p: float | None = None
    points: Sequence[Point] = ()
    threshold: float | None = None


class Claim(NamedTuple):
    """What is claimed, and the test of it.

    Attributes:
        key: short and unique, for links.
        by: whose claim it is, `ORIGINAL` or `OURS`.
        where: the file that claims it.
        says: the claim in a sentence.
        test: the test in a sentence, with its threshold.
        evidence: all that the test was applied to.
        note: what a reader has to know beside it; may be empty.
    """

    key: str
    by: str
    where: str
    title: str
    says: str
    test: str
    evidence: Sequence[Evidence]
    note: str = ""

    def verdict(self, on: str) -> Verdict | None:
        """What all evidence of one's tables says together; None where the claim was not put to them."""
        found = [one.verdict for one in self.evidence if one.on == on and one.verdict]
        return together(found) if found else None


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of several: a claim about all holds if it holds for each, and fails with one."""
    if REFUTED in verdicts:
        return REFUTED
    return SUPPORTED if verdicts and set(verdicts) == {SUPPORTED} else UNDECIDED


def above(interval: Interval | None, threshold: float) -> Verdict:
    """Whether a value is above a threshold: supported or not if its whole interval is on one side of it."""
    low, high = interval or (None, None)
    if low is not None and low > threshold:
        return SUPPORTED
    return REFUTED if high is not None and high <= threshold else UNDECIDED


def below(interval: Interval | None, threshold: float) -> Verdict:
    """Whether a value is below a threshold; see `above`."""
    return {SUPPORTED: REFUTED, REFUTED: SUPPORTED, UNDECIDED: UNDECIDED}[above(interval, threshold)]


def nothing_measured(on: str, what: str) -> Evidence:
    """Evidence of a claim that no table has a number for."""
    return Evidence(on, "", what, None, None, "plain", "", "", UNDECIDED)
