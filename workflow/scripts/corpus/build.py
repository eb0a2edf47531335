"""The stages of a corpus: read, measure, select, survey, check for leaks, encode, report, and put in place.

Needs the input as `sources` finds it; makes the folder that `prepare` describes. Workers turn the input into shards on
disk. What depends on all tunes together is decided here, on a few numbers a tune. Then workers encode the shards. So
memory is bounded by the number of tunes, some 200 bytes each, and not by their text.
"""

import collections
import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError, UnusableError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.kept import KEPT, MARK, give_back, keep
from workflow.scripts.base.progress import Progress
from workflow.scripts.corpus import audit, clusters, conversion, selection, versions
from workflow.scripts.corpus.leakage import leak
from workflow.scripts.corpus.measure import build_file
from workflow.scripts.corpus.options import APART, Options, Source
from workflow.scripts.corpus.selection import REASONS, TRAIN
from workflow.scripts.corpus.shards import Shard, key_of, load_part
from workflow.scripts.corpus.tunes import Tunes, count_files, gather, load_tunes
from workflow.scripts.corpus.work_folder import work_folder
from workflow.scripts.corpus.write import FILES, REPORT, Encoded, put_in_place, write
from workflow.scripts.machine.pool import Pool
from workflow.scripts.notation.clean_tune import KINDS
from workflow.scripts.reading.encodings import TUNE_START
from workflow.scripts.reading.inputs import MUSIC21, input_bytes, require_files
from workflow.scripts.reading.sources import Piece, Rejected, read_pieces, text_of

SHARD_BYTES = 8 << 20  # of text in a shard
MIDI_WEIGHT = 128 << 10  # what a MIDI file counts for: its conversion takes as long as cleaning this much text
PROBE = "probe.npz"
MAX_CUTS = 100  # of the pieces of a shard, to find the tunes that workers die of
LICENCE = {MUSIC21: "as distributed with music21, partly for non-commercial use only: see data/README.md"}


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


def shard_key(items: list[Piece | Rejected], salt: str) -> str:
    """Digest of what a shard depends on: its input, byte for byte, and ``salt``."""
    digest = hashlib.blake2b(salt.encode())
    for item in items:
        fields = dataclasses.asdict(item)
        data = fields.pop("data", b"")
        fields.pop("md5", "")
        digest.update(repr(fields).encode())
        digest.update(data)
    return digest.hexdigest()


