"""Text <-> ids: one token a character, or byte-pair encoding (Sennrich 2016), and one token before and after each tune.

Ids are 0 (`BEGIN`), 1 (`END`), then the characters, then what merges make. Both kinds know how many characters each
token stands for (`Tokenizer.chars_per_token`), so that losses a character of models of either kind can be compared.
"""

import json
import re
import unicodedata
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json

if TYPE_CHECKING:  # the library for merges is loaded where it is needed, for the sake of those who use only characters
    from tokenizers.models import BPE

BEGIN, END = 0, 1  # the ids before and after each tune
BLOCK = 1 << 16  # ids or characters looked up at a time: what the lookup makes stays in the processor's cache
TUNES_AT_A_TIME = 256  # joined for one lookup: many for speed, not all for memory
MOST_GROUPS = 1 << 19  # whose ids are kept: some 100 MB

# What byte-pair encoding merges within: a group of notes with the blank, bar line and line end that close it. So a
# token may end with one of these but never goes on past it. Compared with merging within lines or whole measures,
# training takes half the time, and a token has about as many characters: 2.7 with 512 tokens, 3.1 with 1024, 3.9 with
# 4096.
# (U+0000 and U+0001 are the begin and the end of a tune.)
GROUP = re.compile(r"[^ |\n\x00\x01]*(?: |\|[|:\]]*)+\n?|[^ |\n\x00\x01]+\n?|[\n\x00\x01]")


def base_letter(char: str, kept: Collection[str]) -> str:
    """What a character becomes that a vocabulary has not: its base letter if that is ``kept`` (é: e), else nothing."""
    base = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return base if base and set(base) <= set(kept) else ""


class Tokenizer:
    """What both kinds share: `CharTokenizer` and `BpeTokenizer`.

    Attributes:
        kind: "char" or "bpe".
        chars: the characters known, whose ids are 2, 3, ... in this order.
        tokens: text of each id; BEGIN and END have none.
        chars_per_token: (vocab_size,) int64 characters of each id: 0 of BEGIN; 1 of END, which a model has to predict
            like a character.
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
        """(n_tokens,) ids of a text in which U+0000 is BEGIN and U+0001 is END.

        An unknown character gets an id below 2 as well, or raises InputError.
        """
        raise NotImplementedError

    def encode(self, text: str) -> np.ndarray:
        """(n_tokens,) ids of a text, of `dtype`, without BEGIN and END.

        Raises:
            InputError: the text holds a character that the vocabulary does not.
        """
        ids = self._look_up(text)
        if ids.min(initial=2) < 2:
            self._refuse(text)
        return ids

    def encode_tunes(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tunes one after the other, each as BEGIN, its ids, END.

        Returns:
            (n_tokens,) ids of `dtype`, and (n_tunes,) int64 lengths of the tunes in them.

        Raises:
            InputError: as from `encode`.
        """
        parts = [np.empty(0, dtype=self.dtype)]
        for at in range(0, len(texts), TUNES_AT_A_TIME):
            some = texts[at : at + TUNES_AT_A_TIME]
            parts.append(self._look_up("".join(f"\x00{text}\x01" for text in some)))
            if np.count_nonzero(parts[-1] < 2) != 2 * len(some):
                self._refuse("".join(some))
        tokens = np.concatenate(parts)
        return tokens, np.diff(np.flatnonzero(tokens == BEGIN), append=len(tokens))

    def _refuse(self, text: str) -> NoReturn:
        """Say which character of a text is the first that is not known."""
        unknown = next(char for char in text if char not in self.chars)
        raise InputError(f"character {unknown!r} is not in the model's vocabulary")

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; BEGIN and END are nothing in it."""
        return "".join(map(self.tokens.__getitem__, ids.tolist() if isinstance(ids, np.ndarray) else ids))

    def count_chars(self, ids: np.ndarray) -> int:
        """Characters of ids; END counts as one."""
        return sum(int(self.chars_per_token[ids[at : at + BLOCK]].sum()) for at in range(0, len(ids), BLOCK))

    def to_dict(self) -> dict:
        """All there is to know, ready for JSON; `from_dict` makes a tokenizer of it again."""
        return {"kind": self.kind, "begin": BEGIN, "end": END, "chars": list(self.chars)}

    def save(self, path: Path) -> None:
        """Write tokenizer.json; `load` reads it."""
        write_json(path, self.to_dict())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.to_dict() == other.to_dict()


class CharTokenizer(Tokenizer):
    """Bijection between characters and ids."""

    kind = "char"

    def __init__(self, chars: str):
        """Know these characters, by ids in their order.

        Raises:
            InputError: one comes twice, or is U+0000 or U+0001.
        """
        if len(set(chars)) != len(chars):
            raise InputError("a tokenizer lists a character twice")
        if not set(chars).isdisjoint("\x00\x01"):
            raise InputError("a tokenizer cannot list the control characters 0 and 1")
        super().__init__(list(chars), chars)
        codes = np.array([ord(char) for char in chars], dtype=np.int64)
        # Id of each code point; those past the end are clipped to the last entry. A character that is not known is
        # BEGIN, and so is U+0000; U+0001 is END. None of these is the id of a character.
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

    Attributes:
        merges: pairs of tokens to join, in the order in which they are applied.
    """

    kind = "bpe"

    def __init__(self, chars: str, merges: Iterable[Sequence[str]]):
        """Know these characters and merges.

        Args:
            chars: as of `CharTokenizer`.
            merges: pairs, the one to apply first first; each of characters or what earlier merges make.

        Raises:
            InputError: these cannot be a vocabulary.
            ValueError: a merge is not of two tokens.
        """
        self._chars = CharTokenizer(chars)
        self.merges = [(left, right) for left, right in merges]
        tokens = dict.fromkeys(chars)  # an ordered set, as two merges may make the same text
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
            vocab_size: of the result, BEGIN and END included. The result is smaller if no more pairs occur twice in
                the texts.
            chars: the characters to know, if the texts are a sample of what is to be encoded; by default those that
                occur, sorted.

        Raises:
            InputError: the characters alone are more than ``vocab_size``, or the texts hold others.
        """
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
    def _model(self) -> "BPE":
        """The library's encoder, which knows BEGIN and END as U+0000 and U+0001."""
        from tokenizers.models import BPE

        ids = {token: i for i, token in enumerate(["\x00", "\x01", *self.tokens[2:]])}
        return BPE(vocab=ids, merges=self.merges)

    def _look_up(self, text: str) -> np.ndarray:
        groups = GROUP.findall(text)
        if len(self._encoded) > MOST_GROUPS:
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
