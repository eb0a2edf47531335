"""The kept tunes -> the files of a corpus, which are then put in place: all of them or none.

Needs the shards, and what `selection` decided of each tune. The report, corpus.json, is made by `build`.
"""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from workflow.scripts.base.files import sha256
from workflow.scripts.base.progress import Progress
from workflow.scripts.corpus import tokenizer as tokenizers
from workflow.scripts.corpus.dataset import SPLITS
from workflow.scripts.corpus.options import Options
from workflow.scripts.corpus.selection import CROSSES_SPLIT, DUPLICATE, OF_HELD_OUT, OVER_CAP, REASONS, TRAIN, Selection
from workflow.scripts.corpus.shards import Shard
from workflow.scripts.corpus.tokenizer import BpeTokenizer, CharTokenizer, Tokenizer, base_letter
from workflow.scripts.corpus.tunes import Tunes
from workflow.scripts.machine.pool import Pool

MAX_VOCABULARY = 254  # characters, so that an id fits a byte beside begin and end
BPE_CHARS = 16 << 20  # of training text that merges are learnt from
REPORT = "corpus.json"  # where it is, the other files are whole
FILES = (
    *(f"{split}.{end}" for split in SPLITS for end in ("bin", "idx")),
    "tokenizer.json", "tunes.tsv", "quarantine.csv", REPORT,
)  # fmt: skip
TUNE_COLUMNS = ("path", "line", "offset", "chars", "source", "split", "cluster", "text_chars", "notes")


@dataclass(frozen=True)
class Encoded:
    """The files of a corpus but for its report, not in place yet, and what became known of them.

    Attributes:
        folder: where they are.
        sizes: split -> numbers of its tunes, chars and tokens.
        mapped: what each character that is not in the vocabulary became.
        content_sha256: of the tokenizer and the tokens.
    """

    folder: Path
    tokenizer: Tokenizer
    sizes: dict[str, dict[str, int]]
    mapped: dict[str, str]
    content_sha256: str


def means_music(char: str) -> bool:
    """Whether a character can change what a tune sounds like: nearly all of ASCII can."""
    return char.isascii() and char not in "$*;?@\\`"


def vocabulary(counts: Counter[str], min_count: int) -> tuple[str, dict[str, str]]:
    """(characters of the vocabulary, what each other character becomes).

    Kept are the characters that ABC gives a meaning to, which without one would be other music, and the most frequent
    of the rest that are seen at least ``min_count`` times. Another becomes its base letter if that is kept (``é``
    becomes ``e``), else nothing.
    """
    order = sorted(counts, key=lambda char: (not means_music(char), -counts[char], char))
    kept = {char for char in order[:MAX_VOCABULARY] if means_music(char) or counts[char] >= min_count}
    return "".join(sorted(kept)), {char: base_letter(char, kept) for char in sorted(set(order) - kept)}


def texts_of(shard: Shard, rows: np.ndarray, mapped: dict[str, str]) -> Iterator[str]:
    """Text of some tunes of a shard, in the characters of the vocabulary."""
    table = str.maketrans(mapped)
    rare = set(mapped)
    for i in rows.tolist():
        text = shard.tune_text(i)
        yield text.translate(table) if rare and not rare.isdisjoint(text) else text


def encode(
    path: Path, fate: np.ndarray, tokenizer: dict, mapped: dict[str, str], folder: Path
) -> dict[str, dict[str, int]]:
    """Write the tokens of a shard's kept tunes and their lengths, two files for each split; returns sizes by split."""
    shard = Shard.load(path)
    coder = tokenizers.from_dict(tokenizer)
    sizes = {}
    for number, split in enumerate(SPLITS):
        texts = list(texts_of(shard, np.flatnonzero(fate == number), mapped))
        tokens, lengths = coder.encode_tunes(texts)
        (folder / f"{path.stem}.{split}.bin").write_bytes(tokens.data)  # ndarray.tofile would not say why it failed
        (folder / f"{path.stem}.{split}.len").write_bytes(lengths.astype("<i8").data)
        sizes[split] = {"tunes": len(texts), "chars": sum(map(len, texts)), "tokens": len(tokens)}
    return sizes


def join(parts: list[Path], target: Path) -> None:
    """Write the contents of files one after another into one, and remove them."""
    with open(target, "wb") as out:
        for part in parts:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, out)
            part.unlink()


def places(tunes: Tunes, wanted: np.ndarray) -> dict[int, str]:
    """In words where the tunes numbered ``wanted`` are in the input, by number."""
    found = {}
    for path, part in tunes.shards():
        mine = wanted[(wanted >= part.start) & (wanted < part.stop)]
        if len(mine):
            shard = Shard.load(path)
            for i in mine.tolist():
                tune = shard.tunes[i - part.start]
                found[i] = f"{shard.files[tune['file']]} line {tune['line']}"
    return found


def table(file: TextIO, delimiter: str) -> Callable[[Sequence], object]:
    """A function that writes a row to the file.

    csv itself leaves a carriage return bare before Python 3.13, and then cannot read it.
    """
    plain = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    return lambda row: (quoted if any(isinstance(x, str) and "\r" in x for x in row) else plain).writerow(row)


