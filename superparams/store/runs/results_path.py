"""The path of a results folder, as a user gives it."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

from superparams.errors import StoreError

__all__ = ["full_path", "results_folder", "short_path"]


def results_folder(results: Path | str, *, meant: str = "the folder to keep results in") -> Path:
    """The absolute path of a folder of results, whether it exists or not.

    Args:
        results: A path. It may begin with ``~``, and may be relative to the working directory.
        meant: The remedy in the error for a path that is a file.

    Raises:
        StoreError: When `results` is no path, when a part of it is a file or is too long, or when
            it is relative and the working directory was deleted.
    """
    folder = full_path(results)
    for part in (folder, *folder.parents):
        mode = _mode(results, part)
        if mode is not None:
            if not stat.S_ISDIR(mode):
                raise _refused(results, f"{short_path(part)} is a file; give {meant}")
            return folder
    return folder


def full_path(path: Path | str) -> Path:
    """The absolute path, with ``~`` expanded. Whether it exists is not checked.

    Raises:
        StoreError: When `path` is no path, or is relative and the working directory was deleted.
    """
    expanded = _expanded(path)
    if expanded.is_absolute():
        return expanded
    try:
        return Path.cwd() / expanded
    except OSError:
        raise _refused(
            path, "the working directory was deleted; change to another, or give a full path"
        ) from None


def _expanded(results: Path | str) -> Path:
    try:
        path = Path(results)
    except TypeError:
        raise _refused(results, "give the path of a folder") from None
    if "\0" in str(path):
        raise _refused(results, "a path cannot hold a NUL character")
    if results == "" or not str(path).strip():
        raise _refused(results, 'give the path of a folder, such as "results"')
    _refuse_variable(path)
    try:
        return path.expanduser()
    except RuntimeError:
        name = path.parts[0]
        remedy = f"write ./{name} for a folder of that name"
        raise _refused(results, f"there is no user {name[1:]!r}; {remedy}") from None


def _refuse_variable(path: Path) -> None:
    """Refuse ``$HOME/results``, unless there is a folder of this very name."""
    for part in (path, *path.parents):
        if re.fullmatch(r"\$(\w+|\{\w+\})", part.name) and not os.path.lexists(part):
            raise _refused(
                path,
                f"the variable {part.name} is not expanded; give os.path.expandvars({str(path)!r})",
            )


def _mode(results: Path | str, part: Path) -> int | None:
    """The file mode of `part`; None if it does not exist."""
    try:
        return part.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if part.is_symlink():
            raise _refused(
                results, f"{short_path(part)} is a link to a folder that does not exist"
            ) from None
        return None
    except PermissionError as error:
        raise _refused(
            results, f"{short_path(part)} cannot be accessed ({error.strerror})"
        ) from None
    except OSError as error:  # a name of 300 characters, a circle of links
        raise _refused(results, f"{error.strerror}; give a shorter or another path") from None


def short_path(path: Path) -> Path:
    """A path for messages: relative to the working directory if it is below that."""
    with contextlib.suppress(OSError):
        here = Path.cwd()
        return path.relative_to(here) if path.is_relative_to(here) else path
    return path


def _refused(results: object, why: str) -> StoreError:
    shown = repr(str(results) if isinstance(results, Path) else results)
    if len(shown) > 100:
        shown = f"{shown[:60]}…{shown[-20:]}"
    return StoreError(f"results={shown}: {why}")
