"""Verdicts on tables whose law is known, and on published ones."""

import json

import numpy as np
import pytest

from workflow.scripts.findings.fit_table import fit_group, fit_table
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.tables.table import complete, read_table

FAST = Settings(draws=0)
N = np.geomspace(1e4, 1e7, 6)
FORMS = ("power", "power_irreducible")


def group_of(tmp_path, loss, noise=0.003, seeds=1, n=N):
    rng = np.random.default_rng(2)
    lines = [f"gpt,{size},{value * np.exp(rng.normal(0, noise))},{seed}"
             for size, value in zip(n, loss, strict=True) for seed in range(seeds)]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["arch,params,loss,seed", *lines]))
    return fit_table(tmp_path / "t.csv", settings=FAST, form="power_irreducible")[1]["groups"]["gpt"]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        (6 * N**-0.12, "power"),
        (60 * N**-0.3, "power"),
        (0.8 + 20 * N**-0.3, "saturating"),
        (0.8 + 20 * N**-0.6, "saturating"),  # no straight line falls here, yet loss does over the first sizes
        (0.8 + 0 * N, "flat"),
        (np.where(N.max() == N, 1.6, 1) * 6 * N**-0.12, "reversal"),
        (0.5 * N**0.1, "reversal"),
    ],
)
def test_the_verdict_on_a_known_law(tmp_path, loss, verdict, seeds):
    assert group_of(tmp_path, loss, seeds=seeds)["verdict"] == verdict


def test_noise_and_few_sizes_decide_nothing(tmp_path):
    n = np.geomspace(1e4, 1e5, 4)
    assert group_of(tmp_path, 3 * n**-0.05, noise=0.02, n=n)["verdict"] == "inconclusive"


def test_a_largest_size_better_than_forecast_decides_nothing(tmp_path):
    assert group_of(tmp_path, np.where(N.max() == N, 0.6, 1) * 6 * N**-0.12)["verdict"] == "inconclusive"


def test_seeds_can_rule_out_both_laws(tmp_path):
    """A wave around the line, far beyond what seeds differ by."""
    wave = 1 + 0.03 * np.array([1, -1, -1, 1, 1, -1])
    group = group_of(tmp_path, 6 * N**-0.12 * wave, noise=0.001, seeds=4)
    assert group["verdict"] == "inconclusive"
    assert group["power"]["lack_of_fit"]["p"] < 1e-6
    assert any("Seeds vary too little for a power law to be right" in said for said in group["said"])


def test_nothing_is_called_the_entropy_of_music(tmp_path):
    group = group_of(tmp_path, 0.8 + 20 * N**-0.3)
    assert not any("entropy" in said for said in group["said"])


def test_the_originals_own_logs(shared):
    """GPT without XXL, which ran under another schedule, levels off; the LSTMs do not scale."""
    table, _ = read_table(shared / "law-data/seedrepo_final.csv")
    expected = json.loads((shared / "law-data/expected_public.json").read_text())["public/seedrepo_final.csv"]
    gpt = fit_group(table[(table["arch"] == "gpt") & (table["size"] != "xxl")], "gpt", FAST, FORMS, None)
    lstm = fit_group(table[table["arch"] == "lstm"], "lstm", FAST, FORMS, None)
    assert gpt["power"]["alpha"] == pytest.approx(expected["gpt5_pure"]["alpha"], abs=1e-5)
    assert gpt["power"]["ci95"]["alpha"] == pytest.approx(expected["gpt5_pure"]["ci95"], abs=1e-4)
    assert gpt["power_irreducible"]["E"] == pytest.approx(expected["gpt5_plusE"]["E"], abs=1e-4)
    assert gpt["verdict"] == "saturating"
    # Told of all parameters; the table has those outside the embedding.
    assert lstm["power"]["ci95"]["alpha"] == pytest.approx(expected["lstm4_pure"]["ci95"], abs=5e-4)
    assert lstm["verdict"] == "flat"
    equal = complete(table[(table["arch"] == "gpt") & (table["tokens"] == 98304000)])[0]
    assert fit_group(equal, "gpt", FAST, FORMS, None)["verdict"] == "reversal"


def test_a_table_without_its_largest(shared):
    table, _ = read_table(shared / "law-data/seed_table.csv")
    expected = json.loads((shared / "law-data/expected_public.json").read_text())["public/seed_table.csv"]
    group = fit_group(table[table["size"] != "xxl"], "gpt", FAST, FORMS, None)
    assert group["power"]["alpha"] == pytest.approx(expected["loglog_4_no_xxl"]["alpha"], abs=1e-5)
    assert group["power"]["ci95"]["alpha"] == pytest.approx(expected["loglog_4_no_xxl"]["ci95_t2"], abs=1e-4)
