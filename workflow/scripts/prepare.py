"""ABC and MIDI files -> a clean, deduplicated, split and encoded corpus, and the report of what it is made of.

Writes into --output_dir, all of it or nothing:
  train.bin val.bin test.bin   token ids, each tune as begin, text, end
  train.idx val.idx test.idx   uint64 start of each tune in the .bin, and its length as the last entry
  tokenizer.json               the vocabulary
  tunes.tsv                    every kept tune: where it came from, its split and its cluster of versions
  quarantine.csv               every file and tune that was dropped, with the reason
  corpus.json                  counts, audit, leakage, options and a hash of the content
  .kept                        hard links to all of these, from which the same corpus is put back if they are deleted
An interrupted run goes on where it was; the result is the same bytes for any number of workers.

Examples:
  python -m workflow.scripts.prepare --input_path data/raw --output_dir data/processed
  python -m workflow.scripts.prepare --input_path lmd_full.tar.gz --split_by md5 --workers 16
  python -m workflow.scripts.prepare --source folk data/raw/folk weight=3 --source lakh lmd_full.tar.gz weight=1
"""

import argparse
import dataclasses
import os
import shlex
from pathlib import Path

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.options import add_flags, flags_of, from_args
from workflow.scripts.corpus.build import build, source_report
from workflow.scripts.corpus.options import HEADINGS, Cleaning, Options, Rules, Source
from workflow.scripts.reading.inputs import MUSIC21

ONE_TUNE = {  # what follows if a split holds no more
    "val": "training is watched by that tune alone",
    "test": "losses will have no interval",
}
LARGE_CLUSTER, LARGE_SHARE = 10, 0.003  # of the tunes; larger clusters are told of


def source_of(words: list[str]) -> Source:
    """A source from the words of --source: name, path, and options as key=value.

    Raises:
        InputError: they are not that.
    """
    said = " ".join(words)
    if len(words) < 2 or not words[0] or not words[1]:
        raise InputError(f"--source {said}: give a name and a path")
    weight, cap, licence = None, None, ""
    for word in words[2:]:
        key, _, value = word.partition("=")
        try:
            match key:
                case "weight":
                    weight = cli.positive_float(value)
                case "cap":
                    cap = cli.positive_int(value)
                case "licence":
                    licence = value
                case _:
                    raise ValueError(key)
        except (ValueError, argparse.ArgumentTypeError):
            raise InputError(
                f"--source {said}: {word} is not weight=<number>, cap=<characters> or licence=<text>"
            ) from None
    return Source(words[0], words[1], weight, cap, licence)


def summary(report: dict) -> str:
    """What a run prints at its end: the main numbers of corpus.json, and warnings."""
    audit, leak = report["audit"], report["leakage"]
    rows = [
        f"kept     {report['tunes']:>9,} tunes {report['chars']:>13,} characters, {report['distinct_chars']} distinct,"
        f" {audit['zstd_bits_per_char']:.2f} bits/char by zstd",
        "dropped  " + (", ".join(f"{count:,} {reason}" for reason, count in report["rejected"].items()) or "nothing"),
    ]
    if midi := report["conversion"]:
        said = ", ".join(f"{name} {table['50%']:.1%} ({table['10%']:.1%})" for name, table in midi["agreement"].items())
        rows.append(f"midi     {midi['files']:>9,} files, F1 of what they say, median (tenth percentile): {said}")
    for split, size in report["splits"].items():
        rows.append(f"{split:<8} {size['tunes']:>9,} tunes {size['chars']:>13,} characters")
    for name, words in (("in_force", ""), ("random", ", if split at random")):
        if name in leak:
            share, looked = leak[name]["either"], leak[name]["test_tunes"]
            rows.append(f"leak     {share:6.2%} of {looked:,} test tunes have a relative in training{words}")
            contained, containing = (leak[name][kind]["either"] for kind in ("contained", "containing"))
            half = f"stand by half in one training tune, {containing:6.2%} hold half of one"
            rows.append(f"         {contained:6.2%} {half}{words}")
    for split, effect in ONE_TUNE.items():
        if report["splits"][split]["tunes"] == 1:
            rows.append(f"warning: the {split} split holds one tune: {effect}; raise {split}_fraction or add tunes")
    for cluster in report["clusters"]["ten_largest"]:
        size, share = cluster["tunes"], cluster["tunes"] / report["tunes"]
        if size >= LARGE_CLUSTER and share > LARGE_SHARE:
            rows.append(
                f"warning: {size} tunes ({share:.1%}) count as versions of one (likeness of two: median"
                f" {cluster['median_likeness']:.2f}): {', '.join(cluster['members'])}"
                + (", ..." if size > len(cluster["members"]) else "")
            )
    return "\n".join(rows)


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    where = parser.add_argument_group("input and output")
    where.add_argument(
        "--input_path",
        default="data/raw",
        help=f"folder, file or archive with .abc or MIDI; or '{MUSIC21}' for the corpus inside that package",
    )
    where.add_argument(
        "--source",
        nargs="+",
        action="append",
        metavar="WORD",
        help="one of several inputs, instead of --input_path: name, path, and if wanted weight=<relative share of the"
        " text>, cap=<characters>, licence=<text>",
    )
    where.add_argument("--output_dir", default="data/processed", help="folder to write")
    where.add_argument("--workers", type=cli.positive_int, default=os.cpu_count(), help="processes")

    for heading, parts in HEADINGS.items():
        under = parser.add_argument_group(heading)
        for cls, group in parts:
            add_flags(under, cls, *flags_of(cls, group=group))
    return parser


def recipe(args: argparse.Namespace) -> tuple[list[Source], Options]:
    """What a corpus is to be made of, and how."""
    sources = [source_of(words) for words in args.source] if args.source else [Source("", args.input_path)]
    rules = from_args(Rules, args, cleaning=from_args(Cleaning, args))
    return sources, from_args(Options, args, rules=rules)


def differences(folder: Path, flags: str) -> list[str]:
    """What a prepared corpus was made with, and would not be with these flags, by its report; in words."""
    sources, options = recipe(arguments().parse_args(shlex.split(flags)))
    wanted = leaves({"sources": [source_report(source) for source in sources]} | dataclasses.asdict(options))
    report = read_json(folder / "corpus.json")
    found = leaves({"sources": report.get("sources")} | report.get("options", {}))
    return [f"{name} {found.get(name)}, here {value}" for name, value in wanted.items() if found.get(name) != value]


def leaves(tree: dict) -> dict[str, object]:
    """The values of nested dicts by their own keys."""
    found: dict[str, object] = {}
    for name, value in tree.items():
        found |= leaves(value) if isinstance(value, dict) else {name: value}
    return found


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    sources, options = recipe(args)
    print(summary(build(sources, args.output_dir, options, args.workers)))


if __name__ == "__main__":
    cli.run(main)
