"""`search` and `value`: what each form makes of what it is given."""

from __future__ import annotations

import enum
import itertools
import pickle
import threading
import typing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, Optional

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from superparams import Experiment, Params, search, value
from superparams.errors import FieldError
from superparams.space.axis import Axis
from tests.timing import within


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Adam(Params):
    lr: float = 0.1


def points(searched: Any, annotation: Any = Any) -> list[Any]:
    """The points of a field declared so."""
    body = {"__annotations__": {"x": annotation}, "x": searched, "__module__": __name__}
    cls: Any = type(Experiment)("Made", (Experiment,), body)
    return [setting.x for setting in cls()]


class OnlyIterable:
    def __iter__(self) -> Iterator[int]:
        return itertools.count()


FORMS: list[tuple[Any, list[Any]]] = [
    (search([1, 2]), [1, 2]),
    (search((1, 2)), [1, 2]),
    (search(1, 2), [1, 2]),
    (search(5), [5]),
    (search(None), [None]),
    (search("abc"), ["abc"]),
    (search("a", "b"), ["a", "b"]),
    (search(b"ab"), [b"ab"]),
    (search([1], [2, 3]), [[1], [2, 3]]),
    (search([[1], [2, 3]]), [[1], [2, 3]]),
    (search({"small": 1, "large": 2}), [1, 2]),
    (search({"b", "a", "c"}), ["a", "b", "c"]),
    (search(frozenset({3, 1})), [1, 3]),
    (search({1, "a", None}), [None, 1, "a"]),
    (search({"z": 1, "a": 2}.keys()), ["z", "a"]),
    (search(iter([3, 1])), [3, 1]),
    (search(x * x for x in range(3)), [0, 1, 4]),
    (search(range(3)), [0, 1, 2]),
    (search(np.array([1, 2])), [1, 2]),
    (search(np.linspace(0, 1, 3)), [0.0, 0.5, 1.0]),
    (search(np.float64(2.5)), [np.float64(2.5)]),
    (search(np.array(7)), [np.array(7)]),
    (search(pd.Series(["a", "b"])), ["a", "b"]),
    (search(Color), [Color.RED, Color.BLUE]),
    (search(Color.RED), [Color.RED]),
    (search([{}, {"a": 1}]), [{}, {"a": 1}]),
    (search(Adam()), [Adam()]),
    (search([Adam(), Adam(lr=1)]), [Adam(), Adam(lr=1)]),
    (search([1, 1]), [1, 1]),
]


@pytest.mark.parametrize(("searched", "expected"), FORMS)
def test_forms_of_search(searched: Any, expected: list[Any]) -> None:
    found = points(searched)
    assert found == expected
    assert [type(x) for x in found] == [type(x) for x in expected]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, [False, True]),
        (Color, list(Color)),
        (Literal["a", 1, None], ["a", 1, None]),
        (Optional[bool], [False, True, None]),  # noqa: UP045
        (Color | None, [*Color, None]),
        (Literal["a"] | bool, ["a", False, True]),
        (Annotated[bool, "why"], [False, True]),
        ("bool", [False, True]),
        ("Color", list(Color)),
        ("Literal['a', 'b']", ["a", "b"]),
    ],
)
def test_search_of_nothing_takes_all_values_of_the_annotation(
    annotation: Any, expected: list[Any]
) -> None:
    assert points(search(), annotation) == expected


def test_numpy_times_stay_times() -> None:
    days = np.array(["2020-01-01", "2020-01-02"], "M8[ns]")
    assert points(search(days)) == list(days)


def test_a_range_stays_lazy() -> None:
    class X(Experiment):
        i: int = search(range(10**12))

    space = X()
    assert len(space) == 10**12
    assert space[10**12 - 1].i == 10**12 - 1
    assert space.index(X(i=10**11)) == 10**11


@pytest.mark.timed
@pytest.mark.parametrize("stranger", [0.5, -1, 10**12, True, "1", None, [1], np.array([1, 2])])
def test_what_is_not_in_a_long_range_is_told_at_once(stranger: Any) -> None:
    axis = Axis(range(10**12))
    with within(1):
        assert axis.find(stranger) is None
    assert axis.find(3.0) == axis.find(np.int64(3)) == 3


def test_axis_finds_the_first_of_equal_points() -> None:
    axis = Axis([0, False, float("nan"), [1], (1,), (True,), 1])
    assert [axis.find(x) for x in axis] == [0, 1, 2, 3, 4, 5, 6]
    assert axis.find(float("nan")) == 2
    assert axis.find([1]) == 3
    assert axis.find("no") is None


