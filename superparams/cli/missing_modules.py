"""Searches a project for missing modules and experiments folders, to suggest a remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from superparams.identity.code.roots import FOLDER_NAME, is_installed

__all__ = ["experiments_below", "missing_module"]

DEEPEST = 3  # levels of folders below the root of the project that are searched
MOST = 2000  # folders that are searched at most


def missing_module(project: Path, error: BaseException) -> Iterator[str]:
    """The remedy for a failed import of a module that is in the project; else an empty text."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return
    first = error.name.partition(".")[0]
    for folder in _folders(project):
        file, package = folder / f"{first}.py", folder / first
        if file.is_file() or any(package.glob("*.py")):
            what = (file if file.is_file() else package).relative_to(project)
            below = folder.relative_to(project)
            yield (
                f"{what} exists, but {below}/ is not on the import path: install the project "
                f"(pip install -e .), or set PYTHONPATH={below}\n"
            )
            return


def experiments_below(project: Path) -> list[Path]:
    """The experiments folders in a project that are not directly in its root."""
    return [folder for folder in _folders(project) if folder.name == FOLDER_NAME]


def _folders(project: Path) -> Iterator[Path]:
    """The folders of a project that may hold code, nearer ones first."""
    level, left = [project], MOST
    for _ in range(DEEPEST):
        level = [inner for folder in level for inner in _subfolders(folder)][:left]
        left -= len(level)
        yield from level


def _subfolders(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []
    subfolders = [folder / name for name in names if not name.startswith((".", "_"))]
    return [
        subfolder
        for subfolder in subfolders
        if not is_installed(subfolder) and not (subfolder / "pyvenv.cfg").exists()
    ]
