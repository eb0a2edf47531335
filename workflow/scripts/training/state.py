"""A trained model on disk, and the state from which an unfinished run goes on.

A model is ``model.safetensors`` and ``config.json`` in one folder. A state of training is one file that
only its own run takes back: it opens with `weights_only=True`, carries a fingerprint, and ends with its hash.
"""

import hashlib
import json
import pickle
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from workflow.scripts.base import cli
from workflow.scripts.base.cli import InputError
from workflow.scripts.base.files import atomic_path, read_json, to_json, write_together
from workflow.scripts.base.files import sha256 as file_sha256
from workflow.scripts.corpus.tokenizer import Tokenizer, from_dict
from workflow.scripts.models import ModelConfig, module_for

WEIGHTS = "model.safetensors"


def save_model(folder: Path, model: nn.Module, tokenizer: Tokenizer, training: dict, history: str) -> None:
    """Write weights, training history and the config that makes the weights usable, all or none.

    ``training`` is recorded as it is. The config holds the weights' hash and is replaced first, so that
    a kill in between cannot pair one run's config with another's weights.
    """
    weights = save({name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()})
    config = {
        "model": asdict(model.config),
        "tokenizer": tokenizer.to_dict(),
        "training": training,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_together(folder, {WEIGHTS: weights, "history.csv": history.encode(), "config.json": to_json(config).encode()})


def load_model(path: str | Path, device: torch.device) -> tuple[nn.Module, Tokenizer, dict]:
    """(model in evaluation mode, its tokenizer, its training record) from a folder or a weights file.

    Of the record, ``model_name``, ``data_dir`` and ``corpus`` (a content hash) are there for sure.

    Raises:
        InputError: a file is missing, is not what it should be, or the two do not fit together.
    """
    path = Path(path)
    folder, weights = (path.parent, path) if path.is_file() else (path, path / WEIGHTS)
    for file in (weights, folder / "config.json"):
        if not file.exists():
            raise InputError(f"{file} does not exist: {path} is not a trained model")
    data = read_json(folder / "config.json")
    try:
        config = ModelConfig(**data["model"])
        tokenizer = from_dict(data["tokenizer"])
        training = data["training"]
        _ = training["data_dir"], training["corpus"]
        cli.name(training["model_name"])  # it will be part of a file's name
        model = module_for(config.arch).Model(config)
    except (ArithmeticError, ArgumentTypeError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'config.json'} does not describe a model ({error})") from error
    if data.get("weights_sha256") != file_sha256(weights):
        raise InputError(f"{weights} is not the file that config.json beside it was written for")
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{weights} does not hold the weights that config.json describes ({reason})") from error
    return model.to(device).eval(), tokenizer, training


def is_whole(folder: Path) -> bool:
    """Whether the weights in a folder are those that its config was written for."""
    return read_json(folder / "config.json").get("weights_sha256") == file_sha256(folder / WEIGHTS)


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
            torch.save(state, hashing)
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
