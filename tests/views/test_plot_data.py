"""Where values stand along an axis."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest

from superparams.views.plot_data import PlacedColumn, binned, means_by, placed, short_number


def column(values: list[object], **more: object) -> PlacedColumn:
    table = pl.DataFrame({"x": values}).to_arrow()
    return placed("x", table.column("x"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "is_log"),
    [
        ([0.1, 1.0, 10.0], True),
        ([20, 50, 100, 200, 500, 1000], True),
        ([1, 2, 4], True),
        ([1e-5, 3e-5, 1e-4, 3e-4], True),
        ([1, 2, 3, 4, 5], False),
        ([1, 1000], False),  # two numbers are no pattern
        ([0, 1, 10, 100], False),
        ([-100, -10, -1], False),
        ([1.0, 1.1, 1.21], False),
        ([5, 5, 5], False),
        ([random.Random(n).uniform(0, 1) for n in range(200)], False),
        ([10 ** random.Random(n).uniform(-5, 0) for n in range(200)], True),
    ],
)
def test_numbers_that_are_log_spaced(values: list[object], is_log: bool) -> None:
    assert column(values).scale.is_log is is_log
    assert column(values[::-1]).scale.is_log is is_log


def test_a_range_has_the_scale_that_it_was_declared_with() -> None:
    assert not column([1, 10, 100], is_log=False).scale.is_log
    assert column([1, 2, 3], is_log=True).scale.is_log
    assert not column([0, 1], is_log=True).scale.is_log  # no logarithm of zero


def test_numbers_stand_where_they_are() -> None:
    found = column([3, 1, 2])
    assert found.places == [3, 1, 2]
    assert (found.scale.ticks, found.scale.labels) == ([1, 2, 3], ["1", "2", "3"])
    assert column(list(range(100))).scale.ticks == []


@pytest.mark.parametrize(
    ("values", "places", "labels"),
    [
        (["b", "a", "b"], [0, 1, 0], ["b", "a"]),
        ([True, False], [1, 0], ["False", "True"]),
        (["b", None], [0, 1], ["b", "None"]),
        ([[1], [1, 2], [1]], [0, 1, 0], ["[1]", "[1, 2]"]),
        (["x" * 100, "\x1b[31m"], [0, 1], [f"{'x' * 23}…", "\\x1b[31m"]),
    ],
)
def test_other_values_are_categories(
    values: list[object], places: list[float], labels: list[str]
) -> None:
    found = column(values)
    assert found.places == places
    assert found.scale.labels == labels
    assert not found.scale.is_log


@pytest.mark.parametrize("values", [[None, 1.0, 2.0], [None, 1.0, 10.0, 100.0], [None, 5.0]])
def test_none_has_a_place_below_the_numbers(values: list[object]) -> None:
    found = column(values)
    assert found.places[0] == found.scale.gap
    assert found.places[0] < min(found.places[1:])
    assert found.places[0] > 0 or not found.scale.is_log
    assert found.label(found.places[0]) == "None"


def test_what_has_no_such_field_has_no_place() -> None:
    found = column([None, 1.0, None], has=[True, True, False])
    assert found.size == 2
    assert math.isnan(found.places[2])
    found = column(["a", None], has=[True, False])
    assert found.scale.labels == ["a"]
    assert math.isnan(found.places[1])


def test_bins() -> None:
    few = column([1.0, 2.0])
    assert binned(few) is few
    many = column([None, *(n / 10 for n in range(1000))])
    found = binned(many, 20)
    assert found.size == 11
    assert found.places[0] == many.scale.gap
    assert found.places[1] == pytest.approx(4.995)
    assert found.places[-1] == pytest.approx(94.905)
    assert sorted(found.places) == found.places
    log = binned(column([10 ** (n / 100) for n in range(401)]), 20)
    assert log.scale.is_log
    assert log.size == 10
    assert log.distinct[1] / log.distinct[0] == pytest.approx(10**0.4)


def test_means() -> None:
    nan = math.nan
    found = means_by(["a", "b", "a", "a", nan], [2, 1, 1, 2, 1], [1.0, 5.0, 3.0, 2.0, 9.0])
    assert list(found) == ["a", "b"]
    assert [tuple(point) for point in found["a"]] == [(1, 3, 3, 3, 1), (2, 1.5, 1, 2, 2)]


@pytest.mark.parametrize(
    ("x", "text"),
    [(1.0, "1"), (1000.0, "1000"), (1e-5, "1e-05"), (0.12345678, "0.1235"), (1e9, "1e+09")],
)
def test_short_numbers(x: float, text: str) -> None:
    assert short_number(x) == text
