"""A split that pays relatives no heed, beside the same without those of its held-out tunes."""

import re
from pathlib import Path

import music21
import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.options import Options, Rules, Source


def test_relatives_of_held_out_tunes_leave_training_and_nothing_else_moves(tmp_path, here):
    """The same test, to the byte, in the same vocabulary; and no relative is left by a measure of another kind."""
    tunes = Path(music21.__file__).parent / "corpus" / "oneills1850"
    book = tmp_path / "book"
    book.mkdir()
    text = (tunes / "0051-0100.abc").read_text(encoding="latin-1")
    (book / "tunes.abc").write_text(text)
    (book / "versions.abc").write_text(re.sub(r"(?m)^([^:\n]{40,}?)B", r"\1A", text))  # a note a line, in long ones
    reports, folders = {}, {}
    for way in ("random", "random_apart"):
        options = Options(val_fraction=0.2, test_fraction=0.2, min_test_chars=0, split_by=way)
        folders[way] = tmp_path / way
        reports[way] = build([Source("", str(book))], folders[way], options, 1)
    for name in ("test.bin", "val.bin", "tokenizer.json"):
        assert (folders["random"] / name).read_bytes() == (folders["random_apart"] / name).read_bytes()
    lost = reports["random_apart"]["rejected"]["version_of_held_out"]
    assert lost > 5
    before, after = (reports[way]["splits"]["train"]["tunes"] for way in ("random", "random_apart"))
    assert before - after == lost
    leaks = [reports[way]["leakage"]["in_force"]["either"] for way in ("random", "random_apart")]
    assert leaks[0] > 0.1
    assert leaks[1] == 0


def test_relatives_that_are_not_looked_for_cannot_be_left_out(tmp_path):
    options = Options(split_by="md5_apart", rules=Rules(near_duplicates=False))
    with pytest.raises(InputError, match="--split_by md5_apart leaves out relatives"):
        build([Source("", "music21")], tmp_path, options, 1)
