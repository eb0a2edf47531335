"""Every figure in a column and on a page: all text can be read, lies inside the figure, and on no other text."""

from collections.abc import Callable, Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from tests.conftest import ROOT
from workflow.scripts import plot_scaling
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.corpus_figure.draw import draw, look
from workflow.scripts.figures import ablations, original, transfer
from workflow.scripts.figures import save as saved
from workflow.scripts.figures.look import even_shades
from workflow.scripts.figures.surface import surface
from workflow.scripts.findings import original_runs
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.tables.table import read_table

SMALLEST = 6.0  # points
DEFAULT, REFERENCE = (ROOT / "docs" / f"{name}-study" for name in ("default", "reference"))
FIGURES = ["copying", "loss_compute", "loss_curves", "loss_places", "loss_surface", "lr_transfer", "scaling_plot",
           "split_gap", "validity"]  # fmt: skip
WIDTHS = (3.3, 6.9)  # inches: a column, a page


@pytest.fixture(scope="module", params=WIDTHS)
def pictures(request, tmp_path_factory) -> Iterator[dict[str, saved.Picture]]:
    """What the command draws of the default study, before it is written; in a column also what other studies have."""
    width, drawn = request.param, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plot_scaling, "save", lambda picture, path, note="": drawn.update({path.name: picture}))
        folder = str(tmp_path_factory.mktemp("drawn"))
        plot_scaling.main(["--results_dir", folder, "--tables", str(DEFAULT), "--width", str(width), "--trials"])
    assert sorted(drawn) == FIGURES
    if width == WIDTHS[0]:
        drawn |= of_other_studies(width)
    assert {picture.figure.get_figwidth() for picture in drawn.values()} == {width}
    yield drawn
    for picture in drawn.values():
        saved.plt.close(picture.figure)


def of_other_studies(width: float) -> dict[str, saved.Picture]:
    """Figures of the reference study, with a forecast, later runs, horizons and settings; and of the original one."""
    table, fit = read_table(REFERENCE / "runs.csv")[0], read_fit(REFERENCE / "fit.json")
    later = read_table(REFERENCE / "targets" / "runs.csv")[0]
    trials = read_csv(REFERENCE / "lr_transfer.csv")
    runs = original_runs.read_runs(ROOT / "docs" / "original-study" / "runs.csv")
    return {
        "forecast": plot_scaling.forecast(table, fit["groups"], REFERENCE, width),
        "ablations": ablations.draw(read_json(REFERENCE / "ablations.json"), width),
        "horizons": transfer.draw(trials, read_json(REFERENCE / "lr_transfer.json"), width),
        "later runs": surface(table, fit, width=width, later=later),
        "original": original.picture(runs, original_runs.fit_runs(runs, ROOT), width),
    }


@pytest.fixture(params=[(WIDTHS[0], REFERENCE), (WIDTHS[1], DEFAULT)], ids=str)
def corpus(request) -> Iterator[Figure]:
    """What a corpus is made of, under the settings that it is drawn and saved with."""
    width, tables = request.param
    with matplotlib.rc_context(look(width)):
        fig, _ = draw(read_json(tables / "corpus.json"), width)
        yield fig
        saved.plt.close(fig)


def written(fig: Figure) -> list[tuple[Text, np.ndarray]]:
    """All text that is drawn, with where it is: left, bottom, right and top in points."""
    found: list[Text] = []
    draw = Text.draw

    def note(text: Text, renderer) -> None:
        if text.get_visible() and text.get_text().strip():
            found.append(text)
        draw(text, renderer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", note)
        FigureCanvasAgg(fig).draw()
    boxes = [Text.get_window_extent(text).extents * 72 / fig.dpi for text in found]  # of a note without its arrow
    return list(zip(found, boxes, strict=True))


def each(pictures: dict, check: Callable[[Figure], list]) -> dict:
    """What a check finds wrong, by figure."""
    wrong = {name: check(picture.figure) for name, picture in pictures.items()}
    return {name: found for name, found in wrong.items() if found}


def unreadable(fig: Figure) -> list:
    """Text that is too small, cut off, or over other text."""
    texts, wrong = written(fig), []
    right, top = fig.get_size_inches() * 72
    for i, (text, (x0, y0, x1, y1)) in enumerate(texts):
        if text.get_fontsize() < SMALLEST - 1e-6 or "^{" in text.get_text():  # an exponent would be smaller
            wrong.append(("small", text.get_text(), text.get_fontsize()))
        if min(x0, y0) < -0.5 or x1 > right + 0.5 or y1 > top + 0.5:
            wrong.append(("cut off", text.get_text()))
        for other, (u0, v0, u1, v1) in texts[:i]:
            if min(x1, u1) - max(x0, u0) > 0.5 and min(y1, v1) - max(y0, v0) > 1.5:  # lines have leading
                wrong.append(("over", text.get_text(), other.get_text()))
    assert len(texts) > 8
    return wrong


def test_text_is_of_six_points_inside_the_figure_and_on_no_other_text(pictures):
    assert each(pictures, unreadable) == {}


def test_so_is_the_text_of_the_figure_of_a_corpus(corpus):
    assert unreadable(corpus) == []


def test_what_cannot_be_read_is_noticed():
    fig, ax = saved.plt.subplots(figsize=(3.3, 2.4))
    for words, place, size in (("one", 0.5, 7), ("two", 0.51, 7), ("three", 1.5, 7), ("four", 0.2, 5)):
        ax.text(place, 0.5, words, fontsize=size)
    assert unreadable(fig) == [("over", "two", "one"), ("cut off", "three"), ("small", "four", 5)]
    saved.plt.close(fig)


def contrast(colour) -> float:
    """Of a colour on white (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (np.dot(linear, (0.2126, 0.7152, 0.0722)) + 0.05)


def test_lines_stand_out_from_paper(pictures):
    """But for those that are faint on purpose, behind others, and for marks that have an edge."""

    def check(fig: Figure) -> list:
        lines = [line for ax in fig.axes for line in ax.lines if line.get_alpha() is None]
        return [line for line in lines if max(map(contrast, (line.get_color(), line.get_markeredgecolor()))) < 3]

    assert min(map(contrast, even_shades(8))) >= 3
    assert each(pictures, check) == {}


def test_what_a_legend_names_is_drawn(pictures):
    """By its mark, or if it has none by its dash, in whatever colour: some entries are of several."""

    def dash(line) -> tuple | None:
        return None if line.get_linestyle() == "None" else line._unscaled_dash_pattern

    def check(fig: Figure) -> list:
        legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes if ax.get_legend())]
        entries = [handle for legend in legends for handle in legend.legend_handles if isinstance(handle, Line2D)]
        lines = [line for ax in fig.axes for line in ax.lines]
        marks, dashes = {line.get_marker() for line in lines}, list(map(dash, lines))
        dashes += [(0, None) for ax in fig.axes for patch in ax.patches if isinstance(patch, StepPatch)]
        return [
            entry.get_label()
            for entry in entries
            if (
                entry.get_marker() not in marks if entry.get_marker() not in ("None", "") else dash(entry) not in dashes
            )
        ]

    assert each(pictures, check) == {}
