"""What is read of the shards about all tunes at once."""

import pytest

from workflow.scripts.corpus.tunes import part_of


@pytest.mark.parametrize(
    ("path", "is_file", "part"),
    [
        ("book.abc", True, "book"),
        ("folk/a/b.abc", False, "folk"),
        ("a.abc", False, "."),
        ("lmd.tar.gz/lmd_full/0/x.mid", True, "0"),
        ("folk.zip/folk/x.abc", True, "folk"),
        ("lmd.tar.gz/x.mid", True, "lmd"),
    ],
)
def test_the_part_of_an_input_that_a_file_belongs_to(path, is_file, part):
    assert part_of(path, is_file) == part
