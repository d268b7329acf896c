"""The driver's `__main__` in other processes: its classes and functions under their own names.

What is defined in a script or a notebook travels by value. A worker's `__main__` is another module,
and pickle looks classes and functions up by name: so each one is put there under its name. What
settings reach is there when the program has arrived. The other definitions of the script are loaded
when somebody asks `__main__` for them, as ``pickle.loads`` does for what stands in a file.

A pool that a setting starts with fresh interpreters would run the script again in each of them.
Workers have it run `superparams.payload.pool_main` instead, which takes the names from the payload.
"""

from __future__ import annotations

import base64
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

__all__ = ["Definition", "Names", "Script", "adopt", "hand_on", "in_pool", "is_worker", "stand_in"]

POOL_MAIN: Final = "superparams.payload.pool_main"
HANDLE: Final = "SUPERPARAMS_POOL_MAIN"
_FACTS: Final = ("__file__", "__doc__", "__package__", "__path__")
Cached: Final[type[Any]] = type(functools.lru_cache(id))  # what `functools.cache` makes
_KINDS: Final = (type, types.FunctionType, Cached)


class Definition(NamedTuple):
    """A class or function of the script that no setting reaches by name.

    pickled: by value; needs: other definitions that its functions refer to.
    """

    pickled: bytes
    needs: tuple[str, ...]


class Names:
    """Stands in a pickle for the definitions of the script that are not in it otherwise."""


class Script(NamedTuple):
    """What the driver's main module says of itself, by the names of its attributes."""

    facts: Mapping[str, Any]

    @classmethod
    def of_driver(cls) -> Script:
        """The main module of this process."""
        known = vars(sys.modules["__main__"])
        plain = (str, type(None), list)
        found: dict[str, Any] = {name: known[name] for name in _FACTS if name in known}
        return cls({name: x for name, x in found.items() if isinstance(x, plain)})


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


# ---- in a process that the driver's program arrives in


class _Main(types.ModuleType):
    """Stands in for the driver's main module; loads definitions when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if _load(name):
            return vars(self)[name]
        raise AttributeError(f"module '__main__' has no attribute {name!r}", name=name, obj=self)


_lock = threading.RLock()
_waiting: dict[str, Definition] = {}
_here: list[str] = []  # "worker" in one of ours, "other" where the main module is another's
# In another's process: the names that arrived, and where functions of the script look names up.
_arrived: dict[str, Any] = {}
_spaces: list[dict[str, Any]] = []


def stand_in() -> None:
    """Be a worker: the main module of this process is nobody's, and may become the driver's."""
    _here[:] = ["worker"]


def is_worker() -> bool:
    """Whether the main module of this process stands in for the driver's."""
    return _here == ["worker"]


def adopt(script: Script) -> None:
    """Make way for the names of the driver's main module, which is that of another process."""
    _waiting.clear()
    if not is_worker():
        _here[:] = ["other"]
        return
    main = _Main("__main__")
    vars(main).update({"__builtins__": __builtins__, **script.facts})
    sys.modules["__main__"] = main


def namespace(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where functions of the script look up names here."""
    return vars(sys.modules["__main__"]) if is_worker() else {"__name__": "__main__", **facts}


def take(waiting: Mapping[str, Definition], at_once: list[str]) -> None:
    """Have definitions at hand, and load some of them now."""
    if not _here:  # the driver itself
        return
    _waiting.update(waiting)
    for name in filter(_is_new, at_once):
        with suppress(Exception):  # it fails again where it is asked for, and is told there
            _load(name)
    if not is_worker():
        _waiting.clear()
        for space in (vars(sys.modules["__main__"]), *_spaces):
            space.update(_arrived)
        _arrived.clear()
        _spaces.clear()


def _is_new(name: str) -> bool:
    """Whether there is no such class yet, or one whose bases have been replaced."""
    known = None if is_worker() else vars(sys.modules["__main__"]).get(name)
    bases = known.__bases__ if isinstance(known, type) else ()
    return not bases or any(_arrived.get(base.__name__, base) is not base for base in bases)


def _load(name: str) -> bool:
    """Load a definition and all that it needs; whether there is one of that name."""
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
    """The definitions that nobody has asked for yet."""
    return dict(_waiting)


def load_all() -> dict[str, Any]:
    """All names of the driver's main module that can be had here."""
    for name in list(_waiting):
        with suppress(Exception):
            _load(name)
    return vars(sys.modules["__main__"])


def held(path: str) -> Any:
    """What the main module holds under a dotted name."""
    name, *inner = path.split(".")
    found: Any = _arrived[name] if name in _arrived else getattr(sys.modules["__main__"], name)
    for part in inner:
        found = getattr(found, part)
    return found


def function(name: str | None, make: Callable[..., Any], *parts: Any) -> Any:
    """A function of the script: where the script itself is the main module, the one of that."""
    known = None if name is None or is_worker() else vars(sys.modules["__main__"]).get(name)
    if isinstance(known, types.FunctionType) and known.__code__ == parts[0]:
        if _here and all(known.__globals__ is not one for one in _spaces):
            _spaces.append(known.__globals__)
        return known
    return make(*parts)


def cached(name: str, wrapped: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """A function under ``functools.lru_cache``, with an empty cache where it is new."""
    known = None if is_worker() else vars(sys.modules["__main__"]).get(name)
    code = getattr(wrapped, "__code__", None)
    if code is not None and getattr(getattr(known, "__wrapped__", None), "__code__", None) == code:
        return known
    return functools.lru_cache(maxsize, typed)(wrapped)


def place(value: Any, state: tuple[str | None, Callable[..., Any], Any]) -> Any:
    """Finish a class or function of the script, and put it where pickle looks for it."""
    name, finish, content = state
    if isinstance(value, types.FunctionType):
        attributes, slots = content
        there = value.__globals__
        names = {n: x for n, x in slots["__globals__"].items() if n not in there}
        content = attributes, {**slots, "__globals__": names}
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
    """Of a worker's main module, for `multiprocessing`: what fresh interpreters run in its place.

    They find the payload through the environment, which is set when the name is asked for.
    """

    def __init__(self, handle: Callable[[], Any]) -> None:
        super().__init__("__main__", None)
        self._handle = handle

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.__dict__.get("_handle") is not None and HANDLE not in os.environ:
            with suppress(Exception):  # then a pool fails that needs it, and says so
                os.environ[HANDLE] = base64.b64encode(pickle.dumps(self._handle())).decode()
        return POOL_MAIN

    @name.setter
    def name(self, name: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        pass


def hand_on(handle: Callable[[], Any]) -> None:
    """Have the pools of this process take the names from a payload, given by its handle."""
    os.environ.pop(HANDLE, None)
    sys.modules["__main__"].__spec__ = _Spec(handle)


def in_pool() -> dict[str, Any]:
    """The names of the driver's main module, in a process of a pool that a setting started."""
    from superparams.payload.attaching import Handle, attach

    handle = pickle.loads(base64.b64decode(os.environ[HANDLE]))
    stand_in()
    attached = attach(cast("Handle", handle))
    attached.load()
    names = load_all()
    hidden = ("__name__", "__builtins__", "__spec__", "__loader__")
    return {name: x for name, x in names.items() if name not in hidden}
