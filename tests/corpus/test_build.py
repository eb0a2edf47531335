"""The stages together: the same bytes whatever happens on the way, and nothing lost unsaid."""

import contextlib
import csv
import dataclasses
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.base.kept import KEPT, MARK
from workflow.scripts.base.progress import Progress
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus import measure, pieces, work_folder
from workflow.scripts.corpus.build import batches, build, in_two, shard_key
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.options import Options, Rules, Source
from workflow.scripts.corpus.shards import key_of
from workflow.scripts.corpus.sources import Piece, Rejected
from workflow.scripts.corpus.work_folder import WORK
from workflow.scripts.notation.clean import Cleaning

ROOT = Path(__file__).parents[2]
OUTPUTS = {f"{s}.{e}" for s in SPLITS for e in ("bin", "idx")} | {
    "corpus.json", "tokenizer.json", "tunes.tsv", "quarantine.csv",
}  # fmt: skip
OPTIONS = Options(val_fraction=0.15, test_fraction=0.15)


class Here:
    """A pool without processes, for what does not hang on them."""

    def __init__(self, workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def map(self, function, tasks, on_failure=None):
        return (function(*task) for task in tasks)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(build_corpus, "Pool", Here)


@pytest.fixture
def small(monkeypatch):
    """Shards of a few tunes each."""
    monkeypatch.setattr(build_corpus, "SHARD_BYTES", 4000)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 6000)


@pytest.fixture
def done(monkeypatch):
    """The shards that are built, by name, as they are."""
    names = []
    monkeypatch.setattr(build_corpus, "build_file", lambda *a: (names.append(a[2].name), measure.build_file(*a)))
    return names


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != KEPT}


def tables(folder: Path) -> tuple[list[dict], list[dict]]:
    """(rows of tunes.tsv, of quarantine.csv), which agree with corpus.json."""
    report = json.loads((folder / "corpus.json").read_text())
    with open(folder / "tunes.tsv", encoding="utf-8", newline="") as file:
        kept = list(csv.DictReader(file, delimiter="\t"))
    with open(folder / "quarantine.csv", encoding="utf-8", newline="") as file:
        lost = list(csv.DictReader(file))
    assert all(None not in row and None not in row.values() for row in kept + lost)
    assert Counter(row["reason"] for row in lost) == report["rejected"]
    assert len(kept) == report["tunes"]
    assert len({(row["source"], row["path"]) for row in kept}) == report["files"]
    assert Counter(row["split"] for row in kept) == {name: split["tunes"] for name, split in report["splits"].items()}
    corpus = Corpus.load(folder)
    assert {name: corpus.split(name).n_tunes for name in SPLITS} == Counter(row["split"] for row in kept)
    return kept, lost


@pytest.fixture(scope="module")
def tunes(book) -> list[str]:
    return [text.strip() + "\n\n" for text in re.findall("^X:.*?(?=^X:|\\Z)", book.read_text(), re.M | re.S)]


@pytest.fixture
def folk(tunes, tmp_path) -> Path:
    """A folder of 60 files of a tune each, and one of 140."""
    folder = tmp_path / "folk"
    (folder / "one each").mkdir(parents=True)
    for i, text in enumerate(tunes[:60]):
        (folder / "one each" / f"{i:02d}.abc").write_text(text)
    (folder / "book.abc").write_text("".join(tunes[60:]))
    return folder


# The same bytes


def test_any_number_of_workers_and_any_end_of_a_run_give_the_same_bytes(here, small, done, folk, tmp_path, monkeypatch):
    sources = [Source("each", str(folk / "one each"), weight=2), Source("folk", str(folk), weight=3)]
    build(sources, tmp_path / "here", OPTIONS, 1)
    whole = contents(tmp_path / "here")
    assert set(whole) == OUTPUTS
    assert len(done) == len(set(done)) > 12
    _, lost = tables(tmp_path / "here")
    assert {row["reason"] for row in lost} >= {"duplicate", "over_cap"}
    # Three real workers
    monkeypatch.undo()
    monkeypatch.setattr(build_corpus, "SHARD_BYTES", 4000)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 6000)
    build(sources, tmp_path / "three", OPTIONS, 3)
    assert contents(tmp_path / "three") == whole


KILLED = """
import os, signal, sys
from workflow.scripts.corpus import build as build_corpus, pieces
from workflow.scripts.corpus.options import Source
build_corpus.SHARD_BYTES, pieces.PIECE_BYTES = 4000, 6000
if __name__ == "__main__":
    build_corpus.build([Source("", sys.argv[1])], sys.argv[2], build_corpus.Options(val_fraction=0.15,
        test_fraction=0.15), 2)
"""


