"""Other runs of an experiment that are in progress; a run reports them at its start."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from superparams.errors.units import counted
from superparams.store.plain_files import read_plain
from superparams.store.runs.driver_process import is_alive, this_process
from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.runs.heartbeat import BEAT_SECONDS, is_of_this_process, seconds_silent
from superparams.store.runs.run_records import Run

__all__ = ["MOST_KEYS", "OtherRun", "runs_in_progress", "save_keys", "saved_keys"]

MOST_KEYS: Final = 10_000  # settings of a run, for which it writes their keys
_KEYS: Final = "todo.keys"
_NEW: Final = 0.5  # seconds after which a new run folder must have its run.json

_ended: set[str] = set()  # folders of runs that have ended, which are not read again


@dataclass(frozen=True)
class OtherRun:
    """Another run that is in progress.

    Attributes:
        run: The run.
        silent: Seconds since its last heartbeat; None if its process can be seen from here.
    """

    run: Run
    silent: float | None

    def note(self, name: str, keys: bytes | None) -> str:
        """The note about this run at the start of a run.

        Args:
            name: The name of the experiment.
            keys: The keys of the settings of the starting run, 16 bytes each; None for too many.
        """
        done, todo = sum(self.run.counts.values()), self.run.todo
        settings = counted(done if todo is None else todo, "setting")
        progress = f"{settings if todo is None else f'{done:,} of {settings}'} recorded"
        run = f"{self.run.name} ({self._process_text()}; {progress})"
        return f"another run of {name} is in progress: {run}; {self._common_settings(keys)}"

    def _process_text(self) -> str:
        if self.silent is not None:
            ago = f"its last heartbeat was {self.silent:.0f} s ago"
            return f"process {self.run.pid} on {self.run.host}, {ago}"
        is_this = self.run.pid == os.getpid()
        return "in this process" if is_this else f"process {self.run.pid}"

    def _common_settings(self, keys: bytes | None) -> str:
        try:
            other_keys = (self.run.folder.path / _KEYS).read_bytes()
        except OSError:
            other_keys = None
        if keys is None or other_keys is None:
            return "settings that both runs have share one self.folder"
        shared = len(_split(keys) & _split(other_keys))
        if not shared:
            return "they have no settings in common"
        settings = counted(shared, "setting")
        return f"both run {settings}, and use the same self.folder for each"


def _split(keys: bytes) -> set[bytes]:
    return {keys[start : start + 16] for start in range(0, len(keys), 16)}


def save_keys(run: RunFolder, keys: bytes) -> None:
    """Write the keys of the settings of a run, for other runs."""
    (run.path / _KEYS).write_bytes(keys)


def saved_keys(run: RunFolder) -> bytes:
    """The keys of the settings that a run had to run; empty if it did not write them."""
    try:
        return read_plain(run.path / _KEYS, 16 * MOST_KEYS)
    except OSError:
        return b""


def runs_in_progress(root: Path, mine: RunFolder) -> Iterator[OtherRun]:
    """The other runs of the experiment in `root` that are in progress, oldest first."""
    try:
        folders = run_folders(root)
        now = (mine.path / "run.json").stat().st_mtime
    except OSError:
        return
    for folder in folders:
        path = str(folder.path)
        if path in _ended or folder.name == mine.name:
            continue
        other = _in_progress(folder, now)
        if other is not None:
            yield other
        elif _text(folder) is not None and folder.is_over():
            _ended.add(path)


def _in_progress(folder: RunFolder, now: float) -> OtherRun | None:
    text = _text(folder)
    limit = time.monotonic() + _NEW
    while text is None and time.monotonic() < limit and _age(folder.path, now) < BEAT_SECONDS:
        time.sleep(0.01)  # it is just starting
        text = _text(folder)
    if text is None or b'"running"' not in text:
        return None
    run = Run.of(folder)
    if run.state != "running":
        return None
    if is_alive(run.process) is None:
        return OtherRun(run, seconds_silent(folder.path))
    process = this_process()
    is_this = all(run.process.get(name) == process[name] for name in ("pid", "started"))
    return None if is_this and not is_of_this_process(folder.path) else OtherRun(run, None)


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
