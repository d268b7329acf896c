"""The heartbeat of a run, by which other hosts see that its driver lives.

The driver sets the modification time of its run.json every 15 seconds. On other hosts, and in other
containers, a run without a heartbeat for three minutes has crashed. Times are compared by the clock
of the file system, which may differ from that of each host.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = [
    "BEAT_SECONDS",
    "HEARTBEAT",
    "SILENT_SECONDS",
    "Heartbeat",
    "is_beating",
    "is_of_this_process",
    "seconds_silent",
]

HEARTBEAT: Final = "heartbeat"  # in run.json: the seconds between two heartbeats
BEAT_SECONDS: Final = 15.0
SILENT_SECONDS: Final = 180.0  # seconds without a heartbeat after which a run has crashed
# The same for a run of a version that sent none: a setting may take long until it is recorded.
_SILENT_WITHOUT: Final = 86400.0
_SLACK: Final = 600.0  # clocks of hosts differ by less; used if the file system shows no time
_TICK: Final = 0.5
_CLOCK_SECONDS: Final = 60.0  # seconds after which the clock of a file system is read again

_active: set[str] = set()  # folders of the runs of this process that are in progress
_clocks: dict[int, tuple[float, float]] = {}  # by device: when its clock was read, and its time


class Heartbeat:
    """A context in which a thread sends the heartbeat of a run.

    Args:
        run: The path of the folder of the run.
        on_tick: Is called by that thread every half second.
    """

    def __init__(self, run: Path, on_tick: Callable[[], None] = lambda: None) -> None:
        self._path = run
        self._on_tick = on_tick
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="superparams-beat", daemon=True)

    def __enter__(self) -> None:
        _active.add(str(self._path))
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._end.set()
        _active.discard(str(self._path))
        self._thread.join()

    def _beat(self) -> None:
        due = time.monotonic() + BEAT_SECONDS
        while not self._end.wait(_TICK):
            with suppress(Exception):  # other hosts would take a live run for a crashed one
                self._on_tick()
            if time.monotonic() >= due:
                due = time.monotonic() + BEAT_SECONDS
                with suppress(OSError):
                    os.utime(self._path / "run.json")


def is_of_this_process(run: Path) -> bool:
    """Whether this process sends the heartbeat of a run."""
    return str(run) in _active


def is_beating(run: Path, manifest: Mapping[str, object]) -> bool:
    """Whether a run, whose process cannot be seen from here, gave a sign of life lately.

    Args:
        run: The path of the folder of the run.
        manifest: The content of run.json.
    """
    has_heartbeat = isinstance(manifest.get(HEARTBEAT), int | float)
    return seconds_silent(run) < (SILENT_SECONDS if has_heartbeat else _SILENT_WITHOUT)


def seconds_silent(run: Path) -> float:
    """The seconds since the driver of a run gave its last sign: a heartbeat, or a record.

    A sign that is some seconds in the future counts as one that is as many seconds old: the clock
    was set back, and a living driver soon gives another sign.

    Args:
        run: The path of the folder of the run.
    """
    now, slack = _clock_of(run)
    ages = [abs(now - time_of_sign) for time_of_sign in _signs(run)]
    return max(0.0, min(ages, default=float("inf")) - slack)


def _signs(run: Path) -> Iterator[float]:
    """The modification times of the files that a driver writes."""
    for name in ("run.json", "running.json"):
        with suppress(OSError):
            yield (run / name).stat().st_mtime
    for folder in ("ledger", "steps"):
        with suppress(OSError), os.scandir(run / folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.stat().st_mtime


def _clock_of(folder: Path) -> tuple[float, float]:
    """The time now by the clock of a file system, and how many seconds it may be wrong.

    Only a new file shows that clock. If no file can be made, the clock of this host is used.
    """
    try:
        device = folder.stat().st_dev
        read, then = _clocks.get(device, (0.0, 0.0))
        now = time.monotonic()
        if not then or now - read > _CLOCK_SECONDS:
            read, then = _clocks[device] = now, _time_of_new_file(folder)
    except OSError:
        return time.time(), _SLACK
    return then + now - read, 0.0


def _time_of_new_file(folder: Path) -> float:
    import tempfile  # only runs of other hosts need it

    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime
