"""Each rule of the checker's lists says what it is said to say; the checker says nothing else."""

import ast
import re
from pathlib import Path

import pytest

from tests.notation.conftest import abc_ish
from workflow.scripts import grammar
from workflow.scripts.grammar import rules_of_music, rules_of_text
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.findings import TIERS
from workflow.scripts.grammar.rules_of_text import Rule
from workflow.scripts.manual.examples import judged, rules, says

LISTS = (rules_of_text, rules_of_music)
FILES = sorted(Path(grammar.__path__[0]).glob("*.py"))


def names() -> dict[str, Rule]:
    return {name: value for module in LISTS for name, value in vars(module).items() if isinstance(value, Rule)}


@pytest.mark.parametrize("name", names())
def test_the_wrong_text_is_found_and_the_right_one_is_not(name):
    rule = names()[name]
    wrong, right = judged(rule.wrong, rule), judged(rule.right, rule)
    assert [m for m in wrong.messages if m.tier == rule.tier and says(m.text, rule)]
    assert not [m for m in right.messages if says(m.text, rule)]
    assert right.is_valid
    assert wrong.is_valid == (not wrong.tiers & {"hard", "balance"})


@pytest.mark.parametrize("name", names())
def test_a_rule_has_a_tier_sections_and_a_sentence(name):
    rule = names()[name]
    assert rule.tier in TIERS
    assert re.fullmatch(r"\d+(\.\d+){0,2}(, \d+(\.\d+){0,2})*", rule.section)
    assert re.fullmatch(r"\S.*[.)]", rule.says)
    assert rule.message.count("{}") <= 1
    assert rule.message == rule.message.strip(" .")


def used(path: Path) -> set[str]:
    """Names of rules that a file takes from the lists."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lists, found = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            taken = {alias.asname or alias.name: alias.name for alias in node.names}
            if str(node.module).rpartition(".")[2] in ("rules_of_text", "rules_of_music"):
                found |= set(taken.values())
            lists |= {ours for ours, name in taken.items() if name in ("rules_of_text", "rules_of_music")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in lists:
            found.add(node.attr)
    return found


def test_every_rule_is_used_and_none_is_missing():
    found = set().union(*(used(path) for path in FILES)) - {"Rule"}
    assert found == set(names())
    assert len(list(rules())) == len(found)


def test_nothing_is_said_but_through_a_rule():
    """Messages are made in one place alone, and no call of it has a text of its own."""
    makers = [path.name for path in FILES if re.search(r"\bMessage\(\w", path.read_text(encoding="utf-8"))]
    assert makers == ["findings.py"]
    calls = 0
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "say":
                calls += 1
                assert not isinstance(node.args[1], ast.Constant | ast.JoinedStr), (path.name, node.lineno)
    assert calls > len(names()) / 2


def test_what_is_said_of_noise_is_in_the_lists():
    known, said = list(rules()), set()
    for text in abc_ish(400, seed=19):
        for message in parse(text).messages:
            said |= {rule for rule in known if rule.tier == message.tier and says(message.text, rule)}
            assert any(says(message.text, rule) and rule.tier == message.tier for rule in known), message
    assert len(said) > len(known) / 2
