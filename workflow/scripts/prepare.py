"""ABC files -> a cleaned, deduplicated, split and encoded corpus.

Writes into --output_dir, all of it or nothing:
  train.bin val.bin test.bin   token ids, each tune as begin, characters, end
  train.idx val.idx test.idx   uint64 start of each tune in the .bin, and its length as the last entry
  tokenizer.json               the vocabulary
  tunes.tsv                    every kept tune: where it came from and its split
  quarantine.csv               every file and tune that was dropped, with the reason
  corpus.json                  counts, options and a hash of the content

Example:
  python -m workflow.scripts.prepare --input_path data/raw --output_dir data/processed
"""

import argparse
import collections
import csv
import hashlib
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np

from workflow.scripts import cli
from workflow.scripts.abc_files import MUSIC21, Rejected, Tune, read_tunes, require_files
from workflow.scripts.cli import InputError
from workflow.scripts.corpus import SPLITS
from workflow.scripts.files import sha256, write_json
from workflow.scripts.tokenizer import BEGIN, END, CharTokenizer

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffd]")
FIELD = re.compile(r"^[A-Za-z+]:")
UNHEARD = re.compile(r"^(?:[XTCOAZNGHDFBSRWwrIUmus+]:|%)")  # fields and comments that carry no notes
QUOTED_OR_DECORATION = re.compile(r'"[^"\n]*"|![^!\n]*!|\+[^+\n]*\+|\[[A-Za-z]:[^\]\n]*\]')
COMMENT = re.compile(r"(?<!\\)%.*")
NOTE = re.compile(r"[A-Ga-g]")


def clean(text: str) -> str:
    """Tune text with control characters, trailing blanks and empty lines removed; ends with a newline."""
    lines = (line.rstrip() for line in CONTROL.sub("", text.replace("\t", " ")).split("\n"))
    return "".join(f"{line}\n" for line in lines if line)


def music_of(text: str) -> str:
    """What sounds: meter, unit length, key, voices and notes, without titles, comments and blanks.

    Two tunes with the same music are the same tune, whatever their number, title or transcriber.
    """
    heard = (line for line in text.split("\n") if not UNHEARD.match(line))
    return "".join("".join(COMMENT.sub("", line).split()) for line in heard)


def why_not(text: str, max_chars: int, min_notes: int) -> tuple[str, str] | None:
    """(reason code, detail) if a cleaned text is no tune to learn from, else None."""
    _, key, body = text.partition("\nK:")
    if not key:
        return "no_key", "no K: field ends the header"
    music = "\n".join(line for line in body.split("\n")[1:] if not FIELD.match(line) and not line.startswith("%"))
    notes = len(NOTE.findall(QUOTED_OR_DECORATION.sub("", music)))
    if notes < min_notes:
        return "no_notes", f"{notes} notes, fewer than {min_notes}"
    if len(text) > max_chars:
        return "too_long", f"{len(text)} characters, more than {max_chars}"
    return None


def split_of(digest: bytes, val_fraction: float, test_fraction: float) -> str:
    """Split of a tune, by a hash of its own music alone: adding tunes never moves another."""
    u = int.from_bytes(digest[:8], "big") / 2**64
    return "test" if u < test_fraction else "val" if u < test_fraction + val_fraction else "train"


def collect(args: argparse.Namespace) -> tuple[list[tuple[Tune, str, str]], list[Rejected]]:
    """Kept tunes as (tune, clean text, split) in input order, and everything rejected.

    Raises:
        InputError: nothing that is left is a tune.
    """
    kept: list[tuple[Tune, str, str]] = []
    rejected: list[Rejected] = []
    first: dict[bytes, Tune] = {}
    require_files(args.input_path)
    for item in read_tunes(args.input_path):
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        text = clean(item.text)
        if problem := why_not(text, args.max_chars, args.min_notes):
            rejected.append(Rejected(item.path, item.line, *problem))
            continue
        digest = hashlib.sha256(music_of(text).encode()).digest()
        if (twin := first.setdefault(digest, item)) is not item:
            rejected.append(Rejected(item.path, item.line, "duplicate", f"same music as {twin.path} line {twin.line}"))
            continue
        kept.append((item, text, split_of(digest, args.val_fraction, args.test_fraction)))
    if not kept:
        reasons = collections.Counter(item.reason for item in rejected)
        said = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        raise InputError(f"{args.input_path} holds no usable tune ({said})")
    return kept, rejected


