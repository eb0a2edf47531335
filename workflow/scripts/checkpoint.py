"""A trained model on disk, and the state from which an unfinished run goes on.

A model is ``model.safetensors`` and ``config.json`` in one folder. The resume state is one file that
only its own run can read back: it opens with `weights_only=True` and carries a fingerprint.
"""

import json
import pickle
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from workflow.scripts.cli import InputError
from workflow.scripts.files import atomic_path, read_json, write_json
from workflow.scripts.models import ModelConfig, module_for
from workflow.scripts.tokenizer import CharTokenizer

WEIGHTS = "model.safetensors"


def save_model(folder: Path, model: nn.Module, tokenizer: CharTokenizer, training: dict) -> None:
    """Write weights, then the config that makes them usable; ``training`` is recorded as it is."""
    with atomic_path(folder / WEIGHTS) as temporary:
        save_file({name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}, temporary)
    config = {"model": asdict(model.config), "tokenizer": {"chars": list(tokenizer.chars)}, "training": training}
    write_json(folder / "config.json", config)


def load_model(path: str | Path, device: torch.device) -> tuple[nn.Module, CharTokenizer, dict]:
    """(model in evaluation mode, its tokenizer, its training record) from a folder or a weights file.

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
        tokenizer = CharTokenizer("".join(data["tokenizer"]["chars"]))
        training = data["training"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / 'config.json'} does not describe a model ({error})") from error
    model = module_for(config.arch).Model(config)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{weights} does not hold the weights that config.json describes ({reason})") from error
    return model.to(device).eval(), tokenizer, training


def fingerprint(*parts: object) -> str:
    """Hex digest of everything that a run's result depends on."""
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def save_state(path: Path, state: dict) -> None:
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, expected: str) -> dict | None:
    """The state to resume from, or None, with the reason on stdout, if there is none that fits."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["fingerprint"]
    except (RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        print(f"{path} is not readable ({type(error).__name__}): starting from step 0")
        return None
    if found != expected:
        print(f"{path} belongs to another configuration, corpus or code: starting from step 0")
        return None
    return state
