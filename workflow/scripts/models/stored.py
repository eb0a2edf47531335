"""A trained model on disk: ``model.safetensors`` and ``config.json`` in one folder."""

import hashlib
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, to_json, write_together
from workflow.scripts.base.files import sha256 as file_sha256
from workflow.scripts.corpus.tokenizer import Tokenizer, from_dict
from workflow.scripts.models import ModelConfig, module_for
from workflow.scripts.models.language_model import LanguageModel

WEIGHTS = "model.safetensors"


def save_model(folder: Path, model: LanguageModel, tokenizer: Tokenizer, training: dict, history: str) -> None:
    """Write weights, training history and the config that makes the weights usable, all or none.

    ``training`` is recorded as it is. The config holds the weights' hash and is replaced first, so that
    a kill in between cannot pair one run's config with another's weights.
    """
    weights = save(model.weights())
    config = {
        "model": asdict(model.config),
        "tokenizer": tokenizer.to_dict(),
        "training": training,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_together(folder, {WEIGHTS: weights, "history.csv": history.encode(), "config.json": to_json(config).encode()})


def load_model(path: str | Path, device: torch.device) -> tuple[LanguageModel, Tokenizer, dict]:
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
