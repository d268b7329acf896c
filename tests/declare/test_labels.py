"""The names of many groups are those that each of them has alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from superparams import Params, search, value
from superparams.declare.labels import label_of, labels_of
from superparams.space.axis import Axis


class Inner(Params):
    depth: int = 1


class Net(Params):
    lr: float = search([0.1, 0.2])
    width: int = 1
    flag: Any = False
    layers: list[int] = [1]
    inner: Inner = Inner()
    twice: int = value(derive=lambda s: 2 * s.width)


class Other(Params):
    width: int = 1


AXES: dict[str, list[Any]] = {
    "open": [Net(), Net(width=2), Net(width=2, flag=True), Net(layers=[2])],
    "twice the same": [Net(width=2), Net(), Net(width=2), Net()],
    "fixed after open": [Net(), Net(lr=0.1), Net(lr=0.3), Other(), Net(lr=0.1, width=2)],
    "open after fixed": [Net(lr=0.1), Other(width=2), Net(), Net(lr=0.2)],
    "an axis of a plain field": [Net(width=search([1, 2])), Net(width=2), Net(width=3)],
    "flags and numbers": [Net(flag=1), Net(flag=True), Net(flag=0), Net(), Net(flag=1.0)],
    "not a number": [Net(flag=float("nan")), Net(flag=float("nan"), width=2)],
    "groups inside": [
        Net(inner=Inner(depth=2)),
        Net(),
        Net(inner=search([Inner(), Inner(depth=3)])),
    ],
    "derived": [Net(twice=2), Net(), Net(twice=5, lr=0.1), Net(lr=0.1)],
    "None": [None, Net(), Other()],
}
MORE: list[Any] = [Net(lr=0.1, width=7), Other(width=9), Net(width=search([2, 3])), Inner()]


@pytest.mark.parametrize("name", AXES)
def test_names_of_many_groups_are_those_of_each(name: str) -> None:
    points = AXES[name]
    axis = Axis(points, tuple(f"p{place}" for place in range(len(points))))
    groups = [
        x for x in [*points, *MORE, *(x for each in AXES.values() for x in each)] if x is not None
    ]
    assert list(labels_of(axis, groups)) == [label_of(axis, x) for x in groups]


def test_names_of_many_groups_take_time_in_proportion() -> None:
    def seconds(size: int) -> float:
        points = [Net(width=place) for place in range(size)]
        axis = Axis(points, tuple(map(str, points)))
        began = time.process_time()
        assert list(labels_of(axis, points)) == list(axis.labels or ())
        return time.process_time() - began

    assert min(seconds(800) for _ in range(3)) < 12 * min(seconds(200) for _ in range(3))
