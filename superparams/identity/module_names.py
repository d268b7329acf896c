"""Names of classes, functions and modules that are the same in every process.

A file that runs as a script is the module ``__main__``, and has its own name when it is imported.
So ``__main__`` is replaced by the name by which the file would be imported. A worker does not start
from that file: the driver sends it the name (`set_main_name`).
"""

from __future__ import annotations

import functools
import os
import sys
import types
from pathlib import Path
from typing import Any

from superparams.identity.code.roots import dotted_path, experiments_folder
from superparams.identity.source_texts import is_loaded_or_on_disk, resolved_file

__all__ = [
    "LOCAL",
    "class_name",
    "class_of",
    "is_fileless",
    "main_name",
    "module_file",
    "module_name",
    "object_name",
    "set_main_name",
]

LOCAL = "<locals>"
_MAIN = ("__main__", "__mp_main__")
_main_name: list[str] = []  # from the driver, in a worker


def set_main_name(name: str) -> None:
    """Set the name of ``__main__`` in this process: a worker gets it from the driver."""
    _main_name[:] = [name]


def main_name() -> str:
    """The name by which the main module would be imported; ``"__main__"`` without a file.

    ``python digits.py`` gives ``"digits"``, ``python -m pkg.digits`` and ``python pkg/digits.py``
    (if ``pkg`` has an ``__init__.py``) give ``"pkg.digits"``. The name of a file in an experiments
    folder is its path from there: see `superparams.identity.code.roots`.
    """
    if _main_name:
        return _main_name[0]
    main = sys.modules.get("__main__")
    file = Path(getattr(main, "__file__", None) or "")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _MAIN:
        return _name_at(str(file.absolute()), str(spec.name).removesuffix(".__main__"))
    if not file.is_file():  # standard input has a file called <stdin>
        return "__main__"
    return _name_at(str(file.absolute()))


def module_file(name: str | None) -> Path | None:
    """The Python file of a loaded module; None for a notebook, ``-c`` and standard input."""
    file = getattr(sys.modules.get(name or ""), "__file__", None)
    path = Path(resolved_file(file)) if isinstance(file, str) else None
    if path is None or path.suffix != ".py":
        return None
    return path if is_loaded_or_on_disk(path) else None


def is_fileless(name: str | None) -> bool:
    """Whether the module `name` was made by running a text without a file."""
    module = sys.modules.get(name or "")
    if module is None or module_file(name) is not None:
        return False
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return name in _MAIN or (loader is None and getattr(module, "__file__", None) is None)


def _name_at(path: str, outside_experiments: str | None = None) -> str:
    """The name of the module at `path`; by default the name in its packages.

    Args:
        path: The file.
        outside_experiments: The name if the file is not in an experiments folder.
    """
    file = Path(os.path.normpath(path))
    folder = experiments_folder(file) if file.suffix == ".py" else None
    if folder is not None:
        return dotted_path(folder, file)
    if outside_experiments is not None:
        return outside_experiments
    names = [file.stem]
    folder = file.parent
    while folder.name.isidentifier() and (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names)


_cached_name_at = functools.lru_cache(maxsize=4096)(_name_at)


def module_name(name: str | None) -> str:
    """The name of a module in every process; for ``__main__`` see `main_name`."""
    if name in _MAIN:
        return main_name()
    file = getattr(sys.modules.get(name or ""), "__file__", None)
    return _cached_name_at(file, name) if name and isinstance(file, str) else name or "builtins"


def class_of(value: object) -> type[Any]:
    """``type(value)``; type checkers do not know the class if they do not know `value`."""
    return type(value)


def class_name(cls: type[Any]) -> str:
    """The name of `cls` in digests: ``"module:Qualified.name"``."""
    return f"{module_name(cls.__module__)}:{cls.__qualname__}"


def object_name(value: object) -> str | None:
    """The name of an importable function or class, or None.

    A lambda has no such name, and no object that was created inside a function. Two objects must
    not share a name: an object whose name means another object in its module has none either.
    """
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, types.BuiltinFunctionType) and module is None:
        module = "builtins"
    if not (isinstance(module, str) and isinstance(qualname, str)):
        return None
    if LOCAL in qualname or "<lambda>" in qualname:
        return None
    # A worker gets the functions of the driver's script by value: there is nothing to compare.
    if module not in _MAIN and not _is_bound(value, module, qualname):
        return None
    return f"{module_name(module)}:{qualname}"


def _is_bound(value: object, module: str, qualname: str) -> bool:
    if module == "builtins" and isinstance(value, type):
        return True  # NoneType and such types name this module, which does not define them
    bound: Any = sys.modules.get(module)
    for part in qualname.split("."):
        bound = getattr(bound, part, None)
    return bound is value or (bound == value and type(bound) is type(value))
