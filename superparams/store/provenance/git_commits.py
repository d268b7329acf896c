"""Extracts the files of a commit from a repository that may be untrusted.

Only the objects of such a repository are used. git works in a temporary bare repository of our own,
whose configuration has nothing from the other repository. So no filter, hook, monitor, helper or
remote of the other repository is ever started or contacted. Files of `git lfs` stay pointer files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

from superparams.errors import StoreError
from superparams.store import subprocesses
from superparams.store.plain_files import is_plain, read_plain

__all__ = ["COMMIT", "checkout_into", "find_objects"]

COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SECONDS: Final = 120.0  # the time limit for one call of git
_POINTER: Final = 1 << 16  # the largest size of a file that names another folder, in bytes
_DEPTH: Final = 5  # levels of repositories that borrow objects from each other
_GIT: Final = ("git", "--no-pager", "--no-optional-locks", "--no-replace-objects")
_SAFE: Final = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.autocrlf": "false",
    "protocol.allow": "never",
    "gc.auto": "0",
}


def _environment() -> dict[str, str]:
    """The environment without variables that make git use other files, programs or addresses."""
    return {
        **{name: text for name, text in os.environ.items() if not name.startswith("GIT_")},
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


# ---- finding the objects


def find_objects(commit: str, folders: list[Path]) -> list[Path] | None:
    """The folders of git's objects with a commit, of the first repository that has it.

    Args:
        commit: The full hash.
        folders: Folders in repositories.
    """
    if not COMMIT.fullmatch(commit) or shutil.which("git") is None:
        return None
    for folder in folders:
        objects = _objects_around(folder)
        if objects:
            with _temporary_repository(commit, objects) as bare:
                if bare.git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0:
                    return objects
    return None


def _objects_around(folder: Path) -> list[Path]:
    """The folders of objects of the repository that contains a folder."""
    with contextlib.suppress(OSError, ValueError):
        folder = folder.resolve()
        for parent in (folder, *folder.parents):
            for candidate in (parent / ".git", parent):
                common = _common_directory(candidate)
                if common is not None and (common / "objects").is_dir():
                    return list(dict.fromkeys(_with_alternates(common / "objects", _DEPTH)))
    return []


def _common_directory(candidate: Path) -> Path | None:
    """The git directory with the objects, for a `.git` that is a folder or a file."""
    if is_plain(candidate):
        text = _line(candidate)
        if not text.startswith("gitdir:"):
            return None
        candidate = candidate.parent / text.removeprefix("gitdir:").strip()
    if not is_plain(candidate / "HEAD"):
        return None
    shared = _line(candidate / "commondir") if is_plain(candidate / "commondir") else ""
    return candidate / shared if shared else candidate


def _line(path: Path) -> str:
    try:
        return os.fsdecode(read_plain(path, _POINTER)).strip()
    except OSError:
        return ""


def _with_alternates(objects: Path, depth: int) -> Iterator[Path]:
    """A folder of objects, and the folders on this machine from which it borrows objects."""
    yield objects
    alternates = objects / "info" / "alternates"
    if depth and is_plain(alternates):
        for line in _line(alternates).splitlines():
            with contextlib.suppress(OSError, ValueError):
                other = objects / line
                if line and not line.startswith(("#", '"', "//", "\\\\")) and other.is_dir():
                    yield from _with_alternates(other, depth - 1)


# ---- a repository of our own


class _Bare:
    """A bare repository that only has the objects of other repositories, as links to files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(
        self, *words: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command of git.

        Raises:
            StoreError: When git takes too long, or cannot be started.
        """
        settings = [word for name, x in _SAFE.items() for word in ("-c", f"{name}={x}")]
        try:
            return subprocesses.run(
                [*_GIT, *settings, *words],
                cwd or self.folder,
                {**_environment(), "GIT_DIR": str(self.folder), **variables},
                seconds=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise StoreError(f"git {words[0]} took longer than {_SECONDS:g} s") from None
        except OSError as error:
            raise StoreError(f"git cannot be started: {error}") from error

    def git_or_raise(self, *words: str, cwd: Path, **variables: str) -> None:
        """As `git`, but raises StoreError with the message of git when it fails."""
        process = self.git(*words, cwd=cwd, **variables)
        if process.returncode:
            message = process.stderr.decode(errors="replace").strip()[:2000]
            raise StoreError(f"the code cannot be restored: git {words[0]} failed: {message}")


@contextlib.contextmanager
def _temporary_repository(commit: str, objects: list[Path]) -> Generator[_Bare]:
    """A temporary repository. It is not made by ``git init``, which would use a template."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "own.git")
        (folder / "refs").mkdir(parents=True)
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        is_long = len(commit) == 64
        extensions = "[extensions]\n\tobjectFormat = sha256\n" if is_long else ""
        core = f"[core]\n\trepositoryformatversion = {int(is_long)}\n\tbare = true\n"
        (folder / "config").write_text(core + extensions)
        mirrors = [Path(temporary, f"objects-{number}") for number in range(len(objects))]
        mirrors[0] = folder / "objects"
        for original, mirror in zip(objects, mirrors, strict=True):
            _mirror(original, mirror)
        if len(objects) > 1:
            (folder / "objects" / "info").mkdir()
            alternates = "".join(f"{mirror}\n" for mirror in mirrors[1:])
            (folder / "objects" / "info" / "alternates").write_text(alternates)
        yield _Bare(folder)


def _mirror(objects: Path, mirror: Path) -> None:
    """Make links to the packs and loose objects that are plain files, and to nothing else."""
    (mirror / "pack").mkdir(parents=True)
    for folder in objects.iterdir():
        if not re.fullmatch("[0-9a-f]{2}|pack", folder.name) or not folder.is_dir():
            continue
        (mirror / folder.name).mkdir(exist_ok=True)
        for path in folder.iterdir():
            is_pack = folder.name != "pack" or path.suffix in (".pack", ".idx")
            if is_pack and is_plain(path):
                link = mirror / folder.name / path.name
                try:
                    link.symlink_to(path.resolve())
                except OSError:  # for example on Windows, without the permission for links
                    shutil.copyfile(path.resolve(), link)


# ---- writing the files


def checkout_into(folder: Path, objects: list[Path], commit: str, patch: Path | None) -> None:
    """Write the files of a commit, with a patch on top, into an empty folder.

    Args:
        folder: An absolute path.
        objects: The folders that `find_objects` returned.
        commit: The full hash.
        patch: A patch of `git diff`; None for no patch.

    Raises:
        StoreError: With the message of git.
    """
    with _temporary_repository(commit, objects) as bare:
        index = str(bare.folder / "index")
        variables = {"GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": index}
        commands: list[tuple[str, ...]] = [("read-tree", "--no-sparse-checkout", commit)]
        if patch is not None:
            # Applied to the index, whose contents have no conversion of line ends.
            commands.append(("apply", "--cached", "--whitespace=nowarn", str(patch.absolute())))
        commands.append(("checkout-index", "--all", "--force"))
        for words in commands:
            bare.git_or_raise(*words, cwd=folder, **variables)
