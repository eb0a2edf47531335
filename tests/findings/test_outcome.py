"""A forecast beside its outcome, on numbers that are known."""

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.findings.outcome import outcomes, read_measured

GPT = {
    "model": "gpt_7m", "arch": "gpt", "params": 7077888, "tokens": 16777216, "flops": 10**15, "times_flops": 32.04,
    "after_outcome": False, "told": "coupled", "loss": 1.012, "pi95": [0.98, 1.05],
    "options": "--arch gpt --learning_rate 0.008",
    "laws": {"coupled": {"loss": 1.012, "pi95": [0.99, 1.03]}, "kaplan": {"loss": 0.9, "pi95": [None, 0.91]}},
    "average": {"loss": 0.99, "pi95": [0.98, None], "weights": {"coupled": 1.0}},
}  # fmt: skip
LSTM = GPT | {"model": "lstm_7m", "arch": "lstm", "params": 7000000, "loss": 1.1, "pi95": [1.0, 1.2], "times_flops": 31}
MADE = {"made": "2030-01-02T03:04:05+00:00", "reason": "", "commit": "", "corpus": "feedfeedfeed"}


def registered(*targets, **changes):
    return {"registrations": [MADE | {"targets": list(targets)} | changes]}


def table(*rows):
    """Runs of gpt_7m unless it is said otherwise."""
    run = {"model": "gpt_7m", "corpus": "feedfeedfeed", "test_loss_se": 0.005, "params_non_embedding": 7077888,
           "tokens": 16777216, "seed": 0, "learning_rate": 0.008, "test_loss": 1.008}  # fmt: skip
    return pd.DataFrame([run | row for row in rows])


OF_LSTM = {"model": "lstm_7m", "params_non_embedding": 7000000, "test_loss": 1.25}


def test_one_run_is_compared_with_every_law():
    found = outcomes(registered(GPT), table({}))
    (target,) = found["registrations"][0]["targets"]
    assert (target["seeds"], target["observed_se"]) == (1, pytest.approx(0.005))
    assert target["observed"] == pytest.approx(1.008)
    assert target["error"] == pytest.approx(1.012 / 1.008 - 1)
    assert (target["inside"], target["rate_as_registered"], target["learning_rate"]) == (True, True, [0.008])
    assert target["earlier_than_run"] is None
    coupled, kaplan = target["laws"]["coupled"], target["laws"]["kaplan"]
    assert (coupled["inside"], kaplan["inside"], target["average"]["inside"]) == (True, False, True)
    assert kaplan["error"] == pytest.approx(0.9 / 1.008 - 1)
    assert target["average"]["error"] == pytest.approx(0.99 / 1.008 - 1)
    assert found["said"] == [
        "gpt_7m, 7,077,888 parameters and 16,777,216 tokens, 32 times the FLOP of the largest run that the forecast"
        " rests on: registered 1.012 nats, 95% [0.98, 1.05], by the coupled law; measured 1.008; off by +0.4%, inside"
        " its interval."
    ]


def test_seeds_are_together_in_log_loss_and_share_the_error_of_the_test_tunes():
    runs = table({"test_loss": 1.0, "test_loss_se": 0.01}, {"seed": 1, "test_loss": 1.21, "test_loss_se": 0.0121})
    (target,) = outcomes(registered(GPT), runs)["registrations"][0]["targets"]
    assert target["seeds"] == 2
    assert target["observed"] == pytest.approx(1.1)
    assert target["observed_se"] == pytest.approx(0.011)
    assert not target["inside"]
    (said,) = outcomes(registered(GPT), runs)["said"]
    assert said.endswith("measured 1.1 over 2 seeds; off by -8.0%, outside its interval.")


def test_what_is_not_measured_yet_is_null():
    other_budget = table({"tokens": 4194304})
    found = outcomes(registered(GPT, LSTM), other_budget)
    for target in found["registrations"][0]["targets"]:
        assert target["seeds"] == 0
        for key in ("observed", "observed_se", "error", "inside", "learning_rate", "rate_as_registered"):
            assert target[key] is None
        assert target["laws"]["kaplan"] == {"loss": 0.9, "pi95": [None, 0.91], "error": None, "inside": None}
    assert found["registrations"][0]["pairs"][0]["observed"] is None
    assert found["said"][0].endswith("by the coupled law; not measured yet.")
    assert found["said"][2].endswith("not measured yet.")


