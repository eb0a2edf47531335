import numpy as np
import pytest

from workflow.scripts.cli import InputError
from workflow.scripts.tokenizer import BEGIN, END, CharTokenizer


def test_round_trip(tmp_path):
    tokenizer = CharTokenizer("".join(sorted(set("X:1\nK:Gé♯"))))
    tokenizer.save(tmp_path / "tokenizer.json")
    again = CharTokenizer.load(tmp_path / "tokenizer.json")
    ids = again.encode("K:Gé♯\n")
    assert ids.dtype == np.uint8
    assert ids.min() >= 2
    assert tokenizer.decode([BEGIN, *ids, END]) == "K:Gé♯\n"


@pytest.mark.parametrize("text", ["abz", "ab\U0001f3b5", "ab\ud800"])
def test_an_unknown_character_is_named(text):
    with pytest.raises(InputError, match="is not in the model's vocabulary"):
        CharTokenizer("ab").encode(text)


def test_large_vocabularies_take_wider_ids():
    tokenizer = CharTokenizer("".join(map(chr, range(32, 1032))))
    assert tokenizer.dtype == np.uint16
    assert tokenizer.decode(tokenizer.encode("ϐ!")) == "ϐ!"
