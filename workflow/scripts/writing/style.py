"""What the notes of a tune are like, and how far a set of tunes is from another; nothing of whether they are ABC.

Only what the writer wrote is measured: notes, rests and bars that begin after the prompt.

Distances between sets follow Yang and Lerch, "On the evaluation of generative models in music" (Neural Computing and
Applications 32, 2020), and their toolbox, mgeval.
"""

import bisect
import collections
import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from workflow.scripts.base.uncertainty import ratio_means
from workflow.scripts.notation.findings import TICKS, Note, Part, Text

# The classes of note lengths of Yang and Lerch: whole to sixteenth, the same four dotted from the half on, and the
# notes of triplets of halves, quarters and eighths.
LENGTHS = ("1", "1/2", "1/4", "1/8", "1/16", "3/4", "3/8", "3/16", "3/32", "1/3", "1/6", "1/12")
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
CLASSES = {"pitch_class": PITCHES, "note_length": LENGTHS}
ROUNDING = 1e-3  # of distances, which go up to sqrt(2): far less than they are smoothed by
REACH = 4  # of the grid beyond the distances, in bandwidths: what lies farther out is 1e-4 of the area
POINTS = 1000  # of the grid for each set of distances


@dataclass(frozen=True)
class Measures:
    """Of one tune; None where it has nothing to measure.

    Attributes:
        notes: written; grace notes are none.
        voices: with a written note.
        in_key: share of the notes that are what the key says (pitch in scale rate, as MusPy, of the key in force).
        rest_share: of the time that rests and notes take in all voices, rests'; a chord takes its time once.
        polyphony: notes that sound at a time, on average over the time when one does, of all voices (as MusPy).
        repetition: share of the bars with notes whose notes are those of an earlier bar of the voice.
        histograms: by the names of `CLASSES`, (12,) shares of the notes, each note counting once.
    """

    notes: int
    voices: int
    in_key: float | None
    rest_share: float | None
    polyphony: float | None
    repetition: float | None
    histograms: dict[str, np.ndarray] | None


def measure(found: Text) -> Measures:
    """The measures of a text's first tune, of what begins after its prompt."""
    parts, prompt_chars = found.parts.values(), found.prompt_chars
    voices = [[note for note in part.notes if note.offset >= prompt_chars] for part in parts]
    notes = [note for voice in voices for note in voice]
    sounding = sum(map(covered, voices))
    resting = sum(float(rest.duration) for part in parts for rest in part.rests if rest.offset >= prompt_chars)
    repeats = [repeated(part, prompt_chars) for part in parts]
    bars = sum(n for _, n in repeats)
    return Measures(
        notes=len(notes),
        voices=sum(map(bool, voices)),
        in_key=sum(note.in_key for note in notes) / len(notes) if notes else None,
        rest_share=resting / (resting + sounding) if resting + sounding else None,
        polyphony=sum(float(note.duration) for note in notes) / covered(notes) if notes else None,
        repetition=sum(count for count, _ in repeats) / bars if bars else None,
        histograms=histograms(notes) if notes else None,
    )


def covered(notes: list[Note]) -> float:
    """Time, in ticks, in which at least one of the notes sounds."""
    time = reach = 0.0
    # As floats, which are exact for music: a text can make its times fractions of any size, which are slow.
    for start, duration in sorted((float(note.onset), float(note.duration)) for note in notes):
        if start + duration > reach:
            time += start + duration - max(start, reach)
            reach = start + duration
    return time


def repeated(part: Part, prompt_chars: int) -> tuple[int, int]:
    """(bars that repeat an earlier one, bars) of a voice, among the bars with notes that begin after the prompt.

    Two bars are alike if they have the same notes: pitch, length and place in the bar, as in the similarity of bars
    of Museformer (Yu et al. 2022). What they repeat may be the prompt's. A bar between repeat signs is read once.
    """
    offsets = [bar.offset for bar in part.bars]
    starts = [0, *itertools.accumulate(bar.duration * bar.count for bar in part.bars)]
    contents = collections.defaultdict(set)  # by the place of the bar, in order
    for note in part.notes:
        bar = bisect.bisect_right(offsets, note.offset) - 1
        contents[bar].add((note.onset - starts[bar], note.duration, note.pitch))
    count, n, seen = 0, 0, set()
    for bar, content in contents.items():
        content = frozenset(content)
        if offsets[bar] >= prompt_chars:
            n += 1
            count += content in seen
        seen.add(content)
    return count, n