def in_two(piece: Piece) -> list[Piece]:
    """A piece as two of half its tunes each, or nothing if it has but one."""
    starts = [match.start() for match in TUNE_START.finditer(piece.data)]
    if piece.kind == "midi" or len(starts) < 2:
        return []
    before, after = piece.data[: starts[len(starts) // 2]], piece.data[starts[len(starts) // 2] :]
    offset, line = piece.offset + len(before.decode()), piece.line + before.count(b"\n")
    return [dataclasses.replace(piece, data=before), dataclasses.replace(piece, data=after, offset=offset, line=line)]


class Reader:
    """The input in shares of about SHARD_BYTES, and what was learnt of it on the way."""

    def __init__(self, sources: list[Source], options: Options):
        self.sources, self.options = sources, options
        self.origin: list[int] = []  # source of each share
        self.md5: dict[tuple[int, str], str] = {}  # by (source, path), where the split asks for it
        self._digest = hashlib.blake2b(digest_size=16)

    def progress(self, what: str) -> Progress:
        return Progress(what, sum(input_bytes(source.path) for source in self.sources), "B")

    def shares(self, progress: Progress) -> Iterator[tuple[list[Piece | Rejected], str]]:
        """Yield (items, key of the shard that they become)."""
        salt = repr((self.options.rules, code_digest("corpus/measure")))
        for number, items in batches(self.sources, self.options.split_by.startswith("md5"), progress):
            key = shard_key(items, salt)
            md5 = {(number, item.path): item.md5 for item in items if isinstance(item, Piece) and item.md5}
            self.origin.append(number)
            self.md5.update(md5)
            self._digest.update(repr((number, key, md5)).encode())
            yield items, key

    def corpus_key(self) -> str:
        """What the corpus depends on, once all was read: `made_by`, and the input byte for byte."""
        return made_by(self.sources, self.options) + self._digest.hexdigest()


def made_by(sources: list[Source], options: Options) -> str:
    """Digest of what a corpus depends on beside its input: where that is, the options and the code."""
    return hashlib.blake2b(repr((sources, options, code_digest("prepare"))).encode(), digest_size=16).hexdigest()


def taken_back(output: Path, sources: list[Source], options: Options) -> dict | None:
    """The report of the corpus that was made here of the same input, options and code, which is put back.

    None if there is none, or if a whole corpus is there. Snakemake deletes a corpus before it has it made again.
    """
    if all((output / name).exists() for name in FILES):
        return None
    try:
        known = read_json(output / KEPT / MARK)["fingerprint"].startswith(made_by(sources, options))
    except (OSError, InputError, KeyError):
        return None
    if not known:
        return None
    reader = Reader(sources, options)
    with reader.progress("read") as progress:
        collections.deque(reader.shares(progress), maxlen=0)
    if not give_back(output, reader.corpus_key()):
        return None
    print(f"put back what was made before of the same input, options and code, from {output / KEPT}", flush=True)
    return read_json(output / REPORT)


def build_shards(reader: Reader, work: Path, pool: Pool) -> list[Path]:
    """Files of the shards of the input, made now or by an interrupted run."""
    rules = reader.options.rules
    paths: list[Path] = []

    def tasks() -> Iterator[tuple]:
        for items, key in reader.shares(progress):
            path = work / f"shard-{len(paths):07d}.npz"
            paths.append(path)
            if key_of(path) != key:
                yield items, rules, path, key

    def without_culprits(task: tuple) -> None:
        items, rules, path, key = task
        left, sound, cuts = items[::-1], [], 0
        while left:
            item = left.pop()
            failure = pool.failure(build_file, ([item], rules, work / PROBE, "")) if isinstance(item, Piece) else None
            if failure is None:
                sound.append(item)
            elif cuts < MAX_CUTS and (halves := in_two(item)):
                left += halves[::-1]
                cuts += 1
            else:
                sound.append(Rejected(item.path, item.line, *failure))
        if failure := pool.failure(build_file, (sound, rules, path, key)):
            raise InputError(f"workers fail on this input ({': '.join(failure)}); is there too little memory?")

    with reader.progress("read, clean and measure") as progress:
        collections.deque(pool.map(build_file, tasks(), without_culprits), maxlen=0)
    return paths


def select(tunes: Tunes, sources: list[Source], options: Options, work: Path) -> selection.Selection:
    """Decide which tunes are kept, and in which split each is; ``work`` takes the sketches."""
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
    features: dict[str, np.ndarray] = {}
    family = cluster = np.arange(len(left))
    if options.rules.near_duplicates:
        with Progress("find versions", len(versions.FEATURES) * versions.BANDS, "bands") as progress:
            features = {name: gather(tunes, name, fate >= 0, work) for name in versions.FEATURES}
            family = versions.families(features, lambda band: progress.update(1))
        cluster = clusters.parted(features, family)

    total = int(tunes.chars[left].sum())
    val_fraction = options.val_fraction
    test_fraction = selection.reach_floor(options.test_fraction, total, options.min_test_chars)
    if options.split_by != "cluster":
        alone = selection.splits_of(selection.uniform(tunes.digest[:, 0], "exact"), val_fraction, test_fraction)
        fate[left] = (alone if tunes.md5_split is None else tunes.md5_split)[left]
        if options.split_by.endswith(APART):
            kin = clusters.of_held_out(features, family, cluster, fate[left] == TRAIN)
            fate[left[kin >= 0]], because[left[kin >= 0]] = selection.OF_HELD_OUT, left[kin[kin >= 0]]
    else:
        u = selection.uniform(tunes.key, "split")
        firsts = left[selection.anchors(family, tunes.digest[left])]  # they stay, whatever their split
        val_fraction, test_fraction = selection.leave_none_empty(u[firsts], val_fraction, test_fraction)
        fate[left] = selection.splits_of(u[left], val_fraction, test_fraction)
        rival = clusters.crossing(features, family, cluster, tunes.digest[left], fate[left])
        crosses = left[rival >= 0]
        fate[crosses], because[crosses] = selection.CROSSES_SPLIT, left[rival[rival >= 0]]
    anchor = np.arange(n)
    stays = fate[left] >= 0
    anchor[left[stays]] = left[stays][selection.anchors(cluster[stays], tunes.digest[left[stays]])]
    training = fate == TRAIN
    fate[training & (tunes.chars > selection.too_large(tunes.chars[training], options.max_tune_share))] = (
        selection.TOO_LARGE
    )
    return selection.Selection(fate, because, anchor, val_fraction, test_fraction)


def build(sources: list[Source], output_dir: str | Path, options: Options, workers: int) -> dict:
    """Make a corpus in ``output_dir``; returns its report, which is corpus.json.

    Raises:
        InputError: the input or the options cannot give a corpus; whatever was in the folder stays.
    """
    require_possible(sources, options)
    shown = shown_input(sources)
    output = Path(output_dir)
    with work_folder(output) as work, Pool(workers) as pool:
        if report := taken_back(output, sources, options):
            return report
        reader = Reader(sources, options)
        paths = build_shards(reader, work, pool)
        tunes = load_tunes(sources, paths, reader.origin, reader.md5 if options.split_by.startswith("md5") else None)
        rejected = collections.Counter(item.reason for path in paths for item in Shard.load_rejected(path))
        if not len(tunes):
            said = ", ".join(f"{reason} {count}" for reason, count in rejected.most_common())
            raise UnusableError(f"{shown} holds no usable tune ({said})")
        chosen = select(tunes, sources, options, work)
        selection.require_all_splits(chosen, shown)
        found = survey(tunes, chosen.fate >= 0, pool)
        leaks = leak(tunes, chosen, work, pool) if options.rules.near_duplicates else {}
        # With relatives apart the vocabulary, and so the text of the test, is what it is with them in training.
        apart = chosen.fate == selection.OF_HELD_OUT
        counts = survey(tunes, (chosen.fate >= 0) | apart, pool).chars if apart.any() else found.chars
        encoded = write(tunes, chosen, counts, options, work, pool)
        cleaned = np.sum([load_part(path, "cleaned") for path in paths], axis=0)
        converted = np.concatenate([load_part(path, "converted") for path in paths])
        report = report_of(sources, options, tunes, chosen, rejected, cleaned, converted, found, leaks, encoded)
        write_json(encoded.folder / REPORT, report)
        put_in_place(encoded.folder, output)
        keep(output, FILES, reader.corpus_key())
        return report


def require_possible(sources: list[Source], options: Options) -> None:
    """Refuse what can be seen to give no corpus before anything is read.

    Raises:
        InputError: the options contradict each other, or a source holds no file.
    """
    if options.split_by.endswith(APART) and not options.rules.near_duplicates:
        raise InputError(
            f"--split_by {options.split_by} leaves out relatives, which --near_duplicates false does not find"
        )
    if not options.split_by.startswith("md5"):
        if options.val_fraction + options.test_fraction >= 1:
            raise InputError("--val_fraction and --test_fraction leave nothing to train on")
        for split, share in (("val", options.val_fraction), ("test", options.test_fraction or options.min_test_chars)):
            if not share:
                raise InputError(f"--{split}_fraction 0 leaves the {split} split empty")
    if len({source.name for source in sources}) < len(sources):
        raise InputError("two sources have the same name")
    if any(not s.name and (len(sources) > 1 or s.weight is not None or s.cap is not None) for s in sources):
        raise InputError("a source that has a weight, a cap or others beside it needs a name")
    if len({source.weight is None for source in sources}) > 1:
        raise InputError("either every source has a weight or none has")
    for source in sources:
        require_files(source.path)


def survey(tunes: Tunes, kept: np.ndarray, pool: Pool) -> audit.Survey:
    """Counts over all the tunes that are ``kept``, (n,) bool."""
    parts = []
    with Progress("survey", len(tunes.paths), "shards") as progress:
        for one in pool.map(audit.survey, ((path, kept[part], tunes.source[part]) for path, part in tunes.shards())):
            parts.append(one)
            progress.update(1)
    return functools.reduce(audit.add, parts)


def report_of(
    sources: list[Source],
    options: Options,
    tunes: Tunes,
    chosen: selection.Selection,
    rejected: collections.Counter[str],
    cleaned: np.ndarray,
    converted: np.ndarray,
    found: audit.Survey,
    leaks: dict,
    encoded: Encoded,
) -> dict:
    """What corpus.json says, in its order.

    Args:
        rejected: files and texts that are no tunes, by reason; tunes that were left out are counted here.
        cleaned: what cleaning took out or put right in all tunes, by `KINDS`.
        converted: a row for each MIDI file that gave a tune, as of `conversion.row_of`.
    """
    kept = chosen.fate >= 0
    left_out = collections.Counter(REASONS[code] for code in chosen.fate[~kept].tolist())
    counts, chars = found.chars, encoded.tokenizer.chars
    return {
        "input": shown_input(sources),
        "files": count_files(tunes, kept),
        "tunes": int(kept.sum()),
        "chars": sum(size["chars"] for size in encoded.sizes.values()),
        "distinct_chars": len(chars),
        "tokenizer": options.tokenizer,
        "vocab_size": encoded.tokenizer.vocab_size,
        "splits": encoded.sizes,
        "sources": [source_report(source) for source in sources],
        "rejected": dict(sorted((rejected + left_out).items())),
        "cleaned": dict(zip(KINDS, cleaned.tolist(), strict=True)),
        "conversion": conversion.report(converted),
        "options": dataclasses.asdict(options),
        "test_fraction": chosen.test_fraction,
        "clusters": clusters.cluster_report(tunes, chosen),
        "leakage": leaks,
        "audit": audit.report(
            found,
            {name: getattr(tunes, name)[kept] for name in ("chars", "notes", "rests", "voices")},
            tunes.source[kept],
            tunes.names,
        ),
        "char_counts": {char: counts[char] for char in sorted(chars, key=lambda char: (-counts[char], char))},
        "mapped_chars": {char: {"count": counts[char], "becomes": new} for char, new in encoded.mapped.items()},
        "content_sha256": encoded.content_sha256,
    }


def shown_input(sources: list[Source]) -> str:
    """The paths of all sources as text."""
    return ", ".join(text_of(source.path) for source in sources)


def source_report(source: Source) -> dict:
    """What corpus.json says of a source."""
    licence = source.licence or LICENCE.get(source.path, "")
    return dataclasses.asdict(source) | {"path": text_of(source.path), "licence": licence}
