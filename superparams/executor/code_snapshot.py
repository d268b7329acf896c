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

from superparams.identity.source_texts import unload_other_texts

__all__ = ["Snapshot", "import_changing", "install", "installed"]


class Snapshot(NamedTuple):
    """The code of a run.

    Attributes:
        texts: The texts of the files, by their resolved paths.
        files: The `__file__` and the resolved path of each module that the driver has loaded from
            them, by its name. Such a name means this file in workers, too, whatever is found under
            it later.
        changing: Modules that change others when they are imported, in the order of their import.
    """

    texts: Mapping[str, bytes] = {}
    files: Mapping[str, tuple[str, str]] = {}
    changing: Sequence[str] = ()


def install(snapshot: Snapshot) -> None:
    """From now on, import these files from their kept texts.

    A module that was loaded here from another text is unloaded, and imported again. A process that
    is a fork of one in which the same texts are installed has nothing to do.
    """
    if any(isinstance(one, _Finder) and one.is_installed(snapshot) for one in sys.meta_path):
        return
    _remove()
    if snapshot.texts:
        sys.meta_path.insert(0, _Finder(snapshot, lasts=True))
        unload_other_texts(snapshot.texts)


def import_changing(snapshot: Snapshot) -> None:
    """Import the modules that change others, as the driver has: its script is not run here."""
    for name in snapshot.changing:
        # What cannot be imported here is imported by a setting, if any, and fails there.
        with suppress(Exception):
            importlib.import_module(name)


@contextmanager
def installed(snapshot: Snapshot) -> Generator[None]:
    """Import these files as they were, for a while, in the process that has read them."""
    finder = _Finder(snapshot)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path[:] = [one for one in sys.meta_path if one is not finder]


def _remove() -> None:
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _Finder)]


class _Finder:
    """Finds modules with the other finders, and loads them from the kept texts."""

    def __init__(self, snapshot: Snapshot, *, lasts: bool = False) -> None:
        self._kept = snapshot.texts
        self._files = snapshot.files
        self._lasts = lasts
        paths = list(map(Path, self._kept))
        self._names = {path.parent.name if path.stem == "__init__" else path.stem for path in paths}
        self._names.update(name.rpartition(".")[2] for name in self._files)

    def is_installed(self, snapshot: Snapshot) -> bool:
        """Whether it was installed for good, with these very texts."""
        return self._lasts and self._kept is snapshot.texts

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        last = name.rpartition(".")[2]
        if last not in self._names:
            return None
        others = [
            one
            for one in sys.meta_path
            if not isinstance(one, _Finder) and hasattr(one, "find_spec")
        ]
        spec = next(filter(None, (one.find_spec(name, path, target) for one in others)), None)
        file, path_then = self._files.get(name, (None, None))
        if file is not None and not _is_at(spec, file, path_then):
            spec = spec_from_file_location(name, file)
        elif spec is None or spec.origin is None:
            spec = self._spec_of_removed(name, sys.path if path is None else path) or spec
        # Other loaders change what they load: what they would make of a text is not known.
        if spec is not None and spec.origin and type(spec.loader) is SourceFileLoader:
            text = self._kept.get(path_then or os.path.realpath(spec.origin))
            if text is not None:
                spec.loader = KeptLoader(name, spec.origin, text)
        return spec

    def _spec_of_removed(self, name: str, path: Sequence[str]) -> ModuleSpec | None:
        """The module in a file that is not there any more."""
        last = name.rpartition(".")[2]
        files = (os.path.join(last, "__init__.py"), f"{last}.py")
        found = (os.path.join(folder, file) for folder in path for file in files)
        # A file that is there is found by the others, unless it is not to be the module.
        gone = (one for one in found if not os.path.exists(one))
        known = next((one for one in gone if os.path.realpath(one) in self._kept), None)
        return None if known is None else spec_from_file_location(name, known)


def _is_at(spec: ModuleSpec | None, file: str, path: str | None) -> bool:
    """Whether a module that was found is the one that the driver has."""
    if spec is None or spec.origin is None:
        return False
    return spec.origin == file or os.path.realpath(spec.origin) == path


class KeptLoader(SourceFileLoader):
    """Loads a module from a text, and ignores compiled copies, which may be of another text."""

    def __init__(self, name: str, path: str, text: bytes) -> None:
        super().__init__(name, path)
        self.kept_text = text

    def get_data(self, path: str) -> bytes:
        return self.kept_text if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, float]:
        raise OSError(f"{path} is not looked at")
