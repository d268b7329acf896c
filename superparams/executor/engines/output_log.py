"""Keeps what settings print in this process, and still shows it.

The streams stay the objects that they are: they may be a terminal, an output of a notebook, or what
a test captures, and handlers of `logging` hold them. Only their `write` also adds to the log. What
C code and other programs print goes past it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

__all__ = ["OutputLog", "log_path"]

_MOST: Final = 1 << 13  # characters of a line that wait for its end
_QUICK: Final = 1e-4  # seconds in which no other process can have started and written


def log_path(folder: Path, rank: int) -> Path:
    """The log of the workers of a rank, in the folder of a run."""
    return folder / "logs" / f"{rank}.log"


class OutputLog:
    """The log of the settings that run in this thread, one after another.

    Args:
        path: The file; it is created, and text is added at its end.

    Attributes:
        is_open: Whether more is added.
        outer: The log of the setting that runs these settings, if one does.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.is_open = True
        self._path = path
        self._fd = self._opened()
        self._file = os.fstat(self._fd)
        self._waiting: list[str] = []  # the beginning of a line
        self._n_waiting = 0  # characters of it
        self._size = 0
        self._is_written = False
        self._lock = threading.Lock()
        self._inside = threading.local()  # a stream may write to another one
        self._streams: list[Any] = []
        self._known: tuple[object, object] = (None, None)
        self._thread = threading.get_ident()
        self.outer = _LOGS.get(self._thread)
        _LOGS[self._thread] = self
        self.mark()

    def mark(self, seconds: float = 1.0) -> int:
        """The size of the log in bytes, where the output of the next setting begins.

        Args:
            seconds: The time that the setting before took.
        """
        if sys.stdout is not self._known[0] or sys.stderr is not self._known[1]:
            self._known = sys.stdout, sys.stderr
            for stream in self._known:
                self._listen_to(stream)
        if seconds < _QUICK and not self._is_written:
            return self._size
        with self._lock:
            self._flush()
            with suppress(OSError):
                self._size = os.fstat(self._descriptor()).st_size
            self._is_written = False
        return self._size

    def close(self) -> None:
        """Keep no more, and leave the streams as they were."""
        self.mark()
        self.is_open = False
        for stream in self._streams:
            for name in _METHODS:
                _leave(stream, name)
        self._streams.clear()
        if self.outer is None:
            del _LOGS[self._thread]
        else:
            _LOGS[self._thread] = self.outer
        with suppress(OSError):
            if self._is_ours():
                os.close(self._fd)
        self._fd = -1

    def _listen_to(self, stream: Any) -> None:
        if any(stream is known for known in self._streams):
            return
        with suppress(AttributeError, TypeError):  # a closed one, or one that takes no attributes
            for name in filter(partial(hasattr, stream), _METHODS):
                setattr(stream, name, _METHODS[name](self, stream, name))
                self._streams.append(stream)

    def renew_lock(self) -> None:
        """In a fork: nobody holds the lock."""
        self._lock = threading.Lock()

    def write(self, write: Callable[[str], Any], text: str) -> Any:
        """Write to a stream and, where that is what a setting prints, to the log."""
        if not self.is_open or getattr(self._inside, "busy", False) or self._is_of_others():
            return write(text)
        self._inside.busy = True
        try:
            written = write(text)
            self._add(text)
        finally:
            self._inside.busy = False
        return written

    def flush(self, flush: Callable[[], Any]) -> Any:
        """Flush a stream; what it held back is in the log already."""
        was_busy = getattr(self._inside, "busy", False)
        self._inside.busy = True
        try:
            return flush()
        finally:
            self._inside.busy = was_busy

    def _is_of_others(self) -> bool:
        """Whether the line of progress, or a setting of another run, is what prints."""
        log: OutputLog | None = _LOGS.get(threading.get_ident(), self)
        while log is not None and log is not self:
            log = log.outer  # a setting that runs settings has their output, too
        thread = threading.current_thread()
        is_of_rich = type(thread).__module__.partition(".")[0] == "rich"
        return log is None or is_of_rich or thread.name == "superparams-progress"

    def _add(self, text: str) -> None:
        with self._lock:
            self._waiting.append(text)
            self._n_waiting += len(text)
            self._is_written = True
            if "\n" in text or "\r" in text or self._n_waiting > _MOST:
                self._flush()

    def _flush(self) -> None:
        data = "".join(self._waiting).encode("utf-8", "backslashreplace")
        self._waiting.clear()
        self._n_waiting = 0
        with suppress(OSError):  # the disk is full; the setting goes on
            fd = self._descriptor()
            while data:
                data = data[os.write(fd, data) :]

    def _descriptor(self) -> int:
        """The file of the log, which a setting may have closed."""
        if not self._is_ours():
            self._fd = self._opened()
            self._file = os.fstat(self._fd)
        return self._fd

    def _is_ours(self) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._fd), self._file)
        return False

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


class _Method:
    """Stands for a method of a stream while a log is open."""

    def __init__(self, log: OutputLog, stream: Any, name: str) -> None:
        self.log = log
        self.before: Any = _own(stream, name)  # of an outer log, or of the user
        self._method: Any = getattr(stream, name)


class _Write(_Method):
    def __call__(self, text: str, /) -> Any:
        return self.log.write(self._method, text)


class _Flush(_Method):
    def __call__(self) -> Any:
        return self.log.flush(self._method)


def _own(stream: object, name: str) -> object:
    """The method that was set on a stream itself; None without one."""
    return getattr(stream, "__dict__", {}).get(name)


def _leave(stream: Any, name: str) -> None:
    """Let a stream have the method that it had before; logs of other threads may end later."""
    method = before = _own(stream, name)
    while isinstance(before, _Method) and not before.log.is_open:
        before = before.before
    if before is method:
        return
    if before is None:
        delattr(stream, name)
    else:
        setattr(stream, name, before)


_METHODS: Final[dict[str, type[_Method]]] = {"write": _Write, "flush": _Flush}
_LOGS: Final[dict[int, OutputLog]] = {}  # by the thread whose settings are kept


def _renew_locks() -> None:
    """Let a fork print, whichever thread of its parent was printing."""
    for log in _LOGS.values():
        one: OutputLog | None = log
        while one is not None:
            one.renew_lock()
            one = one.outer


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
