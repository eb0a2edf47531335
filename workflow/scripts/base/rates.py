"""A learning rate in use, which may fall with the tokens of a run."""

from typing import NamedTuple

from workflow.scripts.base import cli

DIGITS = 3  # of a rate that falls


class Rate(NamedTuple):
    """A learning rate at ``tokens``, falling by a power of them.

    As a word of a command line, RATE or RATE:EXPONENT:TOKENS.
    """

    rate: float
    exponent: float = 0.0
    tokens: int = 1

    @classmethod
    def of(cls, text: str) -> "Rate":
        """The rate that a word says.

        Raises:
            ArgumentTypeError: it says none.
        """
        rate, *falls = text.split(":", 2)
        if len(falls) < 2:
            return cls(cli.positive_float(text))
        return cls(cli.positive_float(rate), cli.non_negative_float(falls[0]), cli.positive_int(falls[1]))

    def __str__(self) -> str:
        return f"{self.rate}:{self.exponent}:{self.tokens}" if self.exponent else f"{self.rate}"

    def at(self, tokens: int) -> float:
        """The rate of a run of so many tokens."""
        if not self.exponent:
            return self.rate
        return float(f"{self.rate * (tokens / self.tokens) ** -self.exponent:.{DIGITS}g}")
