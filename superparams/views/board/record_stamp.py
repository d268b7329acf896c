"""Stamps that show from names, sizes and times of files whether records have changed."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Final

from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.runs.running_settings import RUNNING_FILE
from superparams.store.staleness.acceptances import ACCEPTED

__all__ = ["RecordStamps"]

_LEDGERS: Final = ("ledger", "steps")


class RecordStamps:
    """Stamps of the records in one folder; two stamps differ if something has changed in between.

    A run that has ended is examined only once, so many old runs cost nothing.
    """

    def __init__(self, root: Path, more: Iterable[Path] = ()) -> None:
        """Take the folder of an experiment, and other files whose changes count."""
        self._root = root
        self._more = tuple(more)
        self._ended: dict[str, Hashable] = {}

    def stamp(self) -> Hashable:
        """The stamp of the present records."""
        files = [self._root / ACCEPTED, *self._more]
        return (*map(self._of_run, run_folders(self._root)), *map(_of_file, files))

    def _of_run(self, run: RunFolder) -> Hashable:
        last_stamp = self._ended.get(run.name)
        if last_stamp is not None:
            return last_stamp
        written = _of_file(run.path / "run.json")
        state = run.state()
        now = _of_file(run.path / RUNNING_FILE)
        stamp = (run.name, written, state, now, *_sizes(run.path))
        if state != "running" and written is not None and run.is_over():
            self._ended[run.name] = stamp
        return stamp


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    for name in _LEDGERS:
        try:
            with os.scandir(folder / name) as entries:
                yield from sorted((f"{name}/{x.name}", x.stat().st_size) for x in entries)
        except OSError:  # it is not there yet, or is gone
            continue


def _of_file(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
