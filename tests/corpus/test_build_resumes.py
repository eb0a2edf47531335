"""A run that was killed or interrupted goes on where it was, and does again what changed."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.corpus.conftest import OPTIONS, OUTPUTS, contents
from workflow.scripts.base.code_identity import SCRIPTS, code_files
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.base.kept import KEPT
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus import work_folder
from workflow.scripts.corpus.build import Reader, build
from workflow.scripts.corpus.options import Cleaning, Rules, Source
from workflow.scripts.corpus.shards import key_of
from workflow.scripts.corpus.work_folder import WORK

KILLED = """
import os, signal, sys
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.reading import pieces
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
def test_an_option_that_shards_depend_on_undoes_them(interrupted, done, folk, tmp_path, changes, again):
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


def test_a_key_of_shards_is_of_the_code_that_made_them(here, small, folk, tmp_path, monkeypatch, interrupted, done):
    keys = {path.name: key_of(path) for path in (interrupted / WORK).glob("shard-*")}
    assert None not in keys.values()
    assert len(set(keys.values())) == len(keys)
    monkeypatch.setattr(build_corpus, "code_digest", "of {}, another".format)
    build([Source("", str(folk))], interrupted, OPTIONS, 1)
    assert len(done) == len(keys)


def test_the_code_in_a_key_is_all_that_makes_a_shard(folk, monkeypatch):
    asked = []
    monkeypatch.setattr(build_corpus, "code_digest", lambda *modules: asked.extend(modules) or "")
    reader = Reader([Source("", str(folk))], OPTIONS)
    with reader.progress("read") as progress:
        assert list(reader.shares(progress))
    assert {path.relative_to(SCRIPTS).as_posix() for path in code_files(*asked)} >= {
        "corpus/measure.py", "midi/convert.py", "corpus/shards.py", "corpus/versions.py", "notation/clean.py",
        "notation/rests.py", "notation/sound.py",
    }  # fmt: skip


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
