"""Files that are whole or absent, locks on files, and what files hold: JSON and digests.

A file is written beside its target, flushed to disk and then renamed over it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, overload

from workflow.scripts.base.errors import InputError

CAPTIONS = "captions"  # folder beside figures, with what each shows in words


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; rename it to ``path`` if the block succeeds.

    Whatever goes wrong inside (an exception, a full disk, a kill) leaves ``path`` as it was. Folders that are missing
    on the way to it are made.

    Raises:
        IsADirectoryError: there is a folder of that name.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: numpy and matplotlib choose a format by it.
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@overload
def lock(path: str | Path, exclusive: bool, wait: Literal[True]) -> int: ...


@overload
def lock(path: str | Path, exclusive: bool, wait: bool = False) -> int | None: ...


def lock(path: str | Path, exclusive: bool, wait: bool = False) -> int | None:
    """Lock a file until this process ends, however it ends.

    Returns:
        The descriptor that carries the lock: closing it ends the lock. None if another's lock is in the way, and we do
        not ``wait`` for its end.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # NFS locks only what is open for writing
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 with LF line ends, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_together(folder: Path, contents: dict[str, bytes]) -> None:
    """Write several files. None is replaced until all are on disk; then all are, from the last to the first."""
    with contextlib.ExitStack() as stack:
        for name, content in contents.items():
            stack.enter_context(atomic_path(folder / name)).write_bytes(content)


def to_json(value: object) -> str:
    """Strict JSON, with a line end.

    Raises:
        ValueError: there is a NaN or an infinity in it, which is a bug of whoever made the value.
    """
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, value: object) -> None:
    write_text(path, to_json(value))


def read_json(path: str | Path) -> dict:
    """The object that a JSON file holds.

    Raises:
        InputError: it holds something else.
        OSError: it cannot be read.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} does not hold a JSON object")
    return value


def sha256(*paths: Path) -> str:
    """Hex digest over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
