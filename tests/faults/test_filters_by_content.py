"""Row 31: a filter by a value with several columns, or of which the table has only a short text."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from superparams import Experiment, Params, Results, search, value
from superparams.errors import StoreError

pytestmark = pytest.mark.usefixtures("no_leaks")


class Pair(NamedTuple):
    a: int
    b: int


@dataclasses.dataclass
class Point:
    a: int


class Refuses:
    """Its == raises."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        raise KeyError("no ==")

    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return f"Refuses({self.n})"


class ByElement(Refuses):
    """Its == gives an array."""

    def __eq__(self, other: object) -> Any:
        return np.array([True, False])

    def __hash__(self) -> int:
        return 1


class Odd(Experiment):
    x: Any = None

    def run(self) -> dict[str, object]:
        return {"y": self.x}


def both(results: Results) -> list[Results]:
    """The results with the class and without it."""
    return [results, Results.load(results.root)]


ITEMS: dict[str, list[Any]] = {
    "beside an empty dict": [{"a": 1}, {}],
    "fewer items": [{"a": 1}, {"a": 1, "b": 2}, {"b": 2}],
    "beside None": [{"a": 1}, None],
    "beside a number": [{"a": 1}, 5, {"a": "text"}, None],
    "nested": [{"a": {"b": {}}}, {"a": {"b": {"c": 1}}}, {"a": {"b": 1}}],
    "names that are numbers": [{1: 2}, {2: 2}],
    "dotted names": [{"a.b": 1}, {"c": {"b": 1}}],
    "named tuples": [Pair(1, 2), Pair(2, 1), None],
    "dataclasses": [Point(1), Point(2)],
    "dataclasses beside a dict": [Point(1), Point(2), {"b": 1}],
    "counts": [collections.Counter("aab"), collections.Counter("b")],
    "None inside": [{"a": None, "b": 1}, {"a": 1, "b": 1}],
}


@pytest.mark.parametrize("what", ITEMS)
def test_31_a_value_with_several_columns_is_found(tmp_path: Path, what: str) -> None:
    points = ITEMS[what]
    space = Odd(x=search(points))
    results = space.run_all(results=tmp_path, progress=False)
    for found in both(results):
        for name in ("x", "y"):
            keys = [found.where(**{name: x}).column("key").to_pylist() for x in points]
            assert keys == [[setting.key] for setting in space], name
    with pytest.raises(StoreError, match=r"no column 'y\.unknown'"):
        results.where(y={"unknown": 1})


ALIKE: dict[str, Callable[[], list[Any]]] = {
    "tables": lambda: [np.eye(2), np.zeros((2, 2))],
    "masked": lambda: [np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])],
    "long": lambda: [np.arange(9), np.arange(9)[::-1]],
    "frames": lambda: [pd.DataFrame({"a": [1, 2, 3, 4]}), pd.DataFrame({"a": [4, 3, 2, 1]})],
}


class Shown(Experiment):
    x: Any = None
    n: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": 1}


@pytest.mark.parametrize("what", ALIKE)
def test_31_values_with_one_text_are_told_apart_or_refused(tmp_path: Path, what: str) -> None:
    first, second = ALIKE[what]()
    results = Shown(x=search([first, second])).run_all(results=tmp_path, progress=False)
    (text,) = set(results.column("x").to_pylist())
    (note,) = [note for note in results.notes if "cannot tell" in note]
    assert f"2 points of Shown.x are all shown as {text!r}" in note
    for found in both(results):
        for x in (first, second):
            with pytest.raises(StoreError, match=r"no filter finds the rows of this x: .*name the"):
                found.where(x=x)
        assert len(found.where(x=text)) == 4
    named = Shown(x=search({"one": first, "two": second}))
    results = named.run_all(results=tmp_path / "named", progress=False)
    assert results.notes == ()
    assert [len(results.where(x=x)) for x in (first, second, "one")] == [2, 2, 2]


class Held(Params):
    data: Any = value(np.eye(2))


class Constant(Experiment):
    data: Any = value(np.eye(2))
    held: Held = Held()

    def run(self) -> dict[str, int]:
        return {"y": 1}


def test_31_a_constant_is_found_and_another_of_its_shape_is_not(tmp_path: Path) -> None:
    results = Constant().run_all(results=tmp_path, progress=False)
    for name in ("data", "held.data"):
        assert len(results.where(**{name: np.eye(2)})) == 1
        with pytest.raises(StoreError, match="no filter finds"):
            results.where(**{name: np.zeros((2, 2))})
    with pytest.raises(StoreError, match="does not tell its content"):
        Results.load(results.root).where(data=np.eye(2))
    other = Constant(data=np.zeros((2, 2))).run_all(results=tmp_path / "other", progress=False)
    assert len(other.where(data=np.zeros((2, 2)))) == 1


@pytest.mark.parametrize("kind", [Refuses, ByElement])
def test_31_points_whose_equality_fails_are_found(tmp_path: Path, kind: type[Refuses]) -> None:
    results = Odd(x=search([kind(1), kind(2)])).run_all(results=tmp_path, progress=False)
    for found in both(results):
        for name in ("x", "y"):
            for n in (1, 2):
                (row,) = found.where(**{name: kind(n)})
                assert row[name] == f"Refuses({n})"


CELLS: dict[str, list[Any]] = {
    "arrays": [np.arange(3), np.arange(2)],
    "arrays with NaN": [np.array([math.nan, 1.0]), np.array([1.0, 2.0])],
    "NaN beside text": [math.nan, "nan", None],
}


@pytest.mark.parametrize("what", CELLS)
def test_31_a_result_is_found_by_its_content(tmp_path: Path, what: str) -> None:
    points = CELLS[what]

    class Given(Experiment):
        i: int = search(range(len(points)))

        def run(self) -> dict[str, object]:
            return {"y": points[self.i]}

    results = Given().run_all(results=tmp_path, progress=False)
    for found in both(results):
        assert [found.where(y=x).column("i").to_pylist() for x in points] == [
            [i] for i in range(len(points))
        ]


def test_31_a_decimal_zero_keeps_its_sign(tmp_path: Path) -> None:
    points = [Decimal("-0.0"), Decimal("0.0"), [Decimal("-0"), Decimal(1)]]
    results = Odd(x=search(points[:2])).run_all(results=tmp_path, progress=False)
    assert results.column("y").to_pylist() == ['"-0.0"', "0.0"]
    results = Odd(x=points[2]).run_all(results=tmp_path / "list", progress=False)
    assert results.column("y").to_pylist() == ['["-0", "1"]']
