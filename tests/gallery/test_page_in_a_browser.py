"""The gallery in a real browser, from disk: it engraves and plays, no request leaves it, and no model's text runs."""

import re
import shutil

import pytest

from workflow.scripts.base.uncertainty import rate_of
from workflow.scripts.gallery.abcjs import install
from workflow.scripts.gallery.page import gallery

playwright = pytest.importorskip("playwright.sync_api", reason="needs requirements-browser.txt")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs Chromium")
# Every sound of the page goes by here on its way out.
LISTEN = """
window.loudest = 0;
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof AudioDestinationNode) {
    const ear = new AnalyserNode(this.context), heard = new Float32Array(ear.fftSize);
    connect.call(this, ear);
    setInterval(() => {
      ear.getFloatTimeDomainData(heard);
      window.loudest = Math.max(window.loudest, ...heard.map(Math.abs));
    }, 20);
  }
  return connect.call(this, to, ...more);
};
"""


@pytest.fixture(scope="module")
def page_file(npm, tmp_path_factory, writers):
    folder = tmp_path_factory.mktemp("gallery")
    install(folder)
    path = folder / "index.html"
    abcjs = (folder / "abcjs-basic-min.js").read_text(encoding="utf-8")
    path.write_text(gallery(writers, ["GPT is alone."], "test", abcjs), encoding="utf-8")
    assert path.stat().st_size < 2e6
    return path


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        yield started.chromium.launch(executable_path=BROWSER, args=flags)


@pytest.fixture
def page(browser, page_file):
    """The page at a phone's width, and what it must not do: ask for anything, or complain."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(LISTEN)
    page.goto(page_file.as_uri())
    page.wait_for_selector(".score svg")
    yield page
    assert {url.partition(":")[0] for url in asked} <= {"file", "blob"}
    assert {url for url in asked if url.startswith("file")} == {page_file.as_uri()}
    assert complaints == []
    page.close()


def wait_for_sound(page) -> None:
    for _ in range(100):
        if page.evaluate("window.loudest") > 0.02:
            return
        page.wait_for_timeout(50)
    raise AssertionError("nothing was heard")


def test_scores_are_engraved_when_they_come_near(page):
    cards, engraved = page.locator(".score").count(), page.locator(".score svg").count()
    assert 0 < engraved < cards
    assert page.locator(".score svg .abcjs-note").count() >= 8
    page.locator("#answers .card").last.scroll_into_view_if_needed()
    page.wait_for_selector("#answers .card:last-child .score svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_tune_sounds_shows_where_it_is_and_stops(page):
    page.click("#next")  # the first tune is the hostile one
    page.click("#first .card >> nth=0 >> .play")
    page.wait_for_selector("#first .sounding")
    wait_for_sound(page)
    page.keyboard.press("Escape")
    assert page.locator(".sounding, .playing").count() == 0


def test_the_slider_changes_the_model(page):
    def heard():
        return page.locator("#answers .card").get_attribute("data-writer"), page.inner_text("#size-words")

    assert heard() == ("gpt_small", "Transformer, 1k parameters")
    page.focus("#size")
    page.keyboard.press("ArrowRight")
    assert heard() == ("gpt_large", "Transformer, 2k parameters")
    assert page.get_attribute("#size", "aria-valuetext") == "Transformer, 2k parameters"
    assert page.inner_text("#prompt-text") == "X:1\nM:2/4\nL:1/8\nK:D\n"


def test_an_address_leads_to_a_tune(page):
    page.evaluate("location.hash = '#gpt_large/3'")
    page.wait_for_selector("#groups .card[data-writer=gpt_large][data-index='3']:focus")
    assert page.input_value("#which") == "3"
    assert "An Air" in page.inner_text("#groups .card:focus .score")


def test_faults_are_underlined(page):
    page.locator("#groups .card[data-writer=gpt_small] summary").click()
    marks = page.locator("#groups .card[data-writer=gpt_small] pre mark")
    assert marks.all_inner_texts() == ["GB AFA", "}"]
    assert "too long" in marks.nth(0).get_attribute("title")
    page.click("#groups .card[data-writer=gpt_small] .faults button >> nth=1")
    assert page.inner_text("#groups .card[data-writer=gpt_small] mark.chosen") == "}"
    assert page.locator("#groups .card[data-writer=gpt_small] li.bad").all_inner_texts() == ["grammar", "bars"]
    assert (
        "A copy: its notes are 90% like those of book.abc, line 7"
        in page.locator("#groups .card[data-writer=ngram4]").inner_text()
    )


@pytest.mark.parametrize(("kind", "begins"), [("ABC", b"X:1\nT:<script>"), ("MIDI", b"MThd")])
def test_a_tune_can_be_kept(page, kind, begins):
    with page.expect_download() as kept:
        page.click(f"#first .card >> nth=0 >> button[aria-label$='as {kind}']")
    with open(kept.value.path(), "rb") as file:
        assert file.read().startswith(begins)
    assert re.fullmatch(r"gpt_large-001\.(abc|mid)", kept.value.suggested_filename)


def test_what_a_model_wrote_does_nothing(page):
    page.locator("#first .card summary").nth(0).click()
    assert "<script>window.harm = 1</script>" in page.inner_text("#first .card pre")
    assert "<script>window.harm = 1</script>" in page.inner_text("#first .card .score")
    assert page.evaluate("window.harm") is None
    assert page.locator("main img, main script, main b, main a[href^='javascript']").count() == 0
    assert page.get_attribute("#first .abcjs-title", "font-size") != "99"
    assert "harm.abc" not in page.inner_text("#first .card .score")


def test_guesses_are_counted_and_kept(page):
    page.click("#start-guessing")
    assert page.locator("#round .score").count() == 0  # nothing to see before the answer
    for _ in range(5):
        page.click("#round .play >> nth=0")
        wait_for_sound(page)
        assert page.locator("#round .choose").nth(0).is_disabled()  # the other is to be heard, too
        page.click("#round .play >> nth=1")
        page.click("#round .choose >> nth=0")
        assert page.locator("#round .card .score").count() == 2
        page.click("#round .another")
    said = page.inner_text("#tally")
    right, low, high = map(int, re.search(r"(\d) of 5 right: \d+%, 95% interval (\d+)% to (\d+)%", said).groups())
    assert (low, high) == tuple(round(100 * end) for end in rate_of(right, 5)["ci95"])
    page.reload()
    assert page.inner_text("#tally") == said
    page.click("#tally button")
    assert page.inner_text("#tally") == ""
