"""A number on a page has a source: each page is what its template makes, and a template has no number typed by hand."""

import re

import pytest

from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.pages.render import TEMPLATES
from workflow.scripts.pages.sources import constant, sources
from workflow.scripts.write_pages import FOLDER, pages

PAGES = sorted(path.relative_to(TEMPLATES / FOLDER).as_posix() for path in (TEMPLATES / FOLDER).rglob("*.j2"))

# What is no prose: what a template computes, comments, code, pictures, addresses, headings.
NO_PROSE = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<!--.*?-->|^(?P<fence>```|~~~).*?^(?P=fence)$|`[^`]+`|!\[[^]]*\]\([^)]*\)"
    r"|(?<=\])\((?:[^()]|\([^()]*\))*\)|<https?:[^>]*>|^#+ .*?$",
    re.DOTALL | re.MULTILINE,
)
# Digits that are no measured number and no setting: names, versions, dates, citations, places in a text, notation.
NAMES = (
    r"abc2midi|abc2svg|midi2abc|abcm2ps|music21|bfloat16|float32|TF32|H100|AVX-?512|UTF-(?:8|16|32)|MD5|SHA-256|F1|R²",
    r"ISO 8859-2|Windows-125\d|code page 850|Latin-1|GNU General Public License 2|CC0 1\.0|RFC \d+|RP-\d+",
    r"(?:ABC|Python|SLURM|plugin)\s+\d+(?:\.\d+)+(?:,\s+\d+(?:\.\d+)+)?",
    r"\d-D|\d-grams?|95%|\d+(?:st|nds?|rds?|ths?)",
    r"(?:sections?|chapters?|equations?|tables?|formula|appendix) (?:[A-Z]\.)?\d+(?:\.\d+)*(?: (?:and|to) \d+(?:\.\d+)*)?",
    r"\d{4}-\d\d-\d\d",
    r"(?:[^\W\d_a-z][^\W\d_]+(?:'s)?|et al\.|Muon|[(,]) ?\(?(?:1[789]|20)\d\d(?! \w+s\b)\b",
)
NAME = re.compile("|".join([*(rf"(?<![\w.])(?:{name})(?![\w])" for name in NAMES), r"^ *\d+\. "]), re.MULTILINE)
# Findings in words.
WORDS = re.compile(
    r"\b(?:(?:twice|thrice|(?:two|three|four|five|ten|several|many) times) as \w+|(?:\w+) in (?:ten|twenty|a hundred|a thousand)|half of (?:the|all|what)"
    r"|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?)(?: of)? [a-z]+)\b"
)


def without_source(text: str) -> list[str]:
    """Numbers in the prose of a template or page, each with what stands around it."""
    prose = NAME.sub("", NO_PROSE.sub("", text))
    numbers = re.finditer(r"[^\s|]*\d[^\s|]*", prose)
    return [" ".join(prose[max(0, at.start() - 30) : at.end() + 30].split()) for at in [*numbers, *WORDS.finditer(prose)]]
