"""How an instance is shown in a notebook: a small table.

It has no colours of its own, so that it looks as the other tables of its page do, dark or light.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from superparams.declare.presentation import axes_of, headline, shown_fields
from superparams.errors.safe_text import markup
from superparams.space.algebra import dimension_of
from superparams.space.groups import is_open

__all__ = ["LEFT", "as_html", "caption_of", "table_of_pairs"]

LEFT: Final = ' style="text-align:left"'  # notebooks align cells to the right, as for numbers
WHOLE: Final = ' style="text-align:left;white-space:nowrap"'


def as_html(params: Any) -> str:
    """A table: of a space its axes and how many points each has, of a setting its fields."""
    name = type(params).__name__
    if not is_open(params):
        return _table(name, ["field", "value"], shown_fields(params))
    rows = (
        (axis, f"{dimension_of(field).size:,}", *parts) for axis, field, parts in axes_of(params)
    )
    return _table(f"{name}: {headline(params)}", ["axis", "size", "points"], rows)


def caption_of(text: str) -> str:
    """The caption of a table, on the left and in one line: notebooks centre and break it."""
    return f"<caption{WHOLE}>{markup(text)}</caption>"


def table_of_pairs(caption: str, pairs: Iterable[tuple[str, str]]) -> str:
    """A table of names and what they are."""
    return _table(caption, ["field", "value"], pairs)


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells beyond the last column are further lines of it."""
    top = "".join(f"<th{LEFT}>{markup(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{_cells(row, len(head))}</tr>" for row in rows)
    return f"<table>{caption_of(caption)}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Sequence[str], width: int) -> str:
    escaped = [markup(cell) for cell in row]
    cells = [*escaped[: width - 1], "<br>".join(escaped[width - 1 :])]
    return "".join(f"<td{LEFT}>{cell}</td>" for cell in cells)
