"""What counts as the same content, how it is hashed, and what a setting gets a copy of."""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import math
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from superparams.adapters.content import fresh, hash_of, holds_mutable, same, snapshot

Pair = collections.namedtuple("Pair", "a b")


class Plain:
    """No equality of its own, as an estimator has none."""

    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


@dataclasses.dataclass
class Box:
    array: Any


class Equals:
    """Its `equals` means something else than that of a data frame."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equals) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]

    def equals(self, other: object, tolerance: float) -> bool:
        return True


class Color(enum.Enum):
    RED = 1


SAME = [
    (1, 1.0),
    (math.nan, float("nan")),
    ([1, math.nan], [1, float("nan")]),
    ({"a": np.arange(3)}, {"a": np.arange(3)}),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ((1, (2, [3])), (1, (2, [3]))),
    ({1, 2}, {2, 1}),
    (np.array([1.0, np.nan]), np.array([1.0, np.nan])),
    (np.array([[1], "a"], dtype=object), np.array([[1], "a"], dtype=object)),
    (np.zeros((0, 3)), np.zeros((0, 3))),
    (pd.DataFrame({"a": [1.0, None]}), pd.DataFrame({"a": [1.0, None]})),
    (pd.Series([1, 2]), pd.Series([1, 2])),
    (pa.table({"a": [1]}), pa.table({"a": [1]})),
    (Plain(a=np.arange(2), b=Plain(c=1)), Plain(a=np.arange(2), b=Plain(c=1))),
    (Box(np.arange(3)), Box(np.arange(3))),
    (Equals(1), Equals(1)),
    (Pair(1, [2]), Pair(1, [2])),
    (np.float64("nan"), np.float64("nan")),
    (Path("a"), Path("a")),
    (collections.OrderedDict(a=1), collections.OrderedDict(a=1)),
]
DIFFERENT = [
    (True, 1),
    (np.True_, 1),
    (False, 0.0),
    ([True], [1]),
    ([1], (1,)),
    ([1], [1, 2]),
    ({"a": 1}, {"b": 1}),
    ("1", 1),
    (None, False),
    (np.arange(3), [0, 1, 2]),
    (np.arange(3), np.arange(4)),
    (np.arange(3), np.arange(3.0)),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
    (pd.DataFrame({"a": [1]}), 1),
    (pd.DataFrame, pd.Series),
    (Plain(a=1), Plain(a=2)),
    (Plain(a=1), Equals(1)),
    (Box(np.arange(3)), Box(np.zeros(3))),
    (Equals(1), Equals(2)),
    (threading.Lock(), threading.Lock()),
    (lambda: 1, lambda: 1),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_same(a: Any, b: Any) -> None:
    assert same(a, b)
    assert same(b, a)
    assert same([a], [b])


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different(a: Any, b: Any) -> None:
    assert not same(a, b)
    assert not same(b, a)
    assert same(a, a)


@pytest.mark.parametrize(("a", "b"), SAME)
def test_hash_agrees(a: Any, b: Any) -> None:
    assert hash_of(a) == hash_of(b)
    assert hash_of((a, 1)) == hash_of((b, 1))


def test_hash_tells_plain_values_apart() -> None:
    assert len({hash_of(x) for x in [1, 2, "a", (1, 2), (1, "b"), Color.RED, None]}) == 7


def test_an_object_that_holds_itself_is_compared_without_end_of_stack() -> None:
    a, b = Plain(), Plain()
    a.me, b.me = a, b  # type: ignore[attr-defined]
    assert not same(a, b)
    assert same(a, a)


def test_views_of_one_memory_are_not_read() -> None:
    """A constant of gigabytes is not compared element by element with itself."""
    array = np.zeros(1 << 26, np.uint8)
    assert same(fresh(array), fresh(array))
    assert same(array[::2], array[::2])
    other = array.copy()
    other[-1] = 1
    assert not same(array, other)


@pytest.mark.parametrize(
    "atom", [1, "a", None, Color.RED, int, len, Path("a"), np.int64(1), frozenset({1}), (1, "a")]
)
def test_atoms_are_shared(atom: Any) -> None:
    assert not holds_mutable(atom)
    assert fresh(atom) == atom


@pytest.mark.parametrize("value", [[1], {"a": [1]}, {1}, (1, [2]), Plain(a=[1]), Pair(1, [2])])
def test_a_fresh_value_is_equal_and_its_own(value: Any) -> None:
    assert holds_mutable(value)
    copied = fresh(value)
    assert copied is not value
    assert same(copied, value)
    assert type(copied) is type(value)


def test_fresh_reaches_inside() -> None:
    value = {"a": [1, {"b": {2}}], "c": (1, [2])}
    copied = fresh(value)
    copied["a"][1]["b"].add(3)
    copied["c"][1].append(3)
    assert value == {"a": [1, {"b": {2}}], "c": (1, [2])}


def test_an_array_is_a_read_only_view() -> None:
    array = np.zeros(3)
    view = fresh(array)
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 1  # the owner still can


@pytest.mark.parametrize("kind", [pd.DataFrame, pd.Series])
def test_what_is_written_to_a_frame_stays_there(kind: Any) -> None:
    data = kind({"a": [1, 2]}) if kind is pd.DataFrame else kind([1, 2])
    before = data.copy()
    copied = fresh(data)
    copied.iloc[0] = 9
    assert data.equals(before)


def test_what_cannot_be_copied_is_shared() -> None:
    lock = threading.Lock()
    assert fresh(lock) is lock
    assert fresh([lock])[0] is lock


def test_shared_objects_in_containers_of_ones_own() -> None:
    thing = Plain()
    value = [thing]
    assert fresh(value, share_objects=True)[0] is thing
    assert snapshot(value) is not value
    assert snapshot(value)[0] is thing
    assert snapshot(thing) is thing


def test_same_after_pickle_and_deepcopy() -> None:
    value = Plain(a=np.arange(3), b={"c": Plain(d=math.nan)})
    assert same(value, copy.deepcopy(value))
    assert same(value, pickle.loads(pickle.dumps(value)))
