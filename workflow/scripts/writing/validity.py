"""Are the tunes of a folder music: what validity.json says, a verdict on each and the rates at which they pass."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workflow.scripts.base.uncertainty import rate_of, ratio_means
from workflow.scripts.writing.ladder import BARS, RATES, SECONDS, STEPS, evaluate
from workflow.scripts.writing.samples import prompt_chars, tune_files

WORST = 5  # files shown


def report_on(
    folder: str | Path,
    midi_dir: str | Path | None = None,
    seconds: float = SECONDS,
    steps: Iterable[str] = STEPS,
    music21_limit: int = 0,
) -> dict:
    """What validity.json says of the tunes below a folder; their MIDI files go below ``midi_dir`` if it is given.

    Raises:
        InputError: there are none.
    """
    paths = tune_files(folder)
    names = {path: path.relative_to(folder) for path in paths}
    midi_files = {}
    if midi_dir:
        Path(midi_dir).mkdir(parents=True, exist_ok=True)  # empty says that no tune compiled
        midi_files = {path: midi_dir / name.with_suffix(".mid") for path, name in names.items()}
    verdicts = list(evaluate(paths, seconds, set(steps), midi_files, prompt_chars(folder), music21_limit))
    for path, verdict in zip(paths, verdicts, strict=True):
        verdict["path"] = str(names[path])
    return {"rates": rates(verdicts), "bars": rates_of_bars(verdicts), "files": verdicts}


def rates(verdicts: list[dict]) -> dict:
    """Rate, 95% interval and counts of each step, over the tunes that it says something of."""
    table = {}
    for name, key in RATES.items():
        known = [verdict[key] for verdict in verdicts if verdict[key] is not None]
        if known:
            table[name] = rate_of(sum(known), len(known))
    return table


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
