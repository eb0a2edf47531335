"""How many of a folder's tunes are music, judged by a ladder of steps.

  syntax   every character follows the grammar of ABC 2.1, every slur, tie, repeat and ending has its other half
  tools    abc2midi reports no error
  compiles abc2midi writes a MIDI file that another library reads, with a note in it, of at most ten minutes
  music21  music21 parses it and finds a note
  rhythm   every bar lasts what the meter says and the voices keep step; of the tunes that have a meter

A tune is valid, as this study's first version had it, if music21 and abc2midi both take it. abc2midi exits with 0
whatever happens, so its messages are read and the MIDI file is opened. Every program runs under limits on time and
memory, and breaking one is a verdict. Lines of %% and I: that could make a program read a file are taken out first.

Examples:
  python -m workflow.scripts.eval_syntax --folder output/samples/
  python -m workflow.scripts.eval_syntax --folder tunes --steps syntax rhythm --fail_under 0.9
"""

import contextlib
import multiprocessing
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from workflow.scripts import cli
from workflow.scripts.abc_parser import parse
from workflow.scripts.abc_rhythm import judge
from workflow.scripts.abc_tune import TIERS
from workflow.scripts.cli import InputError
from workflow.scripts.external import find_program, limit_resources, run_limited
from workflow.scripts.files import write_json
from workflow.scripts.sample_files import tune_files
from workflow.scripts.wilson import rate_of

MAX_BYTES = 256 << 10  # a tune is a few kilobytes
# Lines that say something to programs, but for these: among the rest are some that read any file of this machine.
DIRECTIVE = re.compile(
    r"^(?:%%|I:)(?![ \t]*(?:MIDI[ \t]+(?:program|channel)[ \t]+[\d \t]{1,9}|score|staves|clef)\b).*$", re.MULTILINE
)
ERROR = re.compile(r"^Error in line-char (\d+)-(\d+) : (.*)$", re.MULTILINE)
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
MAX_SECONDS = 600  # of a tune as MIDI
WORST = 5  # files shown


def said(message: str, line: int = 0, column: int = 0, tier: str = "tool") -> dict:
    """A message about a tune; line 0 where it is about no line."""
    return {"line": line, "column": column, "tier": tier, "message": message}


def music21_notes(text: str) -> int:
    """Notes and chords that music21 finds in ABC text (parsed as text, never opened as a path)."""
    from music21.abcFormat import ABCHandler, translate

    handler = ABCHandler()
    handler.process(text)
    if handler.definesReferenceNumbers():
        streams = [translate.abcToStreamScore(part) for part in handler.splitByReferenceNumber().values()]
    else:
        streams = [translate.abcToStreamScore(handler)]
    return sum(len(stream.recurse().notes) for stream in streams)


def parsed(parsing: ProcessFuture) -> tuple[bool, list[dict]]:
    """(notes were found, messages) of what `music21_notes` comes to in another process."""
    try:
        return parsing.result() > 0, []
    except (FutureTimeout, ProcessExpired) as error:
        return False, [said(f"music21: {type(error).__name__}")]
    except Exception as error:  # music21 raises whatever its parser stumbles over: all of it is a verdict
        return False, [said(f"music21: {type(error).__name__}: {error}".split("\n")[0][:200])]


def abc2midi(text: str, program: str, seconds: float, keep: Path | None) -> tuple[bool, bool, list[dict]]:
    """(no error, a MIDI file of notes, messages) of compiling a tune; ``keep`` receives a clean result."""
    import symusic

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tune.abc").write_text(text, encoding="utf-8")
        outcome = run_limited([program, "tune.abc", "-NFER", "-o", "tune.mid"], folder, seconds)
        messages = [said(text, int(line), int(column)) for line, column, text in ERROR.findall(outcome.output)]
        if outcome.problem:
            messages.append(said(outcome.problem))
        agrees, compiles, midi = not messages, False, folder / "tune.mid"
        if not midi.exists():
            messages.append(said("no MIDI file was written"))
        elif not outcome.problem:
            try:
                score = symusic.Score(midi)
                notes = sum(note.velocity > 0 for track in score.tracks for note in track.notes)
                lasts = score.to("second").end()
                compiles = notes > 0 and 0 < lasts <= MAX_SECONDS
                if not compiles:
                    messages.append(said(f"the MIDI file has {notes} notes and lasts {lasts:.0f} s"))
            except (RuntimeError, ValueError) as error:
                messages.append(said(f"the MIDI file cannot be read ({error})"))
        if agrees and compiles and keep:
            shutil.copyfile(midi, keep)
        return agrees, compiles, messages


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


