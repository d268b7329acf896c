"""The folder of a run, and its manifest `run.json`.

    results/<module>.<Class>/results.parquet
    results/<module>.<Class>/settings/<key>/    files that settings put into their `folder`
    results/<module>.<Class>/runs/<UTC time>-<id>/run.json, ledger/, steps/, logs/, source/

Names sort by time, even if the clock was set back. A file is replaced by renaming a synced file, so
that a reader finds the old file or the new file.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from superparams.errors import StoreError
from superparams.store.json_values import json_object, json_text
from superparams.store.plain_files import read_plain
from superparams.store.runs.driver_process import is_alive, this_process
from superparams.store.runs.heartbeat import BEAT_SECONDS, HEARTBEAT, is_beating

State = Literal["running", "finished", "interrupted", "crashed"]
TABLE = "results.parquet"
LEFT_OVER_SECONDS = 3600  # an unfinished file of this age was left by a killed process
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')

_updating = threading.Lock()  # of a manifest, which several threads of the driver update


def _unlock() -> None:
    """In a fork, the thread that locked it does not exist."""
    global _updating
    _updating = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def safe_name(name: str) -> str:
    """The name, changed if necessary so that any file system allows it, Windows included.

    A name that had to change gets a hash, so that two names stay different.
    """
    encoded = name.encode("utf-8", "backslashreplace")
    safe = _FORBIDDEN.sub("_", encoded.decode())[:100].rstrip(". ")
    if safe == name and not _RESERVED.match(name) and name not in ("", ".", ".."):
        return name
    return f"{safe.strip('.') or 'x'}-{hashlib.sha256(encoded).hexdigest()[:8]}"


def experiment_folder(results: Path, name: str) -> Path:
    """The path of the folder of an experiment, named `module.Class`, in a results folder."""
    return results / safe_name(name)


def has_records(root: Path) -> bool:
    """Whether something may be recorded in the folder of an experiment.

    Raises:
        StoreError: When it cannot be read.
    """
    try:
        return (root / "runs").is_dir() or (root / TABLE).is_file()
    except OSError as error:
        raise StoreError(f"cannot read the results in {root}: {error.strerror}") from error


def run_folders(root: Path) -> list[RunFolder]:
    """The runs of an experiment, oldest first; folders with other names are left out.

    Raises:
        StoreError: When they cannot be listed.
    """
    try:
        with os.scandir(root / "runs") as entries:
            names = sorted(e.name for e in entries if e.name == safe_name(e.name) and _is_folder(e))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"cannot list the runs in {root / 'runs'}: {error.strerror}") from error
    return [RunFolder(root / "runs" / name) for name in names]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "ledger"
        self.steps = path / "steps"
        self.logs = path / "logs"
        self.source = path / "source"
        self._unsynced: list[Path] = []  # parent folders whose names may not be on disk yet

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def name(self) -> str:
        """`<UTC time>-<id>`: unique, and sorts by time."""
        return self.path.name

    @classmethod
    def reserve(cls, root: Path) -> RunFolder:
        """A new folder in `root/runs`, which belongs to a run as soon as it has a manifest."""
        runs = root / "runs"
        with _as_store_error(runs):
            unsynced = make_folder(runs)
            folder = cls(_new_folder(runs))
            folder._unsynced = [runs, *unsynced]
            for inner in (folder.ledger, folder.logs, folder.source):
                inner.mkdir()
        return folder

    def begin(self, manifest: Mapping[str, object] | None = None) -> None:
        """Write the manifest of a new folder, which says that this process runs it."""
        entries = {"state": "running", "process": this_process(), "start": utc_now()}
        with _as_store_error(self.path.parent):
            self.update(**entries, **{HEARTBEAT: BEAT_SECONDS}, **(manifest or {}))
            for parent in self._unsynced:
                sync_folder(parent)

    @classmethod
    def create(cls, root: Path, manifest: Mapping[str, object] | None = None) -> RunFolder:
        """A new folder in `root/runs` with its manifest."""
        folder = cls.reserve(root)
        folder.begin(manifest)
        return folder

    def manifest(self) -> dict[str, Any]:
        """The content of run.json; empty when it is missing or damaged."""
        try:
            return json_object(json.loads(read_plain(self.path / "run.json")))
        except (OSError, ValueError, RecursionError, MemoryError):
            return {}

    def superparams_version(self) -> str | None:
        """The version of superparams that made the run; None if run.json does not have it."""
        return json_text(json_object(self.manifest().get("versions")).get("superparams"))

    def update(self, **changes: object) -> None:
        """Change some entries of run.json; the file is replaced in one step."""
        with _updating:
            manifest = self.manifest() | changes
            data = json.dumps(manifest, indent=1, default=str).encode("utf-8", "backslashreplace")
            write_durably(self.path / "run.json", data)

    def finish(self, state: State = "finished", **changes: object) -> None:
        """Record in the manifest how the run ended."""
        self.update(state=state, end=utc_now(), **changes)

    def state(self) -> State:
        """How the run ended. A run without an end whose driver does not exist has crashed.

        If the driver cannot be seen from here, it exists as long as it sends a heartbeat.
        """
        manifest = self.manifest()
        state: State = manifest.get("state", "crashed")
        if state == "running" and self._has_driver(manifest):
            return "running"
        return state if state in get_args(State) and state != "running" else "crashed"

    def is_over(self) -> bool:
        """Whether it has ended for certain.

        A driver of another host that sends no heartbeat has crashed, or is suspended and may go on.
        """
        manifest = self.manifest()
        is_seen = is_alive(json_object(manifest.get("process")))
        return manifest.get("state") != "running" or is_seen is False

    def _has_driver(self, manifest: Mapping[str, object]) -> bool:
        is_seen = is_alive(json_object(manifest.get("process")))
        return is_beating(self.path, manifest) if is_seen is None else is_seen

    def code(self) -> str | None:
        """The fingerprint of its code."""
        return json_text(self.manifest().get("code"))


@contextlib.contextmanager
def _as_store_error(runs: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot make a run folder in {runs}: {error}") from error


def _new_folder(runs: Path) -> Path:
    newest = max((name[:22] for name in os.listdir(runs)), default="")
    while True:
        now = _after(dt.datetime.now(dt.timezone.utc).strftime("%Y%m%dT%H%M%S%f"), newest)
        path = runs / f"{now}Z-{secrets.token_hex(3)}"
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path


def _after(now: str, newest: str) -> str:
    """The time, or one microsecond after the newest run if the clock was set back."""
    try:
        last = dt.datetime.strptime(newest[:21], "%Y%m%dT%H%M%S%f")
    except ValueError:
        return now
    return max(now, (last + dt.timedelta(microseconds=1)).strftime("%Y%m%dT%H%M%S%f"))


def utc_now() -> str:
    """Now, as ISO 8601 text in UTC."""
    return dt.datetime.now(dt.timezone.utc).isoformat()


# ---- files that are replaced in one step


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file by these bytes; a reader always sees the old file or the new file.

    This holds after a power cut, too.
    """
    _replace(path, data)
    _sync([path.parent])


