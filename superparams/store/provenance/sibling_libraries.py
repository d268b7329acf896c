"""The user's libraries beside the project: where a run keeps them, and where they are restored.

A library is kept in ``source/libraries/<label>/``, with paths relative to the folder that it is
imported from. The label is the name of that folder; the rest of its path is not recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

__all__ = ["LIBRARIES", "labels", "library_places", "places_in_repository"]

LIBRARIES: Final = "libraries"  # in source/, and in a restored folder


def labels(folders: Iterable[Path]) -> dict[Path, str]:
    """A different name for each folder."""
    found: dict[Path, str] = {}
    for folder in sorted(set(folders)):
        parts = [part for part in folder.parts[1:] if part != "src"]
        name = parts[-1] if parts else "library"
        taken = set(found.values())
        numbers = (f"{name}-{number}" for number in range(2, len(taken) + 3))
        found[folder] = next(one for one in (name, *numbers) if one not in taken)
    return found


def places_in_repository(project: Path, names: Mapping[Path, str]) -> dict[str, str | None]:
    """The path of each library in the project's repository, by its label; None outside of it."""
    around = (project, *project.parents)
    top = next((folder for folder in around if (folder / ".git").exists()), None)
    return {
        label: folder.relative_to(top).as_posix() if top and folder.is_relative_to(top) else None
        for folder, label in names.items()
    }


def library_places(source: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[Path, Path | None]]:
    """Each library that a run kept, with its path in the project's repository; None outside."""
    entry = manifest.get(LIBRARIES)
    known = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    try:
        kept = sorted(one for one in (source / LIBRARIES).iterdir() if _is_folder(one))
    except OSError:
        return
    for library in kept:
        place = known.get(library.name)
        yield library, Path(place) if isinstance(place, str) and _is_relative(place) else None


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_relative(place: str) -> bool:
    pure = PurePosixPath(place)
    return not (pure.is_absolute() or ".." in pure.parts or "\0" in place or os.path.isabs(place))
