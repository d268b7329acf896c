"""The schema of a class: its fields as JSON, for programs that read results without the code.

A run writes it into `run.json`. It has

- `version`: the version of this form; schemas of another version are not read,
- `class`: the name of the class,
- `fields`: the fields in their order, each with its type and what it is declared as: `axis` (the
  points, with `labels` where they have names; or `low`, `high`, `log` and `step` of a range),
  `value` (the default), an empty `made` (a factory makes it, or it is derived from other fields),
  or none of these if the call has to give it,
- `classes`: the same for each class of groups that the fields may hold,
- `repeats`: the dotted names of the axes that are repetitions, where there are some,
- `goal`: the column and the mode (``max`` or ``min``) of the goal, where the class has one.

Readers ignore other keys. `superparams.declare.words.recorded_schema` reads it.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.goal import GOAL, Goal, goal_of
from superparams.declare.metaclass import recorded_fields
from superparams.declare.presentation import table_value
from superparams.declare.words.annotations import Scope, is_any, is_group_class, parts
from superparams.declare.words.named_choices import group_classes, own_name
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.space.ranges import Range

__all__ = [
    "CONTAINERS",
    "DEEPEST",
    "ENUMS",
    "SCALARS",
    "SCHEMA",
    "VERSION",
    "derived_of_schema",
    "goal_of_schema",
    "repeats_of_schema",
    "schema_of",
]

SCHEMA: Final = "schema"  # in run.json
REPEATS: Final = "repeats"
VERSION: Final = 1
DEEPEST: Final = 20  # annotations in annotations
MOST_OPTIONS: Final = 1000  # of an enum or a Literal
MOST_POINTS: Final = 100  # of an axis whose points have no names
MOST_NAMES: Final = 1000  # of an axis whose points have names
MOST_CLASSES: Final = 200  # of groups
LONGEST: Final = 200  # characters of a text
# Classes whose values are written as one text, a subclass before its base.
SCALARS: Final = (
    *("builtins.bool", "builtins.int", "builtins.float", "builtins.complex", "builtins.str"),
    *("builtins.bytes", "decimal.Decimal", "fractions.Fraction", "pathlib.PurePath"),
    *("datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "uuid.UUID"),
    *("numpy.bool", "numpy.bool_", "numpy.integer", "numpy.floating"),
)
ENUMS: Final[Mapping[str, Any]] = {
    "IntFlag": enum.IntFlag,
    "Flag": enum.Flag,
    "IntEnum": enum.IntEnum,
    "Enum": enum.Enum,
}
CONTAINERS: Final = (
    *("list", "tuple", "set", "frozenset", "dict", "deque", "Sequence", "MutableSequence"),
    *("Iterable", "Collection", "Container", "Set", "MutableSet", "Mapping", "MutableMapping"),
)


def schema_of(cls: type[Any], repeats: Sequence[str] = ()) -> dict[str, Any]:
    """The schema of a class, as it is declared.

    Args:
        cls: The class.
        repeats: The dotted names of the axes that are repetitions, in the space that runs.
    """
    classes: dict[str, type[Any]] = {}
    fields = _fields(cls, classes)
    schemas: dict[str, Any] = {}
    while len(schemas) < min(len(classes), MOST_CLASSES):
        for name, group in list(classes.items()):
            if name not in schemas:
                schemas[name] = _fields(group, classes)
    goal = goal_of(cls)
    return {
        "version": VERSION,
        "class": cls.__qualname__,
        "fields": fields,
        "classes": schemas,
        **({REPEATS: list(repeats)} if repeats else {}),
        **({GOAL: {"column": goal.column, "mode": goal.mode}} if goal is not None else {}),
    }


def goal_of_schema(schema: Mapping[str, object]) -> Goal | None:
    """The goal in a schema; None if the schema has none or is damaged."""
    goal = schema.get(GOAL)
    entry = cast("dict[str, Any]", goal) if isinstance(goal, dict) else {}
    column, mode = entry.get("column"), entry.get("mode")
    return Goal(column, mode) if isinstance(column, str) and mode in ("max", "min") else None


def repeats_of_schema(schema: Mapping[str, object]) -> tuple[str, ...]:
    """The dotted names of the repetitions in a schema; none if it is damaged."""
    repeats = schema.get(REPEATS)
    names = cast("list[object]", repeats) if isinstance(repeats, list) else []
    return tuple(name for name in names if isinstance(name, str))


def derived_of_schema(schema: Mapping[str, object]) -> tuple[str, ...]:
    """The fields of the class itself that are made or derived, by a schema."""
    fields = schema.get("fields")
    entries = cast("dict[str, object]", fields) if isinstance(fields, dict) else {}
    return tuple(name for name, x in entries.items() if isinstance(x, dict) and "made" in x)


def _fields(cls: type[Any], classes: dict[str, type[Any]]) -> dict[str, Any]:
    scope = Scope(cls)
    return {name: _field(field, scope, classes) for name, field in recorded_fields(cls).items()}


def _field(field: Field, scope: Scope, classes: dict[str, type[Any]]) -> dict[str, Any]:
    for group in group_classes(field.annotation, scope):
        classes.setdefault(group.__name__, group)
    entry: dict[str, Any] = {"type": _type(field.annotation, scope, 0)}
    declared = field.declared
    if isinstance(declared, Axis):
        entry["axis"] = _axis(declared, classes)
    elif isinstance(declared, Range):
        entry["axis"] = _range(declared)
    elif isinstance(declared, Value):
        is_made = declared.given is REQUIRED
        entry |= {"made": {}} if is_made else {"value": _point(declared.given, classes)}
    return entry


def _axis(axis: Axis, classes: dict[str, type[Any]]) -> dict[str, Any]:
    points = axis.points
    if isinstance(points, range):
        return {"range": [points.start, points.stop, points.step]}
    has_names = bool(axis.labels) or any(own_name(x) is not None for x in points[:MOST_NAMES])
    most = MOST_NAMES if has_names else MOST_POINTS
    some = [_point(x, classes) for x in points[:most]]
    entry: dict[str, Any] = {"size": len(points), "points": some}
    if axis.labels:
        entry["labels"] = list(axis.labels[:most])
    if axis.zip:
        entry["zip"] = axis.zip
    return entry


def _range(declared: Range) -> dict[str, Any]:
    """A range of numbers: its ends, and whether it is logarithmic or has a step."""
    entry = {"low": declared.low, "high": declared.high, "log": declared.log}
    return entry if declared.step is None else entry | {"step": declared.step}


def _point(x: object, classes: dict[str, type[Any]]) -> Any:
    """A point as JSON: the value if it is plain, else its name or its text."""
    if is_group(x):
        cls: type[Any] = x.__class__
        classes.setdefault(cls.__name__, cls)
        return {"group": cls.__name__}
    if _is_plain(x) and not (isinstance(x, str) and len(x) > LONGEST):
        return x
    name = own_name(x)
    if name is not None:
        return {"name": name, "shown": str(table_value(x))[:LONGEST]}
    return {"text": shorten(x)[:LONGEST]}


def _is_plain(x: object) -> bool:
    """Whether a value is a number, a text, a bool or None, as JSON has them."""
    return x is None or (type(x) in (bool, int, float, str) and x == x)


# ---- types


def _type(annotation: object, scope: Scope, depth: int) -> Any:
    """An annotation as JSON: a text for a plain type, else an object with its kind."""
    if depth > DEEPEST:
        return "Any"
    members = [_member(x, scope, depth) for x in parts(annotation, scope.plain)]
    return members[0] if len(members) == 1 else {"union": members}


def _member(member: object, scope: Scope, depth: int) -> Any:
    if is_any(member):
        return "Any"
    if member is types.NoneType:
        return "None"
    if isinstance(member, str):
        return {"unknown": member}
    inner = typing.get_args(member)
    origin: Any = typing.get_origin(member) or member
    if origin is typing.Literal:
        return {"literal": [_option(x) for x in inner[:MOST_OPTIONS]]}
    if not isinstance(origin, type):
        return {"class": str(getattr(origin, "__name__", None) or shorten(origin))}
    cls = cast("type[Any]", origin)
    if is_group_class(cls):
        return {"group": cls.__name__}
    return _class(cls, inner, scope, depth)


def _class(cls: type[Any], inner: Sequence[object], scope: Scope, depth: int) -> Any:
    if issubclass(cls, enum.Enum):
        name = next(name for name, x in ENUMS.items() if issubclass(cls, x))
        members = {name: _option(x.value) for name, x in cls.__members__.items()}
        return {"enum": cls.__name__, "base": name, "members": members}
    homes = (f"{x.__module__.partition('._')[0]}.{x.__qualname__}" for x in cls.__mro__)
    scalar = next((home for home in homes if home in SCALARS), None)
    if scalar is not None:
        return {"scalar": scalar, "name": cls.__name__}
    if typing.is_typeddict(cls) or hasattr(cls, "_fields"):
        return _record(cls, scope, depth)
    kind = next((x.__name__ for x in cls.__mro__ if x.__name__ in CONTAINERS), None)
    if kind is None or cls.__name__ == "Callable":
        return {"class": cls.__name__}
    return {kind: [None if x is ... else _type(x, scope, depth + 1) for x in inner]}


def _record(cls: Any, scope: Scope, depth: int) -> Any:
    """A ``TypedDict`` or a ``NamedTuple``."""
    try:
        hints = typing.get_type_hints(cls)
    except Exception:  # names that only type checkers know
        hints = {}
    types_by_name = {str(name): _type(x, scope, depth + 1) for name, x in hints.items()}
    if typing.is_typeddict(cls):
        required = sorted(map(str, cls.__required_keys__))
        return {"items": types_by_name, "name": cls.__name__, "required": required}
    optional: Mapping[str, Any] = getattr(cls, "_field_defaults", {})
    required = [name for name in types_by_name if name not in optional]
    return {"fields": types_by_name, "name": cls.__name__, "required": required}


def _option(x: object) -> Any:
    """An option of a ``Literal``, or the value of a member of an enum."""
    if _is_plain(x):
        return x
    return {"shown": str(x.name) if isinstance(x, enum.Enum) else str(x)[:LONGEST]}
