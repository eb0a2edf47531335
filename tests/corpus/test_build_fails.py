"""Whatever fails, the corpus that was there stays, and what went wrong is one sentence."""

import dataclasses
import os
import re
import signal
from pathlib import Path

import pytest

from tests.corpus.conftest import OPTIONS, contents, tables
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus import measure
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.corpus.options import Options, Source
from workflow.scripts.corpus.work_folder import WORK
from workflow.scripts.reading.sources import Piece


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
    pieces = "__import__('workflow.scripts.reading.pieces', fromlist=['cut'])"
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
