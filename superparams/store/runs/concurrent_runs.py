"""Other runs of an experiment that are in progress now: a run notes them at its start.

A run on this machine is in progress as long as its process lives. For a run on another machine, or
in a container that shares the folder, a heartbeat counts: its driver sets the modification time of
its run.json every few seconds. Times are compared by the clock of the file system.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from superparams.errors import StoreError
from superparams.errors.units import counted
from superparams.store.ledger.reader import ledger_files
from superparams.store.runs.folder import (
    RunFolder,
    is_here,
    run_folders,
    this_process,
)
from superparams.store.runs.run_records import Run

__all__ = ["MOST_KEYS", "Heartbeat", "Other", "going_on", "save_keys"]

MOST_KEYS: Final = 10_000  # settings of a run up to which it tells others which they are
_KEYS: Final = "todo.keys"
_BEAT: Final = 15.0  # seconds between two heartbeats
_SILENT: Final = 120.0  # seconds without a heartbeat after which a run counts as over
_NEW: Final = 0.5  # seconds after which a new run folder must have its run.json

_active: set[str] = set()  # folders of the runs of this process that go on
_over: set[str] = set()  # folders of runs that were found to be over, which none begins again


class Heartbeat:
    """A context in which a thread sends the heartbeat of a run."""

    def __init__(self, run: RunFolder) -> None:
        self._path = run.path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="superparams-beat", daemon=True)

    def __enter__(self) -> None:
        _active.add(str(self._path))
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        _active.discard(str(self._path))
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(_BEAT):
            with suppress(OSError):
                os.utime(self._path / "run.json")


@dataclass(frozen=True)
class Other:
    """Another run that is in progress.

    silent: Seconds since its last heartbeat; None if its process can be seen to live.
    """

    run: Run
    silent: float | None

    def told(self, name: str, keys: bytes | None) -> str:
        """The note about this run at the start of a run of the experiment `name`.

        keys: The keys of the settings of the starting run, 16 bytes each; None for too many.
        """
        done, todo = sum(self.run.counts.values()), self.run.todo
        far = (
            counted(done, "setting") if todo is None else f"{done:,} of {counted(todo, 'setting')}"
        )
        far += " recorded"
        other = (
            f"another run of {name} is in progress: {self.run.name} ({self._where_it_runs}; {far})"
        )
        return f"{other}; {self._shared(keys)}"

    @property
    def _where_it_runs(self) -> str:
        if self.silent is not None:
            ago = f"its last heartbeat was {self.silent:.0f} s ago"
            return f"process {self.run.pid} on {self.run.host}, {ago}"
        is_mine = self.run.pid == os.getpid()
        return "in this process" if is_mine else f"process {self.run.pid}"

    def _shared(self, keys: bytes | None) -> str:
        try:
            theirs = (self.run.folder.path / _KEYS).read_bytes()
        except OSError:
            theirs = None
        if keys is None or theirs is None:
            return "settings that both runs have share one self.folder"
        shared = len(_parts(keys) & _parts(theirs))
        if not shared:
            return "they have no settings in common"
        settings = counted(shared, "setting")
        return f"both run {settings}, and use the same self.folder for each"


def _parts(keys: bytes) -> set[bytes]:
    return {keys[at : at + 16] for at in range(0, len(keys), 16)}


def save_keys(run: RunFolder, keys: bytes) -> None:
    """Tell others which settings a run has to do."""
    (run.path / _KEYS).write_bytes(keys)


def going_on(root: Path, mine: RunFolder) -> Iterator[Other]:
    """The runs of the experiment in `root` that go on beside `mine`, oldest first."""
    try:
        folders = run_folders(root)
        now = (mine.path / "run.json").stat().st_mtime
    except OSError:
        return
    for folder in folders:
        path = str(folder.path)
        if path in _over or folder.name == mine.name:
            continue
        other = _found(folder, now)
        if other is not None:
            yield other
        elif _text(folder) is not None:
            _over.add(path)


def _found(folder: RunFolder, now: float) -> Other | None:
    text = _text(folder)
    limit = time.monotonic() + _NEW
    while text is None and time.monotonic() < limit and _age(folder.path, now) < _BEAT:
        time.sleep(0.01)  # it begins at this moment, too
        text = _text(folder)
    if text is None or b'"running"' not in text:
        return None
    run = Run.of(folder)
    if run.state != "running":
        return None
    if is_here(run.process):
        me = this_process()
        is_mine = all(run.process.get(name) == me[name] for name in ("pid", "started"))
        return None if is_mine and str(folder.path) not in _active else Other(run, None)
    ages = [_age(path, now) for path in _signs(folder)]
    silent = max(0.0, min(ages, default=_SILENT))
    return Other(run, silent) if silent < _SILENT else None


def _signs(folder: RunFolder) -> Iterable[Path]:
    yield folder.path / "run.json"
    with suppress(OSError, StoreError):
        yield from ledger_files(folder.ledger)


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except OSError:
        return float("inf")


def _text(folder: RunFolder) -> bytes | None:
    try:
        return (folder.path / "run.json").read_bytes()
    except OSError:
        return None
