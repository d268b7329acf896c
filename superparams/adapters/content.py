"""How the content of values is treated: compared, hashed, and copied for a setting.

Optional libraries are looked up among the modules already imported: a value of theirs can only
be here when they are.
"""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import enum
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

__all__ = [
    "fresh",
    "hash_of",
    "holds_mutable",
    "is_container",
    "is_truth",
    "items_of",
    "never_ran",
    "read_only",
    "same",
    "snapshot",
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
    if isinstance(value, ATOMS) or comes_from(value, ATOMIC_MODULES):
        return True
    if isinstance(value, library_class("numpy", "generic")):
        return not isinstance(value, library_class("numpy", "void"))
    return isinstance(value, frozenset) and all(map(is_atom, cast("Iterable[object]", value)))


def comes_from(value: object, modules: set[str]) -> bool:
    """Whether the class of `value`, or a parent of it, is defined in one of `modules`."""
    return any(base.__module__ in modules for base in type(value).__mro__)


def library_class(module: str, name: str) -> type[Any] | tuple[()]:
    """A class of a library that may not be loaded, for ``isinstance``."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else ()


def is_array(value: object) -> bool:
    """Whether `value` is a numpy array."""
    return isinstance(value, library_class("numpy", "ndarray"))


def items_of(value: Any) -> Mapping[Any, Any] | None:
    """The items of a mapping, or the fields of a dataclass or named tuple; None for others."""
    if isinstance(value, library_class("scipy.sparse", "spmatrix")):
        return None  # one kind of it is a mapping of its items
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
    if is_truth(a) is not is_truth(b):
        return False
    if _is_container(a) and type(a) is type(b):
        return _same_container(a, b)
    if is_array(a) or is_array(b):
        return type(a) is type(b) and _same_array(a, b)
    if type(a) is type(b):
        return _same_object(a, b)
    return _same_plain(a, b)


def is_truth(value: object) -> bool:
    """Whether `value` is True or False, of Python or of numpy."""
    if isinstance(value, bool):
        return True
    return isinstance(value, library_class("numpy", "bool_"))


def _same_object(a: Any, b: Any) -> bool:
    """Two of one class that is neither a container nor an array."""
    compare: object = a.__class__.__eq__
    if compare is object.__eq__:
        return not is_atom(a) and _same_state(a, b)
    if hasattr(a.__class__, "equals"):  # a frame, a series, a table
        try:
            return bool(a.equals(b))
        except (TypeError, ValueError):  # a method of that name with another meaning
            return _same_plain(a, b)
    return _same_plain(a, b)


def _is_container(value: object) -> bool:
    return isinstance(value, CONTAINERS)


def _same_plain(a: Any, b: Any) -> bool:
    try:
        if a == b:
            return True
        return bool(a != a and b != b)
    except (ValueError, TypeError, RuntimeError):
        return _same_in_parts(a, b)


def _same_in_parts(a: Any, b: Any) -> bool:
    """For objects whose ``==`` is element by element (a tensor) or fails on an array inside."""
    try:
        return a.shape == b.shape and bool((a == b).all())
    except (AttributeError, ValueError, TypeError, RuntimeError):
        return type(a) is type(b) and _same_state(a, b)


def _same_state(a: Any, b: Any) -> bool:
    try:
        return same(_state(a), _state(b))
    except Exception:  # it has no state that could be carried, or one that refers to itself
        return False


def _state(x: Any) -> Any:
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


def _same_array(a: Any, b: Any) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.__array_interface__["data"] == b.__array_interface__["data"] and a.strides == b.strides:
        return True  # two views of one memory, as settings have of one constant
    if a.dtype.hasobject:
        return all(map(same, a.ravel(), b.ravel()))
    return bool(((a == b) | ((a != a) & (b != b))).all())


def hash_of(value: Any) -> int:
    """A hash that agrees with `same`: what may change, or compare by its parts, hashes to 0."""
    if holds_mutable(value):
        return 0
    if isinstance(value, tuple):
        return hash(tuple(map(hash_of, cast("Iterable[Any]", value))))
    return hash(value) if value == value else 0  # NaN is the same as NaN here


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

    Lists, dicts, sets and tuples are rebuilt; a numpy array becomes a read-only view, as it is
    in a worker process; a pandas object a lazy copy; any other object a deep copy, or the object
    itself with `share_objects` (what ``value(x)`` promises) or where it cannot be copied. A
    container of a class of its own is copied in any case.
    """
    if is_atom(value):
        return value
    if type(value) in CONTAINERS:
        return _fresh_container(value, share_objects)
    if is_array(value):
        return read_only(value)
    if share_objects and is_container(value):
        return _fresh_subclass(value)
    if _is_pandas(value):
        return value.copy(deep=not share_objects and not _pandas_copies_lazily())
    if hasattr(value.__class__, "__superparams_fields__"):
        return value.__superparams_fresh__()
    return value if share_objects else _deep(value)


def snapshot(value: Any) -> Any:
    """`value` without its containers: what its owner appends to them later stays outside."""
    try:
        return _fresh_container(value, True) if type(value) in CONTAINERS else value
    except RecursionError:  # it holds itself, and its field is going to refuse it
        return value


def is_container(value: Any) -> bool:
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


def _fresh_subclass(value: Any) -> Any:
    """A container of a class of its own, whose objects are shared."""
    try:
        made: Any = copy.copy(value)
        if isinstance(cast("object", made), dict):
            for key, item in _items(made):
                made[key] = fresh(item, share_objects=True)
        elif isinstance(cast("object", made), list):
            made[:] = [fresh(item, share_objects=True) for item in list(made)]
    except Exception:  # a class whose own methods do not allow it
        return value
    return made


def _is_pandas(value: object) -> bool:
    kinds = (library_class("pandas", "DataFrame"), library_class("pandas", "Series"))
    return any(isinstance(value, kind) for kind in kinds)


def _pandas_copies_lazily() -> bool:
    # From 3 on a shallow copy shares memory until one of the two is written to.
    return int(sys.modules["pandas"].__version__.partition(".")[0]) >= 3


def _deep(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # an object that cannot be copied (a lock, a connection) is shared
        return value


def read_only(array: Any) -> Any:
    """A view of a numpy array that refuses writes; the array itself stays as it is.

    Items that are objects are treated as those of a list; the mask of a masked array, as an array.
    """
    view = _fresh_objects(array) if array.dtype.kind == "O" else array.view()
    if isinstance(view, library_class("numpy.ma", "MaskedArray")):
        masked: Any = view
        if masked.mask.ndim:  # else it has none, or is of no dimension
            masked._mask = read_only(masked._mask)
    view.flags.writeable = False
    return view


def _fresh_objects(array: Any) -> Any:
    if not any(map(holds_mutable, array.flat)):
        return array.view()
    made = array.copy()
    for place, item in enumerate(array.flat):
        made.flat[place] = fresh(item, share_objects=True)
    return made
