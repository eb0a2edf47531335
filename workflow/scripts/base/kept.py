"""Keep a finished result safe from whatever fails later, and put it back when it is asked for again.

Snakemake deletes the outputs of a job before the job starts, and again if it fails. What took hours is therefore kept
a second time, under names that no rule declares: as hard links, which take no space.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import atomic_path, read_json, write_json

KEPT = ".kept"
MARK = "kept.json"


def keep(folder: Path, names: Iterable[str], fingerprint: str) -> None:
    """Keep files of ``folder``, in place of whatever was kept there.

    If the system refuses (a full disk, no permission), a printed warning says so and nothing is kept; the files stay.

    Args:
        names: of the files, in ``folder``.
        fingerprint: of all that the files depend on.
    """
    names, kept, fresh = list(names), folder / KEPT, folder / f"{KEPT}.new"
    try:
        shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
        fresh.mkdir()
        for name in names:
            link(folder / name, fresh / name)
        write_json(fresh / MARK, {"fingerprint": fingerprint, "files": names})
        shutil.rmtree(kept, ignore_errors=True)  # of other files: these would be put back in place of what is there now
        fresh.rename(kept)
    except OSError as error:
        for part in (fresh, kept):
            shutil.rmtree(part, ignore_errors=True)
        print(f"warning: no second copy is kept in {kept}: {error.strerror or error}", flush=True)


def give_back(folder: Path, fingerprint: str) -> bool:
    """Put back the files that were kept under this fingerprint. If one is missing, touch nothing and return False."""
    kept = folder / KEPT
    try:
        mark = read_json(kept / MARK)
        names = mark["files"] if mark["fingerprint"] == fingerprint else []
    except (OSError, InputError, KeyError):
        return False
    if not names or not all((kept / name).is_file() for name in names):
        return False
    for name in names:
        link(kept / name, folder / name)
    return True


def link(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy where the file system has none; atomically."""
    if target.exists() and target.samefile(source):
        return
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
