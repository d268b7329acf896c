"""Tells a group of fields from other values, since a point of an axis may be a space itself.

A group is an instance of a ``Params`` (see `superparams.declare`). Spaces and digests read only an
attribute of its class, which has the fields, and methods with two underscores. A field may have any
other name, so no other attribute of a group is read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

__all__ = [
    "FIELDS",
    "OPEN_FIELDS",
    "group_class",
    "has_groups",
    "index_in",
    "is_group",
    "is_open",
    "size_of",
]

FIELDS: Final = "__superparams_fields__"
OPEN_FIELDS: Final = "~open"  # in the __dict__ of a space: its open fields by name


def is_group(x: object) -> bool:
    """Whether `x` is a group of fields, an instance of a ``Params``."""
    return hasattr(type(x), FIELDS)


def has_groups(values: Iterable[object]) -> bool:
    """Whether some of many values are groups of fields; looks at each class once."""
    return any(hasattr(cls, FIELDS) for cls in set(map(type, values)))


def group_class(x: object) -> type[Any] | None:
    """`x` if it is a class of groups; ``Net`` for ``Net[int]``; None for anything else."""
    cls = getattr(x, "__origin__", x)
    return cls if isinstance(cls, type) and FIELDS in vars(cls) else None


def is_open(x: object) -> bool:
    """Whether `x` is a space: a ``Params`` with at least one open axis."""
    return is_group(x) and OPEN_FIELDS in x.__dict__


def size_of(space: Any) -> int:
    """The number of settings of a space, of any size; 1 or 0 for a setting."""
    size: int = space.__superparams_size__()
    return size


def index_in(space: Any, setting: Any) -> int:
    """The index of a setting in a space.

    Raises:
        SpaceError: When the space does not have this setting.
    """
    index: int = space.__superparams_index__(setting)
    return index
