"""Read a prepared corpus: the folder that `prepare` wrote -> its tokenizer and its tokens, tune by tune."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus.tokenizer import Tokenizer, load

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """The tokens of one split, and where its tunes start.

    Attributes:
        tokens: (n_tokens,) ids of `Tokenizer.dtype`, memory-mapped: each tune as begin, its text, end.
        starts: (n_tunes + 1,) int64 start of each tune in them, then n_tokens.
    """

    tokens: np.ndarray
    starts: np.ndarray

    @property
    def n_tunes(self) -> int:
        return len(self.starts) - 1

    def tune(self, i: int) -> np.ndarray:
        """The ids of tune i, from 0 on."""
        return self.tokens[self.starts[i] : self.starts[i + 1]]


@dataclass(frozen=True)
class Corpus:
    """A folder that `prepare` wrote; see `load`.

    Attributes:
        folder: has corpus.json, tokenizer.json, tunes.tsv, and <split>.bin and <split>.idx of each of `SPLITS`.
        tokenizer: makes the ids in it.
        info: what corpus.json says.
    """

    folder: Path
    tokenizer: Tokenizer
    info: dict

    @classmethod
    def load(cls, folder: str | Path) -> "Corpus":
        """The corpus in a folder; tokens are read when they are used.

        Raises:
            InputError: the folder is not a complete corpus.
        """
        folder = Path(folder)
        if not (folder / "corpus.json").exists():
            raise InputError(f"{folder} is not a prepared corpus (no corpus.json): run workflow.scripts.prepare first")
        info = read_json(folder / "corpus.json")
        if "content_sha256" not in info:
            raise InputError(f"{folder / 'corpus.json'} was not written by prepare: it has no content_sha256")
        return cls(folder, load(folder / "tokenizer.json"), info)

    @property
    def content_sha256(self) -> str:
        """Hex digest of tokenizer.json and the tokens of all splits."""
        return self.info["content_sha256"]

    def split(self, name: str) -> Split:
        """One of `SPLITS`.

        Raises:
            InputError: its files are not of one corpus, or cut short.
            OSError: it has none.
        """
        starts = np.fromfile(self.folder / f"{name}.idx", dtype=np.uint64).astype(np.int64)
        path = self.folder / f"{name}.bin"
        if len(starts) < 2 or starts[-1] * self.tokenizer.dtype.itemsize != path.stat().st_size:
            raise InputError(f"{self.folder}/{name}.bin and its index disagree: prepare the corpus again")
        return Split(np.memmap(path, dtype=self.tokenizer.dtype, mode="r"), starts)

    def listed(self, split: str) -> list[dict[str, str]] | None:
        """What tunes.tsv says of the tunes of a split, by column, in their order; None without that table.

        Raises:
            InputError: the table is of another corpus.
        """
        path, n_tunes = self.folder / "tunes.tsv", self.split(split).n_tunes
        if not path.exists():
            return None
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == split]
        if len(rows) != n_tunes:
            raise InputError(f"{path} lists {len(rows)} {split} tunes, not {n_tunes}: prepare the corpus again")
        return rows
