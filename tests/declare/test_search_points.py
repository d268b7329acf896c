"""A space as strategies see it: its dimensions, and points and settings both ways."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from typing import Any

import pytest

from superparams import Experiment, Params, search
from superparams.declare.search_points import SearchPoints
from superparams.errors import SpaceError, StrategyError
from superparams.space.random_bits import RandomBits
from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    OrderedNumbers,
)


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)
    beta: float = 0.9


class SGD(Params):
    rate: float = search(low=0.01, high=1.0)
    nesterov: bool = search([True, False])


class Net(Params):
    depth: int = search(low=1, high=4)
    width: int = search([64, 16, 256])


class Train(Experiment):
    lr: float = search(low=1e-4, high=1e-1, log=True)
    drop: float = search(low=0.0, high=0.9, step=0.3)
    act: str = search(["relu", "tanh", "gelu"])
    optimizer: Adam | SGD | None = search([Adam(), SGD(), None])
    net: Net = Net()
    batch: int = search(range(32, 129, 32))
    low: int = search([1, 2], zip="ends")
    high: int = search([8, 9], zip="ends")
    seed: int = search(range(5), repeat=True)
    epochs: int = 3

    def run(self) -> dict[str, Any]:
        return {"x": self.lr}


def points() -> SearchPoints:
    return SearchPoints(Train())


def test_the_dimensions_have_dotted_names_and_no_repetitions() -> None:
    space = points().space
    assert space.dimensions == (
        NumberRange("lr", 1e-4, 1e-1, log=True),
        NumberRange("drop", 0.0, 0.9, step=0.3),
        Categories("act", 3),
        ConditionalChoice(
            "optimizer",
            ("Adam", "SGD", "NoneType"),
            (
                (NumberRange("optimizer.Adam.rate", 1e-5, 1e-1, log=True),),
                (
                    NumberRange("optimizer.SGD.rate", 0.01, 1.0),
                    Categories("optimizer.SGD.nesterov", 2),
                ),
                (),
            ),
        ),
        NumberRange("net.depth", 1, 4),
        OrderedNumbers("net.width", (16, 64, 256)),
        NumberRange("batch", 32, 128, step=32),
        Categories("low+high", 2),
    )
    assert points().repetitions == 5


def test_a_space_is_plain_data() -> None:
    space = points().space
    assert pickle.loads(pickle.dumps(space)) == space
    assert json.loads(json.dumps(asdict(space)))["dimensions"][0]["name"] == "lr"


def test_any_value_of_a_range_makes_a_setting() -> None:
    made = points()
    point = made.space.checked(
        {
            "lr": 0.0123456789,
            "drop": 0.31,
            "act": 2,
            "optimizer": 1,
            "optimizer.SGD.rate": 0.5,
            "optimizer.SGD.nesterov": 1,
            "optimizer.Adam.rate": 0.001,
            "net.depth": 2.6,
            "net.width": 0,
            "batch": 70,
            "low+high": 1,
        }
    )
    assert "optimizer.Adam.rate" not in point
    setting = made.setting(point, 3)
    assert (setting.lr, setting.drop, setting.act, setting.seed) == (0.0123456789, 0.3, "gelu", 3)
    assert setting.optimizer == SGD(rate=0.5, nesterov=False)
    assert (setting.net.depth, setting.net.width, setting.batch) == (3, 16, 64)
    assert (setting.low, setting.high) == (2, 9)
    assert isinstance(setting.net.depth, int)


def test_a_setting_has_the_point_that_made_it() -> None:
    made = points()
    alternatives = set[int]()
    for index in range(200):
        point = made.space.drawn(RandomBits(7), index)
        alternatives.add(point["optimizer"])
        assert made.space.checked(point) == point
        assert made.point_of(made.setting(point, index % 5)) == point
        assert [one.name for one in made.space.used(point)] == list(point)
    assert alternatives == {0, 1, 2}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"lr": float("nan")}, "lr=nan is not a number from 0.0001 to 0.1"),
        ({"lr": 0.2}, "lr=0.2 is not a number"),
        ({"lr": "0.01"}, "lr='0.01' is not a number"),
        ({"lr": True}, "lr=True is not a number"),
        ({"act": 3}, r"act=3 is no place among its 3 values: give an int from 0 to 2"),
        ({"act": 0.5}, "act=0.5 is no place"),
        ({"act": None}, "act=None is no place"),
        ({"optimizer": -1}, "optimizer=-1 is no place"),
        ({"optimiser": 1}, "'optimiser' is no dimension of this space: give 'optimizer'"),
    ],
)
def test_nonsense_is_refused(change: dict[str, Any], error: str) -> None:
    space = points().space
    with pytest.raises(StrategyError, match=error):
        space.checked({**space.drawn(RandomBits(0), 0), **change})


def test_a_missing_value_and_what_is_no_mapping_are_refused() -> None:
    space = points().space
    point = space.drawn(RandomBits(0), 0)
    del point["act"]
    with pytest.raises(StrategyError, match="a value for 'act' is missing"):
        space.checked(point)
    with pytest.raises(StrategyError, match="no mapping"):
        space.checked([1, 2])


def test_a_setting_of_another_space_has_no_point() -> None:
    with pytest.raises(SpaceError, match=r"Train\.epochs=4 is not in this space"):
        points().point_of(Train(epochs=4).sample(1)[0])
    inside = SearchPoints(Train(lr=search(low=1e-4, high=1e-3)))
    with pytest.raises(SpaceError, match=r"Train\.lr=0\.01 is not among the values"):
        inside.point_of(Train(lr=0.01).sample(1)[0])


def test_the_number_of_points() -> None:
    assert points().space.size is None
    assert SearchPoints(Net()).space.size == 12

    class Nested(Params):
        net: Net | int = search([Net(), 5])
        batch: int = search([1, 2])

    assert SearchPoints(Nested()).space.size == 13 * 2


def test_a_space_without_open_axes_has_one_point() -> None:
    made = SearchPoints(Net(depth=1, width=16))
    assert made.space.dimensions == ()
    assert made.space.size == 1
    assert made.setting({}) == Net(depth=1, width=16)
    assert made.point_of(Net(depth=1, width=16)) == {}


def test_numbers_from_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    space = SearchPoints(Net()).space
    point = space.checked({"depth": numpy.int64(2), "width": numpy.float64(1.0)})
    assert point == {"depth": 2, "width": 1}
    assert {type(x) for x in point.values()} == {int}
