"""A number on a page has a source: each page is what its template makes, and no prose has a number typed by hand."""

import re
from fnmatch import fnmatch

import pytest

from benchmarks import gpu_page, speed_page
from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.pages import render
from workflow.scripts.pages.render import TEMPLATES
from workflow.scripts.pages.sources import constant, sources
from workflow.scripts.write_pages import FOLDER, pages

OURS = TEMPLATES / FOLDER
PAGES = sorted(path.relative_to(OURS).with_suffix("").as_posix() for path in OURS.rglob("*.j2"))

# Pages that other rules write whole, and the list of changes, whose numbers were true of their day.
OTHERS = (
    "CHANGELOG.md", "benchmarks/README.md", "docs/*-study/*", "docs/*captions/*", "docs/checker.md",
    "docs/data-statement.md", "docs/laws.md", "docs/original-study.md", "docs/speed.md",
)  # fmt: skip
FOLDERS = ("*.md", "docs/**/*.md", "*/README.md")
ALL = {path.relative_to(ROOT).as_posix() for pattern in FOLDERS for path in ROOT.glob(pattern)}
BY_HAND = sorted(page for page in ALL - {*PAGES} if not any(fnmatch(page, other) for other in (*OTHERS, ".*")))

# What is no prose: what a template computes, comments, code, pictures, addresses, headings.
NO_PROSE = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<!--.*?-->|^(?P<fence>```|~~~).*?^(?P=fence)$|`[^`]+`|!\[[^]]*\]\([^)]*\)"
    r"|(?<=\])\((?:[^()]|\([^()]*\))*\)|<https?:[^>]*>|^#+ .*?$",
    re.DOTALL | re.MULTILINE,
)
# Digits that are no measured number and no setting: names, versions, dates, citations, places in a text, notation.
NAMES = (
    r"abc2midi|abc2svg|midi2abc|abcm2ps|music21|bfloat16|float32|TF32|H100|AVX-?512|UTF-(?:8|16|32)|MD5|SHA-256|F1",
    r"ISO 8859-2|Windows-125\d|code page 850|Latin-1|GNU General Public License 2|CC0 1\.0",
    r"(?:ABC|Python|SLURM|plugin)\s+\d+(?:\.\d+)+(?:,\s+\d+(?:\.\d+)+)?",
    r"\d-D|95%|\d+(?:st|nds?|rds?|ths?)",
    r"(?:sections?|chapters?|method|approaches|equations?|table|formula|appendix) (?:[A-Z]\.)?\d[\d.]*"
    r"(?: (?:and|to) \d[\d.]*)?",
    r"\d{4}-\d\d-\d\d",
    r"(?:[^\W\d_a-z][^\W\d_]+(?:'s)?|et al\.|[(,]) ?\(?(?:1[789]|20)\d\d(?:–\d{4})?(?! \w+s\b)\b",
)
NAME = re.compile("|".join([*(rf"(?<![\w.])(?:{name})(?![\w])" for name in NAMES), r"^ *\d+\. "]), re.MULTILINE)
# Findings in words.
TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?"
WORDS = re.compile(
    r"\b(?:twice as \w+|(?:two|three|four|five|ten|several|many) times as \w+|half of (?:the|all|what)"
    rf"|(?:half an|quarter of an|about an) hour|(?:some|few|five|ten|{TENS}) (?:minutes|hours)"
    rf"|\w+ in (?:ten|twenty|a hundred|a thousand)|(?:{TENS})(?: of)? [a-z]+)\b"
)
# A template's expression that is but a number, or a text with one, has no source either.
TYPED = re.compile(r"\{\{-?\s*[\"']?[-+\d.,%\s]+[\"']?\s*-?\}\}")


def without_source(text: str) -> list[str]:
    """Numbers in the prose of a template or page, each with what stands around it."""
    prose = NAME.sub("", NO_PROSE.sub("", text))
    found = [*re.finditer(r"[^\s|]*\d[^\s|]*", prose), *WORDS.finditer(prose)]
    around = [" ".join(prose[max(0, at.start() - 30) : at.end() + 30].split()) for at in found]
    return [*TYPED.findall(text), *around]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages(ROOT)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_its_template_makes(page, written):
    assert (ROOT / page).read_text(encoding="utf-8") == written[page], "python -m workflow.scripts.write_pages"


