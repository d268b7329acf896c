"""Which float a written number means."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams.space.decimals import as_decimal, exact, meant_among


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(-20, 20))
def test_a_number_of_fifteen_digits_means_itself_first(digits: int, exponent: int) -> None:
    x = float(f"{digits}e{exponent}")
    near = [float(np.nextafter(x, -np.inf)), float(np.nextafter(x, np.inf))]
    assert meant_among([*near, x], x) == x
    assert as_decimal(x) == Decimal(repr(x))


@pytest.mark.parametrize("step", [0.1, 0.01, 0.3, 0.07, 1e-5])
def test_what_arange_made_is_found_by_its_short_form(step: float) -> None:
    made = np.arange(0, 1000 * step, step).tolist()
    for n in range(1000):
        written = float(Decimal(n) * Decimal(repr(step)))
        assert meant_among(made, written) == made[n]


def test_no_other_number_is_taken() -> None:
    made = [0.1 + 0.2, 0.7]
    assert meant_among(made, 0.3) == 0.1 + 0.2
    for x in (0.31, 0.3000000000000001, 0.29999999999999993, 0.300000000000002, -0.3, float("nan")):
        assert meant_among(made, x) is None
    assert meant_among([0.3000000000001], 0.3) is None
    assert meant_among([0.1 + 0.2, 0.3], 0.3) == 0.3
    assert meant_among([0.3], 0.1 + 0.2) is None  # it was written with all of its digits
    assert meant_among([], 0.3) is None
    assert meant_among([float("inf"), float("nan")], float("inf")) == float("inf")


def test_a_number_is_what_is_written() -> None:
    assert exact(0.1) == Fraction(1, 10)
    assert exact(10**30) == 10**30
    assert exact(-1e-7) == Fraction(-1, 10**7)
