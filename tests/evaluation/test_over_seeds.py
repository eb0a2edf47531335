"""On models whose losses and seeds are known."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workflow.scripts import compare
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.evaluation.differences import TuneLosses, differences, mean_losses
from workflow.scripts.evaluation.over_seeds import Model, model_differences, model_losses

N_TUNES = 100
CHARS = np.random.default_rng(3).integers(100, 600, N_TUNES).astype(float)


def drawn(rng: np.random.Generator, seeds: int, sds: list[float], means: list[float] | None = None) -> list[Model]:
    """Models of some means whose seeds have these standard deviations; tunes are hard for all, and for each anew."""
    hard = rng.normal(1.5, 0.3, N_TUNES)
    models = []
    for k, (sd, mean) in enumerate(zip(sds, means or [0.0] * len(sds), strict=True)):
        own = hard + mean + rng.normal(0, 0.05, N_TUNES)
        runs = [TuneLosses(f"{k}/{seed}", CHARS * (own + rng.normal(0, sd)), CHARS, "t") for seed in range(seeds)]
        models.append(Model(str(k), runs))
    return models


def studies(n: int, seeds: int, sds: list[float]) -> Iterator[list[Model]]:
    for study in range(n):
        yield drawn(np.random.default_rng(study), seeds, sds)


def test_equal_models_are_told_apart_in_one_study_of_twenty_and_their_runs_in_most():
    """A share of 5% over 400 studies is within 2.9% and 7.3% in 95% of cases."""
    models, runs, inside = 0, 0, 0
    for found in studies(400, 4, [0.02, 0.02]):
        (row,) = model_differences(found)
        models += row["differ"]
        inside += row["ci95"][0] < 0 < row["ci95"][1]
        runs += differences([model.runs[0] for model in found])[0]["differ"]
    assert 0.029 < models / 400 < 0.073
    assert inside == 400 - models
    assert runs / 400 > 0.5


@pytest.mark.parametrize(("sds", "most"), [([0.02] * 2, 0.1), ([0.02] * 6, 0.06), ([0.1] + [0.02] * 5, 0.12)])
def test_two_seeds_of_each_tell_few_equal_models_apart(sds, most):
    """Over all pairs; also where seeds of one model vary five times as much as those of the others."""
    wrong = np.mean([any(row["differ"] for row in model_differences(found)) for found in studies(200, 2, sds)])
    assert wrong <= most


def test_models_farther_apart_than_seeds_are_told_apart():
    found = drawn(np.random.default_rng(1), 2, [0.01] * 4, [0.0, 0.0, 0.0, 0.3])
    rows = {frozenset((row["first"], row["second"])): row for row in model_differences(found)}
    assert {pair for pair, row in rows.items() if row["differ"]} == {frozenset((k, "3")) for k in "012"}
    assert rows[frozenset("03")]["difference"] == pytest.approx(-0.3, abs=0.03)


def without_tunes(losses: dict[str, list[float]]) -> list[Model]:
    """Models whose runs lose as much on every tune, so that there are no errors but of seeds."""
    return [
        Model(name, [TuneLosses(name, loss * CHARS, CHARS, "t") for loss in seeds]) for name, seeds in losses.items()
    ]


def test_without_error_over_tunes_it_is_students_test():
    a, b = [1.50, 1.52, 1.51], [1.55, 1.53, 1.54]
    (row,), student = model_differences(without_tunes({"a": a, "b": b})), stats.ttest_ind(a, b)
    assert row["p_holm"] == pytest.approx(student.pvalue)
    assert row["ci95"] == pytest.approx(tuple(student.confidence_interval(0.95)))


def test_a_model_is_not_held_to_be_calmer_than_it_was_seen_to_be():
    a, b = [1.50, 1.52, 1.51], [1.50, 1.60]
    (row,) = model_differences(without_tunes({"a": a, "b": b}))
    pooled = (2 * np.var(a, ddof=1) + np.var(b, ddof=1)) / 3
    assert row["se"] == pytest.approx(np.sqrt(pooled / 3 + np.var(b, ddof=1) / 2))


def test_one_seed_takes_its_noise_from_the_other_models():
    rng = np.random.default_rng(2)
    found = drawn(rng, 3, [0.05] * 3)
    lone = found[0]._replace(runs=found[0].runs[:1])
    full, less = model_losses(found), model_losses([lone, *found[1:]])
    error = {row["run"]: row["se"] for row in full}, {row["run"]: row["se"] for row in less}
    assert error[1]["0"] > error[0]["0"] > 0
    (over_tunes,) = (row for row in mean_losses([*lone.runs, *found[1].runs]) if row["run"] == lone.runs[0].name)
    assert error[1]["0"] > over_tunes["se"]


def written(folder: Path, config: dict, run: TuneLosses, name: str, seed: int, tokens: int = 4096) -> str:
    """The folder of an evaluated run whose options are those of a real one."""
    training = config["training"] | {"model_name": name, "tokens": tokens}
    training["options"] = config["training"]["options"] | {"seed": seed}
    path = folder / name / f"{tokens}-seed{seed}"
    path.mkdir(parents=True)
    write_json(path / "config.json", config | {"training": training})
    write_json(path / "perplexity.json", {"tunes": N_TUNES, "chars": int(run.chars.sum()), "text_sha256": "t"})
    pd.DataFrame({"chars": run.chars, "nats": run.nats}).to_csv(path / "perplexity_tunes.csv", index=False)
    return str(path)


@pytest.fixture
def folders(tmp_path, trained) -> dict[str, list[str]]:
    """Two seeds of each of three models, by model; a and b differ by less than their seeds, c from both."""
    config = read_json(trained["gpt"] / "config.json")
    models = drawn(np.random.default_rng(1), 2, [0.02] * 3, [0.0, 0.01, 0.5])
    return {
        name: [written(tmp_path, config, run, name, seed) for seed, run in enumerate(model.runs)]
        for name, model in zip("abc", models, strict=True)
    }


def test_the_command_compares_models_if_it_has_seeds_and_else_runs(folders, tmp_path, capsys):
    first = [paths[0] for paths in folders.values()]
    compare.main(first)
    said = capsys.readouterr().out
    assert "Trained runs differ in 3 of 3 pairs" in said
    assert "Seeds are not in it" in said
    assert "Models" not in said
    compare.main([*itertools.chain(*folders.values()), "--json", str(tmp_path / "out.json")])
    said, found = capsys.readouterr().out, read_json(tmp_path / "out.json")
    assert "Models differ in 2 of 3 pairs (6 runs, 100 tunes)" in said
    assert "runs differ" not in said
    assert {(row["first"], row["second"]) for row in found["differences"] if row["differ"]} == {("a", "c"), ("b", "c")}
    assert (found["compared"], found["seeds"], found["seed_dof"]) == ("models", dict.fromkeys("abc", 2), 3)
    assert f"{found['seed_sd']:.4f} nats" in said


def test_seeds_of_one_model_and_runs_without_a_config_are_only_runs(folders, capsys):
    compare.main(folders["a"])
    (Path(folders["a"][0]) / "config.json").unlink()
    compare.main(folders["a"] + folders["b"])
    assert capsys.readouterr().out.count("Seeds are not in it") == 2


def test_what_is_no_comparison_of_models_is_refused_in_one_sentence(folders, tmp_path, trained):
    config = read_json(trained["gpt"] / "config.json")
    runs = folders["a"] + folders["b"]
    losses = drawn(np.random.default_rng(1), 1, [0.02])[0].runs[0]

    def refused(why: str, *more: str) -> None:
        with pytest.raises(InputError, match=why):
            compare.main([*runs, *more])

    refused("of 4,096 to 8,192 tokens: give runs of one budget", written(tmp_path, config, losses, "a", 0, 8192))
    refused("a seed of b is there twice", runs[-1])
    faster = config | {"training": config["training"] | {"options": config["training"]["options"] | {"beta1": 0.5}}}
    refused("runs of a differ in beta1", written(tmp_path, faster, losses, "a", 2))
    write_json(Path(runs[0]) / "config.json", {"model": {}})
    refused("not a finished run: its config.json lacks 'training'")
