"""Puts the classes and functions of the driver's `__main__` into the `__main__` of workers.

Definitions of a script or a notebook are pickled by value. But pickle in a worker looks up classes
and functions by name in `__main__`, which is another module there. So each definition is put into
it under its name: those that settings use when the program arrives, the others when `__main__` is
asked for them, for example by ``pickle.loads``.

If a setting starts a pool with fresh interpreters, each of them would run the script again. In
workers, they run `superparams.executor.payload.pool_main` instead, which takes the names from the
payload.

The worker of an executor has a main module of its own: often the script itself, which was run again
without its guarded part. There the driver's values replace those that the script gave its names.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import threading
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.machinery import ModuleSpec
from typing import Any, Final, NamedTuple, cast

__all__ = [
    "Definition",
    "Names",
    "Script",
    "adopt",
    "hand_on",
    "in_pool",
    "is_worker",
    "keep",
    "stand_in",
]

POOL_MAIN: Final = "superparams.executor.payload.pool_main"
HANDLE: Final = "SUPERPARAMS_POOL_MAIN"
_FACTS: Final = ("__file__", "__doc__", "__package__", "__path__")
Cached: Final[type[Any]] = type(functools.lru_cache(id))  # what `functools.cache` makes
_KINDS: Final = (type, types.FunctionType, Cached)


class Definition(NamedTuple):
    """A class or function of the script that no setting uses by name.

    pickled: The definition, pickled by value; needs: Names of other definitions that it uses.
    """

    pickled: bytes
    needs: tuple[str, ...]


class Names:
    """Placeholder in a pickle for the definitions of the script that no setting uses."""


class Script(NamedTuple):
    """The driver's main module: attributes such as ``__file__``, and the names of all others."""

    facts: Mapping[str, Any]
    names: frozenset[str] = frozenset()

    @classmethod
    def of_driver(cls) -> Script:
        """The main module of this process."""
        main = vars(sys.modules["__main__"])
        return cls(_facts(main), frozenset([*list(main), *_waiting]))


def _facts(main: Mapping[str, Any]) -> dict[str, Any]:
    plain = (str, type(None), list)
    found: dict[str, Any] = {name: main[name] for name in _FACTS if name in main}
    return {name: x for name, x in found.items() if isinstance(x, plain)}


def own_name(value: object) -> str | None:
    """The name under which the main module of this process defines `value`, or None."""
    if getattr(value, "__module__", None) != "__main__":
        return None
    name: object = getattr(value, "__qualname__", None)
    main = sys.modules.get("__main__")
    if not isinstance(name, str) or main is None or vars(main).get(name) is not value:
        return None
    return name


def definitions() -> dict[str, Any]:
    """The classes and functions that the main module of this process defines, by name."""
    main = dict(vars(sys.modules["__main__"]))
    names = [name for name, x in main.items() if isinstance(x, _KINDS)]
    return {name: main[name] for name in names if own_name(main[name]) == name}


# ---- in a process that receives the driver's program


class _Main(types.ModuleType):
    """Replaces the driver's main module, and loads definitions on first use."""

    def __getattr__(self, name: str) -> Any:
        if _load(name):
            return vars(self)[name]
        raise AttributeError(f"module '__main__' has no attribute {name!r}", name=name, obj=self)


_lock = threading.RLock()
_waiting: dict[str, Definition] = {}
_here: list[str] = []  # "worker" in our workers, "other" in a process with its own main module
# In a process of kind "other": the definitions that arrived, and the globals of their functions.
_arrived: dict[str, Any] = {}
_spaces: list[dict[str, Any]] = []
_own_space: dict[str, Any] = {}  # the globals of functions of the script, if it is not run here
_run_again: list[dict[str, Any]] = []  # the globals of the script, if it was run again here
_settled: set[str] = set()  # names that have got the driver's value, or keep their own
_kept: set[str] = set()  # names that the initializer of an executor has set


def stand_in() -> None:
    """Mark this process as a worker, whose main module may be replaced by the driver's."""
    _here[:] = ["worker"]


def is_worker() -> bool:
    """Whether the main module of this process replaces the driver's."""
    return _here == ["worker"]


def adopt(script: Script) -> None:
    """Prepare the main module of this process for the names of the driver's main module."""
    _waiting.clear()
    if not is_worker():
        _here[:] = ["other"]
        _adopt_beside(script)
        return
    main = _Main("__main__")
    vars(main).update({"__builtins__": __builtins__, **script.facts})
    sys.modules["__main__"] = main


def _adopt_beside(script: Script) -> None:
    """Let the names of the script, in a process with its own main module, be the driver's."""
    _settled.clear()
    _settled.update(_kept)
    space = _space(script.facts)
    space["__name__"] = "__main__"
    for names in (space, vars(sys.modules["__main__"])) if _run_again else (space,):
        for name in [name for name in names if name not in script.names and name not in _kept]:
            if not name.startswith("__"):
                del names[name]


