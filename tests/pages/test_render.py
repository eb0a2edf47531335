"""Pages from templates."""

import jinja2
import pytest

from workflow.scripts.pages import render


@pytest.fixture
def template(tmp_path, monkeypatch):
    """Writes a template, which the page template of the project is beside."""
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    render.environment.cache_clear()
    yield lambda text: (tmp_path / "t.html.j2").write_text(text, encoding="utf-8")
    render.environment.cache_clear()


def test_what_is_put_into_a_page_is_text(template):
    template("<p>{{ tune }}</p>")
    assert render.render("t.html.j2", tune='<script>"&') == "<p>&lt;script&gt;&#34;&amp;</p>"


def test_a_name_that_nobody_gives_is_an_error(template):
    template("<p>{{ tune }}</p>")
    with pytest.raises(jinja2.UndefinedError, match="tune"):
        render.render("t.html.j2")


def test_style_sheets_and_scripts_stand_as_they_are(template, tmp_path):
    (tmp_path / "look.css").write_text("a > b { }", encoding="utf-8")
    template('{{ source("look.css") }}')
    assert render.render("t.html.j2") == "a > b { }"
