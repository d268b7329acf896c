"""Finds the user's own files and the meaning of imports, without importing anything.

A file is the user's own if it is in the project or in a library of the user beside it. Such a
library is installed with ``pip install -e``, named in a ``.pth`` file or `PYTHONPATH`, or a
neighbour in the same repository. Virtual environments, installed packages, the standard library and
superparams itself are not the user's. Only the location of a file counts, not how Python finds it.
"""

from __future__ import annotations

import functools
import sys
import sysconfig
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from superparams.identity.code.module_source import Source, read_source
from superparams.identity.code.roots import is_installed
from superparams.identity.code.syntax import Imported
from superparams.identity.source_texts import is_loaded_or_on_disk, resolved_file

__all__ = ["Project"]

_SUPERPARAMS = Path(__file__).resolve().parents[2]
_ENVIRONMENT_FILES = ("pyvenv.cfg", "conda-meta")


class Project:
    """The project under `root`, and libraries of the user beside it.

    A `location` of a module is a file, or the folder of a package without ``__init__.py``.

    Attributes:
        as_on_disk: Whether to read the present files, even if another text was loaded.
        unseen: Sentences for the user about code without a text to read.
    """

    def __init__(self, root: Path, *, as_on_disk: bool = False, more: Iterable[Path] = ()) -> None:
        self.root = root
        self.as_on_disk = as_on_disk
        self.unseen: dict[str, None] = {}
        self._owned: dict[Path, bool] = {}
        self._modules: dict[tuple[Source, Imported], Path | None] = {}
        self._absolutes: dict[tuple[Path, str], Path | None] = {}
        self._loaded_modules: dict[str, Path | None] = {}
        self._outside: dict[Path, Path] = {}
        self._submodules: dict[tuple[Path, str], Path | None] = {}
        self._names: dict[Path, str] = {}
        self._sources: dict[Path, Source | None] = {}
        folders = [*(Path(entry or ".") for entry in sys.path), *more]
        self._path = [folder.resolve() for folder in folders]
        self._path_in_project = [entry for entry in self._path if entry.is_relative_to(root)]

    def owns(self, path: Path) -> bool:
        """Whether the file at `path` is the user's own."""
        folder = path.parent
        if folder not in self._owned:
            self._owned[folder] = _is_own_folder(folder, self.root)
        return self._owned[folder]

    def source(self, location: Path) -> Source | None:
        """The text of a module; None for a folder or an unreadable file."""
        if location not in self._sources:
            source = None
            if location.suffix == ".py":
                source = read_source(location, self.name(location), as_on_disk=self.as_on_disk)
            self._sources[location] = source
        return self._sources[location]

    def name(self, path: Path) -> str:
        """The dotted name of a file, from its path under the root of the project or library."""
        if path not in self._names:
            library = self.library(path)
            parts = list(path.relative_to(library or self.root).with_suffix("").parts)
            if parts[-1:] == ["__init__"]:
                parts.pop()
            if library is None and parts[:1] == ["src"]:
                del parts[0]
            self._names[path] = ".".join(parts) or path.stem
        return self._names[path]

    def library(self, path: Path) -> Path | None:
        """The folder from which the library of a file is imported; None for a project file."""
        if path.is_relative_to(self.root):
            return None
        folder = _outside_packages(path.parent)
        # There may be packages without an `__init__.py` between the entry of `sys.path` and this.
        above = [entry for entry in self._path if folder.is_relative_to(entry)]
        return max(above, key=lambda entry: len(entry.parts), default=folder)

    def module(self, source: Source, imported: Imported) -> Path | None:
        """The location of the module that `source` imports (from); None if it is not own code."""
        key = (source, imported)
        if key not in self._modules:
            folder = source.path.parent
            self._modules[key] = (
                self._relative(folder, imported)
                if imported.level
                else self._absolute(self._outside_packages(folder), imported.module)
            )
        return self._modules[key]

    def submodule(self, location: Path, name: str) -> Path | None:
        """The location of the module `name` in the package at `location`."""
        key = (location, name)
        if key not in self._submodules:
            is_file = location.suffix == ".py"
            inner = None
            if not is_file or location.name == "__init__.py":
                folder = location.parent if is_file else location
                inner = self._below(folder, name) or self._loaded(f"{self.name(location)}.{name}")
            self._submodules[key] = inner
        return self._submodules[key]

    def _relative(self, folder: Path, imported: Imported) -> Path | None:
        for _ in range(imported.level - 1):
            folder = folder.parent
        return self._below(folder, imported.module)

    def _below(self, folder: Path, name: str) -> Path | None:
        """The location of the dotted `name` below `folder`; `folder` itself for an empty name."""
        package = folder.joinpath(*name.split(".")) if name else folder
        exists = Path.is_file if self.as_on_disk else is_loaded_or_on_disk
        for file in (package / "__init__.py", package.with_name(f"{package.name}.py")):
            if exists(file):
                return file if self.owns(file) else None
        return package if package.is_dir() and self.owns(package / "_") else None

    def _absolute(self, folder: Path, name: str) -> Path | None:
        """The location of the module `name` for files whose own imports begin at `folder`."""
        key = (folder, name)
        if key not in self._absolutes:
            self._absolutes[key] = self._find_absolute(folder, name)
        return self._absolutes[key]

    def _find_absolute(self, folder: Path, name: str) -> Path | None:
        top = name.partition(".")[0]
        # In this process, the name means the loaded module.
        if _loaded_file(name) is not None:
            return self._loaded(name)
        if _loaded_file(top) is not None and self._absolute(folder, top) is None:
            return None
        for entry in dict.fromkeys([folder, *self._path_in_project, self.root, self.root / "src"]):
            location = self._below(entry, name)
            if location is not None:
                return location
        return self._in_library(top, name)

    def _loaded(self, name: str) -> Path | None:
        """The file of a loaded module, if it is own code."""
        if name not in self._loaded_modules:
            self._loaded_modules[name] = self._find_loaded(name)
        return self._loaded_modules[name]

    def _find_loaded(self, name: str) -> Path | None:
        loaded = _loaded_file(name)
        file = Path(resolved_file(loaded)) if loaded is not None else None
        if file is None or not self.owns(file):
            return None
        if file.suffix == ".py" and is_loaded_or_on_disk(file):
            return file
        self.unseen[f"{name} has no text to read ({file.name}): edits of it do not count"] = None
        return None

    def _in_library(self, top: str, name: str) -> Path | None:
        """The location of a module that is not loaded, by the finders of Python."""
        if top in sys.stdlib_module_names or top in ("", "superparams"):
            return None
        try:
            spec = find_spec(top)
        except Exception:  # finders may be code of the user
            return None
        locations = () if spec is None else spec.submodule_search_locations or (spec.origin or "",)
        for location in locations:
            path = Path(location).resolve()
            if path.suffix == ".py":
                return path if name == top and self.owns(path) else None
            if self.owns(path / "_"):
                module = self._below(path, name[len(top) + 1 :])
                if module is not None:
                    return module
        return None

    def _outside_packages(self, folder: Path) -> Path:
        if folder not in self._outside:
            self._outside[folder] = _outside_packages(folder, self.root)
        return self._outside[folder]


