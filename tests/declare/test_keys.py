"""Keys by index: the same as those of the settings, without building them."""

from __future__ import annotations

import math
import pickle
from typing import Any

import cloudpickle
import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.declare.keys import Keys, key_of
from superparams.errors import IdentityError, SpaceError


class Adam(Params):
    lr: float = search([0.1, 0.2])


class SGD(Params):
    lr: float = search([0.1, 0.2])
    steps: list[int] = [1]


class Train(Experiment):
    opt: Adam | SGD | None = search([Adam(), SGD(), None])
    a: int = search([1, 2], zip="z")
    b: float = search([1.0, math.nan], zip="z")
    data: Any = value(np.arange(3))
    sizes: list[int] = search([[1], [2, 3]])
    path: str = value(derive=lambda s: f"{s.a}/{len(s.sizes)}")
    made: Any = value(factory=lambda: 5)


class Valid(Train):
    def valid(self) -> bool:
        return self.a != len(self.sizes)


def test_keys_by_index_are_those_of_the_settings() -> None:
    for space in (Train(), Valid(), Train(a=1, b=2.0), Train()[3], Train(path="p")):
        keys = Keys(space)
        expected = [key_of(s) for s in space]
        assert [keys[i] for i in range(len(space))] == expected
        assert len(set(expected)) == len(expected)
        again = pickle.loads(pickle.dumps(keys))
        assert [again[i] for i in range(len(space))] == expected


class Large(Experiment):
    long: int = search(range(70_000))  # too many for their digests to be kept
    few: str = search(["a", "b"])


class Middle(Experiment):
    first: int = search(range(300))
    second: float = search([0.5, 1.5, 2.5])
    third: int = search(range(300))


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (Train(), 24),
        (Valid(), 8),
        (Train(path="p"), 24),
        (Train(path="p"), 17),
        (Train(path="p")[3], 1),
        (Middle(), 100_001),
        (Middle(second=1), 90_000),
        (Large(), 33),
    ],
    ids=lambda one: one if isinstance(one, int) else type(one).__name__,
)
def test_many_keys_at_once_are_those_by_index(space: Experiment, size: int) -> None:
    keys = Keys(space)
    places = {*range(0, size, 997), size - 1} if size > 100 else set(range(size))
    data = Keys(space).packed(size)
    assert len(data) == 16 * size
    for place in places:
        assert data[16 * place : 16 * (place + 1)] == keys[place].to_bytes(16, "big")


@pytest.mark.parametrize("step", [1, 3, 500])
@pytest.mark.parametrize("space", [Train(), Valid(), Train(path="p")[3], Middle(), Large()])
def test_keys_of_ranges_are_those_by_index(space: Experiment, step: int) -> None:
    size = space.n_settings
    starts = {0, 7, 300, 65_000, 90_000, size - 2, size - 1}
    ranges = [range(at, min(at + step, size)) for at in sorted(starts) if 0 <= at < size]
    expected = [Keys(space)[at].to_bytes(16, "big") for one in ranges for at in one]
    assert Keys(space).packed_ranges(ranges) == b"".join(expected)
    assert Keys(space).packed_ranges([]) == b""


@pytest.mark.parametrize("is_packed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "space",
    [Train(), Valid(), Train(path="p"), Train(path="p")[3], Middle(), Large(), Large(few="a")],
)
def test_the_getter_gives_the_key_of_each_setting(space: Experiment, is_packed: bool) -> None:
    """Also once the digests of all points are known, as after a plan."""
    keys, size = Keys(space), space.n_settings
    if is_packed:
        keys.packed(min(size, 1_000))
    key_at = keys.getter()
    for place in {0, 1, 7, 299, 300, 65_536, 69_999, size - 2, size - 1} & {*range(size)}:
        assert key_at(place) == key_of(space[place])


def test_the_key_of_a_setting_is_32_hexadecimal_digits() -> None:
    setting = Train()[0]
    assert len(setting.key) == 32
    assert int(setting.key, 16) == key_of(setting)
    assert setting.key == Train()[0].key == pickle.loads(pickle.dumps(setting)).key


def test_spellings_of_one_setting_have_one_key() -> None:
    class X(Experiment):
        a: float = 1
        b: list[int] = [1]
        c: Any = 1

    key = X().key
    assert X(a=1.0).key == X(b=(1,)).key == X(a=search([2, 1]))[1].key == key
    assert X(b=search([[1]]))[0].key == X().replace().key == key
    assert len({X(c=x).key for x in (1, True, "1", 1.0, None, [1])}) == 6


def test_the_class_of_a_group_counts() -> None:
    class Other(Params):
        lr: float = 0.1

    class X(Experiment):
        opt: Params = Adam(lr=0.1)

    assert X().key == X(opt=Adam(lr=0.1)).key == X(opt=search([Adam()]))[0].key
    assert X().key != X(opt=Other()).key
    assert X().key != X(opt=Adam(lr=0.2)).key


def test_what_a_setting_does_to_its_constants_does_not_change_its_key() -> None:
    class X(Experiment):
        layers: list[int] = [1]

    x = X()
    before = x.key
    x.layers.append(2)
    assert x.key == before
    assert X(layers=[1, 2]).key != before


def test_named_content() -> None:
    lock = (i for i in range(3))

    class X(Experiment):
        source: Any = value(lock, key="v1")
        a: int = search([1, 2])

    class Y(Experiment):
        source: Any = value(lock)
        a: int = search([1, 2])

    assert len({s.key for s in X()}) == 2
    assert [Keys(X())[i] for i in range(2)] == [key_of(s) for s in X()]
    with pytest.raises(IdentityError, match=r"Y\.source.*value\(x, key="):
        Keys(Y())
    with pytest.raises(IdentityError, match=r"Y\.source"):
        _ = Y(a=1).key


def test_named_content_of_a_factory_is_not_made() -> None:
    class X(Experiment):
        data: Any = value(factory=lambda: 1 / 0, key="v1")
        a: int = search([1, 2])

    class Z(Experiment):
        data: Any = value(factory=lambda: 1 / 0, key="v2")
        a: int = search([1, 2])

    assert X(a=1).key == X()[0].key
    assert X(a=1).key != Z(a=1).key
    assert repr(X()) == repr(pickle.loads(cloudpickle.dumps(X())))


def test_a_space_has_no_one_key() -> None:
    with pytest.raises(SpaceError, match=r"Train has open axes, so it has no single key"):
        _ = Train().key
    assert isinstance(Keys(Train())[0], int)


def test_are_distinct() -> None:
    class X(Experiment):
        a: int = search(range(10**9))
        b: float = search([1.0, 2.0])

    assert Keys(X()).are_distinct
    assert not Keys(X(b=search([1, 1.0]))).are_distinct
    assert Keys(X(a=1, b=1.0)).are_distinct


def test_keys_of_a_huge_space_come_one_by_one() -> None:
    class X(Experiment):
        a: int = search(range(10**6))
        b: int = search(range(10**6))

    keys = Keys(X())
    assert keys[10**12 - 1] == key_of(X(a=10**6 - 1, b=10**6 - 1))
    assert len({keys[i] for i in range(1000)}) == 1000
