"""Makes the points of an axis from the arguments of ``search``."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import enum
import itertools
import sys
import types
import typing
from collections.abc import (
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    Sized,
    ValuesView,
)
from typing import Any, Final, cast

from superparams.adapters.content import is_class, snapshot
from superparams.declare.descriptors import REQUIRED, Search, Value
from superparams.declare.mistakes import refuse_class, unknown_annotation
from superparams.errors import FieldError
from superparams.errors.short_repr import shorten
from superparams.errors.units import counted
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open

__all__ = ["axis_of", "refuse_hidden"]

LONGEST_ITERATOR: Final = 1_000_000
CONTAINERS: Final = (list, tuple, set, frozenset)
FRAMES: Final = {"pandas", "polars", "pyarrow"}
FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
NO_FUNCTIONS: Final = (bool, int, float, complex, str, bytes, list, dict, tuple)
SIMPLE: Final = {type(None), bool, int, float, complex, str, bytes}  # hold nothing
COPIED: Final = frozenset({list, tuple, dict, set})


def axis_of(searched: Search, annotation: object, where: str) -> Axis:
    """The axis of ``search(...)`` for a field with this annotation.

    Raises:
        FieldError: For points that cannot be an axis; names `where` (``"Class.field"``).
    """
    if not isinstance(cast("object", searched.zip), str | None):
        raise FieldError(f"{where}: zip={searched.zip!r} must be a name, a str")
    if not isinstance(cast("object", searched.repeat), bool):
        raise FieldError(
            f"{where}: repeat={shorten(searched.repeat)} must be True or False; write "
            f"search(range(5), repeat=True) for five repetitions"
        )
    labels: tuple[str, ...] | None = None
    points: Sequence[Any] = searched.given
    if not points:
        points = _all_values(annotation, where)
    elif len(points) == 1:
        _refuse_pointless(points[0], annotation, where)
        labels, points = _expand(points[0], where)
        if labels is None:
            _refuse_spread(points, annotation, where)
    if not points:
        raise FieldError(
            f"{where}: {searched!r} has no points; give at least one, as in search([1, 2, 3])"
        )
    if isinstance(points, range):
        _refuse_uncountable(points, where)
    else:
        for point in points:
            refuse_hidden(point, where, annotation, is_shared=True)
        if not COPIED.isdisjoint(map(type, points)):
            points = tuple(map(snapshot, points))  # later changes by their owner have no effect
    return Axis(points, labels, searched.zip, repeat=searched.repeat)


def _refuse_spread(points: Sequence[Any], annotation: Any, where: str) -> None:
    """Refuse the elements of one container as points of a field that holds containers."""
    members = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    kinds = [typing.get_origin(member) or member for member in members if member is not type(None)]
    if not kinds or not all(kind in CONTAINERS for kind in kinds) or isinstance(points, range):
        return
    if points and all(type(point) in SIMPLE and point is not None for point in points):
        kind = kinds[0].__name__
        text = ", ".join(shorten(point) for point in points[:3])
        more = ", ..." if len(points) > 3 else ""
        count = counted(len(points), "point")
        raise FieldError(
            f"{where}: search([{text}{more}]) has {count} of which none is a "
            f"{kind}, as the annotation says; write search([[{text}{more}]]) for one point that "
            f"holds them all"
        )


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _refuse_uncountable(points: range, where: str) -> None:
    try:
        len(points)
    except OverflowError:
        raise FieldError(
            f"{where}: search({points!r}) has more points than an axis can have "
            f"({sys.maxsize:,}); give a shorter range or a larger step"
        ) from None


def _expand(argument: object, where: str) -> tuple[tuple[str, ...] | None, Sequence[Any]]:
    """Labels and points of one argument."""
    if isinstance(argument, str | bytes | bytearray) or is_group(argument):
        return None, (argument,)
    if isinstance(argument, Mapping):
        named = cast("Mapping[object, Any]", argument)
        labels = tuple(name for name in named if isinstance(name, str))
        for name in named:
            if not isinstance(name, str):
                raise FieldError(
                    f"{where}: search({{{name!r}: ...}}) names its points; the names must be "
                    f"text, as in search({{'small': 1, 'large': 2}})"
                )
        return labels, tuple(named.values())
    return None, _elements(argument, where)


def _refuse_pointless(argument: Any, annotation: Any, where: str) -> None:
    """Refuse an argument from which no points can be taken."""
    cls: type[Any] = argument.__class__
    root, name = cls.__module__.partition(".")[0], cls.__name__
    remedy = ""
    if hasattr(argument, "rvs") and not isinstance(argument, type):
        remedy = "a distribution, which has no list of points; draw some: search(x.rvs(10))"
    elif cls.__module__.startswith(("numpy.random", "random")) and hasattr(argument, "shuffle"):
        remedy = "a random generator, which has no points; search seeds: search(range(10))"
    elif root in FRAMES and name in ("DataFrame", "LazyFrame", "Table", "RecordBatch"):
        remedy = "a table; search([x]) is one point, search(rows) with a list of dicts one a row"
    elif isinstance(argument, FUNCTIONS) and annotation in NO_FUNCTIONS:
        remedy = "a function; search takes the points themselves, as in search(f())"
    if remedy:
        raise FieldError(
            f"{where}: search({' '.join(shorten(argument).split())}) is given {remedy}"
        )


def _elements(argument: Any, where: str) -> Sequence[Any]:
    if isinstance(argument, range | tuple):
        return cast("Sequence[Any]", argument)
    if _is_vector(argument):
        return tuple(argument.tolist())  # Python numbers: they print, compare and store plainly
    if isinstance(argument, set | frozenset):
        return _ordered(cast("Iterable[Any]", argument), where)
    if argument is bool or typing.get_origin(argument) is typing.Literal:
        return tuple(all_values(argument))
    if type(argument).__module__.startswith("pyarrow.") and hasattr(argument, "to_pylist"):
        return tuple(argument.to_pylist())
    # A class is not iterable even if its instances are; list[int] is, but its items are no points.
    is_iterable = isinstance(cast("object", argument), Iterable)
    if (
        not is_iterable
        or typing.get_origin(argument) is not None
        or getattr(argument, "ndim", 1) == 0
    ):
        return (argument,)
    elements: Iterable[Any] = argument
    return tuple(elements) if isinstance(argument, Sized) else _drain(elements, where)


def _is_vector(argument: object) -> bool:
    """Whether `argument` is a one-dimensional array whose elements Python has a type for."""
    if getattr(argument, "ndim", None) != 1 or not hasattr(argument, "tolist"):
        return False
    # numpy writes times of nanoseconds as bare ints.
    return getattr(getattr(argument, "dtype", None), "kind", None) not in ("M", "m")


def _drain(items: Iterable[object], where: str) -> tuple[Any, ...]:
    endless = isinstance(items, itertools.count | itertools.cycle | itertools.repeat)
    points = () if endless else tuple(itertools.islice(items, LONGEST_ITERATOR + 1))
    if endless or len(points) > LONGEST_ITERATOR:
        raise FieldError(
            f"{where}: search({items!r}) does not end within {LONGEST_ITERATOR:,} points; give a "
            f"range, a list, or itertools.islice(..., n)"
        )
    return points


def _ordered(points: Iterable[object], where: str) -> tuple[Any, ...]:
    """The elements of a set, in an order that is the same in every process."""
    several = list(points)
    # For sets, < means a subset; NaN is neither below nor above a number.
    if all(not isinstance(element, frozenset) and element == element for element in several):
        with contextlib.suppress(TypeError):  # numbers and texts together
            return tuple(sorted(several))
    sort_keys = [(type(element).__name__, _stable_text(element)) for element in several]
    if any(" at 0x" in text for _, text in sort_keys):
        raise FieldError(
            f"{where}: a set has no order, and its elements cannot be put into an order; give "
            f"search a list"
        )
    order = sorted(range(len(several)), key=sort_keys.__getitem__)
    return tuple(several[index] for index in order)


def _stable_text(x: object) -> str:
    if isinstance(x, frozenset):
        return repr(sorted(map(repr, cast("frozenset[object]", x))))
    return repr(x)


def _all_values(annotation: object, where: str) -> tuple[Any, ...]:
    values = tuple(all_values(annotation))
    text = getattr(annotation, "__forward_arg__", annotation)
    if not values and isinstance(text, str):
        raise FieldError(
            f"{where}: search() without points needs a type whose values it can list, not {text}: "
            f"{unknown_annotation(text)}; or give the points, as in search([1, 2, 3])"
        )
    if not values:
        text = annotation.__name__ if is_class(annotation) else str(annotation)
        raise FieldError(
            f"{where}: search() without points needs a bool, Enum or Literal annotation whose "
            f"values it can list, not {text}; give the points, as in search([1, 2, 3])"
        )
    return values


def all_values(annotation: Any) -> Iterator[Any]:
    """Every value of a bool, Enum or Literal annotation, and of unions of them with None."""
    origin = typing.get_origin(annotation)
    if annotation is bool:
        yield from (False, True)
    elif annotation is None or annotation is type(None):
        yield None
    elif is_class(annotation) and issubclass(annotation, enum.Enum):
        yield from annotation
    elif origin is typing.Literal:
        yield from typing.get_args(annotation)
    elif origin is typing.Annotated or origin is typing.Final:
        yield from all_values(typing.get_args(annotation)[0])
    elif origin is typing.Union or origin is types.UnionType:
        parts = [tuple(all_values(part)) for part in typing.get_args(annotation)]
        yield from itertools.chain(*parts) if all(parts) else ()
    elif (
        aliased := getattr(cast("object", annotation), "__value__", None)
    ) is not None:  # a `type` statement
        yield from all_values(aliased)


def refuse_hidden(x: object, where: str, annotation: object, *, is_shared: bool = False) -> None:
    """Refuse what cannot be a value: a ``search``, an open space inside, a stray class.

    Args:
        x: A constant of a field, or a point of it.
        where: ``"Class.field"``.
        annotation: The annotation of the field, which may allow a class.
        is_shared: Whether all settings share this object, like points and `value(x)`.

    Raises:
        FieldError: Names `where` and the remedy; also for containers that hold themselves.
    """
    if type(x) in SIMPLE:
        return
    try:
        if isinstance(x, Search | Value):
            raise _hidden(x, where)
        if not is_shared:
            _refuse_used_up(x, where)
        refuse_class(x, where, annotation)
        _refuse_inside(x, where, annotation, 1)
    except RecursionError:
        raise FieldError(
            f"{where}: {type(x).__name__} nested too deeply, or in itself; give plain data"
        ) from None


def _refuse_inside(x: object, where: str, annotation: object, depth: int) -> None:
    for item in _parts_of(x):
        if type(item) in SIMPLE:
            continue
        if isinstance(item, Search | Value) or is_open(item):
            raise _hidden(item, where)
        refuse_class(item, where, annotation, depth)
        _refuse_inside(item, where, annotation, depth + 1)


def _parts_of(x: object) -> Iterable[object]:
    """The items of a container, or the attributes of an object that has nothing else."""
    if isinstance(x, list | tuple | set | frozenset | collections.deque):
        return cast("Iterable[object]", x)
    if isinstance(x, Mapping):
        return cast("Mapping[object, object]", x).values()
    if is_group(x) or isinstance(x, type):
        return ()
    if dataclasses.is_dataclass(x):
        return [getattr(x, field.name, None) for field in dataclasses.fields(x)]
    is_bare = isinstance(x, types.SimpleNamespace) or hasattr(type(x), "__attrs_attrs__")
    return getattr(x, "__dict__", {}).values() if is_bare else ()


def _refuse_used_up(x: object, where: str) -> None:
    """Refuse iterators, which only the first setting could read, and views of dicts."""
    is_builtin = type(x).__module__ in ("builtins", "itertools")
    if is_builtin and isinstance(x, Iterator | KeysView | ValuesView | ItemsView):
        raise FieldError(
            f"{where}: {shorten(x)} cannot be a value: an iterator is used up by its first reader, "
            f"and a view changes with its dict; write list(...) around it"
        )


def _hidden(x: object, where: str) -> FieldError:
    text = shorten(x)
    if is_open(x):
        return FieldError(
            f"{where}: {text} is an open space inside another value; fix its axes, or let it be "
            f"the whole of a field"
        )
    kind = "search" if isinstance(x, Search) else "value"
    return FieldError(
        f"{where}: {text} stands inside another value; {kind}() must be the whole of a field: "
        f"{_remedy(x)}"
    )


def _remedy(x: object) -> str:
    """The remedy for a ``search`` or ``value`` inside of another value."""
    if not isinstance(x, Value):
        return "give the full candidates, as in search([[1, 2], [1, 3]])"
    if x.key is not None:
        return (
            f"a point has no key; search names, as in search([{shorten(x.key)}, ...]), and take "
            f"what they mean in run, or give one value(..., key=...) a run at the call"
        )
    if x.given is not REQUIRED:
        return f"write {shorten(x.given)} without value() around it"
    if x.secret is not None:
        return "a secret is never searched; give it a field of its own"
    return (
        "search plain points, such as names, in one field, and make the value from them in "
        "another: value(derive=lambda s: make(s.name))"
    )
