"""One token a character, plus one token before and one after each tune."""

from pathlib import Path

import numpy as np

from workflow.scripts.cli import InputError
from workflow.scripts.files import read_json, write_json

BEGIN, END = 0, 1  # begin-of-tune and end-of-tune ids; characters follow


class CharTokenizer:
    """Bijection between characters and ids 2, 3, ... in the order of ``chars``."""

    def __init__(self, chars: str):
        if len(set(chars)) != len(chars):
            raise InputError("a tokenizer lists a character twice")
        self.chars = chars
        codes = np.array([ord(char) for char in chars], dtype=np.int64)
        self._ids = np.full(int(codes.max(initial=0)) + 1, -1, dtype=np.int32)
        self._ids[codes] = np.arange(2, 2 + len(chars))

    @property
    def vocab_size(self) -> int:
        return 2 + len(self.chars)

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned type that holds every id."""
        return np.dtype(np.uint8 if self.vocab_size <= 256 else np.uint16 if self.vocab_size <= 65536 else np.uint32)

    def encode(self, text: str) -> np.ndarray:
        """(len(text),) ids.

        Raises:
            InputError: the text holds a character that the vocabulary does not.
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
        ids = np.where(codes < len(self._ids), self._ids[np.minimum(codes, len(self._ids) - 1)], -1)
        if (ids < 0).any():
            raise InputError(f"character {text[int(np.argmax(ids < 0))]!r} is not in the model's vocabulary")
        return ids.astype(self.dtype)

    def decode(self, ids) -> str:
        """Characters of ids; begin and end of tune print as nothing."""
        return "".join(self.chars[i - 2] for i in ids if i >= 2)

    def save(self, path: Path) -> None:
        write_json(path, {"kind": "char", "begin": BEGIN, "end": END, "chars": list(self.chars)})

    @classmethod
    def load(cls, path: Path) -> "CharTokenizer":
        data = read_json(path)
        if data.get("kind") != "char" or not isinstance(data.get("chars"), list):
            raise InputError(f"{path} is not a character tokenizer")
        return cls("".join(data["chars"]))
