"""The digest of a command is of all that Python runs of our package when it imports the command, and of no more."""

import json
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import ROOT
from workflow.scripts.base import code_identity

LOADED = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module("workflow.scripts." + name.replace("/", "."))
files = [getattr(module, "__file__", None) for name, module in sys.modules.items()]
print(json.dumps([file for file in files if file]))
"""


def package(folder: Path, **changed: str) -> Path:
    """A package of ours in which `top` imports a module that is two packages deep."""
    files = {
        "__init__": "",
        "top": "from workflow.scripts.a.b.c import x",
        "a/__init__": "from workflow.scripts.seen import y",
        "a/b/__init__": "",
        "a/b/c": "x = 1",
        "a/b/other": "",
        "seen": "y = 2",
        "unseen": "",
    }
    for name, text in {**files, **changed}.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_module_runs_every_package_around_it(tmp_path, monkeypatch):
    monkeypatch.setattr(code_identity, "SCRIPTS", package(tmp_path))
    for named in ("top", "a/b/c"):
        found = {path.relative_to(tmp_path).as_posix() for path in code_identity.code_files(named)} - {"top.py"}
        assert found == {"__init__.py", "a/__init__.py", "a/b/__init__.py", "a/b/c.py", "seen.py"}


@pytest.mark.parametrize(
    ("name", "same"),
    [("__init__", False), ("a/__init__", False), ("a/b/__init__", False), ("seen", False), ("a/b/other", True)],
)
def test_the_digest_changes_with_a_package_that_is_filled(tmp_path, monkeypatch, name, same):
    digests = []
    for folder in (package(tmp_path / "before"), package(tmp_path / "after", **{name: "z = 3"})):
        monkeypatch.setattr(code_identity, "SCRIPTS", folder)
        digests.append(code_identity.code_digest.__wrapped__("top"))  # which otherwise keeps what it found
    assert (digests[0] == digests[1]) == same


ASKED = """
import ast, json, sys
from pathlib import Path
from workflow.scripts.base import code_identity
code_identity.SCRIPTS = Path(sys.argv[1])
sys.dont_write_bytecode = "read-only" in sys.argv
parsed = []
parse = ast.parse
ast.parse = lambda text: parsed.append(text) or parse(text)
print(json.dumps([code_identity.code_digest("top"), len(parsed)]))
"""


def asked(folder: Path, *words: str) -> tuple[str, int]:
    """The digest that a new process finds, and how many files it parsed for it."""
    done = forked.run("-c", ASKED, folder, *words, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


def test_a_file_is_parsed_once_and_again_when_it_changes_and_wherever_it_goes(tmp_path):
    folder = package(tmp_path / "here")
    digest, parsed = asked(folder)
    assert parsed == 6
    assert asked(folder) == (digest, 0)
    another = {"a/b/c": "x = 2", "a/b/other": "other = 1"}
    package(folder, **another)  # and all are written anew
    changed, parsed = asked(folder)
    assert (changed != digest, parsed) == (True, 1)
    package(folder, top="# said\nfrom workflow.scripts.a.b.c import x  # more", **another)
    assert asked(folder) == (changed, 1)
    package(folder, top="from workflow.scripts.a.b.c import x\nfrom workflow.scripts import unseen")
    assert asked(folder)[0] != changed
    package(folder)
    assert asked(folder)[0] == digest
    assert asked(folder.rename(tmp_path / "there")) == (digest, 0)


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"key": 1}', "key", "sources"])
def test_a_memory_that_is_spoilt_or_of_another_version_counts_for_nothing(tmp_path, spoilt):
    digest, _ = asked(package(tmp_path))
    memory = tmp_path / "__pycache__" / "code_identity.json"
    kept = json.loads(memory.read_text())
    if spoilt in kept:
        kept |= {"key": "another"} if spoilt == "key" else {"sources": {name: ["few"] for name in kept["sources"]}}
        spoilt = json.dumps(kept)
    memory.write_text(spoilt)
    assert asked(tmp_path) == (digest, 6)
    assert asked(tmp_path) == (digest, 0)


def test_nothing_is_kept_where_python_keeps_nothing_or_nothing_can_be(tmp_path):
    folder = package(tmp_path)
    digest, _ = asked(folder, "read-only")
    (folder / "__pycache__").write_text("no folder")
    assert asked(folder) == (digest, 6)
    assert (folder / "__pycache__").read_text() == "no folder"


@pytest.mark.parametrize(
    "modules", [["fit_scaling"], ["prepare"], ["collect_runs"], ["train", "models/modern"]], ids=lambda names: names[0]
)
def test_the_files_of_a_command_are_those_that_python_loads(modules):
    done = forked.run("-c", LOADED, *modules, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": ""})
    assert done.returncode == 0, done.stderr
    loaded = {Path(file) for file in json.loads(done.stdout)}
    ours = {path for path in loaded if path.is_relative_to(code_identity.SCRIPTS)}
    assert ours == set(code_identity.code_files(*modules)) != set()
