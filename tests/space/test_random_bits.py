"""Random bits are uniform, depend on seed, name and index alone, and are as even as promised."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from superparams.errors import SpaceError
from superparams.space.random_bits import BitSource, LatinHypercube, Method, RandomBits, SobolBits
from superparams.space.sobol import MOST_AXES

NAMES = ("lr", "optimizer.Adam.rate", "optimizer", "width")
MILLION = 1_000_000
METHODS: dict[str, Callable[[int], Method]] = {
    "random": RandomBits,
    "sobol": SobolBits,
    "latin hypercube": lambda seed: LatinHypercube(seed, 64),
}


def first(source: BitSource, n: int) -> list[int]:
    return [source.bits(index, 0) for index in range(n)]


def chi_square(cells: np.ndarray[tuple[int], np.dtype[np.int64]], n: int) -> float:
    """How far counts are from equal ones, in standard deviations."""
    expected = cells.sum() / n
    statistic = float((((cells - expected) ** 2) / expected).sum())
    return (statistic - (n - 1)) / (2 * (n - 1)) ** 0.5


def test_a_million_draws_are_uniform_per_axis_and_per_pair_of_axes() -> None:
    random = RandomBits(0)
    columns = [
        np.fromiter(map(random(name).bits, range(MILLION), itertools.repeat(0)), np.uint64, MILLION)
        for name in NAMES
    ]
    for column in columns:
        for shift, n in ((56, 256), (48, 65_536), (0, 256)):  # the highest and the lowest bits
            parts = (column >> np.uint64(shift)) & np.uint64(n - 1)
            assert abs(chi_square(np.bincount(parts.astype(np.int64), minlength=n), n)) < 5
        assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 0.005  # neighbours
    for one, other in itertools.combinations(columns, 2):
        pairs = (one >> np.uint64(58)) * np.uint64(64) + (other >> np.uint64(58))
        assert abs(chi_square(np.bincount(pairs.astype(np.int64), minlength=4096), 4096)) < 5


@pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
def test_bits_depend_on_seed_name_and_index_alone(make: Callable[[int], Method]) -> None:
    bits = first(make(0)("lr"), 64)
    assert len(set(bits)) == 64
    assert all(0 <= one < 2**64 for one in bits)
    assert first(make(0)("lr"), 64) == bits  # not on the process or the object
    assert [make(0)("lr").first_bits(n) for n in (0, 1, 9, 64)] == [bits[:n] for n in (0, 1, 9, 64)]
    backwards = make(0)("lr")
    assert [backwards.bits(index, 0) for index in reversed(range(64))] == bits[::-1]
    assert first(make(1)("lr"), 64) != bits
    method = make(0)
    assert first(method("lr"), 64) == bits
    assert first(method("other"), 64) != bits
    again = make(0)("lr")
    attempts = [again.bits(3, attempt) for attempt in range(100)]
    assert attempts[0] == bits[3]
    assert len({*attempts, *bits}) == 64 + 99


def test_known_bits_never_change() -> None:
    """They are part of keys that are recorded."""
    assert [RandomBits(0)("lr").bits(index, 0) for index in (0, 7, 8)] == KNOWN["random"]
    assert [SobolBits(0)("lr").bits(index, 0) for index in (0, 7, 8)] == KNOWN["sobol"]
    assert [LatinHypercube(0, 9)("lr").bits(i, 0) for i in (0, 7, 8)] == KNOWN["latin"]
    assert RandomBits(0)("lr").bits(0, 1) == KNOWN["attempt"][0]


KNOWN = {
    "random": [6141121933477122165, 5011504377562133245, 7083820292698697353],
    "sobol": [17071460573881012341, 14979053719778751229, 15107161768218226313],
    "latin": [682346881497458018, 8755386741377815523, 6936005834869705800],
    "attempt": [14625659537338467860],
}


def test_a_scrambled_sobol_sequence_keeps_its_evenness() -> None:
    """Each box of 1/16 by 1/16, and each of other shapes of that size, has one of 256 points."""
    method = SobolBits(3)
    x, y = (first(method(name), 256) for name in ("a", "b"))
    for bits in range(9):
        boxes = {
            (one >> (64 - bits) if bits else 0, other >> (56 + bits) if bits < 8 else 0)
            for one, other in zip(x, y, strict=True)
        }
        assert len(boxes) == 256
    plain = SobolBits(4)
    assert first(plain("a"), 256) != x


def test_sobol_has_numbers_for_so_many_axes() -> None:
    method = SobolBits(0)
    for axis in range(MOST_AXES):
        method(f"a{axis}")
    with pytest.raises(SpaceError, match="256 axes, and this space has more; take sample"):
        method("one_more")


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_a_latin_hypercube_has_one_point_in_each_part(n: int) -> None:
    method = LatinHypercube(0, n)
    columns = [first(method(name), n) for name in ("a", "b")]
    for bits in columns:
        assert sorted(one * n >> 64 for one in bits) == list(range(n))
    assert n < 7 or columns[0] != columns[1]
