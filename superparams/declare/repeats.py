"""Which axes are repetitions, such as a seed or a fold, and which fields are derived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from superparams.declare.descriptors import Value
from superparams.declare.field import Field
from superparams.declare.instance_state import open_fields
from superparams.declare.metaclass import recorded_fields
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["derived_of", "repeats_of"]

_IsWanted = Callable[[Any, Field], bool]


def repeats_of(owner: object) -> tuple[str, ...]:
    """The dotted names of the axes that are repetitions, by the class and by the space.

    Args:
        owner: A class or a space.
    """
    return tuple(dict.fromkeys(_fields(owner, "", _is_repeat)))


def derived_of(owner: object) -> tuple[str, ...]:
    """The dotted names of the fields that the class derives from others.

    Args:
        owner: A class or a space.
    """
    return tuple(dict.fromkeys(_fields(owner, "", lambda _, field: field.is_derived)))


def _is_repeat(owner: object, field: Field) -> bool:
    opened: Any = None if isinstance(owner, type) else open_fields(owner).get(field.name)
    return any(isinstance(x, Axis) and x.repeat for x in (opened, field.declared))


def _fields(owner: object, prefix: str, is_wanted: _IsWanted) -> Iterator[str]:
    cls: type[Any] = owner if isinstance(owner, type) else owner.__class__
    held: Mapping[str, Any] = {} if owner is cls else owner.__dict__
    for name, field in recorded_fields(cls).items():
        if is_wanted(owner, field):
            yield prefix + name
        default = field.declared.given if isinstance(field.declared, Value) else None
        for group in filter(is_group, (held.get(name), default)):
            yield from _fields(group, f"{prefix}{name}.", is_wanted)
