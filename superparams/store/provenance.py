"""Which code, data and environment made a result.

`gather` looks at the user's project, the machine and the process when a run starts: argv, git
commit, branch and uncommitted patch, untracked sources, versions of what is imported, CPU and GPU.
Values of environment variables are never looked at. Without git, or outside a repository, that part
is simply absent.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any

from superparams.store.folder import RunFolder, write_all_durably

PARTS = "parts.json"  # in source/: the text of each part of the code
MAX_PATCH = 1 << 20  # bytes of the patch of uncommitted changes that are kept
MAX_FILES = 200  # untracked sources that are kept
MAX_FILE = 256 << 10  # bytes of each
_GIT_SECONDS = 5.0
# Nothing of a repository may run: no hooks, pagers, external diffs, text conversions or file system
# monitors.
_GIT = (
    "git",
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
)
# Code alone: what else lies untracked in a project may be data, or a secret.
_SOURCES = (".py", ".pyi", ".pyx", ".ipynb", ".sh", ".r", ".R", ".c", ".cc", ".cpp", ".cu", ".h")


@dataclass(frozen=True)
class Provenance:
    """What made a result.

    commit, branch: of the user's git repository, None outside of one; patch: uncommitted changes to
    it, None when there were none; files: untracked sources and those the experiment reaches, as
    paths in the run folder; manifest: all that run.json says (argv, host, versions, times, space,
    …).
    """

    run: Path
    commit: str | None
    branch: str | None
    patch: str | None
    files: list[Path]
    manifest: dict[str, Any] = field(repr=False)


def read_provenance(run: RunFolder) -> Provenance:
    """What a run folder tells of its run."""
    manifest = run.manifest()
    git: dict[str, Any] = manifest.get("git") or {}
    patch = run.source / "uncommitted.patch"
    files = sorted(path for path in run.source.rglob("*") if path.is_file() and path != patch)
    text = patch.read_bytes().decode(errors="surrogateescape") if patch.exists() else None
    return Provenance(run.path, git.get("commit"), git.get("branch"), text, files, manifest)


# ---- at the start of a run


@dataclass(frozen=True)
class Gathered:
    """What `gather` found: entries for run.json, and files for `source/` by their path there."""

    manifest: dict[str, Any]
    files: dict[str, bytes]

    def save(self, run: RunFolder) -> None:
        """Put the files into the run's folder and the rest into its manifest."""
        if self.files:
            write_all_durably(run.source, self.files)
        run.update(**self.manifest)


def gather_later(project: Path) -> Future[Gathered]:
    """`gather`, in a thread, so that git and GPU tools do not hold up the start of a run."""
    future: Future[Gathered] = Future()

    def work() -> None:
        try:
            future.set_result(gather(project))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="superparams-provenance", daemon=True).start()
    return future


