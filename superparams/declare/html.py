"""How an instance is shown in a notebook: a small table."""

from __future__ import annotations

from superparams.declare.layout import has_range
from superparams.declare.presentation import axes_of, shown_fields, size_line
from superparams.errors.tables import Table
from superparams.space.algebra import dimension_of
from superparams.space.axis import Axis
from superparams.space.groups import is_open
from superparams.space.ranges import Range

__all__ = ["as_html"]


def as_html(params: object) -> str:
    """A table: the axes of a space with their numbers of points, or the fields of a setting."""
    name = type(params).__name__
    if not is_open(params):
        return Table(("field", "value"), list(shown_fields(params)), title=name).html()
    rows = [(axis, _size(field), "\n".join(parts)) for axis, field, parts in axes_of(params)]
    return Table(("axis", "size", "points"), rows, title=f"{name}: {size_line(params)}").html()


def _size(field: Axis | Range) -> str:
    """The number of points of an axis; empty for a range of floats, or with ranges inside."""
    if isinstance(field, Range):
        return "" if field.size is None else f"{field.size:,}"
    has_ranges = not isinstance(field.points, range) and any(map(has_range, field.points))
    return "" if has_ranges else f"{dimension_of(field).size:,}"
