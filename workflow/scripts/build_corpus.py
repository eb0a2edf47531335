"""The stages of a corpus: read, measure, select, survey, encode, check for leaks, and put in place.

Workers turn the input into shards on disk; what is decided about all tunes together is decided here, on a few
numbers a tune; then workers encode the shards. So memory is bounded by the number of tunes, some 200 bytes each,
not by their text.
"""

import collections
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workflow.scripts import audit, leakage, near_duplicates, selection, study
from workflow.scripts.cli import InputError
from workflow.scripts.files import lock
from workflow.scripts.pool import Pool
from workflow.scripts.progress import Progress
from workflow.scripts.selection import REASONS, TRAIN, Source
from workflow.scripts.shards import Rules, Shard, build_file, key_of
from workflow.scripts.sources import MUSIC21, Piece, Rejected, input_bytes, read_pieces, require_files
from workflow.scripts.tunes import Tunes, gather, load_tunes
from workflow.scripts.write_corpus import write

SHARD_BYTES = 8 << 20  # of text in a shard
MIDI_WEIGHT = 128 << 10  # what a MIDI file counts for: its conversion takes as long as cleaning this much text
WORK = ".prepare"  # folder under the output for what is not finished
LICENCE = {MUSIC21: "as distributed with music21, partly for non-commercial use only: see data/README.md"}


@dataclasses.dataclass(frozen=True)
class Options:
    """How a corpus is made, beside its input."""

    rules: Rules = dataclasses.field(default_factory=Rules)
    val_fraction: float = 0.05
    test_fraction: float = 0.05
    min_test_chars: int = 2_400_000
    split_by: str = "cluster"
    max_tune_share: float = 0.05
    min_char_count: int = 5
    tokenizer: str = "char"
    vocab_size: int = 1024


def batches(sources: list[Source], want_md5: bool, progress: Progress) -> Iterator[tuple[int, list[Piece | Rejected]]]:
    """(number of the source, items of it), of about SHARD_BYTES each."""
    for number, source in enumerate(sources):
        items: list[Piece | Rejected] = []
        weight = 0
        for item in read_pieces(source.path, want_md5, progress.update):
            items.append(item)
            if isinstance(item, Piece):
                weight += MIDI_WEIGHT if item.kind == "midi" else len(item.data)
                progress.count(item.offset == 0)
            if weight >= SHARD_BYTES or len(items) >= 10_000:
                yield number, items
                items, weight = [], 0
        if items:
            yield number, items


def fingerprint(items: list[Piece | Rejected], salt: str) -> str:
    """What a shard depends on: its input, byte for byte, and ``salt``."""
    digest = hashlib.blake2b(salt.encode())
    for item in items:
        fields = dataclasses.asdict(item)
        data = fields.pop("data", b"")
        digest.update(repr(fields).encode())
        digest.update(data)
    return digest.hexdigest()


def build_shards(sources: list[Source], options: Options, work: Path, pool: Pool) -> tuple[list[Path], list[int], dict]:
    """(shards, source of each, MD5 by (source, path) where asked for), from the input or an interrupted run."""
    code = hashlib.sha256()
    for name in study.code_files("shards"):
        code.update(Path(name).read_bytes())
    salt = repr((options.rules, code.hexdigest()))
    paths: list[Path] = []
    origin: list[int] = []
    md5: dict[tuple[int, str], str] = {}

    def tasks() -> Iterator[tuple]:
        for number, items in batches(sources, options.split_by == "md5", progress):
            path = work / f"shard-{len(paths):07d}.npz"
            paths.append(path)
            origin.append(number)
            md5.update({(number, item.path): item.md5 for item in items if isinstance(item, Piece) and item.md5})
            if key_of(path) != (key := fingerprint(items, salt)):
                yield items, options.rules, path, key

    def without_culprits(task: tuple) -> None:
        items, rules, path, key = task
        probe = work / "probe.npz"
        for i, item in enumerate(items):
            if isinstance(item, Piece) and not pool.survives(build_file, ([item], rules, probe, "")):
                items[i] = Rejected(item.path, item.line, "worker_died", "the process that read it died")
        probe.unlink(missing_ok=True)
        if not pool.survives(build_file, (items, rules, path, key)):
            raise InputError("worker processes die on this input; is there too little memory?")

    total = sum(input_bytes(source.path) for source in sources)
    with Progress("read, clean and measure", total, "B") as progress:
        collections.deque(pool.map(build_file, tasks(), without_culprits), maxlen=0)
    return paths, origin, md5


