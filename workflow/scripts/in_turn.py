"""Run several of our commands one after the other in one process.

It spares each but the first the second that torch takes to load. A command that fails ends the process, as it would by
itself.

Example:
  python -m workflow.scripts.in_turn calc_perplexity --checkpoint a b --then sample --checkpoint_dir b --num_samples 5
"""

import argparse
import gc
import importlib
import itertools
from collections.abc import Callable

from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import SCRIPTS
from workflow.scripts.base.errors import InputError

NEXT = "--then"  # between two commands


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "commands", nargs=argparse.REMAINDER, help=f"names of commands and their options, with {NEXT} between them"
    )
    words = parser.parse_args(argv).commands
    lines = [list(line) for is_next, line in itertools.groupby(words, NEXT.__eq__) if not is_next]
    if not lines:
        parser.error("give a command")
    gc.disable()  # while torch is imported, as for any command: this package's __init__ says why
    mains = [main_of(name) for name, *_ in lines]
    gc.freeze()
    gc.enable()
    for run, (_, *options) in zip(mains, lines, strict=True):
        run(options)


def main_of(name: str) -> Callable[[list[str]], None]:
    """What a command does with its options.

    Raises:
        InputError: there is no such command.
    """
    if name.isidentifier() and (SCRIPTS / f"{name}.py").is_file():
        module = importlib.import_module(f"workflow.scripts.{name}")
        if hasattr(module, "main"):
            return module.main
    raise InputError(f"there is no command {name!r}")


if __name__ == "__main__":
    cli.run(main)
