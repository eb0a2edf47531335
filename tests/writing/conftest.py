"""What tests of several judges share: the index of the corpus, its texts, and the search for copies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.writing.copying import search
from workflow.scripts.writing.training_index import CopyIndex, build


@pytest.fixture(scope="session")
def index_dir(corpus_dir, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copy_index")
    build(Corpus.load(corpus_dir), 10**9, folder)
    return folder


@pytest.fixture(scope="session")
def index(index_dir) -> CopyIndex:
    return CopyIndex.load(index_dir)


@pytest.fixture(scope="session")
def split(corpus_dir) -> Callable[[str], list[str]]:
    """Texts of a split by its name."""
    corpus = Corpus.load(corpus_dir)

    def texts(name: str) -> list[str]:
        found = corpus.split(name)
        return [corpus.tokenizer.decode(found.tune(i)) for i in range(found.n_tunes)]

    return texts


@pytest.fixture
def copied(index, tmp_path) -> Callable[[str | bytes], dict]:
    """What copying.json says of a tune."""

    def record(text: str | bytes) -> dict:
        path = tmp_path / "tune.abc"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return search(path, index)

    return record
