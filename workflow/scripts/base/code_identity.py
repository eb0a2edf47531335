"""Which code a command runs: the files, a digest of what they do, and no compiled kernel older than its source.

Needs the sources of this package, which it reads without importing them.
"""

import ast
import contextlib
import functools
import hashlib
from pathlib import Path, PurePosixPath

SCRIPTS = Path(__file__).parents[1]
PACKAGE = "workflow.scripts"
SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def code_digest(*modules: str, late: bool = False) -> str:
    """Digest of what a command runs: the files of `code_files`.

    It is a job's parameter, so that a change of the code reruns the jobs that run it and no others. Comments,
    docstrings and layout are left out.
    """
    digest = hashlib.sha256()
    for path in code_files(*modules, late=late):
        digest.update(f"{path.relative_to(SCRIPTS).as_posix()} {module_digest(path)}\n".encode())
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
            path = SCRIPTS / f"{name}.py"
            found[name] = path if path.exists() else SCRIPTS / name / "__init__.py"
            queue += imports_of(found[name], late)
            queue += [package.as_posix() for package in PurePosixPath(name).parents]  # up to ".", which is ours
    return sorted(found.values())


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, late: bool) -> list[str]:
    """Modules of this package that a file imports as it is loaded, or also ``late``, as ``a`` or ``a/b``."""
    names = []
    for node in ast.walk(tree_of(path)) if late else tree_of(path).body:
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if not f"{node.module}.".startswith(f"{PACKAGE}."):
            continue
        parent = node.module.removeprefix(PACKAGE).lstrip(".").replace(".", "/")
        if parent:
            names.append(parent)
        inside = [f"{parent}/{alias.name}".lstrip("/") for alias in node.names]  # a module, or a name in one
        names += [name for name in inside if (SCRIPTS / f"{name}.py").exists() or (SCRIPTS / name).is_dir()]
    return names


@functools.cache
def module_digest(path: Path) -> str:
    """Digest of what one file does: without its comments, docstrings and layout."""
    return hashlib.sha256(plain(tree_of(path)).encode()).hexdigest()


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
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, SCOPES) and ast.get_docstring(node, clean=False) is not None:
            value = value[1:]
        if value not in (None, []):
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
