"""How long it takes to index a corpus for copies, and to search the index for each of its test tunes.

  index      the whole of `copy_index`: seconds, peak memory of its process, bytes on disk
  search     milliseconds a tune: all of it; the longest common stretch; the nearest tune in both views,
             and against brute force with rapidfuzz, how often and by how much the nearest is less similar
  worst      seconds for as much of one letter as is looked at of a file, and for as many bytes of test tunes

Example:
  python -m benchmarks.copying data/corpora/music21
"""

import argparse
import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extractOne

from benchmarks.clock import seconds
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.copies import longest_common, nearest
from workflow.scripts.writing.copying import cleaned, search
from workflow.scripts.writing.samples import MAX_BYTES, read_tune
from workflow.scripts.writing.training_index import VIEWS, CopyIndex, View, music_of, views_of


def make_index(data_dir: str, folder: Path) -> CopyIndex:
    line = [sys.executable, "-m", "workflow.scripts.copy_index", "--data_dir", data_dir, "--output", str(folder)]
    subprocess.run(line, check=True, capture_output=True)  # compiles, where that is yet to be done
    took = seconds(lambda: subprocess.run(line, check=True, capture_output=True))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    disk = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    index = CopyIndex.load(folder)
    print(
        f"index     {took:7.1f} s, {memory:.0f} MB of memory, {disk:.1f} MB of disk,"
        f" {index.info['searched_chars']:,} characters",
        flush=True,
    )
    return index


def time_search(index: CopyIndex, paths: list[Path]) -> None:
    search(paths[0], index)  # compiles
    every = [1000 * seconds(lambda: search(path, index)) for path in paths]  # noqa: B023 - called at once
    print(
        f"search    {statistics.mean(every):7.2f} ms a tune, {max(every):.2f} at most, {len(paths)} tunes", flush=True
    )
    texts = [cleaned(read_tune(path).text, index) for path in paths]
    took = seconds(lambda: [longest_common(index, music_of(text.tobytes())) for text in texts])
    print(f"  stretch {1000 * took / len(texts):7.2f} ms", flush=True)
    for name in VIEWS:
        compare(name, index.views[name], [views_of(text, np.array([0, len(text)]))[name].values for text in texts])


def compare(name: str, view: View, queries: list[np.ndarray]) -> None:
    """The search in one view against brute force."""
    tunes = [view.values[a:b].tobytes() for a, b in itertools.pairwise(view.bounds.tolist())]
    ours, exact = [], []
    fast = seconds(lambda: ours.extend(nearest(view, query)[0] for query in queries))
    slow = seconds(
        lambda: exact.extend(
            extractOne(query.tobytes(), tunes, scorer=Levenshtein.normalized_similarity)[1] for query in queries
        )
    )
    gap = np.array(exact) - ours
    print(
        f"  {name:<10} {1000 * fast / len(queries):.2f} ms, brute force {1000 * slow / len(queries):.2f} ms;"
        f" the same in {np.mean(gap == 0):.0%}, on average {gap.mean():.4f} less",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", help="folder that prepare wrote")
    parser.add_argument("--tunes", type=int, default=200, help="test tunes to search for")
    args = parser.parse_args()
    corpus = Corpus.load(args.data_dir)
    split = corpus.split("test")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = make_index(args.data_dir, folder / "index")
        paths = [folder / f"{i:04}.abc" for i in range(min(args.tunes, split.n_tunes))]
        for i, path in enumerate(paths):
            path.write_text(corpus.tokenizer.decode(split.tune(i)), encoding="utf-8")
        time_search(index, paths)
        music = b"".join(music_of(path.read_bytes()) for path in paths)
        for kind, unit in (("one letter", b"A"), ("test tunes", music)):
            text = b"X:1\nK:C\n" + unit * (MAX_BYTES // len(unit) + 1)
            (folder / "long.abc").write_bytes(text)
            took = seconds(lambda: search(folder / "long.abc", index))
            print(f"worst     {took:7.2f} s for {MAX_BYTES:,} bytes of {kind}", flush=True)


if __name__ == "__main__":
    main()
