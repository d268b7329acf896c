"""Which objects are pickled in a way of ours: by the adapter of a library, or by a reducer here."""

from __future__ import annotations

import importlib
import os
import sys
import types
from array import array
from collections.abc import Callable
from typing import Any, cast

from cloudpickle import Pickler

from superparams.adapters.libraries import adapter_for
from superparams.executor.payload.buffer_writer import Writer
from superparams.executor.payload.main_definitions import ScriptReducer
from superparams.executor.payload.references import by_name, instance_by_name
from superparams.executor.payload.script import UnusedDefinitions

_NO_FILE = "<dynamic-code>"  # what cloudpickle puts in the place of a file's name
_NAMED = (type, types.FunctionType)
Reducer = Callable[[Any, Writer], Any]

# By class of Python itself: whether subclasses too, our module, and its reducer.
_TABLE: tuple[tuple[str, str, bool, str, str], ...] = (
    ("array", "array", False, "reducers", "reduce_python_array"),
    ("os", "_Environ", True, "reducers", "reduce_environment"),
    ("types", "CodeType", False, "reducers", "reduce_code"),
    ("struct", "Struct", False, "reducers", "reduce_struct"),
    ("functools", "_lru_cache_wrapper", False, "main_definitions", "reduce_cached"),
)


class ReducingPickler(Pickler):
    """cloudpickle's pickler, with our reducers before its own and buffers to a `Writer`."""

    def __init__(self, file: Any, writer: Writer) -> None:
        super().__init__(file, protocol=5, buffer_callback=writer.take)
        self._writer = writer
        self._reducers: dict[type, Reducer | None] = {}
        self._script = ScriptReducer(self.globals_ref)

    def reducer_override(self, obj: Any) -> Any:
        """As in `pickle.Pickler`."""
        kind: type[Any] = cast("Any", type(obj))
        try:
            reducer = self._reducers[kind]
        except KeyError:
            reducer = self._reducers[kind] = _reducer_of(kind)
        if reducer is not None:
            reduced = reducer(obj, self._writer)
            if reduced is not NotImplemented:
                return reduced
        if kind is UnusedDefinitions:
            return self._script.reduce_unused()
        known = by_name(obj) if isinstance(obj, _NAMED) else instance_by_name(obj)
        if known is not None:
            return known
        made = super().reducer_override(obj)
        return made if made is NotImplemented else self._script.reduce(obj, made)


def _reducer_of(kind: type) -> Reducer | None:
    for module, name, subclasses_too, ours, reducer in _TABLE:
        parent = getattr(sys.modules.get(module), name, None)
        if not isinstance(parent, type):
            continue
        if kind is parent or (subclasses_too and issubclass(kind, parent)):
            found = importlib.import_module(f"superparams.executor.payload.{ours}")
            reduce: Reducer = getattr(found, reducer)
            return reduce
    adapter = adapter_for(kind)
    return None if adapter is None else adapter.share


def reduce_environment(environment: Any, writer: Writer) -> Any:
    """The environment by reference: it holds secrets, and every process has its own."""
    return _environment, (environment is getattr(os, "environb", None),)


def _environment(as_bytes: bool) -> Any:
    return os.environb if as_bytes else os.environ


def reduce_code(code: Any, writer: Writer) -> Any:
    """Code as cloudpickle has it, but with the name of its file, for tracebacks."""
    make, parts = Pickler.dispatch_table[types.CodeType](code)
    return make, tuple(code.co_filename if part == _NO_FILE else part for part in parts)


def reduce_struct(source: Any, writer: Writer) -> Any:
    """A compiled format, which has no pickle of its own, by its text."""
    return type(source), (source.format,)


def reduce_python_array(source: array[Any], writer: Writer) -> Any:
    """An `array.array`; it owns its memory, so that each load copies it."""
    address, length = source.buffer_info()
    if length * source.itemsize < writer.threshold:
        return NotImplemented
    return rebuild_python_array, (source.typecode, writer.add(address, length * source.itemsize))


def rebuild_python_array(typecode: str, buffer: Any) -> array[Any]:
    """What `reduce_python_array` took apart."""
    made: array[Any] = array(typecode)
    made.frombytes(buffer)
    return made
