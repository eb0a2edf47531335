"""The steps that a tune must pass to count as music: a verdict on each file."""

import contextlib
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from workflow.scripts.base import measures
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.findings import TIERS, Text
from workflow.scripts.grammar.rhythm import judge as judge_rhythm
from workflow.scripts.writing.programs import Abc2midi, Music21, over_limit, said, sanitise
from workflow.scripts.writing.samples import Sample, read_sample, read_tune
from workflow.scripts.writing.tunebook import Tune

SECONDS = 10  # that a program may take for a tune
STEPS = measures.STEPS
PROGRAMS = {measures.TOOLS, measures.COMPILES, measures.MUSIC21}  # steps that need one
OURS = {measures.SYNTAX, measures.RHYTHM}  # steps that our own checker takes
# What a verdict says of each step, and of both programs at once.
RATES = {
    measures.SYNTAX: "syntax_valid",
    measures.TOOLS: "tools_agree",
    measures.COMPILES: "compiles",
    measures.MUSIC21: "music21",
    measures.RHYTHM: "bars_correct",
    measures.ABC2MIDI: "abc2midi",
    measures.VALID: "valid",
}
# Counts in a verdict, and of how many.
BARS = {measures.BARS_RIGHT: "bars", measures.BARS_MISALIGNED: "voice_bars"}


def evaluate(
    paths: list[Path],
    seconds: float,
    steps: set[str],
    midi_files: Mapping[Path, Path] = types.MappingProxyType({}),
    samples: Mapping[Path, Sample] = types.MappingProxyType({}),
) -> Iterator[dict]:
    """A verdict for each file of one tune, in order, as `judge`.

    Args:
        midi_files: where the MIDI of a file is kept if abc2midi finds no error and a note is its writer's.
        samples: what a table says of files, as what of each is a prompt.
    """
    tunes = (tune_of(path, path.name, midi_files.get(path), samples.get(path)) for path in paths)
    return judge(tunes, seconds, steps)


def tune_of(path: Path, name: str, midi: Path | None, sample: Sample | None) -> Tune:
    """A file of one tune, to be judged under a name; ``sample`` is what a table says of it."""
    if not sample:
        return Tune(name, read_tune(path), midi=midi)
    return Tune(name, *read_sample(sample), midi, not sample.ended)


def judge(
    tunes: Iterable[Tune], seconds: float, steps: set[str], for_music21: Collection[int] | None = None
) -> Iterator[dict]:
    """A verdict for each tune, in order; None in it for a step that was not taken.

    music21 works in a process of its own, at the same time as abc2midi.

    Args:
        seconds: that a program may take for a tune.
        for_music21: numbers, from 0, of the tunes that music21 judges if that is a step; None for all.
    """
    with contextlib.ExitStack() as stack:
        abc2midi = stack.enter_context(Abc2midi(seconds)) if steps & {"tools", "compiles"} else None
        music21 = stack.enter_context(Music21(seconds)) if "music21" in steps else None
        for number, tune in enumerate(tunes):
            taken = steps if for_music21 is None or number in for_music21 else steps - {"music21"}
            if abc2midi and tune.midi:
                tune.midi.unlink(missing_ok=True)  # of an earlier run, maybe of a tune that does not compile now
            asked = music21 if "music21" in taken else None
            yield settled(verdict_on(tune, taken, abc2midi, asked), taken)


def evenly(n: int, most: int) -> set[int]:
    """At most ``most`` of n numbers, evenly spread; all of them for 0."""
    return {i * n // most for i in range(most)} if 0 < most < n else set(range(n))


def verdict_on(tune: Tune, steps: set[str], abc2midi: Abc2midi | None, music21: Music21 | None) -> dict:
    """What is found of one tune, its messages with the lines of its file; `settled` makes a verdict of it."""
    verdict: dict = {"path": tune.name, "cut": tune.is_cut} | dict.fromkeys((*RATES.values(), *BARS.values(), *BARS))
    verdict |= {"tiers": [], "sanitised": False, "messages": []}
    text, problem = tune.read
    if problem:
        verdict |= dict.fromkeys((RATES[step] for step in STEPS), False)
        if tune.is_cut:  # within its header, where it has no bar to keep a meter in, or within its first bar
            verdict["bars_correct"] = fails_meter(parse(text, tune.prompt_chars))
        return verdict | {"tiers": ["hard"], "messages": [said(f"not read: {problem}", tier="hard")]}
    found = parse(text, tune.prompt_chars) if tune.prompt_chars or steps & OURS else None
    credited = found is None or not tune.prompt_chars or found.notes > 0
    if found and steps & OURS:
        verdict |= check(found, bool(tune.is_cut))
    if steps & PROGRAMS:
        ask_programs(text, verdict, abc2midi, music21, tune.midi if credited else None)
    if not credited:
        verdict |= {name: False for name in ("compiles", "music21") if verdict[name]}
    for message in verdict["messages"]:
        message["line"] = tune.line_in_file(message["line"])
    return verdict


def check(found: Text, is_cut: bool) -> dict:
    """Verdict of our own checker."""
    rhythm = judge_rhythm(found, is_cut)
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


def fails_meter(found: Text) -> bool | None:
    """What is said of the rhythm of a text that nobody need take for a tune: nothing where it has no bar of a meter."""
    return False if judge_rhythm(found).metered else None


def ask_programs(
    text: str, verdict: dict, abc2midi: Abc2midi | None, music21: Music21 | None, keep: Path | None
) -> None:
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