def write_split(folder: Path, split: str, texts: list[str], tokenizer: CharTokenizer) -> dict:
    tunes = [np.concatenate(([BEGIN], tokenizer.encode(text), [END])).astype(tokenizer.dtype) for text in texts]
    starts = np.cumsum([0, *map(len, tunes)]).astype(np.uint64)
    np.concatenate(tunes or [np.empty(0, tokenizer.dtype)]).tofile(folder / f"{split}.bin")
    starts.tofile(folder / f"{split}.idx")
    return {"tunes": len(tunes), "chars": sum(map(len, texts)), "tokens": int(starts[-1])}


def prepare(args: argparse.Namespace) -> dict:
    """Build the corpus that ``args`` describe in a temporary folder, then move it into place."""
    if args.val_fraction + args.test_fraction >= 1:
        raise InputError("--val_fraction and --test_fraction leave nothing to train on")
    kept, rejected = collect(args)
    counts = collections.Counter()
    for _, text, _ in kept:
        counts.update(text)
    tokenizer = CharTokenizer("".join(sorted(counts)))

    output = Path(args.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    for killed in output.glob(".prepare.*"):
        shutil.rmtree(killed, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".prepare.", dir=output))
    try:
        tokenizer.save(folder / "tokenizer.json")
        splits = {
            split: write_split(folder, split, [text for _, text, s in kept if s == split], tokenizer)
            for split in SPLITS
        }
        for split, size in splits.items():
            if not size["tunes"]:
                raise InputError(
                    f"{args.input_path} holds {len(kept)} tunes, too few: the {split} split is empty;"
                    " a larger --val_fraction and --test_fraction can help"
                )
        with open(folder / "tunes.tsv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter="\t", lineterminator="\n")
            rows.writerow(["path", "line", "offset", "chars", "source", "split"])
            for tune, _, split in kept:
                rows.writerow([tune.path, tune.line, tune.offset, tune.chars, tune.path.split("/")[0], split])
        with open(folder / "quarantine.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["path", "line", "reason", "detail"])
            rows.writerows([item.path, item.line, item.reason, item.detail] for item in rejected)
        report = {
            "input": args.input_path,
            "files": len({tune.path for tune, _, _ in kept}),
            "tunes": len(kept),
            "chars": sum(counts.values()),
            "distinct_chars": len(counts),
            "vocab_size": tokenizer.vocab_size,
            "splits": splits,
            "tunes_by_source": dict(collections.Counter(tune.path.split("/")[0] for tune, _, _ in kept)),
            "rejected": dict(collections.Counter(item.reason for item in rejected)),
            "options": {
                name: getattr(args, name) for name in ("val_fraction", "test_fraction", "max_chars", "min_notes")
            },
            "char_counts": dict(counts.most_common()),
            "content_sha256": sha256(folder / "tokenizer.json", *(folder / f"{split}.bin" for split in SPLITS)),
        }
        write_json(folder / "corpus.json", report)
        # corpus.json goes last: its presence says that the rest is whole.
        (output / "corpus.json").unlink(missing_ok=True)
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "corpus.json"):
            path.replace(output / path.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def summary(report: dict) -> str:
    rows = [
        f"kept     {report['tunes']:>9,} tunes {report['chars']:>11,} characters, {report['distinct_chars']} distinct",
        "dropped  " + (", ".join(f"{count:,} {reason}" for reason, count in report["rejected"].items()) or "nothing"),
    ]
    for split, size in report["splits"].items():
        rows.append(f"{split:<8} {size['tunes']:>9,} tunes {size['tokens']:>11,} tokens")
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--input_path",
        default="data/raw",
        help=f"folder, .abc, .abc.gz or .zip; or '{MUSIC21}' for the corpus inside that package",
    )
    parser.add_argument("--output_dir", default="data/processed", help="folder to write")
    parser.add_argument("--val_fraction", type=cli.fraction, default=0.05, help="share of tunes for validation")
    parser.add_argument("--test_fraction", type=cli.fraction, default=0.05, help="share of tunes for the test")
    parser.add_argument("--max_chars", type=cli.positive_int, default=100_000, help="longest tune kept, in characters")
    parser.add_argument("--min_notes", type=cli.positive_int, default=8, help="fewest notes that make a tune")
    args = parser.parse_args(argv)
    print(summary(prepare(args)))


if __name__ == "__main__":
    cli.run(main)
