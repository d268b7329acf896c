"""The provenance of a result: the code, data and environment that made it.

`gather` collects facts about the user's project, the machine and the process when a run starts:
argv, git commit, branch and uncommitted patch, untracked sources, versions of imported packages,
CPU and GPU. It never reads values of environment variables. Without git, or outside a repository,
the facts of git are missing.
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
from typing import Any

from superparams.errors import StoreError
from superparams.errors.safe_text import line
from superparams.errors.tables import Table, pair_lines
from superparams.store.json_values import json_text
from superparams.store.plain_files import read_plain
from superparams.store.provenance.git_state import git_state, small_file
from superparams.store.provenance.kept_code import (
    LIBRARIES,
    PARTS,
    PROJECT,
    KeptCode,
    library_labels,
    places_in_repository,
)
from superparams.store.runs.folder import RunFolder, write_all_durably
from superparams.store.runs.results_folder import short_path

__all__ = ["Provenance", "gather", "gather_later", "read_provenance", "save_source"]


@dataclass(frozen=True, repr=False)
class Provenance:
    """The origin of a result. It prints as a short summary, also in a notebook.

    Attributes:
        run: The folder of the run.
        commit: The commit of the user's git repository; None outside of one.
        branch: The branch of that repository; None outside of one.
        patch: Uncommitted changes; None if there were none.
        files: Untracked source files, and the files that the experiment reached, as paths in the
            folder of the run.
        manifest: The content of run.json (argv, host, versions, times, space, …).
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
        """Names and values of the summary."""
        pairs: dict[str, object] = {
            "commit": self.commit
            and self.commit + (" and what was not committed" if self.patch else ""),
            "branch": self.branch,
            "code": self.manifest.get("code"),
            "files": f"{len(self.files):,} in {short_path(self.run / 'source')}",
        }
        for name in ("start", "host", "platform", "cpu", "python"):
            pairs[name] = self.manifest.get(name)
        yield from ((name, str(x)) for name, x in pairs.items() if x)

    def restore(
        self, folder: Path | str, *, repository: Path | str | None = None, git: bool = True
    ) -> Path:
        """Write the code of the run into an empty or new folder, and return the path of the folder.

        With git, this is the whole repository: the commit, the uncommitted changes and the
        untracked source files. Your repository is not changed. Without git, it is the project's
        files that the experiment reached. Warns when some files were too large to be kept.

        Args:
            folder: A folder that is empty or does not exist.
            repository: A clone that has the commit; by default the repository around the run
                folder, that in which the run was started, or that around the current directory.
            git: False writes only the files that the experiment reached, for which no repository is
                needed.

        Returns:
            The path of the folder.

        Raises:
            StoreError: Before anything is written, for a folder that is not empty, and when no
                repository has the commit.
        """
        code = KeptCode(RunFolder(self.run), self.manifest)
        return code.restore(Path(folder), Path(repository) if repository else None, git=git)


def read_provenance(run: RunFolder) -> Provenance:
    """The provenance that is recorded in the folder of a run."""
    manifest = run.manifest()
    code = KeptCode(run, manifest)
    commit, branch = (json_text(code.git.get(name)) for name in ("commit", "branch"))
    try:
        path = code.patch
        patch = None if path is None else read_plain(path).decode(errors="surrogateescape")
    except OSError as error:
        raise StoreError(f"the uncommitted changes cannot be read: {error}") from error
    return Provenance(run.path, commit, branch, patch, code.files, manifest)


# ---- at the start of a run


@dataclass(frozen=True)
class GatheredFacts:
    """The result of `gather`: entries for run.json, and files for `source/` by their path there."""

    manifest: dict[str, Any]
    files: dict[str, bytes]

    def save(self, run: RunFolder) -> None:
        """Put the files into the run's folder and the rest into its manifest."""
        if self.files:
            write_all_durably(run.source, self.files)
        run.update(**self.manifest)

    @property
    def is_whole(self) -> bool:
        """Whether all commands of git succeeded."""
        git = self.manifest["git"]
        return git is None or not git["failed"]


def gather_later(project: Path, results: Path | None = None) -> Future[GatheredFacts]:
    """`gather`, in a thread, so that git and GPU tools do not delay the start of a run.

    The thread imports no module: if the program forked during an import, the lock of that module
    would stay locked in the fork. So modules that `metadata` imports late are imported here.
    """
    future: Future[GatheredFacts] = Future()

    def work() -> None:
        try:
            future.set_result(gather(project, results))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="superparams-provenance", daemon=True).start()
    return future


def gather(project: Path, results: Path | None = None) -> GatheredFacts:
    """All facts about code, machine and process.

    Takes as long as git needs; never raises if git is missing.

    Args:
        project: The root of the experiment's project, to which the paths of `save_source` are
            relative.
        results: The folder of results, which may be in it and is not searched.
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
        "versions": _versions(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "gpus": _gpu_names(),
        "git": git,
    }
    return GatheredFacts(manifest, files)


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

    Args:
        run: The folder of the run.
        project: The folder to which the paths are relative in `source/project`; a file outside it
            is kept by its name alone.
        files: Files to read.
        parts: The text of each function, class and constant by its full name.
        texts: The content of further files by their path, as it was when the code was read.
        libraries: For files of libraries beside the project, the folder that each is imported from;
            these go to `source/libraries`.
    """
    contents = {file: data for file in files if (data := small_file(file)) is not None}
    folders = dict(libraries or {})
    labels = library_labels(folders.values())
    copies: dict[str, bytes] = {}
    for file, data in (contents | dict(texts or {})).items():
        folder = folders.get(file)
        if folder is None:
            inner = Path(os.path.relpath(file, project))
            name = file.name if ".." in inner.parts else inner.as_posix()
            copies[f"{PROJECT}/{name}"] = data
        else:
            copies[f"{LIBRARIES}/{labels[folder]}/{file.relative_to(folder).as_posix()}"] = data
    copies[PARTS] = json.dumps(dict(parts), indent=1).encode("utf-8", "backslashreplace")
    write_all_durably(run.source, copies)
    if labels:
        run.update(**{LIBRARIES: places_in_repository(project, labels)})


def _versions() -> dict[str, str]:
    """The versions of the packages imported by now, by the name of their distribution or module."""
    versions: dict[str, str] = {}
    for name, module in list(sys.modules.copy().items()):
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        version = _version(name, module)
        if version is not None:
            versions[name] = version
    return dict(sorted(versions.items()))


def _version(name: str, module: object) -> str | None:
    # The attribute comes first: searching the metadata of all distributions takes 0.1 s.
    version = getattr(module, "__dict__", {}).get("__version__")
    if isinstance(version, str):
        return version
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _cpu_name() -> str:
    """The model of the processor."""
    models = _values_in(Path("/proc/cpuinfo"), "model name")
    return models[0] if models else platform.processor() or platform.machine()


def _gpu_names() -> list[str]:
    """The names of NVIDIA GPUs, from the files of the driver: no tool is started."""
    paths = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [name for path in paths for name in _values_in(path, "Model:")]


def _values_in(path: Path, beginning: str) -> list[str]:
    """The values of lines of a file that begin so."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    return [x.partition(":")[2].strip() for x in lines if x.startswith(beginning)]
