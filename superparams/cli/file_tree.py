"""Finds the experiment files below a folder, and the classes in them, without importing any.

Files whose name begins with ``_`` or ``.`` are no experiments. Neither are files with another dot
in their name, which would look like a path. Links are followed unless they lead outside.
"""

from __future__ import annotations

import ast
import os
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from superparams.errors import CommandError
from superparams.identity.code.roots import is_installed

__all__ = ["Tree", "classes_in", "read"]

Parts = tuple[str, ...]
# Classes with only these bases are no experiments.
_OTHERS: Final = {
    *("object", "Params", "ABC", "Protocol", "NamedTuple", "TypedDict", "Exception", "ValueError"),
    *("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "Generic", "str", "int", "float", "dict"),
}


class Tree:
    """The content of an experiments folder. Folders are listed when they are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._real = os.path.realpath(folder)
        self._known: dict[Parts, tuple[dict[str, Path], dict[str, Path]]] = {}

    def has_file(self, parts: Sequence[str]) -> bool:
        """Whether there is an experiment file at `parts`, its name without ``.py``."""
        return self.has_folder(parts[:-1]) and parts[-1] in self._entries(parts[:-1])[0]

    def has_folder(self, parts: Sequence[str]) -> bool:
        """Whether there is a folder at `parts`."""
        return all(part in self._entries(parts[:n])[1] for n, part in enumerate(parts))

    def may_define(self, parts: Sequence[str], name: str) -> bool:
        """Whether the file at `parts` may have a class `name`, by its text."""
        text = read(self.file(parts))
        return name.isidentifier() and (name in text or "import *" in text)

    def file(self, parts: Sequence[str]) -> Path:
        """The file at `parts`."""
        return self._entries(parts[:-1])[0][parts[-1]]

    def files(self, parts: Parts) -> Iterator[tuple[Parts, Path]]:
        """All files below the folder at `parts`, sorted by their path."""
        files, folders = self._entries(parts)
        for name in sorted(files.keys() | folders.keys()):
            if name in files:
                yield (*parts, name), files[name]
            if name in folders:
                yield from self.files((*parts, name))

    def folders(self, parts: Parts) -> Iterator[Parts]:
        """All folders below the folder at `parts` that have a file in them or below."""
        for name in sorted(self._entries(parts)[1]):
            inner = (*parts, name)
            if next(self.files(inner), None) is not None:
                yield inner
                yield from self.folders(inner)

    def _entries(self, parts: Sequence[str]) -> tuple[dict[str, Path], dict[str, Path]]:
        """The files and the folders in the folder at `parts`, by their name."""
        entries = self._known.get(tuple(parts))
        if entries is None:
            entries = self._known[tuple(parts)] = self._scan(self.folder.joinpath(*parts))
        return entries

    def _scan(self, folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
        files: dict[str, Path] = {}
        folders: dict[str, Path] = {}
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if folder == self.folder:
                raise CommandError(f"{folder} cannot be read: {error}") from error
            return files, folders
        for entry in entries:
            stem = entry.name.removesuffix(".py")
            if entry.name[0] in "_." or not entry.name.isprintable() or "." in stem:
                continue
            if entry.is_symlink() and not self._may_follow(folder, entry.path):
                continue
            if entry.is_dir() and stem == entry.name:
                if not is_installed(Path(stem)) and not os.path.exists(f"{entry.path}/pyvenv.cfg"):
                    folders[stem] = Path(entry.path)
            elif stem != entry.name and entry.is_file():
                files[stem] = Path(entry.path)
        return files, folders

    def _may_follow(self, folder: Path, link: str) -> bool:
        """Whether a link stays inside the folder, and does not lead to one of its own parents."""
        real = os.path.realpath(link)
        is_inside = os.path.commonpath([real, self._real]) == self._real
        above = os.path.realpath(folder)
        return is_inside and os.path.commonpath([real, above]) != real


def read(file: Path) -> str:
    """The text of a file, decoded as Python does; empty if it cannot be read."""
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def classes_in(file: Path) -> list[str]:
    """The public classes of a file that may be experiments, by its text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(read(file))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return []
    others = set(_OTHERS)
    names: dict[str, None] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            if {_name_of(base) for base in node.bases} <= others:
                others.add(node.name)
            elif not node.name.startswith("_"):
                names[node.name] = None
    return list(names)


def _name_of(base: ast.expr) -> str:
    """``Enum`` for ``enum.Enum``, ``Generic`` for ``Generic[T]``."""
    if isinstance(base, ast.Subscript):
        return _name_of(base.value)
    return str(getattr(base, "id", None) or getattr(base, "attr", ""))
