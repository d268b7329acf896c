"""Which fields are ranges, by the class and by what a run recorded of it."""

from __future__ import annotations

import pytest

from superparams import Experiment, Params, search
from superparams.declare.class_schema import schema_of
from superparams.declare.range_scales import range_scales_of, range_scales_of_schema


class Adam(Params):
    beta: float = search(low=0.5, high=0.9)


class SGD(Params):
    lr: float = search(low=1e-5, high=1.0, log=True)


class Net(Params):
    width: int = search(low=16, high=512, log=True)
    depth: int = 3


class Fit(Experiment):
    rate: float = search(low=1e-5, high=1.0, log=True)
    part: float = search(low=0.0, high=1.0)
    listed: float = search([0.1, 1.0])
    net: Net = Net()
    optimizer: Adam | SGD = search([Adam(), SGD()])

    def run(self) -> dict[str, float]:
        return {"y": self.rate}


ITSELF = {"value": {"group": "A"}}
SCALES = {
    "rate": True,
    "part": False,
    "net.width": True,
    "optimizer.beta": False,
    "optimizer.lr": True,
}


def test_ranges_of_a_class_and_of_a_space() -> None:
    assert range_scales_of(Fit) == SCALES
    assert range_scales_of(Fit()) == SCALES


def test_ranges_of_a_schema() -> None:
    assert range_scales_of_schema(schema_of(Fit)) == SCALES


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"fields": 1},
        {"fields": {"x": 1}},
        {"fields": {"x": {"axis": {"points": 3}}}},
        {"fields": {"x": {"value": {"group": "A"}}}, "classes": []},
        {"fields": {"x": ITSELF}, "classes": {"A": {"x": ITSELF}}},
    ],
)
def test_a_damaged_schema_has_none(schema: dict[str, object]) -> None:
    assert range_scales_of_schema(schema) == {}
