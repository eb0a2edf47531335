"""Texts come back from their ids, and a vocabulary depends on nothing but the texts."""

import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus import tokenizer
from workflow.scripts.corpus.dataset import SPLITS, Corpus
from workflow.scripts.corpus.tokenizer import BEGIN, END, BpeTokenizer, CharTokenizer


@pytest.fixture(scope="module")
def tunes(corpus_dir) -> list[str]:
    corpus = Corpus.load(corpus_dir)
    return [corpus.tokenizer.decode(split.tune(i)) for split in map(corpus.split, SPLITS) for i in range(split.n_tunes)]


@pytest.fixture(scope="module", params=["char", "bpe"])
def learnt(request, tunes):
    """A tokenizer of either kind that knows the tunes' characters."""
    chars = "".join(sorted(set("".join(tunes))))
    return CharTokenizer(chars) if request.param == "char" else BpeTokenizer.train(tunes, 400)


def test_round_trip(tmp_path):
    written = CharTokenizer("".join(sorted(set("X:1\nK:Gé♯"))))
    written.save(tmp_path / "tokenizer.json")
    again = tokenizer.load(tmp_path / "tokenizer.json")
    ids = again.encode("K:Gé♯\n")
    assert ids.dtype == np.uint8
    assert ids.min() >= 2
    assert written.decode([BEGIN, *ids, END]) == "K:Gé♯\n"


@pytest.mark.parametrize("text", ["", "\n", " ", "||", " |\n\n  A| :|]\n|:", "|]\n"])
def test_any_text_of_known_characters_comes_back(learnt, text):
    known = "".join(char for char in text if char in learnt.chars)
    assert learnt.decode(learnt.encode(known)) == known


def test_real_tunes_come_back(learnt, tunes):
    tokens, lengths = learnt.encode_tunes(tunes)
    assert tokens.dtype == learnt.dtype
    assert lengths.dtype == np.int64
    assert learnt.decode(tokens) == "".join(tunes)
    parts = np.split(tokens, np.cumsum(lengths)[:-1])
    for part, text in zip(parts, tunes, strict=True):
        assert part.tolist() == [BEGIN, *learnt.encode(text).tolist(), END]
        assert learnt.count_chars(part) == len(text) + 1
    assert len(learnt.chars_per_token) == learnt.vocab_size


def test_no_tunes_are_no_tokens(learnt):
    tokens, lengths = learnt.encode_tunes([])
    assert len(tokens) == len(lengths) == 0
    assert tokens.dtype == learnt.dtype


def test_a_description_is_complete(learnt, tunes, tmp_path):
    learnt.save(tmp_path / "tokenizer.json")
    again = tokenizer.load(tmp_path / "tokenizer.json")
    assert type(again) is type(learnt)
    assert again == learnt == tokenizer.from_dict(json.loads(json.dumps(learnt.to_dict())))
    assert (again.encode(tunes[0]) == learnt.encode(tunes[0])).all()
    assert learnt != CharTokenizer("ab")
    assert BpeTokenizer("ab", [("a", "b")]) != BpeTokenizer("ab", [("b", "a")]) != CharTokenizer("ab")


def test_models_of_version_0_1_have_characters_alone():
    assert tokenizer.from_dict({"chars": ["a", "b"]}) == CharTokenizer("ab")


@pytest.mark.parametrize("text", ["abz", "ab\U0001f3b5", "ab\ud800", "ab\x00", "ab\x01"])
def test_an_unknown_character_is_named(text):
    for known in (CharTokenizer("ab"), BpeTokenizer("ab", [("a", "b")])):
        sentence = re.escape(f"character {text[2]!r} is not in the model's vocabulary")
        with pytest.raises(InputError, match=sentence):
            known.encode(text)
        with pytest.raises(InputError, match=sentence):
            known.encode_tunes(["ab", text])


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "word", "chars": ["a"]},
        {"kind": "char"},
        {"kind": "char", "chars": 3},
        {"kind": "char", "chars": ["a", "a"]},
        {"kind": "char", "chars": ["a", "\x00"]},
        {"kind": "bpe", "chars": ["a"]},
        {"kind": "bpe", "chars": ["a"], "merges": [["a"]]},
        {"kind": "bpe", "chars": ["a"], "merges": [["a", 1]]},
        {"kind": "bpe", "chars": ["a", "b"], "merges": [["ab", "a"], ["a", "b"]]},
    ],
)
def test_what_is_no_tokenizer_is_one_sentence(data, tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="is not a tokenizer"):
        tokenizer.load(tmp_path / "tokenizer.json")