def settled(work: Path) -> dict[str, int]:
    """Finished shards and when they were, once nobody writes any more."""
    before = None
    while before != (now := {path.name: path.stat().st_mtime_ns for path in work.glob("shard-*.npz")}):
        before = now
        time.sleep(0.3)
    return now


def test_a_killed_run_goes_on_where_it_was(here, small, done, folk, tmp_path, monkeypatch):
    build([Source("", str(folk))], tmp_path / "whole", OPTIONS, 1)
    all_shards = list(done)
    done.clear()
    (tmp_path / "killed.py").write_text(KILLED)
    work = tmp_path / "out" / WORK
    process = subprocess.Popen(
        [sys.executable, tmp_path / "killed.py", folk, tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while len(list(work.glob("shard-*.npz"))) < 3:
            assert process.poll() is None
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()
    finished = settled(work)
    assert 3 <= len(finished) < len(all_shards)
    assert (work / "lock").exists()

    seen = {}
    real = build_corpus.load_tunes

    def watch(*args):
        seen.update(settled(work))
        return real(*args)

    monkeypatch.setattr(build_corpus, "load_tunes", watch)
    build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    assert set(done) == set(all_shards) - set(finished)
    assert {name: seen[name] for name in finished} == finished
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.fixture
def interrupted(here, small, done, folk, tmp_path, monkeypatch):
    """A run that Ctrl-C ended after its shards were done; its output folder."""

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build_corpus, "leak", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {WORK}
    assert {path.name for path in (tmp_path / "out" / WORK).iterdir()} == {"lock", *done}
    done.clear()
    return tmp_path / "out"


def test_shards_that_are_done_are_not_done_again(interrupted, done, folk, tmp_path):
    build([Source("", str(folk))], interrupted, OPTIONS, 1)
    assert done == []
    build([Source("", str(folk))], tmp_path / "fresh", OPTIONS, 1)
    assert contents(interrupted) == contents(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"val_fraction": 0.2}, False),  # nothing that a shard holds
        ({"min_char_count": 1}, False),
        ({"split_by": "md5"}, False),
        ({"rules": Rules(Cleaning(keep_titles=False))}, True),
        ({"rules": Rules(min_notes=20)}, True),
        ({"rules": Rules(near_duplicates=False)}, True),
    ],
    ids=str,
)
def test_an_option_that_shards_hang_on_undoes_them(interrupted, done, folk, tmp_path, changes, again):
    options = dataclasses.replace(OPTIONS, **changes)
    fresh, count = tmp_path / "fresh", len(list((interrupted / WORK).glob("shard-*")))
    build([Source("", str(folk))], interrupted, options, 1)
    assert len(done) == (count if again else 0)
    build([Source("", str(folk))], fresh, options, 1)
    assert contents(interrupted) == contents(fresh)


@pytest.mark.parametrize("change", ["edit", "rename", "remove", "add"])
def test_input_that_changed_is_done_again(interrupted, done, folk, tmp_path, tunes, change):
    path = folk / "one each" / "30.abc"
    if change == "edit":
        path.write_text(path.read_text().replace("A", "B", 1))
    elif change == "rename":
        path.rename(path.with_name("30x.abc"))
    elif change == "remove":
        path.unlink()
    else:
        path.with_name("29x.abc").write_text(tunes[5].replace("A", "G"))
    build([Source("", str(folk))], interrupted, OPTIONS, 1)
    again = len(done)
    assert again > 0
    build([Source("", str(folk))], tmp_path / "fresh", OPTIONS, 1)
    assert again < len(done) - again  # what stands before is as it was
    assert contents(interrupted) == contents(tmp_path / "fresh")


def test_a_damaged_shard_and_litter_do_no_harm(interrupted, done, folk, tmp_path):
    work = interrupted / WORK
    first, second = sorted(work.glob("shard-*"))[:2]
    first.write_bytes(first.read_bytes()[:-100])
    second.unlink()
    shutil.copy(work / "shard-0000003.npz", work / "shard-0009999.npz")
    for name in ("probe.npz", ".shard-0000000.abcd.tmp.npz", "sketches-notes", "shard-0000000.train.bin"):
        (work / name).write_bytes(b"x")
    (work / "out").mkdir()
    (work / "out" / "train.bin").write_bytes(b"x")
    build([Source("", str(folk))], interrupted, OPTIONS, 1)
    assert sorted(done) == [first.name, second.name]
    build([Source("", str(folk))], tmp_path / "fresh", OPTIONS, 1)
    assert contents(interrupted) == contents(tmp_path / "fresh")


