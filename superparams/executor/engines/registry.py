"""Finds an engine by its name, or wraps an executor of `concurrent.futures`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from superparams.adapters.entry_points import loaded, registered
from superparams.errors import EngineError
from superparams.executor.engines.contract import Engine, Options

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["GROUP", "EngineName", "check", "find", "registered_names"]

# The engines that `run_all` knows by name.
EngineName = Literal["serial", "threads", "asyncio", "processes"]
# The module and the class of each; the module is loaded when a run needs it.
_BUILT_IN: Final[dict[EngineName, tuple[str, str]]] = {
    "serial": ("serial", "Serial"),
    "threads": ("threads", "Threads"),
    "asyncio": ("coroutines", "Coroutines"),
    "processes": ("processes", "Processes"),
}
# The group of entry points for engines of other packages.
GROUP: Final = "superparams.engines"


def find(engine: str | Engine | Executor) -> Engine:
    """The engine of that name, or the engine around an executor of `concurrent.futures`.

    Raises:
        EngineError: When there is no such engine, or this system does not support it.
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
        return _registered(name)
    module, cls = _BUILT_IN[name]
    engine: Engine = getattr(importlib.import_module(f"{__package__}.{module}"), cls)()
    return engine


def registered_names() -> list[str]:
    """The names of the engines that installed packages register."""
    return sorted({entry.name for entry in registered(GROUP)} - set(get_args(EngineName)))


def _registered(name: str) -> Engine:
    """The engine that an installed package registers: an object, or the result of calling it.

    name: may be an address, as in ``dask://host:8786``, with which the engine `dask` is called.
    """
    scheme, is_address, _ = name.partition("://")
    entry = next((entry for entry in registered(GROUP) if entry.name == scheme), None)
    if entry is None:
        names = ", ".join(map(repr, [*get_args(EngineName), *registered_names()]))
        raise EngineError(f"engine={name!r} is unknown: give one of {names}, or an executor")
    try:
        engine: Any = loaded(entry.target)
        if is_address:
            engine = engine(name)
        elif isinstance(engine, type) or not hasattr(engine, "execute"):
            engine = engine()
    except Exception as error:
        raise EngineError(
            f"engine={name!r}, {entry.target!r} of {entry.owner}, cannot be loaded: "
            f"{type(error).__name__}: {error}. Repair or uninstall {entry.owner}"
        ) from error
    if not hasattr(engine, "execute"):
        raise EngineError(
            f"engine={name!r}, {entry.target!r} of {entry.owner}, is {engine!r:.80}; it must be a "
            "class of engines, or a function that gives an engine"
        )
    return cast("Engine", engine)
