"""The algebra of spaces: product, sum, zip and valid; size, index to setting and back."""

from __future__ import annotations

import itertools
import pickle
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.errors import FieldError, SizeError, SpaceError
from superparams.space.algebra import ValidIndices

LONG = range(10**6)


class Adam(Params):
    lr: float = search([0.1, 0.2])
    beta: float = 0.9


class SGD(Params):
    lr: float = search([1.0, 2.0, 3.0])
    momentum: float = search([0.0, 0.5])


class Train(Experiment):
    optimizer: Adam | SGD = search([Adam(), SGD()])
    size: int = search([1, 2])


def check(space: Any) -> list[Any]:
    """The settings of a space, after every way to reach them gave the same ones."""
    settings = list(space)
    n = len(settings)
    assert len(space) == space.n_settings == n
    assert [space[i] for i in range(n)] == settings
    assert [space[i - n] for i in range(n)] == settings
    assert [space.index(s) for s in settings] == list(range(n))
    assert list(space[:]) == settings
    assert all(s in space for s in settings)
    return settings


# -- product ---------------------------------------------------------------------------------------


def test_the_last_axis_is_the_fastest() -> None:
    class X(Experiment):
        a: int = search([1, 2])
        fixed: str = "x"
        b: str = search(["p", "q", "r"])

    found = [(s.a, s.b) for s in check(X())]
    assert found == list(itertools.product([1, 2], "pqr"))


def test_a_setting_is_a_space_of_one() -> None:
    class X(Experiment):
        a: int = 1

    x = X()
    assert check(x) == [x]
    assert x[0] is x
    assert x[-1] is x
    with pytest.raises(IndexError, match=r"X\[1\]: the space has 1 setting$"):
        _ = x[1]
    with pytest.raises(IndexError):
        _ = x[-2]


def test_overriding_and_fixing_at_the_call() -> None:
    class X(Experiment):
        a: int = search([1, 2])
        b: int = 5

    assert len(check(X(a=search([1, 2, 3])))) == 3
    assert len(check(X(b=search([1, 2, 3])))) == 6
    assert check(X(a=7)) == [X(a=7, b=5)]
    assert len(check(X().replace(b=search([1, 2])))) == 4


@pytest.mark.parametrize("index", [6, -7, 10**30])
def test_indices_out_of_range(index: int) -> None:
    space = SGD()
    with pytest.raises(IndexError, match=rf"SGD\[{index}\]: the space has 6 settings"):
        _ = space[index]


def test_indices_are_whole_numbers() -> None:
    assert SGD()[np.int64(2)] == SGD()[2]
    wrong: Any = 1.0
    with pytest.raises(TypeError, match="float"):
        _ = SGD()[wrong]


@pytest.mark.parametrize(
    "cut",
    [
        slice(None),
        slice(2, 5),
        slice(None, None, -1),
        slice(-2, None),
        slice(None, None, 2),
        slice(4, 1, -2),
        slice(3, 3),
        slice(-100, 100),
        slice(100, 200),
    ],
)
def test_slices(cut: slice) -> None:
    settings = list(SGD())
    part = SGD()[cut]
    assert list(part) == settings[cut]
    assert part == settings[cut]
    assert len(part) == len(settings[cut])
    assert pickle.loads(pickle.dumps(part)) == part
    if part:
        assert part[0] == settings[cut][0]
        assert part[-1] == settings[cut][-1]
        assert part[::-1] == settings[cut][::-1]


def test_a_slice_says_its_size() -> None:
    with pytest.raises(IndexError, match=r"\[2\]: the slice has 2 settings"):
        _ = SGD()[1:3][2]
    assert repr(SGD()[:2]) == "[SGD(lr=1.0, momentum=0.0), SGD(lr=1.0, momentum=0.5)]"
    assert "(1,000,000 settings)" in repr(Huge()[5 : 10**6 + 5])


class Huge(Experiment):
    a: int = search(LONG)
    b: int = search(LONG)


class Vast(Huge):
    c: int = search(LONG)
    d: int = search(LONG)


def test_a_space_of_a_million_millions() -> None:
    space = Huge()
    assert len(space) == 10**12
    assert (space[10**11 + 7].a, space[10**11 + 7].b) == (10**5, 7)
    assert space[-1] == Huge(a=10**6 - 1, b=10**6 - 1)
    assert space.index(space[123_456_789_012]) == 123_456_789_012
    assert [s.b for s in itertools.islice(space, 3)] == [0, 1, 2]
    assert [s.b for s in space[10**11 : 10**11 + 3]] == [0, 1, 2]
    assert repr(space).startswith("Search 2 dimensions, total 1000000000000 combinations\n")