def test_the_order_of_the_mixture_is_the_order_of_the_rows(here, small, folk, tmp_path):
    one, other = Source("a", str(folk / "book.abc")), Source("b", str(folk / "one each"))
    for name, sources in (("ab", [one, other]), ("ba", [other, one])):
        build(sources, tmp_path / name, OPTIONS, 1)
        kept, _ = tables(tmp_path / name)
        assert [row["source"] for row in kept] == sorted((row["source"] for row in kept), reverse=name == "ba")
        assert {row["source"] for row in kept} == {"a", "b"}
    # The order decides which of the same tunes is kept, and nothing else.
    rows = [{(row["path"], row["line"], row["split"]) for row in tables(tmp_path / name)[0]} for name in ("ab", "ba")]
    assert rows[0] == rows[1]


# Failures


def test_two_at_once_on_one_output_are_refused(here, interrupted, folk):
    before = sorted(path.name for path in (interrupted / WORK).iterdir())
    held = lock(interrupted / WORK / "lock", exclusive=True)
    with pytest.raises(InputError, match="another process is preparing"):
        build([Source("", str(folk))], interrupted, OPTIONS, 1)
    assert sorted(path.name for path in (interrupted / WORK).iterdir()) == before
    os.close(held)
    build([Source("", str(folk))], interrupted, OPTIONS, 1)
    assert {path.name for path in interrupted.iterdir()} == OUTPUTS | {KEPT}


def test_a_lock_whose_file_was_taken_away_is_none(tmp_path, monkeypatch):
    """Another run ended between our opening its lock and our locking it."""
    taken = []

    def late(path, exclusive):
        held = lock(path, exclusive)
        if not taken:
            taken.append(held)
            shutil.rmtree(path.parent)
        return held

    monkeypatch.setattr(work_folder, "lock", late)
    held = work_folder.occupy(tmp_path / WORK)
    assert held != taken
    assert os.path.samestat(os.fstat(held), os.stat(tmp_path / WORK / "lock"))
    assert lock(tmp_path / WORK / "lock", exclusive=True) is None
    os.close(held)


def build_or_die(items, rules, path, key):
    """`build_file` of a worker that dies of some tunes, and of others fails as no one has foreseen."""
    data = b"".join(item.data for item in items if isinstance(item, Piece))
    if b"POISON" in data:
        os._exit(9)
    if b"RIDDLE" in data:
        os.kill(os.getpid(), signal.SIGKILL) if b"KILL" in data else [][0]
    measure.build_file(items, rules, path, key)


def test_a_worker_that_dies_costs_the_tune_it_died_of(folk, tunes, tmp_path, monkeypatch):
    texts = tunes[60:68]
    texts[2] = texts[2].replace("T:", "T:POISON ", 1)
    texts[6] = texts[6].replace("T:", "T:RIDDLE ", 1)
    (folk / "book.abc").write_text("".join(texts))
    alone = folk / "one each" / "07.abc"
    alone.write_text(alone.read_text().replace("T:", "T:RIDDLE KILL ", 1))
    monkeypatch.setattr(build_corpus, "build_file", build_or_die)
    build([Source("", str(folk))], tmp_path / "out", OPTIONS, 2)
    kept, lost = tables(tmp_path / "out")
    line = {i: "".join(texts[:i]).count("\n") + 1 for i in (2, 6)}
    assert [row for row in lost if row["reason"].startswith("worker")] == [
        {"path": "book.abc", "line": str(line[2]), "reason": "worker_died", "detail": "the process that read it died"},
        {"path": "book.abc", "line": str(line[6]), "reason": "worker_failed",
         "detail": "IndexError: list index out of range"},
        {"path": "one each/07.abc", "line": "1", "reason": "worker_died", "detail": "the process that read it died"},
    ]  # fmt: skip
    assert len(kept) + len(lost) == 68
    # All others are as they would have been, and where.
    whole = "".join(texts)
    for row in kept:
        if row["path"] == "book.abc":
            raw = whole[int(row["offset"]) :][: int(row["chars"])]
            assert raw.startswith("X:")
            assert whole[: int(row["offset"])].count("\n") + 1 == int(row["line"])


def test_a_piece_is_cut_between_tunes():
    text = "%é\nX:1\nK:C\nA\n\nX:2\nK:C\nB\n\nX:3\nK:C\nC\n"
    piece = Piece("a.abc", "abc", text.encode(), 100, 7, "")
    one, other = in_two(piece)
    assert (one.data + other.data).decode() == text
    assert (one.offset, one.line) == (100, 7)
    assert (other.offset, other.line) == (100 + text.index("X:2"), 7 + text[: text.index("X:2")].count("\n"))
    assert in_two(other)[1].data == b"X:3\nK:C\nC\n"
    assert in_two(one) == []
    assert in_two(Piece("a.mid", "midi", b"X:1\nX:2\nX:3\n", 0, 0, "")) == []


