"""Makes a class from a recorded schema, which reads words as the original class did.

Only names and types are restored: groups hold no values, and functions and other objects of the
user are only names. Nothing of the schema is executed.
"""

from __future__ import annotations

import collections
import collections.abc
import datetime as dt
import decimal
import fractions
import itertools
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from superparams.declare.class_schema import CONTAINERS, DEEPEST, ENUMS, VERSION
from superparams.declare.descriptors import search, value
from superparams.declare.params import Params
from superparams.declare.words.named_choices import own_name

__all__ = ["class_of_schema"]

STAND_IN: Final = "recorded_schema"  # the module of the classes that are made here
MOST: Final = 1000  # entries of a list that are read
_SCALARS: Final[Mapping[str, type[Any]]] = {
    "builtins.bool": bool,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.complex": complex,
    "builtins.str": str,
    "builtins.bytes": bytes,
    "decimal.Decimal": decimal.Decimal,
    "fractions.Fraction": fractions.Fraction,
    "pathlib.PurePath": pathlib.PurePath,
    "datetime.datetime": dt.datetime,
    "datetime.date": dt.date,
    "datetime.time": dt.time,
    "datetime.timedelta": dt.timedelta,
    "uuid.UUID": uuid.UUID,
    "numpy.bool": bool,
    "numpy.bool_": bool,
    "numpy.integer": int,
    "numpy.floating": float,
}


class _Unknown:
    """The base of classes that represent classes of the user, whose values are no text."""


class _NamedPoint:
    """Represents a function or class of the user, which words give by its name."""

    def __init__(self, name: str, qualified_name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = qualified_name.removesuffix(f".{name}")

    def __call__(self) -> None:
        raise TypeError(f"only the name of {self.__name__} is known")


def class_of_schema(schema: object) -> type[Params] | None:
    """A class that reads words as the class of a schema does; None if there is no schema.

    Args:
        schema: A schema of `superparams.declare.class_schema`, from a file that may be damaged or
            untrusted.
    """
    entry = _object(schema)
    if entry.get("version") != VERSION:
        return None
    try:
        name = str(entry["class"]).rpartition(".")[2]
        return _Classes(_object(entry.get("classes"))).make(name, _object(entry["fields"]))
    except (Exception, RecursionError):  # names and types of any kind
        return None


class _Classes:
    """The classes of groups of a schema, each created on first use."""

    def __init__(self, entries: Mapping[str, object]) -> None:
        self._entries = entries
        self._made: dict[str, type[Params] | None] = {}

    def group(self, name: str) -> Any:
        """The class of a name; Any for an unknown class, or for one that contains itself."""
        if name not in self._made:
            self._made[name] = None
            self._made[name] = self.make(name, _object(self._entries.get(name)))
        return self._made[name] or Any

    def make(self, name: str, fields: Mapping[str, object]) -> type[Params]:
        """A class with these fields."""
        annotations: dict[str, Any] = {}
        body: dict[str, Any] = {"__annotations__": annotations, "__module__": STAND_IN}
        for field, entry in fields.items():
            annotations[field] = self._type(_object(entry).get("type"), 0)
            body[field] = self._declared(_object(entry))
        return _new_class(name, body)

    def _declared(self, entry: Mapping[str, object]) -> Any:
        """The points with names; other values are read only by their type."""
        axis = _object(entry.get("axis"))
        labels = _list(axis.get("labels"))
        points = [self._point(x) for x in _list(axis.get("points"))]
        if not axis and "value" in entry:
            points = [self._point(entry["value"])]
        if labels and len(labels) == len(points):
            return search(dict(zip(map(str, labels), points, strict=True)))
        named = [x for x in points if own_name(x) is not None]
        if named:
            return search(named) if axis else named[0]
        return value(factory=_nothing)

    def _point(self, x: object) -> Any:
        if not isinstance(x, dict):
            return x
        entry = _object(cast("object", x))
        if "group" in entry:
            cls = self.group(str(entry["group"]))
            return cls() if isinstance(cls, type) else None
        if "name" in entry:
            return _NamedPoint(str(entry["name"]), str(entry.get("shown", "")))
        return str(entry.get("text", ""))

    # -- types

    def _type(self, description: object, depth: int) -> Any:
        """The type for a description in the schema; raises ValueError for anything else."""
        if depth > DEEPEST:
            raise ValueError("too deep")
        if description in ("Any", "None"):
            return Any if description == "Any" else None
        entry = _object(description)
        if "union" in entry:
            members = tuple(self._type(x, depth + 1) for x in _list(entry["union"]))
            return typing.Union[members]  # noqa: UP007
        if "literal" in entry:
            return typing.Literal[tuple(map(_option, _list(entry["literal"])))]
        if "group" in entry:
            return self.group(str(entry["group"]))
        if "unknown" in entry:
            return str(entry["unknown"])
        if "class" in entry:
            return type(str(entry["class"]), (_Unknown,), {})
        if "scalar" in entry:
            return _scalar(entry)
        if "enum" in entry:
            values = {str(n): _option(x) for n, x in _object(entry.get("members")).items()}
            base: Any = ENUMS[entry["base"]]
            return base(str(entry["enum"]), values)
        return self._container(entry, lambda x: self._type(x, depth + 1))

    def _container(self, entry: Mapping[str, object], inner: Callable[[object], Any]) -> Any:
        for kind in ("items", "fields"):
            if kind in entry:
                return _record(entry, kind, inner)
        ((name, arguments),) = entry.items()
        if name not in CONTAINERS:
            raise ValueError(f"no type: {name}")
        plain = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "dict": dict}
        origin: Any = plain.get(name) or collections.deque
        if name not in plain and name != "deque":
            origin = getattr(collections.abc, name)
        members = tuple(... if x is None else inner(x) for x in _list(arguments))
        return types.GenericAlias(origin, members) if members else origin


def _scalar(entry: Mapping[str, Any]) -> Any:
    cls, name = _SCALARS[entry["scalar"]], str(entry.get("name", ""))
    if cls is bool or cls.__name__ == name:
        return cls
    if cls is pathlib.PurePath:
        return pathlib.Path
    return type(name, (cls,), {})


def _record(entry: Mapping[str, object], kind: str, inner: Callable[[object], Any]) -> Any:
    """A ``TypedDict`` or a ``NamedTuple``."""
    name = str(entry["name"])
    hints = {str(key): inner(x) for key, x in _object(entry[kind]).items()}
    required = {str(x) for x in _list(entry["required"])}
    if kind == "items":
        typed: Any = cast("Any", typing.TypedDict)(name, hints)
        typed.__required_keys__ = frozenset(required)
        return typed
    defaults = [None for key in hints if key not in required]
    record: Any = collections.namedtuple(name, list(hints), defaults=defaults)  # type: ignore[misc]
    record.__annotations__ = hints
    return record


def _option(x: object) -> Any:
    return str(_object(cast("object", x)).get("shown")) if isinstance(x, dict) else x


def _new_class(name: str, body: dict[str, Any]) -> type[Params]:
    metaclass: Any = type(Params)
    new_class: type[Params] = metaclass(name, (Params,), body)
    return new_class


def _nothing() -> None: ...


def _object(x: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", x) if isinstance(x, dict) else {}


def _list(x: object) -> Sequence[Any]:
    return list(itertools.islice(cast("Iterable[Any]", x), MOST)) if isinstance(x, list) else []
