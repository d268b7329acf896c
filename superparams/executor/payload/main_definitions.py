"""Pickles classes and functions of the main module; see `superparams.executor.payload.script`."""

from __future__ import annotations

import io
import sys
import types
from pickle import PickleBuffer, PicklingError
from typing import Any, Final

from cloudpickle import Pickler

from superparams.executor.payload.references import attribute_at, by_name, is_importable, is_library
from superparams.executor.payload.script import (
    Cached,
    Definition,
    Script,
    add_definitions,
    definitions,
    finish_definition,
    globals_for_functions,
    make_cached,
    make_function,
    name_in_main,
    unused_definitions,
    value_at,
)
from superparams.executor.payload.script_data import script_data
from superparams.space.groups import is_group

__all__ = ["ScriptReducer", "reduce_cached"]

_LARGEST: Final = 256 * 1024  # bytes of a definition that no setting uses by name
_N_PARTS: Final = 6  # values that cloudpickle returns for a class or function by value
# Data has one of these attributes. It is not sent if only an unused definition refers to it.
_DATA: Final = ("__array__", "__arrow_c_stream__", "__dlpack__", "state_dict")


class ScriptReducer:
    """The part of a pickler that pickles definitions of the script.

    Args:
        globals_ref: The dictionaries of globals that the pickler knows, by their id. Functions of
            the script then look up names in the main module of the process that loads them.
    """

    def __init__(self, globals_ref: dict[int, Any]) -> None:
        self._main = vars(sys.modules["__main__"])
        self._used: set[str] = set()
        globals_ref[id(self._main)] = _ScriptGlobals()

    def reduce(self, value: Any, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        """Have a class or function put into the main module of the process that loads it.

        Args:
            value: The class or function.
            reduced: The values that cloudpickle returns for it.
        """
        is_function = isinstance(value, types.FunctionType)
        if len(reduced) != _N_PARTS or (is_function and value.__globals__ is not self._main):
            return reduced
        name = name_in_main(value)
        if name is not None:
            self._used.add(name)
        if is_function:
            self._used.update(reduced[2][1]["__globals__"])
        return _into_main(value, name, reduced)

    def reduce_unused(self) -> tuple[Any, ...]:
        """Pickle all definitions that are not pickled yet, each by itself, and small data."""
        unused = {name: x for name, x in definitions().items() if name not in self._used}
        pickled = {
            name: definition for name, x in unused.items() if (definition := _definition(name, x))
        }
        at_once = [name for name in pickled if _is_found_by_its_base(unused[name])]
        data = script_data({*self._used, *unused})
        for name in data.objects:
            if definition := _definition(name, self._main[name]):
                pickled[name] = definition
                at_once.append(name)
        return add_definitions, ({**unused_definitions(), **pickled}, at_once, data.plain)


def _into_main(value: Any, name: str | None, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    make, parts, content, _, _, finish = reduced
    if isinstance(value, types.FunctionType):
        make, parts = make_function, (name, make, *parts)
    else:  # cloudpickle leaves out the names of the classes around a class
        content = (value.__qualname__, content)
    return make, parts, (name, finish, content), None, None, finish_definition


def _is_found_by_its_base(value: object) -> bool:
    """Whether other code can find it without its name, as by ``Base.__subclasses__()``."""
    bases = value.__mro__[1:] if isinstance(value, type) else ()
    return any(not is_library(str(base.__module__).partition(".")[0]) for base in bases)


class _ScriptGlobals:
    """Placeholder in a pickle for the globals of functions of the script."""

    def __reduce__(self) -> tuple[Any, ...]:
        return globals_for_functions, (Script.of_driver().attributes,)


def reduce_cached(function: Any, *_: object) -> Any:
    """Pickle a function under ``functools.cache``, with an empty cache, if it cannot be imported.

    Pickle takes the name of the wrapped function. In a worker that name may not exist (if it is of
    a script), or be the function without a cache: ``load = functools.cache(helpers.load)``.
    """
    module = function.__module__
    if module not in ("__main__", "__mp_main__", None) and is_importable(module, function):
        return NotImplemented
    parameters = function.cache_parameters()
    name = str(function.__qualname__)
    return make_cached, (name, function.__wrapped__, parameters["maxsize"], parameters["typed"])


# ---- definitions that no setting uses by name


def _definition(name: str, value: object) -> Definition | None:
    """A pickled definition; None if it cannot be pickled, or is large."""
    file = _Limited()
    try:
        pickler = _DefinitionPickler(file, name)
        pickler.dump(value)
    except Exception:  # objects of the user may raise any error
        return None
    return Definition(file.getvalue(), tuple(sorted(pickler.needs - {name})))


class _Limited(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > _LARGEST:
            raise PicklingError("it is large")
        return super().write(data)


def _no_buffer(buffer: PickleBuffer) -> bool:
    if buffer.raw().nbytes > _LARGEST:
        raise PicklingError("it is large")
    return True


class _DefinitionPickler(Pickler):
    """Pickles one definition, and refers to others by name.

    Attributes:
        needs: The names of the others.
    """

    def __init__(self, file: _Limited, name: str) -> None:
        super().__init__(file, protocol=5, buffer_callback=_no_buffer)
        self.needs: set[str] = set()
        self._name = name
        self._main = vars(sys.modules["__main__"])
        self.globals_ref[id(self._main)] = _ScriptGlobals()

    def reducer_override(self, obj: object) -> Any:
        """As in `pickle.Pickler`."""
        path = _path(obj)
        if path is not None and path.partition(".")[0] != self._name:
            return value_at, (path,)
        if isinstance(obj, Cached):
            return reduce_cached(obj)
        is_definition = isinstance(obj, type | types.FunctionType)
        reduced: Any = by_name(obj) if is_definition else None
        reduced = reduced or super().reducer_override(obj)
        if reduced is NotImplemented or len(reduced) != _N_PARTS:
            return reduced
        if isinstance(obj, types.FunctionType):
            if obj.__globals__ is not self._main:
                return reduced
            reduced = (*reduced[:2], self._without_data(reduced[2]), *reduced[3:])
        return _into_main(obj, None, reduced)

    def _without_data(self, content: Any) -> Any:
        """The state of a function, without those globals that are data or other definitions."""
        attributes, slots = content
        values: dict[str, Any] = {}
        for name, x in slots["__globals__"].items():
            if _path(x) is not None:
                self.needs.add(name)
            elif isinstance(x, type) or is_group(x) or not any(hasattr(x, key) for key in _DATA):
                values[name] = x
        return attributes, {**slots, "__globals__": values}


def _path(value: object) -> str | None:
    """The dotted name of a class or function of the main module; None for other values."""
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ != "__main__":
        return None
    is_found = attribute_at(sys.modules["__main__"], value.__qualname__) is value
    return value.__qualname__ if is_found else None
