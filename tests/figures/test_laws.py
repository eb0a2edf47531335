"""What the figures of laws draw is what fit.json and the table hold."""

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.figures.laws import NO_SURFACE, flops_per_token, headline, scaling, surface
from workflow.scripts.findings.fit_table import fit_table
from workflow.scripts.laws.estimate import Settings

N, D = np.geomspace(1e5, 1e7, 5), np.geomspace(1e6, 1e8, 4)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    rng = np.random.default_rng(0)
    made = [
        {"arch": arch, "size": f"{arch}{i}", "params": n, "tokens": round(d), "flops": 8 * n * d, "seed": seed,
         "loss_se": 0.01, "loss": (0.5 + 30 * n**-0.3 + scale * d**-0.3) * np.exp(rng.normal(0, 0.003))}
        for arch, scale in (("gpt", 40), ("lstm", 60))
        for i, n in enumerate(N)
        for d in D
        for seed in (0, 1)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("laws") / "table.csv"
    pd.DataFrame(made).to_csv(path, index=False)
    return fit_table(path, form="chinchilla", settings=Settings(draws=25))


def test_the_headline_says_who_is_ahead_and_at_what_budget(fitted):
    assert headline(fitted[1]) == "GPT is ahead at every size (100M training tokens)"


def test_alone_an_architecture_is_headed_by_its_verdict(fitted):
    alone = {"groups": {"gpt": fitted[1]["groups"]["gpt"]}, "comparison": {"said": []}}
    assert headline(alone).startswith("GPT: ")


def test_points_forecast_and_labels_are_those_of_the_fit(fitted):
    table, fit = fitted
    (ax,) = scaling(table, fit).axes
    drawn = [list(line.get_ydata()) for line in ax.lines if list(line.get_xdata()) == list(N)]
    for group in fit["groups"].values():
        points = pd.DataFrame(group["points"])
        assert points["loss"].tolist() in drawn
        forecast = group["forecast"]
        beside = [float(line.get_ydata()[0]) for line in ax.lines if len(line.get_ydata()) == 1]
        assert forecast["power"]["loss"] in beside
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    for arch in ("gpt", "lstm"):
        low, high = fit["groups"][arch]["power"]["ci95"]["alpha"]
        assert any(f"[{low:.3f}, {high:.3f}]" in label and label.startswith(arch.upper()) for label in labels)


def test_bars_are_of_the_test_sets_error(fitted):
    table, fit = fitted
    (ax,) = scaling(table, fit).axes
    bars = [c for c in ax.containers if c.has_yerr and len(c.lines[0].get_xdata()) == len(N)]
    assert len(bars) == 2
    low, high = bars[0].lines[2][0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(2 * 1.96 * 0.01)


def test_the_surface_has_a_line_a_budget_and_the_frontier_inside(fitted):
    table, fit = fitted
    gpt, lstm, key = surface(table, fit).axes
    for ax, arch in ((gpt, "gpt"), (lstm, "lstm")):
        rows = table[(table["arch"] == arch)]
        marks = [line for line in ax.lines if line.get_marker() == "o"]
        assert len(marks) == len(D)
        largest = rows[rows["tokens"] == rows["tokens"].max()].groupby("params")["loss"].mean()
        assert list(marks[-1].get_ydata()) == pytest.approx(largest.tolist())
        black = [line for line in ax.lines if str(line.get_color()) == "black"]
        places = np.concatenate([line.get_xdata() for line in black])
        assert len(places)
        assert N[0] < places.min() <= places.max() < N[-1]
    assert [text.get_text() for text in key.get_legend().get_texts()][:4] == [
        "D = 1M",
        "D = 4.64M",
        "D = 21.5M",
        "D = 100M",
    ]


def test_a_slice_costs_what_the_runs_did(fitted):
    rows = fitted[0][fitted[0]["arch"] == "gpt"]
    assert flops_per_token(rows, np.array([1e5, 3e6])) == pytest.approx([8e5, 24e6])


def test_without_a_law_of_n_and_d_the_figure_says_so(fitted):
    groups = {name: group | {"chinchilla": None} for name, group in fitted[1]["groups"].items()}
    fig = surface(fitted[0], fitted[1] | {"groups": groups})
    assert [text.get_text() for text in fig.texts] == [NO_SURFACE]