def test_a_space_that_len_cannot_tell() -> None:
    space = Vast()
    assert space.n_settings == 10**24 > sys.maxsize
    with pytest.raises(SizeError, match=r"Vast has 1,000,000,000,000.* use space\.n_settings"):
        len(space)
    with pytest.raises(OverflowError, match="narrower"):
        len(space[1:])
    assert space
    assert space[10**23].a == 10**5
    assert space[-1].d == 10**6 - 1
    assert len(space[10**23 : 10**23 + 5]) == 5
    assert space.index(space[10**23 + 1]) == 10**23 + 1
    assert next(iter(space)).a == 0


def times(action: Callable[[], object], repeats: int = 200) -> float:
    """The median seconds of an action."""
    found: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def test_an_index_takes_the_same_time_in_any_space() -> None:
    class Small(Experiment):
        a: int = search(range(40))
        b: int = search(range(25))

    small, huge = Small(), Huge()
    ratios = [times(lambda: huge[10**11]) / times(lambda: small[500]) for _ in range(5)]
    assert min(ratios) < 2


def test_iteration_is_lazy() -> None:
    made: list[int] = []

    class X(Experiment):
        a: int = search(range(10**6))

        def __post_init__(self) -> None:
            made.append(self.a)

    iterator = iter(X())
    assert made == []
    assert [next(iterator).a, next(iterator).a] == made == [0, 1]


# -- sum -------------------------------------------------------------------------------------------


def test_nested_spaces_are_alternatives() -> None:
    found = [(type(s.optimizer).__name__, s.optimizer.lr, s.size) for s in check(Train())]
    assert len(found) == (2 + 6) * 2
    assert found[0] == ("Adam", 0.1, 1)
    assert found[-1] == ("SGD", 3.0, 2)


def test_a_nested_space_multiplies() -> None:
    class X(Experiment):
        a: int = search([1, 2])
        adam: Adam = Adam()
        sgd: SGD = SGD(lr=1.0)

    found = [(s.a, s.adam.lr, s.sgd.momentum) for s in check(X())]
    assert found == list(itertools.product([1, 2], [0.1, 0.2], [0.0, 0.5]))


def test_nested_in_nested() -> None:
    class Inner(Params):
        deep: Adam | int = search([Adam(), 7])
        width: int = search([1, 2])

    class X(Experiment):
        inner: Inner | None = search([Inner(), None, Inner(deep=3)])
        outer: Inner = Inner(width=1)

    assert len(check(X())) == (3 * 2 + 1 + 2) * 3


def test_mixed_points() -> None:
    class X(Experiment):
        optimizer: Adam | str | None = search([None, Adam(), "lbfgs", Adam(lr=9.0)])

    found = [s.optimizer for s in check(X())]
    assert found == [None, Adam(lr=0.1), Adam(lr=0.2), "lbfgs", Adam(lr=9.0)]


def test_nested_settings_are_each_ones_own() -> None:
    class Layers(Params):
        sizes: list[int] = [1]
        lr: float = search([0.1, 0.2])

    class X(Experiment):
        net: Layers = Layers()
        fixed: Layers = Layers(lr=5.0)
        a: int = search([1, 2])

    space = X()
    for setting in space:
        setting.net.sizes.append(2)
        setting.fixed.sizes.append(2)
        setting.net.note = "free"
    assert {tuple(s.net.sizes + s.fixed.sizes) for s in space} == {(1, 1)}
    assert not any(hasattr(s.net, "note") for s in space)


def test_nested_post_init_runs_on_every_copy() -> None:
    class Net(Params):
        lr: float = search([0.1, 0.2])

        def __post_init__(self) -> None:
            self.twice = self.lr * 2

    class X(Experiment):
        net: Net = Net()
        other: Net = Net(lr=1.0)
        a: int = search([1, 2])

    assert [(s.net.twice, s.other.twice) for s in X()] == [(0.2, 2.0)] * 2 + [(0.4, 2.0)] * 2


