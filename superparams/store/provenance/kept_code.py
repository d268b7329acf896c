"""The code that a run kept in its folder, and how to restore it.

`source/` in the folder of a run has

- `project/`: the files of the project that the experiment reached,
- `libraries/<label>/`: files of the user's libraries beside the project, with paths relative to the
  folder that each is imported from (the label is the name of that folder),
- `untracked/`: sources that git did not track, and `uncommitted.patch`: the uncommitted changes,
- `parts.json`: the text of each function, class and constant.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

from superparams.errors import StoreError
from superparams.errors.units import first_few
from superparams.errors.user_lines import warn_user
from superparams.store.json_values import json_list, json_object, json_text, texts_by_name
from superparams.store.plain_files import is_plain, read_plain
from superparams.store.provenance.git_commits import COMMIT, checkout_into, find_objects
from superparams.store.provenance.git_state import PATCH
from superparams.store.runs.folder import RunFolder

__all__ = [
    "LIBRARIES",
    "PARTS",
    "PROJECT",
    "UNTRACKED",
    "KeptCode",
    "files_below",
    "library_labels",
    "places_in_repository",
]

PROJECT: Final = "project"
LIBRARIES: Final = "libraries"  # in source/, in run.json, and in a restored folder
UNTRACKED: Final = "untracked"
PARTS: Final = "parts.json"
_LARGEST: Final = 64 << 20  # bytes of a file, and of the texts of a code
_HINT: Final = "the files that the experiment reached, which the run itself kept"


@dataclass(frozen=True)
class KeptCode:
    """The code that a run kept.

    Attributes:
        run: The folder of the run.
        manifest: The content of run.json.
    """

    run: RunFolder
    manifest: Mapping[str, Any]

    @property
    def git(self) -> dict[str, Any]:
        """The state of the user's repository at the start of the run; empty outside of one."""
        return json_object(self.manifest.get("git"))

    @property
    def commit(self) -> str | None:
        """The commit of the user's repository."""
        commit = json_text(self.git.get("commit"))
        return commit if commit and COMMIT.fullmatch(commit) else None

    @property
    def patch(self) -> Path | None:
        """The file with the patch of uncommitted changes; None without one."""
        patch = self.run.source / PATCH
        return patch if is_plain(patch) and not patch.is_symlink() else None

    @property
    def files(self) -> list[Path]:
        """All files that were kept, without the patch."""
        paths = self.run.source.rglob("*")
        return sorted(x for x in paths if x.is_file() and x != self.run.source / PATCH)

    @property
    def project_files(self) -> list[str]:
        """The files of the project that were kept, by their path in it."""
        root = self.run.source / PROJECT
        return sorted(path.relative_to(root).as_posix() for path in files_below(root))

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of each part of the code, by its name; empty if the texts were not kept."""
        try:
            return texts_by_name(json.loads(read_plain(self.run.source / PARTS, _LARGEST)))
        except (OSError, ValueError, RecursionError, MemoryError):
            return {}

    @property
    def read_error(self) -> str | None:
        """Why the code cannot be read; None if it can."""
        try:
            os.listdir(self.run.source)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.strerror or str(error)
        return None

    def restore(self, folder: Path, repository: Path | None, *, git: bool) -> Path:
        """Write the code into a folder; see `Provenance.restore`."""
        commit = json_text(self.git.get("commit")) if git else None
        objects = None if commit is None else self._objects(commit, repository)
        _make_empty(folder)
        if commit is not None and objects is not None:
            checkout_into(folder.resolve(), objects, commit, self.patch)
        for tree, place in self._trees():
            if place is None:
                _copy_library(tree, folder, self._project_place)
            else:
                _copy(tree, folder, place)
        for missing in self._missing() if objects is not None else ():
            what = f"{folder} is not all of the code of run {self.run.name}: {missing}"
            warn_user(what)
        return folder

    def commands(self, project: Path, command: Sequence[str]) -> Iterator[str]:
        """Commands of a shell that write the code into a folder, and run something there.

        There are none if the code cannot be read.

        Args:
            project: The present project.
            command: The words of the command to run.
        """
        if self.read_error:
            return
        if self.commit is None:
            folder = project.with_name(f"{project.name}-{self.run.name[-6:]}")
            yield _command("mkdir", str(folder))
        else:
            root = json_text(self.git.get("root"))
            # git may run programs that a repository configures, so only that of the project is
            # used.
            is_ours = root is not None and project.is_relative_to(root) and Path(root).is_dir()
            top = Path(root) if root is not None and is_ours else project
            folder = top.with_name(f"{top.name}-{self.commit[:8]}")
            worktree = ("worktree", "add", "--detach", str(folder), self.commit)
            yield _command("git", "-C", str(top), *worktree)
            if self.patch is not None:
                yield _command("git", "-C", str(folder), "apply", str(self.patch.absolute()))
        for tree, place in self._trees():
            if not tree.is_dir():
                continue
            target = folder / (self._project_place if place is None else place)
            if target != folder:
                yield _command("mkdir", "-p", str(target))
            yield _command("cp", "-R", f"{tree}/.", str(target))
        yield f"{_command('cd', str(folder / self._project_place))} && {_command(*command)}"

    def _trees(self) -> Iterator[tuple[Path, Path | None]]:
        """The folders of kept files, with their places in the restored folder.

        They are written over the files of the commit, one after the other, since these files are
        what ran. A library from outside the repository has no place in it, and goes beside the
        files of the project.
        """
        source, libraries = self.run.source, json_object(self.manifest.get(LIBRARIES))
        yield source / UNTRACKED, Path()
        yield source / PROJECT, self._project_place
        try:
            folders = sorted(x for x in (source / LIBRARIES).iterdir() if x.is_dir())
        except OSError:
            return
        for library in folders:
            place = json_text(libraries.get(library.name))
            if not library.is_symlink():
                yield library, Path(place) if place is not None and _is_relative(place) else None

    @property
    def _project_place(self) -> Path:
        """The place of the project in the repository."""
        project, top = self.manifest.get("project"), self.git.get("root")
        if not isinstance(project, str) or not isinstance(top, str):
            return Path()
        inner = Path(os.path.relpath(project, top))
        return Path() if ".." in inner.parts else inner

    def _objects(self, commit: str, repository: Path | None) -> list[Path]:
        """The folders of git's objects with the commit.

        Raises:
            StoreError: When no repository has it, or the patch on top of it was not kept.
        """
        root = json_text(self.git.get("root"))
        repositories = [self.run.path.absolute(), *([Path(root)] if root else []), Path.cwd()]
        repositories = [repository] if repository else repositories
        objects = find_objects(commit, repositories)
        name = self.run.name
        if objects is None:
            searched = ", ".join(map(str, dict.fromkeys(repositories)))
            raise StoreError(
                f"commit {commit} of run {name} is in no repository at {searched}: name a clone "
                f"that has it, repository=..., or take git=False for {_HINT}"
            )
        problem = None
        if self.git.get("patch_cut_at"):
            problem = "were too large to be kept whole"
        elif self.git.get("failed"):
            problem = "are not known, since git did not tell, or not in time"
        if problem is not None:
            raise StoreError(
                f"the uncommitted changes of run {name} {problem}: take git=False for {_HINT}"
            )
        return objects

    def _missing(self) -> Iterator[str]:
        """The names of files that were too large to be kept."""
        for entry, what in (
            ("patch_left_out", "uncommitted changes were too large to be kept of"),
            (
                "untracked_left_out",
                "git did not know, and they were too large or too many to be kept,",
            ),
        ):
            names = list(map(str, json_list(self.git.get(entry))))
            if names:
                yield f"{what} {first_few(names, 5)}"


# ---- at the start of a run


def library_labels(folders: Iterable[Path]) -> dict[Path, str]:
    """A different name for the folder of each library."""
    labels: dict[Path, str] = {}
    for folder in sorted(set(folders)):
        parts = [part for part in folder.parts[1:] if part != "src"]
        name = parts[-1] if parts else "library"
        used = set(labels.values())
        numbered = (f"{name}-{number}" for number in range(2, len(used) + 3))
        labels[folder] = next(label for label in (name, *numbered) if label not in used)
    return labels


def places_in_repository(project: Path, labels: Mapping[Path, str]) -> dict[str, str | None]:
    """The path of each library in the project's repository, by its label; None outside of it."""
    around = (project, *project.parents)
    top = next((folder for folder in around if (folder / ".git").exists()), None)
    return {
        label: folder.relative_to(top).as_posix() if top and folder.is_relative_to(top) else None
        for folder, label in labels.items()
    }


