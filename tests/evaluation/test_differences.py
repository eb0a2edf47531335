"""On losses whose differences are known."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import command
from workflow.scripts import calc_perplexity, compare
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.evaluation.differences import TuneLosses, differences, holm, mean_losses

RNG = np.random.default_rng(5)
CHARS = RNG.integers(100, 600, 300)
HARD = RNG.normal(1.5, 0.3, 300)  # nats a character, for everybody


BASE = TuneLosses("a", CHARS * HARD, CHARS.astype(float), "t")


def by_pair(found: list[dict]) -> dict:
    return {frozenset((row["first"], row["second"])): row for row in found}


def test_a_small_difference_on_every_tune_is_told_and_one_within_the_noise_is_not():
    better = BASE._replace(name="b", nats=BASE.nats - 0.01 * CHARS + np.random.default_rng(1).normal(0, 3, 300))
    same = BASE._replace(name="c", nats=BASE.nats + np.random.default_rng(2).normal(0, 8, 300))
    found = by_pair(differences([BASE, better, same]))
    row = found[frozenset("ab")]
    assert (row["first"], row["second"]) == ("a", "b")
    assert row["difference"] == pytest.approx(0.01, abs=0.002)
    assert row["ci95"][0] < row["difference"] < row["ci95"][1]
    assert row["differ"]
    assert not found[frozenset("ac")]["differ"]


def test_runs_that_do_not_differ_are_seldom_told_apart():
    """Holm: over all pairs of 8 equal runs, one false call in 20 studies at most."""
    wrong = 0
    for study in range(20):
        rng = np.random.default_rng(study)
        runs = [
            TuneLosses(str(k), CHARS * (HARD + rng.normal(0, 0.05, 300)), CHARS.astype(float), "t") for k in range(8)
        ]
        wrong += any(row["differ"] for row in differences(runs))
    assert wrong <= 3


def test_equal_losses_differ_by_nothing():
    (row,) = differences([BASE, BASE._replace(name="b")])
    assert (row["difference"], row["se"], row["p_holm"], row["differ"]) == (0, 0, 1, False)


def test_holm_is_that_of_the_paper():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, 0.02])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, trained, corpus_dir) -> list[Path]:
    """Folders of both models of the tests, evaluated."""
    folders = []
    for arch in ("gpt", "lstm"):
        folders.append(tmp_path_factory.mktemp("compare") / arch)
        calc_perplexity.main(["--checkpoint", str(trained[arch]), "--data_dir", str(corpus_dir), "--split", "val",
                              "--output", str(folders[-1] / "perplexity.json"), "--threads", "1"])  # fmt: skip
    return folders


def test_without_seeds_the_command_says_which_trained_runs_differ(evaluated, tmp_path):
    done = command("compare", *evaluated, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    found = read_json(tmp_path / "out.json")
    (row,) = found["differences"]
    losses = {r["run"]: r["loss"] for r in found["losses"]}
    assert row["difference"] == pytest.approx(losses[row["first"]] - losses[row["second"]], abs=1e-6)
    for folder in evaluated:
        loss = read_json(folder / "perplexity.json")["loss"]
        assert losses["/".join(folder.parts[-2:])] == pytest.approx(loss, abs=1e-6)
    assert f"Trained runs differ in {int(row['differ'])} of 1 pairs" in done.stdout


def test_what_cannot_be_compared_is_refused(evaluated, tmp_path):
    first, other = evaluated[0], tmp_path / "other"
    shutil.copytree(evaluated[1], other)
    path = other / "perplexity.json"
    good = read_json(path)

    def refused(why: str, **summary: object) -> None:
        write_json(path, summary)
        with pytest.raises(InputError, match=why):
            compare.main([str(first), str(other)])

    refused("not measured on the same tunes", **good | {"text_sha256": "other"})
    refused("not of the same evaluation", **good | {"chars": good["chars"] + 1})
    refused("diverged at step 7", **good | {"loss": None, "diverged_at_step": 7})
    del good["text_sha256"]
    refused("does not say which tunes", **good)
    with pytest.raises(InputError, match="two runs"):
        compare.main([str(first)])


def test_differences_are_not_told_from_a_few_tunes():
    few = BASE._replace(nats=BASE.nats[:9], chars=BASE.chars[:9])
    with pytest.raises(InputError, match="9 tunes are too few"):
        differences([few, few])


def test_tunes_without_text_do_not_count():
    """Such a table was edited by hand: its errors are of the tunes that have some."""
    chars = np.where(np.arange(300) < 9, BASE.chars, 0)
    with pytest.raises(InputError, match="9 tunes are too few"):
        mean_losses([BASE._replace(chars=chars), BASE._replace(chars=chars)])


def test_losses_are_listed_from_the_lowest():
    worse = BASE._replace(name="b", nats=BASE.nats + CHARS)
    listed = mean_losses([worse, BASE])
    assert [row["run"] for row in listed] == ["a", "b"]
    assert listed[0]["loss"] == pytest.approx(BASE.nats.sum() / CHARS.sum())
    for row in listed:
        assert row["ci95"][0] < row["loss"] < row["ci95"][1]
