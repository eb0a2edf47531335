"""Questions of a table, in words of the command line."""

import pytest

from tests.forecasts.tables import chinchilla, runs_of
from workflow.scripts.base.errors import InputError
from workflow.scripts.forecasts.ask import Place, Questions, answers, parse_amount, parse_place
from workflow.scripts.laws.estimate import Settings


@pytest.mark.parametrize(
    ("text", "place"),
    [("6.3M,16M", (6.3e6, 16e6)), ("1e6,2e7", (1e6, 2e7)), ("250k", (250e3, None)), (" 7B , 1.4T ", (7e9, 1.4e12))],
)
def test_a_run_is_n_and_d(text, place):
    assert parse_place(text) == Place(*place)


@pytest.mark.parametrize("text", ["", "many", "1M,", "1M,2M,3M", "-5", "0.5", "nan", "inf"])
def test_what_is_no_run_is_one_sentence(text):
    with pytest.raises(InputError, match=r"^'.*' is not .*such as 6\.3M"):
        parse_place(text)


def test_compute_is_a_number():
    assert parse_amount("1e18") == 1e18


def test_each_question_has_an_answer_or_a_reason():
    rows = runs_of(chinchilla, budgets=[1e7])
    found = answers(rows, Settings(), Questions((Place(1e7, None), Place(1e7, 1e9)), (1e15,)))
    known, unknown = found["predictions"]
    assert known["tokens"] == 10**7  # of the runs
    assert known["loss"] > 0
    assert known["absent"] == ""
    assert unknown["loss"] is None
    assert "a law of N and D is needed" in unknown["absent"]
    assert found["best_for"][0]["params"] is None
    assert found["best_for"][0]["absent"]