def test_dotted_overrides() -> None:
    dotted: dict[str, Any] = {"optimizer.lr": 5.0}
    found = check(Train(**dotted))
    assert [s.optimizer.lr for s in found] == [5.0] * len(found)
    assert len(found) == (1 + 2) * 2
    only: dict[str, Any] = {"optimizer.momentum": search([0.1, 0.2, 0.3]), "optimizer.lr": 1.0}
    assert len(check(Train(**only))) == (1 + 3) * 2

    class Deep(Experiment):
        train: Params = Train(size=1)

    deep: dict[str, Any] = {"train.optimizer.lr": 3.0}
    assert len(check(Deep(**deep))) == 3
    both: dict[str, Any] = {"train.size": 2, "train": Train(optimizer=Adam(lr=1.0))}
    assert check(Deep(**both))[0].train == Train(optimizer=Adam(lr=1.0), size=2)


@pytest.mark.parametrize(
    ("dotted", "message"),
    [
        ("optimizer.l", r"Train\.optimizer has no field 'l' to set to 1; .*fields: lr, beta, mom"),
        ("optimizer.momntum", r"did you mean momentum\?"),
        ("size.x", r"Train\.size has no field 'x' to set to 1"),
        ("optimiser.lr", r"Train has no field 'optimiser\.lr'; did you mean optimizer\?"),
    ],
)
def test_dotted_names_that_reach_nothing(dotted: str, message: str) -> None:
    given: dict[str, Any] = {dotted: 1}
    with pytest.raises(FieldError, match=message):
        Train(**given)


def test_a_dotted_name_into_a_required_group() -> None:
    class X(Experiment):
        adam: Adam

    given: dict[str, Any] = {"adam.lr": 1.0}
    with pytest.raises(FieldError, match=r"X\.adam is required: give it before adam\.lr"):
        X(**given)
    assert X(adam=Adam(), **given).adam.lr == 1.0


# -- zip -------------------------------------------------------------------------------------------


class Zipped(Experiment):
    a: int = search([1, 2, 3], zip="z")
    b: int = search([1, 2])
    c: str = search(["x", "y", "z"], zip="z")


def test_zip_advances_together() -> None:
    found = [(s.a, s.b, s.c) for s in check(Zipped())]
    assert found == [(a, b, c) for a, c in zip([1, 2, 3], "xyz", strict=True) for b in (1, 2)]
    assert "c:     ['x', 'y', 'z'] (zip 'z')" in repr(Zipped())
    assert repr(Zipped()).startswith("Search 2 dimensions, total 6 combinations")


def test_zip_of_repeated_points() -> None:
    class X(Experiment):
        a: int = search([1, 1, 2], zip="z")
        b: int = search([1, 2, 1], zip="z")

    assert len(check(X())) == 3
    with pytest.raises(SpaceError, match=r"X\.a=2 and X\.b=2 is not among the points"):
        X().index(X(a=2, b=2))


def test_zip_of_groups_and_points() -> None:
    class X(Experiment):
        opt: Adam | None = search([None, Adam()], zip="z")
        n: int = search([1, 2, 3], zip="z")

    assert [(s.n, s.opt and s.opt.lr) for s in check(X())] == [(1, None), (2, 0.1), (3, 0.2)]


def test_fixing_one_of_a_zip_group_leaves_the_rest() -> None:
    assert [s.c for s in check(Zipped(a=9, b=1))] == ["x", "y", "z"]


def test_zip_groups_of_unequal_length() -> None:
    message = r'search\(\.\.\., zip="z"\): X\.a has 2 points, X\.b has 3 points; .*equally many'

    class X(Experiment):
        a: int = search([1, 2], zip="z")
        b: int = search([1, 2, 3], zip="z")

    with pytest.raises(FieldError, match=message):
        X()
    assert len(X(b=search([1, 2], zip="z"))) == 2
    with pytest.raises(FieldError, match=r"Zipped\.a has 2 points, Zipped\.c has 3 points"):
        Zipped(a=search([1, 2], zip="z"))
    assert len(Zipped(a=search([1, 2]))) == 2 * 2 * 3  # not zipped any more


# -- valid -----------------------------------------------------------------------------------------


class Triangle(Experiment):
    a: int = search(range(4))
    b: int = search(range(4))

    def valid(self) -> bool:
        return self.b < self.a


