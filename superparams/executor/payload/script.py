"""Puts the classes and functions of the driver's `__main__` into the `__main__` of workers.

Definitions of a script or a notebook are pickled by value. But pickle in a worker looks up classes
and functions by name in `__main__`, which is another module there. So each definition is put into
it under its name: those that settings use when the program arrives, the others when `__main__` is
asked for them, for example by ``pickle.loads``.

Small data of the script travels too, for code that looks it up by a text: ``globals()["RATE"]``.

The worker of an executor has a main module of its own: often the script itself, which was run again
without its guarded part. There the driver's values replace the values of the script's names.
"""

from __future__ import annotations

import functools
import pickle
import sys
import threading
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from superparams.adapters.content import same

__all__ = [
    "Definition",
    "Script",
    "UnusedDefinitions",
    "adopt_script",
    "is_worker",
    "load_all",
    "mark_as_worker",
    "namespaces_of_script",
    "protect_names",
]

_ATTRIBUTES: Final = ("__file__", "__doc__", "__package__", "__path__")
Cached: Final[type[Any]] = type(functools.lru_cache(id))  # what `functools.cache` makes
_DEFINITIONS: Final = (type, types.FunctionType, Cached)


class Definition(NamedTuple):
    """A class or function of the script that no setting uses by name.

    Attributes:
        pickled: The definition, pickled by value.
        needs: Names of other definitions that it uses.
    """

    pickled: bytes
    needs: tuple[str, ...]


class UnusedDefinitions:
    """Placeholder in a pickle for the definitions of the script that no setting uses."""


class Script(NamedTuple):
    """The driver's main module: attributes such as ``__file__``, and all names in it."""

    attributes: Mapping[str, Any]
    names: frozenset[str] = frozenset()

    @classmethod
    def of_driver(cls) -> Script:
        """The main module of this process."""
        main = _main()
        return cls(_attributes(main), frozenset([*list(main), *_state.unloaded]))


def _main() -> dict[str, Any]:
    """The names in the main module of this process."""
    return vars(sys.modules["__main__"])


def _attributes(main: Mapping[str, object]) -> dict[str, Any]:
    values = {name: main[name] for name in _ATTRIBUTES if name in main}
    return {name: x for name, x in values.items() if isinstance(x, str | list | None)}


def name_in_main(value: object) -> str | None:
    """The name under which the main module of this process defines `value`, or None."""
    if getattr(value, "__module__", None) != "__main__":
        return None
    name: object = getattr(value, "__qualname__", None)
    main = vars(sys.modules["__main__"]) if "__main__" in sys.modules else {}
    return name if isinstance(name, str) and main.get(name) is value else None


def definitions() -> dict[str, Any]:
    """The classes and functions that the main module of this process defines, by name."""
    main = dict(_main())
    names = [name for name, x in main.items() if isinstance(x, _DEFINITIONS)]
    return {name: main[name] for name in names if name_in_main(main[name]) == name}


# ---- in a process that receives the driver's program


@dataclass
class _State:
    """What this process knows of the driver's script.

    Attributes:
        role: "worker" in workers of ours, "other" in a process with a main module of its own.
        unloaded: The definitions that no code has used yet.
        loaded: In a process of role "other": the definitions that have arrived.
        global_dicts: In such a process: the globals of the functions of these definitions.
        own_globals: The globals of functions of the script, if it was not run in this process.
        rerun_globals: The globals of the script, if it was run again in this process.
        settled: Names that need no more changes: they have the driver's value, or keep their own.
        protected: Names that the initializer of an executor has set.
    """

    role: Literal["driver", "worker", "other"] = "driver"
    unloaded: dict[str, Definition] = field(default_factory=dict[str, Definition])
    loaded: dict[str, Any] = field(default_factory=dict[str, Any])
    global_dicts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    own_globals: dict[str, Any] = field(default_factory=dict[str, Any])
    rerun_globals: dict[str, Any] | None = None
    settled: set[str] = field(default_factory=set[str])
    protected: frozenset[str] = frozenset()