def check(text: str) -> dict:
    """Verdict of our own checker."""
    found = parse(text)
    rhythm = judge(found)
    return {
        "syntax_valid": found.is_valid,
        "tiers": [tier for tier in TIERS if tier in found.tiers],
        "bars_correct": rhythm.is_right,
        "bars": rhythm.bars,
        "bars_right": rhythm.right,
        "messages": found.located(),
    }


def evaluate(paths: list[Path], seconds: float, midi_dir: Path | None, steps: set[str]) -> Iterator[dict]:
    """A verdict for each file, in order; None in it for a step that was not taken.

    One worker process parses with music21; if it dies it is replaced.
    """
    compiling = steps & {"tools", "compiles"}
    program = find_program("abc2midi") if compiling else ""
    with contextlib.ExitStack() as stack:
        if "music21" in steps:
            limits = (10 * 3600, 3 << 29)  # CPU seconds for the whole folder (a time-out bounds each tune); 1.5 GiB
            # Not forked: the pool's threads may hold locks when a dead worker is replaced, and a fork would keep them.
            spawn = multiprocessing.get_context("spawn")
            pool = stack.enter_context(
                ProcessPool(max_workers=1, initializer=limit_resources, initargs=limits, context=spawn)
            )
        for path in paths:
            verdict = {"path": path.name, **dict.fromkeys(RATES.values()), "tiers": [], "sanitised": False}
            verdict["messages"] = []
            try:
                text = read(path)
            except ValueError as error:
                failed = {RATES[step]: False for step in STEPS}
                failed |= {"tiers": ["hard"], "messages": [said(f"not read: {error}", tier="hard")]}
                yield settled(verdict | failed, steps)
                continue
            if steps & {"syntax", "rhythm"}:
                verdict |= check(text)
            text, dropped = DIRECTIVE.subn("%", text)
            verdict["sanitised"] = dropped > 0
            parsing = pool.schedule(music21_notes, args=[text], timeout=seconds) if "music21" in steps else None
            if compiling:
                keep = midi_dir / f"{path.stem}.mid" if midi_dir else None
                verdict["tools_agree"], verdict["compiles"], messages = abc2midi(text, program, seconds, keep)
                verdict["messages"] += messages
            if parsing:
                verdict["music21"], messages = parsed(parsing)
                verdict["messages"] += messages
            yield settled(verdict, steps)


def settled(verdict: dict, steps: set[str]) -> dict:
    """The verdict with None for the steps not taken, and with what follows from those that were."""
    verdict |= {RATES[step]: None for step in STEPS if step not in steps}

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


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", required=True, help="folder with .abc files, one tune each")
    parser.add_argument("--json", help="file to write every verdict to")
    parser.add_argument("--midi_dir", help="folder for the MIDI files of tunes that compile without an error")
    parser.add_argument("--timeout", type=cli.positive_float, default=10, help="seconds a program may take for a tune")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS, help="steps of the ladder to take")
    parser.add_argument(
        "--fail_under", "--fail-under", type=cli.fraction, metavar="RATE", help="exit with 1 if a step's rate is lower"
    )
    args = parser.parse_args(argv)

    paths = tune_files(args.folder)
    midi_dir = Path(args.midi_dir) if args.midi_dir else None
    if midi_dir:
        midi_dir.mkdir(parents=True, exist_ok=True)  # empty says that no tune compiled
    verdicts = list(evaluate(paths, args.timeout, midi_dir, set(args.steps)))
    for path, verdict in zip(paths, verdicts, strict=True):
        verdict["path"] = str(path.relative_to(args.folder))
    table = rates(verdicts)
    if args.json:
        write_json(args.json, {"rates": table, "files": verdicts})
    for name, row in table.items():
        low, high = row["ci95"]
        print(f"{name:<9} {row['count']:>4} of {row['n']:<4} {row['rate']:6.1%}   95% interval {low:.1%} to {high:.1%}")
    print(*worst(verdicts), sep="\n")
    low = [name for name in args.steps if name in table and table[name]["rate"] < (args.fail_under or 0)]
    if low:
        raise InputError(f"less than {args.fail_under:.1%} of the tunes pass {', '.join(low)}")


if __name__ == "__main__":
    cli.run(main)
