"""Which code a command runs: the files, a digest of what they do, and no compiled kernel older than its source.

Needs the sources of this package, which it reads without importing them.
"""

import ast
import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from workflow.scripts.base.files import atomic_path

SCRIPTS = Path(__file__).parents[1]
PACKAGE = "workflow.scripts"
SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Source(NamedTuple):
    """What is known of one file; ``content`` is the digest of its bytes, by which it is known again."""

    content: str
    digest: str  # of what it does
    early: list[tuple[str, list[str]]]  # modules of this package, and names in each, that it imports as it is loaded
    late: list[tuple[str, list[str]]]  # the same with those that a function imports when it is called


@functools.cache
def code_digest(*modules: str, late: bool = False) -> str:
    """Digest of what a command runs: the files of `code_files`.

    It is a job's parameter, so that a change of the code reruns the jobs that run it and no others. Comments,
    docstrings and layout are left out.
    """
    digest = hashlib.sha256()
    for path in code_files(*modules, late=late):
        digest.update(f"{path.relative_to(SCRIPTS).as_posix()} {source_of(path).digest}\n".encode())
    memory(SCRIPTS).save()
    return digest.hexdigest()[:16]


def code_files(*modules: str, late: bool = False) -> list[Path]:
    """Files of this package that Python runs when it imports the modules named, sorted.

    These are the modules themselves, all that they import in turn, and the ``__init__.py`` of every package that one of
    them is in, however deep. What is imported by a name that only the running job knows, such as an architecture, is
    not found: name it, too.

    Args:
        modules: each as ``a`` or ``a/b``.
        late: whether to add what a function imports when it is called, for a job that calls such functions.
    """
    found: dict[str, Path] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name not in found:
            found[name] = file_of(SCRIPTS, name) or SCRIPTS / name / "__init__.py"
            queue += imports_of(SCRIPTS, found[name], late)
            queue += [package.as_posix() for package in PurePosixPath(name).parents]  # up to ".", which is ours
    return sorted(found.values())


@functools.cache
def file_of(folder: Path, name: str) -> Path | None:
    """The file of a module ``a/b``, if it is no package."""
    path = folder / f"{name}.py"
    return path if path.exists() else None


@functools.cache
def imports_of(folder: Path, path: Path, late: bool) -> list[str]:
    """Modules of the package in ``folder`` that a file imports as it is loaded, or also ``late``: ``a`` or ``a/b``."""
    names = []
    for parent, inside in source_of(path).late if late else source_of(path).early:
        if parent:
            names.append(parent)
        within = [f"{parent}/{name}".lstrip("/") for name in inside]  # a module, or a name in one
        names += [name for name in within if file_of(folder, name) or (folder / name).is_dir()]
    return names


@functools.cache
def source_of(path: Path) -> Source:
    """What one file of this package does and imports, as it is remembered or else found in its text."""
    text = path.read_bytes()
    content = hashlib.sha256(text).hexdigest()
    kept = memory(SCRIPTS)
    if (source := kept.recalled(path, content)) is None:
        tree = ast.parse(text.decode())
        digest = hashlib.sha256(plain(tree).encode()).hexdigest()
        source = Source(content, digest, our_imports(tree.body), our_imports(ast.walk(tree)))
        kept.learn(path, source)
    return source


def our_imports(nodes: Iterable[ast.AST]) -> list[tuple[str, list[str]]]:
    """(module of this package as ``a/b``, names in it) of each statement that imports from one."""
    found = []
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{PACKAGE}."):
            parent = str(node.module).removeprefix(PACKAGE).lstrip(".").replace(".", "/")
            found.append((parent, [alias.name for alias in node.names]))
    return found


class Memory:
    """What was found in the sources of a package, in a file beside what Python compiled of them.

    To parse all of them takes longer than all else that Snakemake does before its first job. An entry counts for the
    very bytes that it was made of, and all entries for this very file and version of Python.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "__pycache__" / "code_identity.json"
        self.key = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
        self.sources: dict[str, Source] = {}
        self.changed = False
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):  # none, or a spoilt one
            said = json.loads(self.path.read_text(encoding="utf-8"))
            if said["key"] == self.key:
                self.sources = {name: Source(*fields) for name, fields in said["sources"].items()}

    def name(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)

    def recalled(self, path: Path, content: str) -> Source | None:
        source = self.sources.get(self.name(path))
        return source if source and source.content == content else None

    def learn(self, path: Path, source: Source) -> None:
        self.sources[self.name(path)] = source
        self.changed = True

    def save(self) -> None:
        """Write it, if there is something new, where Python writes what it compiled, and if that can be."""
        if self.changed and not sys.dont_write_bytecode:
            with contextlib.suppress(OSError), atomic_path(self.path) as temporary:
                temporary.write_text(json.dumps({"key": self.key, "sources": self.sources}), encoding="utf-8")
        self.changed = False


memory = functools.cache(Memory)


def plain(node: object) -> str:
    """A syntax tree as text, without docstrings and places.

    `ast.dump` would do, but prints the same tree otherwise from one version of Python to the next: a field that is
    empty, as those that a version adds are in older code, is left out here.
    """
    if isinstance(node, list):
        return f"[{','.join(map(plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name in node._fields:
        value: Any = getattr(node, name, None)
        if name == "body" and isinstance(node, SCOPES) and ast.get_docstring(node, clean=False) is not None:
            value = value[1:]
        if value is not None and value != []:
            fields.append(f"{name}={plain(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def drop_stale_kernels(folder: Path = SCRIPTS) -> None:
    """Remove what numba compiled before the last edit of any module that uses numba.

    By itself numba compares its result with the file of a function, and not with those of the functions that it calls.
    """
    kernels = list(folder.rglob("__pycache__/*.nbc"))
    modules = [path for path in folder.rglob("*.py") if b"numba" in path.read_bytes()] if kernels else []
    edited = max((path.stat().st_mtime for path in modules), default=0.0)
    for kernel in kernels:
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            if kernel.stat().st_mtime < edited:
                kernel.unlink()
