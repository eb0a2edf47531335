"""Run several of our commands one after the other in one process.

It spares each but the first the second that torch takes to load. A command that fails ends the process, as it would by
itself.

Example:
  python -m workflow.scripts.in_turn calc_perplexity --checkpoint a b --then sample --checkpoint_dir b --num_samples 5
"""

import argparse
import importlib
import itertools

from workflow.scripts import cli
from workflow.scripts.cli import InputError
from workflow.scripts.imports import SCRIPTS

NEXT = "--then"  # stands between two commands


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "commands", nargs=argparse.REMAINDER, help=f"names of commands and their options, with {NEXT} between them"
    )
    words = parser.parse_args(argv).commands
    lines = [list(line) for is_next, line in itertools.groupby(words, NEXT.__eq__) if not is_next]
    if not lines:
        parser.error("give a command")
    for name, *_ in lines:
        if not (SCRIPTS / f"{name}.py").is_file():
            raise InputError(f"there is no command {name!r}")
    for name, *options in lines:
        importlib.import_module(f"workflow.scripts.{name}").main(options)


if __name__ == "__main__":
    cli.run(main)
