"""Beginnings that a model goes on from: how they are read, and their ids."""

import json
import re
from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus.tokenizer import BEGIN, Tokenizer
from workflow.scripts.reading.pieces import whole_text


def with_reference_number(prompt: str) -> str:
    """A prompt that no program would take for a tune's start gets the X: field that starts one."""
    return prompt if not prompt or prompt.startswith("X:") else f"X:1\n{prompt}"


def read_prompt(path: str) -> str:
    """The text of a file, read as `prepare` reads a tune: in any encoding, with or without a byte order mark."""
    return whole_text(Path(path).read_bytes())


def read_prompt_set(path: str) -> dict[str, str]:
    """Texts to go on from, by names that can be those of folders; ``path`` may also be the JSON itself.

    Raises:
        InputError: it is not a JSON object of such names and of texts.
    """
    try:
        prompts = json.loads(path) if path.startswith("{") else read_json(path)
    except ValueError as error:
        raise InputError(f"--prompt_set is not readable as JSON ({error})") from error
    for name, text in prompts.items():
        if not re.fullmatch(r"[\w-]+", name) or not isinstance(text, str) or not text:
            raise InputError(f"{path}: {name!r} is not a name of letters, digits, _ and - with the text of a prompt")
    return prompts


def unreadable(tokenizer: Tokenizer, prompts: dict[str, str]) -> dict[str, str]:
    """Which of a set of prompts no model of a corpus can go on from, and why, by name."""
    unknown = {name: sorted(set(text) - set(tokenizer.chars)) for name, text in prompts.items()}
    return {name: f"the corpus has no {', '.join(map(repr, chars))}" for name, chars in unknown.items() if chars}


def begun(tokenizer: Tokenizer, prompt: str, name: str) -> list[int]:
    """Ids of a tune's beginning: its begin token, then the prompt; raises InputError if a character is unknown."""
    try:
        return [BEGIN, *tokenizer.encode(prompt).tolist()]
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
