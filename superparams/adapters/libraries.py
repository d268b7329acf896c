"""Finds the adapter of a class: those in the files here, and those that packages register.

What is known of a library stands in the file ``<name of the library>_library.py`` of this folder,
as `LIBRARY`. A package registers its own `Library` as an entry point of the group
``superparams.adapters``, under the name of the library::

    [project.entry-points."superparams.adapters"]
    mylibrary = "mylibrary_superparams:LIBRARY"

Adapters are found by the package that a class, or a class that it inherits from, is defined in. So
the library is loaded already, and nothing is loaded for libraries that are not used. The lists of
entry points are read when the first value of an unknown package comes by.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Final

from superparams.errors import SuperparamsError

if TYPE_CHECKING:  # loaded with the first library, since `import superparams` is to be quick
    from superparams.adapters.adapter import Adapter, Library

__all__ = ["GROUP", "adapter_for", "adapter_of", "library_named", "library_of"]

GROUP: Final = "superparams.adapters"
_NO_LIBRARIES: Final = sys.stdlib_module_names | {"superparams", "__main__", "__mp_main__", ""}

_plain: Final = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)
_adapters: dict[type[Any], Adapter | None] = dict.fromkeys(_plain)
_libraries: dict[str, Library | None] = {}
_entry_points: dict[str, tuple[str, str]] = {}  # by library: the object, and who registers it
_is_read: list[bool] = []


def adapter_of(value: object) -> Adapter | None:
    """The adapter for a value; None if it is of no library that superparams knows."""
    try:
        return _adapters[type(value)]
    except KeyError:
        return adapter_for(type(value))


def adapter_for(kind: type[Any]) -> Adapter | None:
    """The adapter for the values of a class: that of the first class of its ``__mro__``."""
    if kind not in _adapters:
        _adapters[kind] = _find(kind)
    return _adapters[kind]


def library_of(kind: type[Any]) -> str:
    """The package that a class is defined in; empty where its ``__module__`` is not a name."""
    module: Any = kind.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


def _find(kind: type[Any]) -> Adapter | None:
    if hasattr(kind, "__superparams_fields__"):
        return None
    for parent in kind.__mro__:
        library = library_named(library_of(parent))
        if library is not None and parent.__name__ in library.adapters:
            return library.adapters[parent.__name__]
    return None


def library_named(name: str) -> Library | None:
    """What is known of the library with this name; None if nothing is.

    Raises:
        SuperparamsError: If a package registers an adapter that cannot be loaded.
    """
    try:
        return _libraries[name]
    except KeyError:
        pass
    library = _of_this_folder(name) if name.isidentifier() else None
    if library is None and name not in _NO_LIBRARIES:
        library = _registered(name)
    _libraries[name] = library
    return library


def _of_this_folder(name: str) -> Library | None:
    from importlib.util import find_spec

    module = f"{__package__}.{name}_library"
    if find_spec(module) is None:
        return None
    library: Library = importlib.import_module(module).LIBRARY
    return library


def _registered(name: str) -> Library | None:
    from superparams.adapters.adapter import Library
    from superparams.adapters.entry_points import loaded, registered

    if not _is_read:
        for library, target, owner in registered(GROUP):
            _entry_points.setdefault(library, (target, owner))
        _is_read.append(True)
    if name not in _entry_points:
        return None
    target, owner = _entry_points[name]
    try:
        adapter = loaded(target)
    except Exception as error:
        raise SuperparamsError(
            f"the adapter for {name}, {target!r} of {owner}, cannot be loaded: "
            f"{type(error).__name__}: {error}. Repair or uninstall {owner}"
        ) from error
    if not isinstance(adapter, Library):
        raise SuperparamsError(
            f"the adapter for {name}, {target!r} of {owner}, is {adapter!r:.80}; "
            "it must be a superparams.adapters.adapter.Library"
        )
    return adapter
