"""What one setting gets of a value that all settings share: writes reach no other setting.

``value(x)`` shares objects. What is made to hold data is not shared, since a setting may change it
and the next would see that: containers, dataclasses, arrays, frames, sparse matrices, random
generators, and objects whose attributes are such. Arrays become read-only views and are not copied.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import types
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from superparams.adapters.content import CONTAINERS, holds_mutable, is_atom, is_container
from superparams.adapters.libraries import adapter_of

__all__ = ["is_copied", "own_of"]

_RECORDS: Final = (
    types.SimpleNamespace,
    collections.ChainMap,
    collections.UserDict,
    collections.UserList,
)
_SEQUENCES: Final[Any] = (list, collections.deque)
_MISSING: Final = object()


def own_of(value: Any) -> Any:
    """A setting's own of a value that all settings share."""
    if type(value) in CONTAINERS:
        items: Iterable[Any] = value.values() if _is_dict(value) else value
        if not any(map(holds_mutable, items)):
            return copy.copy(value)
    try:
        return _Copier().copy(value)
    except RecursionError:  # it is nested very deeply
        return value


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def is_copied(value: object) -> bool:
    """Whether `own_of` makes something new of a value."""
    return not is_atom(value) and (
        is_container(value)
        or isinstance(value, memoryview)
        or _has_copy(value)
        or _is_record(value)
        or _is_named_tuple(value)
    )


class _Copier:
    """Copies one value; what it holds twice is copied once."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}

    def copy(self, value: object) -> Any:
        """A copy of what is data, and the value itself of what is shared."""
        if is_atom(value):
            return value
        earlier_copy = self._copies.get(id(value), _MISSING)
        return self._new(value) if earlier_copy is _MISSING else earlier_copy

    def _new(self, value: Any) -> Any:
        adapter = adapter_of(value)
        if adapter is not None and adapter.copy is not None:
            return self._keep(value, adapter.copy(value, self.copy))
        if isinstance(value, memoryview):
            return self._keep(value, value.toreadonly())
        if hasattr(value.__class__, "__superparams_fields__"):
            return self._keep(value, value.__superparams_fresh__())
        if _is_named_tuple(value):
            return self._keep(value, value._make([self.copy(item) for item in value]))
        if type(value) in (tuple, set):
            return self._keep(value, type(value)([self.copy(item) for item in value]))
        if is_container(value) or _is_record(value):
            with suppress(_Unlike):
                return self._parts(value)
        return self._keep(value, value)

    def _keep(self, value: Any, copied: Any) -> Any:
        self._copies[id(value)] = copied
        return copied

    def _parts(self, value: object) -> Any:
        """A container or an object, with copies of what it holds."""
        try:
            duplicate: Any = self._keep(value, copy.copy(value))
            for name, part in _items(duplicate):
                copied = self.copy(part)
                if copied is not part:
                    duplicate[name] = copied
            for name, part in _state(duplicate).items():
                copied = self.copy(part)
                if copied is not part:
                    object.__setattr__(duplicate, name, copied)
        except RecursionError:
            raise
        except Exception as error:  # a class whose own methods do not allow it
            self._copies[id(value)] = value
            raise _Unlike from error
        return duplicate


def _items(value: Any) -> list[tuple[Any, Any]]:
    """What stands in a container, by key or place."""
    if _is_dict(value):
        return list(value.items())
    sequence: Iterable[Any] = value if _is_sequence(value) else ()
    return list(enumerate(sequence))


def _is_sequence(value: object) -> bool:
    return isinstance(value, _SEQUENCES)


class _Unlike(Exception):
    """An object cannot be copied by its parts."""


def _is_record(value: object) -> bool:
    """Whether an object is data, or holds such as an attribute."""
    kind: Any = value.__class__
    if isinstance(value, type) or kind.__module__ == "builtins":
        return False
    if dataclasses.is_dataclass(kind) or issubclass(kind, _RECORDS):
        return True
    if any(getattr(kind, name, None) is not getattr(object, name, None) for name in _COPYING):
        return False  # it has a way of its own to be copied, or refuses it
    return any(map(_has_copy, _state(value).values()))


_COPYING: Final = ("__reduce__", "__reduce_ex__", "__getstate__", "__copy__", "__deepcopy__")


def _is_named_tuple(value: Any) -> bool:
    """Whether a value is a named tuple that holds what a setting may change."""
    kind: Any = value.__class__
    if tuple not in kind.__mro__ or not hasattr(kind, "_make"):
        return False
    return any(map(holds_mutable, value))


def _has_copy(value: object) -> bool:
    """Whether an adapter copies a value, so that each setting gets one of its own."""
    adapter = adapter_of(value)
    return adapter is not None and adapter.copy is not None


def _state(value: object) -> dict[str, Any]:
    """The attributes of an object, those in slots included."""
    attributes: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    for kind in value.__class__.__mro__:
        for name in _slots(kind):
            if name not in ("__dict__", "__weakref__"):
                hidden = name.startswith("__") and not name.endswith("__")
                full = f"_{kind.__name__.lstrip('_')}{name}" if hidden else name
                with suppress(AttributeError):
                    attributes[full] = getattr(value, full)
    return attributes


def _slots(kind: object) -> Iterable[str]:
    slots: Any = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots
