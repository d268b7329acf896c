"""The state of the git repository of a run's project.

The repository is not changed, and nothing of it is executed, except for the filters by which git
itself reads and writes files (`git lfs`). Without git there is no state.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from threading import Timer
from typing import Any

from superparams.store import subprocesses

PATCH = "uncommitted.patch"  # in source/
MAX_PATCH = 1 << 20  # bytes of the patch of uncommitted changes that are kept
MAX_FILES = 200  # untracked sources that are kept
MAX_FILE = 256 << 10  # bytes of each
_SECONDS = 10.0
_GIT = (
    "git",
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    # A container often runs as another user than the one that the project belongs to.
    "-c",
    "safe.directory=*",
)
# The patch must be one that `git apply` takes, whatever format the user prefers.
_DIFF = (
    "-c",
    "diff.noprefix=false",
    "-c",
    "diff.relative=false",
    "diff",
    "--binary",
    "--unified=3",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--submodule=short",
    "--ignore-submodules=dirty",
)
# The variables that git gets. Others lead to another repository, such as that of a hook which runs
# an experiment, or change its answers.
_ALLOWED = re.compile("GIT_(CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|CONFIG|EXEC_PATH)")
# Only code is kept: other untracked files of a project may be data, or secrets.
_SOURCES = (".py", ".pyi", ".pyx", ".ipynb", ".sh", ".r", ".R", ".c", ".cc", ".cpp", ".cu", ".h")
_OF_A_RUN = re.compile(r"(^|/)runs/\d{8}T\d{12}Z-[0-9a-f]{6}/")  # copies that earlier runs kept


def git_state(
    project: Path, results: Path | None = None
) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Commit, branch and changes of a folder's repository, and the files to keep.

    Large files are cut or left out, and the entries name them; `failed` names the commands of git
    that failed or took too long.

    Args:
        project: A folder in the repository.
        results: The folder of results, which has no sources.

    Returns:
        Entries for run.json, and files by their path in `source/`; (None, {}) outside git.
    """
    root = _top(project)
    if root is None:
        return None, {}
    failed: list[str] = []
    commit = _line(_git(root, "rev-parse", "--verify", "-q", "HEAD"))
    branch = _line(_git(root, "symbolic-ref", "-q", "--short", "HEAD"))
    patch, is_cut, unpatched = _patch(root, commit, failed)
    files, left_out = _untracked(root, results, failed)
    state = {
        "root": str(root),
        "commit": commit,
        "branch": branch,
        "is_dirty": bool(patch or files or left_out or unpatched),
        "patch_cut_at": MAX_PATCH if is_cut else None,
        "patch_left_out": unpatched,
        "untracked": sorted(files),
        "untracked_left_out": left_out,
        "failed": failed,
    }
    untracked = {f"untracked/{name}": data for name, data in files.items()}
    return state, untracked | ({PATCH: patch} if patch else {})


def _top(folder: Path) -> Path | None:
    """The root of the repository that a folder is in."""
    answer = _git(folder, "rev-parse", "--show-toplevel") if shutil.which("git") else None
    return Path(os.fsdecode(answer.rstrip(b"\n"))) if answer and answer.strip() else None


def _patch(root: Path, commit: str | None, failed: list[str]) -> tuple[bytes, bool, list[str]]:
    """The patch from the commit to the present files.

    Returns:
        The patch, whether it had to be cut, and the names of files that it leaves out since the
        patch would be too large: files that are no sources.
    """
    if commit is None:
        return b"", False, []
    patch = _git(root, *_DIFF, commit, limit=MAX_PATCH + 1)
    left_out: list[str] = []
    if patch is not None and len(patch) > MAX_PATCH:
        sources = [f"*{suffix}" for suffix in _SOURCES]
        patch = _git(root, *_DIFF, commit, "--", *sources, limit=MAX_PATCH + 1)
        changed = _names(_git(root, "diff", "--name-only", "-z", commit))
        left_out = [name for name in changed if not name.endswith(_SOURCES)][:MAX_FILES]
    if patch is None:
        failed.append("diff")
        return b"", False, left_out
    return patch[:MAX_PATCH], len(patch) > MAX_PATCH, left_out


def _untracked(
    root: Path, results: Path | None, failed: list[str]
) -> tuple[dict[str, bytes], list[str]]:
    """Sources that git neither tracks nor ignores, and the names of sources that are too large."""
    inner = None if results is None else Path(os.path.relpath(results, root))
    # Results may be a million files, and none of them is a source.
    is_inside = inner is not None and inner != Path() and ".." not in inner.parts
    paths = [".", f":(exclude,top,literal){inner.as_posix()}"] if inner and is_inside else []
    listing = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths)
    if listing is None:
        failed.append("ls-files")
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    for name in _names(listing):
        is_odd = ".." in PurePosixPath(name).parts or _OF_A_RUN.search(name)
        if is_odd or not name.endswith(_SOURCES):
            continue
        data = small_file(root / name) if len(files) < MAX_FILES else None
        if data is None:
            left_out.append(name)
        else:
            files[name] = data
    return files, left_out[:MAX_FILES]


def small_file(path: Path) -> bytes | None:
    """The content of a file; None for one that is large, no plain file, or cannot be read."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE:
            return None
        return path.read_bytes()
    except OSError:
        return None


# ---- git itself


def _environment() -> dict[str, str]:
    variables = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("GIT_") or _ALLOWED.match(name)
    }
    return {
        **variables,
        "GIT_ALLOW_PROTOCOL": "none",  # what is missing here is not fetched
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _names(listing: bytes | None) -> list[str]:
    return [os.fsdecode(name) for name in (listing or b"").split(b"\0") if name]


def _line(answer: bytes | None) -> str | None:
    return os.fsdecode(answer.strip()) or None if answer is not None else None


def _git(folder: Path, *words: str, limit: int = 8 << 20) -> bytes | None:
    """The output of a git command, at most `limit` bytes; None if it fails or takes too long."""
    try:
        with subprocesses.start([*_GIT, *words], folder, _environment()) as process:
            return _answer(process, limit)
    except OSError:
        return None


def _answer(process: subprocess.Popen[bytes], limit: int) -> bytes | None:
    assert process.stdout is not None
    timer = Timer(_SECONDS, process.kill)
    timer.name = "superparams-git"
    timer.start()
    try:
        data = process.stdout.read(limit)
        if len(data) == limit:
            process.kill()  # the rest is not wanted
            return data
        return data if process.wait() == 0 else None
    finally:
        timer.cancel()
        process.kill()
