"""The folder inside a corpus's own that holds what is not finished, for one process at a time."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from workflow.scripts.base.errors import InputError, UnusableError
from workflow.scripts.base.files import lock

WORK = ".prepare"  # in the folder that the corpus is written to
LOCK = "lock"  # held by the process that works there


@contextlib.contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """The folder for what is not finished of the corpus in ``output``; both are made if need be.

    Of a run that fails or is interrupted, the finished shards stay there for the next run, except where the input
    turned out to be useless. Where nothing stays, the folders that were made for it go too.

    Raises:
        InputError: another process works there.
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
    """Lock a folder, which is made if need be; returns the descriptor that carries the lock.

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
    """Remove all but the lock, and but the shards if they are to be kept."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK and not (keep_shards and path.match("shard-*.npz")):
            path.unlink()
