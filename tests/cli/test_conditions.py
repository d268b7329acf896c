"""Which rows the conditions of `--where` select."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams.cli.conditions import matching
from superparams.errors import CommandError, FieldError
from superparams.store.results import Results
from tests.recording import done, key, run


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.timezone.utc)


def table(root: Path, *values: Any) -> pa.Table:
    """The table of an experiment whose result `x` had these values, one a setting."""
    run(root, [done(n, None if x is None else {"x": x}) for n, x in enumerate(values)])
    return Results.load(root).to_arrow()


def met(made: pa.Table, *conditions: str) -> list[int]:
    return [int(n) for n in matching(made, conditions)["a"].to_pylist()]


@pytest.mark.parametrize(
    ("values", "condition", "expected"),
    [
        ([1, 2, 3, None], "x=2", [1]),
        ([1, 2, 3, None], "x==2", [1]),
        ([1, 2, 3, None], "x = 2", [1]),
        ([1, 2, 3, None], "x!=2", [0, 2, 3]),
        ([1, 2, 3, None], "x<2", [0]),
        ([1, 2, 3, None], "x<=2", [0, 1]),
        ([1, 2, 3, None], "x > 1.5", [1, 2]),
        ([1, 2, 3, None], "x>=2", [1, 2]),
        ([1, 2, 3, None], "x=1,3", [0, 2]),
        ([1, 2, 3, None], "x!=1,3", [1, 3]),
        ([1, 2, 3, None], "x=None", [3]),
        ([1, 2, 3, None], "x!=None", [0, 1, 2]),
        ([1, 2, 3, None], "x=1,None", [0, 3]),
        ([0.1, 1.0, math.nan], "x=0.1", [0]),
        ([0.1, 1.0, math.nan], "x=nan", [2]),
        ([0.1, 1.0, math.nan], "x=1", [1]),
        ([0.1, 1.0, math.nan], "x<5", [0, 1]),
        ([0.1, 1.0, math.inf], "x>1e3", [2]),
        (["a", "b", None], "x=a", [0]),
        (["a", "b", None], "x>a", [1]),
        (["a,b", "a", ""], 'x="a,b"', [0]),
        (["a,b", "a", ""], "x=a", [1]),
        (["a,b", "a", ""], "x=", [2]),
        (["x=1", "y", "z"], "x=x=1", [0]),
        ([True, False, None], "x=true", [0]),
        ([True, False, None], "x=No", [1]),
        ([Colour.RED, Colour.BLUE], "x=BLUE", [1]),
        ([Path("/a/b"), Path("c")], "x=/a/b", [0]),
        ([[1, 2], [3]], "x=[1, 2]", [0]),
        ([[1, 2], [3]], "x=[1,2],[3]", [0, 1]),
        ([1, "one", 2.5], "x=1", [0]),
        ([1, "one", 2.5], "x=one", [1]),
        ([1, "one", 2.5], "x>1", [2]),
        ([2**70, 1], "x>1000", [0]),
        ([decimal.Decimal("1.50"), decimal.Decimal(2)], "x=1.5", [0]),
        ([decimal.Decimal("1.50"), decimal.Decimal(2)], "x>1.6", [1]),
        ([dt.date(2026, 1, 2), dt.date(2026, 1, 3)], "x>2026-01-02", [1]),
        ([NOON, NOON + dt.timedelta(hours=2)], "x>2026-01-02T12:30:00Z", [1]),
        ([NOON, NOON + dt.timedelta(hours=2)], "x>2026-01-02 14:30:00+02:00", [1]),
        ([dt.datetime(2026, 1, 2, 9), dt.datetime(2026, 1, 3)], "x<2026-01-02 10:00", [0]),
        ([b"ab", b"c"], "x=ab", [0]),
    ],
)
def test_conditions(tmp_path: Path, values: list[Any], condition: str, expected: list[int]) -> None:
    assert met(table(tmp_path, *values), condition) == expected


def test_numbers_of_32_bits_are_what_was_written(tmp_path: Path) -> None:
    made = table(tmp_path, 1)
    made = made.set_column(1, "x", pa.array([0.1], pa.float32()))
    assert met(made, "x=0.1") == [0]


def test_all_of_several_hold(tmp_path: Path) -> None:
    made = table(tmp_path, 1, 2, 3, 4)
    assert met(made, "x>1", "x<4", "a!=1") == [2]
    assert met(made) == [0, 1, 2, 3]
    assert met(made, "x>9") == []


def test_names_with_dots_and_names_that_begin_alike(tmp_path: Path) -> None:
    run(tmp_path, [done(0, {"x": 1, "x.y": 2, "x<y": 3}), done(1, {"x": 2, "x.y": 1, "x<y": 1})])
    made = Results.load(tmp_path).to_arrow()
    assert met(made, "x.y=2") == [0]
    assert met(made, "x<2") == [0]
    assert met(made, "x<y=1") == [1]


def test_the_beginning_of_a_key_is_enough(tmp_path: Path) -> None:
    made = table(tmp_path, *range(20))
    assert met(made, f"key={key(19)}") == [19]
    assert len(met(made, "key=000")) == 20
    assert met(made, "key=1") == []


def test_time_without_a_zone_is_that_of_here(tmp_path: Path) -> None:
    made = table(tmp_path, NOON)
    here = NOON.astimezone().replace(tzinfo=None)
    assert met(made, f"x={here.isoformat()}") == [0]
    assert met(made, f"x>{(here - dt.timedelta(minutes=1)).isoformat()}") == [0]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("y=1", "no column 'y'; there are a, x, key"),
        ("xx>1", "did you mean 'x'"),
        ("=1", "no column ''"),
        ("x", "give a condition such as"),
        ("", "give a condition such as"),
        ("x=abc", "x takes int | float | None, not 'abc'; write x=1, or x=1,2$"),
        ("x>abc", "x takes int | float, not 'abc'; write x>1$"),
        ("x=1,abc", "x takes int | float | None, not 'abc'"),
        ("x=1,,2", "there is nothing between two commas"),
        ("x=0x", "x takes int | float | None, not '0x'"),
        ("x=1e999,2", None),
        ("started>yesterday", "started takes datetime, not 'yesterday'; write started>2024-05-01T"),
        ("x>", "x takes int | float, not ''"),
        ("x>1..2", "x takes int | float, not '1..2': a range has no order"),
    ],
)
def test_what_is_no_condition(tmp_path: Path, condition: str, told: str | None) -> None:
    made = table(tmp_path, 1, 2)
    if told is None:
        assert met(made, condition) == [1]
        return
    with pytest.raises((CommandError, FieldError)) as error:
        matching(made, [condition])
    assert told in f"{error.value}$"
