"""Actions for the moment when a module is loaded, by whomever."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["when_loaded"]

_actions: dict[str, dict[str, Callable[[], object]]] = {}


def when_loaded(module: str, key: str, action: Callable[[], object] | None) -> None:
    """Have something done once `module` has been loaded; in the place of what had that key.

    Args:
        module: Its full name; it is not loaded yet.
        key: What the action is called; None as `action` takes it back.
        action: What to do; its failure must not be that of the import.
    """
    if action is None:
        known = _actions.get(module, {})
        known.pop(key, None)
        if not known:
            _actions.pop(module, None)
        if not _actions:
            sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _Finder)]
        return
    _actions.setdefault(module, {})[key] = action
    if not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds what the other finders find, and has its loader tell when it is done."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _actions:
            return None
        others = [one for one in sys.meta_path if one is not self and hasattr(one, "find_spec")]
        spec = next(filter(None, (one.find_spec(name, path, target) for one in others)), None)
        loader: Any = getattr(spec, "loader", None)
        if loader is not None and hasattr(loader, "exec_module"):
            with suppress(AttributeError):  # a loader without attributes of its own
                loader.exec_module = _telling(loader.exec_module)
        return spec


def _telling(execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def run(module: ModuleType) -> None:
        execute(module)
        for action in list(_actions.get(module.__name__, {}).values()):
            with suppress(Exception):
                action()

    return run
