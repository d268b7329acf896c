"""The Sobol sequence is that of scipy, for every axis."""

from __future__ import annotations

import numpy as np
import pytest

from superparams.space.sobol import BITS, MOST_AXES, coordinate, directions


def test_unscrambled_points_are_those_of_scipy() -> None:
    qmc = pytest.importorskip("scipy.stats.qmc")
    points = qmc.Sobol(MOST_AXES, scramble=False, bits=BITS).random(256) * 2**BITS
    ours = [[coordinate(index, axis) for axis in range(MOST_AXES)] for index in range(256)]
    assert np.array_equal(points.astype(np.uint64), np.array(ours, np.uint64))


def test_far_points_are_those_of_scipy() -> None:
    qmc = pytest.importorskip("scipy.stats.qmc")
    sequence = qmc.Sobol(5, scramble=False, bits=BITS)
    sequence.fast_forward(1_000_003)
    (point,) = sequence.random(1) * 2**BITS
    assert [coordinate(1_000_003, axis) for axis in range(5)] == point.astype(int).tolist()


def test_each_axis_meets_each_part_once() -> None:
    assert MOST_AXES == 256
    for axis in range(MOST_AXES):
        assert len(directions(axis)) == BITS
        met = {coordinate(index, axis) >> (BITS - 8) for index in range(256)}
        assert met == set(range(256))
