"""What an input holds by its names alone: the files that could be ABC or MIDI, plain, compressed or in archives.

Needs a file, a folder of any depth, or the name of the corpus inside the music21 package. The Snakefile loads this
module for every job, so it imports nothing that takes long to load, and nothing is opened.
"""

import importlib.util
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from workflow.scripts.base.errors import InputError

MUSIC21 = "music21"
FORMS = {  # end of a name -> (what the file holds, how it is compressed)
    "abc": ("abc", ""), "abc.gz": ("abc", "gz"), "abc.zst": ("abc", "zst"),
    "mid": ("midi", ""), "mid.gz": ("midi", "gz"), "mid.zst": ("midi", "zst"),
    "midi": ("midi", ""), "midi.gz": ("midi", "gz"), "midi.zst": ("midi", "zst"),
    "kar": ("midi", ""), "kar.gz": ("midi", "gz"), "kar.zst": ("midi", "zst"),
    "rmi": ("midi", ""), "rmi.gz": ("midi", "gz"), "rmi.zst": ("midi", "zst"),
    "zip": ("zip", ""), "tar": ("tar", ""), "tgz": ("tar", "gz"), "tar.gz": ("tar", "gz"),
    "tar.bz2": ("tar", "bz2"), "tar.xz": ("tar", "xz"), "tar.zst": ("tar", "zst"),
}  # fmt: skip


def form_of(name: str) -> tuple[str, str] | None:
    """(what a file holds, how it is compressed) by its name, or None if it is nothing to us."""
    _, *ends = name.lower().split(".")
    return FORMS.get(".".join(ends[-2:])) or FORMS.get(".".join(ends[-1:]))


def root_of(input_path: str) -> Path:
    """The folder (or file) that an input name stands for.

    Raises:
        InputError: there is no such file or folder.
    """
    if input_path == MUSIC21:
        spec = importlib.util.find_spec(MUSIC21)  # to import it takes long
        for folder in (spec and spec.submodule_search_locations) or []:
            if next(Path(folder, "corpus").glob("**/*.abc"), None):
                return Path(folder, "corpus")
        raise InputError(f"the {MUSIC21} package holds no ABC files (was it installed, and with its corpus?)")
    root = Path(input_path)
    if not root.exists():
        raise InputError(f"{input_path}: no such file or folder")
    return root


def walk(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (path, reason, detail) of all that could hold input by its name, sorted; no reason: a regular file.

    Folders are followed through links, each once. A root that is a file is taken whatever its name.
    """
    seen: set[tuple[int, int]] = set()  # a link may lead back up
    stack: list[Path | os.DirEntry[str]] = [root]
    while stack:
        item = stack.pop()
        try:
            if item.is_dir():
                status = item.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    with os.scandir(item) as entries:
                        stack += sorted(entries, key=lambda entry: entry.name, reverse=True)
            elif item is root or form_of(item.name):
                regular = item.is_file() or stat.S_ISREG(item.stat().st_mode)  # a broken link raises here
                yield (Path(item), "", "") if regular else (Path(item), "not_a_file", "a FIFO, socket or device")
        except OSError as error:
            yield Path(item), "unreadable", error.strerror or str(error)


def list_files(root: Path) -> list[Path]:
    """Every regular file under ``root`` that could hold input, by its name, sorted."""
    return [path for path, reason, _ in walk(root) if not reason]


def require_files(input_path: str) -> None:
    """Refuse an input that holds no file for us, by the names alone.

    Raises:
        InputError: there is no such file or folder, or nothing in it that could hold ABC or MIDI.
    """
    why = ""
    for path, reason, detail in walk(root_of(input_path)):
        if not reason:
            return
        why = why or f"; {path}: {detail}"
    raise InputError(
        f"{input_path} holds no .abc, .mid or .midi file, plain, .gz or .zst, and no .zip or .tar of them"
        f" ('{MUSIC21}' names that package's corpus){why}"
    )


def input_bytes(input_path: str) -> int:
    """Size on disk of all that `read_pieces` will read."""
    return sum(path.stat().st_size for path in list_files(root_of(input_path)) if path.exists())
