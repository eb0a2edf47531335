import shutil

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import Corpus


def test_an_unprepared_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a prepared corpus"):
        Corpus.load(tmp_path)


def test_a_cut_token_file_is_refused(tmp_path, corpus_dir):
    shutil.copytree(corpus_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "test.bin").write_bytes((corpus_dir / "test.bin").read_bytes()[:-1])
    with pytest.raises(InputError, match="disagree"):
        Corpus.load(tmp_path).split("test")
