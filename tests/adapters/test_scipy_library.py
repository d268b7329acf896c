"""scipy's sparse matrices keep the promises of adapters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sparse

from superparams.adapters.copies import own_of
from tests.adapters.contract import REFUSED, AdapterContract, Sample

DENSE = [[9.0, 0.0], [float("nan"), 2.0]]


def of(kind: str, last: float = 2.0, *, is_array: bool = False) -> Any:
    rows = [DENSE[0], [DENSE[1][0], last]]
    made: Any = sparse.csr_array(rows) if is_array else sparse.csr_matrix(rows)
    return made.asformat(kind)


def unordered(kind: str) -> Any:
    """The same elements, one of them as a sum, and in another order."""
    entries = ([2.0, float("nan"), 4.0, 5.0], ([1, 1, 0, 0], [1, 0, 0, 0]))
    return sparse.coo_matrix(entries, shape=(2, 2)).asformat(kind)


def write(matrix: Any, i: int) -> None:
    if matrix.format in ("lil", "dok"):
        matrix[0, 0] = i
    else:
        matrix.data[...] = i


def large(first: float = 9.0) -> Any:
    made = np.full((200, 200), 9.0)
    made[0, 0] = first
    return sparse.csr_matrix(made)


SAMPLES: dict[str, Sample] = {
    **{
        kind: Sample(lambda k=kind: of(k), lambda k=kind: of(k, 3.0), REFUSED, write)  # type: ignore[misc]
        for kind in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    },
    "array": Sample(
        lambda: of("csr", is_array=True), lambda: of("csr", 3.0, is_array=True), REFUSED, write
    ),
    "not canonical": Sample(
        lambda: of("coo"), lambda: of("coo", 3.0), REFUSED, write, also=[lambda: unordered("coo")]
    ),
    "large": Sample(large, lambda: large(1.0), REFUSED, write),
    "no elements": Sample(
        lambda: sparse.csr_matrix((2, 3)), lambda: sparse.csr_matrix((3, 2)), REFUSED, write
    ),
}


class TestScipy(AdapterContract):
    samples = SAMPLES
    samples_of = "tests.adapters.test_scipy_library"


def test_a_large_matrix_is_not_copied() -> None:
    matrix = large()
    own = own_of(matrix)
    assert np.shares_memory(matrix.data, own.data)
    with pytest.raises(ValueError, match="read-only"):
        own.data[0] = 1
