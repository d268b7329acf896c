"""What a setting prints, C code and children included, goes to the log of its worker."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_LINE_BUFFERED = 1  # _IOLBF of stdio.h, on Linux and macOS alike


class Output:
    """The standard output and error of this worker process, and where in the log they are.

    With a folder, file descriptors 1 and 2 become folder/logs/<rank>.log, to which workers of one
    rank append one after another. Without a folder they stay as they are, and there are no byte
    ranges.
    """

    def __init__(self, folder: Path | None, rank: int) -> None:
        """Turn the output of this process over, for good."""
        self.logged = folder is not None
        self._at = 0
        self._before = (
            sys.stdout,
            sys.stderr,
        )  # kept: when collected, they would write what they still hold
        if folder is not None:
            self._turn_over(log_path(folder, rank))
        self._streams = sys.stdout, sys.stderr
        self._flush_c = _c_flush()

    def mark(self) -> int:
        """Flush, and return the size of the log in bytes (0 without a log)."""
        for stream in self._streams:
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        if self._flush_c is not None:
            self._flush_c(None)
        if self.logged:
            with suppress(OSError):  # a setting may have closed it
                self._at = os.lseek(1, 0, os.SEEK_END)
        return self._at

    @staticmethod
    def _turn_over(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
        sys.stdout = _stream(1)
        sys.stderr = _stream(2)


def log_path(folder: Path, rank: int) -> Path:
    """The log of the workers of a rank."""
    return folder / "logs" / f"{rank}.log"


def _stream(fd: int) -> io.TextIOWrapper:
    # Lines are written at once, so that they are there when the worker dies.
    return io.TextIOWrapper(
        open(fd, "wb", closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


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
