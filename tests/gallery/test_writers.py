"""Whose tunes the gallery shows, from folders that were judged and from a recorded study."""

import pandas as pd
import pytest

from tests.conftest import ROOT
from workflow.scripts import write_gallery
from workflow.scripts.base.errors import InputError
from workflow.scripts.gallery.writers import of_books, of_folders, read_tables

RECORD = ROOT / "docs" / "reference-study"


def test_a_recorded_study_shows_its_books():
    writers = {writer.name: writer for writer in of_books(RECORD / "samples", read_tables(RECORD))}
    runs = pd.read_csv(RECORD / "targets" / "runs.csv")
    largest = writers["modern_6m"]
    assert len(largest.tunes) == 3
    assert largest.loss == runs[runs["model"] == "modern_6m"]["test_loss"].item()
    assert (largest.tokens, largest.size) == (16777216, 6500352)
    assert largest.row["writer"] == "modern_6m"
    small = writers["modern_50k"]  # of whose runs only one wrote
    assert small.tokens == 4194304
    assert all(tune.text.startswith("X:1\n") for writer in writers.values() for tune in writer.tunes)


def test_a_writer_that_was_not_judged_is_named(tmp_path):
    with pytest.raises(InputError, match=r"real holds no validity\.json: judge"):
        of_folders([tmp_path / "real"], read_tables(RECORD), 3, 1)


def test_a_book_of_an_unknown_model_is_named(tmp_path):
    (tmp_path / "other.abc").write_text("X:1\nK:C\nC|\n")
    with pytest.raises(InputError, match=r"other\.abc: no run of a model 'other' is recorded"):
        of_books(tmp_path, read_tables(RECORD))


def test_a_study_without_tables_says_so(tmp_path):
    (tmp_path / "abcjs.js").write_text("")
    with pytest.raises(InputError, match=r"runs\.csv does not exist: finish the study first"):
        write_gallery.main(["--tables", str(tmp_path), "--abcjs", str(tmp_path / "abcjs.js")])
