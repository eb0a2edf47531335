"""Text <-> ids: one token a character, or byte-pair encoding; plus one token before and one after each tune.

Both kinds give losses a character (`Tokenizer.chars_per_token`), so that models of either can be compared.
"""

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json

BEGIN, END = 0, 1  # begin-of-tune and end-of-tune ids; characters follow, then merges
BLOCK = 1 << 16  # ids or characters looked up at a time: what the lookup makes stays in the processor's cache

# What byte-pair encoding merges within: a group of notes with the blank, bar line and line end that close it.
# So a token may end with one of these but never goes on past it. Against lines or whole measures, training
# takes half the time and tokens hold about as many characters (2.7 of 512 tokens, 3.1 of 1024, 3.9 of 4096).
# (U+0000 and U+0001 stand for begin and end of tune.)
GROUP = re.compile(r"[^ |\n\x00\x01]*(?: |\|[|:\]]*)+\n?|[^ |\n\x00\x01]+\n?|[\n\x00\x01]")


class Tokenizer:
    """What both kinds share.

    Attributes:
        chars: the characters known, whose ids are 2, 3, ... in this order.
        tokens: text of each id; begin and end of tune have none.
        chars_per_token: (vocab_size,) int64 characters of each id: begin of tune 0; end of tune 1, as it
            is predicted like a character.
    """

    kind: str

    def __init__(self, tokens: list[str], chars: str):
        self.chars = chars
        self.tokens = ["", "", *tokens]
        self.chars_per_token = np.array([0, 1, *map(len, tokens)])

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned type that holds every id."""
        return np.dtype(np.uint8 if self.vocab_size <= 256 else np.uint16 if self.vocab_size <= 65536 else np.uint32)

    def _look_up(self, text: str) -> np.ndarray:
        """Ids of a text in which U+0000 stands for BEGIN and U+0001 for END.

        An unknown character is an id below 2 as well, or raises InputError.
        """
        raise NotImplementedError

    def encode(self, text: str) -> np.ndarray:
        """(n_tokens,) ids of a text, without begin and end of tune.

        Raises:
            InputError: the text holds a character that the vocabulary does not.
        """
        ids = self._look_up(text)
        if ids.min(initial=2) < 2:
            self._refuse(text)
        return ids

    def encode_tunes(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of tunes one after the other, each as begin, ids, end; and their lengths (n_tunes,) int64.

        Raises:
            InputError: as from `encode`.
        """
        parts = [np.empty(0, dtype=self.dtype)]
        for at in range(0, len(texts), 256):  # many at once for speed, not all for memory
            some = texts[at : at + 256]
            parts.append(self._look_up("".join(f"\x00{text}\x01" for text in some)))
            if np.count_nonzero(parts[-1] < 2) != 2 * len(some):
                self._refuse("".join(some))
        tokens = np.concatenate(parts)
        return tokens, np.diff(np.flatnonzero(tokens == BEGIN), append=len(tokens))

    def _refuse(self, text: str) -> NoReturn:
        unknown = next(char for char in text if char not in self.chars)
        raise InputError(f"character {unknown!r} is not in the model's vocabulary")

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; begin and end of tune print as nothing."""
        return "".join(map(self.tokens.__getitem__, ids.tolist() if isinstance(ids, np.ndarray) else ids))

    def count_chars(self, ids: np.ndarray) -> int:
        """Characters of ids; the end of a tune counts as one."""
        return sum(int(self.chars_per_token[ids[at : at + BLOCK]].sum()) for at in range(0, len(ids), BLOCK))

    def to_dict(self) -> dict:
        """All there is to know, ready for JSON; `from_dict` takes it back."""
        return {"kind": self.kind, "begin": BEGIN, "end": END, "chars": list(self.chars)}

    def save(self, path: Path) -> None:
        write_json(path, self.to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.to_dict() == other.to_dict()


class CharTokenizer(Tokenizer):
    """Bijection between characters and ids.

    Raises:
        InputError: from the constructor, when ``chars`` cannot be a vocabulary.
    """

    kind = "char"

    def __init__(self, chars: str):
        if len(set(chars)) != len(chars):
            raise InputError("a tokenizer lists a character twice")
        if not set(chars).isdisjoint("\x00\x01"):
            raise InputError("a tokenizer cannot list the control characters 0 and 1")
        super().__init__(list(chars), chars)
        codes = np.array([ord(char) for char in chars], dtype=np.int64)
        # Id of each code point; code points past the end are clipped to the last entry. Every character that
        # is not known is a BEGIN, and so is U+0000; U+0001 is END: none of these is the id of a character.
        self._ids = np.full(int(codes.max(initial=1)) + 2, BEGIN, dtype=self.dtype)
        self._ids[1] = END
        self._ids[codes] = np.arange(2, 2 + len(chars))

    def _look_up(self, text: str) -> np.ndarray:
        ids = np.empty(len(text), dtype=self.dtype)
        for at in range(0, len(text), BLOCK):
            codes = np.frombuffer(text[at : at + BLOCK].encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
            np.take(self._ids, codes, mode="clip", out=ids[at : at + BLOCK])
        return ids


class BpeTokenizer(Tokenizer):
    """Byte-pair encoding over characters: ids of the characters, then of the texts that merges make.

    Args:
        chars: as of `CharTokenizer`.
        merges: pairs of tokens to join, the one to apply first first; each of a character or an earlier merge.

    Raises:
        InputError: from the constructor, when these cannot be a vocabulary.
    """

    kind = "bpe"

    def __init__(self, chars: str, merges: Iterable[Sequence[str]]):
        self._chars = CharTokenizer(chars)
        self.merges = [(left, right) for left, right in merges]
        tokens = dict.fromkeys(chars)  # keeps the order; two merges may make the same text
        for left, right in self.merges:
            if left not in tokens or right not in tokens:
                raise InputError(f"a tokenizer merges {left!r} and {right!r}, of which one is not a token before")
            tokens[left + right] = None
        super().__init__(list(tokens), chars)
        self._encoded: dict[str, bytes] = {}

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, chars: str | None = None) -> "BpeTokenizer":
        """Learn merges: the same for the same texts, whatever their order and the number of threads.

        Args:
            texts: tunes, read once.
            vocab_size: of the result, begin and end of tune included; the result is smaller if the texts
                have no more pairs that occur twice.
            chars: the characters to know, if the texts are a sample of what is to be encoded; by default
                those that occur, sorted.

        Raises:
            InputError: the characters alone are more than ``vocab_size``, or the texts hold others.
        """
        # Here for the sake of those who need only characters.
        from tokenizers import Tokenizer as Trainee
        from tokenizers import models, pre_tokenizers, trainers

        seen: set[str] = set()

        def groups() -> Iterator[str]:
            for text in texts:
                seen.update(text)
                yield "\x00".join(GROUP.findall(text))

        trainee = Trainee(models.BPE())
        trainee.pre_tokenizer = pre_tokenizers.CharDelimiterSplit("\x00")
        trainer = trainers.BpeTrainer(
            vocab_size=max(vocab_size - 2, 0), min_frequency=2, show_progress=False, initial_alphabet=list(chars or "")
        )
        trainee.train_from_iterator(groups(), trainer)
        chars = "".join(sorted(seen)) if chars is None else chars
        CharTokenizer(chars).encode("".join(sorted(seen)))  # names a character that is not known
        if vocab_size < 2 + len(chars):
            raise InputError(f"a vocabulary of {vocab_size} tokens is too small for {len(chars)} characters")
        return cls(chars, json.loads(trainee.to_str())["model"]["merges"])

    @cached_property
    def _model(self):
        from tokenizers.models import BPE

        ids = {token: i for i, token in enumerate(["\x00", "\x01", *self.tokens[2:]])}
        return BPE(vocab=ids, merges=self.merges)

    def _look_up(self, text: str) -> np.ndarray:
        groups = GROUP.findall(text)
        if len(self._encoded) > 1 << 19:  # ~100 MB
            self._encoded = {}
        # The same groups come again and again: each is encoded once and its ids are kept, as bytes.
        new = [group for group in dict.fromkeys(groups) if group not in self._encoded]
        self._chars.encode("".join(group for group in new if group not in "\x00\x01"))  # the model drops the unknown
        model, code = self._model, self.dtype.char
        for group in new:
            self._encoded[group] = array(code, [token.id for token in model.tokenize(group)]).tobytes()
        return np.frombuffer(bytearray().join(map(self._encoded.__getitem__, groups)), dtype=self.dtype)

    def to_dict(self) -> dict:
        return super().to_dict() | {"merges": [list(pair) for pair in self.merges]}


def from_dict(data: dict) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_dict` described.

    Raises:
        InputError: it describes none.
    """
    kind = data.get("kind", "char")  # models of version 0.1 name no kind
    try:
        if kind == "char":
            return CharTokenizer("".join(data["chars"]))
        if kind == "bpe":
            return BpeTokenizer("".join(data["chars"]), data["merges"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a description of a tokenizer ({type(error).__name__}: {error})") from error
    raise InputError(f"unknown kind of tokenizer {kind!r}")


def load(path: Path) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote.

    Raises:
        InputError: the file holds none.
    """
    data = read_json(path)
    try:
        return from_dict(data)
    except InputError as error:
        raise InputError(f"{path} is not a tokenizer ({error})") from error
