"""Numbers as people write them."""

import numpy as np
import pytest

from workflow.scripts.tables.numbers import decimal_commas, numbers_of


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1.05M", 1.05e6), ("10K", 1e4), ("10k", 1e4), ("2.5B", 2.5e9), ("3.2T", 3.2e12), ("0.05M", 5e4),
        ("125 M", 1.25e8), ("7bn", 7e9), ("2 million", 2e6), ("1e5", 1e5), ("1E+5", 1e5), ("10,000", 1e4),
        ("1,234,567.5", 1234567.5), ("1 000 000", 1e6), ("1\u202f000\u202f000", 1e6), ("1\u00a0000", 1e3),
        ("1'000", 1e3), ("1_000", 1e3), ("+5", 5), ("1e400", np.inf),
    ],
)  # fmt: skip
def test_amounts(cell, number):
    assert numbers_of([cell], amounts=True, commas=False) == pytest.approx([number])


@pytest.mark.parametrize(
    "cell",
    ["50%", "10,00", "1,0000", "1 00", "~5", "5 apples", "M", "", "1,000M,", "１２", "0x10", "1e5M5", "1,000 000"],
)
def test_what_is_no_amount(cell):
    assert np.isnan(numbers_of([cell], amounts=True, commas=False)).all()


@pytest.mark.parametrize("cell", ["2,31", "1,912", "2K", "5%"])
def test_a_loss_is_written_plainly(cell):
    assert np.isnan(numbers_of([cell], amounts=False, commas=False)).all()


@pytest.mark.parametrize(
    ("cell", "number"),
    [("1,91", 1.91), ("1,912", 1.912), ("1.234,5", 1234.5), ("10.000", 10000), ("12,86M", 12.86e6),
     ("12,860M", 12.86e6), ("1,2e5", 1.2e5), ("1.5", 1.5), ("7", 7), ("1,000,000", 1e6), ("1.000.000", 1e6),
     ("1e5", 1e5)],
)  # fmt: skip
def test_decimal_commas(cell, number):
    assert numbers_of([cell], amounts=True, commas=True) == pytest.approx([number])


@pytest.mark.parametrize(
    ("row", "separator", "decimal"),
    [
        (["10000", "1,91"], ";", True),
        (["10000", "1,91"], "\t", True),
        (["10000", "1,912"], ";", True),  # either, but semicolons go with decimal commas
        (["10000", "1,912"], "\t", False),
        (["10,000", "1.91"], ";", False),  # between thousands, as there are points
        (["12,86M", "1"], ";", True),
        (["10000", "1,91"], ",", False),
        (["10000", "2"], ";", False),
    ],
)
def test_whether_commas_are_decimal(row, separator, decimal):
    assert decimal_commas([row], separator) is decimal


def test_a_scale_is_for_cells_that_do_not_say_their_own():
    assert numbers_of(["5", "7K", "1,000"], amounts=True, commas=False, scale=1e6).tolist() == [5e6, 7e3, 1e9]


@pytest.mark.filterwarnings("error")
def test_what_is_too_large_is_infinite_without_a_warning():
    assert numbers_of(["1e308"], amounts=True, commas=False, scale=1e9).tolist() == [np.inf]
