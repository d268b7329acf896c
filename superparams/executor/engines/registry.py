"""Finds an engine by its name, or wraps an executor of `concurrent.futures`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from superparams.errors import EngineError
from superparams.executor.engines.contract import Engine, EngineName, Options

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["check", "find"]

# The module and the class of each engine that has a name; it is loaded when it is asked for.
_BUILT_IN: Final[dict[EngineName, tuple[str, str]]] = {
    "serial": ("serial", "Serial"),
    "threads": ("threads", "Threads"),
    "asyncio": ("coroutines", "Coroutines"),
    "processes": ("processes", "Processes"),
}


def find(engine: str | Engine | Executor) -> Engine:
    """The engine of that name, or the engine around an executor of `concurrent.futures`.

    Raises:
        EngineError: When it is none of these, or this system has no such engine.
    """
    if isinstance(engine, str):
        return _named(engine)
    if isinstance(engine, type):
        name = engine.__name__
        raise EngineError(f"engine={name} is a class: give an instance, as in engine={name}(...)")
    if hasattr(engine, "execute"):
        return cast("Engine", engine)
    if not hasattr(engine, "submit"):
        raise EngineError(f"engine={engine!r} is neither a name, nor an executor, nor an engine")
    from superparams.executor.engines.futures import Futures

    executor: Any = engine
    return Futures(executor)


def check(engine: Engine, options: Options) -> None:
    """Have an engine refuse the options that it does not support.

    An engine of the user may have no `check`; it refuses them when it is called.

    Raises:
        EngineError: Names the option, its value and the remedy.
    """
    own_check = getattr(engine, "check", None)
    if own_check is not None:
        own_check(options)


def _named(name: str) -> Engine:
    if name not in _BUILT_IN:
        known = ", ".join(map(repr, get_args(EngineName)))
        raise EngineError(f"engine={name!r} is unknown: give one of {known}, or an executor")
    module, cls = _BUILT_IN[name]
    made: Engine = getattr(importlib.import_module(f"{__package__}.{module}"), cls)()
    return made