def test_an_unknown_error_of_the_test_set_is_null():
    (target,) = outcomes(registered(GPT), table({"test_loss_se": np.nan}))["registrations"][0]["targets"]
    assert target["observed_se"] is None


def test_architectures_of_one_size_and_budget_are_a_pair():
    found = outcomes(registered(GPT, LSTM), table({}, OF_LSTM))
    (pair,) = found["registrations"][0]["pairs"]
    assert pair["models"] == ["gpt_7m", "lstm_7m"]
    assert pair["forecast"] == pytest.approx(1.012 - 1.1)
    assert pair["observed"] == pytest.approx(1.008 - 1.25)
    assert found["said"][-1] == (
        "gpt_7m less lstm_7m at 16,777,216 tokens: registered -0.0880 nats by their forecasts; measured -0.2420."
    )


@pytest.mark.parametrize("change", [{"tokens": 4194304}, {"params": 6000000}, {"arch": "gpt"}])
def test_others_are_none(change):
    runs = table({"model": "nothing"})
    assert outcomes(registered(GPT, LSTM | change), runs)["registrations"][0]["pairs"] == []


def test_a_further_registration_is_told_apart_and_what_was_known_then_is_said():
    known = registered(GPT | {"after_outcome": True}, reason="a corrected rate", made="2030-02-03T00:00:00+00:00")
    both = {"registrations": [*registered(GPT)["registrations"], *known["registrations"]]}
    found = outcomes(both, table({}))
    first, second = (one["targets"][0] for one in found["registrations"])
    assert (first["earlier_than_run"], second["earlier_than_run"]) == (None, False)
    assert found["said"][0] == "Registration 1 of 2, made 2030-01-02."
    assert found["said"][2] == "Registration 2 of 2, made 2030-02-03: a corrected rate."
    assert "registered after its outcome 1.012 nats" in found["said"][3]


@pytest.mark.parametrize(("options", "as_registered"), [("--learning_rate 0.004", False), ("--arch gpt", None)])
def test_another_rate_than_was_registered_is_noticed(options, as_registered):
    found = outcomes(registered(GPT | {"options": options}), table({}))
    assert found["registrations"][0]["targets"][0]["rate_as_registered"] is as_registered
    assert ("at another learning rate than was registered" in found["said"][0]) == (as_registered is False)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"corpus": "beefbeefbeef"}, "runs on the corpus feedfeedfeed, and the runs learnt from beefbeefbeef"),
        ({"params_non_embedding": 5}, "gpt_7m was registered with 7,077,888 parameters, and trained with 5"),
    ],
)
def test_runs_of_another_kind_are_refused(row, sentence):
    with pytest.raises(InputError, match=sentence):
        outcomes(registered(GPT), table(row))


def test_digits_of_a_corpus_beyond_those_of_runs_csv_do_not_count():
    assert outcomes(registered(GPT, corpus="feedfeedfeed0123"), table({}))["said"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"test_loss": "much"}], "test_loss of gpt_7m is much"),
        ([{"test_loss": np.inf}], "test_loss of gpt_7m is inf"),
        ([{"test_loss": 0}], "test_loss of gpt_7m is 0"),
        ([{"seed": -1}], "seed of gpt_7m is -1"),
        ([{}, {}], "has gpt_7m, seed 0, twice"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path, rows, sentence):
    table(*rows).to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(InputError, match=sentence):
        read_measured(tmp_path / "runs.csv")


def test_a_corpus_whose_digits_look_like_a_number_is_none(tmp_path):
    table({"corpus": "123456e78901"}).to_csv(tmp_path / "runs.csv", index=False)
    runs = read_measured(tmp_path / "runs.csv")
    assert outcomes(registered(GPT, corpus="123456e78901ff"), runs)["registrations"][0]["targets"][0]["observed"]


def test_a_table_is_read_as_it_was_written(tmp_path):
    table({}, OF_LSTM).to_csv(tmp_path / "runs.csv", index=False)
    pd.testing.assert_frame_equal(read_measured(tmp_path / "runs.csv"), table({}, OF_LSTM), check_dtype=False)
    table({}).drop(columns="learning_rate").to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(InputError, match="has no column 'learning_rate'"):
        read_measured(tmp_path / "runs.csv")
