"""What is known of all tunes of a corpus at once: a few numbers for each, read from the shards."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.scripts.corpus import selection, versions
from workflow.scripts.corpus.options import Source
from workflow.scripts.corpus.shards import Shard, load_part


@dataclass
class Tunes:
    """What is known of the n tunes of all shards, in input order; arrays are (n,) where nothing else is said."""

    paths: list[Path]  # of the shards
    parts: list[slice]  # the tunes of each
    chars: np.ndarray
    notes: np.ndarray
    rests: np.ndarray
    voices: np.ndarray
    digest: np.ndarray  # (n, 2)
    key: np.ndarray
    source: np.ndarray  # number of its source in names
    names: list[str]
    md5_split: np.ndarray | None  # its split by its file's hash, if asked for

    def __len__(self) -> int:
        return len(self.chars)

    def shards(self) -> Iterator[tuple[Path, slice]]:
        """Each shard's file, and its tunes among all."""
        return zip(self.paths, self.parts, strict=True)


def load_tunes(
    sources: list[Source], paths: list[Path], origin: list[int], md5: dict[tuple[int, str], str] | None
) -> Tunes:
    """Read the numbers of all tunes.

    Args:
        paths: of the shards, in input order; ``origin`` is the number of each one's source.
        md5: hex digests of the files by (number of the source, path), if the split depends on them.
    """
    names: dict[str, int] = {source.name: i for i, source in enumerate(sources) if len(sources) > 1 or source.name}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("chars", "notes", "rests", "voices", "digest", "key")}
    source, split, sizes = [], [], []
    for path, number in zip(paths, origin, strict=True):
        tunes = load_part(path, "tunes")
        files = Shard.load_said(path)["files"]
        for name, parts in columns.items():
            parts.append(tunes[name])
        if sources[number].name:
            of_file = np.full(len(files), number)
        else:
            root_is_file = Path(sources[number].path).is_file()
            of_file = np.array([names.setdefault(part_of(f, root_is_file), len(names)) for f in files], dtype=np.int64)
        source.append(of_file[tunes["file"]] if len(files) else np.zeros(0, np.int64))
        if md5 is not None:
            # A file that broke off has no hash; it trains.
            digits = np.array([int(md5.get((number, f), "0")[0], 16) for f in files], dtype=np.int64)
            split.append(selection.split_of_digit(digits[tunes["file"]] if len(files) else np.zeros(0, np.int64)))
        sizes.append(len(tunes))
    ends = list(itertools.accumulate(sizes))
    return Tunes(
        paths=paths,
        parts=[slice(end - size, end) for end, size in zip(ends, sizes, strict=True)],
        **{name: np.concatenate(parts) for name, parts in columns.items()},
        source=np.concatenate(source),
        names=list(names),
        md5_split=np.concatenate(split) if md5 is not None else None,
    )


def part_of(path: str, root_is_file: bool) -> str:
    """Name of the part of a single input that a file belongs to: its first folder, or the input's own name.

    An archive's one folder at the top mostly says no more than its name, so there the next one counts.
    """
    first, *folders = path.split("/")[:-1] or [path]
    if not root_is_file:
        return first if "/" in path else "."
    return (folders[1:] or folders or [first.split(".")[0]])[0]


def gather(tunes: Tunes, feature: str, wanted: np.ndarray, work: Path) -> np.ndarray:
    """(wanted.sum(), N_HASHES) uint16 sketches of the tunes that are wanted.

    They are mapped from a file in ``work``, so that they need no memory of ours.
    """
    path = work / f"sketches-{feature}"
    with open(path, "wb") as file:
        for shard, part in tunes.shards():
            # ndarray.tofile would not say why it failed
            file.write(np.ascontiguousarray(load_part(shard, f"sketch_{feature}")[wanted[part]]).data)
    shape = int(wanted.sum()), versions.N_HASHES
    return np.memmap(path, dtype=np.uint16, mode="r", shape=shape) if shape[0] else np.zeros(shape, np.uint16)


def count_files(tunes: Tunes, kept: np.ndarray) -> int:
    """Files that gave at least one of the tunes that are ``kept``, (n,) bool."""
    total, last = 0, None
    for path, part in tunes.shards():
        mine = kept[part]
        numbers = np.unique(load_part(path, "tunes")["file"][mine])
        if len(numbers):
            names, source = Shard.load_said(path)["files"], int(tunes.source[part][mine][0])
            total += len(numbers) - ((source, names[numbers[0]]) == last)  # a large file goes on in the next shard
            last = int(tunes.source[part][mine][-1]), names[numbers[-1]]
    return total
