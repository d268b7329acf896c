"""A step: a row that a setting records while it runs.

Nothing here needs Arrow: a worker that runs settings of plain types does not load it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from superparams.errors.short_repr import kind_of
from superparams.outcomes.result_copies import Refused, frozen, refuse_column

__all__ = [
    "Step",
    "StepColumns",
    "dict_of",
    "recorded_row",
    "size_of_row",
    "step_parts",
    "values_of_last",
]


@dataclass(slots=True)
class Step:
    """A row that a setting recorded, or the rows of a data frame, which are a step each.

    Attributes:
        index: The index of the setting in the space.
        key: The key of the setting.
        attempt: The number of the attempt, from 1.
        step: The number of the step in its attempt, from 1; for a frame that of its first row.
        seconds: How long after the beginning of the attempt it was recorded.
        row: What `recorded_row` made: a dict, or an Arrow table.
    """

    index: int
    key: str
    attempt: int
    step: int
    seconds: float
    row: Any


_OWN: Final = {name: attrgetter(name) for name in ("key", "index", "attempt", "step", "seconds")}


class StepColumns(NamedTuple):
    """Steps whose rows have the same names, by columns: those of every step, and their fields."""

    own: dict[str, list[Any]]
    fields: dict[str, list[Any]]


def recorded_row(where: str, row: object) -> Any:
    """A copy of a row as it is now, which does not change with the objects in it.

    Args:
        where: What gave the row, for errors: `Class.log()`.
        row: A mapping, a data frame, or None for a step without fields.

    Raises:
        TypeError: When no table can hold the row; names the field and the remedy.
    """
    if row is None:
        return {}
    refuse_column(where, row)
    if not isinstance(row, Mapping) and not hasattr(row, "__arrow_c_stream__"):
        raise TypeError(
            f"{where} was given {row!r:.80}, {kind_of(row)}; a step is a dict such as "
            f'{{"loss": ...}}, or a data frame'
        )
    new_row = frozen(dict(row) if isinstance(row, Mapping) else row)  # pyright: ignore[reportUnknownArgumentType]
    refused = _refused(new_row, "")
    if refused is not None:
        name, why = refused
        what = f"the field {name!r} of a step" if name else "a step"
        raise TypeError(
            f"{where}: {what}: {why}; give numbers, text, dates, arrays or a repr of it, or save "
            "it in self.folder"
        )
    return new_row


def _refused(row: object, name: str) -> tuple[str, str] | None:
    """The first field that no table can hold, with the reason."""
    if isinstance(row, Refused):
        return name, row.why
    if type(row) is dict:
        for inner, x in row.items():  # pyright: ignore[reportUnknownVariableType]
            refusal = _refused(x, f"{name}.{inner}" if name else str(inner))  # pyright: ignore[reportUnknownArgumentType]
            if refusal is not None:
                return refusal
    return None


def dict_of(row: object) -> dict[Any, Any] | None:
    """A row as a dict; None for a data frame."""
    return row if type(row) is dict else None  # pyright: ignore[reportUnknownVariableType]


def size_of_row(row: Any) -> int:
    """How many steps a row is: each row of a data frame is one."""
    return 1 if type(row) is dict else row.num_rows


def values_of_last(row: Any) -> dict[str, Any]:
    """The values of a row, or of the last row of a frame."""
    if type(row) is dict:
        return row  # pyright: ignore[reportUnknownVariableType]
    last: list[dict[str, Any]] = row.slice(max(0, row.num_rows - 1)).to_pylist()
    return last[-1] if last else {}


def step_parts(steps: Sequence[Step]) -> list[StepColumns | Step]:
    """Steps in their order, by columns where neighbours have the same names; frames stay alone."""
    parts: list[StepColumns | Step] = []
    for names, group in groupby(steps, _names_of):
        some = list(group)
        if names is None:
            parts += some
            continue
        own = {name: list(map(value, some)) for name, value in _OWN.items()}
        fields = {name: [step.row[name] for step in some] for name in names}
        parts.append(StepColumns(own, fields))
    return parts


def _names_of(step: Step) -> tuple[str, ...] | None:
    row = dict_of(step.row)
    if row is None:
        return None
    names = tuple(row)
    # Names that are no plain text are columns only by what they look like.
    return names if all(type(name) is str for name in names) else None
