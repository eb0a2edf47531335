"""How fast a corpus is prepared, against named baselines on the same text in the same run.

  encode     characters to ids, against a table lookup a character in plain Python (as nanoGPT prepares its text)
  sketches   MinHash of the notes of every tune, against datasketch's MinHash (skipped where that is not installed)
  versions   families and clusters of all tunes by their sketches
  prepare    the whole command with one worker, with and without near-duplicates

Example:
  python -m benchmarks.corpus data/raw/tunes.abc.zst
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.clock import seconds
from workflow.scripts import prepare
from workflow.scripts.corpus.clusters import parted
from workflow.scripts.corpus.measure import NOT_PLAYED, sketches_of
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.corpus.tokenizer import CharTokenizer
from workflow.scripts.corpus.versions import FEATURES, N_HASHES, families, sketch
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.sound import Ragged, listen
from workflow.scripts.reading.sources import Piece, read_pieces


def compare(name: str, size: float, ours: Callable, baseline: Callable, of: float, rounds: int) -> None:
    """Alternate the two; the baseline does a share ``of`` the work, since it is slow."""
    ours()  # compile
    pairs = [(seconds(ours), seconds(baseline) / of) for _ in range(rounds)]
    ratios = sorted(slow / fast for fast, slow in pairs)
    rate = size / statistics.median(fast for fast, _ in pairs)
    middle, low, high = statistics.median(ratios), ratios[0], ratios[-1]
    print(f"{name:<9} {rate:8.0f} MB/s, {middle:6.1f} x the baseline ({low:.1f} to {high:.1f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="ABC, as prepare takes it")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    data = b"".join(item.data for item in read_pieces(args.input) if isinstance(item, Piece) and item.kind == "abc")
    text, size = data.decode(), len(data) / 1e6
    coder = CharTokenizer("".join(sorted(set(text))))
    table = {char: i for i, char in enumerate(coder.chars)}
    part = text[: len(text) // 20]
    share = len(part) / len(text)
    compare("encode", size, lambda: coder.encode(text), lambda: np.array([table[c] for c in part]), share, args.rounds)

    music = listen(*clean(data, find_tunes(np.frombuffer(data, np.uint8)), Cleaning()))
    width = FEATURES["notes"].width
    try:
        from datasketch import MinHash
    except ImportError:
        print("sketches  skipped: datasketch is not installed")
    else:
        notes, bounds = music.notes.values.tobytes(), music.notes.bounds.tolist()
        few = range(0, len(bounds) - 1, 50)

        def theirs() -> None:
            for i in few:
                tune = notes[bounds[i] : bounds[i + 1]]
                MinHash(N_HASHES).update_batch({tune[k : k + width] for k in range(max(len(tune) - width, 0) + 1)})

        share = sum(bounds[i + 1] - bounds[i] for i in few) / bounds[-1]
        compare("sketches", size, lambda: sketch(*music.notes, width), theirs, share, args.rounds)

    n = len(music.counts)
    unplayed = {"played": Ragged(NOT_PLAYED, np.zeros(n + 1, np.int64))}
    sketches = sketches_of(music._asdict() | unplayed, np.ones(n, dtype=bool))
    parted(sketches, families(sketches))  # compile
    took = statistics.median(seconds(lambda: parted(sketches, families(sketches))) for _ in range(args.rounds))
    print(f"versions  {n / took:8.0f} tunes/s, {took:.1f} s", flush=True)

    for near in ("no", "yes"):
        with tempfile.TemporaryDirectory() as folder:
            flags = ["--input_path", args.input, "--output_dir", str(Path(folder) / "out"), "--workers", "1"]
            took = seconds(lambda: prepare.main([*flags, "--near_duplicates", near]))  # noqa: B023 - called at once
        print(f"prepare   {size / took:8.1f} MB/s, {took:.1f} s, near-duplicates: {near}", file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