def histograms(notes: list[Note]) -> dict[str, np.ndarray]:
    """By the names of `CLASSES`, (12,) shares of the notes; a length counts to the nearest class."""
    lengths = np.array([float(note.duration) for note in notes]) / TICKS
    indices = {
        "pitch_class": [note.pitch % 12 for note in notes],
        "note_length": np.abs(lengths[:, None] - [float(Fraction(length)) for length in LENGTHS]).argmin(axis=1),
    }
    return {name: np.bincount(index, minlength=12) / len(notes) for name, index in indices.items()}


def mean_of(values: list[float]) -> dict | None:
    """What a result file says of a mean: itself, its 95% interval (None of one value), how many; None of no values."""
    if not values:
        return None
    (mean,) = ratio_means(np.array(values, dtype=float)[:, None], np.ones((len(values), 1)))
    interval = mean.ci95 and [round(bound, 4) for bound in mean.ci95]
    return {"mean": round(mean.value, 4), "ci95": interval, "n": len(values)}


# Distances


@dataclass(frozen=True)
class Distances:
    """Distances among tunes, smoothed to a density by Gaussian kernels.

    Attributes:
        values, shares: (n_values,) the distances, as multiples of `ROUNDING`, and how many of all have each.
        bandwidth: after Scott, as scipy's gaussian_kde has it: standard deviation times n^(-1/5).
    """

    values: np.ndarray
    shares: np.ndarray
    bandwidth: float

    @classmethod
    def of(cls, distances: np.ndarray) -> "Distances | None":
        """None if there are not two that differ, so that there is nothing to smooth."""
        if not len(distances):
            return None
        values, counts = np.unique(np.rint(distances / ROUNDING), return_counts=True)
        if len(values) < 2:
            return None
        values, n = values * ROUNDING, len(distances)
        shares = counts / n
        spread = np.sqrt(((values - values @ shares) ** 2) @ shares * n / (n - 1))
        return cls(values, shares, float(spread * n**-0.2))

    @property
    def mean(self) -> float:
        return float(self.values @ self.shares)

    def grid(self) -> np.ndarray:
        margin = REACH * self.bandwidth
        return np.linspace(self.values[0] - margin, self.values[-1] + margin, POINTS)

    def log_density(self, grid: np.ndarray) -> np.ndarray:
        """Logarithm of the density at each point: far from all values the density itself would be 0."""
        logs = -0.5 * ((grid[:, None] - self.values) / self.bandwidth) ** 2 + np.log(self.shares)
        most = logs.max(axis=1)
        sums = np.exp(logs - most[:, None]).sum(axis=1)
        return most + np.log(sums) - np.log(self.bandwidth * np.sqrt(2 * np.pi))


def between(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m) Euclidean distances of (n, 12) from (m, 12)."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    return np.sqrt(np.maximum(squares, 0))


def within(tunes: np.ndarray) -> np.ndarray:
    """(n (n - 1) / 2,) Euclidean distances of each pair of (n, 12)."""
    return between(tunes, tunes)[np.triu_indices(len(tunes), 1)]


def compare(samples: np.ndarray, reference: np.ndarray) -> dict:
    """How far histograms of samples, (n, 12), are from those of a reference, (m, 12).

    The distances among the reference's tunes (intra) and of the samples from them (inter) are smoothed to densities.
    Of these, the area that both cover and the divergence KL(intra || inter), in nats, its direction as in mgeval,
    by the trapezoidal rule on a grid that both share. None where there are no two samples, or distances that differ.
    """
    found = {"overlap": None, "kl": None, "intra": None, "inter": None}
    if len(samples) < 2 or len(reference) < 2:
        return found
    intra, inter = Distances.of(within(reference)), Distances.of(between(samples, reference).ravel())
    if not intra or not inter:
        return found
    grid = np.union1d(intra.grid(), inter.grid())
    p, q = intra.log_density(grid), inter.log_density(grid)
    overlap = np.trapezoid(np.exp(np.minimum(p, q)), grid)
    kl = np.trapezoid(np.exp(p) * (p - q), grid)
    return {
        "overlap": round(min(float(overlap), 1.0), 4),
        "kl": round(max(float(kl), 0.0), 4),
        "intra": round(intra.mean, 4),
        "inter": round(inter.mean, 4),
    }
