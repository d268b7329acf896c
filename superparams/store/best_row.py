"""Which row is the best one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from superparams.errors import StoreError
from superparams.outcomes.arrow import python_values

__all__ = ["best_place"]


def best_place(
    path: Path, name: str, column: pa.ChunkedArray, mode: str, left_out: pa.ChunkedArray | None
) -> int:
    """The place of the largest (mode ``"max"``) or smallest (``"min"``) value of a column.

    Args:
        path: The file that holds it, for messages.
        name: Its name.
        column: Its values; NaN and null do not count.
        mode: Which of the two.
        left_out: Which rows do not count since other code made them; None for none.

    Raises:
        StoreError: When no row has a value, when values have no order, and for any other mode.
    """
    if mode not in ("max", "min"):
        raise StoreError(f"best(mode={mode!r}): mode is 'max' or 'min'")
    values = python_values(column)
    known = [place for place, x in enumerate(values) if x is not None and x == x]
    marks: list[bool] = [] if left_out is None else left_out.to_pylist()
    places = [place for place in known if not marks[place]] if marks else known
    if not places:
        others = _of_other_code(len(known)) if known else ""
        raise StoreError(f"no row of {path} has a value of {name!r}{others}")
    try:
        return (max if mode == "max" else min)(places, key=values.__getitem__)
    except TypeError as error:
        raise StoreError(f"the values of {name!r} have no order: {error}") from error


def _of_other_code(rows: int) -> str:
    """What to say where no row of the code as it is now has a value, but so many others have."""
    have = "1 row of other code has" if rows == 1 else f"{rows:,} rows of other code have"
    return (
        f" that the code made as it is now; {have}: take best(..., stale=True), run the "
        "experiment again, or accept_stale()"
    )
