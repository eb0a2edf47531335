"""The figure of a registered forecast, before its runs are measured and after."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from tests.forecasts.tables import chinchilla, runs_of
from workflow.scripts.figures.forecast import NOT_YET, draw
from workflow.scripts.figures.save import Picture
from workflow.scripts.findings.crossings import best_loss
from workflow.scripts.findings.headline import Headline, Told, headline, sentence

LAW = {"E": 0.6, "A": 30, "B": 60, "alpha": 0.35, "beta": 0.3}
MADE = "2030-01-02"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def target(arch: str, n: float, error: float | None = None, inside: bool | None = None, half: float = 0.04) -> Told:
    """A forecast at 2e8 tokens, by the law `LAW`, which an error above ``half`` puts outside."""
    d = 2e8
    loss = float(chinchilla(np.array(n), np.array(d))) * (1.1 if arch == "lstm_muon" else 1.0)
    observed = None if error is None else loss / (1 + error)
    return Told(f"{arch}_{n:.0f}", arch, round(n), round(d), round(6 * n * d), 30.0, "chinchilla", loss,
                (loss * (1 - half), loss * (1 + half)), observed, error, inside)  # fmt: skip


def study(*targets: Told) -> tuple[pd.DataFrame, dict, Headline]:
    """The runs of two architectures, fit.json's groups, and the forecasts."""
    table = pd.concat(
        [
            runs_of(chinchilla).assign(arch="modern"),
            runs_of(lambda n, d: 1.1 * chinchilla(n, d)).assign(arch="lstm_muon"),
        ]
    )
    more = {name: 1.1 * LAW[name] if name in "EAB" else LAW[name] for name in LAW}
    groups = {"modern": {"chinchilla": LAW}, "lstm_muon": {"chinchilla": more}}
    ordered = sorted(targets, key=lambda one: (one.flops, one.arch))
    return table, groups, Headline(ordered, MADE, "0123456", 1)


ALL = [target("modern", 5e6, 0.003, True), target("modern", 2e7, -0.012, True),
       target("lstm_muon", 5e6, -0.002, True), target("lstm_muon", 2e7, 0.15, False)]  # fmt: skip


def words_of(shown: Picture) -> str:
    """What is written in the figure, and under it."""
    drawn = " ".join(" ".join(text.get_text().split()) for text in shown.figure.findobj(Text))
    return f"{drawn} {shown.caption}"


def stars(ax) -> list:
    return [line for line in ax.lines if line.get_marker() == "*"]


def test_before_its_runs_a_forecast_is_said_to_be_one():
    fig = draw(*study(*(one._replace(observed=None, error=None, inside=None) for one in ALL)))
    said = words_of(fig)
    assert f"Forecasts registered {MADE}; the runs come next" in said
    assert f"forecast registered {MADE} commit 0123456" in said
    assert said.count(NOT_YET) == 4
    assert stars(fig.figure.axes[0]) == []
    assert "outcome" not in said


def test_outcomes_are_stars_at_their_losses_with_their_errors():
    fig = draw(*study(*ALL))
    (ax,) = fig.figure.axes
    assert sorted(line.get_ydata()[0] for line in stars(ax)) == pytest.approx(sorted(one.observed for one in ALL))
    said = words_of(fig)
    for words in ("+0.3%", "-1.2%", "-0.2%", "+15.0% (outside)"):
        assert said.count(words) == 1
    assert NOT_YET not in said
    every = "Registered forecasts at 30 times the compute: off by at most 15.0%"
    assert f"{every}, 3 of 4 inside their 95% intervals" in said
    assert f"{every} (LSTM) and at most 1.2% (Transformer), 3 of 4 inside their 95%" in sentence(study(*ALL)[2])


def test_intervals_are_drawn_at_their_ends_and_lines_are_the_laws():
    table, groups, head = study(*ALL)
    (ax,) = draw(table, groups, head).figure.axes
    ends = {round(line.get_ydata()[0], 9) for line in ax.lines if line.get_marker() == "_"}
    assert ends == {round(end, 9) for one in ALL for end in one.pi95}
    long = [line for line in ax.lines if len(line.get_xdata()) == 200]
    assert len(long) == 2
    for line, arch in zip(long, ("lstm_muon", "modern"), strict=True):
        expected = best_loss(groups[arch]["chinchilla"], table[table["arch"] == arch], line.get_xdata())
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert line.get_xdata()[-1] > max(one.flops for one in ALL)


def test_an_open_end_is_an_arrow():
    one = target("modern", 5e6)._replace(pi95=(None, 1.2))
    (ax,) = draw(*study(one)).figure.axes
    assert [line.get_marker() for line in ax.lines if line.get_marker() in ("v", "^")] == ["v"]


