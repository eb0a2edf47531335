"""The page on the checker says what the checker's lists, the checker itself and the recorded programs say."""

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT, command
from workflow.scripts.manual.checker_page import verdict
from workflow.scripts.manual.disputed import DISPUTED
from workflow.scripts.manual.examples import rules
from workflow.scripts.manual.other_programs import NAMES

DOCS = ROOT / "docs"
PAGE = (DOCS / "checker.md").read_text(encoding="utf-8")
RECORD = json.loads((DOCS / "checker/programs.json").read_text(encoding="utf-8"))


def test_the_recorded_page_is_what_the_rule_writes(tmp_path):
    output = tmp_path / "checker.md"
    done = command("write_checker_page", "--programs", DOCS / "checker/programs.json", "--output", output)
    assert done.returncode == 0, done.stderr
    assert output.read_text(encoding="utf-8") == PAGE


def test_every_message_has_its_tier_rule_and_examples():
    blocks = re.findall(r"^#### .*?(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(list(rules()))
    for block, rule in zip(blocks, rules(), strict=True):
        assert f"\n**{rule.tier}**, ABC 2.1 [{rule.section.split(', ')[0]}][abc]" in block
        assert re.search(r"^Wrong, .*at \d+:\d+:", block, re.MULTILINE)
        assert "\nRight:" in block
        assert "\n".join(rule.right.split("\n")) in block


def test_no_row_of_a_table_is_broken():
    tables = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    assert len(tables) == 3
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


def test_all_programs_are_recorded_and_what_all_take_is_not_refused_outright():
    assert tuple(RECORD["programs"]) == NAMES
    assert {notation.example for notation in DISPUTED} == set(RECORD["errors"])
    taken = [notation for notation in DISPUTED if not any(RECORD["errors"][notation.example].values())]
    assert len(taken) > 5
    assert [notation.name for notation in taken if verdict(notation) == "hard"] == []


def test_a_notation_that_is_not_recorded_is_one_sentence(tmp_path):
    errors = dict(list(RECORD["errors"].items())[1:])
    (tmp_path / "programs.json").write_text(json.dumps({"programs": RECORD["programs"], "errors": errors}))
    done = command("write_checker_page", "--programs", tmp_path / "programs.json", "--output", tmp_path / "p.md")
    assert done.returncode == 1
    assert f"not recorded what programs say of {DISPUTED[0].name}: run compare_programs" in done.stderr
    assert not (tmp_path / "p.md").exists()


def test_the_packages_that_it_names_are_enough(tmp_path):
    named = re.search(r"^pip install (.*)$", PAGE, re.MULTILINE)[1].split()
    others = re.findall(r"^([A-Za-z]\w+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    absent = [{"PyYAML": "yaml"}.get(name, name) for name in others if name not in named]
    assert len(absent) + len(named) == len(others)
    (tmp_path / "a.abc").write_text("X:1\nT:t\nM:4/4\nK:C\nCDEF GABc|]\n")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}));"
        "from workflow.scripts import eval_syntax; eval_syntax.main()"
    )
    line = [sys.executable, "-c", code, "--folder", str(tmp_path), "--steps", "syntax", "rhythm", "--fail_under", "1"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("notation", DISPUTED, ids=lambda notation: notation.name)
def test_a_dispute_has_a_section_and_reasons(notation):
    assert re.fullmatch(r"\d+(\.\d+)*(, \d+(\.\d+)*)*", notation.section)
    assert notation.standard.endswith(".")
    assert notation.why.endswith(".")
