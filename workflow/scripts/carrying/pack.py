"""What travels to a machine that can fetch nothing: the jobs, and all of a prepared corpus that they read.

Of the training text that is the tunes that a job draws: which ones its seed says. All others are blanked, byte for
byte, so that every tune stays where it was and each run is the one that it would be at home; they take no room. The
splits that models are scored on are whole.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.scripts.base.code_identity import code_files
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, sha256, write_json
from workflow.scripts.carrying import archive
from workflow.scripts.carrying.archive import Member
from workflow.scripts.carrying.jobs import Job, job_of
from workflow.scripts.corpus.dataset import SPLITS, Corpus, Split
from workflow.scripts.training.batches import TokenStream

HEAD = "pack.json"
TUNES = "tunes.tsv"
MB = 1 << 20


@dataclass(frozen=True)
class Pack:
    """What a pack says of itself.

    Attributes:
        study, settings: the study's file and what was changed of it, as `pack` was told.
        commit: of the code at home, with "-dirty" where files were changed; empty if nobody knows.
        code: `sources` of each architecture.
        results, data: folders of the study's results and of its corpus, as its config has them.
        corpus: content hash.
        machine: options of where a run is computed.
        sample_flags, prompts: of `sample`, and the names of the prompts among them.
    """

    study: str
    settings: list[str]
    commit: str
    code: dict[str, str]
    results: str
    data: str
    corpus: str
    machine: dict[str, str]
    sample_flags: str
    prompts: list[str]
    jobs: list[Job]

    def to_dict(self) -> dict:
        return vars(self) | {"jobs": [job.to_dict() for job in self.jobs]}


def pack_of(about: dict, path: Path) -> Pack:
    """The pack that `Pack.to_dict` told of.

    Raises:
        InputError: it is none.
    """
    try:
        known = {name: about[name] for name in Pack.__dataclass_fields__}
        pack = Pack(**known | {"jobs": [job_of(entry) for entry in known["jobs"]]})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no pack of a study: it lacks {error}") from error
    for folder in (pack.results, pack.data):
        if not archive.is_inside(folder):
            raise InputError(f"{path}: {folder} is no folder below the one that it is unpacked into")
    return pack


def sources(arch: str) -> str:
    """Hash of the files that train an architecture, as they are: the same under any version of Python."""
    return sha256(*code_files("train", f"models/{arch}"))


def write(path: Path, pack: Pack, corpus: Corpus, limit_mb: int) -> str:
    """Write a pack; returns a sentence about it.

    Raises:
        InputError: the corpus is not what it was prepared to be, or the pack is larger than ``limit_mb``.
    """
    found = sha256(corpus.folder / "tokenizer.json", *(corpus.folder / f"{split}.bin" for split in SPLITS))
    if found != corpus.content_sha256:
        raise InputError(f"{corpus.folder} is not what it was prepared to be, by its hash: prepare the corpus again")
    split = corpus.split("train")
    drawn = tunes_drawn(split, pack.jobs)
    members = {f"{pack.data}/{name}": member for name, member in corpus_members(corpus, split, drawn).items()}
    tokens = int(np.diff(split.starts)[drawn].sum())
    of_tokens = f"{tokens:,} of {len(split.tokens):,} training tokens"
    try:
        size = archive.write(path, HEAD, pack.to_dict(), members, limit_mb * MB, **archive.TEXT)
    except archive.TooLarge as error:
        fit = int(tokens * limit_mb * MB / error.size)
        raise InputError(
            f"the pack has {error.size / MB:.1f} MB, {error.size / MB - limit_mb:.1f} more than --limit_mb {limit_mb},"
            f" with {of_tokens}: about {fit:,} would fit, so carry fewer seeds (--seeds), fewer models (--only) or"
            " smaller budgets at a time"
        ) from error
    runs = sum(len(job.runs) for job in pack.jobs)
    return f"{path}: {size / MB:.1f} MB, {len(pack.jobs)} jobs of {runs} runs in order of worth, {of_tokens}"


def corpus_members(corpus: Corpus, split: Split, drawn: np.ndarray) -> dict[str, Member]:
    """The files of a corpus that are read where nobody prepares or judges, the training text with what is drawn."""
    names = ["corpus.json", "tokenizer.json", *(f"{name}.{end}" for name in SPLITS for end in ("idx", "bin"))]
    members = {name: Member(corpus.folder / name) for name in names}
    if not drawn.all():
        members["train.bin"] = Member(blanked(split, drawn))
    if (corpus.folder / TUNES).exists():
        members[TUNES] = Member(without_train(corpus.folder / TUNES))
    return members


def blanked(split: Split, drawn: np.ndarray) -> bytes:
    """The tokens of a split, with zeros in place of the tunes that nobody draws.

    Args:
        drawn: (n_tunes,) bool.
    """
    tokens = np.array(split.tokens)
    tokens[~np.repeat(drawn, np.diff(split.starts))] = 0
    return tokens.tobytes()


def without_train(path: Path) -> bytes:
    """The rows of tunes.tsv but for those of the training split, which only judges read."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0].keys(), delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(row for row in rows if row["split"] != "train")
    return text.getvalue().encode()


def tunes_drawn(split: Split, jobs: Sequence[Job]) -> np.ndarray:
    """(n_tunes,) bool: which training tunes some job draws."""
    found = np.zeros(split.n_tunes, dtype=bool)
    longest: dict[tuple[int, int], int] = {}
    for job in jobs:
        longest[job.seed, job.lanes] = max(longest.get((job.seed, job.lanes), 0), job.reads)
    for (seed, lanes), reads in longest.items():
        found |= drawn_by(split, seed, lanes, reads)
    return found


def drawn_by(split: Split, seed: int, lanes: int, reads: int) -> np.ndarray:
    """(n_tunes,) bool: from which tunes the first ``reads`` tokens of each lane are cut (`training.batches.deal`)."""
    stream, size = TokenStream(split, seed), len(split.tokens)
    part = max(size // lanes, 1)
    found = np.zeros(split.n_tunes, dtype=bool)
    for block in range(-(-reads // part)):
        length = min(reads - block * part, part)
        for lane in range(lanes):
            at = (block * lanes + lane) * part
            end = at + length
            while at < end:
                epoch, place = divmod(at, size)
                stream.open_epoch(epoch)
                stop = min(end - epoch * size, size)
                first, last = np.searchsorted(stream.ends, [place, stop - 1], side="right")
                found[stream.order[first : last + 1]] = True
                at = epoch * size + stop
    return found


def open_pack(path: Path, work: Path) -> Pack:
    """The pack, unpacked into a folder unless it is there.

    Raises:
        InputError: it is no pack, or is damaged, or the folder is of a study on another corpus.
    """
    about = archive.read_head(path, HEAD)
    pack, here = pack_of(about, path), work / HEAD
    if here.exists() and read_json(here).get("corpus") != pack.corpus:
        raise InputError(f"{work} holds runs on another corpus than that of {path}: give another --work")
    if not here.exists() or read_json(here)["files"] != about["files"]:
        archive.unpack(path, HEAD, work)
    write_json(here, about)
    return pack
