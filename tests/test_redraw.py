"""Figures on record are drawn again from their tables, and each is held against the one on record."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, command
from workflow.scripts.base.errors import InputError
from workflow.scripts.pages.on_record import NEW, SAME, compare
from workflow.scripts.redraw import FOLDERS, jobs_of

MODERN = ROOT / "docs/modern-study"


def paint(png: Path, width: int, height: int) -> None:
    """Another colour for so many pixels in the corner."""
    pixels = np.array(Image.open(png).convert("RGB"))
    pixels[:height, :width] ^= 255
    Image.fromarray(pixels).save(png)


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three studies on record drawn again: one as it is, one whose tables give other figures, one unreadable."""
    root = tmp_path_factory.mktemp("a root")
    shutil.copytree(MODERN, root / "docs/modern-study")
    other, broken = root / "results/reference/lakh", root / "docs/broken-study"
    for folder in (other, broken):
        folder.mkdir(parents=True)
        for name in ("runs.csv", "fit.json", "baselines.csv", "scaling_plot.png"):
            shutil.copy(MODERN / name, folder)
    (broken / "fit.json").write_text("{")
    paint(other / "scaling_plot.png", 20, 10)
    (other / "captions").mkdir()
    (other / "captions/scaling_plot.md").write_text("Something else.")
    shutil.copy(other / "scaling_plot.png", other / "splits.png")
    (root / "results/reference/models").mkdir()
    before = files(root)
    return root, before, command("redraw", "--jobs", 2, cwd=root)


def test_a_figure_is_the_one_on_record_byte_for_byte(drawn):
    root, _, done = drawn
    assert f"docs/modern-study: 1 {SAME}; 3 {NEW}\n" in done.stdout
    again = root / "results/recorded/modern-study/scaling_plot.png"
    assert again.read_bytes() == (MODERN / "scaling_plot.png").read_bytes()
    assert again.with_suffix(".pdf").exists()


def test_what_cannot_be_drawn_is_told_and_the_rest_is_drawn(drawn):
    _, _, done = drawn
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "docs/broken-study could not be drawn: docs/broken-study/fit.json is not readable as JSON" in done.stderr
    assert "nothing drew results/reference/lakh/splits.png" in done.stderr
    assert f"1 {SAME}; 1 otherwise; 5 {NEW}; 1 with another caption (Python " in done.stdout


def test_the_page_shows_each_with_what_differs(drawn):
    root, _, _ = drawn
    page = (root / "results/recorded/index.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 7
    size = Image.open(MODERN / "scaling_plot.png").size
    assert f"{200 / (size[0] * size[1]):.2%} of pixels differ</span>, <span" in page
    assert page.count("with another caption</span>") == 1
    assert page.count('class="bad"') == 2


def test_nothing_on_record_is_changed(drawn):
    root, before, _ = drawn
    after = files(root)
    assert before == {name: after[name] for name in before}
    assert {name.parts[:2] for name in after.keys() - before.keys()} == {("results", "recorded")}


def test_pictures_are_compared_by_their_pixels(tmp_path):
    paths = [tmp_path / name / "a.png" for name in ("now", "then")]
    for path in paths:
        path.parent.mkdir()
        Image.new("RGB", (100, 50)).save(path)
    now, then = paths
    assert compare(now, then.parent).picture == SAME
    paint(then, 10, 5)
    assert compare(now, then.parent).picture == "1.00% of pixels differ"
    Image.new("RGB", (100, 51)).save(then)
    assert compare(now, then.parent).picture == "another size"
    assert compare(now, tmp_path).picture == NEW


def test_all_pictures_in_git_are_among_what_is_drawn_again(monkeypatch, tmp_path):
    """By their folders: that each is drawn, the command itself makes sure of, and .ci/run asks for."""
    monkeypatch.chdir(ROOT)
    git = subprocess.run(["git", "ls-files", "*.png"], capture_output=True, text=True)
    if git.returncode:
        pytest.skip("needs a clone")
    jobs = jobs_of(FOLDERS, tmp_path)
    assert {str(Path(name).parent) for name in git.stdout.split()} == {str(job.recorded) for job in jobs}
    [reference] = [job for job in jobs if job.tables.name == "reference-study"]
    assert [words[0] for words in reference.commands] == ["plot_scaling", "plot_corpus", "write_reference"]


@pytest.mark.parametrize("output", ["docs", "docs/../docs/.", "results/reference"])
def test_it_does_not_draw_over_what_is_on_record(output, tmp_path, monkeypatch):
    for folder in FOLDERS:
        shutil.copytree(MODERN, tmp_path / folder / f"{folder[:4]}-study")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="would draw over what is on record in"):
        jobs_of(FOLDERS, Path(output))


def test_nothing_on_record_is_one_sentence(tmp_path):
    done = command("redraw", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: no study is on record in docs or results/reference\n")
