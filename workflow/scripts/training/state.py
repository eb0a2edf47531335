"""A trained model on disk, and the state from which an unfinished run goes on.

A model is ``model.safetensors`` and ``config.json`` in one folder. A state of training is one file that
only its own run takes back: it opens with `weights_only=True`, carries a fingerprint, and ends with its hash.
"""

import hashlib
import json
import pickle
from pathlib import Path
from typing import BinaryIO

import torch

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import atomic_path


def fingerprint(*parts: object) -> str:
    """Hex digest of everything that a run's result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class _Hashing:
    """A file open for writing that keeps the digest of what went through it."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def save_state(path: Path, state: dict) -> None:
    """Write a state of training, closed by its SHA-256: torch itself loads a damaged file without a word."""
    try:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            hashing = _Hashing(file)
            torch.save(state, hashing)  # type: ignore[arg-type] # it writes and flushes, and asks for no more
            file.write(hashing.digest.digest())
    except (OSError, RuntimeError) as error:  # torch makes a RuntimeError of some failed writes
        kept = "; the last one is kept" if path.exists() else ""
        raise InputError(
            f"{path} could not be written ({error}){kept}: make room on the disk and run the same command again"
        ) from error


def load_state(path: Path, expected: str, ours: dict | None = None) -> dict:
    """A state that `save_state` wrote under the fingerprint expected, which is of ``ours`` and perhaps more.

    Raises:
        InputError: there is none, it is cut short or damaged, or it is another run's. Nothing of it is used then.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist")
    digest, size = hashlib.sha256(), path.stat().st_size
    with open(path, "rb") as file:
        left = size - digest.digest_size
        while left > 0 and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
        if digest.digest() != file.read():
            raise InputError(f"{path} is damaged or cut short")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["fingerprint"]
    except (RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} is not a state of training ({type(error).__name__})") from error
    if found != expected:
        raise InputError(f"{path} belongs to another configuration, corpus or code{differing(state, ours)}")
    return state


def differing(state: dict, ours: dict | None) -> str:
    """In brackets the first things in which a state's identity differs from ours, if both are known."""
    theirs, ours = ({**known, **known.get("options", {})} for known in (state.get("identity") or {}, ours or {}))
    names = [name for name in ours if name != "options" and name in theirs and theirs[name] != ours[name]]
    return f" ({', '.join(f'{name} {theirs[name]}, here {ours[name]}' for name in names[:3])})" if names else ""
