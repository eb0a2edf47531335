"""Corpora that tests build: of real tunes, in many small shards, with or without worker processes."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from workflow.scripts.base.kept import KEPT
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus import measure
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.options import Options, Source
from workflow.scripts.corpus.work_folder import WORK
from workflow.scripts.reading import pieces

OUTPUTS = {f"{s}.{e}" for s in SPLITS for e in ("bin", "idx")} | {
    "corpus.json", "tokenizer.json", "tunes.tsv", "quarantine.csv",
}  # fmt: skip
OPTIONS = Options(val_fraction=0.15, test_fraction=0.15)


class Here:
    """A pool without processes, for what does not depend on them."""

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
