"""Finds the encoder of a class: that of its library, of its kind, or that of any object."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import enum
import functools
import io
import pathlib
import pickle
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, cast

from superparams.adapters.libraries import adapter_for
from superparams.identity.digests.canonical import canonical, hints
from superparams.identity.digests.encoding import (
    Encoder,
    Unstable,
    Walk,
    compound,
    encode_fields,
    encode_int,
    encode_items,
    encode_pairs,
    encode_set,
    encoder,
    pack,
    show,
    text,
)
from superparams.identity.module_names import (
    LOCAL,
    class_name,
    class_of,
    module_name,
    object_name,
)
from superparams.space.groups import FIELDS

__all__ = ["find_encoder"]

# Attributes that are no content: the version of scikit-learn, and which fields of a pydantic model
# were set explicitly.
_VOLATILE = {"_sklearn_version", "__pydantic_fields_set__"}


def find_encoder(kind: type[Any]) -> Encoder:
    """The encoder for values of the class `kind`."""
    adapter = adapter_for(kind)
    if adapter is not None and adapter.digest is not None:
        return adapter.digest
    for test, function in _TRAITS:
        if test(kind):
            return function
    return _object


def _class_text(value: object) -> bytes:
    kind = class_of(value)
    return text(class_name(kind))


def _isoformat(value: datetime.datetime, walk: Walk) -> bytes:
    # The offset is part of the text; without one, `fold` tells the two 02:30 of an autumn night.
    fold = value.fold if value.tzinfo is None else 0
    return pack("datetime", text(value.isoformat()), encode_int(fold, walk))


def _duration(value: datetime.timedelta, walk: Walk) -> bytes:
    parts = [encode_int(n, walk) for n in (value.days, value.seconds, value.microseconds)]
    nanoseconds = getattr(value, "nanoseconds", 0)  # of a pandas Timedelta
    return pack("timedelta", *parts, *([encode_int(nanoseconds, walk)] if nanoseconds else []))


def _zone(value: datetime.tzinfo, walk: Walk) -> bytes:
    offset = value.utcoffset(None)
    if isinstance(value, datetime.timezone) and offset is not None:
        return pack("timezone", _duration(offset, walk))
    key = getattr(value, "key", None)
    return pack("zone", text(key)) if isinstance(key, str) else _object(value, walk)


def _by_text(tag: str, to_text: Callable[[Any], str] = str) -> Encoder:
    return lambda value, walk: pack(tag, text(to_text(value)))


def _enum(value: enum.Enum, walk: Walk) -> bytes:
    name = _class_text(value)
    if isinstance(value, enum.Flag):  # in some versions, its combinations have no name
        return pack("flag", name, walk.encode(value.value))
    return pack("enum", name, text(value.name))


def _pattern(value: re.Pattern[Any], walk: Walk) -> bytes:
    return pack("pattern", walk.encode(value.pattern), encode_int(value.flags, walk))


def _module(value: types.ModuleType, walk: Walk) -> bytes:
    return pack("module", text(module_name(value.__name__)))


def _class(value: object, walk: Walk) -> bytes:
    if value.__module__ == "typing":  # Any is a class since Python 3.11 only
        return pack("typing", text(repr(value)))
    return _named("class", value, "a class made inside a function")


def _function(value: object, walk: Walk) -> bytes:
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return _method(value, walk)
    return _named("function", value, "a lambda, or a function made inside another one or replaced")


def _named(tag: str, value: object, what: str) -> bytes:
    name = object_name(value)
    if name is None:
        raise Unstable(value, f"{what}, has no name to import it by; define it in a module")
    return pack(tag, text(name))


@compound
def _method(value: Any, walk: Walk) -> bytes:
    return pack("method", walk.encode(value.__self__), text(value.__name__))


@compound
def _partial(value: functools.partial[Any], walk: Walk) -> bytes:
    parts = map(walk.encode, (value.func, value.args, value.keywords))
    return pack("partial", _class_text(value), *parts)


@compound
def _namespace(value: types.SimpleNamespace, walk: Walk) -> bytes:
    return pack("namespace", _class_text(value), encode_fields(vars(value).items(), walk))


@compound
def _proxy(value: types.MappingProxyType[Any, Any], walk: Walk) -> bytes:
    return walk.encode(dict(value))


@compound
def _ordered(value: collections.OrderedDict[Any, Any], walk: Walk) -> bytes:
    return pack("ordered", _class_text(value), *encode_pairs(value, walk))


def _set_subclass(value: object, walk: Walk) -> bytes:
    state = getattr(value, "__dict__", {})
    name = _class_text(value)
    return pack("set", name, encode_set(value, walk), encode_fields(state.items(), walk))


def _array(value: array.array[Any], walk: Walk) -> bytes:
    if value.typecode in "uw":
        return pack("array", text("u"), text("".join(value)))
    kind = "f" if value.typecode in "fd" else "u" if value.typecode.isupper() else "i"
    if sys.byteorder == "big":
        value = value[:]
        value.byteswap()
    return pack("array", text(f"{kind}{value.itemsize}"), walk.encode(value.tobytes()))


@compound
def _alias(value: object, walk: Walk) -> bytes:
    origin = typing.get_origin(value)
    if origin is None:
        return pack("typing", text(repr(value)))
    parts = encode_items(typing.get_args(value), walk)
    if origin in (typing.Union, types.UnionType):
        return pack("union", *sorted(parts))
    return pack("alias", walk.encode(origin), *parts)


def _is_record(kind: type[Any]) -> bool:
    return hasattr(kind, "__attrs_attrs__") or dataclasses.is_dataclass(kind)


def _field_values(value: object) -> Iterator[tuple[str, Any]]:
    """The fields of an instance of a dataclass or attrs class, with canonical values."""
    kind = class_of(value)
    declared = getattr(kind, "__attrs_attrs__", None) or dataclasses.fields(kind)
    annotations = hints(kind)
    for field in declared:
        if hasattr(value, field.name):
            annotation = annotations.get(field.name, Any)
            yield field.name, canonical(getattr(value, field.name), annotation)


@compound
def _record(value: object, walk: Walk) -> bytes:
    return pack("record", _class_text(value), encode_fields(_field_values(value), walk))


@compound
def _namedtuple(value: Any, walk: Walk) -> bytes:
    kind = class_of(value)
    annotations = hints(kind)
    pairs = zip(value._fields, value, strict=True)
    fields = [(name, canonical(item, annotations.get(name, Any))) for name, item in pairs]
    return pack("record", _class_text(value), encode_fields(fields, walk))


@compound
def _params(value: Any, walk: Walk) -> bytes:
    kind = class_of(value)
    declared: Mapping[str, Any] = getattr(kind, FIELDS)
    fields = [
        (name, canonical(item, getattr(declared.get(name), "annotation", Any)))
        for name, item in value.items()
    ]
    return pack("params", _class_text(value), encode_fields(fields, walk))


@compound
def _object(value: object, walk: Walk) -> bytes:
    """An object by its class and its state (attributes, items), as ``__reduce_ex__`` returns them.

    An object counts by its name if a module binds this name to it, as for ``functools.lru_cache``.

    Raises:
        Unstable: If it cannot be pickled, or its class was made inside a function.
    """
    name = object_name(value)
    if name is not None:
        return pack("object", text(name))
    kind = class_of(value)
    if LOCAL in kind.__qualname__:
        raise Unstable(value, f"its class {kind.__qualname__} has no name to import it by")
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:
        raise Unstable(value, str(error) or "its state cannot be read") from error
    if isinstance(reduced, str):
        return pack("object", text(f"{_module_of(value, reduced)}:{reduced}"))
    if not isinstance(cast("object", reduced), tuple):
        raise Unstable(value, f"its __reduce__ gives no tuple, but {show(reduced)}")
    return _encode_reduced(reduced, walk)


def _module_of(value: object, name: str) -> str:
    # The type stubs do not have it, but pickle has had it since Python 2, and cloudpickle uses it.
    return module_name(pickle.whichmodule(value, name))  # type: ignore[attr-defined]


def _encode_reduced(reduced: tuple[Any, ...], walk: Walk) -> bytes:
    padded: tuple[Any, ...] = (*reduced, None, None, None)
    function, arguments, state, items, pairs = padded[:5]
    attributes = _attributes(state)
    return pack(
        "object",
        walk.encode(function),
        *encode_items(arguments, walk),
        walk.encode(state) if attributes is None else encode_fields(attributes.items(), walk),
        pack("items", *encode_items(items or (), walk)),
        pack("pairs", *sorted(walk.encode(key) + walk.encode(item) for key, item in pairs or ())),
    )


def _attributes(state: Any) -> dict[str, Any] | None:
    """The attributes in a state by name, those in slots included; None if it is another state."""
    if state is None:
        return {}
    is_pair = class_of(state) is tuple and len(state) == 2
    parts: tuple[Any, ...] = state if is_pair else (state,)
    if not all(part is None or isinstance(part, Mapping) for part in parts):
        return None
    attributes: dict[Any, Any] = {}
    for part in parts:
        attributes.update(part or {})
    if not all(isinstance(name, str) for name in attributes):
        return None
    return {name: item for name, item in attributes.items() if name not in _VOLATILE}


def _refuse(reason: str) -> Encoder:
    def refuse(value: object, walk: Walk) -> NoReturn:
        raise Unstable(value, reason)

    return refuse


encoder(types.FunctionType, types.BuiltinFunctionType)(_function)
encoder(types.MethodType)(_method)
encoder(types.GenericAlias, cast("type[Any]", types.UnionType))(_alias)
encoder(types.MappingProxyType)(_proxy)
encoder(object)(_refuse("an object() is known by its identity alone"))


def _is(*kinds: type[Any]) -> Callable[[type[Any]], bool]:
    return lambda kind: issubclass(kind, kinds)


def _is_of(module: str, name: str) -> Callable[[type[Any]], bool]:
    """As `_is`, for a class of a module that may not be loaded: then no value is of this class."""

    def fits(kind: type[Any]) -> bool:
        cls = getattr(sys.modules.get(module), name, None)
        return isinstance(cls, type) and issubclass(kind, cls)

    return fits


_RUNNING = (
    types.CoroutineType,
    types.FrameType,
    types.TracebackType,
    types.AsyncGeneratorType,
)

# The first trait that fits decides: a datetime is a date as well, an IntEnum an int.
_TRAITS: list[tuple[Callable[[type[Any]], bool], Encoder]] = [
    (lambda kind: hasattr(kind, FIELDS), _params),
    (_is(enum.Enum), _enum),
    (_is(type), _class),
    (_is(types.ModuleType), _module),
    (_is(pathlib.PurePath), _by_text("path", lambda path: path.as_posix())),
    (_is(datetime.datetime), _isoformat),
    (_is(datetime.date), _by_text("date", lambda date: date.isoformat())),
    (_is(datetime.time), _by_text("time", lambda time: time.isoformat())),
    (_is(datetime.timedelta), _duration),
    (_is(datetime.tzinfo), _zone),
    (_is_of("decimal", "Decimal"), _by_text("decimal")),
    (_is_of("fractions", "Fraction"), _by_text("fraction")),
    (_is_of("uuid", "UUID"), _by_text("uuid")),
    (_is(re.Pattern), _pattern),
    (_is(functools.partial), _partial),
    (_is(types.SimpleNamespace), _namespace),
    (_is(collections.OrderedDict), _ordered),
    (_is(set, frozenset), _set_subclass),
    (_is(array.array), _array),
    (lambda kind: kind.__module__ == "typing", _alias),
    (_is_record, _record),
    (lambda kind: hasattr(kind, "_fields") and issubclass(kind, tuple), _namedtuple),
    (_is(io.IOBase), _refuse("an open file is a place to read from, not content")),
    (_is(*_RUNNING), _refuse("it is a part of running code, not content")),
    (lambda kind: hasattr(kind, "__next__"), _refuse("an iterator is used up by reading it")),
]
