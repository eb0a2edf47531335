"""The page from a table to a forecast is what its command writes of the recorded fit."""

from tests.conftest import ROOT
from workflow.scripts.write_laws_page import main

DOCS = ROOT / "docs"


def test_the_recorded_page_is_what_the_command_writes(tmp_path):
    caption = str(DOCS / "laws/captions/forecast.md")
    main(["--fit", str(DOCS / "laws/fit.json"), "--caption", caption, "--output", str(tmp_path / "laws.md")])
    page = (tmp_path / "laws.md").read_text(encoding="utf-8")
    assert page == (DOCS / "laws.md").read_text(encoding="utf-8")
    assert "forecast: GPT, N = 1M, D = 8M: loss " in page
