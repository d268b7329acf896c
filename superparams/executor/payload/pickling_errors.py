"""Explains errors of the payload: which part cannot be pickled, and what is read-only."""

from __future__ import annotations

import functools
import re
import sys
import time
import traceback
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from superparams.errors import PayloadError
from superparams.executor.payload.buffer_writer import Writer
from superparams.space.groups import is_group

# Seconds for the search. At each level, trying all parts takes as long as pickling the object.
_PATIENCE = 5.0
_DEPTH = 30


class _Part(NamedTuple):
    """A part of an object that cannot be pickled."""

    path: str
    obj: Any
    error: BaseException


def unpicklable(obj: object, name: str, error: BaseException) -> PayloadError:
    """The error for an object that cannot be pickled, with the part, its type, and the remedy.

    The part is found by pickling the parts, then the parts of the part that fails, and so on. It is
    shown as a path such as ``Digits.model.lock``. An object may name its parts with a method
    ``payload_parts() -> Mapping[str, object]``, whose keys are whole paths.

    Args:
        obj: The object.
        name: The name of the object in the error.
        error: The error of pickling it.
    """
    if isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError):
        # All inner parts fail in the same way, so the outermost part is shown.
        part, reason = _innermost(obj, name, error, depth=1), "it is nested too deeply"
    else:
        part = _innermost(obj, name, error)
        reason = f"{type(part.error).__name__}: {part.error}"
    return PayloadError(
        f"{part.path} cannot be sent to workers: it holds {_described(part.obj)} ({reason:.300}). "
        "Make it in the worker: in setup(), or as value(factory=...) where workers are forked from "
        "a template"
    )


def _innermost(obj: object, name: str, error: BaseException, depth: int = _DEPTH) -> _Part:
    part = _Part(name, obj, error)
    visited: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    for _ in range(depth):
        visited.add(id(part.obj))
        inner = _first_failing(part, visited, deadline)
        if inner is None:
            break
        part = inner
    return part


def _first_failing(part: _Part, visited: set[int], deadline: float) -> _Part | None:
    for path, obj in _parts(part.obj, part.path):
        if time.monotonic() > deadline:
            return None
        if id(obj) in visited or isinstance(obj, str | bytes | int | float | None):
            continue
        error = _failure(obj)
        if error is not None:
            return _Part(path, obj, error)
    return None


def _failure(obj: object) -> BaseException | None:
    """The error of pickling an object, whose bytes are not kept."""
    from superparams.executor.payload.reducers import ReducingPickler

    try:
        ReducingPickler(_Nowhere(), Writer(0, dry=True)).dump(obj)
    except Exception as error:
        return error
    return None


class _Nowhere:
    def write(self, data: object) -> None:
        pass


def _parts(obj: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The parts of an object, each with its path."""
    payload_parts = None if is_group(obj) else getattr(_kind_of(obj), "payload_parts", None)
    if payload_parts is not None:
        yield from payload_parts(obj).items()
    if isinstance(obj, Mapping):
        for key, item in _pairs(obj):
            yield f"{path}[{key!r:.60}]", item
            yield f"the key {key!r:.60} of {path}", key
    elif isinstance(obj, list | tuple | set | frozenset):
        for place, item in enumerate(cast("Iterable[Any]", obj)):
            yield f"{path}[{place}]", item
    elif isinstance(obj, types.FunctionType):
        yield from _parts_of_function(obj, path)
    elif isinstance(obj, types.MethodType):
        yield f"{path}.__self__", obj.__self__
    elif isinstance(obj, functools.partial):
        for name in ("func", "args", "keywords"):
            yield f"{path}.{name}", getattr(cast("Any", obj), name)
    elif _has_objects(obj):
        for place, item in enumerate(obj.flat):
            yield f"{path}.flat[{place}]", item
    yield from _attributes(obj, path)


def _pairs(mapping: Any) -> list[tuple[Any, Any]]:
    try:
        return list(mapping.items())
    except Exception:  # mappings of the user may raise any error
        return []


def _has_objects(obj: Any) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and isinstance(obj, numpy.ndarray) and obj.dtype == object


def _parts_of_function(function: types.FunctionType, path: str) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"variable {name} of {path}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f"global {name} of {path}", function.__globals__[name]
    yield f"the defaults of {path}", (function.__defaults__, function.__kwdefaults__)


def _attributes(obj: Any, path: str) -> Iterator[tuple[str, Any]]:
    state = getattr(obj, "__dict__", None)
    if isinstance(state, dict | types.MappingProxyType) and not isinstance(obj, types.FunctionType):
        # A class by value is pickled with its dictionary, but for these names.
        hidden = ("__dict__", "__weakref__") if isinstance(obj, type) else ()
        for name, item in list(state.items()):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            if name not in hidden:
                yield f"{path}.{name}", item
    for kind in _kind_of(obj).__mro__:
        slots: Any = kind.__dict__.get("__slots__", ())
        names: Iterable[str] = (slots,) if isinstance(slots, str) else slots
        for name in names:
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                yield f"{path}.{name}", getattr(obj, name)


def _kind_of(obj: object) -> type[Any]:
    return type(obj)


def _described(obj: object) -> str:
    kind = _kind_of(obj)
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"an object of type {where}{kind.__qualname__}"


_READ_ONLY = re.compile(
    r"read[- ]?only|not writ[ea]*ble|WRITEABLE flag|read-write bytes-like object, not numpy",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"\bself\.([^\W\d]\w*)")


def explain_readonly(error: BaseException) -> str | None:
    """The remedy for a write to a shared array, or None for another error.

    numpy, pandas, scipy and Cython have different messages. The name of the field is taken from
    the lines of the traceback, and is ``data`` if no line has one.
    """
    if not isinstance(error, ValueError | TypeError | BufferError):
        return None
    try:
        text = str(error)
    except Exception:  # the class of the error may be the user's
        return None
    if not _READ_ONLY.search(text):
        return None
    lines = [frame.line or "" for frame in traceback.extract_tb(error.__traceback__)]
    names = [name for line in reversed(lines) for name in _ATTRIBUTE.findall(line)]
    name = f"self.{names[0]}" if names else "self.data"
    subject = name if names else "a value of the experiment"
    return f"{subject} is shared and read-only: copy it first (x = {name}.copy())"