@pytest.mark.parametrize(
    ("at", "ends", "drawn"),
    [(3e14, [1e14, 2e15], "||"), (3e14, [None, None], "<>"), (1e30, [1e29, None], ""), (None, None, "")],
)
def test_a_crossing_is_drawn_if_it_is_inside_the_picture(at, ends, drawn):
    fig = draw(*study(*ALL), {"at": at, "ci95": ends})
    black = [line.get_marker() for line in fig.figure.axes[0].lines if line.get_color() == "black"]
    assert "".join(marker for marker in black if marker in "|<>") == drawn
    assert ("where the lines cross" in words_of(fig)) == bool(drawn)


def test_without_its_law_in_the_fit_a_line_goes_through_the_forecasts():
    table, _, head = study(*ALL)
    fig = draw(table, {}, head)
    assert "lowest loss" not in words_of(fig)
    dotted = [line for line in fig.figure.axes[0].lines if line.get_linestyle() == ":"]
    assert sorted(len(line.get_xdata()) for line in dotted) == [2, 2]


def test_the_first_of_two_forecasts_is_pale_beside_the_last():
    table, groups, head = study(*ALL)
    last = head.targets[-1]
    first = last._replace(loss=1.3 * last.observed, error=0.3, inside=False, pi95=(1.2 * last.observed, None))
    fig = draw(table, groups, head._replace(first=[first]))
    (ax,) = fig.figure.axes
    pale = [line for line in ax.lines if line.get_marker() == "D" and not isinstance(line.get_color(), str)]
    assert [line.get_ydata()[0] for line in pale] == [first.loss]
    said = words_of(fig)
    assert "+30.0% (outside) → -1.2%" in said
    assert "Pale: the first forecast" in said
    assert "; again from more runs, at 30 times: " in said


def test_levels_of_ngrams_are_drawn_and_told():
    level = ALL[0].loss
    ngrams = pd.DataFrame({"order": [8], "training_chars": 10**6, "loss": level, "perplexity": 2.0})
    shown = draw(*study(*ALL), ngrams=ngrams)
    (ax,) = shown.figure.axes
    assert "8-gram" in [text.get_text() for text in ax.texts]
    assert [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]] == [level]
    assert f"8-gram {level:.3f} (2.00)" in shown.caption


def test_without_a_registration_the_runs_alone_are_drawn():
    table, groups, _ = study()
    fig = draw(table, groups, Headline([], "", "", 0))
    assert "No forecast is registered" in words_of(fig)
    assert "commit" not in words_of(fig)


def test_all_that_is_written_is_inside_the_picture_and_apart():
    for targets in (ALL, ALL[:1], [one._replace(observed=None, error=None, inside=None) for one in ALL], []):
        fig, _ = draw(*study(*targets))
        fig.canvas.draw()
        (ax,) = fig.axes
        for artist in (ax, *fig.legends, *fig.texts, *ax.texts):
            box = artist.get_tightbbox() if hasattr(artist, "get_tightbbox") else artist.get_window_extent()
            box = box.transformed(fig.transFigure.inverted())
            assert min(box.x0, box.y0) > 0
            assert max(box.x1, box.y1) < 1
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def registration(model: str, **other) -> dict:
    one = {"model": model, "arch": "modern", "params": 10, "tokens": 20, "flops": 1200, "times_flops": 31.6,
           "after_outcome": False, "told": "kaplan", "loss": 1.0, "pi95": [0.9, 1.1], **other}  # fmt: skip
    return {"made": "2030-01-02T03:04:05+00:00", "commit": "a" * 40, "reason": "", "targets": [one]}


def test_the_last_forecast_before_an_outcome_counts():
    document = {
        "registrations": [registration("a"), registration("a", loss=1.5), registration("a", after_outcome=True)]
    }
    head = headline(document, None)
    assert [one.loss for one in head.targets] == [1.5]
    assert [one.loss for one in head.first] == [one.loss for one in head.earliest] == [1.0]
    assert (head.made, head.commit, head.registrations) == (MADE, "aaaaaaa", 3)
    known = {"observed": 1.4, "error": 0.1, "inside": False}
    scored = [{"targets": [one["targets"][0] | known]} for one in document["registrations"]]
    head = headline(document, {"commit": "b" * 40, "registrations": scored})
    assert head.commit == "bbbbbbb"
    assert sentence(head) == (
        "Registered forecasts at 32 times the compute: off by +10.0% (Transformer), outside its 95% interval; again"
        " from more runs, at 32 times: +10.0% (Transformer), outside its 95% interval"
    )
    only_after = headline({"registrations": document["registrations"][2:]}, None)
    assert sentence(only_after) == "No forecast was registered before its runs were trained"
