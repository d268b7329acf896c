"""Imports the code of a run in workers from the texts that the driver runs.

A worker may start long after the driver, for example under ``spawn`` or when it replaces another
worker. It must run the code that the run recorded, even if the files have changed since.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from superparams.identity.source_texts import INSTALLED, unload_other_texts

__all__ = [
    "Snapshot",
    "import_from",
    "import_patching_modules",
    "importing_from",
    "project_folders",
]


class Snapshot(NamedTuple):
    """The code of a run.

    Attributes:
        texts: The texts of the files, by their resolved paths.
        files: The `__file__` and the resolved path of each module that the driver has loaded from
            them, by its name. In workers this name means this file, even if an import would now
            find another one.
        patching_modules: Modules that change other modules when they are imported, in the order
            of their import.
        search_path: The folders of the project in the `sys.path` of the driver.
    """

    texts: Mapping[str, bytes] = {}
    files: Mapping[str, tuple[str, str]] = {}
    patching_modules: Sequence[str] = ()
    search_path: Sequence[str] = ()


def project_folders() -> list[str]:
    """The folders in `sys.path` that have neither Python itself nor installed packages."""
    python = os.path.dirname(os.path.realpath(os.__file__))
    folders = dict.fromkeys(os.path.abspath(folder) for folder in sys.path)
    return [
        folder
        for folder in folders
        if os.path.isdir(folder)
        and INSTALLED.isdisjoint(Path(folder).parts)
        and not Path(os.path.realpath(folder)).is_relative_to(python)
    ]


def import_from(snapshot: Snapshot) -> None:
    """Import the files of a snapshot from its texts, from now on.

    A worker of an executor may have other folders in `sys.path` than the driver. The folders of the
    driver are added at the end.

    A module that this process has loaded from another text is unloaded, and imported again. In a
    fork of a process with the same snapshot, this does nothing.
    """
    known_folders = set(map(os.path.abspath, sys.path))
    sys.path += [folder for folder in snapshot.search_path if folder not in known_folders]
    finders = [finder for finder in sys.meta_path if isinstance(finder, _SnapshotFinder)]
    if any(finder.is_for_good and finder.texts is snapshot.texts for finder in finders):
        return
    sys.meta_path[:] = [
        finder for finder in sys.meta_path if not isinstance(finder, _SnapshotFinder)
    ]
    if snapshot.texts:
        sys.meta_path.insert(0, _SnapshotFinder(snapshot, is_for_good=True))
        unload_other_texts(snapshot.texts)


def import_patching_modules(snapshot: Snapshot) -> None:
    """Import the modules that change others, since the script that imports them is not run."""
    for name in snapshot.patching_modules:
        # If a setting needs a module that cannot be imported, it fails with the error.
        with suppress(Exception):
            importlib.import_module(name)


@contextmanager
def importing_from(snapshot: Snapshot) -> Generator[None]:
    """A context in which the driver imports the files of a snapshot from its texts."""
    finder = _SnapshotFinder(snapshot, is_for_good=False)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path[:] = [other for other in sys.meta_path if other is not finder]


class _SnapshotFinder:
    """Finds modules with the other finders, and loads them from the texts of a snapshot."""

    def __init__(self, snapshot: Snapshot, *, is_for_good: bool) -> None:
        self.texts = snapshot.texts
        self.is_for_good = is_for_good
        self._files = snapshot.files
        paths = list(map(Path, self.texts))
        self._names = {path.parent.name if path.stem == "__init__" else path.stem for path in paths}
        self._names.update(name.rpartition(".")[2] for name in self._files)
        self._folders = {os.fspath(folder) for path in paths for folder in path.parents}
        self._names.update(map(os.path.basename, self._folders))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.rpartition(".")[2] not in self._names:
            return None
        finders = [finder for finder in sys.meta_path if not isinstance(finder, _SnapshotFinder)]
        specs = (
            finder.find_spec(name, path, target)
            for finder in finders
            if hasattr(finder, "find_spec")
        )
        spec = next(filter(None, specs), None)
        file, resolved = self._files.get(name, (None, None))
        if file is not None and not _is_at(spec, file, resolved):
            spec = spec_from_file_location(name, file)
        elif spec is None or spec.origin is None:
            spec = self._spec_of_deleted(name, sys.path if path is None else path) or spec
        # Other loaders change the text that they load, so they cannot load a text of ours.
        if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
            text = self.texts.get(resolved or os.path.realpath(spec.origin))
            if text is not None:
                spec.loader = KeptLoader(name, spec.origin, text)
        return spec

    def _spec_of_deleted(self, name: str, folders: Sequence[str]) -> ModuleSpec | None:
        """The module of a file or folder that is not here, or was deleted since the run began."""
        last = name.rpartition(".")[2]
        files = (os.path.join(last, "__init__.py"), f"{last}.py")
        for path in (os.path.join(folder, file) for folder in folders for file in files):
            # A file that exists is found by the other finders, unless they may not import it.
            if not os.path.exists(path) and os.path.realpath(path) in self.texts:
                return spec_from_file_location(name, path)
        for path in (os.path.join(folder, last) for folder in folders):
            if not os.path.exists(path) and os.path.realpath(path) in self._folders:
                spec = ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [path]
                return spec
        return None


def _is_at(spec: ModuleSpec | None, file: str, resolved: str | None) -> bool:
    """Whether a module is the one that the driver has."""
    if spec is None or spec.origin is None:
        return False
    return spec.origin == file or os.path.realpath(spec.origin) == resolved


class KeptLoader(SourceFileLoader):
    """Loads a module from a text, never from a compiled copy, which may belong to another text."""

    def __init__(self, name: str, path: str, text: bytes) -> None:
        super().__init__(name, path)
        self.kept_text = text

    def get_data(self, path: str) -> bytes:
        return self.kept_text if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, float]:
        raise OSError(f"the compiled copy of {path} is not used")
