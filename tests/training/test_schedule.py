import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.training.schedule import Schedule, check_branches


def test_rates():
    schedule = Schedule(steps=100, warmup=10, cooldown=20)
    rates = [schedule.rate(step, 2.0) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10:81] == [2.0] * 71
    assert rates[85] == pytest.approx(2.0 * (1 - (5 / 20) ** 0.5))
    assert 0 < rates[99] < 0.06
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)


def test_a_trunk_is_the_same_for_every_budget():
    long, short = (Schedule.of_budget(tokens, 1024, 20, 0.2) for tokens in (1 << 20, 1 << 17))
    assert (long.steps, long.branch, short.steps, short.branch) == (1024, 819, 128, 102)
    assert [long.rate(s, 1.0) for s in range(102)] == [short.rate(s, 1.0) for s in range(102)]


def test_the_grid_of_four_budgets_costs_less_than_a_fifth_more_than_its_longest_run():
    budgets = [Schedule.of_budget((1 << 20) // k, 1024, 20, 0.2) for k in (8, 4, 2, 1)]
    cost = max(b.branch for b in budgets) + sum(b.cooldown for b in budgets)
    assert cost / budgets[-1].steps == pytest.approx(1.175, abs=0.003)


def test_no_warmup_and_a_run_shorter_than_its_warmup():
    assert Schedule(10, 0, 2).rate(0, 1.0) == 1.0
    rates = [Schedule(5, 10, 1).rate(step, 1.0) for step in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def of(*budgets: int, cooldown_fraction: float = 0.2) -> dict[int, Schedule]:
    return {tokens: Schedule.of_budget(tokens, 256, 2, cooldown_fraction) for tokens in budgets}


def test_budgets_leave_the_trunk_in_their_order():
    budgets = of(16384, 8192)
    check_branches(budgets)
    assert {tokens: budget.branch for tokens, budget in budgets.items()} == {8192: 26, 16384: 51}


@pytest.mark.parametrize(
    ("schedules", "sentence"),
    [
        (of(8192, 8200), "8192 and 8200 tokens are too near: both leave the trunk at step 26"),
        (of(1792, 2048), "both leave the trunk at step 6"),  # of 7 and of 8 steps
        (of(100, 8192), "100 tokens leave no step before the cooldown"),
        (of(8192, cooldown_fraction=1), "8192 tokens leave no step before the cooldown"),
    ],
)
def test_budgets_that_cannot_share_a_trunk_are_refused(schedules, sentence):
    with pytest.raises(InputError, match=sentence):
        check_branches(schedules)