def test_axes_are_equal_by_content() -> None:
    assert Axis([1, [2]]) == Axis([1, [2]])
    assert hash(Axis([1, [2]])) == hash(Axis([1, [2]]))
    assert Axis([1]) != Axis([2])
    assert Axis([1], ("a",)) != Axis([1], ("b",))
    assert Axis([1], None, "z") != Axis([1])
    assert pickle.loads(pickle.dumps(Axis([1, 2], ("a", "b"), "z"))) == Axis(
        [1, 2], ("a", "b"), "z"
    )


def test_truth_values_of_numpy_are_those_of_python() -> None:
    assert Axis([False, True]).find(np.True_) == 1
    assert Axis([1, np.True_]).find(True) == 1
    assert Axis([1, 0]).find(np.True_) is None


@pytest.mark.parametrize("kind", [list, OnlyIterable, list[int], typing.List[int]])  # noqa: UP006
def test_a_class_is_one_point_though_its_instances_can_be_iterated(kind: Any) -> None:
    assert points(search(kind)) == [kind]


def test_a_range_with_more_points_than_python_counts() -> None:
    with pytest.raises(FieldError, match=r"Made\.x: search\(range\(0, 10+\)\) has more.*give a sh"):
        points(search(range(10**30)))
    assert points(search(range(0, 10**30, 10**29))) == list(range(0, 10**30, 10**29))


def naturals() -> Iterator[int]:
    yield from itertools.count()


@pytest.mark.parametrize(
    "endless",
    [
        itertools.count(),
        itertools.cycle([1]),
        itertools.repeat(1),
        naturals(),
        map(str, itertools.count()),
        OnlyIterable(),
    ],
)
def test_points_that_never_end(endless: Any) -> None:
    with pytest.raises(FieldError, match=r"Made\.x: search\(.*does not end.*islice"):
        points(search(endless))


def test_sets_are_in_one_order_in_every_process() -> None:
    words = {f"word{i}" for i in range(50)}
    assert points(search(words)) == sorted(words)


# -- value -----------------------------------------------------------------------------------------


def test_a_factory_is_called_once_and_shared() -> None:
    calls: list[int] = []

    def load() -> np.ndarray[Any, Any]:
        calls.append(1)
        return np.arange(3)

    class X(Experiment):
        data: Any = value(factory=load)
        a: int = search([1, 2])

    first, second = X()
    assert calls == []
    assert "not made yet" in repr(first)
    assert calls == []
    assert np.shares_memory(first.data, second.data)
    assert np.shares_memory(X(a=1).data, first.data)
    assert calls == [1]
    with pytest.raises(ValueError, match="read-only"):
        first.data[0] = 1


def test_a_factory_runs_once_however_many_threads_ask() -> None:
    calls: list[int] = []
    gate = threading.Barrier(8)

    def load() -> object:
        calls.append(1)
        return object()

    class X(Experiment):
        data: object = value(factory=load)

    def ask(x: X) -> object:
        gate.wait(60)
        return x.data

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, [X() for _ in range(8)]))
    assert calls == [1]
    assert len(set(map(id, found))) == 1


def test_a_factory_that_fails_is_tried_again() -> None:
    tries: list[int] = []

    def load() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not there")
        return 7

    class X(Experiment):
        data: int = value(factory=load)

    with pytest.raises(OSError, match="not there"):
        _ = X().data
    assert X().data == 7


def test_a_factory_that_needs_itself() -> None:
    class X(Experiment):
        data: int = value(factory=lambda: X().data + 1)

    with pytest.raises(FieldError, match=r"X\.data: value\(factory=.*needs what it makes"):
        _ = X().data