def gather(project: Path) -> Gathered:
    """All that is known of code, machine and process.

    Takes as long as git does; never raises for lack of git.
    """
    git, files = git_state(project)
    manifest = {
        "argv": list(sys.argv),
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "versions": versions(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "gpus": gpu_names(),
        "git": git,
    }
    return Gathered(manifest, files)


def save_source(
    run: RunFolder,
    project: Path,
    files: Iterable[Path],
    parts: Mapping[str, str],
    texts: Mapping[str, bytes] | None = None,
) -> None:
    """Keep in `source/` the files that an experiment reaches, and the text of each of its parts.

    project: the folder to which the paths are relative in `source/project`; a file outside it is
    kept by its name alone. parts: the text of each function, class and constant by its full name.
    texts: the content of further files by their path, as they were when that was read.
    """
    read = {str(file): data for file in files if (data := _small_file(file)) is not None}
    kept = {
        f"project/{_inside(project, Path(name))}": data
        for name, data in (read | dict(texts or {})).items()
    }
    kept[PARTS] = json.dumps(dict(parts), indent=1).encode("utf-8", "backslashreplace")
    write_all_durably(run.source, kept)


def _inside(project: Path, file: Path) -> str:
    """The path of a file in a project; of one outside it, the name."""
    inner = Path(os.path.relpath(file, project))
    return file.name if ".." in inner.parts else inner.as_posix()


def versions() -> dict[str, str]:
    """The versions of the packages imported by now, by the name of their distribution or module."""
    found: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        version = _version(name, module)
        if version is not None:
            found[name] = version
    return dict(sorted(found.items()))


def _version(name: str, module: Any) -> str | None:
    # What the module says is looked at first: asking the metadata of all distributions which one a
    # module is of takes a tenth of a second.
    said = getattr(module, "__dict__", {}).get("__version__")
    if isinstance(said, str):
        return said
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def cpu_name() -> str:
    """The model of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def gpu_names() -> list[str]:
    """The names of NVIDIA GPUs, as the driver's files tell: no tool is started."""
    names: list[str] = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return names


# ---- git


def git_state(project: Path) -> tuple[dict[str, Any] | None, dict[str, bytes]]:
    """Commit, branch and changes of a folder's repository, and the files that keep them.

    (None, {}) outside git. What is too large is cut or left out, and the entries say so.
    """
    if shutil.which("git") is None:
        return None, {}
    top = _git(project, "rev-parse", "--show-toplevel")
    if top is None:
        return None, {}
    root = Path(os.fsdecode(top.rstrip(b"\n")))
    commit = _line(_git(root, "rev-parse", "--verify", "-q", "HEAD"))
    branch = _line(_git(root, "symbolic-ref", "-q", "--short", "HEAD"))
    patch, cut = _patch(root, commit)
    files, left_out = _untracked(root)
    state = {
        "root": str(root),
        "commit": commit,
        "branch": branch,
        "is_dirty": bool(patch or files or left_out),
        "patch_cut_at": MAX_PATCH if cut else None,
        "untracked": sorted(files),
        "untracked_left_out": left_out,
    }
    kept = {f"untracked/{name}": data for name, data in files.items()}
    return state, kept | ({"uncommitted.patch": patch} if patch else {})


def _patch(root: Path, commit: str | None) -> tuple[bytes, bool]:
    """The patch from the commit to the working tree, and whether it had to be cut."""
    if commit is None:
        return b"", False
    asked = ("diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", commit)
    patch = _git(root, *asked, limit=MAX_PATCH + 1) or b""
    return patch[:MAX_PATCH], len(patch) > MAX_PATCH


def _untracked(root: Path) -> tuple[dict[str, bytes], list[str]]:
    """Sources that git neither knows nor ignores, and the names of those left out for size."""
    listing = _git(root, "ls-files", "--others", "--exclude-standard", "-z") or b""
    names = [os.fsdecode(name) for name in listing.split(b"\0") if name]
    kept: dict[str, bytes] = {}
    left_out: list[str] = []
    for name in names:
        if not name.endswith(_SOURCES) or ".." in PurePosixPath(name).parts:
            continue
        data = _small_file(root / name) if len(kept) < MAX_FILES else None
        if data is None:
            left_out.append(name)
        else:
            kept[name] = data
    return kept, left_out[:MAX_FILES]


def _small_file(path: Path) -> bytes | None:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _line(answer: bytes | None) -> str | None:
    return os.fsdecode(answer.strip()) or None if answer is not None else None


def _git(folder: Path, *words: str, limit: int = 8 << 20) -> bytes | None:
    """What git answers, at most `limit` bytes; None when it fails or takes too long."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        with subprocess.Popen(
            [*_GIT, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            return _answer(process, limit)
    except OSError:
        return None


def _answer(process: subprocess.Popen[bytes], limit: int) -> bytes | None:
    from threading import Timer

    assert process.stdout is not None
    timer = Timer(_GIT_SECONDS, process.kill)
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
