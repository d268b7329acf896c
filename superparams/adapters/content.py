"""How the content of values is treated: compared, hashed, and copied for a setting."""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import enum
import operator
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, SupportsIndex, TypeGuard, cast

from superparams.adapters.libraries import adapter_of

__all__ = [
    "fresh",
    "hash_of",
    "holds_mutable",
    "is_class",
    "is_container",
    "is_truth",
    "items_of",
    "lazy_copy",
    "never_ran",
    "same",
    "snapshot",
    "whole_number",
]

ATOMS: Final = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    type,
    enum.Enum,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    types.GenericAlias,
    types.UnionType,
    type(Ellipsis),
)
# Known by name, since importing them all would double the time of `import superparams`.
PLAIN_MODULES: Final = {"datetime", "decimal", "fractions", "pathlib", "pathlib._local", "uuid"}
ATOMIC_MODULES: Final = PLAIN_MODULES | {"re", "zoneinfo"}
GENERATORS: Final = (types.GeneratorType, types.AsyncGeneratorType)
CONTAINERS: Final = (list, tuple, dict, set)
_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_GROWING: Final = (list, dict, set, bytearray, array.array, collections.deque)


def is_atom(value: object) -> bool:
    """Whether `value` can be shared by all settings, since nothing can change it."""
    if type(value) in _SCALARS or isinstance(value, ATOMS) or comes_from(value, ATOMIC_MODULES):
        return True
    adapter = adapter_of(value)
    if adapter is not None and adapter.is_immutable:
        return True
    return isinstance(value, frozenset) and all(map(is_atom, cast("Iterable[object]", value)))


def comes_from(value: object, modules: set[str]) -> bool:
    """Whether the class of `value`, or a parent of it, is defined in one of `modules`."""
    return any(base.__module__ in modules for base in type(value).__mro__)


def items_of(value: object) -> Mapping[Any, Any] | None:
    """The items of a mapping, or the fields of a dataclass or named tuple; None for others."""
    adapter = adapter_of(value)
    if adapter is not None and adapter.cell is not None:
        return None  # one class of sparse matrices is a mapping of its items
    if isinstance(value, Mapping):
        return value  # pyright: ignore[reportUnknownVariableType]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names: Any = getattr(value, "_fields", None)
    if names is None or not issubclass(type(value), tuple):
        return None
    return {name: getattr(value, name) for name in names}