# ---- writing files


def _command(*words: str) -> str:
    return " ".join(map(shlex.quote, words))


def _is_relative(place: str) -> bool:
    pure = PurePosixPath(place)
    return not (pure.is_absolute() or ".." in pure.parts or "\0" in place or os.path.isabs(place))


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder, at any depth."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _make_empty(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        entry = next(folder.iterdir(), None)
    except OSError as error:
        raise StoreError(f"cannot restore the code into {folder}: {error}") from error
    if entry is not None:
        raise StoreError(
            f"{folder} is not empty ({entry.name} is in it): give an empty folder, so that nothing "
            "of yours is overwritten"
        )


def _copy_library(library: Path, folder: Path, place: Path) -> None:
    """Copy a library beside the files of the project, where an import finds it first.

    If other files are in its way, it gets a folder of its own.
    """
    if all(
        _is_free(folder / place / file.relative_to(library), file) for file in files_below(library)
    ):
        _copy(library, folder, place)
        return
    own = Path(LIBRARIES, library.name)
    _copy(library, folder, own)
    what = (
        f"{folder / place} has other files by the names of those of the library {library.name}: "
        f"it is in {folder / own}, put that first in PYTHONPATH to run what ran"
    )
    warn_user(what)


def _is_free(target: Path, file: Path) -> bool:
    """Whether nothing, or a copy of the file, is at its target."""
    try:
        return not target.is_symlink() and target.read_bytes() == file.read_bytes()
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _copy(source: Path, folder: Path, place: Path) -> None:
    """Copy plain files into a folder, and never through a link to another place.

    Files that git would take for a repository are no code, and are left out.
    """
    for path in files_below(source) if not source.is_symlink() else ():
        inner = path.relative_to(source)
        target = folder / place / inner
        if path.is_symlink() or not is_plain(path) or _is_in_git_folder(inner):
            continue
        try:
            is_within = target.parent.resolve().is_relative_to(folder.resolve())
            if is_within and not target.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(read_plain(path, _LARGEST))
        except OSError as error:
            raise StoreError(f"cannot restore {target}: {error}") from error


def _is_in_git_folder(path: Path) -> bool:
    """Whether a path leads into a `.git`, as any file system may read it."""
    return any(part.lower().rstrip(". ") in (".git", "git~1") for part in path.parts)