def write_tables(tunes: Tunes, chosen: Selection, folder: Path) -> None:
    """Write tunes.tsv and quarantine.csv."""
    reasons = {
        DUPLICATE: "same music as {}",
        CROSSES_SPLIT: "a version of {}, which stands in another split",
        OF_HELD_OUT: "a version of {}, which is held out",
        OVER_CAP: "its source has more text than its cap or weight allows",
    }
    because = places(tunes, np.unique(chosen.because[chosen.because >= 0]))
    with (
        open(folder / "tunes.tsv", "w", encoding="utf-8", newline="") as kept_file,
        open(folder / "quarantine.csv", "w", encoding="utf-8", newline="") as lost_file,
    ):
        keep, lose = table(kept_file, "\t"), table(lost_file, ",")
        keep(TUNE_COLUMNS)
        lose(["path", "line", "reason", "detail"])
        for path, part in tunes.shards():
            shard = Shard.load(path)
            for item in shard.rejected:
                lose([item.path, item.line, item.reason, item.detail])
            clusters = tunes.digest[chosen.anchor[part], 0]
            for i, (tune, fate) in enumerate(zip(shard.tunes, chosen.fate[part].tolist(), strict=True)):
                file, line = shard.files[tune["file"]], int(tune["line"])
                if fate >= 0:
                    source = tunes.names[tunes.source[part.start + i]]
                    keep(
                        [file, line, tune["offset"], tune["raw_chars"], source, SPLITS[fate], f"{clusters[i]:016x}",
                         tune["chars"], tune["notes"]]
                    )  # fmt: skip
                else:
                    detail = reasons.get(fate, "more of the training text than one tune may have")
                    place = because.get(int(chosen.because[part.start + i]))
                    lose([file, line, REASONS[fate], detail.format(place)])


def learn_merges(tunes: Tunes, chosen: Selection, vocab_size: int, chars: str, mapped: dict[str, str]) -> BpeTokenizer:
    """Byte-pair merges of the training text, of about BPE_CHARS of it, evenly from all shards."""
    training = chosen.fate == TRAIN
    every = max(1, -(-int(tunes.chars[training].sum()) // BPE_CHARS))

    def texts() -> Iterator[str]:
        for path, part in tunes.shards():
            rows = np.flatnonzero(training[part] & (tunes.digest[part, 1] % np.uint64(every) == 0))
            yield from texts_of(Shard.load(path), rows, mapped)

    return BpeTokenizer.train(texts(), vocab_size, chars)


def encode_all(
    tunes: Tunes, chosen: Selection, tokenizer: Tokenizer, mapped: dict[str, str], work: Path, pool: Pool
) -> dict[str, dict[str, int]]:
    """`encode` every shard into ``work``; returns sizes by split."""
    total = {split: {"tunes": 0, "chars": 0, "tokens": 0} for split in SPLITS}
    with Progress("encode", len(tunes.paths), "shards") as progress:
        tasks = ((path, chosen.fate[part], tokenizer.to_dict(), mapped, work) for path, part in tunes.shards())
        for sizes in pool.map(encode, tasks):
            for split, size in sizes.items():
                for name, count in size.items():
                    total[split][name] += count
            progress.update(1)
    return total


def join_split(split: str, encoded: list[Path], folder: Path) -> None:
    """Make the .bin and .idx of a split of what `encode` wrote of each shard; ``encoded`` are its files' stems."""
    join([Path(f"{stem}.{split}.bin") for stem in encoded], folder / f"{split}.bin")
    lengths = [Path(f"{stem}.{split}.len") for stem in encoded]
    starts = np.cumsum(np.concatenate([[0], *(np.fromfile(path, "<i8") for path in lengths)]), dtype=np.uint64)
    (folder / f"{split}.idx").write_bytes(starts.astype("<u8").data)
    for path in lengths:
        path.unlink()


def write(tunes: Tunes, chosen: Selection, counts: Counter[str], options: Options, work: Path, pool: Pool) -> Encoded:
    """Write all files of the corpus but its report into a folder in ``work``.

    Args:
        counts: of the characters of the kept tunes.

    Raises:
        InputError: ``options.vocab_size`` is too small for the characters.
    """
    chars, mapped = vocabulary(counts, options.min_char_count)
    tokenizer: Tokenizer
    if options.tokenizer == "bpe":
        tokenizer = learn_merges(tunes, chosen, options.vocab_size, chars, mapped)
    else:
        tokenizer = CharTokenizer(chars)
    folder = work / "out"
    folder.mkdir()
    sizes = encode_all(tunes, chosen, tokenizer, mapped, work, pool)
    for split in SPLITS:
        join_split(split, [work / path.stem for path in tunes.paths], folder)
    tokenizer.save(folder / "tokenizer.json")
    write_tables(tunes, chosen, folder)
    content = sha256(folder / "tokenizer.json", *(folder / f"{split}.bin" for split in SPLITS))
    return Encoded(folder, tokenizer, sizes, mapped, content)


def put_in_place(folder: Path, output: Path) -> None:
    """Move the files of a finished corpus to where they belong: the old report goes first, the new one comes last."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    (output / REPORT).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == REPORT):
        path.replace(output / path.name)
