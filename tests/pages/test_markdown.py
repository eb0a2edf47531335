"""The pages that our commands write, taken apart for HTML."""

import pytest

from tests.conftest import ROOT
from workflow.scripts.pages.markdown import Block, blocks, inline


def test_a_page_is_its_headings_paragraphs_lists_and_tables():
    page = "# One\n\nA sentence.\n\n- first\n- second\n\n## Two\n\n| a | b |\n| --- | --- |\n| x |  |\n| y | 2 |\n"
    assert blocks(page) == [
        Block("h1", ("One",)),
        Block("p", ("A sentence.",)),
        Block("ul", ("first", "second")),
        Block("h2", ("Two",)),
        Block("table", rows=(("a", "b"), ("x", ""), ("y", "2"))),
    ]


@pytest.mark.parametrize("study", ["default", "modern"])
def test_no_cell_of_a_summary_is_lost(study):
    page = (ROOT / f"docs/{study}-study/README.md").read_text(encoding="utf-8")
    tables = [block.rows for block in blocks(page) if block.kind == "table"]
    assert len(tables) > 4
    assert sum(map(len, tables)) == sum(line.startswith("|") for line in page.splitlines()) - len(tables)
    assert all(len({len(row) for row in rows}) == 1 for rows in tables)


def test_signs_within_a_line_become_tags_and_all_else_stays_text():
    assert inline("`a*b*` *real* **bold** [x](y.md) [x](javascript:y) A*B <i>") == (
        '<code>a*b*</code> <em>real</em> <strong>bold</strong> <a href="y.md">x</a> [x](javascript:y) A*B &lt;i&gt;'
    )
