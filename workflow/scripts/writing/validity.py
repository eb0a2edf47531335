"""Are the tunes of a folder music: what validity.json says, a verdict on each and the rates at which they pass."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from workflow.scripts.base import measures
from workflow.scripts.base.uncertainty import rate_of, ratio_means
from workflow.scripts.writing.ladder import BARS, RATES, SECONDS, STEPS, evenly, judge, tune_of
from workflow.scripts.writing.samples import listed_below, tune_files
from workflow.scripts.writing.tunebook import Tune, tunes_in

WORST = 5  # files shown
# What music21 judges: it reads some 4,000 characters a second. A count, so that the same tunes are judged everywhere.
MUSIC21_CHARS = 200_000  # of a folder
MUSIC21_LONGEST = 20_000  # of a tune, which it then ends within `SECONDS` on a machine half as fast, too
SILENT = "silent"  # the tier of a tune without a note, and the name of its rate


def report_on(
    folder: str | Path,
    midi_dir: str | Path | None = None,
    seconds: float = SECONDS,
    steps: Iterable[str] = STEPS,
    music21_limit: int | None = None,
    split: bool = False,
) -> dict:
    """What validity.json says of the tunes below a folder, or in one file.

    Args:
        midi_dir: below which their MIDI files go, if it is given.
        seconds: as of `judge`.
        music21_limit: how many tunes music21 judges, evenly spread; 0 for all, None for what `chosen` says.
        split: whether a file may hold several tunes, each with a verdict of its own, and no table says what of it is
            a prompt.

    Raises:
        InputError: there are none.
    """
    paths = tune_files(folder)
    if midi_dir:
        Path(midi_dir).mkdir(parents=True, exist_ok=True)  # empty says that no tune compiled
    samples = {} if split else listed_below(folder)

    def read_tunes() -> Iterator[Tune]:
        for path in paths:
            name = path.relative_to(folder) if path != Path(folder) else Path(path.name)
            midi = Path(midi_dir) / name.with_suffix(".mid") if midi_dir else None
            if split:
                yield from tunes_in(path, str(name), midi)
            else:
                yield tune_of(path, str(name), midi, samples.get(path))

    tunes: Iterable[Tune] = read_tunes()
    for_music21 = None
    if measures.MUSIC21 in steps and music21_limit != 0:
        tunes = list(tunes)
        lengths = [len(tune.read.text) for tune in tunes]
        for_music21 = evenly(len(lengths), music21_limit) if music21_limit else chosen(lengths)
    verdicts = list(judge(tunes, seconds, set(steps), for_music21))
    return {"rates": rates(verdicts), "bars": rates_of_bars(verdicts), "files": verdicts}


def chosen(lengths: list[int]) -> set[int]:
    """Which tunes music21 judges, of their lengths in characters: none too long, and as many as fit, evenly spread."""
    short = [i for i, length in enumerate(lengths) if length <= MUSIC21_LONGEST]
    mean = max(sum(lengths[i] for i in short) / max(len(short), 1), 1)
    return {short[i] for i in evenly(len(short), max(int(MUSIC21_CHARS / mean), 1))}


def rates(verdicts: list[dict]) -> dict:
    """Rate, 95% interval and counts of each step, over the tunes that it says something of, and of silent tunes if any.

    A silent tune, of rests or chord symbols alone, is legal; it passes no step all the same, as it is no music. How
    many were cut is known of the tunes that a table lists.
    """
    table: dict[str, dict] = {}
    for name, key in RATES.items():
        known = [verdict[key] and not is_silent(verdict) for verdict in verdicts if verdict[key] is not None]
        if known:
            table[name] = rate_of(sum(known), len(known))
    if listed := [verdict["cut"] for verdict in verdicts if verdict["cut"] is not None]:
        table[measures.CUT] = rate_of(sum(listed), len(listed))
    if silent := sum(map(is_silent, verdicts)):
        table[SILENT] = rate_of(silent, len(verdicts))
    return table


def is_silent(verdict: dict) -> bool:
    """Whether the checker found no note in a legal tune."""
    return SILENT in verdict["tiers"]


def rates_of_bars(verdicts: list[dict]) -> dict:
    """Rate, 95% interval and counts of `BARS`; the tunes are resampled, as bars of one are far from independent."""
    table = {}
    for name, of in BARS.items():
        counts = np.array([(verdict[name], verdict[of]) for verdict in verdicts if verdict[of]], dtype=float)
        if len(counts):
            (mean,) = ratio_means(counts[:, :1], counts[:, 1:])
            count, n = map(int, counts.sum(axis=0))
            table[name] = {"rate": mean.value, "ci95": mean.ci95, "count": count, "n": n}
    return table


def print_report(report: dict) -> None:
    """Print the rates, and the worst files."""
    for name, row in (report["rates"] | report["bars"]).items():
        interval = "   95% interval {:.1%} to {:.1%}".format(*row["ci95"]) if row["ci95"] else ""
        print(f"{name:<15} {row['count']:>6} of {row['n']:<6} {row['rate']:6.1%}{interval}")
    print(*worst(report["files"]), sep="\n")


def worst(verdicts: list[dict]) -> list[str]:
    """A line for each of the files with the most messages that make them invalid."""
    grave = {"hard", "balance", "rhythm", "tool"}
    found = [(sum(m["tier"] in grave for m in verdict["messages"]), verdict) for verdict in verdicts]
    lines = []
    for count, verdict in sorted(found, key=lambda pair: -pair[0])[:WORST]:
        if count:
            first = next(m for m in verdict["messages"] if m["tier"] in grave)
            lines.append(f"{verdict['path']}:{first['line']}:{first['column']}: {first['message']} ({count} in all)")
    return lines
