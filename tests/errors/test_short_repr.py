"""The short form of a value in messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from superparams.errors.short_repr import shorten


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Unshaped:
    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("not computed yet")


class array:  # the name of one that reprlib knows
    def __repr__(self) -> str:
        return "an array of another library"


class Number:
    """As a tensor without dimensions, whose ``size`` is a method."""

    shape = ()

    def size(self) -> tuple[int, ...]:
        return ()

    def __len__(self) -> int:
        raise TypeError("len() of a 0-d tensor")

    def __repr__(self) -> str:
        return "Number(3.0)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-05, "1e-05"),
        ("abc", "'abc'"),
        (np.zeros((2, 3)), "ndarray(2x3, float64)"),
        (np.array([1, 2]), "array([1, 2])"),
        (pd.DataFrame({"a": range(9)}), "DataFrame(9x1)"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"),
        (Broken(), "<Broken whose repr raised RuntimeError>"),
        ([Broken()], "[<Broken whose repr raised RuntimeError>]"),
        (Unshaped(), "<Unshaped whose repr raised RuntimeError>"),
        ([array()], "[an array of another library]"),
        (Number(), "Number(3.0)"),
    ],
)
def test_shorten(value: Any, text: str) -> None:
    assert shorten(value) == text


class LongRepr:
    def __repr__(self) -> str:
        return "x" * 9_999


def test_shorten_is_short() -> None:
    long = ["x" * 10_000, 10**10_000, b"x" * 10_000, [["x" * 99] * 99] * 99, LongRepr()]
    assert all(len(shorten(x)) < 2_000 for x in long)
