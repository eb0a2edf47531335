"""How many of a folder's tunes are music that programs can read.

A tune is valid if music21 parses it and finds a note, and abc2midi compiles it without an error to a
MIDI file with a note in it. abc2midi exits with 0 whatever happens, so its messages are read and the
MIDI file is opened. Every program runs under limits on time and memory; breaking one is a verdict.

Example:
  python -m workflow.scripts.eval_syntax --folder output/samples/
"""

import multiprocessing
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from workflow.scripts import cli
from workflow.scripts.cli import InputError
from workflow.scripts.external import find_program, limit_resources, run_limited
from workflow.scripts.files import write_json
from workflow.scripts.wilson import wilson

MAX_BYTES = 1 << 20  # a tune is a few kilobytes
INCLUDE = re.compile(r"^(?:%%|I:)\s*abc-include\b.*$", re.MULTILINE)  # would read any file on this machine
ERROR = re.compile(r"^Error in line-char (\d+)-(\d+) : (.*)$", re.MULTILINE)
RATES = ("music21", "abc2midi", "valid")


def said(message: str, line: int = 0, column: int = 0) -> dict:
    """A message about a tune; line 0 where it is about no line."""
    return {"line": line, "column": column, "message": message}


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


def abc2midi(text: str, program: str, seconds: float, keep: Path | None) -> tuple[int, list[dict]]:
    """(notes in the MIDI file, error messages) of compiling a tune; ``keep`` receives a clean result."""
    import symusic

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tune.abc").write_text(text, encoding="utf-8")
        outcome = run_limited([program, "tune.abc", "-o", "tune.mid"], folder, seconds)
        messages = [said(text, int(line), int(column)) for line, column, text in ERROR.findall(outcome.output)]
        if outcome.problem:
            messages.append(said(outcome.problem))
        notes, midi = 0, folder / "tune.mid"
        if not midi.exists():
            messages.append(said("no MIDI file was written"))
        elif not outcome.problem:
            try:
                notes = sum(len(track.notes) for track in symusic.Score(midi).tracks)
            except (RuntimeError, ValueError) as error:
                messages.append(said(f"the MIDI file cannot be read ({error})"))
        if notes and not messages and keep:
            shutil.copyfile(midi, keep)
        return notes, messages


def evaluate(paths: list[Path], seconds: float, midi_dir: Path | None) -> Iterator[dict]:
    """A verdict for each file, in order. One worker process parses; if it dies it is replaced."""
    program = find_program("abc2midi")
    limits = (10 * 3600, 3 << 29)  # CPU seconds for the whole folder (a time-out bounds each tune); 1.5 GiB
    # Not forked: the pool's threads may hold locks when a dead worker is replaced, and a fork would keep them held.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=1, initializer=limit_resources, initargs=limits, context=spawn) as pool:
        for path in paths:
            verdict = {"path": path.name, "music21": False, "abc2midi": False, "valid": False, "messages": []}
            data = path.read_bytes()
            try:
                if len(data) > MAX_BYTES:
                    raise ValueError(f"{len(data)} bytes, more than {MAX_BYTES}")
                text = INCLUDE.sub("%", data.decode("utf-8"))
                if "\0" in text:
                    raise ValueError("a NUL character")
            except ValueError as error:
                verdict["messages"].append(said(f"not read: {error}"))
                yield verdict
                continue
            parsing = pool.schedule(music21_notes, args=[text], timeout=seconds)
            keep = midi_dir / f"{path.stem}.mid" if midi_dir else None
            notes, verdict["messages"] = abc2midi(text, program, seconds, keep)
            verdict["abc2midi"] = notes > 0 and not verdict["messages"]
            try:
                verdict["music21"] = parsing.result() > 0
            except (FutureTimeout, ProcessExpired) as error:
                verdict["messages"].append(said(f"music21: {type(error).__name__}"))
            except Exception as error:  # music21 raises whatever its parser stumbles over: all of it is a verdict
                reason = f"music21: {type(error).__name__}: {error}".split("\n")[0][:200]
                verdict["messages"].append(said(reason))
            verdict["valid"] = verdict["music21"] and verdict["abc2midi"]
            yield verdict


def rates(verdicts: list[dict]) -> dict:
    table = {}
    for name in RATES:
        count = sum(verdict[name] for verdict in verdicts)
        table[name] = {
            "rate": count / len(verdicts),
            "ci95": wilson(count, len(verdicts)),
            "count": count,
            "n": len(verdicts),
        }
    return table


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folder", required=True, help="folder with .abc files, one tune each")
    parser.add_argument("--json", help="file to write every verdict to")
    parser.add_argument("--midi_dir", help="folder for the MIDI files of tunes that compile without an error")
    parser.add_argument("--timeout", type=cli.positive_float, default=20, help="seconds a program may take for a tune")
    args = parser.parse_args(argv)

    paths = sorted(Path(args.folder).rglob("*.abc"))
    if not paths:
        raise InputError(f"{args.folder} holds no .abc files")
    midi_dir = Path(args.midi_dir) if args.midi_dir else None
    if midi_dir:
        midi_dir.mkdir(parents=True, exist_ok=True)  # empty says that no tune compiled
    verdicts = list(evaluate(paths, args.timeout, midi_dir))
    table = rates(verdicts)
    if args.json:
        write_json(args.json, {"rates": table, "files": verdicts})
    for name, row in table.items():
        low, high = row["ci95"]
        print(f"{name:<9} {row['count']:>4} of {row['n']:<4} {row['rate']:6.1%}   95% interval {low:.1%} to {high:.1%}")


if __name__ == "__main__":
    cli.run(main)
