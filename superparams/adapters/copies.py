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
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from superparams.adapters.content import (
    CONTAINERS,
    fresh,
    holds_mutable,
    is_array,
    is_atom,
    is_container,
    library_class,
    read_only,
)

__all__ = ["is_copied", "own_of"]

_LARGE: Final = 64 * 1024  # bytes of an array from which on it is read-only in workers
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


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def is_copied(value: Any) -> bool:
    """Whether `own_of` makes something new of a value."""
    return not is_atom(value) and (
        is_container(value)
        or is_array(value)
        or _is_record(value)
        or _is_named_tuple(value)
        or _of_library(value) is not None
    )


class _Copier:
    """Copies one value; what it holds twice is copied once."""

    def __init__(self) -> None:
        self._copies: dict[int, Any] = {}

    def copy(self, value: Any) -> Any:
        """A copy of what is data, and the value itself of what is shared."""
        if is_atom(value):
            return value
        found = self._copies.get(id(value), _MISSING)
        return self._new(value) if found is _MISSING else found

    def _new(self, value: Any) -> Any:
        if is_array(value):
            return self._keep(value, read_only(value))
        if hasattr(value.__class__, "__superparams_fields__"):
            return self._keep(value, value.__superparams_fresh__())
        copied = _of_library(value)
        if copied is not None:
            return self._keep(value, copied())
        if _is_named_tuple(value):
            return self._keep(value, value._make([self.copy(one) for one in value]))
        if type(value) in (tuple, set):
            return self._keep(value, type(value)([self.copy(one) for one in value]))
        if is_container(value) or _is_record(value):
            with suppress(_Unlike):
                return self._parts(value)
        return self._keep(value, value)

    def _keep(self, value: Any, copied: Any) -> Any:
        self._copies[id(value)] = copied
        return copied

    def _parts(self, value: Any) -> Any:
        """A container or an object, with copies of what it holds."""
        try:
            made: Any = self._keep(value, copy.copy(value))
            for name, one in _items(made):
                copied = self.copy(one)
                if copied is not one:
                    made[name] = copied
            for name, one in _state(made).items():
                copied = self.copy(one)
                if copied is not one:
                    object.__setattr__(made, name, copied)
        except RecursionError:
            raise
        except Exception as error:  # a class whose own methods do not allow it
            self._copies[id(value)] = value
            raise _Unlike from error
        return made


def _items(value: Any) -> list[tuple[Any, Any]]:
    """What stands in a container, by key or place."""
    if _is_dict(value):
        return list(value.items())
    sequence: Iterable[Any] = value if _is_sequence(value) else ()
    return list(enumerate(sequence))


def _is_sequence(value: Any) -> bool:
    return isinstance(value, _SEQUENCES)


class _Unlike(Exception):
    """An object cannot be copied by its parts."""


def _is_record(value: Any) -> bool:
    """Whether an object is data, or holds such as an attribute."""
    kind: Any = value.__class__
    if isinstance(value, type) or kind.__module__ == "builtins":
        return False
    if dataclasses.is_dataclass(kind) or issubclass(kind, _RECORDS):
        return True
    if any(getattr(kind, name, None) is not getattr(object, name, None) for name in _COPYING):
        return False  # it has a way of its own to be copied, or refuses it
    return any(map(_is_data, _state(value).values()))


_COPYING: Final = ("__reduce__", "__reduce_ex__", "__getstate__", "__copy__", "__deepcopy__")


def _is_named_tuple(value: Any) -> bool:
    """Whether a value is a named tuple that holds what a setting may change."""
    kind: Any = value.__class__
    if tuple not in kind.__mro__ or not hasattr(kind, "_make"):
        return False
    return any(map(holds_mutable, value))


def _is_data(value: Any) -> bool:
    return is_array(value) or _of_library(value) is not None


def _state(value: Any) -> dict[str, Any]:
    """The attributes of an object, those in slots included."""
    found: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    for kind in value.__class__.__mro__:
        for name in _slots(kind):
            if name not in ("__dict__", "__weakref__"):
                hidden = name.startswith("__") and not name.endswith("__")
                full = f"_{kind.__name__.lstrip('_')}{name}" if hidden else name
                with suppress(AttributeError):
                    found[full] = getattr(value, full)
    return found


def _slots(kind: Any) -> Iterable[str]:
    slots: Any = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


# ---- objects of libraries

Copy = Callable[[], Any]


def _of_library(value: Any) -> Copy | None:
    """How to copy an object of a library that holds data; None for any other."""
    top = value.__class__.__mro__
    if any(base.__module__.partition(".")[0] in _LIBRARIES for base in top):
        for module, name, how in _TABLE:
            if isinstance(value, library_class(module, name)):
                return lambda: how(value)
    return None


def _sparse(value: Any) -> Any:
    """The parts of a large one are read-only; a small one is copied, since many methods write."""
    held: dict[str, Any] = value.__dict__
    parts = [x for x in held.values() if is_array(x) and not x.dtype.hasobject]
    if sum(x.nbytes for x in parts) < _LARGE:
        return value.copy()
    made: Any = copy.copy(value)
    attributes: dict[str, Any] = made.__dict__
    for name, one in list(attributes.items()):
        if holds_mutable(one):
            attributes[name] = fresh(one, share_objects=True)
    return made


def _frame(value: Any) -> Any:
    """A copy on write of a frame of pandas, with own objects in columns of lists, dicts, arrays."""
    made: Any = fresh(value)
    for place, dtype in enumerate(value.dtypes):
        column: Any = value.iloc[:, place] if dtype.kind == "O" else None
        if column is not None and any(map(_is_changeable, column)):
            made.isetitem(place, _series(column))
    return made


def _series(value: Any) -> Any:
    made: Any = fresh(value)
    if value.dtype.kind == "O" and any(map(_is_changeable, value)):
        copier = _Copier()
        made = made.copy()
        for place, one in enumerate(value):
            made.array[place] = copier.copy(one)
    return made


def _is_changeable(value: Any) -> bool:
    return not is_atom(value) and is_copied(value)


def _copy_method(value: Any) -> Any:
    return value.copy()


def _clone(value: Any) -> Any:
    return value.clone()


_LIBRARIES: Final = {"pandas", "polars", "scipy", "numpy", "random", "xarray"}
_TABLE: Final[tuple[tuple[str, str, Callable[[Any], Any]], ...]] = (
    ("pandas", "DataFrame", _frame),
    ("pandas", "Series", _series),
    ("pandas", "Index", _copy_method),
    ("pandas.api.extensions", "ExtensionArray", _copy_method),
    ("polars", "DataFrame", _clone),
    ("polars", "Series", _clone),
    ("scipy.sparse", "sparray", _sparse),
    ("scipy.sparse", "spmatrix", _sparse),
    ("numpy.random", "Generator", copy.deepcopy),
    ("numpy.random", "RandomState", copy.deepcopy),
    ("random", "Random", copy.deepcopy),
    ("xarray", "Dataset", copy.deepcopy),
    ("xarray", "DataArray", copy.deepcopy),
    ("xarray", "Variable", copy.deepcopy),
)
