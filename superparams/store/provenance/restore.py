"""The code of a run, written out again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from superparams.errors import StoreError
from superparams.errors.user_lines import warn_user
from superparams.store.plain_files import is_plain, read_plain
from superparams.store.provenance.git_commits import find_objects, lay_out
from superparams.store.provenance.git_state import PATCH
from superparams.store.provenance.sibling_libraries import LIBRARIES, library_places
from superparams.store.runs.folder import RunFolder

_HERE = Path()
_LARGEST = 64 << 20  # bytes of a file that was kept


def restore(run: RunFolder, folder: Path, repository: Path | None, *, git: bool) -> Path:
    """Write the code of a run into a folder; see `Provenance.restore`."""
    manifest = run.manifest()
    told = manifest.get("git")
    state = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    commit = state.get("commit")
    top, project = _path(state.get("root")), _path(manifest.get("project"))
    found = None
    if git and isinstance(commit, str):
        started_in = [] if top is None else [top]
        places = [repository] if repository else [run.path.absolute(), *started_in, Path.cwd()]
        found = find_objects(commit, places)
        if found is None:
            raise _no_commit(run, commit, places)
        _refuse_cut(run, state)
    _make_empty(folder)
    if found is not None:
        patch = run.source / PATCH
        kept = patch if is_plain(patch) and not patch.is_symlink() else None
        lay_out(found, str(commit), kept, folder.resolve())
    # The files that the run itself kept are the last word: they are what ran.
    _copy(run.source / "untracked", folder)
    place = _place(project, top)
    _copy(run.source / "project", folder, place)
    for library, in_repository in library_places(run.source, manifest):
        if in_repository is None:
            _copy_beside(library, folder, place)
        else:
            _copy(library, folder, in_repository)
    for told in _left_out(state) if found is not None else ():
        what = f"{folder} is not all of the code of run {run.name}: {told}"
        warn_user(what)
    return folder


def _path(entry: Any) -> Path | None:
    return Path(entry) if isinstance(entry, str) else None


def _no_commit(run: RunFolder, commit: str, places: list[Path]) -> StoreError:
    looked = ", ".join(map(str, dict.fromkeys(places)))
    return StoreError(
        f"commit {commit} of run {run.name} is in no repository at {looked}: name a clone that has "
        "it, repository=..., or take git=False for the files that the experiment reached, which "
        "the run itself kept"
    )


def _refuse_cut(run: RunFolder, state: dict[str, Any]) -> None:
    told = None
    if state.get("patch_cut_at"):
        told = "were too large to be kept whole"
    elif state.get("failed"):
        told = "are not known, since git did not tell, or not in time"
    if told is not None:
        raise StoreError(
            f"the uncommitted changes of run {run.name} {told}: take git=False for the files that "
            "the experiment reached, which the run itself kept"
        )


def _left_out(state: dict[str, Any]) -> Iterator[str]:
    """What was too large to be kept."""
    told = {
        "patch_left_out": "uncommitted changes were too large to be kept of",
        "untracked_left_out": "git did not know, and they were too large or too many to be kept,",
    }
    for entry, what in told.items():
        names: Any = state.get(entry)
        if isinstance(names, list) and names:
            shown = [str(name) for name in cast("list[object]", names)]
            more = f" and {len(shown) - 5:,} more" if len(shown) > 5 else ""
            yield f"{what} {', '.join(shown[:5])}{more}"


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = next(folder.iterdir(), None)
    except OSError as error:
        raise StoreError(f"cannot bring the code back into {folder}: {error}") from error
    if inside is not None:
        raise StoreError(
            f"{folder} is not empty ({inside.name} is in it): code is brought back into a folder "
            "that is, so that nothing of yours is overwritten"
        )


def _place(project: Path | None, top: Path | None) -> Path:
    """Where the project lies in what is written: the top is that of the repository."""
    if project is None or top is None:
        return Path()
    inner = Path(os.path.relpath(project, top))
    return Path() if ".." in inner.parts else inner


def _copy_beside(library: Path, folder: Path, place: Path) -> None:
    """Copy a library beside the files of the project, where an import finds it first.

    Where other files are in its way, it gets a folder of its own.
    """
    if _is_free(library, folder / place):
        _copy(library, folder, place)
        return
    aside = Path(LIBRARIES, library.name)
    _copy(library, folder, aside)
    what = (
        f"{folder / place} has other files by the names of those of the library {library.name}: "
        f"it is in {folder / aside}, put that first in PYTHONPATH to run what ran"
    )
    warn_user(what)


def _is_free(library: Path, target: Path) -> bool:
    """Whether no other files are where the files of a library go."""
    for parent, _, names in os.walk(library):
        for name in names:
            file = Path(parent, name)
            there = target / file.relative_to(library)
            try:
                if there.is_symlink() or there.read_bytes() != file.read_bytes():
                    return False
            except FileNotFoundError:
                continue
            except OSError:
                return False
    return True


def _copy(source: Path, folder: Path, place: Path = _HERE) -> None:
    """Copy plain files to a place in a folder, and never through a link to somewhere else.

    What git would take for a repository is none of the code.
    """
    for parent, _, names in os.walk(source) if not source.is_symlink() else ():
        for name in names:
            path = Path(parent, name)
            beside = folder / place / path.relative_to(source)
            if path.is_symlink() or not is_plain(path) or _is_of_git(path.relative_to(source)):
                continue
            try:
                if _is_within(beside, folder) and not beside.is_symlink():
                    beside.parent.mkdir(parents=True, exist_ok=True)
                    beside.write_bytes(read_plain(path, _LARGEST))
            except OSError as error:
                raise StoreError(f"cannot bring back {beside}: {error}") from error


def _is_of_git(path: Path) -> bool:
    """Whether a path leads into a `.git`, as any file system may read it."""
    return any(part.lower().rstrip(". ") in (".git", "git~1") for part in path.parts)


def _is_within(path: Path, folder: Path) -> bool:
    """Whether no link leads from the folder of a path to somewhere else."""
    return path.parent.resolve().is_relative_to(folder.resolve())
