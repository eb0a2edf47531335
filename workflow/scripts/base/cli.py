"""What every command of this package shares: its parser, how it starts, how it fails, and checks of its options.

A check makes a value of a word of the command line. It raises argparse.ArgumentTypeError, or ValueError for what is no
number, and argparse then says so and ends the command with status 2.
"""

import argparse
import gc
import re
import signal
import sys
from collections.abc import Callable

from workflow.scripts.base.code_identity import drop_stale_kernels
from workflow.scripts.base.errors import InputError


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's line breaks and adds each option's default to its help."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is this description, as it is, and each option with its default."""
    return argparse.ArgumentParser(description=description, formatter_class=Formatter)


def run(main: Callable[[], None]) -> None:
    """Run a command, and turn a failure that is not a bug into one sentence and exit status 1 (130 after Ctrl-C)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # set while it was imported: see this package's __init__
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()
    gc.enable()
    drop_stale_kernels()
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {name}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)


def positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return value


def positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def non_negative_float(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")
    return value


def non_negative_int(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**31:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 0")
    return value


def fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def below_one(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 and below 1")
    return value


def name(text: str) -> str:
    """A name that can be that of a file or folder, and leads nowhere else."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of letters, digits, _, - and .")
    return text


def boolean(text: str) -> bool:
    """True or False for true or false, yes or no, 1 or 0; in capitals, too."""
    value = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}.get(text.lower())
    if value is None:
        raise argparse.ArgumentTypeError(f"{text} is neither true nor false")
    return value
