"""What real tunes pass of the ladder that generated ones are judged by: what can be reached at all.

Of each corpus that `prepare` wrote, tunes are drawn as `draw_real` draws them, from the test split and, where it has
too few, from the other splits, cut at each length, and judged by every step. music21 judges all.

Example:
  python -m benchmarks.ceilings data/corpora/music21 data/corpora/abc_collection data/corpora/midi
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch

from benchmarks.against import write_result
from workflow.scripts import draw_real
from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing import validity

SPLITS = ("test", "val", "train")


def draw(data_dir: Path, tunes: int, longest: int, folder: Path) -> None:
    """Draw real tunes of a corpus into folders below one."""
    corpus, left = Corpus.load(data_dir), tunes
    for split in SPLITS:
        n = min(corpus.split(split).n_tunes, left)
        left -= n
        if n:
            flags = {"data_dir": data_dir, "split": split, "num_samples": n, "max_new_tokens": longest}
            draw_real.main([f"--{name}={value}" for name, value in (flags | {"output_dir": folder / split}).items()])


def ceilings(corpora: Iterable[Path], tunes: int, lengths: Iterable[int]) -> list[dict]:
    """A row for each corpus and length: of each rate how many tunes or bars, of how many."""
    rows = []
    for data_dir in corpora:
        for longest in lengths:
            with tempfile.TemporaryDirectory() as folder:
                draw(data_dir, tunes, longest, Path(folder))
                report = validity.report_on(folder, music21_limit=0)
            found = report["rates"] | report["bars"]
            counts = {name: [rate["count"], rate["n"]] for name, rate in found.items()}
            rows.append({"name": data_dir.name, "tokens": longest, "tunes": len(report["files"]), "counts": counts})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("data_dirs", nargs="+", type=Path, metavar="data_dir", help="corpora that prepare wrote")
    parser.add_argument("--tunes", type=cli.positive_int, default=250, help="most tunes of each")
    parser.add_argument("--lengths", type=cli.positive_int, nargs="+", default=[512, 4096], help="of tunes, in tokens")
    args = parser.parse_args()
    rows = ceilings(args.data_dirs, args.tunes, args.lengths)
    write_result("ceilings", torch.device("cpu"), [], by_kind=False, ceilings=rows)


if __name__ == "__main__":
    cli.run(main)
