"""How classes and functions of the main module are pickled; see `executor.payload.script`."""

from __future__ import annotations

import io
import sys
import types
from pickle import PickleBuffer, PicklingError
from typing import Any, Final

from cloudpickle import Pickler

from superparams.executor.payload.references import by_name, is_held, is_library
from superparams.executor.payload.script import (
    Cached,
    Definition,
    Names,
    Script,
    adopt,
    cached,
    definitions,
    function,
    held,
    namespace,
    own_name,
    place,
    still_waiting,
    take,
)

__all__ = ["OfScript", "WholeScript", "reduce_cached"]

_LARGEST: Final = 256 * 1024  # bytes of a definition that no setting reaches by name
_PARTS: Final = 6  # of what cloudpickle makes of a class or function by value
_NAMED: Final = (type, types.FunctionType)
# Data has one of these: it stays behind when only a definition that nobody reaches refers to it.
_DATA: Final = ("__array__", "__arrow_c_stream__", "__dlpack__", "state_dict")


class WholeScript:
    """The script alone, for pools of a worker that is a fork of the driver."""

    def __reduce__(self) -> tuple[Any, ...]:
        """As a process that has not seen the script takes it."""
        return _whole, (_Adopted(), Names())


class _Adopted:
    def __reduce__(self) -> tuple[Any, ...]:
        return adopt, (Script.of_driver(),)


def _whole(*_: object) -> None:
    """What stands in the pickle has done it all."""


class OfScript:
    """The part of a pickler that knows the script."""

    def __init__(self, globals_ref: dict[int, Any]) -> None:
        """Have functions of the script look names up in the main module of the process."""
        self._main = vars(sys.modules["__main__"])
        self._at_hand: set[str] = set()
        globals_ref[id(self._main)] = _Namespace()

    def reduced(self, value: Any, made: tuple[Any, ...]) -> tuple[Any, ...]:
        """What cloudpickle makes of a class or function, with the place where it belongs."""
        is_function = isinstance(value, types.FunctionType)
        if len(made) != _PARTS or (is_function and value.__globals__ is not self._main):
            return made
        name = own_name(value)
        if name is not None:
            self._at_hand.add(name)
        return _placed(value, name, made)

    def rest(self) -> tuple[Any, ...]:
        """All definitions that are not pickled yet, each by itself."""
        left = {n: x for n, x in definitions().items() if n not in self._at_hand}
        found = {name: made for name, x in left.items() if (made := _definition(name, x))}
        at_once = [name for name in found if _is_met_by_its_base(left[name])]
        return take, ({**still_waiting(), **found}, at_once)


def _placed(value: Any, name: str | None, made: tuple[Any, ...]) -> tuple[Any, ...]:
    make, parts, content, _, _, finish = made
    if isinstance(value, types.FunctionType):
        return function, (name, make, *parts), (name, finish, content), None, None, place
    # cloudpickle makes a class anew without the names of the classes around it.
    return make, parts, (name, finish, (value.__qualname__, content)), None, None, place


def _is_met_by_its_base(value: Any) -> bool:
    """Whether other code can come across it without its name, as by ``Base.__subclasses__()``."""
    bases = value.__mro__[1:] if isinstance(value, type) else ()
    return any(not is_library(str(base.__module__).partition(".")[0]) for base in bases)


class _Namespace:
    """Stands in a pickle for the names that functions of the script look up."""

    def __reduce__(self) -> tuple[Any, ...]:
        return namespace, (Script.of_driver().facts,)


def reduce_cached(function: Any, *_: object) -> Any:
    """A function under ``functools.cache``, with an empty cache, where no process can import it.

    By itself it travels by the name of what it wraps, which may name nothing in a worker (for one
    of a script), or the bare function: ``load = functools.cache(helpers.load)``.
    """
    module = function.__module__
    if module not in ("__main__", "__mp_main__", None) and is_held(module, function):
        return NotImplemented
    parameters = function.cache_parameters()
    name = str(function.__qualname__)
    return cached, (name, function.__wrapped__, parameters["maxsize"], parameters["typed"])


# ---- definitions that no setting reaches by name


def _definition(name: str, value: Any) -> Definition | None:
    """A definition by itself; None where it cannot travel, or is large."""
    file = _Limited()
    try:
        pickler = _DefinitionPickler(file, name)
        pickler.dump(value)
    except Exception:  # whatever the user's objects do when they are pickled
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
    """Pickles one definition; others are referred to by name."""

    def __init__(self, file: _Limited, name: str) -> None:
        super().__init__(file, protocol=5, buffer_callback=_no_buffer)
        self.needs: set[str] = set()
        self._name = name
        self._main = vars(sys.modules["__main__"])
        self.globals_ref[id(self._main)] = _Namespace()

    def reducer_override(self, obj: Any) -> Any:
        """As in `pickle.Pickler`."""
        path = _path(obj)
        if path is not None and path.partition(".")[0] != self._name:
            return held, (path,)
        if isinstance(obj, Cached):
            return reduce_cached(obj)
        made: Any = by_name(obj) if isinstance(obj, _NAMED) else None
        made = made or super().reducer_override(obj)
        if made is NotImplemented or len(made) != _PARTS:
            return made
        if isinstance(obj, types.FunctionType):
            if obj.__globals__ is not self._main:
                return made
            made = (*made[:2], self._without_data(made[2]), *made[3:])
        return _placed(obj, None, made)

    def _without_data(self, content: Any) -> Any:
        """The state of a function with those of its globals that are small."""
        attributes, slots = content
        kept: dict[str, Any] = {}
        for name, x in slots["__globals__"].items():
            if _path(x) is not None:
                self.needs.add(name)
            elif not any(hasattr(x, each) for each in _DATA) or isinstance(x, type):
                kept[name] = x
        return attributes, {**slots, "__globals__": kept}


def _path(value: Any) -> str | None:
    """The dotted name of what the main module defines, or a class of it; None for all else."""
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ != "__main__":
        return None
    found: Any = sys.modules["__main__"]
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return value.__qualname__ if found is value else None