_state = _State()
_lock = threading.RLock()


class _Main(types.ModuleType):
    """Replaces the driver's main module, and loads definitions on first use."""

    def __getattr__(self, name: str) -> Any:
        if _load(name):
            return vars(self)[name]
        raise AttributeError(f"module '__main__' has no attribute {name!r}", name=name, obj=self)


def mark_as_worker() -> None:
    """Mark this process as a worker, whose main module may be replaced by the driver's."""
    _state.role = "worker"


def is_worker() -> bool:
    """Whether the main module of this process replaces the driver's."""
    return _state.role == "worker"


def adopt_script(script: Script) -> None:
    """Prepare the main module of this process for the names of the driver's main module."""
    _state.unloaded.clear()
    if is_worker():
        main = _Main("__main__")
        vars(main).update({"__builtins__": __builtins__, **script.attributes})
        sys.modules["__main__"] = main
        return
    _state.role = "other"
    _state.settled = set(_state.protected)
    script_globals = _script_globals(script.attributes)
    script_globals["__name__"] = "__main__"
    kept_names = script.names | _state.protected
    for names in (script_globals, *([] if _state.rerun_globals is None else [_main()])):
        for name in [
            name for name in names if name not in kept_names and not name.startswith("__")
        ]:
            del names[name]


def _script_globals(attributes: Mapping[str, object]) -> dict[str, Any]:
    """The globals of the script in this process: if it was run again, those of that run."""
    main = sys.modules["__main__"]
    if main.__name__ == "__mp_main__" and _state.rerun_globals is None:
        _state.rerun_globals = _globals_of_rerun(main)
    if _state.rerun_globals is not None:
        return _state.rerun_globals
    if _attributes(vars(main)) == dict(attributes):  # a fork
        return vars(main)
    _state.own_globals.update(attributes)
    return _state.own_globals


def _globals_of_rerun(main: types.ModuleType) -> dict[str, Any]:
    """The globals of the functions of a script that `multiprocessing` has run.

    `multiprocessing` copies them to the main module, which then misses what functions set.
    """
    values = list(vars(main).values())
    members = [x for each in values if isinstance(each, type) for x in vars(each).values()]
    for x in (*values, *members):
        if isinstance(x, types.FunctionType) and x.__globals__.get("__name__") == main.__name__:
            return x.__globals__
    return vars(main)


def globals_for_functions(attributes: Mapping[str, object]) -> dict[str, Any]:
    """The globals for functions of the script in this process."""
    if _state.role == "worker":
        return _main()
    if _state.role == "other":
        return _script_globals(attributes)
    return {"__name__": "__main__", **attributes}


def protect_names(names: frozenset[str]) -> None:
    """Leave the values of names that the initializer of an executor has set in this process."""
    _state.protected = names


def add_definitions(
    unloaded: Mapping[str, Definition], at_once: list[str], data: Mapping[str, object]
) -> None:
    """Keep definitions for later, load some of them now, and give the data its names."""
    if _state.role == "driver":
        return
    _add_data(data)
    _state.unloaded.update(unloaded)
    settled: set[str] = set() if is_worker() else _state.settled
    for name in [name for name in at_once if name not in settled and _is_new(name)]:
        with suppress(Exception):  # the first use fails again, and shows the error
            _load(name)
    if not is_worker():
        _state.unloaded.clear()
        for names in (*_globals_of_script(), *_state.global_dicts):
            names.update(_state.loaded)
        _state.loaded.clear()
        _state.global_dicts.clear()


def _add_data(data: Mapping[str, object]) -> None:
    if is_worker():
        for name, x in data.items():
            _main().setdefault(name, x)
        return
    due = {name: x for name, x in data.items() if name not in _state.settled}
    for names in _globals_of_script():
        names.update((n, x) for n, x in due.items() if n not in names or not same(names[n], x))