def select(tunes: Tunes, sources: list[Source], options: Options, work: Path) -> selection.Selection:
    """Decide which tunes are kept and where each stands."""
    n = len(tunes)
    fate, because = np.full(n, TRAIN), np.full(n, -1)
    first = selection.first_with_digest(tunes.digest)
    again = first != np.arange(n)
    fate[again], because[again] = selection.DUPLICATE, first[again]
    if any(source.cap is not None or source.weight is not None for source in sources):
        left = np.flatnonzero(fate >= 0)
        over = selection.over_cap(tunes.source[left], tunes.chars[left], tunes.digest[left], sources)
        fate[left[over]] = selection.OVER_CAP

    left = np.flatnonzero(fate >= 0)
    anchor = np.arange(n)
    if options.rules.near_duplicates:
        with Progress("find versions", len(near_duplicates.FEATURES) * near_duplicates.BANDS, "bands") as progress:
            features = {name: gather(tunes, name, fate >= 0, work) for name in near_duplicates.FEATURES}
            cluster = near_duplicates.clusters(features, lambda band: progress.update(1))
        anchor[left] = left[selection.anchors(cluster, tunes.digest[left])]

    total = int(tunes.chars[left].sum())
    test_fraction = selection.reach_floor(options.test_fraction, total, options.min_test_chars)
    if tunes.md5_split is not None:
        fate[left] = tunes.md5_split[left]
    else:
        own = selection.splits_of(selection.uniform(tunes.key, "split"), options.val_fraction, test_fraction)
        crosses = left[own[left] != own[anchor[left]]]
        fate[left] = own[left]
        fate[crosses], because[crosses] = selection.CROSSES_SPLIT, anchor[crosses]
    training = fate == TRAIN
    fate[training & (tunes.chars > selection.too_large(tunes.chars[training], options.max_tune_share))] = (
        selection.TOO_LARGE
    )
    return selection.Selection(fate, because, anchor, test_fraction)


def leak(tunes: Tunes, chosen: selection.Selection, options: Options, work: Path, pool: Pool) -> dict:
    """How much the split in force leaks, and how much two simpler ones would."""
    val, test = options.val_fraction, chosen.test_fraction
    whole = tunes.digest[:, 0] ^ np.arange(len(tunes), dtype=np.uint64)
    schemes = {
        "in_force": chosen.fate,
        "exact_duplicates_only": np.where(
            chosen.fate == selection.DUPLICATE,
            selection.DUPLICATE,
            selection.splits_of(selection.uniform(tunes.digest[:, 0], "exact"), val, test),
        ),
        "random": selection.splits_of(selection.uniform(whole, "random"), val, test),
    }
    order = selection.uniform(whole, "cap")
    with Progress("measure leaks", 2 * len(tunes.paths), "shards") as progress:
        return leakage.measure(pool, tunes, schemes, order, work, progress.update)


def build(sources: list[Source], output_dir: str, options: Options, workers: int) -> dict:
    """Make a corpus in ``output_dir``; returns its report, which is corpus.json.

    Raises:
        InputError: the input or the options cannot give a corpus; whatever stood in the folder stays.
    """
    if options.split_by == "cluster" and options.val_fraction + options.test_fraction >= 1:
        raise InputError("--val_fraction and --test_fraction leave nothing to train on")
    if len({source.name for source in sources}) < len(sources):
        raise InputError("two sources have the same name")
    if len({source.weight is None for source in sources}) > 1:
        raise InputError("either every source has a weight or none has")
    for source in sources:
        require_files(source.path)
    shown = ", ".join(source.path for source in sources)
    output = Path(output_dir)
    work = output / WORK
    work.mkdir(parents=True, exist_ok=True)
    if (held := lock(work / "lock", exclusive=True)) is None:
        raise InputError(f"another process is preparing {output}")
    try:
        with Pool(workers) as pool:
            paths, origin, md5 = build_shards(sources, options, work, pool)
            tunes = load_tunes(sources, paths, origin, md5)
            rejected = collections.Counter(item.reason for path in paths for item in Shard.load_rejected(path))
            if not len(tunes):
                said = ", ".join(f"{reason} {count}" for reason, count in rejected.most_common())
                raise InputError(f"{shown} holds no usable tune ({said})")
            chosen = select(tunes, sources, options, work)
            selection.require_all_splits(chosen.fate, shown)
            for code, count in zip(*np.unique(chosen.fate[chosen.fate < 0], return_counts=True), strict=True):
                rejected[REASONS[int(code)]] += int(count)

            kept = chosen.fate >= 0
            with Progress("survey", len(paths), "shards") as progress:
                found = None
                tasks = ((path, kept[part], tunes.source[part]) for path, part in tunes.shards())
                for one in pool.map(audit.survey, tasks):
                    found = one if found is None else audit.add(found, one)
                    progress.update(1)
            report = {
                "input": shown,
                "sources": [
                    dataclasses.asdict(source) | {"licence": source.licence or LICENCE.get(source.path, "")}
                    for source in sources
                ],
                "rejected": dict(sorted(rejected.items())),
                "options": dataclasses.asdict(options),
                "test_fraction": chosen.test_fraction,
                "clusters": cluster_report(chosen),
                "leakage": leak(tunes, chosen, options, work, pool) if options.rules.near_duplicates else {},
                "audit": audit.report(
                    found,
                    {name: getattr(tunes, name)[kept] for name in ("chars", "notes", "rests", "voices")},
                    tunes.source[kept],
                    tunes.names,
                ),
            }
            report = write(tunes, chosen, found.chars, options, report, work, output, pool)
    except BaseException:
        os.close(held)
        raise
    shutil.rmtree(work, ignore_errors=True)
    os.close(held)
    return report


def cluster_report(chosen: selection.Selection) -> dict:
    """How many of the kept tunes have relatives."""
    kept = chosen.fate >= 0
    sizes = np.bincount(chosen.anchor[kept])
    sizes = sizes[sizes > 0]
    return {
        "clusters": len(sizes),
        "tunes_with_relatives": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()),
        "features": {name: feature._asdict() for name, feature in near_duplicates.FEATURES.items()},
    }
