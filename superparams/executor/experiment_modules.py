"""Makes modules of the files in an experiments folder, in the driver and in its workers.

They are imported as ``<folder>.<path>``, so that ``experiments/random.py`` is
``experiments.random`` and never hides the `random` of Python. The folders on the way are packages,
with or without an ``__init__.py``. If there are ``index.py`` and ``index/``, the file is the module
and also the package of the files in the folder, whose ``__init__.py`` does not run.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import cache_from_source, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from superparams.identity.code.roots import FOLDER_NAME, register_experiments

__all__ = ["Package", "adopt_packages", "experiment_packages", "import_file", "package_of"]


class Package(NamedTuple):
    """An experiments folder as a package.

    Attributes:
        name: The name of the package.
        folder: The folder.
        broken: Modules whose file cannot be imported, so that the folder of that name is used.
    """

    name: str
    folder: Path
    broken: frozenset[str] = frozenset()


class _FileSpec(ModuleSpec):
    """The spec of a file with a folder beside it: a package that imports as a module does."""

    @property
    def parent(self) -> str:
        return self.name.rpartition(".")[0]


class _PackageFinder:
    def __init__(self, package: Package) -> None:
        self.package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, root, broken = self.package
        if name != top and not name.startswith(f"{top}."):
            return None
        folder = root.joinpath(*name.split(".")[1:])
        file = folder.with_name(f"{folder.name}.py")
        if name != top and name not in broken and file.is_file():
            return _file_spec(name, file, folder)
        # The experiments folder itself may not be there: its modules then come as texts.
        return _folder_spec(name, folder) if name == top or folder.is_dir() else None


def _file_spec(name: str, file: Path, folder: Path) -> ModuleSpec | None:
    if not folder.is_dir():
        return spec_from_file_location(name, file)
    spec = _FileSpec(name, SourceFileLoader(name, str(file)), origin=str(file))
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


def experiment_packages() -> list[Package]:
    """The experiments folders of this process, for others that need the same modules."""
    return [finder.package for finder in sys.meta_path if isinstance(finder, _PackageFinder)]


def adopt_packages(packages: Iterable[Package]) -> None:
    """Import the files of these experiments folders from now on, as another process does."""
    for package in packages:
        others = [finder for finder in sys.meta_path if not _is_finder_of(finder, package)]
        sys.meta_path[:] = [_PackageFinder(package), *others]
        register_experiments(package.folder)


def _is_finder_of(finder: object, package: Package) -> bool:
    return isinstance(finder, _PackageFinder) and finder.package.name == package.name


def package_of(folder: Path) -> Package:
    """Make an experiments folder importable, and return its package."""
    for package in experiment_packages():
        if package.folder == folder:
            return package
    package = Package(_free_name(folder), folder)
    adopt_packages([package])
    return package


def _free_name(folder: Path) -> str:
    """The name of the folder, with a suffix if an installed package has this name."""
    name = folder.name.replace(".", "_") or FOLDER_NAME
    while name != FOLDER_NAME and _is_taken(name, folder):
        name = f"{name}_{FOLDER_NAME}"
    search_path = getattr(sys.modules.get(name), "__path__", None)
    if search_path is not None and str(folder) not in list(search_path):
        return f"{name}_"
    return name


def _is_taken(name: str, folder: Path) -> bool:
    if name in sys.stdlib_module_names or name == "superparams":
        return True
    try:
        spec = PathFinder.find_spec(name)
    except Exception:  # finders of others may raise any error
        return False
    return spec is not None and spec.origin is not None and Path(spec.origin).parent != folder


def import_file(package: Package, name: str) -> ModuleType:
    """Import a file of an experiments folder.

    A file above it that cannot be imported is ignored if there is a folder of that name.

    Args:
        package: The package of the experiments folder.
        name: The dotted path of the file from the folder.
    """
    parts = name.split(".")
    for n in range(1, len(parts)):
        parent = ".".join(parts[:n])
        if package.folder.joinpath(*parts[:n]).with_suffix(".py").is_file():
            _import_or_mark(f"{package.name}.{parent}", package.name)
    _drop_outdated_copy(package.folder.joinpath(*parts).with_suffix(".py"))
    return importlib.import_module(f"{package.name}.{name}")


def _drop_outdated_copy(file: Path) -> None:
    """Remove Python's compiled copy of a file that was written after it.

    Python compares whole seconds, and takes the copy of a file that was written twice within one.
    """
    with suppress(OSError, NotImplementedError):
        copy = cache_from_source(os.fspath(file))
        if os.stat(copy).st_mtime_ns < os.stat(file).st_mtime_ns:
            os.unlink(copy)


def _import_or_mark(name: str, top: str) -> None:
    try:
        importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # SystemExit too; an import of this file itself raises the error
        package = next(package for package in experiment_packages() if package.name == top)
        adopt_packages([package._replace(broken=package.broken | {name})])
