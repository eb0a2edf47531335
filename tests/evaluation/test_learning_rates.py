"""Optima that are known beforehand are found, and the words about them hold."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.rates import Rate
from workflow.scripts.collect_transfer import main
from workflow.scripts.evaluation.learning_rates import optimum, read_trials, summarise

STUDY = ROOT / "docs" / "default-study"
RATES = np.array([0.001, 0.002, 0.004, 0.008, 0.016])


def trials_of(optima: dict[tuple[str, int, int], float], tokens: int = 2**20) -> pd.DataFrame:
    """Loss curves that are parabolas in the logarithm of the rate, around known optima by (arch, layers, width)."""
    rows = []
    for (arch, n_layer, n_embd), best in optima.items():
        for rate in RATES:
            loss = 2 + 0.1 * np.log(rate / best) ** 2 - n_embd / 1000
            shape = {"arch": arch, "n_layer": n_layer, "n_embd": n_embd}
            tried = {"tokens": tokens, "learning_rate": rate, "val_loss": loss}
            rows.append({"model": f"{arch}{n_layer}x{n_embd}", **shape, **tried})
    return pd.DataFrame(rows)


def test_the_vertex_is_found_between_the_trials():
    losses = 2 + 0.1 * np.log(RATES / 0.003) ** 2
    rate, bracketed = optimum(RATES, losses)
    assert rate == pytest.approx(0.003)
    assert bracketed


def test_an_optimum_at_the_end_of_the_range_is_not_taken_for_one():
    assert optimum(RATES, np.array([5, 4, 3, 2, 1.0])) == (0.016, False)
    assert optimum(RATES, np.array([1, 2, 3, 4, 5.0])) == (0.001, False)


def test_how_far_it_moves_with_width_and_with_depth():
    optima = {
        ("gpt", 2, 24): 0.006, ("gpt", 2, 48): 0.004, ("gpt", 2, 96): 0.003, ("gpt", 4, 48): 0.004,
        ("lstm", 1, 40): 0.004, ("lstm", 1, 80): 0.004, ("lstm", 2, 80): 0.002, ("lstm", 3, 80): 0.0025,
    }  # fmt: skip
    found = summarise(trials_of(optima), {"gpt": Rate(0.004), "lstm": Rate(0.008)})["archs"]
    assert found["gpt"]["width"]["optimum_moves_by_factor"] == pytest.approx(0.5)
    assert found["gpt"]["width"]["models"] == ["gpt2x24", "gpt2x48", "gpt2x96"]
    assert (found["lstm"]["depth"]["from"], found["lstm"]["depth"]["to"]) == (1, 3)
    assert found["lstm"]["depth"]["optimum_moves_by_factor"] == pytest.approx(0.625)
    assert found["gpt"]["depth"]["models"] == ["gpt2x48", "gpt4x48"]
    assert found["gpt"]["trials"] == 20
    worst = 0.1 * np.log(0.008 / 0.002) ** 2
    assert found["lstm"]["most_lost_at_rate_in_use"] == pytest.approx(worst)


def test_how_far_it_moves_with_the_horizon():
    """By the power of the number of tokens that it was made with; widths and depths are those of the shared horizon."""
    shared = trials_of({("gpt", 2, 24): 0.006, ("gpt", 2, 48): 0.004, ("gpt", 4, 48): 0.004})
    longer = [trials_of({("gpt", 2, 48): 0.004 * ratio**-0.25}, ratio * 2**20) for ratio in (16, 4)]
    found = summarise(pd.concat([longer[0], shared, longer[1]]), {"gpt": Rate(0.008)})
    moves = found["archs"]["gpt"]
    assert moves["horizon"]["models"] == ["gpt2x48"] * 3
    assert moves["horizon"]["tokens"] == [2**20, 2**22, 2**24]
    assert (moves["horizon"]["from"], moves["horizon"]["to"]) == (2**20, 2**24)
    assert moves["horizon"]["exponent"] == pytest.approx(-0.25)
    assert moves["horizon"]["optimum_moves_by_factor"] == pytest.approx(0.5)
    assert moves["horizon"]["all_bracketed"]
    lost = [0.1 * (np.log(0.008 / best) ** 2 - (np.log(RATES / best) ** 2).min())
            for best in (0.004, 0.004 * 4**-0.25, 0.002)]  # fmt: skip
    assert moves["horizon"]["lost_at_rate_in_use"] == pytest.approx(lost)
    assert moves["width"]["models"] == ["gpt2x24", "gpt2x48"]
    assert moves["width"]["optimum_moves_by_factor"] == pytest.approx(4 / 6)
    assert moves["width"]["tokens"] == moves["depth"]["tokens"] == [2**20] * 2
    assert len(found["models"]) == 5
    assert {(model["model"], model["tokens"]) for model in found["models"]} > {("gpt2x48", 2**24), ("gpt4x48", 2**20)}
    assert "horizon" not in summarise(shared, {"gpt": Rate(0.008)})["archs"]["gpt"]


def test_an_optimum_that_is_not_bracketed_has_no_say_in_the_exponent():
    at = {
        ratio: trials_of({("gpt", 2, 48): best}, ratio * 2**20) for ratio, best in ((1, 0.008), (4, 0.004), (16, 1e-4))
    }
    horizon = summarise(pd.concat(at.values()), {"gpt": Rate(0.3)})["archs"]["gpt"]["horizon"]
    assert horizon["exponent"] == pytest.approx(-0.5)
    assert not horizon["all_bracketed"]
    assert horizon["lost_at_rate_in_use"] == [None] * 3
    assert summarise(pd.concat([at[1], at[16]]), {"gpt": Rate(0.3)})["archs"]["gpt"]["horizon"]["exponent"] is None


def test_the_recorded_trials_say_what_they_said():
    """A table without several horizons is summarised as before horizons, but for what was not said then."""

    def rounded(found: dict) -> dict:  # processors differ in the last digits
        return json.loads(json.dumps(found), parse_float=lambda digits: round(float(digits), 9))

    said = rounded(read_json(STUDY / "lr_transfer.json"))
    rates = {arch: Rate(moves["rate_in_use"]) for arch, moves in said["archs"].items()}
    found = rounded(summarise(pd.read_csv(STUDY / "lr_transfer.csv"), rates))
    assert [model | old for model, old in zip(found["models"], said["models"], strict=True)] == found["models"]
    for arch, moves in said["archs"].items():
        now = found["archs"][arch]
        assert now.keys() == moves.keys()
        for name, value in moves.items():
            assert (now[name] | value if isinstance(value, dict) else value) == now[name]


def test_a_rate_that_was_not_tried_costs_what_the_parabola_says_and_beyond_them_nobody_knows():
    trials = trials_of({("gpt", 2, 24): 0.004, ("gpt", 2, 48): 0.004})
    at = trials.set_index(["n_embd", "learning_rate"])["val_loss"]
    found = summarise(trials, {"gpt": Rate(0.006)})["models"]
    for model in found:
        losses = at.loc[model["n_embd"]]
        coefficients = np.polyfit(np.log(losses.index.to_numpy()), losses.to_numpy(), 2)
        expected = np.polyval(coefficients, np.log(0.006)) - losses.min()
        assert model["lost_at_rate_in_use"] == pytest.approx(expected, abs=1e-9)
    beyond = summarise(trials, {"gpt": Rate(1e-6)})
    assert beyond["archs"]["gpt"]["most_lost_at_rate_in_use"] is None


def test_a_rate_in_use_that_falls_with_tokens_is_held_against_the_trials_of_each_budget():
    budgets = {1 << 20: 0.016, 1 << 24: 0.004}
    trials = pd.concat(trials_of({("lstm", 1, 40): best}, tokens) for tokens, best in budgets.items())
    falls = Rate(0.016, 0.5, 1 << 20)
    found = summarise(trials, {"lstm": falls})
    assert [model["rate_in_use"] for model in found["models"]] == [0.016, 0.004]
    assert found["archs"]["lstm"]["most_lost_at_rate_in_use"] == pytest.approx(0, abs=1e-9)
    assert found["archs"]["lstm"]["exponent_in_use"] == -0.5
    stays = summarise(trials, {"lstm": Rate(0.016)})["archs"]["lstm"]["most_lost_at_rate_in_use"]
    assert stays > 0.01


def test_a_rate_is_said_in_a_word_and_read_again():
    for rate in (Rate(0.004), Rate(0.024, 0.4, 1 << 20)):
        assert Rate.of(str(rate)) == rate
    assert Rate.of("0.02:0.5:100").at(400) == 0.01
    assert str(Rate(0.004, 0.0, 1 << 20)) == "0.004"
    for wrong in ("0", "x", "0.1:0.2", "0.1:0.2:x", "0.1:-1:5"):
        with pytest.raises((argparse.ArgumentTypeError, ValueError)):
            Rate.of(wrong)


def test_a_rate_that_diverged_bounds_the_optimum_and_has_no_loss():
    diverged_from = 0.008
    trials = trials_of({("gpt", 2, 24): 0.004, ("gpt", 2, 48): 0.004})
    trials.loc[(trials["n_embd"] == 24) & (trials["learning_rate"] >= diverged_from), "val_loss"] = np.inf
    found = summarise(trials, {"gpt": Rate(diverged_from)})
    narrow, wide = found["models"]
    assert (narrow["optimum"], narrow["bracketed"], narrow["diverged"]) == (0.004, True, 2)
    assert narrow["lost_at_rate_in_use"] is None
    assert wide["diverged"] == 0
    assert found["archs"]["gpt"]["most_lost_at_rate_in_use"] is None
    with pytest.raises(InputError, match="every trial of gpt2x24 diverged: try rates lower than"):
        summarise(trials.assign(val_loss=np.inf), {"gpt": Rate(0.004)})


def test_from_folders_to_files(tmp_path, planned_of):
    trials = trials_of({("gpt", 2, 24): 0.006, ("gpt", 2, 48): 0.004, ("gpt", 3, 48): 0.004})
    trials = pd.concat(
        [trials, trials_of({("gpt", 2, 48): 0.002}, 2**22).assign(val_loss=lambda rows: rows["val_loss"] - 1)]
    )
    folders = []
    for i, row in enumerate(trials.itertuples()):
        folders.append(str(tmp_path / f"trial{i}"))
        training = {
            "model_name": row.model, "params_non_embedding": row.n_embd, "tokens": row.tokens,
            "options": {"seed": 2, "learning_rate": row.learning_rate}, "train_seconds": 1.5,
        }  # fmt: skip
        model = {"arch": row.arch, "n_layer": row.n_layer, "n_embd": row.n_embd}
        write_json(f"{folders[-1]}/config.json", {"model": model, "training": training})
        loss, error = (None, None) if row.learning_rate == RATES[-1] else (row.val_loss, 0.01)
        write_json(f"{folders[-1]}/perplexity_val.json", {"split": "val", "loss": loss, "loss_se": error})
    table = str(tmp_path / "lr_transfer.csv")
    plan = planned_of({"gpt2x48": {str(2**22): 2.5}})
    main(["--folders", *folders, "--rates", "gpt=0.004", "lstm=0.1", "--table", table, "--plan", str(plan)])
    written = pd.read_csv(table)
    planned = written.set_index(["model", "tokens"])["planned_seconds"].dropna()
    assert set(planned.index) == {("gpt2x48", 2**22)}
    assert (planned == 2.5).all()
    best = written[written["best"] == 1].set_index(["model", "tokens"])["learning_rate"].to_dict()
    assert best == {
        ("gpt2x24", 2**20): 0.008,
        ("gpt2x48", 2**20): 0.004,
        ("gpt3x48", 2**20): 0.004,
        ("gpt2x48", 2**22): 0.002,
    }
    assert np.isinf(written["val_loss"]).sum() == 4
    assert (written["seconds"] == 1.5).all()
    assert read_json(tmp_path / "lr_transfer.json")["archs"]["gpt"]["horizon"]["to"] == 2**22
    for suffix in ("json", "pdf", "png"):
        assert (tmp_path / f"lr_transfer.{suffix}").stat().st_size > 100
    with pytest.raises(InputError, match="--rates names no rate for gpt"):
        main(["--folders", *folders, "--rates", "lstm=0.1", "--table", table])
    with pytest.raises(InputError, match="no two of the trials' models differ in width"):
        main(["--folders", *folders[:5], "--rates", "gpt=0.1", "--table", table])


def test_a_trial_of_the_test_split_is_refused(tmp_path):
    options = {"seed": 2, "learning_rate": 0.004}
    training = {"model_name": "gpt", "params_non_embedding": 1, "tokens": 1, "options": options, "train_seconds": 1.0}
    write_json(tmp_path / "config.json", {"model": {"arch": "gpt", "n_layer": 2, "n_embd": 24}, "training": training})
    write_json(tmp_path / "perplexity_val.json", {"split": "test", "loss": 2.0, "loss_se": 0.01})
    with pytest.raises(InputError, match="trials must not see the test"):
        read_trials([str(tmp_path)])
