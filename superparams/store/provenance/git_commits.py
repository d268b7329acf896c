"""Extracts the files of a commit from a repository that may be somebody else's.

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

__all__ = ["COMMIT", "clean_environment", "find_objects", "lay_out"]

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


def clean_environment() -> dict[str, str]:
    """The environment without variables that make git use other files, programs or addresses."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    return {
        **kept,
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


def find_objects(commit: str, places: list[Path]) -> list[Path] | None:
    """The folders of objects with a commit, from the first of some places that has it."""
    if not COMMIT.fullmatch(commit) or shutil.which("git") is None:
        return None
    for place in places:
        objects = _objects_around(place)
        if objects:
            with _bare(commit, objects) as bare:
                if bare.has_commit(commit):
                    return objects
    return None


def _objects_around(place: Path) -> list[Path]:
    """The folders of objects of the repository that contains a folder."""
    with contextlib.suppress(OSError, ValueError):
        place = place.resolve()
        for folder in (place, *place.parents):
            for candidate in (folder / ".git", folder):
                found = _common(candidate)
                if found is not None and (found / "objects").is_dir():
                    return list(dict.fromkeys(_with_borrowed(found / "objects", _DEPTH)))
    return []


def _common(candidate: Path) -> Path | None:
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


def _with_borrowed(objects: Path, depth: int) -> Iterator[Path]:
    """A folder of objects, and the folders on this machine from which it borrows objects."""
    yield objects
    listed = objects / "info" / "alternates"
    if depth and is_plain(listed):
        for line in _line(listed).splitlines():
            with contextlib.suppress(OSError, ValueError):
                other = objects / line
                if line and not line.startswith(("#", '"', "//", "\\\\")) and other.is_dir():
                    yield from _with_borrowed(other, depth - 1)


# ---- a repository of our own


class _Bare:
    """A bare repository that only has the objects of other repositories, as links to files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has_commit(self, commit: str) -> bool:
        """Whether it has a commit."""
        return self.git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def git(
        self, *words: str, cwd: Path | None = None, **places: str
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
                {**clean_environment(), "GIT_DIR": str(self.folder), **places},
                seconds=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise StoreError(f"git {words[0]} took longer than {_SECONDS:g} s") from None
        except OSError as error:
            raise StoreError(f"git cannot be started: {error}") from error

    def done(self, *words: str, cwd: Path | None = None, **places: str) -> bytes:
        """As `git`, but raises StoreError with the message of git when it fails."""
        ended = self.git(*words, cwd=cwd, **places)
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip()
            raise StoreError(f"the code cannot be restored: git {words[0]} failed: {said[:2000]}")
        return ended.stdout


@contextlib.contextmanager
def _bare(commit: str, objects: list[Path]) -> Generator[_Bare]:
    """A temporary repository. It is not made by ``git init``, which would use a template."""
    with tempfile.TemporaryDirectory() as beside:
        folder = Path(beside, "own.git")
        (folder / "refs").mkdir(parents=True)
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        is_long = len(commit) == 64
        more = "[extensions]\n\tobjectFormat = sha256\n" if is_long else ""
        version = int(is_long)
        config = f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{more}"
        (folder / "config").write_text(config)
        for place, each in enumerate(objects):
            mirror = folder / "objects" if not place else Path(beside, f"objects-{place}")
            _mirror(each, mirror)
        if len(objects) > 1:
            (folder / "objects" / "info").mkdir()
            others = "".join(f"{beside}/objects-{place}\n" for place in range(1, len(objects)))
            (folder / "objects" / "info" / "alternates").write_text(others)
        yield _Bare(folder)


def _mirror(objects: Path, mirror: Path) -> None:
    """Make links to the packs and loose objects that are plain files, and to nothing else."""
    (mirror / "pack").mkdir(parents=True)
    for folder in _folders_of_objects(objects):
        (mirror / folder.name).mkdir(exist_ok=True)
        for path in folder.iterdir():
            is_pack = folder.name != "pack" or path.suffix in (".pack", ".idx")
            if is_pack and is_plain(path):
                _link(path.resolve(), mirror / folder.name / path.name)


def _folders_of_objects(objects: Path) -> Iterator[Path]:
    for path in objects.iterdir():
        if re.fullmatch("[0-9a-f]{2}|pack", path.name) and path.is_dir():
            yield path


def _link(path: Path, name: Path) -> None:
    try:
        name.symlink_to(path)
    except OSError:  # for example on Windows, without the permission for links
        shutil.copyfile(path, name)


# ---- writing the files


def lay_out(objects: list[Path], commit: str, patch: Path | None, folder: Path) -> None:
    """Write the files of a commit, with a patch on top, into an empty folder.

    Args:
        objects: The folders that `find_objects` returned.
        commit: The full hash.
        patch: A patch of `git diff`; None for no patch.
        folder: An absolute path.

    Raises:
        StoreError: With the message of git.
    """
    with _bare(commit, objects) as bare:
        places = {
            "GIT_WORK_TREE": str(folder),
            "GIT_INDEX_FILE": str(bare.folder / "index"),
        }
        bare.done("read-tree", "--no-sparse-checkout", commit, cwd=folder, **places)
        if patch is not None:
            # Applied to the index, whose contents have no conversion of line ends.
            name = str(patch.absolute())
            words = ("apply", "--cached", "--whitespace=nowarn", name)
            bare.done(*words, cwd=folder, **places)
        bare.done("checkout-index", "--all", "--force", cwd=folder, **places)
