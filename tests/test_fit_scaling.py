import json

import numpy as np
import pandas as pd
import pytest

from tests.conftest import command
from workflow.scripts.fit_scaling import compare, fit_group, fit_power, fit_power_irreducible, read_table

N = np.array([1e4, 3e4, 1e5, 3e5, 1e6, 3e6])


def test_a_pure_law_is_found_exactly():
    fit = fit_power(N, 7.5 * N**-0.13)
    assert fit["alpha"] == pytest.approx(0.13, rel=1e-8)
    assert fit["A"] == pytest.approx(7.5, rel=1e-8)
    assert fit["r2"] == pytest.approx(1)


def test_a_law_with_a_floor_is_found():
    fit = fit_power_irreducible(N, 0.6 + 30 * N**-0.4 * np.exp(1e-4 * np.array([1, -1, 1, -1, 1, -1])))
    assert fit["E"] == pytest.approx(0.6, abs=0.005)
    assert fit["alpha"] == pytest.approx(0.4, abs=0.005)
    low, high = fit["ci95"]["E"]
    assert 0.55 < low < 0.6 < high < 0.65


def test_the_line_is_the_textbook_regression():
    from scipy.stats import linregress, t

    loss = 5 * N**-0.1 * np.exp(0.03 * np.array([1, -2, 0.5, 1, -1, 0.5]))
    line, fit = linregress(np.log(N), np.log(loss)), fit_power(N, loss)
    assert fit["alpha"] == pytest.approx(-line.slope)
    half = t.ppf(0.975, 4) * line.stderr
    assert fit["ci95"]["alpha"] == pytest.approx([-line.slope - half, -line.slope + half])
    assert fit["r2"] == pytest.approx(line.rvalue**2)


def test_intervals_cover():
    """400 studies of five sizes with 1% noise: the exponent's 95% interval holds the truth in 92 to 98% of them."""
    rng = np.random.default_rng(0)
    n = np.geomspace(1e4, 2e5, 5)
    intervals = [fit_power(n, 6 * n**-0.12 * np.exp(rng.normal(0, 0.01, 5)))["ci95"]["alpha"] for _ in range(400)]
    assert 0.92 <= np.mean([low <= 0.12 <= high for low, high in intervals]) <= 0.98


def test_the_floors_interval_covers():
    rng = np.random.default_rng(1)
    n = np.geomspace(1e4, 1e6, 5)
    held = []
    for _ in range(60):
        low, high = fit_power_irreducible(n, (0.8 + 20 * n**-0.3) * np.exp(rng.normal(0, 0.01, 5)))["ci95"]["E"]
        held.append(low <= 0.8 <= high)
    assert np.mean(held) >= 0.88


def test_published_tables(shared):
    """The original study's table and its known numbers (log-log alpha 0.126 [0.006, 0.246], E undecided)."""
    group = fit_group(read_table(shared / "law-data" / "seed_table.csv"), "gpt")
    expected = json.loads((shared / "law-data" / "expected_public.json").read_text())["public/seed_table.csv"]
    assert group["power"]["alpha"] == pytest.approx(expected["loglog_5"]["alpha"], abs=2e-5)
    assert group["power"]["ci95"]["alpha"] == pytest.approx(expected["loglog_5"]["ci95_t3"], abs=1e-4)
    assert group["power"]["r2"] == pytest.approx(expected["loglog_5"]["R2"], abs=1e-5)
    floor = expected["power_plus_E_5"]
    assert group["power_irreducible"]["E"] == pytest.approx(floor["E"], abs=2e-4)
    assert group["power_irreducible"]["ci95"]["E"] == pytest.approx(floor["E_profileF95"], abs=5e-4)
    assert any("xxl (0.349) is worse than large (0.322)" in said for said in group["verdict"])
    assert any("not decided" in said for said in group["verdict"])


def table(rows, columns=("arch", "size", "params", "tokens", "loss", "seed")):
    return pd.DataFrame(rows, columns=list(columns))


def test_seeds_do_not_count_as_sizes():
    """Ten seeds of the same three sizes leave one degree of freedom, not 28."""
    rows = [("gpt", n, n, 1000, 5 * n**-0.1 * (1 + 0.001 * seed), seed) for n in (1e4, 1e5, 1e6) for seed in range(10)]
    group = fit_group(table(rows), "gpt")
    assert (group["n_rows"], group["n_sizes"], group["power"]["dof"]) == (30, 3, 1)
    assert group["power_irreducible"] is None
    assert any("Three sizes" in said for said in group["verdict"])


def test_only_the_largest_budget_is_fitted():
    rows = [("gpt", n, n, d, 5 * n**-0.1 * d**-0.2, 0) for n in (1e4, 1e5, 1e6) for d in (1e6, 1e7)]
    group = fit_group(table(rows), "gpt")
    assert group["tokens"] == 10_000_000
    assert group["n_rows"] == 3


def test_architectures_are_compared_at_matched_sizes_only():
    rows = [("gpt", n, n, 1, 5 * n**-0.1, 0) for n in (1e4, 1e5, 1e6)]
    near = [("lstm", n, 1.05 * n, 1, 4 * n**-0.1, 0) for n in (1e4, 1e5, 1e6)]
    far = [("lstm", n, 3 * n, 1, 4 * n**-0.1, 0) for n in (1e4, 1e5, 1e6)]
    gpt = fit_group(table(rows), "gpt")
    said = compare({"gpt": gpt, "lstm": fit_group(table(near), "lstm")})["verdict"]
    assert said == ["LSTM has the lower loss at all 3 matched sizes, by 0.25 to 0.40 nats."]
    assert compare({"gpt": gpt, "lstm": fit_group(table(far), "lstm")})["pairs"][0]["matched"] == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("arch,params,loss\ngpt,1,2\ngpt,1,3\n", "gpt has one distinct size: a law needs at least 3"),
        ("arch,params,loss\ngpt,1,2\ngpt,2,1.5\n", "gpt has 2 distinct sizes: a law needs at least 3"),
        ("arch,params,loss\ngpt,1,2\ngpt,2,nan\n", "line 3: loss is 'nan', not a positive number"),
        ("arch,params,loss\ngpt,1,2\ngpt,-2,1\n", "line 3: params is"),
        ("arch,params,loss\ngpt,1,2\ngpt,x,1\n", "line 3: params is 'x', not a positive number"),
        ("arch,params,loss\n", "has no rows"),
        ("arch,params,loss\n,1,2\n", "line 2: arch is empty"),
        ("arch,params,loss,tokens\ngpt,1,2,a\n", "line 2: tokens is 'a', not a positive number"),
        ("arch,params,loss,tokens\ngpt,1,2,0\n", "line 2: tokens is '0', not a positive number"),
        ("arch,params,loss\ngpt,1,2\ngpt,2,2\ngpt,3,2\n", "gpt has the same loss at every size"),
        ("arch,params\ngpt,1\n", "has no column 'loss'"),
        ("", "is not readable as CSV"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, text, sentence):
    (tmp_path / "t.csv").write_text(text)
    done = command("fit_scaling", tmp_path / "t.csv", "--output", tmp_path / "fit.json")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "fit.json").exists()
