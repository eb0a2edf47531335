"""Files in one .tar.xz, which Python unpacks without other packages; each is known by its hash."""

import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import atomic_path, to_json

# Text of one alphabet: the next character depends on those before it, and not on where in a word of memory it stands.
TEXT = {"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 27, "lc": 4, "lp": 0, "pb": 0}
QUICK = {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 26}
MAX_HEAD = 64 << 20  # bytes of the list of what is inside
BLOCK = 1 << 20


class Member(NamedTuple):
    """A file to put into an archive: its bytes, or where they are."""

    data: bytes | Path

    def read(self) -> bytes:
        return self.data if isinstance(self.data, bytes) else self.data.read_bytes()


def write(path: Path, head: str, about: dict, members: Mapping[str, Member], limit: int = 0, **filters: object) -> int:
    """Write an archive: ``head``, a JSON file of ``about`` and of the hash of each member, then the members.

    Args:
        limit: bytes that it may have; 0 for any.
        filters: of LZMA2, as `TEXT`.

    Returns:
        Its size in bytes.

    Raises:
        TooLarge: it has more than ``limit``; then nothing is written.
    """
    hashes = {name: hashlib.sha256(member.read()).hexdigest() for name, member in members.items()}
    listed = to_json(about | {"files": hashes}).encode()
    with atomic_path(path) as temporary:
        with (
            lzma.open(temporary, "wb", format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=[filters]) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, data in {head: listed}.items():
                add(tar, name, data)
            for name, member in members.items():
                add(tar, name, member.read())
        size = temporary.stat().st_size
        if limit and size > limit:
            raise TooLarge(size)
    return size


class TooLarge(Exception):  # noqa: N818 - whoever sets the limit says what would fit
    """An archive has more bytes, ``size``, than it may have."""

    def __init__(self, size: int):
        super().__init__(size)
        self.size = size


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file of no owner and no time, so that equal files make equal archives."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def read_head(path: Path, head: str) -> dict:
    """What the first file of an archive says.

    Raises:
        InputError: it is no such archive.
    """
    return unpack(path, head, None)


def unpack(path: Path, head: str, folder: Path | None, wanted: Callable[[str], bool] = lambda name: True) -> dict:
    """Unpack the wanted members of an archive into a folder, or none; each is known by its hash.

    Returns:
        What its first file says.

    Raises:
        InputError: it is no such archive, is cut short, or holds something else than it says.
    """
    try:
        with tarfile.open(path, mode="r|xz") as tar:
            first = tar.next()
            if first is None or first.name != head or first.size > MAX_HEAD:
                raise InputError(f"{path} holds no {head}: workflow.scripts.carry did not write it")
            about = to_dict(tar, first, path)
            missing = dict(about["files"])
            if folder is None:
                return about
            while (info := tar.next()) is not None:
                if not info.isfile() or info.name not in missing or not is_inside(info.name):
                    raise InputError(f"{path} holds {info.name}, which is not in its own list")
                expected = missing.pop(info.name)
                if wanted(info.name):
                    take_out(tar, info, folder / info.name, expected, path)
            if missing:
                raise InputError(f"{path} lacks {next(iter(missing))}, which is in its own list")
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{path} is damaged, cut short or no archive of carry ({error})") from error
    return about


def to_dict(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> dict:
    """What the list of an archive says."""
    file = tar.extractfile(info)
    try:
        about = json.loads(file.read() if file else b"")
        if not isinstance(about, dict) or not isinstance(about.get("files"), dict):
            raise ValueError("no list of files")
    except ValueError as error:
        raise InputError(f"{path}: {info.name} is not readable ({error})") from error
    return about


def is_inside(name: str) -> bool:
    """Whether a name stays in the folder that it is unpacked into."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def take_out(tar: tarfile.TarFile, info: tarfile.TarInfo, target: Path, expected: str, path: Path) -> None:
    """Write one member where it belongs, if it is what its hash says.

    Raises:
        InputError: it is not.
    """
    source = tar.extractfile(info)
    digest = hashlib.sha256()
    with atomic_path(target) as temporary:
        with open(temporary, "wb") as out:
            while source and (block := source.read(BLOCK)):
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != expected:
            raise InputError(f"{path}: {info.name} is not what its hash says")
