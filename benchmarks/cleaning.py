"""Whether cleaning keeps every legal tune legal and its music as it was, over whole corpora and mutations of them.

Each tune is read by our checker and played by abc2midi, before and after; `benchmarks.kept_music` says what is
compared. A tune of which cleaning leaves every byte is not played.
The mutations (`benchmarks.mutations`) are of short tunes spread evenly over the inputs.

Example:
  python -m benchmarks.cleaning music21 ../shared/corpora/abc_collection_utf8.tar.zst
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.abc2midi import Player
from benchmarks.against import write_result
from benchmarks.kept_music import Pair, judge, pairs, pairs_of_file, split
from benchmarks.mutations import mutations
from workflow.scripts.base import cli
from workflow.scripts.machine.pool import Pool
from workflow.scripts.reading.sources import Piece, read_pieces

TUNES_AT_ONCE = 200  # that a worker is given
LONGEST_MUTATED = 900  # characters of a tune that mutations are made of
MUTATED_TUNES = 3000  # of each input, at most
SEED = 19
EXAMPLES = 20
COLUMNS = {
    "tunes": "tunes",
    "is_valid": "legal before",
    "stays_valid": "legal after",
    "reads_same": "same to our reader",
    "is_played": "played by abc2midi",
    "sounds_same": "same to it",
}


class Example(NamedTuple):
    """A tune that cleaning did wrong: what, and the tune before and after; None if it was lost."""

    fault: str
    before: str
    after: str | None


def pairs_of_input(path: str) -> Iterator[Pair]:
    """Every tune of an input of `prepare`, before and after cleaning."""
    before = ""
    for piece in read_pieces(path):
        if isinstance(piece, Piece) and piece.kind == "abc":
            if not piece.offset:
                before, _ = split(piece.data.decode())
            yield from pairs(piece.data, piece.header, before)


def short_tunes(path: str) -> list[str]:
    """Tunes of an input that mutations are made of, spread evenly over it."""
    tunes = [pair.before for pair in pairs_of_input(path) if len(pair.before) <= LONGEST_MUTATED]
    return tunes[:: max(1, -(-len(tunes) // MUTATED_TUNES))]


def mutated_pairs(paths: list[str], n: int) -> Iterator[Pair]:
    """The tunes of n mutations, before and after cleaning."""
    for text in mutations([tune for path in paths for tune in short_tunes(path)], n, SEED):
        yield from pairs_of_file(text.encode())


def judged(batch: list[Pair]) -> tuple[Counter[str], list[Example]]:
    """In how many tunes each column holds, and those that cleaning did wrong."""
    counts: Counter[str] = Counter(tunes=len(batch))
    wrong = []
    with Player() as player:
        for pair in batch:
            verdict = judge(pair, player)
            for column in ("is_valid", "stays_valid", "reads_same", "is_played"):
                counts[column] += getattr(verdict, column)
            counts["sounds_same"] += verdict.is_played and verdict.sounds_same
            if verdict.fault:
                wrong.append(Example(verdict.fault, *pair))
    return counts, wrong


def row_of(name: str, tunes: Iterable[Pair], pool: Pool) -> tuple[dict, list[Example]]:
    """A row of the table, and what was done wrong."""
    start = time.perf_counter()
    counts: Counter[str] = Counter()
    wrong: list[Example] = []
    rest = iter(tunes)
    batches = iter(lambda: list(itertools.islice(rest, TUNES_AT_ONCE)), [])
    for found, examples in pool.map(judged, ((batch,) for batch in batches)):
        counts.update(found)
        wrong += examples
    row = {"name": name, **{column: counts[column] for column in COLUMNS}, "seconds": time.perf_counter() - start}
    said = ", ".join(f"{words} {row[column]:,}" for column, words in COLUMNS.items())
    print(f"{name}: {said}; {row['seconds']:.0f} s", flush=True)
    return row, wrong


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("inputs", nargs="+", help="ABC, as prepare takes it")
    parser.add_argument("--mutations", type=cli.non_negative_int, default=20_000)
    parser.add_argument("--workers", type=cli.positive_int, default=2)
    args = parser.parse_args()
    sources = [(Path(path).name.split(".")[0], pairs_of_input(path)) for path in args.inputs]
    sources.append(("mutations", mutated_pairs(args.inputs, args.mutations)))
    rows, wrong = [], []
    with Pool(args.workers) as pool:
        for name, tunes in sources:
            row, examples = row_of(name, tunes, pool)
            rows.append(row)
            wrong += examples
    for example in wrong[:EXAMPLES]:
        print(f"\n{example.fault}\n{example.before}becomes\n{example.after}")
    shown = [example._asdict() for example in wrong[:EXAMPLES]]
    write_result("cleaning", torch.device("cpu"), [], by_kind=False, columns=COLUMNS, kept=rows, wrong=shown)


if __name__ == "__main__":
    cli.run(main)
