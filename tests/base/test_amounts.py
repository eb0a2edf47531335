"""Large counts as people write them."""

import pytest

from workflow.scripts.base.amounts import short


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (12_800, "12.8k"), (1_048_576, "1.05M"), (737_280_000, "737M"), (2e9, "2B"), (3e12, "3e12")],
)
def test_short_numbers(value, text):
    assert short(value) == text