# -- comparing -------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    """Whether two values have the same content: arrays by element, NaN equal to NaN.

    A bool is never the same as a number, so that an axis of ``[0, False]`` has two points. Objects
    whose class defines no equality are compared by their state, as pickle would carry it.
    """
    if a is b:
        return True
    if type(a) is type(b) and type(a) in _SCALARS:
        return _same_plain(a, b)
    if is_truth(a) is not is_truth(b):
        return False
    adapter = adapter_of(a)
    if adapter is not None and adapter.equal is not None:
        return type(a) is type(b) and adapter.equal(a, b, same)
    if _is_container(a) and type(a) is type(b):
        return _same_container(a, b)
    if type(a) is type(b):
        return _same_object(a, b)
    other = adapter_of(b)
    if other is not None and (other.equal is not None or _is_container(a)):
        return False
    return (adapter is None or not _is_container(b)) and _same_plain(a, b)


def is_truth(value: object) -> bool:
    """Whether `value` is True or False, of Python or of a library."""
    if type(value) in _SCALARS:
        return type(value) is bool
    adapter = adapter_of(value)
    return adapter is not None and adapter.is_bool


def is_class(x: object) -> TypeGuard[type[Any]]:
    """Whether a value is a class; ``list[int]`` is none, although Python 3.10 says so."""
    return isinstance(x, type) and not isinstance(x, types.GenericAlias)


def whole_number(x: object) -> int | None:
    """An integer of Python or of a library as an int; None for anything else, also for True."""
    if is_truth(x) or not isinstance(x, SupportsIndex):
        return None
    try:
        return operator.index(x)
    except TypeError:  # an array of numpy has the method, and refuses
        return None


def _same_object(a: Any, b: Any) -> bool:
    """Two of one class that is no container and has no adapter that compares."""
    if a.__class__.__eq__ is object.__eq__:
        return not is_atom(a) and _same_state(a, b)
    is_group = hasattr(a.__class__, "__superparams_fields__")  # `equals` may be a field of it
    if not is_group and hasattr(a.__class__, "equals"):  # as frames and tables have it
        try:
            return bool(a.equals(b))
        except (TypeError, ValueError):  # a method of that name with another meaning
            return _same_plain(a, b)
    return _same_plain(a, b)


def _is_container(value: object) -> bool:
    return isinstance(value, CONTAINERS)


def _same_plain(a: object, b: object) -> bool:
    try:
        if a == b:
            return True
        return bool(a != a and b != b)
    except Exception:  # whatever a foreign == raises
        return _same_in_parts(a, b)


def _same_in_parts(a: Any, b: Any) -> bool:
    """For objects whose ``==`` is element by element (a tensor) or fails on an array inside."""
    try:
        return a.shape == b.shape and bool((a == b).all())
    except Exception:
        return type(a) is type(b) and _same_state(a, b)


def _same_state(a: object, b: object) -> bool:
    try:
        return same(_state(a), _state(b))
    except Exception:  # it has no state that could be carried, or one that refers to itself
        return False


def _state(x: object) -> Any:
    reduced = x.__reduce_ex__(4)
    if isinstance(reduced, str):
        return reduced
    make, args, *more = reduced
    # The parts after the state are iterators: items of a list and of a dict.
    return [make, args, *more[:1], *(list(part or ()) for part in more[1:3])]


def _same_container(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    if isinstance(a, dict):
        return all(key in b and same(a[key], b[key]) for key in cast("Iterable[Any]", a))
    if isinstance(a, set):
        return bool(a == b)
    return all(map(same, a, b))


def hash_of(value: object) -> int:
    """A hash that agrees with `same`: what may change, or compare by its parts, hashes to 0."""
    if holds_mutable(value):
        return 0
    if isinstance(value, tuple):
        return hash(tuple(map(hash_of, cast("Iterable[Any]", value))))
    try:
        return hash(value) if value == value else 0  # NaN is the same as NaN here
    except TypeError:  # an Arrow table is not hashable, although nothing can change it
        return 0


def never_ran(result: object) -> str | None:
    """What a function gave instead of running: ``a coroutine``, ``a generator``; None if it ran."""
    if isinstance(result, types.CoroutineType):
        result.close()  # or Python warns that nobody awaited it
        return "a coroutine"
    return "a generator" if isinstance(result, GENERATORS) else None


# -- copying ---------------------------------------------------------------------------------------


def holds_mutable(value: Any) -> bool:
    """Whether a setting needs a copy of its own of `value`."""
    if isinstance(value, tuple) and not hasattr(cast("object", value), "__dict__"):
        return any(map(holds_mutable, cast("Iterable[Any]", value)))
    return not is_atom(cast("object", value))


def fresh(value: Any, *, share_objects: bool = False) -> Any:
    """A setting's own view of `value`: what it writes there reaches no other setting.

    Lists, dicts, sets and tuples are rebuilt. A value of a library is copied as its adapter says:
    a numpy array becomes a read-only view, as it is in a worker process. Any other object becomes a
    deep copy, or stays itself where it cannot be copied.

    Args:
        value: Any value.
        share_objects: Share what is no container, as ``value(x)`` promises, unless its copy is
            lazy. A container of a class of its own is copied in any case.
    """
    if is_atom(value):
        return value
    if type(value) in CONTAINERS:
        return _fresh_container(value, share_objects)
    adapter = adapter_of(value)
    if adapter is not None and adapter.copy is not None:
        return lazy_copy(value) if share_objects else adapter.copy(value, _shared)
    if share_objects and is_container(value):
        return _fresh_subclass(value)
    if hasattr(value.__class__, "__superparams_fields__"):
        return value.__superparams_fresh__()
    return value if share_objects else _deep_copy(value)


def _shared(value: object) -> Any:
    return fresh(value, share_objects=True)


def lazy_copy(value: object) -> Any:
    """A view of `value`, or a copy on write, if its adapter makes such; else the value itself."""
    adapter = adapter_of(value)
    if adapter is None or adapter.copy is None or not adapter.is_lazy:
        return value
    return adapter.copy(value, _shared)


def snapshot(value: object) -> Any:
    """`value` without its containers: what its owner appends to them later stays outside."""
    try:
        return _fresh_container(value, True) if type(value) in CONTAINERS else value
    except RecursionError:  # it holds itself, and its field is going to refuse it
        return value


def is_container(value: object) -> bool:
    """Whether `value` is a container of Python, or of a class that is one."""
    return isinstance(value, _GROWING) or (type(value) is tuple and holds_mutable(value))


def _fresh_container(value: Any, share: bool) -> Any:
    items: Iterable[Any] = value.values() if isinstance(cast("object", value), dict) else value
    if _SCALARS.issuperset(map(type, items)):
        return copy.copy(value)
    if isinstance(cast("object", value), dict):
        return {key: fresh(item, share_objects=share) for key, item in _items(value)}
    return type(value)([fresh(item, share_objects=share) for item in items])


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items())


def _fresh_subclass(value: object) -> Any:
    """A container of a class of its own, whose objects are shared."""
    try:
        container: Any = copy.copy(value)
        if isinstance(cast("object", container), dict):
            for key, item in _items(container):
                container[key] = fresh(item, share_objects=True)
        elif isinstance(cast("object", container), list):
            container[:] = [fresh(item, share_objects=True) for item in list(container)]
    except Exception:  # a class whose own methods do not allow it
        return value
    return container


def _deep_copy(value: object) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # an object that cannot be copied (a lock, a connection) is shared
        return value
