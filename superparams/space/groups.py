"""What tells a group of fields from any other value: a point of an axis may be a space itself.

The class of a group has its fields in an attribute of the class. That attribute is all that spaces
and digests need to know of groups, which `superparams.declare` makes.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["FIELDS", "OPEN_FIELDS", "group_class", "is_group", "is_open"]

FIELDS: Final = "__superparams_fields__"
OPEN_FIELDS: Final = "~open"  # in the __dict__ of a space: its open fields by name


def is_group(x: object) -> bool:
    """Whether `x` is a ``Params``: a group of fields."""
    return hasattr(type(x), FIELDS)


def group_class(x: object) -> type[Any] | None:
    """The class of groups that `x` is, also as ``Net[int]``; None for anything else."""
    cls = getattr(x, "__origin__", x)
    return cls if isinstance(cls, type) and FIELDS in vars(cls) else None


def is_open(x: object) -> bool:
    """Whether `x` is a ``Params`` with at least one open axis: a space, not a setting."""
    return is_group(x) and OPEN_FIELDS in x.__dict__