def test_valid_leaves_settings_out() -> None:
    assert [(s.a, s.b) for s in check(Triangle())] == [
        (1, 0),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    assert "total 6 combinations (of 16 before valid())" in repr(Triangle())
    assert Triangle(a=0, b=0) not in Triangle()
    with pytest.raises(SpaceError, match=r"Triangle\(a=0, b=0\) is left out.*valid\(\)"):
        Triangle().index(Triangle(a=0, b=0))


def test_a_fixed_setting_that_is_not_valid() -> None:
    out = Triangle(a=0, b=0)
    assert len(out) == 0
    assert list(out) == []
    with pytest.raises(IndexError):
        _ = out[0]


def test_nothing_valid() -> None:
    space = Triangle(a=search([0]))
    assert (len(space), list(space), list(space[:])) == (0, [], [])


def test_valid_of_nested_spaces() -> None:
    class X(Experiment):
        inner: Params = Triangle()
        alternatives: Params | None = search([None, Triangle(a=0), Triangle(a=2)])

    assert len(check(X())) == 6 * (1 + 0 + 2)


def test_valid_is_asked_no_further_than_needed() -> None:
    asked: list[int] = []

    class X(Experiment):
        a: int = search(range(10**12))

        def valid(self) -> bool:
            asked.append(self.a)
            return self.a % 2 == 0

    space = X()
    assert [s.a for s in itertools.islice(space, 3)] == [0, 2, 4]
    asked.clear()
    assert space[3].a == 6
    assert [s.a for s in space[1:4]] == [2, 4, 6]
    assert space.index(X(a=8)) == 4
    assert len(set(asked)) < 12


def test_valid_sees_derived_fields_and_runs_before_post_init() -> None:
    class X(Experiment):
        a: int = search([1, 2, 3])
        twice: int = value(derive=lambda s: s.a * 2)

        def valid(self) -> bool:
            assert not hasattr(self, "ready")
            return self.twice != 4

        def __post_init__(self) -> None:
            self.ready = True

    assert [(s.a, s.ready) for s in check(X())] == [(1, True), (3, True)]


def test_valid_that_fails_is_told_and_asked_again() -> None:
    broken = True

    class X(Experiment):
        a: int = search([1, 2, 3])

        def valid(self) -> bool:
            if broken and self.a == 2:
                raise ZeroDivisionError("in valid")
            return True

    space = X()
    with pytest.raises(ZeroDivisionError, match="in valid"):
        len(space)
    broken = False
    assert [s.a for s in check(space)] == [1, 2, 3]


@pytest.mark.parametrize("warm", ["no", "some", "all"])
def test_a_space_with_valid_travels(warm: str) -> None:
    space = Triangle()
    expected = list(Triangle())
    if warm == "some":
        assert space[2] == expected[2]
    if warm == "all":
        len(space)
    other = pickle.loads(pickle.dumps(space))
    assert check(other) == expected
    assert check(space) == expected


def test_kept_goes_on_where_another_stopped() -> None:
    first = ValidIndices(10, lambda i: i % 3 == 0)
    assert first.at(1) == 3
    second = ValidIndices(10, lambda i: i % 3 == 0)
    second.resume(*first.state())
    assert second.count() == first.count() == 4
    assert [second.rank(i) for i in range(10)] == [0, None, None, 1, None, None, 2, None, None, 3]


# -- where a setting stands ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stranger", "message"),
    [
        (Train(optimizer=Adam(lr=9.0), size=1), r"Train\.optimizer=Adam\(lr=9\.0.*not among"),
        (Train(optimizer=SGD(lr=1.0, momentum=0.0), size=7), r"Train\.size=7 is not among"),
        (Train(), "is not a setting of Train"),
        (Adam(lr=0.1), r"Adam\(lr=0\.1, beta=0\.9\) is not a setting of Train"),
    ],
)
def test_a_stranger_is_named(stranger: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Train().index(stranger)
    assert stranger not in Train()


def test_a_stranger_in_a_fixed_field() -> None:
    space = Adam()
    with pytest.raises(SpaceError, match=r"Adam\.beta=0\.5 is not.*beta is fixed to 0\.9"):
        space.index(Adam(lr=0.1, beta=0.5))


def test_a_million_settings_come_one_by_one() -> None:
    class X(Experiment):
        a: int = search(range(1000))
        b: int = search(range(100))
        c: int = search(range(10))

    assert sum(s.c for s in X()) == 4_500_000


def test_a_slice_that_is_too_long_to_count() -> None:
    class Vast(Params):
        a: int = search(range(10**12))
        b: int = search(range(10**12))

    cut = Vast()[1:]
    assert repr(cut) == (
        f"[Vast(a=0, b=1), ..., Vast(a={10**12 - 1}, b={10**12 - 1})] ({10**24 - 1:,} settings)"
    )
    with pytest.raises(IndexError, match=f"the slice has {10**24 - 1:,} settings"):
        cut[10**24]
    with pytest.raises(SizeError, match=f"this slice has {10**24 - 1:,} settings"):
        len(cut)
