"""Values as the annotation of their field says: what two spellings of one setting have in common.

- In a float field an int is the float of the same value (also in ``float | None``,
  ``list[float]``, ``dict[str, float]``, …); an int that no float equals stays what it is. A
  complex field takes ints and floats likewise. Where int is allowed too, an int stays an int.
- In a field of type list a tuple is a list, and the other way round.
- bool is never a number. Without an annotation (or Any) nothing changes: 1 and 1.0 differ.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import functools
import numbers
import types
import typing
from collections.abc import Callable, Hashable
from typing import Any, cast

from superparams.identity.module_names import class_of

__all__ = ["canonical", "hints"]

Convert = Callable[[Any], Any]
_LISTS = (list, collections.abc.MutableSequence)
_TUPLES = (tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_WRAPPERS = (typing.Annotated, typing.Final, typing.ClassVar, dataclasses.InitVar)


def canonical(value: Any, annotation: Any) -> Any:
    """`value` as a field annotated `annotation` holds it; `value` itself when nothing changes.

    Args:
        value: any value; it is never changed in place.
        annotation: a type as ``typing.get_type_hints`` gives it. A text (of a module with ``from
            __future__ import annotations``) is understood as far as it names builtin types.
    """
    convert = converter(annotation)
    return value if convert is None else convert(value)


def hints(kind: type[Any]) -> dict[str, Any]:
    """The annotations of the attributes of a class, resolved where they can be."""
    return _hints(cast("Hashable", kind))


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except Exception:  # a name known to type checkers only, or anything at all
        return dict(getattr(kind, "__annotations__", {}))


def converter(annotation: Any) -> Convert | None:
    """What makes values canonical for `annotation`; None when they all are."""
    try:
        return _cached(annotation, _spelling(annotation))
    except TypeError:  # not hashable
        return _build(annotation)


def _spelling(annotation: Any) -> str:
    # list[int | float] equals list[float | int], and typing interns Literal[1] with
    # Literal[True]: the text keeps apart what equality does not.
    return "" if isinstance(annotation, type) else repr(annotation)


@functools.lru_cache(maxsize=4096)
def _cached(annotation: Any, spelling: str) -> Convert | None:
    return _build(annotation)


def _build(annotation: Any) -> Convert | None:
    annotation = _bare(annotation)
    if annotation is float:
        return _to_float
    if annotation is complex:
        return _to_complex
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    kind = origin or annotation
    if kind in _DICTS:
        return _mapping(*arguments) if len(arguments) == 2 else None
    if kind is tuple:
        return _tuple(arguments)
    if kind in _LISTS or kind in _TUPLES:
        return _sequence(list if kind in _LISTS else tuple, kind, arguments)
    return _set(arguments) if kind in _SETS else None


def _bare(annotation: Any) -> Any:
    """`annotation` without what says nothing about the value: Annotated, Final, aliases, …"""
    while True:
        if isinstance(annotation, typing.ForwardRef):
            annotation = _of_text(annotation.__forward_arg__)
        elif isinstance(annotation, str):
            annotation = _of_text(annotation)
        elif isinstance(annotation, dataclasses.InitVar):
            annotation = cast(Any, annotation).type
        elif typing.get_origin(annotation) in _WRAPPERS:
            annotation = typing.get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):  # NewType
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif isinstance(annotation, typing.TypeVar):
            return annotation.__bound__ or Any
        else:
            return annotation


def _of_text(annotation: str) -> Any:
    names = {**vars(typing), **vars(collections.abc), "typing": typing, "collections": collections}
    try:
        return eval(annotation, names)
    except Exception:  # names of the user's own module: nothing is known about them here
        return Any


def _is_int(value: Any) -> bool:
    if type(value) is int:
        return True
    return isinstance(value, numbers.Integral) and not isinstance(value, (bool, enum.Enum))


def _to_float(value: Any) -> Any:
    if not _is_int(value):
        return value
    try:
        number = float(value)
    except OverflowError:
        return value
    return number if number == int(value) else value


def _to_complex(value: Any) -> Any:
    number = _to_float(value)
    return complex(number) if isinstance(number, float) else value


def _union(arguments: tuple[Any, ...]) -> Convert | None:
    bare = [_bare(argument) for argument in arguments]
    # Any and object take everything as it is.
    if Any in bare or object in bare:
        return None
    members = [convert for convert in map(converter, bare) if convert is not None]
    kinds = tuple(kind for kind in map(_kind, bare) if kind is not None)
    as_they_are = tuple(k for k in kinds if k not in (float, complex) and _can_be_asked(k))

    def convert(value: Any) -> Any:
        if _is_int(value) and int in kinds:
            return value
        fitting = _member(value, bare)
        if fitting is not None:
            return canonical(value, fitting)
        if isinstance(value, as_they_are):
            return value
        changed = (member(value) for member in members)
        return next((new for new in changed if new is not value), value)

    return convert if members else None


def _kind(annotation: Any) -> type[Any] | None:
    kind = typing.get_origin(annotation) or annotation
    return kind if isinstance(kind, type) else None


def _can_be_asked(kind: type[Any]) -> bool:
    """Whether ``isinstance`` takes it: a TypedDict and most protocols refuse."""
    try:
        isinstance(None, kind)
    except TypeError:
        return False
    return True


def _member(value: Any, members: list[Any]) -> Any:
    """The member of a union that is exactly the class of a container `value`."""
    kind = class_of(value)
    if kind not in (list, tuple, dict, set, frozenset):
        return None
    return next((member for member in members if _kind(member) is kind), None)


def _all(convert: Convert | None, values: Any) -> list[Any]:
    return list(values) if convert is None else [convert(item) for item in values]


def _sequence(kind: type[Any], declared: Any, arguments: tuple[Any, ...]) -> Convert | None:
    item = converter(arguments[0]) if arguments else None
    # Sequence[float] and the like say nothing on lists against tuples: only the items change.
    fixed = declared in (list, tuple)
    if not fixed and item is None:
        return None

    def convert(value: Any) -> Any:
        if type(value) not in (list, tuple):
            return value
        wanted = kind if fixed else class_of(value)
        if item is None and type(value) is wanted:
            return value
        return wanted(_all(item, value))

    return convert


def _tuple(arguments: tuple[Any, ...]) -> Convert | None:
    if not arguments or arguments[-1] is Ellipsis:
        return _sequence(tuple, tuple, arguments[:1])
    items = [converter(argument) for argument in arguments]

    def convert(value: Any) -> Any:
        if type(value) not in (list, tuple):
            return value
        if len(value) != len(items):
            return tuple(value)
        pairs = zip(items, value, strict=True)
        return tuple(new if item is None else item(new) for item, new in pairs)

    return convert


def _set(arguments: tuple[Any, ...]) -> Convert | None:
    item = converter(arguments[0]) if arguments else None
    if item is None:
        return None
    return lambda value: type(value)(map(item, value)) if type(value) in (set, frozenset) else value


def _mapping(key: Any, item: Any) -> Convert | None:
    keys, items = converter(key), converter(item)
    if keys is None and items is None:
        return None

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            return value
        return dict(zip(_all(keys, value), _all(items, value.values()), strict=True))

    return convert
