"""What the checker says of a short example, and the list of all that it can say."""

import re
from collections.abc import Iterator

from workflow.scripts.grammar import rhythm, rules_of_music, rules_of_text
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.findings import Text
from workflow.scripts.grammar.rules_of_text import NO_OWN_NOTE, Rule

HEADER = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n"
IS_TUNE = re.compile(r"^[XK]:", re.MULTILINE)


def rules() -> Iterator[Rule]:
    """Everything that the checker may find, in the order of its lists."""
    for module in (rules_of_text, rules_of_music):
        yield from (value for value in vars(module).values() if isinstance(value, Rule))


def tune_of(example: str) -> str:
    """The text that an example is of: itself if it has an X: or a K:, else a tune of which it is the music."""
    return example if IS_TUNE.search(example) else HEADER + example


def judged(example: str, rule: Rule | None = None) -> Text:
    """What the checker finds in an example, its rhythm included; ``rule`` is what the example is of."""
    prompt_chars = len(HEADER) if rule is NO_OWN_NOTE else 0  # only a prompt makes this one possible
    found = parse(tune_of(example), prompt_chars)
    rhythm.judge(found)
    return found


def says(message: str, rule: Rule) -> bool:
    """Whether a message is what a rule says, of whatever was found."""
    before, mark, after = rule.message.replace("{}", "\0", 1).partition("\0")
    before, after = before.format(), after.format()
    return message.startswith(before) and message.endswith(after) if mark else message == before
