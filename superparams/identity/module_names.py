"""The names by which classes, functions and modules are known wherever they run.

A file run as a script is the module ``__main__`` there and has its own name when it is imported.
Both must name the same things, so ``__main__`` is replaced by the name the file would be imported
by. A worker is not started from that file: the driver sends it the name (`set_main_name`).
"""

from __future__ import annotations

import functools
import os
import sys
import types
from pathlib import Path
from typing import Any

from superparams.identity.code.roots import dotted_path, experiments_folder
from superparams.identity.source_texts import loaded_text, resolved_file

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
_given: list[str] = []


def set_main_name(name: str) -> None:
    """Say what ``__main__`` is called in this process: for workers, who get it from the driver."""
    _given[:] = [name]


def main_name() -> str:
    """The name by which the main module would be imported; ``"__main__"`` when it has no file.

    ``python digits.py`` gives ``"digits"``, ``python -m pkg.digits`` and ``python pkg/digits.py``
    (when ``pkg`` has an ``__init__.py``) give ``"pkg.digits"``. Files in an experiments folder are
    called by their path from there: see `superparams.identity.code.roots`.
    """
    if _given:
        return _given[0]
    main = sys.modules.get("__main__")
    file = Path(getattr(main, "__file__", None) or "")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in _MAIN:
        return _name_at(str(file.absolute()), str(spec.name).removesuffix(".__main__"))
    if not file.is_file():  # standard input has a file called <stdin>
        return "__main__"
    return _name_at(str(file.absolute()), None)


def module_file(name: str | None) -> Path | None:
    """The Python file of a loaded module; None for a notebook, ``-c`` and standard input."""
    file = getattr(sys.modules.get(name or ""), "__file__", None)
    path = Path(resolved_file(file)) if isinstance(file, str) else None
    if path is None or path.suffix != ".py":
        return None
    return path if path.is_file() or loaded_text(path) is not None else None


def is_fileless(name: str | None) -> bool:
    """Whether the module `name` was made by running text, not by importing anything."""
    module = sys.modules.get(name or "")
    if module is None or module_file(name) is not None:
        return False
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return name in _MAIN or (loader is None and getattr(module, "__file__", None) is None)


def _name_at(path: str, otherwise: str | None) -> str:
    """The name of the module at `path`; `otherwise` is what it is called outside of experiments."""
    file = Path(os.path.normpath(path))
    folder = experiments_folder(file) if file.suffix == ".py" else None
    if folder is not None:
        return dotted_path(folder, file)
    return _import_name(file) if otherwise is None else otherwise


def _import_name(file: Path) -> str:
    names = [file.stem]
    folder = file.parent
    while folder.name.isidentifier() and (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names)


def module_name(name: str | None) -> str:
    """`name` of a module as it is known everywhere: ``__main__`` by what it is imported by."""
    if name in _MAIN:
        return main_name()
    file = getattr(sys.modules.get(name or ""), "__file__", None)
    return _known_name(name, file) if name and isinstance(file, str) else name or "builtins"


@functools.lru_cache(maxsize=4096)
def _known_name(name: str, file: str) -> str:
    return _name_at(file, name)


def class_of(value: object) -> type[Any]:
    """``type(value)``, which type checkers take for unknown when they know nothing of `value`."""
    return type(value)


def class_name(cls: type[Any]) -> str:
    """The name of `cls` in digests: ``"module:Qualified.name"``."""
    return f"{module_name(cls.__module__)}:{cls.__qualname__}"


def object_name(value: Any) -> str | None:
    """The name of an importable function or class, or None when `value` has no such name.

    None is given for what is made inside a function, for a lambda, and for a name under which
    the module holds something else (two things must not share one name).
    """
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, types.BuiltinFunctionType) and module is None:
        module = "builtins"
    if not (isinstance(module, str) and isinstance(qualname, str)):
        return None
    if LOCAL in qualname or "<lambda>" in qualname:
        return None
    # A worker holds the functions of the driver's script by value: there is nothing to compare.
    if module not in _MAIN and not _is_there(value, module, qualname):
        return None
    return f"{module_name(module)}:{qualname}"


def _is_there(value: object, module: str, qualname: str) -> bool:
    if module == "builtins" and isinstance(value, type):
        return True  # NoneType and the like say that they are there, and are not
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is value or (found == value and type(found) is type(value))