@pytest.mark.parametrize("shard_bytes", [4000, 8 << 20])
def test_a_full_disk_is_one_sentence_and_the_old_corpus_stays(here, folk, tmp_path, shard_bytes):
    from tests.conftest import on_a_full_disk

    out = tmp_path / "out"
    build([Source("", str(folk))], out, OPTIONS, 1)
    before = contents(out)
    flags = ["--input_path", str(folk), "--output_dir", str(out), "--workers", "1", "--val_fraction", "0.2"]
    main = "__import__('workflow.scripts.prepare', fromlist=['main']).main"
    builder = "__import__('workflow.scripts.corpus.build', fromlist=['build'])"
    # The shard of all tunes holds four sketches of each; small ones fit, but the sketches together do not.
    limit = 200 * 128 * 2 * 9 // 10
    pieces = "__import__('workflow.scripts.corpus.pieces', fromlist=['cut'])"
    set_both = f"setattr({builder}, 'SHARD_BYTES', {shard_bytes}), setattr({pieces}, 'PIECE_BYTES', {shard_bytes})"
    done = on_a_full_disk(f"[{set_both}, {main}({flags})]", limit)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert contents_of_files(out) == before
    left = {path.name for path in out.glob(f"{WORK}/*")}
    if shard_bytes == 4000:
        assert len(left) > 5
        assert all(name == "lock" or re.fullmatch(r"shard-\d+\.npz", name) for name in left)
    else:
        assert not left


def contents_of_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("stage", ["select", "leak", "write", "corpus.write.encode", "corpus.write.write_tables"])
@pytest.mark.parametrize("old", [True, False])
def test_whatever_fails_the_outputs_are_whole_or_as_they_were(here, folk, tmp_path, monkeypatch, stage, old):
    out = tmp_path / "deep" / "out"
    if old:
        build([Source("", str(folk))], out, OPTIONS, 1)
    before = contents(out) if old else {}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"workflow.scripts.{stage if '.' in stage else f'corpus.build.{stage}'}", fail)
    with pytest.raises(OSError, match="No space left"):
        build([Source("", str(folk))], out, dataclasses.replace(OPTIONS, val_fraction=0.3), 1)
    assert contents_of_files(out) == before
    assert {path.name for path in (out / WORK).iterdir()} == {"lock", "shard-0000000.npz"}


def test_a_run_killed_while_it_moves_files_leaves_no_corpus(here, folk, tmp_path, monkeypatch):
    """corpus.json says that the rest is whole, so it is the first to go and the last to come."""
    out = tmp_path / "out"
    build([Source("", str(folk))], out, OPTIONS, 1)
    real, moved = Path.replace, []

    def replace(self, target):
        assert not (out / "corpus.json").exists() or self.parent != out / WORK / "out"
        moved.append(self.name)
        if len(moved) == 4:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        build([Source("", str(folk))], out, OPTIONS, 1)
    with pytest.raises(InputError, match="not a prepared corpus"):
        Corpus.load(out)
    monkeypatch.setattr(Path, "replace", real)
    build([Source("", str(folk))], out, OPTIONS, 1)
    tables(out)


@pytest.mark.parametrize("where", ["a file", "under a file", "/proc/nowhere"])
def test_an_output_that_cannot_be_is_an_error_of_the_system(here, folk, tmp_path, where):
    (tmp_path / "file").write_text("mine")
    paths = {"a file": tmp_path / "file", "under a file": tmp_path / "file" / "out"}
    with pytest.raises(OSError, match=r"\S"):
        build([Source("", str(folk))], paths.get(where, Path(where)), OPTIONS, 1)
    assert (tmp_path / "file").read_text() == "mine"


