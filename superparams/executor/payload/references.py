"""What a worker can look up by name, although cloudpickle would take it apart.

cloudpickle refers to a class by name only where the module that the class names is loaded. Classes
of libraries often name another module: the public one, which may load on demand (`numpy.rec`), or
be no more than an attribute of its package.
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

__all__ = ["attribute", "by_name", "is_held", "is_library", "own_instance"]

# The names of a script, and the module that types without a public name, such as the type of
# functions, say that they are in.
_UNSEARCHED: Final = ("__main__", "__mp_main__", "builtins")


def by_name(value: Any) -> tuple[Any, ...] | None:
    """How to look up a class or function of a library; None where cloudpickle knows better."""
    module: object = getattr(value, "__module__", None)
    path: object = getattr(value, "__qualname__", None)
    if (
        not isinstance(module, str)
        or not isinstance(path, str)
        or "<" in path
        or module in _UNSEARCHED
    ):
        return None
    if _at(sys.modules.get(module), path) is value or not is_library(module.partition(".")[0]):
        return None
    for name, inner in _places(module, path):
        if _at(sys.modules.get(name), inner) is value:
            return attribute, (name, inner)
    return None


def is_held(module: str, value: Any) -> bool:
    """Whether a module that is loaded holds the value under its own dotted name."""
    return _at(sys.modules.get(module), str(value.__qualname__)) is value


def _places(module: str, path: str) -> Iterator[tuple[str, str]]:
    """Modules that may hold the value, each with the path in it; likely ones first."""
    if module not in sys.modules:
        with suppress(Exception):  # it is the name of no module, or of one that does not load
            importlib.import_module(module)
            yield module, path
    top, first = module.partition(".")[0], path.partition(".")[0]
    for name, one in list(sys.modules.items()):
        if name == top or name.startswith(f"{top}."):
            held = getattr(one, "__dict__", {})
            if held.get("__spec__") is not None and first in held:
                yield name, path
    package, _, rest = module.rpartition(".")
    while package:
        if package in sys.modules:
            yield package, f"{rest}.{path}"
        package, _, more = package.rpartition(".")
        rest = f"{more}.{rest}"


def _at(module: object, path: str) -> object:
    found: object = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except Exception:  # modules may load what they name, and fail
            return None
    return found


def attribute(module: str, path: str) -> Any:
    """What a module holds under a dotted name."""
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def own_instance(value: Any) -> tuple[Any, ...] | None:
    """How to look up what bears the name of its class, such as `sys.version_info`."""
    kind: type[Any] = value.__class__
    module, name = kind.__module__, kind.__qualname__
    if module == "sys" and vars(sys).get(name) is value:
        return attribute, (module, name)
    return None


def is_library(package: str) -> bool:
    """Whether a package comes with Python or was installed."""
    if package in sys.stdlib_module_names or package == "superparams":
        return True
    loaded: types.ModuleType | None = sys.modules.get(package)
    file: object = getattr(loaded, "__file__", None)
    return isinstance(file, str) and not INSTALLED.isdisjoint(Path(file).parts)
