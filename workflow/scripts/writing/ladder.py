"""The steps that a tune must pass to count as music, and the rates at which tunes pass them: validity.json."""

import contextlib
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from workflow.scripts.base.uncertainty import rate_of, ratio_means
from workflow.scripts.notation.checker import parse
from workflow.scripts.notation.findings import TIERS, Text
from workflow.scripts.notation.rhythm import judge
from workflow.scripts.writing.programs import Abc2midi, Music21, over_limit, said, sanitise
from workflow.scripts.writing.samples import NEEDED, read_table, tune_files

MAX_BYTES = 256 << 10  # a tune is a few kilobytes


SECONDS = 10  # that a program may take for a tune


STEPS = ("syntax", "tools", "compiles", "music21", "rhythm")


# What a verdict says of each step, and of both programs at once.
RATES = {
    "syntax": "syntax_valid",
    "tools": "tools_agree",
    "compiles": "compiles",
    "music21": "music21",
    "rhythm": "bars_correct",
    "abc2midi": "abc2midi",
    "valid": "valid",
}


BARS = {"bars_right": "bars", "bars_misaligned": "voice_bars"}  # counts in a verdict, and of how many


PROGRAMS = {"tools", "compiles", "music21"}  # steps that need one


WORST = 5  # files shown


def read(path: Path) -> str:
    """The text of a file.

    Raises:
        ValueError: it is too large, not UTF-8, or has a NUL in it.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes, more than {MAX_BYTES}")
    text = path.read_bytes().decode("utf-8-sig")
    if "\0" in text:
        raise ValueError("a NUL character")
    return text


def prompts(folder: str | Path) -> dict[Path, int]:
    """How many characters of a prompt each tune below a folder begins with, of those that a table of samples lists."""
    tables = []
    for path in sorted(Path(folder).rglob("*.csv")):
        with open(path, encoding="utf-8", errors="replace") as file:
            if file.readline().startswith(",".join(NEEDED)):
                tables.append(path)
    return {sample.path: sample.prompt_chars for table in tables for sample in read_table(table)}


def check(found: Text) -> dict:
    """Verdict of our own checker."""
    rhythm = judge(found)
    return {
        "syntax_valid": found.is_valid,
        "tiers": [tier for tier in TIERS if tier in found.tiers],
        "bars_correct": rhythm.is_right,
        "bars": rhythm.bars,
        "bars_right": rhythm.right,
        "voice_bars": rhythm.places,
        "bars_misaligned": rhythm.misaligned,
        "messages": found.located(),
    }


def evenly(n: int, most: int) -> set[int]:
    """At most ``most`` of n numbers, evenly spread; all of them for 0."""
    return {i * n // most for i in range(most)} if 0 < most < n else set(range(n))


def evaluate(
    paths: list[Path],
    seconds: float,
    steps: set[str],
    midi_files: Mapping[Path, Path] = types.MappingProxyType({}),
    prompt_chars: Mapping[Path, int] = types.MappingProxyType({}),
    music21_limit: int = 0,
) -> Iterator[dict]:
    """A verdict for each file, in order; None in it for a step that was not taken.

    music21 works in a process of its own, at the same time as abc2midi.

    Args:
        midi_files: where the MIDI of a file is kept if abc2midi finds no error and a note is its writer's.
        prompt_chars: how many characters each file begins with that do not count as its writer's.
        music21_limit: how many files music21 judges, evenly spread; 0 for all.
    """
    with contextlib.ExitStack() as stack:
        abc2midi = stack.enter_context(Abc2midi(seconds)) if steps & {"tools", "compiles"} else None
        music21 = stack.enter_context(Music21(seconds)) if "music21" in steps else None
        chosen = evenly(len(paths), music21_limit)
        for number, path in enumerate(paths):
            taken = steps if number in chosen else steps - {"music21"}
            keep = midi_files.get(path) if abc2midi else None
            if keep:
                keep.unlink(missing_ok=True)  # of an earlier run, maybe of a tune that does not compile now
            verdict = {"path": path.name} | dict.fromkeys((*RATES.values(), *BARS.values(), *BARS))
            verdict |= {"tiers": [], "sanitised": False, "messages": []}
            try:
                text = read(path)
            except ValueError as error:
                verdict |= dict.fromkeys((RATES[step] for step in STEPS), False)
                verdict |= {"tiers": ["hard"], "messages": [said(f"not read: {error}", tier="hard")]}
                yield settled(verdict, taken)
                continue
            prompt = prompt_chars.get(path, 0)
            found = parse(text, prompt) if prompt or taken & {"syntax", "rhythm"} else None
            credited = not prompt or found.notes > 0
            if taken & {"syntax", "rhythm"}:
                verdict |= check(found)
            if taken & PROGRAMS:
                asked = music21 if "music21" in taken else None
                programs(text, verdict, abc2midi, asked, keep if credited else None)
            if not credited:
                verdict |= {name: False for name in ("compiles", "music21") if verdict[name]}
            yield settled(verdict, taken)


def programs(text: str, verdict: dict, abc2midi: Abc2midi | None, music21: Music21 | None, keep: Path | None) -> None:
    """Add to a verdict what programs say of a text; they see none that is over a limit."""
    text, verdict["sanitised"] = sanitise(text)
    if message := over_limit(text):
        verdict |= {"tools_agree": False, "compiles": False, "music21": False}
        verdict["messages"].append(message)
        return
    if music21:
        music21.ask(text)
    if abc2midi:
        verdict["tools_agree"], verdict["compiles"], messages = abc2midi.judge(text, keep)
        verdict["messages"] += messages
    if music21:
        verdict["music21"], messages = music21.verdict()
        verdict["messages"] += messages


def settled(verdict: dict, steps: set[str]) -> dict:
    """The verdict with None for the steps not taken, and with what follows from those that were."""
    verdict |= {RATES[step]: None for step in STEPS if step not in steps}
    if "rhythm" not in steps:
        verdict |= dict.fromkeys((*BARS.values(), *BARS))

    def both(one: str, other: str) -> bool | None:
        return None if verdict[one] is None or verdict[other] is None else verdict[one] and verdict[other]

    verdict["abc2midi"] = both("tools_agree", "compiles")
    verdict["valid"] = both("music21", "abc2midi")
    return verdict


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
    verdicts = list(evaluate(paths, seconds, set(steps), midi_files, prompts(folder), music21_limit))
    for path, verdict in zip(paths, verdicts, strict=True):
        verdict["path"] = str(names[path])
    return {"rates": rates(verdicts), "bars": rates_of_bars(verdicts), "files": verdicts}


def print_report(report: dict) -> None:
    for name, row in (report["rates"] | report["bars"]).items():
        interval = "   95% interval {:.1%} to {:.1%}".format(*row["ci95"]) if row["ci95"] else ""
        print(f"{name:<15} {row['count']:>6} of {row['n']:<6} {row['rate']:6.1%}{interval}")
    print(*worst(report["files"]), sep="\n")
