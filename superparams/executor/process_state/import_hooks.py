"""Calls functions after a module is loaded, or enters a context while one is loaded."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.machinery import (
    ExtensionFileLoader,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import ModuleType
from typing import Any

__all__ = ["around_loading", "when_loaded"]

# Each instance of these classes loads one module, so its method can be replaced for this module.
_FILE_LOADERS = (SourceFileLoader, SourcelessFileLoader, ExtensionFileLoader)
Around = Callable[[], AbstractContextManager[object]]
_actions: dict[str, dict[str, Callable[[], object]]] = {}
_contexts: list[Around] = []  # one at most


class _ThreadState(threading.local):
    """The modules that this thread is searching, and the depth of its nested imports."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.depth = 0


_thread = _ThreadState()


def around_loading(context: Around | None) -> None:
    """Enter a context whenever a module and its imports are loaded; None ends that."""
    _contexts[:] = [] if context is None else [context]
    _update_finder()


def when_loaded(module: str, key: str, action: Callable[[], object] | None) -> None:
    """Call `action` once `module` has been loaded.

    Args:
        module: The full name of a module that is not loaded yet.
        key: A name for the action; it replaces an earlier action with this name.
        action: Called without arguments. Its errors are ignored. None removes the earlier action.
    """
    if action is None:
        actions = _actions.get(module, {})
        actions.pop(key, None)
        if not actions:
            _actions.pop(module, None)
    else:
        _actions.setdefault(module, {})[key] = action
    _update_finder()


def _update_finder() -> None:
    """Install the finder while there is an action or a context, and remove it otherwise."""
    is_there = any(isinstance(finder, _Finder) for finder in sys.meta_path)
    if not (_actions or _contexts):
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    elif not is_there:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds modules with the other finders, and wraps the method that executes the module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # Another finder may ask all finders, and must not get its own question back.
        if name in _thread.names or not (name in _actions or _contexts):
            return None
        _thread.names.add(name)
        try:
            others = [
                finder
                for finder in sys.meta_path
                if finder is not self and hasattr(finder, "find_spec")
            ]
            spec = next(
                filter(None, (finder.find_spec(name, path, target) for finder in others)), None
            )
        finally:
            _thread.names.discard(name)
        loader: Any = getattr(spec, "loader", None)
        has_actions = name in _actions and hasattr(loader, "exec_module")
        if has_actions or isinstance(loader, _FILE_LOADERS):
            with suppress(AttributeError):  # a loader without attributes of its own
                setattr(loader, "exec_module", _with_actions(loader.exec_module))  # noqa: B010
        return spec


def _with_actions(execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def run(module: ModuleType) -> None:
        is_outermost = _thread.depth == 0
        _thread.depth += 1
        try:
            with _contexts[0]() if _contexts and is_outermost else nullcontext():
                execute(module)
        finally:
            _thread.depth -= 1
        for action in list(_actions.get(module.__name__, {}).values()):
            with suppress(Exception):
                action()

    return run
