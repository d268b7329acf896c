"""Pickles objects that cloudpickle would pickle otherwise, or could not pickle.

The adapter of a library reduces its values, and this module some values of Python itself.
"""

from __future__ import annotations

import os
import types
from array import array
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, cast

from cloudpickle import Pickler

from superparams.adapters.libraries import adapter_for
from superparams.executor.payload.buffer_writer import Writer
from superparams.executor.payload.main_definitions import ScriptReducer, reduce_cached
from superparams.executor.payload.references import by_name, instance_by_name
from superparams.executor.payload.script import Cached, UnusedDefinitions

Reducer = Callable[[Any, Writer], Any]
_NO_FILE: Final = "<dynamic-code>"  # the name of a file that cloudpickle gives to all code


class ReducingPickler(Pickler):
    """cloudpickle's pickler, with our reducers before its own and buffers to a `Writer`."""

    def __init__(self, file: Any, writer: Writer) -> None:
        super().__init__(file, protocol=5, buffer_callback=writer.take)
        self._writer = writer
        self._reducers: dict[type, Reducer | None] = {}
        self._script = ScriptReducer(self.globals_ref)

    def reducer_override(self, obj: object) -> Any:
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
        is_definition = isinstance(obj, type | types.FunctionType)
        reference = by_name(obj) if is_definition else instance_by_name(obj)
        if reference is not None:
            return reference
        reduced = super().reducer_override(obj)
        return reduced if reduced is NotImplemented else self._script.reduce(obj, reduced)


def _reducer_of(kind: type[Any]) -> Reducer | None:
    if issubclass(kind, type(os.environ)):
        return reduce_environment
    reducer = _REDUCERS.get(kind)
    if reducer is not None:
        return reducer
    adapter = adapter_for(kind)
    return None if adapter is None else adapter.share


def reduce_environment(environment: object, _: Writer) -> Any:
    """Pickle the environment by name: it has secrets, and every process has its own."""
    return _environment, (environment is getattr(os, "environb", None),)


def _environment(as_bytes: bool) -> Any:
    return os.environb if as_bytes else os.environ


def reduce_code(code: Any, _: Writer) -> Any:
    """Pickle code as cloudpickle does, but with the name of its file, for tracebacks."""
    make, parts = Pickler.dispatch_table[types.CodeType](code)
    return make, tuple(code.co_filename if part == _NO_FILE else part for part in parts)


def reduce_struct(source: Any, _: Writer) -> Any:
    """Pickle a compiled format by its text, since it has no pickle of its own."""
    return type(source), (source.format,)


def reduce_python_array(source: array[Any], writer: Writer) -> Any:
    """Pickle an `array.array`; each load copies it, since it owns its memory."""
    address, length = source.buffer_info()
    if length * source.itemsize < writer.threshold:
        return NotImplemented
    return rebuild_python_array, (source.typecode, writer.add(address, length * source.itemsize))


def rebuild_python_array(typecode: str, buffer: Any) -> array[Any]:
    """An `array.array` from its pickled bytes."""
    rebuilt: array[Any] = array(typecode)
    rebuilt.frombytes(buffer)
    return rebuilt


def reduce_memoryview(source: memoryview, _: Writer) -> Any:
    """Pickle a view as one of bytes, which refuses writes; cloudpickle would turn it into bytes."""
    if source.format not in tuple("BbHhIiLlQqfd") or not source.nbytes:
        return NotImplemented
    return rebuild_memoryview, (source.tobytes(), source.format, source.shape)


def rebuild_memoryview(data: bytes, layout: str, shape: tuple[int, ...]) -> memoryview:
    """A view like the one that `reduce_memoryview` pickled."""
    return memoryview(data).cast(layout, shape)  # type: ignore[call-overload,no-any-return]


_REDUCERS: Final[dict[type, Reducer]] = {
    array: reduce_python_array,
    memoryview: reduce_memoryview,
    types.CodeType: reduce_code,
    Struct: reduce_struct,
    Cached: reduce_cached,
}
