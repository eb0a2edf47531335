"""Check a document that somebody may have edited against its JSON Schema, and say what is wrong in one sentence.

Needs a schema of workflow/schemas (JSON Schema 2020-12), and a document that was read already. A machine that is lent
bare may lack the package jsonschema: there nothing is checked, and a sentence says so.
"""

import difflib
import functools
import math
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workflow.scripts.base.code_identity import SCRIPTS
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json

if TYPE_CHECKING:
    import jsonschema

SCHEMAS = SCRIPTS.parent / "schemas"
LONGEST = 120  # characters of a value that a sentence shows
FEW = 12  # keys that a sentence lists


def is_number(_checker: object, value: object) -> bool:
    """Whether a value is a number of JSON, which knows no NaN and no infinity; Python reads both from a JSON file."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


@functools.cache
def validator() -> Any:
    """The class that checks documents; None, once said, where there is none."""
    try:
        import jsonschema
    except ModuleNotFoundError:
        print("jsonschema is not installed: configs and plans are taken unchecked", file=sys.stderr, flush=True)
        return None
    kind = jsonschema.Draft202012Validator
    return jsonschema.validators.extend(kind, type_checker=kind.TYPE_CHECKER.redefine("number", is_number))


def read(schema: str) -> dict:
    """The schema in a file of workflow/schemas."""
    return read_json(SCHEMAS / schema)


def check(document: object, schema: str, name: str) -> None:
    """Refuse a document that is not what its schema says.

    Args:
        document: what `json.loads` made of it.
        schema: name of the file in workflow/schemas.
        name: what a sentence calls the document.

    Raises:
        InputError: one sentence about the first place, by the keys that lead there, where something is wrong.
    """
    if (kind := validator()) is None:
        return
    found = kind(read(schema)).iter_errors(document)
    for error in sorted(found, key=lambda error: list(map(str, error.absolute_path))):
        raise InputError(sentence(error, name))


def sentence(error: "jsonschema.ValidationError", name: str) -> str:
    """``name`` of the document, the place in it and what is wrong there, on one line.

    A description in the schema that begins with "must be" is taken for what is wrong.
    """
    where = place(error.absolute_path)
    at = f"{name}: {where}" if where else name
    schema = error.schema if isinstance(error.schema, dict) else {}
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        unknown = next(key for key in instance if key not in known)
        return f"{at}: unknown key {unknown!r}{meant(unknown, known)}"
    value = repr(instance)
    shown = value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    wanted = schema.get("description", "")
    if wanted.startswith("must be") and error.validator != "required":
        return f"{at} is {shown}: {wanted}"
    message = error.message
    return f"{at}: {shown + message[len(value) :] if message.startswith(value) else message}"


def place(keys: Iterable[str | int]) -> str:
    """The keys that lead to a place, with dots between them: ``audit.length.5%``."""
    return ".".join(text if (text := str(key)) and text.isprintable() else repr(key) for key in keys)


def meant(name: str, known: Iterable[str]) -> str:
    """In brackets the known name that a wrong one is closest to, or all if they are few."""
    known = list(known)
    if close := difflib.get_close_matches(str(name), known, n=1):
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(known)})" if len(known) <= FEW else ""