def _globals_of_script() -> list[dict[str, Any]]:
    """All dictionaries in which code of the script looks names up, in a process of role "other"."""
    others = (_state.rerun_globals, _state.own_globals or None)
    return [_main(), *(names for names in others if names is not None)]


def namespaces_of_script() -> list[dict[str, Any]]:
    """The dictionaries in which code of the script finds its names here, functions' own first."""
    return _globals_of_script()[::-1] if _state.role == "other" else [_main()]


def _is_new(name: str) -> bool:
    """Whether this process lacks the class, or has it with bases that have been replaced."""
    existing = None if is_worker() else _main().get(name)
    bases = existing.__bases__ if isinstance(existing, type) else ()
    return not bases or any(_state.loaded.get(base.__name__, base) is not base for base in bases)


def _load(name: str) -> bool:
    """Load a definition and all others that it needs. Returns whether the name is known."""
    with _lock:
        definition = _state.unloaded.pop(name, None)
        if definition is None:
            return False
        main = _main()
        try:
            value = pickle.loads(definition.pickled)
        except BaseException:
            _state.unloaded[name] = definition
            raise
        (main if is_worker() else _state.loaded).setdefault(name, value)
        for needed in definition.needs:
            if needed not in main:
                with suppress(Exception):
                    _load(needed)
        return True


def load_all() -> dict[str, Any]:
    """All names of the driver's main module that can be loaded in this process."""
    for name in list(_state.unloaded):
        with suppress(Exception):
            _load(name)
    return _main()


def unused_definitions() -> dict[str, Definition]:
    """The definitions that no code of this process has used yet."""
    return dict(_state.unloaded)


def value_at(path: str) -> Any:
    """The value of a dotted name in the main module."""
    name, *attributes = path.split(".")
    is_loaded = name in _state.loaded
    value: Any = _state.loaded[name] if is_loaded else getattr(sys.modules["__main__"], name)
    return functools.reduce(getattr, attributes, value)


def make_function(name: str | None, make: Callable[..., Any], *parts: object) -> Any:
    """A function of the script: the existing one if the script is the main module here."""
    existing = None if name is None or is_worker() else _main().get(name)
    if isinstance(existing, types.FunctionType) and existing.__code__ == parts[0]:
        is_listed = any(existing.__globals__ is names for names in _state.global_dicts)
        if _state.role != "driver" and not is_listed:
            _state.global_dicts.append(existing.__globals__)
        return existing
    return make(*parts)


def make_cached(name: str, wrapped: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A function with ``functools.lru_cache``: the existing one, or one with an empty cache."""
    existing = None if is_worker() else _main().get(name)
    code = getattr(wrapped, "__code__", None)
    if (
        code is not None
        and getattr(getattr(existing, "__wrapped__", None), "__code__", None) == code
    ):
        return existing
    return functools.lru_cache(maxsize, typed)(wrapped)


def _takes_drivers_value(name: str, own_globals: Mapping[str, object]) -> bool:
    """Whether a global of the script is to get the driver's value."""
    is_unsettled = _state.role == "other" and name not in _state.settled
    _state.settled.add(name)
    return is_unsettled or name not in own_globals


def finish_definition(value: Any, state: tuple[str | None, Callable[..., Any], Any]) -> Any:
    """Finish a class or function of the script, and put it where pickle looks it up."""
    name, finish, content = state
    if isinstance(value, types.FunctionType):
        attributes, slots = content
        own = value.__globals__
        names = {n: x for n, x in slots["__globals__"].items() if _takes_drivers_value(n, own)}
        content = attributes, {**slots, "__globals__": names}
        if own is _state.rerun_globals:
            _main().update(names)
    else:
        type.__setattr__(value, "__qualname__", content[0])
        content = content[1]
    finished = finish(value, content)
    if name is not None and _state.role != "driver":
        (_main() if is_worker() else _state.loaded).setdefault(name, value)
    return finished
