"""Replaces the ranges of a space by some of their values, so that its settings can be listed."""

from __future__ import annotations

from typing import Any

from superparams.declare.instance_state import open_fields
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, is_open
from superparams.space.ranges import Range

__all__ = ["without_ranges"]


def without_ranges(space: Any, k: int) -> Any:
    """The space with at most k values of each range, evenly spaced, as its points.

    Args:
        space: The space; groups and alternatives inside of it are changed as well.
        k: The most values of a range.
    """
    changes = {
        name: made
        for name, x in open_fields(space).items()
        if (made := _with_points(x, k)) is not x
    }
    return space.replace(**changes) if changes else space


def _with_points(x: Any, k: int) -> Any:
    if isinstance(x, Range):
        return Axis(tuple(x.grid(k)))
    if is_open(x):
        return without_ranges(x, k)
    if isinstance(x, Axis) and not isinstance(x.points, range) and has_groups(x.points):
        return x.having(tuple(without_ranges(one, k) if is_open(one) else one for one in x.points))
    return x
