"""A digest of what very many files hold, without reading again those that are as they were.

Needs the files that `inputs` lists. What was read is remembered in a file, by the sizes and times of the files, so that
a second question takes only a look at these. The digest depends on names and contents alone.
"""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, sha256, write_json

SETTLED = 2_000_000_000  # nanoseconds after which a later change shows in a file's times, on any file system


def digest_of(files: dict[str, Path], memory: Path | None = None) -> str:
    """Digest of the names and contents of files; what cannot be read counts as such.

    Args:
        files: name -> file.
        memory: a JSON file to remember contents in; without it all are read.
    """
    known: dict = {}
    if memory is not None:
        with contextlib.suppress(InputError, OSError):  # none is there, or it is spoilt
            known = read_json(memory)
    now, seen, digest = time.time_ns(), {}, hashlib.sha256()
    for name, file in files.items():
        key = os.fsencode(file).decode("latin-1")  # JSON holds no name that is not UTF-8
        try:
            status = file.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            found = known.get(key)
            content = found[1] if found and found[0] == stamp else sha256(file)
            if max(stamp[1:3]) < now - SETTLED:
                seen[key] = [stamp, content]
        except OSError as error:
            content = f"errno {error.errno}"
        digest.update(f"{name} {content}\n".encode(errors="surrogateescape"))
    if memory is not None and seen != known:
        with contextlib.suppress(OSError):  # then it is read again the next time
            write_json(memory, seen)
    return digest.hexdigest()
