"""A sample of the rows of a table that is too large for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.table.arrow_arrays import flat

__all__ = ["MOST_ROWS", "Sample", "sample_of"]

MOST_ROWS: Final = 100_000
MOST_OTHERS: Final = 0.2  # the share of rows that are not done, if enough others are


class Sample(NamedTuple):
    """Some rows of a table.

    Attributes:
        places: Their places in the table, in order.
        represents: How many rows of the table each of them represents; the sum is all rows.
    """

    places: pa.Array
    represents: pa.Array


def sample_of(status: pa.ChunkedArray, required: Sequence[int], most: int) -> Sample | None:
    """Every n-th row of those that are done, and every m-th row of all others.

    Nothing is random, so the same table gives the same sample.

    Args:
        status: The status of each row.
        required: The places of rows that must be in the sample.
        most: How many rows the sample has at most, not counting the required ones.

    Returns:
        The sample; None if the table has at most so many rows.
    """
    if len(status) <= most:
        return None
    is_done = flat(pc.equal(status, plain_scalar("done", pa.string())))
    done, others = (pc.indices_nonzero(x) for x in (is_done, pc.invert(is_done)))
    n_others = min(len(others), max(int(most * MOST_OTHERS), most - len(done)))
    parts = [_part(done, most - n_others, required), _part(others, n_others, required)]
    joined = pa.table(
        {
            "place": pa.concat_arrays([places for places, _ in parts]),
            "represents": pa.concat_arrays([numbers for _, numbers in parts]),
        }
    ).sort_by("place")
    return Sample(flat(joined.column("place")), flat(joined.column("represents")))


def _part(places: pa.Array, most: int, required: Sequence[int]) -> tuple[pa.Array, pa.Array]:
    """Some of these places; each represents those up to the next chosen one."""
    size = len(places)
    chosen = set(range(size)) if most >= size else {n * size // most for n in range(most)}
    needed: Any = pc.index_in(plain_array(list(required), places.type), value_set=places)
    chosen |= {n for n in needed.to_pylist() if n is not None}
    if size:
        chosen.add(0)
    order = sorted(chosen)
    ends = [*order[1:], size]
    numbers = [end - start for start, end in zip(order, ends, strict=False)]
    return places.take(plain_array(order, pa.int64())), plain_array(numbers, pa.int32())
