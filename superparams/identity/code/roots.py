"""Finds the root of a project, and the folder with its experiments.

An experiment is named by the path of its file from the experiments folder, however it is started:
from a script, by ``python -m``, by the command, or imported. The experiments folder of a file is

1. the one that ``[tool.superparams] experiments = "…"`` of the project's pyproject.toml names, if
   the file is in it;
2. otherwise the outermost folder of the project that is called ``experiments`` (unless another one
   is configured), or whose ``__main__.py`` calls `superparams.entrypoint`.
"""

from __future__ import annotations

import functools
import os
import sys
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
_ROOT_FILES = ("pyproject.toml", ".git", "setup.cfg", "setup.py")
_registered: list[Path] = []


def is_installed(folder: Path) -> bool:
    """Whether a folder is, or is in, a folder of installed packages."""
    return not INSTALLED.isdisjoint(folder.parts)


def project_root(file: Path) -> Path:
    """The root of the project that `file` belongs to.

    The nearest folder above with a pyproject.toml, .git, setup.cfg or setup.py; without one, the
    parent of the experiments folder, or the folder of the package or the file.
    """
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent.name not in INSTALLED:
        folder = folder.parent
    if is_installed(folder):
        return folder
    for parent in (folder, *folder.parents):
        if any((parent / name).exists() for name in _ROOT_FILES):
            return parent
    return next((step.parent for step in file.parents if is_experiments_folder(step)), folder)


def is_experiments_folder(folder: Path, *, by_name: bool = True) -> bool:
    """Whether a folder is registered, or marked by ``__main__.py`` or, with `by_name`, its name."""
    if (by_name and folder.name == FOLDER_NAME) or folder in _registered:
        return True
    try:
        with open(folder / "__main__.py", "rb") as file:
            text = file.read(65536)
    except OSError:
        return False
    return b"superparams" in text and b"entrypoint" in text


def register_experiments(folder: Path) -> None:
    """Register a folder as an experiments folder in this process."""
    if folder not in _registered:
        _registered.append(folder)
        _experiments_folder.cache_clear()


def configured_folder(project: Path) -> Path | None:
    """The experiments folder that the project's pyproject.toml names, if any.

    Raises:
        CommandError: If the file is no TOML, or the folder is not inside the project.
    """
    file = project / "pyproject.toml"
    try:
        text = file.read_bytes()
    except OSError:
        return None
    if b"superparams" not in text:  # the usual case: parsing TOML would be the slowest step here
        return None
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
        folder = Path(os.path.normpath(project / name))
        if folder.is_relative_to(project):
            return folder
    raise CommandError(
        f"{file}: [tool.superparams] experiments = {name!r} is not a folder of this project; "
        f'give a path relative to the project, such as "experiments"'
    )


def experiments_folder(file: Path) -> Path | None:
    """The experiments folder around a file, at any depth; None without one."""
    return _experiments_folder(file.parent)


@functools.lru_cache(maxsize=4096)
def _experiments_folder(folder: Path) -> Path | None:
    if is_installed(folder):
        return None
    project = project_root(folder / "_.py")
    try:
        configured = configured_folder(project)
    except CommandError:  # the command reports it; a script runs nevertheless
        configured = None
    if configured is not None and folder.is_relative_to(configured):
        return configured
    below = [step for step in (folder, *folder.parents) if project in step.parents]
    for candidate in (*reversed(below), project):
        if is_experiments_folder(candidate, by_name=configured is None):
            return candidate
    return None


def dotted_path(folder: Path, file: Path) -> str:
    """The dotted path of a Python file from the experiments folder that contains it."""
    parts = list(file.relative_to(folder).with_suffix("").parts)
    if parts[-1] in ("__init__", "__main__"):
        parts.pop()
    return ".".join(parts) or folder.name
