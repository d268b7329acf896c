"""Values as the annotation of their field has them, so that two spellings have one digest.

- In a float field an int is the float of the same value (also in ``float | None``,
  ``list[float]``, ``dict[str, float]``, …); an int that no float equals stays an int. A complex
  field takes ints and floats likewise. If int is allowed too, an int stays an int.
- In a list field a tuple is a list, and in a tuple field a list is a tuple.
- bool is never a number. Without an annotation (or with Any) nothing changes: 1 and 1.0 differ.
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

from superparams.adapters.content import is_class
from superparams.identity.module_names import class_of

__all__ = ["canonical", "converter", "hints"]

_Converter = Callable[[Any], Any]
_LISTS = (list, collections.abc.MutableSequence)
_TUPLES = (tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_WRAPPERS = (typing.Annotated, typing.Final, typing.ClassVar, dataclasses.InitVar)


def canonical(value: object, annotation: object) -> Any:
    """`value` as a field with this annotation has it; `value` itself if nothing changes.

    Args:
        value: Any value; it is never changed in place.
        annotation: A type, as ``typing.get_type_hints`` returns it. A text (of a module with ``from
            __future__ import annotations``) counts as far as it names builtin types.
    """
    convert = converter(annotation)
    return value if convert is None else convert(value)


def hints(kind: type[Any]) -> dict[str, Any]:
    """The annotations of the attributes of a class, resolved if possible."""
    return _hints(cast("Hashable", kind))


@functools.cache
def _hints(kind: object) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except Exception:  # a name that only type checkers know, or any other failure
        return dict(getattr(kind, "__annotations__", {}))


def converter(annotation: object) -> _Converter | None:
    """The function that makes values canonical for `annotation`; None if nothing changes."""
    # list[int | float] equals list[float | int], and typing takes Literal[1] for Literal[True]: the
    # text distinguishes them.
    spelling = "" if is_class(annotation) else repr(annotation)
    try:
        return _cached_converter(annotation, spelling)
    except TypeError:  # not hashable
        return _new_converter(annotation)


@functools.lru_cache(maxsize=4096)
def _cached_converter(annotation: object, spelling: str) -> _Converter | None:
    return _new_converter(annotation)


def _new_converter(annotation: object) -> _Converter | None:
    annotation = _bare(annotation)
    if annotation is float:
        return _to_float
    if annotation is complex:
        return _to_complex
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    kind: Any = origin or annotation
    if kind in _DICTS:
        return _dict(*arguments) if len(arguments) == 2 else None
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return _fixed_tuple(arguments)
    if kind not in (*_LISTS, *_TUPLES, *_SETS):
        return None
    item = converter(arguments[0]) if arguments else None
    if kind in (list, tuple):
        return _sequence(item, kind)
    if item is None:
        return None
    # Sequence[float] and the like allow lists and tuples: only the items change.
    return _set(item) if kind in _SETS else _sequence(item, None)


def _bare(annotation: Any) -> Any:
    """`annotation` without Annotated, Final, aliases and the like."""
    while True:
        if isinstance(annotation, typing.ForwardRef):
            annotation = _evaluated(annotation.__forward_arg__)
        elif isinstance(annotation, str):
            annotation = _evaluated(annotation)
        elif isinstance(annotation, dataclasses.InitVar):
            annotation = cast("Any", annotation).type
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


def _evaluated(annotation: str) -> Any:
    names = {**vars(typing), **vars(collections.abc), "typing": typing, "collections": collections}
    try:
        return eval(annotation, names)
    except Exception:  # a name of the user's module, which is not known here
        return Any


def _is_int(value: object) -> bool:
    if type(value) is int:
        return True
    return isinstance(value, numbers.Integral) and not isinstance(value, (bool, enum.Enum))


def _to_float(value: Any) -> Any:
    if type(value) is float or not _is_int(value):
        return value
    try:
        number = float(value)
    except OverflowError:
        return value
    return number if number == int(value) else value


def _to_complex(value: object) -> Any:
    number = _to_float(value)
    return complex(number) if isinstance(number, float) else value


def _union(arguments: tuple[Any, ...]) -> _Converter | None:
    members = [_bare(argument) for argument in arguments]
    if Any in members or object in members:
        return None
    converters = [convert for convert in map(converter, members) if convert is not None]
    kinds = tuple(kind for kind in map(_kind, members) if kind is not None)
    unchanged = tuple(k for k in kinds if k not in (float, complex) and _is_checkable(k))

    def convert(value: object) -> Any:
        if _is_int(value) and int in kinds:
            return value
        kind = class_of(value)
        if kind in (list, tuple, dict, set, frozenset):
            member = next((member for member in members if _kind(member) is kind), None)
            if member is not None:
                return canonical(value, member)
        if isinstance(value, unchanged):
            return value
        changed = (convert(value) for convert in converters)
        return next((new for new in changed if new is not value), value)

    return convert if converters else None


def _kind(annotation: object) -> type[Any] | None:
    kind = typing.get_origin(annotation) or annotation
    return kind if isinstance(kind, type) else None


def _is_checkable(kind: type[Any]) -> bool:
    """Whether ``isinstance`` takes a class: a TypedDict and most protocols refuse."""
    try:
        isinstance(None, kind)
    except TypeError:
        return False
    return True


def _all(convert: _Converter | None, values: Any) -> list[Any]:
    return list(values) if convert is None else [convert(item) for item in values]


def _sequence(item: _Converter | None, kind: type[Any] | None) -> _Converter:
    def convert(value: object) -> Any:
        if type(value) not in (list, tuple):
            return value
        target = kind or class_of(value)
        return value if item is None and type(value) is target else target(_all(item, value))

    return convert


def _fixed_tuple(arguments: tuple[Any, ...]) -> _Converter:
    items = [converter(argument) for argument in arguments]

    def convert(value: Any) -> Any:
        if type(value) not in (list, tuple):
            return value
        if len(value) != len(items):
            return tuple(value)
        pairs = zip(items, value, strict=True)
        return tuple(new if item is None else item(new) for item, new in pairs)

    return convert


def _set(item: _Converter) -> _Converter:
    return lambda value: type(value)(map(item, value)) if type(value) in (set, frozenset) else value


def _dict(key: object, item: object) -> _Converter | None:
    keys, items = converter(key), converter(item)
    if keys is None and items is None:
        return None

    def convert(value: object) -> Any:
        if type(value) is not dict:
            return value
        return dict(zip(_all(keys, value), _all(items, value.values()), strict=True))

    return convert