def _space(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The globals of the script in this process: where it was run again, those of that run."""
    main = sys.modules["__main__"]
    if main.__name__ == "__mp_main__" and not _run_again:
        _run_again.append(_globals_of(main))
    if _run_again:
        return _run_again[0]
    if _facts(vars(main)) == dict(facts):  # a fork
        return vars(main)
    _own_space.update(facts)
    return _own_space


def _globals_of(main: types.ModuleType) -> dict[str, Any]:
    """The globals of the functions of a script that `multiprocessing` has run.

    It keeps a copy of them as the main module, so what functions set is not seen there.
    """
    known = list(vars(main).values())
    inner = [x for each in known if isinstance(each, type) for x in vars(each).values()]
    for x in (*known, *inner):
        if isinstance(x, types.FunctionType) and x.__globals__.get("__name__") == main.__name__:
            return x.__globals__
    return vars(main)


def namespace(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The globals for functions of the script in this process."""
    if is_worker():
        return vars(sys.modules["__main__"])
    return _space(facts) if _here else {"__name__": "__main__", **facts}


def keep(names: frozenset[str]) -> None:
    """Leave the names alone that the initializer of an executor has set in this process."""
    _kept.clear()
    _kept.update(names)


def take(waiting: Mapping[str, Definition], at_once: list[str]) -> None:
    """Keep definitions for later, and load some of them now."""
    if not _here:  # the driver itself
        return
    _waiting.update(waiting)
    for name in filter(_is_new, at_once):
        with suppress(Exception):  # it fails again on use, and the error is shown there
            _load(name)
    if not is_worker():
        _waiting.clear()
        for space in (vars(sys.modules["__main__"]), *_spaces):
            space.update(_arrived)
        _arrived.clear()
        _spaces.clear()


def _is_new(name: str) -> bool:
    """Whether the class does not exist here yet, or has bases that have been replaced."""
    known = None if is_worker() else vars(sys.modules["__main__"]).get(name)
    bases = known.__bases__ if isinstance(known, type) else ()
    return not bases or any(_arrived.get(base.__name__, base) is not base for base in bases)


def _load(name: str) -> bool:
    """Load a definition and all others that it needs. Returns whether the name is known."""
    with _lock:
        found = _waiting.pop(name, None)
        if found is None:
            return False
        main = vars(sys.modules["__main__"])
        try:
            made = pickle.loads(found.pickled)
        except BaseException:
            _waiting[name] = found
            raise
        (main if is_worker() else _arrived).setdefault(name, made)
        for needed in found.needs:
            if needed not in main:
                with suppress(Exception):
                    _load(needed)
        return True


def still_waiting() -> dict[str, Definition]:
    """The definitions that have not been used yet."""
    return dict(_waiting)


def load_all() -> dict[str, Any]:
    """All names of the driver's main module that can be loaded here."""
    for name in list(_waiting):
        with suppress(Exception):
            _load(name)
    return vars(sys.modules["__main__"])


def held(path: str) -> Any:
    """The value of a dotted name in the main module."""
    name, *inner = path.split(".")
    found: Any = _arrived[name] if name in _arrived else getattr(sys.modules["__main__"], name)
    for part in inner:
        found = getattr(found, part)
    return found


def function(name: str | None, make: Callable[..., Any], *parts: Any) -> Any:
    """A function of the script: the existing one if the script is the main module here."""
    known = None if name is None or is_worker() else vars(sys.modules["__main__"]).get(name)
    if isinstance(known, types.FunctionType) and known.__code__ == parts[0]:
        if _here and all(known.__globals__ is not one for one in _spaces):
            _spaces.append(known.__globals__)
        return known
    return make(*parts)


def cached(name: str, wrapped: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A function with ``functools.lru_cache``: the existing one, or one with an empty cache."""
    known = None if is_worker() else vars(sys.modules["__main__"]).get(name)
    code = getattr(wrapped, "__code__", None)
    if code is not None and getattr(getattr(known, "__wrapped__", None), "__code__", None) == code:
        return known
    return functools.lru_cache(maxsize, typed)(wrapped)


def _is_due(name: str, there: Mapping[str, Any]) -> bool:
    """Whether a global of the script is to get the driver's value."""
    is_due = name not in there or (_here == ["other"] and name not in _settled)
    _settled.add(name)
    return is_due


def place(value: Any, state: tuple[str | None, Callable[..., Any], Any]) -> Any:
    """Finish a class or function of the script, and put it where pickle looks it up."""
    name, finish, content = state
    if isinstance(value, types.FunctionType):
        attributes, slots = content
        there = value.__globals__
        names = {n: x for n, x in slots["__globals__"].items() if _is_due(n, there)}
        content = attributes, {**slots, "__globals__": names}
        if _run_again and there is _run_again[0]:
            vars(sys.modules["__main__"]).update(names)
    else:
        type.__setattr__(value, "__qualname__", content[0])
        content = content[1]
    made = finish(value, content)
    if name is not None and is_worker():
        vars(sys.modules["__main__"]).setdefault(name, value)
    elif name is not None and _here:
        _arrived.setdefault(name, value)
    return made


# ---- pools that settings start


class _Spec(ModuleSpec):
    """The spec of a worker's main module: makes `multiprocessing` run another module in its place.

    The new interpreters find the payload by an environment variable, which is set on first use of
    the name.
    """

    def __init__(self, handle: Callable[[], Any]) -> None:
        super().__init__("__main__", None)
        self._handle = handle

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.__dict__.get("_handle") is not None and HANDLE not in os.environ:
            with suppress(Exception):  # a pool that needs it fails later, with an error
                os.environ[HANDLE] = pickle.dumps(self._handle()).hex()
        return POOL_MAIN

    @name.setter
    def name(self, name: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pass


def hand_on(handle: Callable[[], Any]) -> None:
    """Let the pools of this process take the names from a payload, given by its handle."""
    os.environ.pop(HANDLE, None)
    sys.modules["__main__"].__spec__ = _Spec(handle)


def in_pool() -> dict[str, Any]:
    """The names of the driver's main module, in a process of a pool that a setting started."""
    from superparams.executor.payload.attachment import Handle, attach

    handle = pickle.loads(bytes.fromhex(os.environ[HANDLE]))
    stand_in()
    attached = attach(cast("Handle", handle))
    attached.load()
    names = load_all()
    hidden = ("__name__", "__builtins__", "__spec__", "__loader__")
    return {name: x for name, x in names.items() if name not in hidden}