INVALID = "X:1\nK:C\nz4|\n\nX:2\nno key\n\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (INVALID, "holds no usable tune (no_key 1, no_notes 1)"),
        ("", "holds no usable tune (empty 1)"),
        ("prose\n", "holds no usable tune (no_tune 1)"),
        ("X:1\nK:C\nGABc defg|\n", "holds 1 different tune (versions count once)"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_input_of_no_use_leaves_nothing_behind(here, tmp_path, text, sentence, exists):
    (tmp_path / "in.abc").write_text(text)
    out = tmp_path / "new" / "deep"
    if exists:
        out.mkdir(parents=True)
    with pytest.raises(InputError, match=re.escape(sentence)):
        build([Source("", str(tmp_path / "in.abc"))], out, Options(), 1)
    assert out.exists() == exists
    assert (tmp_path / "new").exists() == exists
    if exists:
        assert not list(out.iterdir())


def test_input_of_no_use_leaves_the_old_corpus(here, folk, tmp_path):
    out = tmp_path / "out"
    build([Source("", str(folk))], out, OPTIONS, 1)
    before = contents(out)
    (tmp_path / "in.abc").write_text(INVALID)
    for path in (tmp_path / "in.abc", tmp_path / "nowhere", tmp_path / "new"):
        (tmp_path / "new").mkdir(exist_ok=True)
        with pytest.raises(InputError):
            build([Source("", str(path))], out, OPTIONS, 1)
        assert contents(out) == before


@pytest.mark.parametrize(
    ("sources", "options", "sentence"),
    [
        ([("a", 1, None), ("a", 1, None)], {}, "two sources have the same name"),
        ([("a", 1, None), ("b", None, None)], {}, "either every source has a weight or none has"),
        ([("", None, None), ("b", None, None)], {}, "needs a name"),
        ([("", None, 5)], {}, "needs a name"),
        ([("a", None, None)], {"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ([("a", None, 1)], {}, "needs one: add tunes or raise the caps"),
        ([("a", None, None)], {"val_fraction": 0.0}, "--val_fraction 0 leaves the val split empty"),
        ([("a", None, None)], {"test_fraction": 0.0, "min_test_chars": 0}, "--test_fraction 0 leaves the test split"),
        ([("a", None, None)], {"tokenizer": "bpe", "vocab_size": 5}, "a vocabulary of 5 tokens is too small"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(here, folk, tmp_path, sources, options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        build([Source(name, str(folk), weight, cap) for name, weight, cap in sources], tmp_path / "out",
              dataclasses.replace(OPTIONS, **options), 1)  # fmt: skip
    # Nothing, or what the next run can use where the input was fine.
    assert {path.name for path in tmp_path.glob("out/*")} <= {WORK}
    assert {path.name for path in tmp_path.glob(f"out/{WORK}/*")} <= {"lock", "shard-0000000.npz"}


# What comes in


def midi(track: bytes) -> bytes:
    return b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + len(track).to_bytes(4, "big") + track


def test_a_folder_of_everything_is_accounted_for(here, small, folk, tunes, tmp_path, monkeypatch):
    strange = {
        "nul.abc": b"X:1\nK:C\nGABc\0defg|\n",
        "long line.abc": b"X:1\nM:4/4\nL:1/8\nK:C\n" + b"GABc defg|" * 10_000 + b"\n" + b"X:2\nK:C\n" + b"A" * 10**6,
        "voices.abc": ("X:1\nK:C\n" + "".join(f"V:{i}\nGABc|\n" for i in range(5000))).encode(),
        "more voices.abc": ("X:1\nK:C\n" + "".join(f"V:{i}\nGABc|\n" for i in range(100_000))).encode(),
        "empty.abc": b"",
        "garbage.abc": os.urandom(5000).replace(b"X:", b"").replace(b"\n", b""),
        "garbage.mid": b"MThd" + bytes(100),
        "bomb.mid": midi(b"\x8f\xff\xff\x7f\x90\x3c\x40\x60\x80\x3c\x40\0\xff\x2f\0")[:36],
        "latin.abc": tunes[3].replace("T:", "T:caf\xe9 ", 1).replace("A", "B").encode("cp1252"),
        "utf16.abc": tunes[4].replace("T:", "T:žluť ", 1).replace("A", "B").encode("utf-16"),
        "cr.abc": tunes[6].replace("A", "B").replace("\n", "\r").encode(),
        'tab\tquote".abc': tunes[7].replace("A", "B").encode(),
        "new\nline,\r.abc": tunes[8].replace("A", "B").encode() + b"X:9\nz|\n",
        "broken.abc.gz": b"\x1f\x8b nothing",
        "other.txt": b"X:1\nK:C\nGABc defg|\n",
    }
    for name, data in strange.items():
        (folk / name).write_bytes(data)
    (folk / os.fsdecode(b"caf\xe9.abc")).write_bytes(tunes[9].replace("A", "B").encode())
    os.mkfifo(folk / "fifo.abc")
    (folk / "loop").symlink_to(folk)
    (folk / "self.abc").symlink_to("self.abc")
    (folk / "nowhere.abc").symlink_to("gone")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(os.path.relpath(folk / "s.mid"))
    (folk / "vanishing.abc").write_text(tunes[0])
    real = Progress.count

    def count(self, files):  # the first file was read, so all are listed
        (folk / "vanishing.abc").unlink(missing_ok=True)
        real(self, files)

    monkeypatch.setattr(Progress, "count", count)
    build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    kept, lost = tables(tmp_path / "out")
    reasons = {(row["path"], row["reason"]) for row in lost}
    assert reasons >= {
        ("nul.abc", "nul"), ("voices.abc", "too_many_voices"), ("empty.abc", "empty"), ("garbage.abc", "no_tune"),
        ("broken.abc.gz", "damaged"), ("fifo.abc", "not_a_file"), ("self.abc", "unreadable"), ("s.mid", "not_a_file"),
        ("nowhere.abc", "unreadable"), ("vanishing.abc", "unreadable"), ("new\nline,\r.abc", "no_key"),
        ("long line.abc", "too_long"), ("more voices.abc", "too_long"),
    }  # fmt: skip
    assert {row["path"] for row in lost if row["path"].endswith(".mid")} == {"garbage.mid", "bomb.mid", "s.mid"}
    names = Counter(row["path"] for row in kept + lost)
    assert names["book.abc"] == 140
    assert names["long line.abc"] == 2
    assert names["new\nline,\r.abc"] == 2
    for name in ("latin.abc", "utf16.abc", "cr.abc", 'tab\tquote".abc', "caf\ufffd.abc"):
        assert names[name] == 1
    assert "other.txt" not in names
    assert not any(name.startswith("loop") for name in names)
    # Places are those in the decoded file.
    decode = {"latin.abc": "cp1252", "utf16.abc": "utf-16"}
    for row in kept:
        if row["path"] in strange:
            text = strange[row["path"]].decode(decode.get(row["path"], "utf-8")).replace("\r", "\n")
            raw = text[int(row["offset"]) :][: int(row["chars"])]
            assert raw == raw.strip()
            assert raw.startswith("X:")
            assert text[: int(row["offset"])].count("\n") + 1 == int(row["line"])


def test_an_input_and_a_source_whose_names_are_no_text(here, folk, tmp_path):
    odd = tmp_path / os.fsdecode(b"\xffolk")
    folk.rename(odd)
    report = build([Source("", str(odd))], tmp_path / "out", OPTIONS, 1)
    assert report["input"] == f"{tmp_path}/\ufffdolk"
    assert json.loads((tmp_path / "out" / "corpus.json").read_text())["sources"][0]["path"] == report["input"]


def test_one_tune_a_hundred_thousand_times_is_one_tune(here, folk, tunes, tmp_path):
    count = 100_000
    tune = "X:1\nT:Same\nM:4/4\nL:1/8\nK:G\nGABc defg|gfed cBAG|GABc d2d2|e4 f4|\n\n"
    (folk / "same.abc").write_text(tune * count)
    start = time.monotonic()
    report = build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    assert time.monotonic() - start < 30
    kept, lost = tables(tmp_path / "out")
    mine = [row for row in kept + lost if row["path"] == "same.abc"]
    assert len(mine) == count
    assert sum(row.get("reason") == "duplicate" for row in mine) >= count - 1
    assert report["rejected"]["duplicate"] >= count - 1
    assert {row["detail"] for row in mine if row.get("reason") == "duplicate"} == {"same music as same.abc line 1"}


def test_by_md5_a_file_goes_where_its_hash_says(here, small, folk, tunes, tmp_path):
    """Files, members of archives and files of many shards; who is damaged trains."""
    with tarfile.open(folk / "more.tar", "w") as tar:
        for i, text in enumerate(tunes[60:100]):
            data = text.replace("A", "G").encode()
            info = tarfile.TarInfo(f"{i}.abc")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    cut = gzip.compress("".join(tunes[100:]).replace("B", "G").encode())
    cut = cut[: len(cut) * 3 // 4]
    (folk / "cut.abc.gz").write_bytes(cut)
    options = dataclasses.replace(OPTIONS, split_by="md5", max_tune_share=1.0)
    build([Source("", str(folk))], tmp_path / "out", options, 1)
    kept, lost = tables(tmp_path / "out")
    hashes = {
        str(path.relative_to(folk)): hashlib.md5(path.read_bytes()).hexdigest()[0] for path in folk.rglob("*.abc")
    }
    for i, text in enumerate(tunes[60:100]):
        hashes[f"more.tar/{i}.abc"] = hashlib.md5(text.replace("A", "G").encode()).hexdigest()[0]
    splits = {row["path"]: row["split"] for row in kept}
    assert len(splits) > 90
    for path, split in splits.items():
        assert split == {"e": "val", "f": "test"}.get(hashes.get(path, "0"), "train"), path
    assert set(splits.values()) == set(SPLITS)
    assert "cut.abc.gz" in splits
    assert any(row["path"] == "cut.abc.gz" and row["reason"] == "damaged" for row in lost)
    assert "crosses_split" not in {row["reason"] for row in lost}


def test_batches_are_bounded_in_bytes_files_and_midi(folk, monkeypatch):
    monkeypatch.setattr(build_corpus, "SHARD_BYTES", 5000)
    (folk / "a.mid").write_bytes(midi(b"\0\xff\x2f\0"))
    with Progress("", 1, "B") as progress:
        found = list(batches([Source("", str(folk)), Source("b", str(folk / "book.abc"))], False, progress))
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    assert [number for number, _ in found].count(1) == 1
    for _, items in found:
        assert sum(len(item.data) for item in items[:-1] if item.kind == "abc") < 5000
        assert all(item.kind != "midi" for item in items[:-1])
    assert progress.files == 63


def test_a_fingerprint_is_of_all_that_a_shard_hangs_on():
    piece = Piece("a.abc", "abc", b"X:1\n", 0, 1, "")
    lost = Rejected("b.abc", 0, "empty", "")
    prints = [
        shard_key([piece], ""), shard_key([piece], "s"), shard_key([piece, lost], ""), shard_key([], ""),
        shard_key([piece, piece], ""),
    ] + [
        shard_key([dataclasses.replace(piece, **change)], "")
        for change in ({"path": "c"}, {"kind": "midi"}, {"data": b"X:2\n"}, {"offset": 1}, {"line": 2})
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert shard_key([dataclasses.replace(piece, md5="0f")], "") == prints[0]


def test_nothing_of_the_machine_is_in_the_outputs(here, folk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folk / "bad.abc").symlink_to(tmp_path / "gone")
    (folk / "bad.zip").write_bytes(b"PK nothing")
    build([Source("", "folk")], Path("out"), OPTIONS, 1)
    for name, data in contents(tmp_path / "out").items():
        for word in (str(tmp_path), str(ROOT), os.uname().nodename, str(Path.home()) + "/"):
            assert word.encode() not in data, name


def test_a_key_of_shards_is_of_the_code_that_made_them(here, small, folk, tmp_path, monkeypatch, interrupted, done):
    keys = {path.name: key_of(path) for path in (interrupted / WORK).glob("shard-*")}
    assert None not in keys.values()
    assert len(set(keys.values())) == len(keys)
    monkeypatch.setattr(build_corpus, "code_digest", "of {}, another".format)
    build([Source("", str(folk))], interrupted, OPTIONS, 1)
    assert len(done) == len(keys)


# What is kept


def snakemake_deletes(out: Path) -> None:
    """Delete what a rule declares as outputs, as is done before its job starts."""
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)


@pytest.fixture
def prepared(here, small, folk, tmp_path, done) -> Path:
    """A corpus whose outputs were then deleted."""
    build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    shutil.copytree(tmp_path / "out", tmp_path / "before", ignore=shutil.ignore_patterns(KEPT))
    snakemake_deletes(tmp_path / "out")
    done.clear()
    return tmp_path / "out"


def test_a_corpus_that_was_deleted_is_put_back_if_nothing_changed(prepared, folk, done, tmp_path, capsys):
    assert {path.name for path in prepared.iterdir()} == {KEPT}
    capsys.readouterr()
    report = build([Source("", str(folk))], prepared, OPTIONS, 1)
    assert done == []
    assert contents(prepared) == contents(tmp_path / "before")
    assert report == json.loads((prepared / "corpus.json").read_text())
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("put back what was made before")] == lines[1:]
    tables(prepared)
    assert {path.name for path in prepared.iterdir()} == OUTPUTS | {KEPT}


@pytest.mark.parametrize("left", ["train.bin", "corpus.json"])
def test_a_corpus_of_which_one_file_is_gone_is_put_back(here, folk, tmp_path, done, left):
    out = tmp_path / "out"
    build([Source("", str(folk))], out, OPTIONS, 1)
    before = contents(out)
    (out / left).unlink()
    done.clear()
    build([Source("", str(folk))], out, OPTIONS, 1)
    assert done == []
    assert contents(out) == before


@pytest.mark.parametrize("stage", ["build_shards", "select", "leak", "write", "corpus.write.write_tables"])
def test_whatever_fails_a_deleted_corpus_can_be_had_again(prepared, folk, done, tmp_path, monkeypatch, stage):
    with monkeypatch.context() as patch:

        def fail(*_):
            raise OSError(28, "No space left on device")

        patch.setattr(f"workflow.scripts.{stage if '.' in stage else f'corpus.build.{stage}'}", fail)
        with pytest.raises(OSError, match="No space left"):
            build([Source("", str(folk))], prepared, dataclasses.replace(OPTIONS, val_fraction=0.3), 1)
    for options in (
        dataclasses.replace(OPTIONS, val_fraction=0.0),
        dataclasses.replace(OPTIONS, vocab_size=5, tokenizer="bpe"),
    ):
        with pytest.raises(InputError):
            build([Source("", str(folk))], prepared, options, 1)
    away = folk.rename(tmp_path / "away")
    with pytest.raises(InputError, match="no such file or folder"):
        build([Source("", str(folk))], prepared, OPTIONS, 1)
    away.rename(folk)
    done.clear()
    build([Source("", str(folk))], prepared, OPTIONS, 1)
    assert done == []
    assert contents(prepared) == contents(tmp_path / "before")


@pytest.mark.parametrize("change", ["option", "rule", "licence", "code", "edit", "rename", "md5", "damage"])
def test_a_corpus_of_anything_else_is_made_and_kept_instead(prepared, folk, done, tmp_path, monkeypatch, change):
    source, options = Source("", str(folk)), OPTIONS
    if change == "option":
        options = dataclasses.replace(OPTIONS, val_fraction=0.2)
    elif change == "rule":
        options = dataclasses.replace(OPTIONS, rules=Rules(min_notes=20))
    elif change == "licence":
        source = dataclasses.replace(source, licence="free")
    elif change == "code":
        monkeypatch.setattr(build_corpus, "code_digest", "of {}, another".format)
    elif change == "edit":
        path = folk / "one each" / "30.abc"
        path.write_text(path.read_text().replace("A", "B", 1))
    elif change == "rename":
        (folk / "book.abc").rename(folk / "books.abc")
    elif change == "md5":
        options = dataclasses.replace(OPTIONS, split_by="md5")
    else:
        (prepared / KEPT / "tunes.tsv").unlink()
    build([source], prepared, options, 1)
    assert done
    build([source], tmp_path / "fresh", options, 1)
    assert contents(prepared) == contents(tmp_path / "fresh")
    snakemake_deletes(prepared)
    done.clear()
    build([source], prepared, options, 1)
    assert done == []
    assert contents(prepared) == contents(tmp_path / "fresh")


def test_by_md5_the_bytes_of_a_file_count_and_not_its_text_alone(here, folk, tmp_path, done):
    options = dataclasses.replace(OPTIONS, split_by="md5")
    build([Source("", str(folk))], tmp_path / "out", options, 1)
    snakemake_deletes(tmp_path / "out")
    done.clear()
    path = folk / "one each" / "30.abc"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    build([Source("", str(folk))], tmp_path / "out", options, 1)
    assert done


def test_the_input_is_read_once_more_only_where_a_corpus_may_be_put_back(prepared, folk, monkeypatch):
    reads = []
    real = build_corpus.read_pieces
    monkeypatch.setattr(build_corpus, "read_pieces", lambda *args: (reads.append(args), real(*args))[1])
    build([Source("", str(folk))], prepared, dataclasses.replace(OPTIONS, val_fraction=0.2), 1)  # of another option
    assert len(reads) == 1
    build([Source("", str(folk))], prepared, dataclasses.replace(OPTIONS, val_fraction=0.2), 1)  # a whole one is there
    assert len(reads) == 2
    (folk / "book.abc").unlink()
    snakemake_deletes(prepared)
    build([Source("", str(folk))], prepared, dataclasses.replace(OPTIONS, val_fraction=0.2), 1)
    assert len(reads) == 4


def test_a_corpus_that_cannot_be_kept_is_no_less_finished(here, folk, tmp_path, monkeypatch, capsys):
    def fail(source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workflow.scripts.base.kept.link", fail)
    build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    tables(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == OUTPUTS
    assert f"warning: no second copy is kept in {tmp_path}/out/{KEPT}: No space left" in capsys.readouterr().out


def test_what_is_kept_takes_no_space(prepared, folk):
    assert {path.name for path in (prepared / KEPT).iterdir()} == OUTPUTS | {MARK}
    build([Source("", str(folk))], prepared, OPTIONS, 1)
    assert all((prepared / name).samefile(prepared / KEPT / name) for name in OUTPUTS)