@pytest.mark.parametrize("page", PAGES)
def test_a_template_has_no_number_without_a_source(page):
    assert without_source((OURS / f"{page}.j2").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", BY_HAND)
def test_a_page_written_by_hand_has_no_number(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == "docs/references.md":  # of a reference what we say of it, after its title, year and pages
        text = "\n".join(re.findall(r"\bIn `[^*]*", text))
    assert without_source(text) == []


def test_the_prose_beside_tables_of_speed_has_no_number():
    on_cpu = speed_page.HEAD, speed_page.TRIED, speed_page.AGREE, speed_page.LIMIT, speed_page.WAITING
    for part in (*on_cpu, gpu_page.HEAD, gpu_page.GOALS, gpu_page.ROWS):
        assert without_source(part) == []


@pytest.mark.parametrize(
    "planted",
    [
        "It takes 9 minutes.", "Some 4,268 pop and rock files.", "73% of the text", "| yes | 0.85 |", "up to 6.5 M",
        "refitted from 240 published runs", "Besiroglu et al. 2024 fitted 240 runs", "in 2048 tokens", "x10 as fast",
        "{{ value('a.json', 'b') }} of 17 files", "{{ 512 }} tunes", "{{ '9.5%' }}", "some thirty definitions",
        "one tune in ten fails", "it is twice as fast", "three times as many",
        "half of the tunes", "a quarter of an hour", "about ten minutes",
    ],
)  # fmt: skip
def test_a_planted_number_is_found(planted):
    assert without_source(f"# 7 things\n\nA line of `2` codes.\n\n{planted}\n") != []


@pytest.mark.parametrize(
    "kind",
    [
        "ABC 2.1, 2.2.2 and Python 3.11", "abc2midi, music21, bfloat16", "a 95% interval", "on 2026-11-29",
        "a 32nd, 16ths", "Li and König 2010; (Holm 1979)", "(formula 7.1.26), equations 5 to 10", "## 3 heads",
        "1. first\n2. second", "`--cores 2` and\n\n```bash\nrun --cores 16\n```\n", "{{ config('min_notes') }} notes",
        "[docs](a-2.md#3), ![picture of 3](3.png) <!-- 4 -->",
    ],
)  # fmt: skip
def test_what_is_no_number_of_ours_is_passed_by(kind):
    assert without_source(kind) == []


def test_a_source_that_is_not_there_is_one_sentence(tmp_path):
    (tmp_path / "config.yaml").write_text("min_notes: 8\nmodels: {a: {n_embd: 24}}", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("min_notes: 9", encoding="utf-8")
    (tmp_path / "a.json").write_text('{"rows": [{"n": 1234}]}', encoding="utf-8")
    (tmp_path / "runs.csv").write_text("model,seed,loss\na,0,1.25\na,1,1.5\n", encoding="utf-8")
    get = sources(tmp_path)
    assert get["value"]("a.json", "rows.0.n", "{:,}") == "1,234"
    assert get["cell"]("runs.csv", {"model": "a", "seed": 1}, "loss", "{:.2f}") == "1.50"
    assert get["column"]("runs.csv", "loss", model="a") == [1.25, 1.5]
    assert [get["config"]("min_notes"), get["config"]("min_notes", "mine.yaml")] == [8, 9]
    assert get["config"]("models.a.n_embd", "mine.yaml") == 24
    assert constant("corpus/versions.py", "FEATURES.notes.width") == 8
    for call in (
        lambda: get["value"]("b.json", "rows"), lambda: get["value"]("a.json", "rows.1.n"),
        lambda: get["value"]("a.json", "rows.n"), lambda: get["cell"]("runs.csv", {"model": "a"}, "loss"),
        lambda: get["cell"]("runs.csv", {"model": "b"}, "loss"), lambda: get["column"]("runs.csv", "los"),
        lambda: get["column"]("no.csv", "loss"), lambda: get["config"]("max_notes"),
        lambda: constant("corpus/versions.py", "NOTHING"), lambda: constant("corpus/nothing.py", "N"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            call()


def test_the_template_is_named_in_what_is_wrong(tmp_path, monkeypatch):
    (tmp_path / "wrong.md.j2").write_text("{{ config('no_such_key') }}", encoding="utf-8")
    monkeypatch.setattr(render, "TEMPLATES", tmp_path)
    render.environment.cache_clear()
    try:
        with pytest.raises(InputError, match=r"wrong\.md\.j2.*no_such_key"):
            render.render_text("wrong.md.j2", **sources(ROOT))
        with pytest.raises(InputError, match=r"wrong\.md\.j2.*config"):
            render.render_text("wrong.md.j2")
    finally:
        render.environment.cache_clear()
