import pytest

from workflow.scripts.base.uncertainty import wilson


@pytest.mark.parametrize(
    ("n", "k", "low", "high"), [(10, 0, 0.0, 0.2775), (10, 5, 0.2366, 0.7634), (200, 199, 0.9722, 0.9991)]
)
def test_wilson_interval(n, k, low, high):
    assert wilson(k, n) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
