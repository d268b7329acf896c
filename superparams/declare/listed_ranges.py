"""Replaces the ranges of a space by some of their values, so that its settings can be listed."""

from __future__ import annotations

from typing import Any, Final

from superparams.declare.instance_state import open_fields
from superparams.errors import SpaceError
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, is_open
from superparams.space.ranges import Range

__all__ = ["without_ranges"]

MOST_LISTED: Final = 1_000_000  # values of one range


def without_ranges(space: Any, k: int) -> Any:
    """The space with at most k values of each range, evenly spaced, as its points.

    Args:
        space: The space; groups and alternatives inside of it are changed as well.
        k: The most values of a range.

    Raises:
        SpaceError: For more values of one range than `MOST_LISTED`.
    """
    changes = {
        name: replacement
        for name, x in open_fields(space).items()
        if (replacement := _with_points(x, k, f"{type(space).__name__}.{name}")) is not x
    }
    return space.replace(**changes) if changes else space


def _with_points(x: object, k: int, where: str) -> Any:
    if isinstance(x, Range):
        if (n := x.n_listed(k)) > MOST_LISTED:
            raise SpaceError(
                f"{where}: {n:,} values of one range are more than the {MOST_LISTED:,} that can be "
                f"listed; take fewer of them, as in grid(100), or draw some, as in sample(10_000)"
            )
        return Axis(tuple(x.grid(k)))
    if is_open(x):
        return without_ranges(x, k)
    if isinstance(x, Axis) and not isinstance(x.points, range) and has_groups(x.points):
        return x.having(
            tuple(without_ranges(point, k) if is_open(point) else point for point in x.points)
        )
    return x
