"""Which classes of groups settings hold, by index: as the settings themselves have them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.declare.held_groups import HeldGroups, UnknownGroup
from superparams.declare.metaclass import fields_of
from superparams.space.groups import is_group


class Rbf(Params):
    gamma: float = search([0.1, 0.2])


class Poly(Params):
    degree: int = 2


class Svm(Params):
    C: float = search([1.0, 2.0])
    kernel: Rbf | Poly = search([Rbf(), Poly(), Poly(degree=3)])


class Forest(Params):
    trees: int = 10


class Scaled(Params):
    inner: Svm = Svm()


class Choice(Experiment):
    model: Svm | Forest | None = search([Svm(), None, Forest(), Svm(C=3.0, kernel=Poly())])
    seed: int = search(range(3))


class Nested(Experiment):
    a: int = search([1, 2])
    scaled: Scaled = Scaled()
    more: Forest = Forest()
    rest: list[Any] = value([Forest(), Poly()])


class Zipped(Experiment):
    model: Svm | Forest = search([Svm(C=1.0, kernel=Rbf(gamma=0.1)), Forest()], zip="z")
    n: Poly | int = search([1, Poly()], zip="z")
    seed: int = search([1, 2])


class Named(Experiment):
    model: Svm | Forest = search({"svm": Svm(C=1.0), "forest": Forest()})


class Valid(Choice):
    other: Rbf | Poly = search([Rbf(gamma=0.1), Poly()])

    def valid(self) -> bool:
        return self.seed != 1 and not (self.model is None and isinstance(self.other, Poly))


class Fixed(Experiment):
    model: Svm | Forest = Svm(C=1.0, kernel=Poly())
    derived: Any = value(derive=lambda setting: Forest())
    made: Any = value(factory=Forest, key="v1")


SPACES: dict[str, Experiment] = {
    "alternatives": Choice(),
    "nested": Nested(),
    "zipped": Zipped(),
    "named": Named(),
    "valid": Valid(),
    "fixed": Fixed(),
    "given": Choice(model=search([Forest(), Poly()])),
    "fixed by the call": Choice(model=Forest()),
    "inside, by the call": Nested(scaled=Scaled(inner=Svm(kernel=Rbf()))),
}


def classes_in(x: Any) -> set[type[Any]]:
    """The classes of all groups that a value holds; not of what is made when it is read."""
    if is_group(x):
        values = [x.__dict__[name] for name in fields_of(type(x)) if name in x.__dict__]
        return {type(x)}.union(*map(classes_in, values))
    if isinstance(x, list | tuple):
        return set[type[Any]]().union(*map(classes_in, x))
    return set()


@pytest.mark.parametrize("name", SPACES)
def test_it_agrees_with_the_settings(name: str) -> None:
    space = SPACES[name]
    held = HeldGroups(space)
    combinations = held.combinations(1000)
    assert combinations is not None
    constant = {Forest, Poly} if isinstance(space, Nested) else set[type[Any]]()
    for index in range(space.n_settings):
        setting = space[index]
        expected = classes_in(setting) - {type(space)} | constant
        assert held.at(index) == expected
        assert held.at(index) in combinations
        assert pickle.loads(pickle.dumps(held)).at(index) == expected


def test_many_combinations_and_many_places() -> None:
    space = Choice(seed=search(range(10**9)))
    held = HeldGroups(space)
    assert len(held.combinations(4) or ()) == 4
    assert held.combinations(3) is None
    assert held.at(space.n_settings - 1) == {Svm, Poly}


class Around:
    """Holds anything."""

    def __init__(self, inner: object) -> None:
        self.inner = inner


class Open(Experiment):
    a: int = search([1, 2])
    tool: Any = None
    other: Any = None
    model: Svm | Forest = search([Forest()])


class Holder(Params):
    act: Any = None


@pytest.mark.parametrize(
    ("given", "is_known"),
    [
        (dict[str, Any](tool=3), True),
        (dict[str, Any](tool=[1, {"a": "b"}, (None,)]), True),
        (dict[str, Any](tool=np.arange(3)), True),
        (dict[str, Any](tool=Forest()), True),
        (dict[str, Any](tool=value(Around(Svm()), key="v1")), False),
        (dict[str, Any](tool=value(len, key="v1")), False),
        (
            dict[str, Any](tool=[1, Scaled(inner=Svm(C=1.0, kernel=Poly())), {1: {2: Around(3)}}]),
            False,
        ),
        (dict[str, Any](tool=value(factory=dict, key="v1")), False),
        (dict[str, Any](tool=value(derive=lambda x: x.a)), False),
        (dict[str, Any](other=search([Forest(), Holder(act=value(len, key="v"))])), False),
    ],
)
def test_what_the_call_gives_may_hold_anything(given: dict[str, Any], is_known: bool) -> None:
    space = Open(**given)
    held = HeldGroups(space)
    found = {UnknownGroup in held.at(index) for index in range(space.n_settings)}
    assert (found == {False}) is is_known
