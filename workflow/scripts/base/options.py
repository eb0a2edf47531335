"""Options of a command that are defined once: the fields of a frozen dataclass, from which parsers and flags are made.

For example:

    @dataclass(frozen=True)
    class Options:
        beta1: float = option(0.9, "of AdamW: memory of the gradient's mean", cli.below_one)

    add_flags(parser, Options)  # --beta1, its check, its default and its help
    options = from_args(Options, parser.parse_args())
"""

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from workflow.scripts.base import cli

T = TypeVar("T")


def option(default: object, help: str, kind: Callable[[str], object] = str, **facts: object) -> Any:
    """A field that is a flag, too. Like `dataclasses.field`, it is taken for whatever its annotation says.

    Args:
        default: ``dataclasses.MISSING`` makes the flag a required one.
        kind: makes a value of a word, or raises ValueError or argparse.ArgumentTypeError. Where the default is True or
            False, `cli.boolean` does that.
        facts: what else there is to know of the option. Under ``parse`` are more arguments for ``add_argument``
            (choices, nargs, ...), which come before ours, and under ``also`` other spellings of the flag. All else is
            for `flags_of` to choose by.
    """
    return dataclasses.field(default=default, metadata={"help": help, "kind": kind, **facts})


def flags_of(cls: type, **facts: object) -> list[str]:
    """Names of the flags of which all these facts hold, in the order of the fields."""
    return [
        field.name
        for field in dataclasses.fields(cls)
        if "help" in field.metadata and all(field.metadata.get(key) == value for key, value in facts.items())
    ]


def add_flags(parser: argparse._ActionsContainer, cls: type, *names: str) -> None:
    """Give a parser, or a group of one, the flags of these names; without names, all that the dataclass has."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in names or flags_of(cls):
        default, facts = fields[name].default, fields[name].metadata
        more: dict[str, Any] = {"required": True} if default is dataclasses.MISSING else {"default": default}
        more |= facts.get("parse", {})
        if more.get("action") != "store_true":
            more["type"] = cli.boolean if isinstance(default, bool) else facts["kind"]
        parser.add_argument(f"--{name}", *facts.get("also", ()), help=facts["help"], **more)


def from_args(cls: type[T], args: argparse.Namespace, **others: object) -> T:
    """The dataclass of what was parsed; ``others`` are values of fields that are no flags."""
    return cls(**{name: getattr(args, name) for name in flags_of(cls)}, **others)


def to_flags(names: Iterable[str], values: Mapping[str, object]) -> str:
    """A part of a command line, quoted for a shell: the flags of these names, each with its value."""
    words: list[str] = []
    for name in names:
        value = str(values[name])
        words += [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]  # or it would be a flag
    return shlex.join(words)
