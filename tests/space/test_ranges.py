"""Ranges: which value random bits choose, grids, and the same values on every machine."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superparams.errors import SpaceError
from superparams.space.ranges import Range, Uncounted

LAST = 2**64 - 1
BITS = st.integers(0, LAST)


def spread(n: int) -> list[int]:
    """Evenly spaced bits, from the first to the last."""
    return [LAST * place // (n - 1) for place in range(n)]


every_kind = pytest.mark.parametrize(
    "of",
    [
        Range(0.0, 1.0),
        Range(-1e308, 1e308),
        Range(1e-5, 1e-1, log=True),
        Range(5e-324, 1.7e308, log=True),
        Range(0.1, 0.7, step=0.1),
        Range(1, 9),
        Range(-5, 5, step=5),
        Range(1, 2**62),
        Range(16, 512, log=True),
        Range(1, 10**30, log=True),
    ],
    ids=repr,
)


@every_kind
def test_the_first_and_the_last_bits_choose_the_ends(of: Range) -> None:
    assert of.at(0) == of.low
    assert of.at(LAST) == of.high
    values = [of.at(bits) for bits in spread(1001)]
    assert values == sorted(values)
    assert {type(x) for x in values} == {type(of.low)}
    assert all(x in of for x in values)


@every_kind
def test_many_values_at_once_are_those_of_one_at_a_time(of: Range) -> None:
    bits = [*spread(1001), *(one + 1 for one in spread(500)[:-1]), LAST >> 1, 2048, 2047]
    values = of.every(bits)
    assert list(map(repr, values)) == [repr(of.at(one)) for one in bits]
    assert of.every([]) == []


@given(BITS, st.floats(-1e300, 1e300), st.floats(1e-3, 1e300))
def test_no_bits_leave_a_range_of_floats(bits: int, low: float, width: float) -> None:
    high = low + width
    if low < high:
        assert low <= Range(low, high).at(bits) <= high
        if low > 0:
            assert low <= Range(low, high, log=True).at(bits) <= high


def test_steps_are_decimal() -> None:
    tenths = Range(0.0, 1.0, step=0.1)
    assert [tenths.at(bits) for bits in spread(11)] == [float(f"0.{n}") for n in range(10)] + [1.0]
    odd = Range(-0.35, 1.05, step=0.07)
    assert [repr(odd.at(bits)) for bits in spread(21)] == [
        repr(float(Decimal("-0.35") + n * Decimal("0.07"))) for n in range(21)
    ]
    tiny = Range(1e-20, 5e-20, step=1e-20)
    assert [tiny.at(bits) for bits in spread(5)] == [1e-20, 2e-20, 3e-20, 4e-20, 5e-20]


@pytest.mark.parametrize("of", [Range(1, 7), Range(0, 30, step=5), Range(0.1, 0.7, step=0.1)])
def test_all_values_with_steps_have_as_many_bits_the_ends_too(of: Range) -> None:
    met = Counter(of.at(bits) for bits in spread(70_000))
    assert len(met) == 7
    assert set(met.values()) <= {9_999, 10_000, 10_001}


def test_logarithmic_integers_are_those_of_half_a_unit_around_them() -> None:
    of, n = Range(1, 8, log=True), 100_000
    met = Counter(of.at(bits) for bits in spread(n))
    whole = math.log(8.5 / 0.5)
    for x in range(1, 9):
        assert met[x] == pytest.approx(n * math.log((x + 0.5) / (x - 0.5)) / whole, abs=2)


def test_logarithmic_floats_are_powers() -> None:
    of = Range(1e-5, 1e-1, log=True)
    for bits in spread(1000):
        part = (bits >> 11) / (2**53 - 1)
        assert of.at(bits) == pytest.approx(10 ** (-5 + 4 * part), rel=1e-14)


def test_the_same_values_on_every_machine() -> None:
    """`math.pow` may differ in the last digit: a key must not."""
    of, bits = Range(1e-5, 1e-1, log=True), (0x0123456789ABCDEF, 0xFEDCBA9876543210, 2**63)
    assert [of.at(bits).hex() for bits in bits] == [
        "0x1.5d90956ccbc61p-17",
        "0x1.892befc6eef01p-4",
        "0x1.0624dd2f1aa02p-10",
    ]


@pytest.mark.parametrize(
    ("of", "k", "values"),
    [
        (Range(1e-5, 1e-1, log=True), 5, [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        (Range(1e-5, 1e-1, log=True), 1, [1e-3]),
        (Range(0.0, 1.0), 11, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        (Range(0.0, 1.0, step=0.25), 9, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Range(0.0, 0.9, step=0.1), 4, [0.0, 0.3, 0.6, 0.9]),
        (Range(1, 3), 100, [1, 2, 3]),
        (Range(0, 100, step=10), 3, [0, 50, 100]),
        (Range(16, 512, log=True), 6, [16, 32, 64, 128, 256, 512]),
        (Range(1, 4, log=True), 50, [1, 2, 3, 4]),
        (Range(1, 9), 2, [1, 9]),
        (Range(1, 9), 1, [5]),
    ],
)
def test_a_grid_has_nice_values_each_once(of: Range, k: int, values: list[Any]) -> None:
    assert of.grid(k) == values
    assert {type(x) for x in of.grid(k)} == {type(of.low)}


def test_what_is_in_a_range() -> None:
    tenths = Range(0.0, 1.0, step=0.1)
    assert 0.3 in tenths
    assert 1.0 in tenths
    assert 0 in tenths
    assert 0.35 not in tenths
    assert 1.1 not in tenths
    assert 0.30000000000000004 not in tenths
    assert 3 in Range(1, 9)
    assert 3.0 in Range(1, 9)
    assert 3.5 not in Range(1, 9)
    assert 4 not in Range(1, 9, step=4)
    assert 5 in Range(1, 9, step=4)
    for stranger in (True, "3", None, math.nan):
        assert stranger not in Range(1, 9)


def test_ranges_are_equal_by_what_was_written() -> None:
    assert Range(0.0, 1.0) == Range(0.0, 1.0) != Range(0, 1)
    assert Range(1, 9) != Range(1, 9, log=True)
    assert len({Range(1, 9), Range(1, 9), Range(1, 9, step=2)}) == 2
    for of in (Range(1, 9, step=2), Range(1e-3, 1.0, log=True)):
        copy = pickle.loads(pickle.dumps(of))
        assert copy == of
        assert copy.at(12345 << 40) == of.at(12345 << 40)


def test_a_space_with_ranges_has_no_product() -> None:
    product = Uncounted("take a sample")
    for ask in (
        lambda: product.size,
        lambda: product.dimensions,
        lambda: product.at(0),
        lambda: list(product),
        lambda: product.find(()),
    ):
        with pytest.raises(SpaceError, match="take a sample"):
            ask()


@pytest.mark.parametrize("low", [2**53 - 3, 2**60, 10**30])
def test_every_large_integer_of_a_logarithmic_range_is_drawn_and_listed(low: int) -> None:
    of = Range(low, low + 7, log=True)
    met = Counter(map(of.at, spread(4001)))
    assert set(met) == set(range(low, low + 8))
    assert max(met.values()) < 1.2 * min(met.values())
    assert of.grid(8) == of.grid(100) == list(range(low, low + 8))


def test_large_integers_of_a_logarithmic_range_have_all_their_digits() -> None:
    of = Range(1, 2**62, log=True)
    values = [of.at(bits) for bits in spread(2001)]
    assert values == sorted(values)
    assert sum(x % 2 for x in values if x > 2**55) > 50  # a float of this size is even
    middle = values[1000]
    assert 2**31 * 0.7 < middle < 2**31 * 1.5
