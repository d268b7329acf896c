"""Cells: memory that each worker shares with the driver, with the setting that it runs.

The worker stores plain numbers, without a lock or a message. So the driver can read them at any
time, also when the worker is dead or inside C code that holds the GIL.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass, field

# Places in a cell; each holds 64 bits.
INDEX = 0  # of the setting that runs, -1 when none
START = 1  # of that setting, nanoseconds of the monotonic clock, which all processes share
ATTEMPT = 2
UNSENT = 3  # outcomes that the worker has not sent yet
CUT = 4  # written by the driver: chunks that were sent under a lower number are over
SETUP = 6  # 1 while `setup` runs before that setting; START is of `setup` then
HELD = 7  # 1 while that setting waits for the answer to a step: START moves on by that time
LOG = 5  # where the setting's output starts in the log, -1 without a log
_WORDS = 8
# Of fcntl(2); the standard library does not have the names on every Python.
_ADD_SEALS = 1033
_SEALS = 0x01 | 0x02 | 0x04  # no more seals, not shorter, not longer


@dataclass(frozen=True, slots=True)
class Mark:
    """The setting that a worker ran when its cell was read."""

    index: int
    start: int
    attempt: int
    log: int
    in_setup: bool = False
    is_held: bool = field(default=False, compare=False)
    unsent: int = field(default=0, compare=False)  # settings that ended before it


class Cells:
    """The cells of all ranks in one anonymous file."""

    def __init__(self, fd: int) -> None:
        """Map the file `fd`, which stays open: a cell for each worker that there can be."""
        self.fd = fd
        self._memory = mmap.mmap(fd, os.fstat(fd).st_size)
        self._view = memoryview(self._memory).cast("q")

    @classmethod
    def make(cls, count: int) -> Cells:
        """New cells for `count` workers, all idle."""
        fd = anonymous_file("superparams-cells")
        os.ftruncate(fd, max(count * _WORDS * 8, mmap.PAGESIZE))
        _seal_length(fd)
        cells = cls(fd)
        for rank in range(count):
            cells.reset(rank)
        return cells

    def reset(self, rank: int) -> None:
        """Set the cell to that of a worker that has not started."""
        cell = self.of(rank)
        cell[INDEX] = cell[LOG] = -1
        cell[START] = cell[ATTEMPT] = cell[UNSENT] = cell[CUT] = cell[SETUP] = cell[HELD] = 0
        cell.release()

    def of(self, rank: int) -> memoryview:
        """The cell of one rank, to read and write."""
        return self._view[rank * _WORDS : (rank + 1) * _WORDS]

    def mark(self, rank: int) -> Mark:
        """The setting that the worker of a rank runs now."""
        base = rank * _WORDS
        view = self._view
        index = view[base + INDEX]
        # It is read before START, which changes first: so a time of `setup` never counts for `run`.
        in_setup = bool(view[base + SETUP])
        start, attempt, log = view[base + START], view[base + ATTEMPT], view[base + LOG]
        is_held = bool(view[base + HELD])
        mark = Mark(index, start, attempt, log, in_setup, is_held, view[base + UNSENT])
        # The worker went on during the read, so the values belong to several settings.
        return mark if view[base + INDEX] == index else Mark(-1, 0, 0, -1, unsent=mark.unsent)

    def close(self) -> None:
        """Unmap the memory and close the file."""
        self._view.release()
        self._memory.close()
        os.close(self.fd)


def anonymous_file(name: str) -> int:
    """A file descriptor of a file without a name in any folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    import tempfile  # not needed on systems with memfd

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _seal_length(fd: int) -> None:
    """Fix the length: if a worker made the file shorter, reading it would kill the driver."""
    if not hasattr(os, "memfd_create"):
        return
    import fcntl

    with suppress(OSError):
        fcntl.fcntl(fd, _ADD_SEALS, _SEALS)
