"""`search(low=, high=)`: what it means by the annotation, and what is refused with which remedy."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest

from superparams import Experiment, Params, search
from superparams.declare.words import describe
from superparams.errors import FieldError, SpaceError
from tests.declare.one_field import made

pytestmark = pytest.mark.usefixtures("no_leaks")


class Adam(Params):
    rate: float = search(low=1e-5, high=1e-1, log=True)


class SGD(Params):
    rate: float = search([0.1, 0.2])


class Fit(Experiment):
    lr: float = search(low=1e-5, high=1e-1, log=True)
    width: int = search(low=16, high=512)
    optimizer: Adam | SGD = search([Adam(), SGD()])
    epochs: int = 30

    def run(self) -> dict[str, float]:
        return {"y": self.lr}


@pytest.mark.parametrize(
    ("annotation", "bounds", "shown"),
    [
        (float, {"low": 0, "high": 1}, "low=0.0, high=1.0"),
        (int, {"low": 0, "high": 1}, "low=0, high=1"),
        (int, {"low": 1.0, "high": 1e3, "log": True}, "low=1, high=1000, log=True"),
        (float | None, {"low": 0.5, "high": 1}, "low=0.5, high=1.0"),
        (int | None, {"low": -3, "high": 3, "step": 3}, "low=-3, high=3, step=3"),
        (int | float, {"low": 0, "high": 3}, "low=0.0, high=3.0"),
        (Annotated[float, "a rate"], {"low": 0, "high": 1}, "low=0.0, high=1.0"),
        ("float", {"low": 0, "high": 1, "step": 0.1}, "low=0.0, high=1.0, step=0.1"),
        (float, {"low": np.float64(0.5), "high": np.int64(2)}, "low=0.5, high=2.0"),
        (int, {"low": np.int8(1), "high": 2, "log": False}, "low=1, high=2"),
    ],
)
def test_the_annotation_decides_about_int_or_float(
    annotation: Any, bounds: dict[str, Any], shown: str
) -> None:
    cls = made(annotation, search(**bounds))
    assert repr(cls().inline_repr) == repr(f"Made(x=search({shown}))")


REFUSED: dict[str, tuple[Any, Callable[[], Any], str]] = {
    "low above high": (
        float,
        lambda: search(low=1, high=0),
        r"low=1\.0 must be below high=0\.0; write search\(low=0\.0, high=1\.0\)",
    ),
    "low equal to high": (
        int,
        lambda: search(low=3, high=3),
        r"low=3 must be below high=3; fix the field, x = 3",
    ),
    "no logarithm": (
        float,
        lambda: search(low=0, high=1, log=True),
        r"low=0\.0 has no logarithm, .* such as low=1e-05; or leave log=True out",
    ),
    "no logarithm below zero": (
        int,
        lambda: search(low=-1, high=100, log=True),
        r"low=-1 has no logarithm, .* such as low=1; or",
    ),
    "log with step": (
        float,
        lambda: search(low=1, high=2, log=True, step=0.5),
        r"log=True and step=0\.5 exclude each other.*leave one of them out",
    ),
    "no step": (
        float,
        lambda: search(low=0, high=1, step=0),
        r"step=0\.0 must be above 0; write step=1",
    ),
    "negative step": (
        float,
        lambda: search(low=0, high=1, step=-0.25),
        r"step=-0\.25 must be above 0; write step=0\.25",
    ),
    "step misses high": (
        float,
        lambda: search(low=0, high=1, step=0.3),
        r"steps of 0\.3 from low=0\.0 do not meet high=1\.0; the nearest are 0\.9 and 1\.2: write "
        r"high=0\.9 or high=1\.2",
    ),
    "step beyond high": (
        int,
        lambda: search(low=0, high=3, step=5),
        r"steps of 5 from low=0 do not meet high=3; the nearest is 5: write high=5",
    ),
    "not a number": (
        float,
        lambda: search(low=float("nan"), high=1),
        r"low=nan cannot be an end.*low=1\.0",
    ),
    "infinite": (
        float,
        lambda: search(low=0, high=float("inf")),
        r"high=inf cannot be an end.*high=1\.0",
    ),
    "infinite step": (
        float,
        lambda: search(low=0, high=1, step=float("inf")),
        r"step=inf cannot be an end",
    ),
    "infinite int": (
        int,
        lambda: search(low=0, high=float("inf")),
        r"high=inf cannot be an end.*high=1$",
    ),
    "zip": (
        float,
        lambda: search(low=0, high=1, zip="z"),
        r"a range has no points that could advance with others; leave zip='z' out",
    ),
    "points": (
        int,
        lambda: search([1, 2], low=0, high=1),
        r"has points and a range; write search\(\[1, 2\]\) for the points, or "
        r"search\(low=0, high=1\)",
    ),
    "low and high as points": (
        float,
        lambda: search(1e-4, 1.0, log=True),
        r"write search\(0.0001, 1.0\) for the points, or search\(low=0.0001, high=1.0, log=True\)",
    ),
    "points with step": (int, lambda: search([1, 2], step=2), r"has points and a range"),
    "low alone": (float, lambda: search(low=1), r"has no high; .*write search\(low=1, high=HIGH\)"),
    "high alone": (float, lambda: search(high=1), r"has no low; .*write search\(low=LOW, high=1\)"),
    "step alone": (
        int,
        lambda: search(step=2),
        r"has no low; .*write search\(low=LOW, high=HIGH, step=2\)",
    ),
    "log alone": (float, lambda: search(log=True), r"has no low.*low=LOW, high=HIGH, log=True"),
    "log is no bool": (
        float,
        lambda: search(low=1, high=2, log=10),
        r"log=10 must be True or False",
    ),
    "repeat": (
        int,
        lambda: search(low=0, high=1, repeat=True),
        r"a repetition needs points; write search\(range\(5\), repeat=True\)",
    ),
    "text": (float, lambda: search(low="0", high=1), r"low='0' is not a number; write low=1"),
    "bool": (int, lambda: search(low=True, high=3), r"low=True is not a number"),
    "fraction of an int": (
        int,
        lambda: search(low=0.5, high=3),
        r"low=0\.5 is not an int, .*write low=0 or low=1, or annotate the field as float",
    ),
    "too large": (float, lambda: search(low=0, high=10**400), r"too large for a float"),
    "too many": (int, lambda: search(low=0, high=2**64), r"more than 9,223,372,036,854,775,808"),
    "str": (str, lambda: search(low=0, high=1), r"str is neither int nor float; annotate it"),
    "bool annotation": (bool, lambda: search(low=0, high=1), r"bool is neither int nor float"),
    "list": (list[int], lambda: search(low=0, high=1), r"list\[int\] is neither"),
    "Any": (Any, lambda: search(low=0, high=1), r"Any is neither int nor float"),
    "int or str": (int | str, lambda: search(low=0, high=1), r"is neither int nor float"),
    "repeat of a text": (int, lambda: search([1], repeat="yes"), r"repeat='yes' must be True or"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_field_value_and_remedy(case: str) -> None:
    annotation, declared, says = REFUSED[case]
    with pytest.raises(FieldError, match=rf"^Made\.x: (?s:.*){says}"):
        made(annotation, declared())
    if annotation in (int, float):  # at the call as in the class
        cls = made(annotation, 3)
        with pytest.raises(FieldError, match=rf"^Made\.x: (?s:.*){says}"):
            cls(x=declared())


def test_a_space_with_ranges_cannot_be_listed() -> None:
    space = Fit()
    says = (
        r"^Fit has ranges \(Fit\.lr, Fit\.width, Fit\.optimizer\.Adam\.rate\), so it has no list "
        r"of settings .*sample\(100\), sobol\(64\) or latin_hypercube\(50\), or take grid\(5\), "
        r"as in Fit\(\)\.sample\(100\)\.run_all\(\), .*run_all\(strategy=Random\(trials=100\)\)$"
    )
    setting = Fit(lr=0.1, width=20, optimizer=SGD(rate=0.1))
    asks: list[Callable[[], Any]] = [
        lambda: len(space),
        lambda: space.n_settings,
        lambda: list(space),
        lambda: next(iter(space)),
        lambda: space[0],
        lambda: space[-1],
        lambda: space[1:3],
        lambda: space.index(setting),
        lambda: setting in space,
        lambda: space.run_all(progress=False),
        lambda: space.run_all(2, engine="threads", progress=False),
    ]
    for ask in asks:
        with pytest.raises(SpaceError, match=says):
            ask()
    with pytest.raises(SpaceError, match=r"open axes \(lr, width, optimizer\).*sample\(100\)"):
        space.run()
    with pytest.raises(SpaceError, match=r"^Fit has a range \(Fit\.width\), so"):
        len(Fit(lr=0.1, optimizer=SGD()))
    assert len(Fit(lr=0.1, width=20, optimizer=SGD())) == 2


class Plain(Fit):
    lr = 0.5


def test_a_range_can_be_given_and_fixed_at_the_call() -> None:
    assert Plain(width=3, optimizer=SGD(rate=0.1)).lr == 0.5
    opened = Plain(lr=search(low=0, high=1), width=3, optimizer=SGD(rate=0.1))
    assert opened.inline_repr.startswith("Plain(lr=search(low=0.0, high=1.0), width=3")
    assert opened.replace(lr=0.25).lr == 0.25
    inner = Fit(**{"optimizer": Adam(), "optimizer.rate": 0.5})
    assert inner.optimizer.rate == 0.5
    assert pickle.loads(pickle.dumps(opened)).inline_repr == opened.inline_repr
    assert opened == opened.replace()
    assert hash(opened) == hash(opened.replace())


def test_how_a_range_is_shown() -> None:
    space = Fit()
    assert str(space).splitlines() == [
        "Search 3 dimensions, of which 3 are ranges",
        "lr:            1e-05 to 0.1, log",
        "width:         16 to 512",
        "optimizer:     [Adam(rate=search(low=1e-05, high=0.1, log=True)), "
        "SGD(rate=search([0.1, 0.2]))]",
    ]
    assert repr(Fit.lr) == "<field Fit.lr = search(low=1e-05, high=0.1, log=True)>"
    html = space._repr_html_()
    assert html is not None
    assert "1e-05 to 0.1, log" in html
    shown = {one.name: one.default for one in describe(Fit)}
    assert shown["lr"] == "1e-05 to 0.1, log"
    assert shown["width"] == "16 to 512"
    assert shown["optimizer.rate"] == "1e-05 to 0.1, log (Adam), [0.1, 0.2] (SGD)"


def test_points_of_a_zip_have_no_ranges() -> None:
    class Both(Experiment):
        optimizer: Adam | SGD = search([Adam(), SGD()], zip="z")
        other: int = search([1, 2], zip="z")

    with pytest.raises(FieldError, match=r'Both\.optimizer: zip="z" goes from point to point'):
        Both()


def test_a_repetition_of_the_class_takes_no_range_at_the_call() -> None:
    class Repeated(Experiment):
        x: float = search(low=0, high=1)
        seed: int = search(range(3), repeat=True)

        def run(self) -> None: ...

    for make in (Repeated, Repeated().replace):
        with pytest.raises(FieldError, match=r"Repeated\.seed: .*a repetition needs points"):
            make(seed=search(low=0, high=99))
