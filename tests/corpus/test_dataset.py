"""A prepared corpus is read as it was written, or refused."""

import json
import shutil

import numpy as np
import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.tokenizer import BEGIN, END


def test_each_tune_of_a_split_is_its_text_between_begin_and_end(corpus_dir):
    corpus = Corpus.load(corpus_dir)
    for name in SPLITS:
        split = corpus.split(name)
        assert split.n_tunes == corpus.info["splits"][name]["tunes"] > 0
        tunes = [split.tune(i) for i in range(split.n_tunes)]
        assert all(tune[0] == BEGIN and tune[-1] == END and tune[1:-1].min() > END for tune in tunes)
        np.testing.assert_array_equal(np.concatenate(tunes), split.tokens)


def test_tunes_are_listed_in_the_order_of_their_tokens(corpus_dir, tmp_path):
    corpus = Corpus.load(corpus_dir)
    for name in SPLITS:
        split, rows = corpus.split(name), corpus.listed(name)
        assert {row["split"] for row in rows} == {name}
        assert [int(row["text_chars"]) for row in rows] == [len(split.tune(i)) - 2 for i in range(split.n_tunes)]
    shutil.copytree(corpus_dir, tmp_path, dirs_exist_ok=True)
    lines = (tmp_path / "tunes.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "tunes.tsv").write_text("".join(line for line in lines if "\tval\t" not in line))
    copied = Corpus.load(tmp_path)
    with pytest.raises(InputError, match=r"tunes\.tsv lists 0 val tunes, not \d+: prepare the corpus again"):
        copied.listed("val")
    assert copied.listed("test") == corpus.listed("test")
    (tmp_path / "tunes.tsv").unlink()
    assert copied.listed("test") is None


def test_an_unprepared_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a prepared corpus"):
        Corpus.load(tmp_path)


def test_a_folder_that_another_program_wrote_is_refused(tmp_path):
    (tmp_path / "corpus.json").write_text(json.dumps({"splits": {}}))
    with pytest.raises(InputError, match="was not written by prepare: it has no content_sha256"):
        Corpus.load(tmp_path)


def test_a_cut_token_file_is_refused(tmp_path, corpus_dir):
    shutil.copytree(corpus_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "test.bin").write_bytes((corpus_dir / "test.bin").read_bytes()[:-1])
    with pytest.raises(InputError, match="disagree"):
        Corpus.load(tmp_path).split("test")