def test_a_factory_and_a_constant_can_be_fixed_at_the_call() -> None:
    class X(Experiment):
        data: int = value(factory=lambda: 1 // 0)
        other: int = value(3)

    assert X(data=5).data == 5
    assert X(other=5).other == 5
    assert X(data=value(factory=lambda: 6)).data == 6
    assert len(X(other=search([1, 2]))) == 2


@pytest.mark.parametrize("way", ["factory", "derive"])
def test_a_class_that_is_made_in_place_of_an_instance(way: str) -> None:
    class Net(Params):
        width: int = 3

    def made(*_: Any) -> Any:
        return Net

    class X(Experiment):
        net: Net = value(factory=made) if way == "factory" else value(derive=made)
        kind: type[Net] = value(factory=made) if way == "factory" else value(derive=made)

    assert X().kind is Net
    with pytest.raises(FieldError, match=r"X\.net: Net is a class.*write Net\(\)"):
        print(X().net)


def test_derived_values() -> None:
    class X(Experiment):
        dataset: str = search(["a", "b"])
        path: str = value(derive=lambda s: f"data/{s.dataset}")
        twice: str = value(derive=lambda s: s.path * 2)

    assert [(s.path, s.twice) for s in X()] == [
        ("data/a", "data/adata/a"),
        ("data/b",) * 1 + ("data/bdata/b",),
    ]
    fixed = X(dataset="a", path="here")
    assert (fixed.path, fixed.twice) == ("here", "herehere")
    assert dict(X(dataset="a"))["path"] == "data/a"
    assert fixed.replace(dataset="b").path == "here"
    assert X(dataset="a").replace(dataset="b").path == "data/b"
    assert len(X(path=search(["p", "q"]))) == 4


def test_a_derived_value_is_computed_once_a_setting() -> None:
    calls: list[int] = []

    def derive(s: Any) -> list[int]:
        calls.append(s.a)
        return [s.a]

    class X(Experiment):
        a: int = search([1, 2])
        b: list[int] = value(derive=derive)

    settings = list(X())
    assert calls == []
    assert [s.b for s in settings] == [s.b for s in settings] == [[1], [2]]
    assert calls == [1, 2]


def test_circles_of_derived_values() -> None:
    class X(Experiment):
        a: int = value(derive=lambda s: s.b)
        b: int = value(derive=lambda s: s.a)

    setting = X()
    for _ in range(2):
        with pytest.raises(
            FieldError, match=r"X\.a: value\(derive=.*needs itself; break the circle"
        ):
            _ = setting.a
    assert X(a=1).b == 1


def test_threads_that_derive_one_value_at_a_time_see_no_circle() -> None:
    inside, go = threading.Event(), threading.Event()

    def derive(s: Any) -> list[int]:
        inside.set()
        assert go.wait(60)
        return [1]

    class X(Experiment):
        a: list[int] = value(derive=derive)

    setting = X()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: setting.a)
        assert inside.wait(60)
        second = pool.submit(lambda: setting.a)
        go.set()
        assert first.result(60) is second.result(60)


def test_mutable_constants_are_each_settings_own() -> None:
    class X(Experiment):
        layers: list[int] = [64, 64]
        options: dict[str, list[int]] = {"a": [1]}
        table: list[int] = value([1])
        a: int = search([1, 2])

    first, second = X()
    first.layers.append(1)
    first.options["a"].append(2)
    first.table.append(3)
    assert first.layers == [64, 64, 1]
    assert (second.layers, second.options, second.table) == ([64, 64], {"a": [1]}, [1])
    assert X(a=1).layers == [64, 64]


def test_mutable_points_are_each_settings_own() -> None:
    class X(Experiment):
        layers: list[int] = search([[1], [2]])
        a: int = search([1, 2])

    space = X()
    for setting in space:
        setting.layers.append(9)
    assert [s.layers for s in space] == [[1], [1], [2], [2]]
    space[0].layers.append(9)
    assert space[0].layers == [1]


def test_what_the_caller_does_to_his_list_later_stays_outside() -> None:
    class X(Experiment):
        layers: list[int]

    mine = [1]
    setting = X(layers=mine)
    mine.append(2)
    assert setting.layers == [1]
    other = setting.replace()
    setting.layers.append(3)
    assert other.layers == [1]


class Thing:
    def __init__(self) -> None:
        self.items: list[int] = []


def test_value_shares_objects_and_a_plain_default_does_not() -> None:
    thing = Thing()

    class X(Experiment):
        shared: Thing = value(thing)
        own: Thing = thing

    assert X().shared is thing
    assert X().own is not thing
    X().own.items.append(1)
    assert thing.items == []


MAKERS: list[Callable[[], Any]] = [
    lambda: value(),
    lambda: value(1, factory=int),  # type: ignore[call-overload]
    lambda: value(factory=int, derive=str),  # type: ignore[call-overload]
]


@pytest.mark.parametrize("make", MAKERS)
def test_value_takes_exactly_one(make: Callable[[], Any]) -> None:
    with pytest.raises(FieldError, match=r"Made\.x: value\(\) takes exactly one.*got [02].*write"):
        points(make())


def test_the_key_of_a_value_is_text() -> None:
    with pytest.raises(FieldError, match=r'Made\.x: value\(.*key=5\) must be a name.*: key="5"'):
        points(value([1], key=5))  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["factory", "derive"])
def test_value_of_something_not_callable(name: str) -> None:
    given: dict[str, Any] = {name: [1]}
    with pytest.raises(FieldError, match=rf"Made\.x: value\({name}=\[1\]\) must be a function"):
        points(value(**given))


def test_a_declaration_travels_without_what_was_made() -> None:
    made = value(factory=lambda: bytearray(1 << 20))
    assert len(made.made()) == 1 << 20  # type: ignore[attr-defined]
    data = cloudpickle.dumps(made)
    assert len(data) < 10_000
    assert not pickle.loads(data).is_made


@pytest.mark.parametrize("form", [search([1, 2], zip="z"), value(1), value(factory=dict)])
def test_reprs_read_like_the_source(form: Any) -> None:
    assert repr(form) in {
        "search([1, 2], zip='z')",
        "value(1)",
        "value(factory=dict: not made yet)",
    }
