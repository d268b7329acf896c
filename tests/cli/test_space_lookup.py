"""Settings by the beginning of their keys."""

from __future__ import annotations

import pytest

from superparams.cli.space_lookup import keys_starting_with
from superparams.store.table.arrow_arrays import keys_of

KEYS = [f"{begun:0<32}" for begun in ("ab", "ac1", "ac2f", "ac2e9", "00")]


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("a", [0, 1, 2, 3]),
        ("ac", [1, 2, 3]),
        ("ac2", [2, 3]),
        ("ac2e", [3]),
        (KEYS[2], [2]),
        (KEYS[2] + "0", []),
        ("b", []),
        ("xyz", []),
        ("0" * 33, []),
    ],
)
def test_keys_that_begin_so(begun: str, expected: list[int]) -> None:
    assert keys_starting_with(keys_of(KEYS), begun) == [KEYS[place] for place in expected]


def test_of_none() -> None:
    assert keys_starting_with(keys_of([]), "a") == []
