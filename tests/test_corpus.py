import pytest

from workflow.scripts.cli import InputError
from workflow.scripts.corpus import Corpus


def test_an_unprepared_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a prepared corpus"):
        Corpus.load(tmp_path)


def test_a_cut_token_file_is_refused(tmp_path, corpus_dir):
    for path in corpus_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "test.bin").write_bytes((corpus_dir / "test.bin").read_bytes()[:-1])
    with pytest.raises(InputError, match="disagree"):
        Corpus.load(tmp_path).split("test")
