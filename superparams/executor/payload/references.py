"""Pickles values of libraries by name that cloudpickle would pickle by value.

cloudpickle refers to a class by name only if the module that the class names is loaded. Classes of
libraries often name another module: a public one, which may load on demand (`numpy.rec`), or which
is only an attribute of its package.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from superparams.identity.source_texts import INSTALLED

__all__ = ["attribute_at", "by_name", "instance_by_name", "is_importable", "is_library"]

# Modules that are not searched: those of a script, and the module that types without a public name
# give, such as the type of functions.
_UNSEARCHED: Final = ("__main__", "__mp_main__", "builtins")


def by_name(value: object) -> tuple[Any, ...] | None:
    """How pickle finds a class or function of a library by name; None to let cloudpickle decide."""
    module: object = getattr(value, "__module__", None)
    path: object = getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    if "<" in path or module in _UNSEARCHED:
        return None
    is_known = attribute_at(sys.modules.get(module), path) is value
    if is_known or not is_library(module.partition(".")[0]):
        return None
    for name, inner_path in _candidates(module, path):
        if attribute_at(sys.modules.get(name), inner_path) is value:
            return load_attribute, (name, inner_path)
    return None


def is_importable(module: str, value: Any) -> bool:
    """Whether a loaded module has the value under the value's own dotted name."""
    return attribute_at(sys.modules.get(module), str(value.__qualname__)) is value


def _candidates(module: str, path: str) -> Iterator[tuple[str, str]]:
    """Modules that may have the value, each with the path in it; likely modules first."""
    if module not in sys.modules:
        with suppress(Exception):  # there is no such module, or it cannot be imported
            importlib.import_module(module)
            yield module, path
    package, first = module.partition(".")[0], path.partition(".")[0]
    for name, loaded in list(sys.modules.copy().items()):
        if name == package or name.startswith(f"{package}."):
            names = getattr(loaded, "__dict__", {})
            if names.get("__spec__") is not None and first in names:
                yield name, path
    parent, _, attributes = module.rpartition(".")
    while parent:
        if parent in sys.modules:
            yield parent, f"{attributes}.{path}"
        parent, _, name = parent.rpartition(".")
        attributes = f"{name}.{attributes}"


def attribute_at(module: object, path: str) -> object:
    """The value of a dotted name in a module, or None."""
    value: object = module
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except Exception:  # a module may import the attribute, and that may fail
            return None
    return value


def load_attribute(module: str, path: str) -> Any:
    """Import a module, and return the value of a dotted name in it."""
    value: Any = importlib.import_module(module)
    for name in path.split("."):
        value = getattr(value, name)
    return value


def instance_by_name(value: object) -> tuple[Any, ...] | None:
    """How pickle looks up a value with the name of its class, such as `sys.version_info`."""
    kind: type[Any] = value.__class__
    module, name = kind.__module__, kind.__qualname__
    if module == "sys" and vars(sys).get(name) is value:
        return load_attribute, (module, name)
    return None


def is_library(package: str) -> bool:
    """Whether a package comes with Python or was installed."""
    if package in sys.stdlib_module_names or package == "superparams":
        return True
    loaded: types.ModuleType | None = sys.modules.get(package)
    file: object = getattr(loaded, "__file__", None)
    return isinstance(file, str) and not INSTALLED.isdisjoint(Path(file).parts)
