"""The files of a commit, out of a repository that may be somebody else's.

Nothing of such a repository is believed but its objects: git works in a bare repository of our
own, made for the purpose, whose configuration holds nothing of the other one. So no filter, hook,
monitor, helper or remote of it is ever started or asked. What `git lfs` keeps elsewhere stays the
short text that the commit has for it.
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
from superparams.store.plainfile import is_plain, read_plain

__all__ = ["COMMIT", "clean_environment", "find_objects", "lay_out"]

COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SECONDS: Final = 120.0  # that one call of git may take
_POINTER: Final = 1 << 16  # bytes of a file that names another folder
_DEPTH: Final = 5  # of repositories that borrow objects of others
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
    """Our environment without what leads git elsewhere, or has it start or ask something."""
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
    """The folders of objects that have a commit, of the first of some places in a repository."""
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
    """The folders of objects of the repository that a folder is in."""
    with contextlib.suppress(OSError, ValueError):
        place = place.resolve()
        for folder in (place, *place.parents):
            for candidate in (folder / ".git", folder):
                found = _common(candidate)
                if found is not None and (found / "objects").is_dir():
                    return list(dict.fromkeys(_with_borrowed(found / "objects", _DEPTH)))
    return []


def _common(candidate: Path) -> Path | None:
    """The git directory that has the objects, of a `.git` that is a folder or a file."""
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
    """A folder of objects, and those on this machine that it borrows from."""
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
    """A bare repository that has nothing but the objects of others, by links to plain files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has_commit(self, commit: str) -> bool:
        """Whether it has a commit."""
        return self.git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def git(
        self, *words: str, cwd: Path | None = None, **places: str
    ) -> subprocess.CompletedProcess[bytes]:
        """What a command of git answers.

        Raises:
            StoreError: When it takes too long, or cannot be started.
        """
        settings = [word for name, x in _SAFE.items() for word in ("-c", f"{name}={x}")]
        try:
            return subprocess.run(
                [*_GIT, *settings, *words],
                cwd=cwd or self.folder,
                env={**clean_environment(), "GIT_DIR": str(self.folder), **places},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise StoreError(f"git {words[0]} took longer than {_SECONDS:g} s") from None
        except OSError as error:
            raise StoreError(f"git cannot be started: {error}") from error

    def done(self, *words: str, cwd: Path | None = None, **places: str) -> bytes:
        """As `git`. Raises StoreError, with what git says, also when it fails."""
        ended = self.git(*words, cwd=cwd, **places)
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip()
            raise StoreError(f"git {words[0]} cannot bring back the code: {said[:2000]}")
        return ended.stdout


@contextlib.contextmanager
def _bare(commit: str, objects: list[Path]) -> Generator[_Bare]:
    """A repository for this while. Written by hand, so that no template of anybody counts."""
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
    """Links to the packs and loose objects that are plain files, and to nothing else."""
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
    except OSError:  # as on Windows, without the right to
        shutil.copyfile(path, name)


# ---- writing the files


def lay_out(objects: list[Path], commit: str, patch: Path | None, folder: Path) -> None:
    """Write the files of a commit, with a patch on top, into an empty folder.

    Args:
        objects: what `find_objects` found.
        commit: its full name.
        patch: a patch that `git diff` made.
        folder: an absolute path.

    Raises:
        StoreError: With what git says.
    """
    with _bare(commit, objects) as bare:
        places = {
            "GIT_WORK_TREE": str(folder),
            "GIT_INDEX_FILE": str(bare.folder / "index"),
        }
        bare.done("read-tree", "--no-sparse-checkout", commit, cwd=folder, **places)
        if patch is not None:
            # In the index, where contents are as in commits.
            name = str(patch.absolute())
            words = ("apply", "--cached", "--whitespace=nowarn", name)
            bare.done(*words, cwd=folder, **places)
        bare.done("checkout-index", "--all", "--force", cwd=folder, **places)