def write_all_durably(root: Path, files: Mapping[str, bytes]) -> None:
    """As `write_durably` for many files of a folder, by their path in it.

    Missing folders are created, and each folder is synced once.
    """
    folders: dict[Path, None] = {}
    for name, data in files.items():
        path = root / name
        try:
            folders |= make_folder(path.parent) | {path.parent: None}
        except OSError as error:
            raise StoreError(f"cannot make {path.parent}: {error}") from error
        _replace(path, data)
    _sync(folders)


def make_folder(path: Path) -> dict[Path, None]:
    """Create a folder and its parents; returns the folders to sync, so that the new names last."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    return dict.fromkeys(folder.parent for folder in missing)


def _replace(path: Path, data: bytes) -> None:
    unfinished = part_of(path)
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path} ({len(data):,} bytes): {error}") from error


def _sync(folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            sync_folder(folder)
        except OSError as error:
            raise StoreError(f"cannot sync {folder} to disk: {error}") from error


def part_of(path: Path) -> Path:
    """The name of the unfinished file beside `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(3)}.part")


def replace_durably(unfinished: Path, path: Path) -> None:
    """Rename a finished, synced file over `path` and sync the folder that names it."""
    os.replace(unfinished, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Sync the names in a folder to disk, if the system can do that."""
    if os.name == "nt":
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
