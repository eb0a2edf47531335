"""Compare the speed of a conversion and its check with that of the bare midi2abc in a shell loop, turn by turn.

    python -m benchmarks.midi ../shared/midi/midi_bundle.tar.gz

One process each, no output kept. A round times the loop, the Converter and the loop again, and compares the Converter
with the mean of the two, so that a drift of the machine's speed cancels.
"""

import functools
import random
import statistics
import subprocess
import tempfile
from pathlib import Path

from benchmarks.clock import seconds
from workflow.scripts.base import cli, errors
from workflow.scripts.machine.sandbox import find_program
from workflow.scripts.midi.convert import Converter
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.reading.sources import Piece, read_pieces

LOOP = 'for f in *.mid; do "$0" "$f" -noly -sr 2 > /dev/null 2>&1; done; true'


def read(path: Path) -> list[bytes]:
    """The MIDI files in a folder or an archive."""
    return [item.data for item in read_pieces(str(path)) if isinstance(item, Piece) and item.kind == "midi"]


def convert(converter: Converter, files: list[bytes]) -> None:
    for data in files:
        try:
            converter.convert(data)
        except ConversionError:
            continue


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("path", type=Path, help="folder or tar archive of MIDI files")
    parser.add_argument("--rounds", type=cli.positive_int, default=15)
    parser.add_argument("--most", type=cli.positive_int, default=500, help="files taken, at random if there are more")
    args = parser.parse_args()
    files = read(args.path)
    if not files:
        raise errors.InputError(f"{args.path} holds no .mid files")
    files = random.Random(0).sample(files, min(args.most, len(files)))
    ratios, bare, ours = [], [], []
    with tempfile.TemporaryDirectory() as folder, Converter() as converter:
        for i, data in enumerate(files):
            (Path(folder) / f"{i:06}.mid").write_bytes(data)
        command = ["bash", "-c", LOOP, find_program("midi2abc")]
        loop = functools.partial(subprocess.run, command, cwd=folder, check=True)
        ours_once = functools.partial(convert, converter, files)
        loop()  # once unmeasured: the files and the program are then in memory, and our code is compiled
        ours_once()
        for _ in range(args.rounds):
            before, own, after = seconds(loop), seconds(ours_once), seconds(loop)
            bare.append(len(files) * 2 / (before + after))
            ours.append(len(files) / own)
            ratios.append(ours[-1] / bare[-1])
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    rates = f"bare loop {statistics.median(bare):.0f}, Converter {statistics.median(ours):.0f}"
    print(f"{len(files)} files, {args.rounds} rounds, files/s (median): {rates}")
    print(f"ratio {middle:.3f} (quartiles {low:.3f} to {high:.3f}, range {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    cli.run(main)
