"""Markdown as our commands write it, taken apart so that a template can show the same page as HTML.

Only what they write is understood: headings, paragraphs, lists of lines, tables, and within a line code, emphasis and
links.
"""

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

# On text that is escaped; code first, whose stars and brackets are what they are. A link leads to a file or a page.
INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>.+?)\*\*|\*(?P<em>[^*\s][^*]*)\*"
    r"|\[(?P<a>[^]]+)\]\((?P<to>(?:https?:)?[^):\s]+)\)"
)


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, a list or a table.

    Attributes:
        kind: "h1" to "h3", "p", "ul" or "table".
        lines: the text; of a list one line an item.
        rows: cells of a table, its header first.
    """

    kind: str
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def blocks(page: str) -> list[Block]:
    """The parts of a page, which empty lines part."""
    return [block_of(text.split("\n")) for text in re.split(r"\n\n+", page.strip("\n"))]


def block_of(lines: list[str]) -> Block:
    if heading := re.fullmatch(r"(#{1,3}) (.+)", lines[0]):
        return Block(f"h{len(heading[1])}", (heading[2],))
    if lines[0].startswith("| "):
        rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]
        return Block("table", rows=(rows[0], *rows[2:]))
    if lines[0].startswith("- "):
        return Block("ul", tuple(line.removeprefix("- ") for line in lines))
    return Block("p", tuple(lines))


def inline(text: str) -> Markup:
    """A line as HTML: what has no meaning here stays text, whatever it would mean in HTML."""

    def tag(found: re.Match) -> str:
        if found["to"]:
            return f'<a href="{found["to"]}">{found["a"]}</a>'
        kind = str(found.lastgroup)
        return f"<{kind}>{found[kind]}</{kind}>"

    return Markup(INLINE.sub(tag, str(escape(text))))
