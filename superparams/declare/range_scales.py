"""Which fields are ranges, and whether each is declared as logarithmic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from superparams.declare.instance_state import declaration_on
from superparams.declare.metaclass import recorded_fields
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.space.ranges import Range

__all__ = ["range_scales_of", "range_scales_of_schema"]

DEEPEST: Final = 10  # groups in groups
MOST_POINTS: Final = 1000  # of an axis


def range_scales_of(owner: object) -> dict[str, bool]:
    """The ranges of a class by their dotted names, and whether each is logarithmic.

    Args:
        owner: A class, or a space of it.
    """
    cls: type[Any] = owner if isinstance(owner, type) else owner.__class__
    return dict(_of_class(cls, "", DEEPEST))


def _of_class(owner: object, prefix: str, deepest: int) -> Iterator[tuple[str, bool]]:
    cls: type[Any] = owner if isinstance(owner, type) else owner.__class__
    for name, field in recorded_fields(cls).items():
        declared: Any = declaration_on(owner, field)
        if isinstance(declared, Range):
            yield prefix + name, declared.log
            continue
        points = declared.points[:MOST_POINTS] if isinstance(declared, Axis) else ()
        default = getattr(declared, "given", None)
        for group in filter(is_group, (default, *points) if deepest else ()):
            yield from _of_class(group, f"{prefix}{name}.", deepest - 1)


def range_scales_of_schema(schema: Mapping[str, object]) -> dict[str, bool]:
    """The same by a schema that a run recorded; empty if the file is damaged.

    Args:
        schema: As `superparams.declare.class_schema.schema_of` made it.
    """
    return dict(_of_entries(_object(schema.get("fields")), schema, "", DEEPEST))


def _of_entries(
    entries: Mapping[str, object], schema: Mapping[str, object], prefix: str, deepest: int
) -> Iterator[tuple[str, bool]]:
    for name, entry in entries.items():
        axis = _object(_object(entry).get("axis"))
        if "low" in axis:
            yield prefix + name, axis.get("log") is True
        points = axis.get("points")
        several = cast("list[object]", points) if isinstance(points, list) else []
        for point in [*several[:MOST_POINTS], _object(entry).get("value")] if deepest else ():
            group = _object(schema.get("classes")).get(str(_object(point).get("group")))
            yield from _of_entries(_object(group), schema, f"{prefix}{name}.", deepest - 1)


def _object(x: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", x) if isinstance(x, dict) else {}
