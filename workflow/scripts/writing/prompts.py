"""Beginnings that a model goes on from: prompts and tunes of the reader's own, how they are read, and their ids."""

import json
import re
from pathlib import Path

import numpy as np

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.corpus.tokenizer import BEGIN, Tokenizer, base_letter
from workflow.scripts.grammar.checker import parse
from workflow.scripts.midi.convert import Converter
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.notation.clean import END, START, clean_tunes, drop_table, find_tunes
from workflow.scripts.reading.pieces import whole_text

MAX_BYTES = 1 << 20  # of a file with a tune
LAST_BAR_LINE = re.compile(r"(?:\|\]|\|\||\[\|)\s*$")


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


def own_tune(path: str | Path, tokenizer: Tokenizer) -> str:
    """The first tune of a file, as `prepare` would clean it by its defaults, without the bar line that ends it.

    A character that the model does not know becomes its base letter, or nothing, as in its corpus.

    Raises:
        InputError: the file holds no tune with a note, or is no ABC and no MIDI.
    """
    data = Path(path).read_bytes()
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: {len(data)} bytes, more than {MAX_BYTES}: a file of one tune is wanted")
    text = of_midi(path, data) if data.startswith((b"MThd", b"RIFF")) else whole_text(data)
    tune = first_tune(text) or first_tune(with_reference_number(text))
    known = set(tokenizer.chars)
    tune = "".join(char if char in known else base_letter(char, known) for char in tune)
    if not parse(tune).notes:
        raise InputError(f"{path} holds no tune with a note, as ABC or MIDI")
    return opened(tune)


def of_midi(path: str | Path, data: bytes) -> str:
    """The ABC of a MIDI file, as `prepare` converts it."""
    try:
        with Converter() as converter:
            return converter.convert(data).abc.decode()
    except ConversionError as error:
        raise InputError(f"{path}: {error}") from error


def first_tune(text: str) -> str:
    """What is left of the first tune of a text; nothing if it holds none."""
    data, cleaning = np.frombuffer(text.encode(), dtype=np.uint8), Cleaning()
    tunes = find_tunes(data)[:1]
    if not len(tunes):
        return ""
    drop = drop_table(cleaning)
    return clean_tunes(data, tunes[:, START], tunes[:, END], drop, cleaning.keep_comments)[0].tobytes().decode()


def opened(tune: str) -> str:
    """A tune that can go on: a bar line that ends it becomes a plain one, and after any bar line a new line begins."""
    tune = LAST_BAR_LINE.sub("|", tune.rstrip())
    return tune + "\n" if tune.endswith(("|", ":")) else tune
