"""Short texts for annotations, and examples of their values."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Final

from superparams.declare.words.annotations import Scope, is_any, is_group_class, parts
from superparams.declare.words.containers import hints_of, kind_of
from superparams.declare.words.enums import name_of_option
from superparams.declare.words.scalars import scalar_of
from superparams.errors.short_repr import shorten

__all__ = ["examples", "type_text"]

DEEPEST: Final = 5
MOST_OPTIONS: Final = 12


def type_text(annotation: object, scope: Scope, depth: int = 0) -> str:
    """An annotation in short: ``int | None``, ``red | blue`` for the options of a ``Literal``."""
    if depth > DEEPEST:
        return "..."
    names = [_member_text(each, scope, depth) for each in parts(annotation, scope.plain)]
    return " | ".join(dict.fromkeys(names))


def _member_text(member: object, scope: Scope, depth: int) -> str:
    if is_any(member):
        return "Any"
    if member is types.NoneType:
        return "None"
    if typing.get_origin(member) is typing.Literal:
        return " | ".join(_options(typing.get_args(member)))
    if isinstance(member, str):
        return member
    inner = typing.get_args(member)
    origin: Any = typing.get_origin(member) or member
    if not isinstance(origin, type):
        return str(getattr(origin, "__name__", None) or shorten(origin))
    if issubclass(origin, enum.Enum):
        return " | ".join(_options(list(origin))) or origin.__name__
    if not inner or origin.__name__ == "Callable":
        return origin.__name__
    return f"{origin.__name__}[{', '.join(_inner_text(each, scope, depth) for each in inner)}]"


def _inner_text(annotation: object, scope: Scope, depth: int) -> str:
    return "..." if annotation is ... else type_text(annotation, scope, depth + 1)


def _options(options: Sequence[object]) -> list[str]:
    names = [name_of_option(each) for each in options[:MOST_OPTIONS]]
    return [*names, "..."] if len(options) > MOST_OPTIONS else names


def examples(annotation: object, scope: Scope, depth: int = 0) -> list[str]:
    """Up to two texts for an annotation; none if no text is a value of it."""
    if depth > DEEPEST:
        return []
    members = parts(annotation, scope.plain)
    for member in sorted(members, key=lambda each: each is types.NoneType):
        texts = _member_examples(member, scope, depth)
        if texts:
            return texts
    return []


def _member_examples(member: object, scope: Scope, depth: int) -> list[str]:
    if is_any(member):
        return ["1", "a"]
    if member is types.NoneType:
        return ["None"]
    inner = typing.get_args(member)
    origin: Any = typing.get_origin(member) or member
    if origin is typing.Literal:
        return [name_of_option(option) for option in inner[:2]]
    return _class_examples(origin, inner, scope, depth) if isinstance(origin, type) else []


def _class_examples(
    origin: type[Any], inner: Sequence[object], scope: Scope, depth: int
) -> list[str]:
    if is_group_class(origin):
        return [origin.__name__]
    if issubclass(origin, enum.Enum):
        return [name_of_option(option) for option in list(origin)[:2]]
    scalar = scalar_of(origin)
    if scalar is not None:
        return list(scalar.samples)
    return _container_examples(origin, inner, lambda x: examples(x, scope, depth + 1))


def _container_examples(
    origin: type[Any], inner: Sequence[object], samples: Callable[[Any], list[str]]
) -> list[str]:
    if typing.is_typeddict(origin):
        items = {name: samples(each) for name, each in hints_of(origin).items()}
        return [f"{{{','.join(f'{key}:{x[0]}' for key, x in items.items())}}}"]
    if hasattr(origin, "_fields"):
        inner = list(hints_of(origin).values())
    kinds = [samples(each) for each in inner if each is not ...] or [["1", "2"]]
    if not all(kinds):
        return []
    columns = [(each[0], each[-1]) for each in kinds]
    first, second = columns[0]
    kind = kind_of(origin)
    if kind is dict:
        return [f"{{{key}:{x}}}" for key, x in zip(columns[0], columns[-1], strict=True)]
    if kind is tuple and ... not in inner:
        return [f"({','.join(row)})" for row in zip(*columns, strict=True)]
    if kind is tuple:
        return [f"({first},{second})", f"({second},{first})"]
    # A shell makes several words of {a,b}.
    return [] if kind is None else [f"[{first},{second}]", f"[{second}]"]
