"""The origin of a row for `experiment show`: packages, kept files, and commands to restore."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from superparams.store.provenance.git_state import PATCH
from superparams.store.provenance.sibling_libraries import LIBRARIES
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run

__all__ = ["kept_files", "other_packages", "way_back"]


def other_packages(run: Run) -> dict[str, tuple[str, str | None]]:
    """The packages whose version has changed since, with the version then and now.

    The version now is None if the package is not installed any more. Modules that are no package
    are left out.
    """
    found = {name: (then, _version(name)) for name, then in run.versions.items()}
    return {
        name: (then, now)
        for name, (then, now) in found.items()
        if then != now and not (now is None and _is_there(name))
    }


def _version(name: str) -> str | None:
    for known in (name, *_distributions().get(name, ())):
        try:
            return metadata.version(known)
        except (metadata.PackageNotFoundError, ValueError):
            continue
    return None


def _distributions() -> Mapping[str, list[str]]:
    if not _known:
        _known.update(metadata.packages_distributions())
    return _known


_known: dict[str, list[str]] = {}


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def kept_files(folder: RunFolder) -> list[str]:
    """The files of the project that the run kept, by their path in the project."""
    root = folder.source / "project"
    return sorted(
        Path(parent, name).relative_to(root).as_posix()
        for parent, _, names in os.walk(root)
        for name in names
    )


def not_readable(folder: RunFolder) -> str | None:
    """Why the code that the run kept cannot be read; None if it can."""
    try:
        os.listdir(folder.source)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or str(error)
    return None


def way_back(run: Run, project: Path, again: list[str]) -> Iterator[str]:
    """The commands that restore the code of a run in a new folder, and run a command there.

    There are none if the kept code cannot be read.

    Args:
        run: The run.
        project: The project as it is now.
        again: The words of the command to run.
    """
    source = run.folder.source
    if not_readable(run.folder):
        return
    root, inside = _repository(run, project)
    if run.commit is None:
        there = project.with_name(f"{project.name}-{run.name[-6:]}")
        yield _command("cp", "-R", str(source / "project"), str(there))
    else:
        there = root.with_name(f"{root.name}-{run.commit[:8]}")
        yield _command(
            "git", "-C", str(root), "worktree", "add", "--detach", str(there), run.commit
        )
        if (source / PATCH).is_file():
            patch = str((source / PATCH).absolute())
            yield _command("git", "-C", str(there), "apply", patch)
        if (source / "untracked").is_dir():
            yield _command("cp", "-R", f"{source / 'untracked'}/.", str(there))
    for library in sorted((source / LIBRARIES).glob("*/")):
        yield _command("cp", "-R", f"{library}/.", str(there / inside))
    yield f"{_command('cd', str(there / inside))} && {_command(*again)}"


def _repository(run: Run, project: Path) -> tuple[Path, Path]:
    """The repository of the project, and the path of the project in it."""
    recorded = run.git.get("root")
    # Git runs the hooks of a repository, so a repository elsewhere is not used.
    is_ours = isinstance(recorded, str) and project.is_relative_to(recorded)
    root = Path(str(recorded)) if is_ours and Path(str(recorded)).is_dir() else project
    return root, project.relative_to(root)


def _command(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
