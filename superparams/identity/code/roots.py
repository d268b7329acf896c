"""Where a project begins, and which of its folders holds its experiments.

Experiments are called by the path of their file from there, however they are started: from a
script, by ``python -m``, by the command, or imported. That folder is, for a file,

1. the one that ``[tool.superparams] experiments = "…"`` of the project's pyproject.toml names, if
   the file is in it;
2. otherwise the outermost folder of the project that is called ``experiments`` (unless another one
   is configured), or whose ``__main__.py`` calls `superparams.entrypoint`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from superparams.errors import CommandError
from superparams.identity.source_texts import INSTALLED

__all__ = [
    "FOLDER_NAME",
    "configured_folder",
    "dotted_path",
    "experiments_folder",
    "is_experiments_folder",
    "is_installed",
    "project_root",
    "register_experiments",
]

FOLDER_NAME = "experiments"
_MARKS = ("pyproject.toml", ".git", "setup.cfg", "setup.py")
_given: list[Path] = []


def is_installed(folder: Path) -> bool:
    """Whether a folder is where installed packages are, or lies in such a one."""
    return not INSTALLED.isdisjoint(folder.parts)


def project_root(file: Path) -> Path:
    """The root of the project that `file` belongs to.

    The nearest folder above with a pyproject.toml, .git, setup.cfg or setup.py; without one, the
    folder that holds the experiments folder, the package, or the file.
    """
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent.name not in INSTALLED:
        folder = folder.parent
    if is_installed(folder):
        return folder
    marked = (parent for parent in (folder, *folder.parents) if _is_marked(parent))
    named = (parent.parent for parent in file.parents if is_experiments_folder(parent))
    return next(marked, None) or next(named, folder)


def _is_marked(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _MARKS)


def is_experiments_folder(folder: Path, *, by_name: bool = True) -> bool:
    """Whether a folder says itself that it holds experiments: by its name or `__main__.py`."""
    return (by_name and folder.name == FOLDER_NAME) or folder in _given or _is_entry(folder)


def _is_entry(folder: Path) -> bool:
    try:
        with open(folder / "__main__.py", "rb") as file:
            text = file.read(65536)
    except OSError:
        return False
    return b"superparams" in text and b"entrypoint" in text


def register_experiments(folder: Path) -> None:
    """Register a folder as an experiments folder in this process."""
    if folder not in _given:
        _given.append(folder)
        _folder_of.cache_clear()


def configured_folder(project: Path) -> Path | None:
    """The experiments folder that the project's pyproject.toml names; None when it names none.

    Raises:
        CommandError: When the file is no TOML, or what it names is no folder inside the project.
    """
    file = project / "pyproject.toml"
    try:
        text = file.read_bytes()
    except OSError:
        return None
    if b"superparams" not in text:  # most often: reading TOML takes longer than all else here
        return None
    return _configured(file, text)


def _configured(file: Path, text: bytes) -> Path | None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # pyright: ignore[reportMissingModuleSource]

    try:
        name: object = tomllib.loads(text.decode())
    except ValueError as error:
        raise CommandError(f"{file} cannot be read: {error}") from None
    for key in ("tool", "superparams", "experiments"):
        name = cast("dict[str, object]", name).get(key) if isinstance(name, dict) else None
    if name is None:
        return None
    if isinstance(name, str) and name.isprintable():
        folder = Path(os.path.normpath(file.parent / name))
        if folder.is_relative_to(file.parent):
            return folder
    raise CommandError(
        f"{file}: [tool.superparams] experiments = {name!r} is no folder of this project; "
        f'give a path from there, such as "experiments"'
    )


def experiments_folder(file: Path) -> Path | None:
    """The experiments folder that a file lies in, at any depth; None when it lies in none."""
    return _folder_of(file.parent)


@functools.lru_cache(maxsize=4096)
def _folder_of(folder: Path) -> Path | None:
    if is_installed(folder):
        return None
    project = project_root(folder / "_.py")
    try:
        named = configured_folder(project)
    except CommandError:  # the command tells it; a script runs all the same
        named = None
    if named is not None and folder.is_relative_to(named):
        return named
    inside = (one for one in _from_outside(folder, project))
    return next((one for one in inside if is_experiments_folder(one, by_name=named is None)), None)


def _from_outside(folder: Path, project: Path) -> Iterator[Path]:
    """The folders from below the project down to `folder`, then the project itself."""
    yield from reversed([one for one in (folder, *folder.parents) if project in one.parents])
    yield project


def dotted_path(folder: Path, file: Path) -> str:
    """The dotted path of a Python file from the experiments folder it lies in."""
    parts = list(file.relative_to(folder).with_suffix("").parts)
    if parts[-1] in ("__init__", "__main__"):
        parts.pop()
    return ".".join(parts) or folder.name
