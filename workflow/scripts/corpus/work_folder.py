"""The folder beside a corpus where what is not finished stands, for one process at a time."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from workflow.scripts.base.errors import InputError, UnusableError
from workflow.scripts.base.files import lock

WORK = ".prepare"
LOCK = "lock"


@contextlib.contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """The folder for what is not finished, for one process at a time.

    Of a run that fails or is interrupted, the finished shards stay there for the next, except where the input
    turned out to be useless. Where nothing stays, the folders that were made for it go too.
    """
    made = [folder for folder in (output, *output.parents) if not folder.exists()]
    work = output / WORK
    held = occupy(work)
    try:
        clear(work, keep_shards=True)  # a killed run could not do so
        yield work
    except BaseException as error:
        clear(work, keep_shards=not isinstance(error, UnusableError))
        raise
    else:
        clear(work, keep_shards=False)
    finally:
        if [path.name for path in work.iterdir()] == [LOCK]:
            (work / LOCK).unlink()
            with contextlib.suppress(OSError):  # something is in it
                for folder in (work, *made):
                    folder.rmdir()
        os.close(held)


def occupy(work: Path) -> int:
    """The lock on a folder, which is made if need be.

    Raises:
        InputError: another process has it.
    """
    while True:
        work.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # a process that is done takes lock and folder away
            if (held := lock(work / LOCK, exclusive=True)) is None:
                raise InputError(f"another process is preparing {work.parent}")
            try:
                if os.path.samestat(os.fstat(held), os.stat(work / LOCK)):
                    return held
            except FileNotFoundError:
                pass
            os.close(held)


def clear(work: Path, keep_shards: bool) -> None:
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK and not (keep_shards and path.match("shard-*.npz")):
            path.unlink()
