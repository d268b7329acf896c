"""Sends the output of a worker, also of C code and child processes, to its log."""

from __future__ import annotations

import ctypes
import io
import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from superparams.executor.engines.output_log import log_path

_HIGH = 300  # a descriptor that few settings use
_LINE_BUFFERED = 1  # _IOLBF of stdio.h, on Linux and macOS alike


class WorkerOutput:
    """The standard output and error of this worker process, and where in the log they are.

    With a folder, file descriptors 1 and 2 become folder/logs/<rank>.log, to which workers of one
    rank append one after another. Without a folder they stay as they are, and there are no byte
    ranges.
    """

    def __init__(self, folder: Path | None, rank: int) -> None:
        """Redirect the output of this process, for as long as it runs.

        Args:
            folder: The folder of the run; None to leave the output as it is.
            rank: The number of the worker.
        """
        self.logged = folder is not None
        self._at = 0
        # The old streams are kept, since a stream that is collected writes the text in its buffer.
        self._old_streams = sys.stdout, sys.stderr
        if folder is not None:
            self._redirect(log_path(folder, rank))
        self._flush_c = _c_flush()
        self._path = None if folder is None else log_path(folder, rank)
        self._duplicates = {} if self.logged else {1: _duplicate(1), 2: _duplicate(2)}
        self._files = SameFiles(1, 2)
        self._poll = select.poll()
        for number in range(3):
            self._poll.register(number, 0)

    def is_closed(self) -> bool:
        """Whether file descriptor 0, 1 or 2 is closed, since a setting has closed it."""
        return any(event & select.POLLNVAL for _, event in self._poll.poll(0))

    def repair(self) -> bool:
        """Restore file descriptors 0, 1 and 2, if a setting has closed or replaced them.

        Returns:
            Whether 1 or 2 had to be restored.
        """
        wrong = self._files.changed()
        for number in wrong:
            with suppress(OSError):
                self._restore(number)
        try:
            os.fstat(0)
        except OSError:
            with suppress(OSError):
                _put(os.open(os.devnull, os.O_RDONLY), 0)
        return bool(wrong)

    def _restore(self, number: int) -> None:
        if self._path is not None:
            _put(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), number)
            return
        duplicate = self._duplicates.get(number, -1)
        if duplicate >= 0 and self._files.is_as(duplicate, number):
            os.dup2(duplicate, number)

    def mark(self) -> int:
        """Flush, and return the size of the log in bytes (0 without a log)."""
        if self._flush_c is not None:
            self._flush_c(None)
        if getattr(sys.stdout, "closed", False) or getattr(sys.stderr, "closed", False):
            self._reopen()
        if not self.logged:
            _flush(sys.stdout)
            _flush(sys.stderr)
            return 0
        before = self._at
        try:
            self._at = os.lseek(1, 0, os.SEEK_END)
        except OSError:  # a setting has closed it
            self._at = -1
        if self._at < before and self.repair():
            with suppress(OSError):
                self._at = os.lseek(1, 0, os.SEEK_END)
        self._at = max(self._at, before)
        return self._at

    def _reopen(self) -> None:
        """Open `sys.stdout` and `sys.stderr` again, if a setting has closed them."""
        for fd, name in ((1, "stdout"), (2, "stderr")):
            if getattr(getattr(sys, name), "closed", False):
                with suppress(OSError):  # the setting closed the file as well
                    setattr(sys, name, _stream(fd))

    @staticmethod
    def _redirect(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
        sys.stdout = _stream(1)
        sys.stderr = _stream(2)


class SameFiles:
    """Remembers the files of some file descriptors, to find descriptors that have changed.

    Args:
        numbers: The file descriptors.
    """

    def __init__(self, *numbers: int) -> None:
        self._identities = {number: _identity(number) for number in numbers}

    def are_same(self) -> bool:
        """Whether no descriptor was closed or replaced."""
        return not self.changed()

    def changed(self) -> list[int]:
        """The descriptors that were closed or replaced."""
        return [number for number, file in self._identities.items() if _identity(number) != file]

    def is_as(self, other: int, number: int) -> bool:
        """Whether the descriptor `other` is of the file that `number` was of at first."""
        return _identity(other) == self._identities[number]


def _identity(number: int) -> tuple[int, int] | None:
    """The device and the inode of the file of a descriptor; None if it is closed."""
    try:
        file = os.fstat(number)
    except OSError:
        return None
    return file.st_dev, file.st_ino


def _put(opened: int, number: int) -> None:
    """Make `number` a descriptor of the file of `opened`, which children inherit."""
    if opened == number:
        os.set_inheritable(number, True)
        return
    os.dup2(opened, number)
    os.close(opened)


def _duplicate(number: int) -> int:
    """Another, high descriptor of the same file; -1 if there can be none."""
    with suppress(ImportError, OSError):
        import fcntl

        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    return -1


def note(folder: Path, line: str) -> None:
    """Add a line to the log of the run itself, logs/run.log."""
    path = folder / "logs" / "run.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _stream(fd: int) -> io.TextIOWrapper:
    # Nothing is held back, as by `python -u`: it is all there when the worker dies.
    raw: Any = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):  # whatever a setting has put in its place
        return


def _c_flush() -> Any:
    """fflush of the C library, which holds back what C code prints."""
    try:
        library = ctypes.PyDLL(None)
        flush = library.fflush
        with suppress(ValueError):
            stdout = ctypes.c_void_p.in_dll(library, "stdout")
            library.setvbuf(stdout, None, _LINE_BUFFERED, ctypes.c_size_t(0))
    except (AttributeError, OSError, TypeError):
        return None
    flush.argtypes = [ctypes.c_void_p]
    return flush
