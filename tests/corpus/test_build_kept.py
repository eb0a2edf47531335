"""A corpus that was made once is kept, and put back if it is deleted and nothing changed."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from tests.corpus.conftest import OPTIONS, OUTPUTS, contents, tables
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.kept import KEPT, MARK
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.options import Rules, Source


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
