"""Which files of this package a command runs, read from the imports."""

import ast
import functools
from pathlib import Path

SCRIPTS = Path(__file__).parent


def code_files(*modules: str) -> list[str]:
    """Files of this package that a command runs: the modules named and all that they import from it.

    Declared as a job's input, so that editing a module reruns the jobs that run it and no others.
    """
    found: dict[str, Path] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        path = SCRIPTS / f"{name}.py"
        if not path.exists():
            path = SCRIPTS / name / "__init__.py"
        found[name] = path
        queue += imports_of(path)
    return sorted(map(str, found.values()))


@functools.cache
def imports_of(path: Path) -> list[str]:
    """Modules of this package that a file imports, anywhere in it, as ``a`` or ``a/b``."""
    package = "workflow.scripts"
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not f"{node.module}.".startswith(f"{package}."):
            continue
        parent = node.module.removeprefix(package).lstrip(".").replace(".", "/")
        if parent:
            names.append(parent)
        inside = [f"{parent}/{alias.name}".lstrip("/") for alias in node.names]  # a module, or a name in one
        names += [name for name in inside if (SCRIPTS / f"{name}.py").exists() or (SCRIPTS / name).is_dir()]
    return names
