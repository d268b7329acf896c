"""numpy keeps the promises of adapters, and what only numpy promises."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pytest

from superparams.adapters.content import fresh, same
from superparams.identity.digests.digest import digest
from tests.adapters.contract import REFUSED, AdapterContract, Sample

NAN = float("nan")
Array = Any


class Marked(np.ndarray[Any, Any]):
    """A subclass, as astropy and pint have them."""


def set_first(array: Array, i: int) -> None:
    array[(0,) * array.ndim] = i


def objects(first: int = 1) -> Array:
    made = np.empty(2, object)
    made[:] = [[first], np.arange(first)]
    return made


def records(first: float = 1.0) -> Array:
    return np.array([(first, "a"), (NAN, "b")], dtype=[("x", "f8"), ("name", "U3")])


def masked(hidden: float = 7.0, *, shown: float = 1.0, mask: tuple[int, int] = (0, 1)) -> Array:
    return np.ma.MaskedArray([shown, hidden], mask=mask)


def read_only(first: float = 1.0) -> Array:
    made = np.array([first, 2.0])
    made.flags.writeable = False
    return made


def large(first: float = 0.0) -> Array:
    made = np.arange(20_000.0)
    made[0] = first
    return made


def set_item(array: Array, i: int) -> None:
    array[0].append(i)


SAMPLES: dict[str, Sample] = {
    "floats": Sample(
        lambda: np.array([1.0, NAN, 3.0]),
        lambda: np.array([1.0, NAN, 4.0]),
        [1.0, NAN, 3.0],
        set_first,
        also=[
            lambda: np.array([1.0, 0, NAN, 0, 3.0])[::2],
            lambda: np.array([3.0, NAN, 1.0])[::-1],
        ],
    ),
    "no NaN": Sample(
        lambda: np.array([1.0, 2.0]), lambda: np.array([1.0, NAN]), [1.0, 2.0], set_first
    ),
    "another dtype": Sample(lambda: np.arange(3), lambda: np.arange(3.0), [0, 1, 2], set_first),
    "another shape": Sample(
        lambda: np.arange(4).reshape(2, 2),
        lambda: np.arange(4).reshape(4, 1),
        [[0, 1], [2, 3]],
        set_first,
        also=[lambda: np.asfortranarray([[0, 1], [2, 3]])],
    ),
    "empty": Sample(lambda: np.zeros((0, 3)), lambda: np.zeros((3, 0)), []),
    "no dimension": Sample(lambda: np.array(1.5), lambda: np.array(2.5), 1.5, set_first),
    "read-only": Sample(read_only, lambda: read_only(5.0), [1.0, 2.0], set_first),
    "large": Sample(
        large, lambda: large(9.0), large().tolist(), set_first, also=[lambda: large()[::-1][::-1]]
    ),
    "large, with gaps": Sample(
        lambda: np.arange(40_000)[::2],
        lambda: np.arange(40_000)[1::2],
        [*range(0, 40_000, 2)],
        set_first,
    ),
    "complex": Sample(
        lambda: np.array([complex(NAN, 1)]),
        lambda: np.array([complex(NAN, 2)]),
        ["(nan+1j)"],
        set_first,
    ),
    "times": Sample(
        lambda: np.array(["2020-01-01", "NaT"], "M8[s]"),
        lambda: np.array(["2020-01-02", "NaT"], "M8[s]"),
        [np.datetime64("2020-01-01").astype("M8[s]").item(), None],
        set_first,
    ),
    "texts": Sample(lambda: np.array(["a", "bb"]), lambda: np.array(["a", "bc"]), ["a", "bb"]),
    "truth": Sample(
        lambda: np.array([True, False]), lambda: np.array([True, True]), [True, False], set_first
    ),
    "objects": Sample(objects, lambda: objects(2), [[1], [0]], set_item),
    "records": Sample(
        records,
        lambda: records(2.0),
        [{"x": 1.0, "name": "a"}, {"x": NAN, "name": "b"}],
        lambda array, i: array["x"].__setitem__(0, i),
    ),
    "records, beside NaN": Sample(
        lambda: np.array([(NAN, 1)], dtype="f8,i4"),
        lambda: np.array([(NAN, 2)], dtype="f8,i4"),
        [{"f0": NAN, "f1": 1}],
    ),
    "masked": Sample(
        masked, lambda: masked(shown=2.0), [1.0, None], set_first, also=[lambda: masked(8.0)]
    ),
    "mask": Sample(
        masked,
        lambda: masked(mask=(0, 0)),
        [1.0, None],
        lambda array, i: array.mask.__setitem__(0, True),
    ),
    "all masked": Sample(
        lambda: masked(mask=(1, 1)), lambda: masked(mask=(1, 0)), [None, None], set_first
    ),
    "subclass": Sample(
        lambda: np.arange(2).view(Marked), lambda: np.arange(1, 3).view(Marked), [0, 1], set_first
    ),
    "matrix": Sample(
        lambda: np.arange(2).view(np.matrix),
        lambda: np.arange(1, 3).view(np.matrix),
        [[0, 1]],
        set_first,
    ),
    "scalar": Sample(lambda: np.float32(0.5), lambda: np.float32(1.5), 0.5),
    "time": Sample(
        lambda: np.datetime64("2020-01-01", "s"),
        lambda: np.datetime64("2020-01-02", "s"),
        np.datetime64("2020-01-01", "s").item(),
    ),
    "truth value": Sample(lambda: np.True_, lambda: np.False_, True),
    "record": Sample(
        lambda: records()[0],
        lambda: records(2.0)[0],
        {"x": 1.0, "name": "a"},
        lambda record, i: record.__setitem__("x", i),
    ),
    "generator": Sample(
        lambda: np.random.default_rng(1),
        lambda: np.random.default_rng(2),
        REFUSED,
        lambda generator, i: generator.random(i),
    ),
    "old generator": Sample(
        lambda: np.random.RandomState(1),
        lambda: np.random.RandomState(2),
        REFUSED,
        lambda generator, i: generator.random(i),
    ),
}


class TestNumpy(AdapterContract):
    samples = SAMPLES
    samples_of = "tests.adapters.test_numpy_library"


def test_a_copy_of_an_array_takes_no_memory() -> None:
    array = np.zeros(3)
    view = fresh(array)
    assert np.shares_memory(array, view)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    array[0] = 1  # its owner still can write


def test_an_array_never_equals_a_scalar_or_an_array_of_a_subclass() -> None:
    assert not same(np.array(1.0), np.float64(1.0))
    assert not same(np.arange(2), np.arange(2).view(Marked))
    assert digest(np.arange(2)) != digest(np.arange(2).view(Marked))


def test_a_scalar_is_the_value_of_python_that_it_holds() -> None:
    assert same(np.float64(0.5), 0.5)
    assert digest(np.int8(1)) == digest(1)
    assert digest(np.str_("a")) == digest("a")
    assert not same(np.True_, 1)


def test_a_member_of_an_enumeration_stays_one() -> None:
    class Rate(np.float64, enum.Enum):
        LOW = 0.5

    assert fresh(Rate.LOW) is Rate.LOW
    assert not same(Rate.LOW, 1.0)