def test_large_vocabularies_take_wider_ids():
    wide = CharTokenizer("".join(map(chr, range(32, 1032))))
    assert wide.dtype == np.uint16
    assert wide.decode(wide.encode("ϐ!")) == "ϐ!"


def test_merges_are_applied_in_their_order(tunes):
    """Against a slow computation: join every occurrence of the first merge, then of the second, and so on."""
    learnt = BpeTokenizer.train(tunes, 300)
    assert learnt.vocab_size == 300
    assert learnt.dtype == np.uint16
    for text in tunes[:5]:
        pieces = []
        for group in tokenizer.GROUP.findall(text):
            parts = list(group)
            for left, right in learnt.merges:
                i = 0
                while i < len(parts) - 1:
                    if (parts[i], parts[i + 1]) == (left, right):
                        parts[i : i + 2] = [left + right]
                    i += 1
            pieces += parts
        assert [learnt.tokens[i] for i in learnt.encode(text)] == pieces


def test_the_first_merge_is_the_commonest_pair():
    learnt = BpeTokenizer.train(["ab ab ab cb cb\n"] * 3, 2 + 5 + 1)
    assert learnt.merges == [("b", " ")]
    assert learnt.chars == "\n abc"


def test_no_token_goes_past_a_blank_a_bar_line_or_a_line(tunes):
    for token in BpeTokenizer.train(tunes, 1000).tokens:
        assert not re.search(r"\n.| [^ |\n]|\|[^ |\n:\]]", token, re.DOTALL), token


def test_merges_depend_on_the_texts_alone(tunes, tmp_path):
    """Not on the number of threads, the order of texts, or Python's and Rust's random hashes."""
    (tmp_path / "tunes.json").write_text(json.dumps(tunes))
    code = (
        "import json, sys; from pathlib import Path; from workflow.scripts.corpus.tokenizer import BpeTokenizer;"
        "tunes = json.loads(Path(sys.argv[1]).read_text());"
        "BpeTokenizer.train(tunes[:: int(sys.argv[2])], 800).save(sys.argv[3])"
    )
    hashes = set()
    for threads, step in (("1", "1"), ("2", "1"), ("2", "-1")):
        line = [sys.executable, "-c", code, str(tmp_path / "tunes.json"), step, str(tmp_path / "tokenizer.json")]
        subprocess.run(line, cwd=ROOT, env={"RAYON_NUM_THREADS": threads, "PATH": ""}, check=True)
        hashes.add(hashlib.sha256((tmp_path / "tokenizer.json").read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_sample_can_teach_merges_for_more_characters():
    learnt = BpeTokenizer.train(["ab ab ab\n"], 20, chars="\n abcé")
    assert learnt.decode(learnt.encode("é cab")) == "é cab"
    assert learnt.chars == "\n abcé"
    with pytest.raises(InputError, match="character 'b' is not in"):
        BpeTokenizer.train(["ab\n"], 20, chars="\n a")


def test_a_vocabulary_smaller_than_the_alphabet_is_refused():
    with pytest.raises(InputError, match="a vocabulary of 4 tokens is too small for 3 characters"):
        BpeTokenizer.train(["abc"], 4)
    assert BpeTokenizer.train(["abc" * 9], 5).merges == []


def test_characters_need_no_library_for_merges():
    code = (
        "import sys; from workflow.scripts.corpus.tokenizer import CharTokenizer; CharTokenizer('ab').encode('ab');"
        "assert 'tokenizers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
