"""Which code, data and environment made a result.

`gather` collects facts on the user's project, the machine and the process when a run starts: argv,
git commit, branch and uncommitted patch, untracked sources, versions of imported packages, CPU and
GPU. It never reads values of environment variables. Without git, or outside a repository, the facts
of git are missing.
"""

from __future__ import annotations

import email.parser  # noqa: F401  # pyright: ignore[reportUnusedImport]  # see gather_later
import json
import os
import platform
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any, cast

from superparams.errors import StoreError
from superparams.errors.safe_text import line
from superparams.errors.tables import Table, pair_lines
from superparams.store.plain_files import is_plain, read_plain
from superparams.store.provenance.git_state import PATCH, git_state, small_file
from superparams.store.provenance.restore import restore
from superparams.store.provenance.sibling_libraries import LIBRARIES, labels, places_in_repository
from superparams.store.runs.folder import RunFolder, write_all_durably
from superparams.store.runs.results_path import short_path

PARTS = "parts.json"  # in source/: the text of each part of the code


@dataclass(frozen=True, repr=False)
class Provenance:
    """The origin of a result. It prints as a short summary, also in a notebook.

    commit, branch: of the user's git repository, None outside of one; patch: uncommitted changes,
    None if there were none; files: untracked source files and the files that the experiment
    reaches, as paths in the run folder; manifest: the content of run.json (argv, host, versions,
    times, space, …).
    """

    run: Path
    commit: str | None
    branch: str | None
    patch: str | None
    files: list[Path]
    manifest: dict[str, Any]

    def __repr__(self) -> str:
        pairs = [(name, line(x)) for name, x in self._pairs()]
        return "\n".join([line(self._head), *pair_lines(pairs)])

    def _repr_html_(self) -> str:
        return Table(("field", "value"), list(self._pairs()), title=self._head).html()

    @property
    def _head(self) -> str:
        return f"run {self.run.name}"

    def _pairs(self) -> Iterator[tuple[str, str]]:
        """What people look for, by name."""
        told = self.manifest
        commit = self.commit and self.commit + (" and what was not committed" if self.patch else "")
        pairs = {
            "commit": commit,
            "branch": self.branch,
            "code": told.get("code"),
            "files": f"{len(self.files):,} in {short_path(self.run / 'source')}",
            **{name: told.get(name) for name in ("start", "host", "platform", "cpu", "python")},
        }
        yield from ((name, str(x)) for name, x in pairs.items() if x)

    def restore(
        self, folder: Path | str, *, repository: Path | str | None = None, git: bool = True
    ) -> Path:
        """Write the code of the run into an empty or new folder, and return the path of the folder.

        With git, this is the whole repository: the commit, the uncommitted changes and the
        untracked source files. Your repository is not changed. Without git, it is the project's
        files that the experiment reached.

        repository: a clone that has the commit; by default the repository around the run folder,
        that in which the run was started, or that around the current directory. git: False writes
        only the files that the experiment reached, for which no repository is needed.

        Raises StoreError, before anything is written, for a folder that is not empty, and when no
        repository has the commit; warns when some files were too large to be kept.
        """
        place = None if repository is None else Path(repository)
        return restore(RunFolder(self.run), Path(folder), place, git=git)


def read_provenance(run: RunFolder) -> Provenance:
    """What a run folder tells of its run."""
    manifest = run.manifest()
    told = manifest.get("git")
    git = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    commit, branch = _text(git.get("commit")), _text(git.get("branch"))
    patch = run.source / PATCH
    files = sorted(path for path in run.source.rglob("*") if path.is_file() and path != patch)
    text = _patch_text(patch) if is_plain(patch) else None
    return Provenance(run.path, commit, branch, text, files, manifest)


def _patch_text(patch: Path) -> str:
    try:
        return read_plain(patch).decode(errors="surrogateescape")
    except OSError as error:
        raise StoreError(f"the uncommitted changes cannot be read: {error}") from error


def _text(entry: Any) -> str | None:
    return entry if isinstance(entry, str) else None


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

    @property
    def is_whole(self) -> bool:
        """Whether git answered all that it was asked."""
        git: Any = self.manifest["git"]
        return git is None or not git["failed"]


def gather_later(project: Path, results: Path | None = None) -> Future[Gathered]:
    """`gather`, in a thread, so that git and GPU tools do not hold up the start of a run.

    That thread imports nothing: a program that forks meanwhile would leave the lock of that module
    taken in the fork for ever. So what `metadata` imports late is imported with this module.
    """
    future: Future[Gathered] = Future()

    def work() -> None:
        try:
            future.set_result(gather(project, results))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="superparams-provenance", daemon=True).start()
    return future


def gather(project: Path, results: Path | None = None) -> Gathered:
    """All that is known of code, machine and process.

    project: the root of the experiment's project, to which what `save_source` keeps is relative;
    results: the folder of results, which may lie in it and is not looked into. Takes as long as
    git does; never raises for lack of git.
    """
    git, files = git_state(project, results)
    manifest = {
        "argv": list(sys.argv),
        "project": str(project),
        "cwd": _working_directory(),
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


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def save_source(
    run: RunFolder,
    project: Path,
    files: Iterable[Path],
    parts: Mapping[str, str],
    texts: Mapping[Path, bytes] | None = None,
    libraries: Mapping[Path, Path] | None = None,
) -> None:
    """Keep in `source/` the files that an experiment reaches, and the text of each of its parts.

    project: the folder to which the paths are relative in `source/project`; a file outside it is
    kept by its name alone. parts: the text of each function, class and constant by its full name.
    texts: the content of further files by their path, as they were when that was read. libraries:
    for files of libraries beside the project, the folder that each is imported from; these go to
    `source/libraries`.
    """
    read = {file: data for file in files if (data := small_file(file)) is not None}
    known = dict(libraries or {})
    names = labels(known.values())
    kept: dict[str, bytes] = {}
    for file, data in (read | dict(texts or {})).items():
        folder = known.get(file)
        if folder is None:
            kept[f"project/{_inside(project, file)}"] = data
        else:
            kept[f"{LIBRARIES}/{names[folder]}/{file.relative_to(folder).as_posix()}"] = data
    kept[PARTS] = json.dumps(dict(parts), indent=1).encode("utf-8", "backslashreplace")
    write_all_durably(run.source, kept)
    if names:
        run.update(**{LIBRARIES: places_in_repository(project, names)})


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
