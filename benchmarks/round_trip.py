"""How much of MIDI files a conversion keeps: what abc2midi plays of the tunes, against the files, both read by symusic.

  python -m benchmarks.round_trip ../shared/midi/midi_bundle.tar.gz

Ours, as `prepare` has it, stands beside midi2abc alone with several flags. Each tune is cleaned as `prepare`
does before it is played, with its chords not rolled.
"""

import argparse
import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from symusic.core import ScoreTick as Score

from benchmarks.abc2midi import Player, read_score
from benchmarks.against import write_result
from benchmarks.midi import read
from workflow.scripts.base import cli, errors
from workflow.scripts.corpus.conversion import GOOD
from workflow.scripts.corpus.measure import build
from workflow.scripts.corpus.options import Rules
from workflow.scripts.midi.agreement import Agreement, agreement
from workflow.scripts.midi.convert import Converter, compare
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.midi.midi2abc import Midi2abc
from workflow.scripts.midi.read_abc import notes_of as read_notes
from workflow.scripts.reading.sources import Piece

NO_ROLL = "%%MIDI chordattack 0\n"  # abc2midi plays the notes of a chord one after another
ALONE = ("", "-noly", "-noly -sr 2", "-noly -sr 2 -s")  # flags of midi2abc
OURS = ("", "-sr 1", "-sr 2")
LOSSES = {
    "files": "files left out",
    "doubled": "notes that their channel of a track strikes twice at once, written once",
    "others": "notes, but for drums, of another length",
    "drums": "drums of another length",
    "tempos": "changes of tempo, most of them within one slowing",
    "meters": "changes of meter",
    "keys": "changes of key",
}


def notes_of(score: Score) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kinds, onsets and lengths of the notes that sound, as of `agreement`."""
    rows = sorted(
        (note.pitch + 128 * track.is_drum, note.time / score.ticks_per_quarter, note.duration / score.ticks_per_quarter)
        for track in score.tracks
        for note in track.notes
        if note.velocity
    )
    kinds, onsets, lengths = np.array(rows, dtype=float).reshape(-1, 3).T
    return kinds, onsets, lengths


def cleaned(abc: bytes) -> str:
    """The tune as `prepare` would keep it; nothing of what it would not."""
    shard = build([Piece("tune.abc", "abc", abc, 0, 1, "")], Rules(near_duplicates=False))
    return shard.tune_text(0) if len(shard.tunes) else ""


def ways() -> Iterator[tuple[str, contextlib.AbstractContextManager, Callable]]:
    """(name, what makes tunes, what makes one of the bytes of a MIDI file with it)."""
    for flags in ALONE:
        yield (
            f"midi2abc {flags}".strip(),
            Midi2abc(),
            lambda program, midi, flags=flags: program.run(midi, flags.split()),
        )
    for flags in OURS:
        yield f"ours {flags}".strip(), Converter(flags), lambda converter, midi: converter.convert(midi).abc


def row_of(name: str, maker: contextlib.AbstractContextManager, make: Callable, files: list[bytes]) -> dict:
    """A row of the table."""
    found: list[Agreement] = []
    chars = 0
    with maker as opened, Player() as player:
        for midi in files:
            original = read_score(midi)
            try:
                abc = cleaned(make(opened, midi))
            except ConversionError:
                abc = ""
            chars += len(abc)
            played = player.score(abc.replace("\nK:", f"\n{NO_ROLL}K:", 1)) if abc else None
            if original is not None and played is not None:
                found.append(agreement(*notes_of(original), notes_of(played)))
    table = np.array(found)
    row = {"name": name, "files": len(found), "characters": chars}
    for column, measure in enumerate(Agreement._fields):
        values = table[:, column]
        row[measure] = {
            "median": float(np.median(values)), "tenth": float(np.quantile(values, 0.1)), "mean": float(values.mean()),
            "good": float((values >= GOOD).sum() / len(files)),
        }  # fmt: skip
    said = ", ".join(f"{measure} {row[measure]['mean']:.3f}" for measure in Agreement._fields)
    print(f"{name}: {len(found)} files, {chars:,} characters; mean F1 of {said}", flush=True)
    return row


def losses(files: list[bytes]) -> dict[str, tuple[int, int]]:
    """What of all files our conversion loses or shortens, each as (how many, of how many), in words."""
    counts = dict.fromkeys(LOSSES, (0, 0))

    def add(name: str, lost: int, of: int) -> None:
        counts[name] = counts[name][0] + int(lost), counts[name][1] + int(of)

    with Converter() as converter:
        for midi in files:
            try:
                found = converter.convert(midi)
            except ConversionError:
                add("files", 1, 1)
                continue
            add("files", 0, 1)
            song, said = found.song, found.abc.decode().partition("\nV:2\n")[0]
            add("doubled", song.doubled, song.doubled + len(song.notes))
            notes = read_notes(found.abc)
            for name, mine in (("drums", song.notes["drum"]), ("others", ~song.notes["drum"])):
                some = dataclasses.replace(song, notes=song.notes[mine])
                same = compare(some, notes[np.isin(notes[:, 0], some.notes["part"])])
                add(name, round((1 - same.lengths) * len(some.notes)), len(some.notes))
            last = (song.notes["onset"] + song.notes["length"]).max()
            for name, changes, letter in (
                ("tempos", song.tempos, "Q"),
                ("meters", song.meters, "M"),
                ("keys", song.keys, "K"),
            ):
                n = sum(change[0] < last for change in changes[1:])
                kept = len(re.findall(rf"^{letter}:|\[{letter}:", said, re.MULTILINE)) - 1
                add(name, max(n - kept, 0), n)
    return {words: counts[name] for name, words in LOSSES.items()}


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("path", type=Path, help="folder or tar archive of MIDI files")
    parser.add_argument("--most", type=cli.positive_int, default=500, help="files taken, at even distances")
    args: argparse.Namespace = parser.parse_args()
    files = read(args.path)
    if not files:
        raise errors.InputError(f"{args.path} holds no .mid files")
    files = files[:: max(1, len(files) // args.most)][: args.most]
    rows = [row_of(*way, files) for way in ways()]
    write_result(
        "round_trip", torch.device("cpu"), [], by_kind=False, round_trips=rows, n_files=len(files), good=GOOD,
        losses=losses(files),
    )  # fmt: skip


if __name__ == "__main__":
    cli.run(main)
