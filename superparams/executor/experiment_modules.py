"""How the files of an experiments folder become modules, in the driver and in its workers.

They are imported as ``<folder>.<path>``, so that ``experiments/random.py`` is
``experiments.random`` and never hides the `random` of Python. The folders between are packages,
with or without an ``__init__.py``. Where ``index.py`` and ``index/`` both are, the file is the
module, what the folder holds is found in it, and an ``__init__.py`` of the folder does not run.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from superparams.identity.code.roots import FOLDER_NAME, register_experiments

__all__ = ["Package", "adopt", "import_file", "install", "packages"]


class Package(NamedTuple):
    """An experiments folder as the package `name`.

    broken: modules that cannot be imported, but stand for a folder too.
    """

    name: str
    folder: Path
    broken: frozenset[str] = frozenset()


class _Spec(ModuleSpec):
    """Of a file that is a package because of the folder beside it: it imports as a file does."""

    @property
    def parent(self) -> str:
        return self.name.rpartition(".")[0]


class _Finder:
    def __init__(self, package: Package) -> None:
        self.package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, folder, broken = self.package
        if name != top and not name.startswith(f"{top}."):
            return None
        place = folder.joinpath(*name.split(".")[1:])
        file = place.with_name(f"{place.name}.py")
        if name != top and name not in broken and file.is_file():
            return _file_spec(name, file, place)
        return _folder_spec(name, place) if place.is_dir() else None


def _file_spec(name: str, file: Path, folder: Path) -> ModuleSpec | None:
    if not folder.is_dir():
        return spec_from_file_location(name, file)
    spec = _Spec(name, SourceFileLoader(name, str(file)), origin=str(file))
    spec.has_location = True
    spec.submodule_search_locations = [str(folder)]
    return spec


def _folder_spec(name: str, folder: Path) -> ModuleSpec | None:
    init = folder / "__init__.py"
    if init.is_file():
        return spec_from_file_location(name, init, submodule_search_locations=[str(folder)])
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return spec


def packages() -> list[Package]:
    """The experiments folders of this process, for others that need the same modules."""
    return [one.package for one in sys.meta_path if isinstance(one, _Finder)]


def adopt(known: Iterable[Package]) -> None:
    """Import from now on as in the process that these `packages` are of."""
    for package in known:
        others = [one for one in sys.meta_path if not _is_of(one, package)]
        sys.meta_path[:] = [_Finder(package), *others]
        register_experiments(package.folder)


def _is_of(finder: object, package: Package) -> bool:
    return isinstance(finder, _Finder) and finder.package.name == package.name


def install(folder: Path) -> Package:
    """Make an experiments folder importable; gives what it is imported as."""
    known = next((one for one in packages() if one.folder == folder), None)
    if known is None:
        known = Package(_free_name(folder), folder)
        adopt([known])
    return known


def _free_name(folder: Path) -> str:
    """The name of the folder, changed where something else has it that experiments may need."""
    name = folder.name.replace(".", "_") or FOLDER_NAME
    while name != FOLDER_NAME and _is_taken(name, folder):
        name = f"{name}_{FOLDER_NAME}"
    loaded = getattr(sys.modules.get(name), "__path__", None)
    if loaded is not None and str(folder) not in list(loaded):
        return f"{name}_"
    return name


def _is_taken(name: str, folder: Path) -> bool:
    if name in sys.stdlib_module_names or name == "superparams":
        return True
    try:
        spec = PathFinder.find_spec(name)
    except Exception:  # whatever finders are there
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin).parent != folder


def import_file(package: Package, name: str) -> ModuleType:
    """Import the module `name`, a dotted path from the folder of `package`.

    A file above it that cannot be imported does not matter where there is a folder of that name.
    """
    parts = name.split(".")
    for n in range(1, len(parts)):
        above = ".".join(parts[:n])
        if package.folder.joinpath(*parts[:n]).with_suffix(".py").is_file():
            _import_or_mark(f"{package.name}.{above}", package.name)
    return importlib.import_module(f"{package.name}.{name}")


def _import_or_mark(name: str, top: str) -> None:
    try:
        importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit too; it is told where that file itself is asked for
        known = next(one for one in packages() if one.name == top)
        adopt([known._replace(broken=known.broken | {name})])
