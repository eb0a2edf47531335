"""How long a run is, and its learning rate: warmup, a constant trunk, and a cooldown that branches off it."""

from dataclasses import dataclass

from workflow.scripts.base.errors import InputError


@dataclass(frozen=True)
class Schedule:
    """Warmup-stable-decay in optimiser steps (Hägele 2024, section 3).

    The trunk (warmup, then constant) is the same for every budget of one model; the budget says only where
    the cooldown leaves it. So runs of several budgets share a trunk, and a grid of them costs little more
    than its longest run.
    """

    steps: int
    warmup: int
    cooldown: int

    @classmethod
    def of_budget(cls, tokens: int, tokens_per_step: int, warmup: int, cooldown_fraction: float) -> "Schedule":
        """The run that reads about ``tokens``; no steps if they are less than half of one."""
        steps = round(tokens / tokens_per_step)
        return cls(steps, warmup, max(1, round(cooldown_fraction * steps)))

    @property
    def branch(self) -> int:
        """Steps before the cooldown."""
        return self.steps - self.cooldown

    @property
    def never_peaks(self) -> str:
        """A sentence on a warmup that the cooldown cuts short; empty if it does not."""
        if self.warmup <= self.branch:
            return ""
        return (
            f"the rate rises for {self.warmup} steps, but the cooldown of a run of {self.steps} begins after"
            f" {self.branch}, so it never reaches the learning rate"
        )

    def rate(self, step: int, peak: float) -> float:
        """Learning rate of 0-based ``step``: linear warmup, constant, then 1 - sqrt to zero (Hägele 2024, eq. 1)."""
        into = max(step - self.branch, 0)
        warm = min((step + 1) / self.warmup, 1.0) if self.warmup else 1.0
        return peak * warm * (1 - (into / self.cooldown) ** 0.5 if into else 1.0)


def check_branches(schedules: dict[int, Schedule]) -> None:
    """Refuse budgets, by their tokens, whose runs cannot share a trunk.

    Raises:
        InputError: two leave it at the same step, or one before the first.
    """
    found: dict[int, int] = {}
    for tokens, schedule in sorted(schedules.items()):
        if schedule.branch < 1:
            raise InputError(f"{tokens} tokens leave no step before the cooldown: give more tokens or a shorter one")
        if schedule.branch in found:
            raise InputError(
                f"{found[schedule.branch]} and {tokens} tokens are too near: both leave the trunk at"
                f" step {schedule.branch}"
            )
        found[schedule.branch] = tokens
