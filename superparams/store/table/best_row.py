"""Finds the row with the best value of a column."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.goal import Goal
from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_scalar, typed_values
from superparams.store.table.filters import unknown_column

__all__ = ["best_place", "column_and_mode"]

Mode = Literal["max", "min"]


def column_and_mode(
    column: str | None, mode: Mode | None, goal: Goal | None, name: str, columns: Sequence[str]
) -> tuple[str, Mode]:
    """The column that decides which row is the best, and the mode.

    Args:
        column: The name of a column; None for the column of the goal.
        mode: ``"max"`` or ``"min"``; None for the mode of the goal if that is of this column, else
            ``"max"``.
        goal: The goal of the experiment, if it has one.
        name: The name of the experiment, for messages.
        columns: The columns that there are.

    Raises:
        StoreError: If there is neither a column nor a goal, and if no row has the goal's column.
    """
    if column is None and goal is None:
        raise StoreError(
            f"best() of {name}, which has no goal: name a column, as in best('accuracy'), or write "
            f"goal = maximize('accuracy') in the class"
        )
    if column is None and goal is not None and goal.column not in columns:
        raise StoreError(f"{name}.goal is {goal!r}: {unknown_column(goal.column, columns)}")
    if goal is not None and column in (None, goal.column):
        return goal.column, mode or goal.mode
    assert column is not None
    return column, mode or "max"


def best_place(
    path: Path,
    field: pa.Field,
    column: pa.ChunkedArray,
    mode: str,
    is_stale: pa.ChunkedArray | None,
) -> int:
    """The place of the largest (mode ``"max"``) or smallest (``"min"``) value of a column.

    Args:
        path: The file with the table, for messages.
        field: The column.
        column: Its values; NaN and null do not count, and in a column that has numbers besides
            other values, the other values do not.
        mode: ``"max"`` or ``"min"``.
        is_stale: A mask of rows that do not count since other code made them; None for no such
            rows.

    Raises:
        StoreError: When no row has a value, when values have no order, and for any other mode.
    """
    if mode not in ("max", "min"):
        raise StoreError(f"best(mode={mode!r}): mode is 'max' or 'min'")
    place = _place_of_number(column, mode, is_stale)
    if place is not None:
        return place
    name = field.name
    values: list[Any] = typed_values(column, field)
    if any(map(_is_number, values)):
        values = [x if _is_number(x) else None for x in values]
    places = [place for place, x in enumerate(values) if x is not None and x == x]
    stale: list[bool] = [] if is_stale is None else is_stale.to_pylist()
    current = [place for place in places if not stale[place]] if stale else places
    if not current:
        others = _other_code_message(len(places)) if places else ""
        raise StoreError(f"no row of {path} has a value of {name!r}{others}")
    try:
        return (max if mode == "max" else min)(current, key=values.__getitem__)
    except TypeError as error:
        raise StoreError(f"the values of {name!r} have no order: {error}") from error


def _is_number(x: object) -> bool:
    return isinstance(x, (int, float, Decimal))


def _place_of_number(
    column: pa.ChunkedArray, mode: str, is_stale: pa.ChunkedArray | None
) -> int | None:
    """The same for numbers, but faster; None for other values."""
    form = column.type
    if not (pa.types.is_integer(form) or form in (pa.float32(), pa.float64())):
        return None
    none = plain_scalar(None, form)
    if pa.types.is_floating(form):
        column = pc.if_else(pc.is_nan(column), none, column)
    if is_stale is not None:
        column = pc.if_else(pc.fill_null(is_stale, plain_scalar(False, pa.bool_())), none, column)
    best = pc.min_max(column)[mode]
    return int(pc.index(column, best).as_py()) if best.is_valid else None


def _other_code_message(rows: int) -> str:
    have = "1 row of other code has" if rows == 1 else f"{rows:,} rows of other code have"
    return (
        f" that the current code made; {have}: take best(..., stale=True), run the "
        "experiment again, or accept_stale()"
    )
