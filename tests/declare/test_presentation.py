"""How settings and spaces are shown, and how a setting is laid out in tables and dicts."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.declare.presentation import RowMaker


class Hyperparams(Experiment):
    epochs: int = 3
    batch_size: int = search([16, 32])
    learning_rate: float = search([1e-5, 2e-5])


class Color(enum.Enum):
    RED = 1


class Adam(Params):
    lr: float = search([0.1, 0.2])
    options: dict[str, int] = {"a": 1}


class SGD(Params):
    momentum: float = 0.5


def test_the_settings_of_the_brief(capsys: pytest.CaptureFixture[str]) -> None:
    for h in Hyperparams():
        print(h)
    assert capsys.readouterr().out.splitlines() == [
        "Hyperparams(epochs=3, batch_size=16, learning_rate=1e-05)",
        "Hyperparams(epochs=3, batch_size=16, learning_rate=2e-05)",
        "Hyperparams(epochs=3, batch_size=32, learning_rate=1e-05)",
        "Hyperparams(epochs=3, batch_size=32, learning_rate=2e-05)",
    ]


def test_the_summary_of_the_brief() -> None:
    assert repr(Hyperparams(epochs=search([1, 2, 3]))) == (
        "Search 3 dimensions, total 12 combinations\n"
        "epochs:            [1, 2, 3]\n"
        "batch_size:        [16, 32]\n"
        "learning_rate:     [1e-05, 2e-05]"
    )


def test_singular() -> None:
    assert repr(Hyperparams(batch_size=search([1]), learning_rate=1.0)).splitlines()[0] == (
        "Search 1 dimension, total 1 combination"
    )


def test_long_alternatives_stand_in_lines_of_their_own() -> None:
    class Adam(Params):
        rate: float = search([0.001, 0.01, 0.1])
        beta: float = search([0.9, 0.99, 0.999])

    class SGD(Params):
        rate: float = search([0.001, 0.01, 0.1])
        momentum: float = search([0.0, 0.9])

    class Fit(Experiment):
        optimizer: Adam | SGD = search([Adam(), SGD()])

    assert repr(Fit()).splitlines()[1:] == [
        "optimizer:     [Adam(rate=search([0.001, 0.01, 0.1]), beta=search([0.9, 0.99, 0.999])),",
        "                SGD(rate=search([0.001, 0.01, 0.1]), momentum=search([0.0, 0.9]))]",
    ]
    assert repr(Fit(optimizer=search([SGD(rate=0.1), Adam(rate=1.0, beta=0.5)]))).count("\n") == 1


def test_the_summary_of_nested_spaces() -> None:
    class X(Experiment):
        adam: Adam = Adam()
        best: Adam | SGD = search([Adam(), SGD()])
        data: str = search({"small": "a.csv", "large": "b.csv"})
        steps: int = search(range(10**6))

    assert repr(X()).splitlines() == [
        "Search 4 dimensions, total 12000000 combinations",
        "adam.lr:     [0.1, 0.2]",
        "best:        [Adam(lr=search([0.1, 0.2]), options={'a': 1}), SGD(momentum=0.5)]",
        "data:        ['small', 'large']",
        "steps:       [0, 1, 2, 3, 4, ..., 999999] (1,000,000 points)",
    ]


def test_large_values_are_shortened() -> None:
    class X(Experiment):
        array: Any = value(np.zeros((1000, 1000)))
        text: str = "x" * 10_000
        made: Any = value(factory=lambda: np.zeros(10_000))
        names: list[str] = [f"name{i}" for i in range(1000)]

    assert len(repr(X())) < 1000
    assert "array=ndarray(1000x1000, float64)" in repr(X())
    x = X()
    assert x.made.shape == (10_000,)
    assert "made=ndarray(10000, float64)" in repr(x)


def test_the_repr_never_fails() -> None:
    class X(Experiment):
        a: int = 1
        bad: int = value(derive=lambda s: 1 // 0)
        text: str = value(derive=repr)

    assert repr(X()).startswith("X(a=1, bad=value(derive=")
    with pytest.raises(ZeroDivisionError):
        _ = X().bad
    assert "text=value(derive=repr)" in X().text


def test_a_large_valid_space_is_shown_without_counting() -> None:
    class X(Experiment):
        a: int = search(range(10**6))

        def valid(self) -> bool:
            raise AssertionError("asked")

    assert repr(X()).startswith(
        "Search 1 dimension, total at most 1000000 combinations before valid()"
    )


def test_as_dict_nests_and_names_the_class_where_it_is_open() -> None:
    class X(Experiment):
        adam: Adam = Adam()
        best: Adam | SGD = search([SGD()])
        n: int = 1

    assert X()[0].as_dict() == {
        "adam": {"lr": 0.1, "options": {"a": 1}},
        "best": {"class": "SGD", "momentum": 0.5},
        "n": 1,
    }
    assert json.loads(X()[0].to_json(indent=2)) == X()[0].as_dict()


def test_to_json_of_what_json_has_not() -> None:
    class X(Experiment):
        where: Path = Path("a")

    assert X().to_json() == '{"where": "a"}'
    assert X().to_json(default=str) == '{"where": "a"}'


class Odd:
    pass


def relu() -> None: ...


def test_as_row_is_flat_and_plain() -> None:
    class X(Experiment):
        adam: Adam = Adam(lr=0.3)
        best: Adam | SGD = search([SGD()])
        data: str = search({"small": "a.csv", "large": "b.csv"})
        color: Color = Color.RED
        where: Path = Path("a")
        act: Any = relu
        odd: Any = value(Odd())
        big: Any = value(factory=lambda: np.zeros(9))
        array: Any = value(np.zeros(9))
        scalar: Any = np.float32(0.5)
        derived: str = value(derive=lambda s: s.data)

    assert X()[1].as_row() == {
        "adam.lr": 0.3,
        "adam.options": {"a": 1},
        "best": "SGD",
        "best.momentum": 0.5,
        "data": "large",
        "color": Color.RED,
        "where": Path("a"),
        "act": f"{__name__}.relu",
        "odd": f"<{__name__}.Odd object>",
        "array": "ndarray(9, float64)",
        "scalar": np.float32(0.5),
        "derived": "b.csv",
    }


def test_names_of_points_given_at_the_call_stay_with_copies() -> None:
    class Inner(Params):
        kind: Any = 1

    class X(Experiment):
        inner: Inner = Inner(kind=search({"one": [1], "two": [2]}))
        data: Any = None

    space = X(data=search({"small": [1], "large": [2]}))
    last = space[-1]
    assert last.as_row() == {"inner.kind": "two", "data": "large"}
    assert last.replace(inner=last.inner).as_row()["data"] == "large"


SPACES: list[Any] = [
    Hyperparams(),
    Hyperparams(batch_size=1, learning_rate=1.0),
    Hyperparams(epochs=search({"few": 1, "many": 9})),
    Hyperparams(epochs=search([[1], None])),
    Hyperparams(learning_rate=value(derive=lambda s: s.epochs / 2)),
    Hyperparams(learning_rate=value(factory=lambda: 1.0)),
    Adam(),
]


@pytest.mark.parametrize("space", SPACES)
def test_rows_give_what_as_row_gives(space: Any) -> None:
    make = RowMaker(space).maker()
    for setting in space:
        assert make(setting) == setting.as_row()
        assert list(make(setting)) == list(setting.as_row())