def _outside_packages(folder: Path, last: Path | None = None) -> Path:
    """The first folder without ``__init__.py``, from `folder` upwards; at most `last`."""
    while (folder / "__init__.py").is_file() and folder != last:
        folder = folder.parent
    return folder


def _loaded_file(name: str) -> str | None:
    """The file of a loaded module."""
    file: object = getattr(sys.modules.get(name), "__file__", None)
    return file if isinstance(file, str) else None


def _is_own_folder(folder: Path, root: Path) -> bool:
    """Whether the files in `folder` are the user's own; `root` is the folder of the project."""
    if folder.is_relative_to(_SUPERPARAMS) or _is_standard_library(folder):
        return False
    # A folder above the project does not count: the project itself may be in an environment.
    folders = [step for step in (folder, *folder.parents) if not root.is_relative_to(step)]
    if any(map(_is_environment, folders)):
        return False
    if folder.is_relative_to(root):
        return not is_installed(folder.relative_to(root))
    return not (is_installed(folder) or any(map(_is_install_target, folders)))


@functools.lru_cache(maxsize=4096)
def _is_environment(folder: Path) -> bool:
    return any((folder / name).exists() for name in _ENVIRONMENT_FILES)


@functools.lru_cache(maxsize=4096)
def _is_install_target(folder: Path) -> bool:
    """Whether packages were installed into a folder, as by ``pip install --target``."""
    return next(folder.glob("*.dist-info/RECORD"), None) is not None


@functools.cache
def _is_standard_library(folder: Path) -> bool:
    paths = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return any(folder.is_relative_to(path) for path in paths)
