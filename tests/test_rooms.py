"""Imports go one way: a room knows only those before it, and what is a command knows all."""

import ast
from pathlib import Path

from tests.conftest import ROOT
from workflow.scripts.base.code_identity import SCRIPTS

ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "pages": {"base"},
    "grammar": set(),
    "notation": set(),
    "machine": {"base"},
    "kernels": {"machine"},
    "midi": {"base", "machine", "notation"},
    "tables": {"base"},
    "laws": {"base", "tables"},
    "forecasts": {"base", "tables", "laws"},
    "findings": {"base", "tables", "laws", "forecasts"},
    "figures": {"base", "tables", "laws", "findings"},
    "corpus_figure": {"base", "figures"},
    "reading": {"base", "machine", "notation"},
    "corpus": {"base", "machine", "midi", "notation", "reading"},
    "models": {"base", "machine", "kernels", "corpus"},
    "evaluation": {"base", "machine", "grammar", "notation", "corpus", "models"},
    "training": {"base", "machine", "notation", "corpus", "models", "evaluation"},
    "carrying": {"base", "corpus", "models", "training"},
    "writing": {"base", "machine", "kernels", "grammar", "notation", "midi", "reading", "corpus", "models"},
    "claims": {"base", "pages", "tables", "laws", "findings"},
    "gallery": {"base", "pages", "grammar", "findings", "writing"},
    "manual": {"base", "machine", "grammar", "writing", "findings", "figures", "evaluation", "training", "tables"},
}


def imported(path: Path) -> set[str]:
    """Rooms and commands that a file imports from, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("workflow.scripts."):
            names += [f"{node.module}.{alias.name}".split(".")[2] for alias in node.names]
    return set(names)


def test_rooms_know_only_those_before_them():
    found = {room: set().union(*map(imported, (SCRIPTS / room).rglob("*.py"))) for room in ALLOWED}
    assert found["training"] > {"base", "evaluation"}
    wrong = {room: rooms - {room} - ALLOWED[room] for room, rooms in found.items()}
    assert {room: rooms for room, rooms in wrong.items() if rooms} == {}


def test_commands_know_no_other_command():
    commands = {path.stem: imported(path) - ALLOWED.keys() for path in SCRIPTS.glob("*.py")}
    assert {name: others for name, others in commands.items() if others} == {
        "study": {"prepare", "study_config"},
        "carry": {"prepare", "study", "study_config", "study_jobs"},
        "study_jobs": {"study", "study_config"},
        "plan": {"study", "study_config"},
        "register": {"study", "study_config"},
        "watch": {"study", "study_config"},
    }


def test_a_room_has_at_most_17_files_and_no_file_more_than_350_lines():
    folders = {path.parent.relative_to(SCRIPTS).as_posix() for path in SCRIPTS.rglob("*.py")}
    assert folders == {".", "models/layers", *ALLOWED}
    for room in ALLOWED:
        assert len({path for path in (SCRIPTS / room).rglob("*.py") if path.name != "__init__.py"}) <= 17
    files = [*SCRIPTS.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert [path for path in files if path.read_text(encoding="utf-8").count("\n") > 350] == []
