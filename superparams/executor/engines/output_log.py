"""Keeps what settings print in this process, and still shows it.

The streams are not replaced, since other objects refer to them, such as handlers of `logging`, a
notebook, or a test that captures output. Only their `write` also adds the text to the log of the
setting that prints. A context variable holds this log, so it is known in the thread or the task of
a setting, and in all that inherits their context. Output of C code and of other programs is not
added.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Final

__all__ = ["OutputLog", "PlaceLog", "current_log", "log_path"]

_MOST: Final = 1 << 13  # characters of a line that wait for its end
_OUR_THREADS: Final = ("superparams-progress", "superparams-beat")
_QUICK: Final = 1e-4  # seconds in which no other process can have started and written


def log_path(folder: Path, rank: int) -> Path:
    """The log of the workers of a rank, in the folder of a run."""
    return folder / "logs" / f"{rank}.log"


class OutputLog:
    """The log of settings that run one after another in this thread or task.

    Args:
        path: The file; it is created, and text is added at its end.
        is_alone: Whether nothing else runs in this process. Then the output of unknown threads is
            added to this log, too, and the file stays open.
        outer: The log of the setting that has started this run inside its `run`; by default the log
            of this context.

    Attributes:
        is_open: Whether more is added.
        is_alone: See the argument.
        outer: See the argument; None outside of settings.
    """

    def __init__(
        self, path: Path, *, is_alone: bool = True, outer: OutputLog | None = None
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.is_open = True
        self.is_alone = is_alone
        self._path = path
        self._fd = self._opened()
        self._file = os.fstat(self._fd)
        if not is_alone:
            os.close(self._fd)  # there may be more logs than files may be open
            self._fd = -1
        self._waiting: list[str] = []  # the beginning of a line
        self._n_waiting = 0  # characters of it
        self._size = self._file.st_size
        self._is_written = self._is_flushing = False
        # A handler of a signal, or a destructor, may print in the middle of `mark` and `add`.
        self._lock = threading.RLock()
        self.outer = outer or current_log()
        _OF_SETTING.set(self)
        _STREAMS.add(self)
        self.mark()

    def mark(self, seconds: float = 1.0) -> int:
        """The size of the log in bytes, where the output of the next setting begins.

        Args:
            seconds: The time that the setting before took.
        """
        _STREAMS.listen()
        if seconds < _QUICK and not self._is_written:
            return self._size
        with self._lock:
            self._is_written = False
            self._flush()
        return self._size

    def close(self) -> None:
        """Stop keeping text, and restore the streams; any thread may call this."""
        if not self.is_open:
            return
        self.mark()
        self.is_open = False
        _STREAMS.remove(self)
        if _OF_SETTING.get() is self:
            _OF_SETTING.set(self.outer)
        with suppress(OSError):
            if self._is_ours():
                os.close(self._fd)
        self._fd = -1

    def renew_lock(self) -> None:
        """Make a new lock in a fork, where no thread could release the old one."""
        self._lock = threading.RLock()
        self._is_flushing = False

    def add(self, text: str) -> None:
        """Add what a setting has printed."""
        with self._lock:
            self._waiting.append(text)
            self._n_waiting += len(text)
            self._is_written = True
            if "\n" in text or "\r" in text or self._n_waiting > _MOST:
                self._flush()

    def _flush(self) -> None:
        """Write what waits, and note the size of the file."""
        if self._is_flushing:  # called again while it runs: the outer call writes what was added
            return
        self._is_flushing = True
        try:
            with suppress(OSError), self._descriptor() as fd:
                while self._waiting:
                    waiting, self._waiting, self._n_waiting = self._waiting, [], 0
                    data = "".join(waiting).encode("utf-8", "backslashreplace")
                    with suppress(OSError):  # the disk is full; the setting goes on
                        while data:
                            data = data[os.write(fd, data) :]
                self._size = os.fstat(fd).st_size
        finally:
            self._is_flushing = False

    @contextmanager
    def _descriptor(self) -> Generator[int]:
        """The file of the log, which a setting may have closed."""
        if not self.is_alone:
            fd = self._opened()
            try:
                yield fd
            finally:
                os.close(fd)
            return
        if not self._is_ours():
            self._fd = self._opened()
            self._file = os.fstat(self._fd)
        yield self._fd

    def _is_ours(self) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._fd), self._file)
        return False

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


# The log of the setting that runs in this context.
_OF_SETTING: Final[ContextVar[OutputLog | None]] = ContextVar("superparams_log", default=None)


def current_log() -> OutputLog | None:
    """The log of the setting that runs in this context, if one does."""
    return _OF_SETTING.get()


class PlaceLog:
    """The log of one of several places in this process.

    Args:
        folder: The folder of the run; None if nothing is kept.
        rank: The place.
        outer: The log of the setting that runs these, if one does.

    Attributes:
        end: Where the output of the setting begins that runs or comes next; None without a log.
    """

    def __init__(self, folder: Path | None, rank: int, outer: OutputLog | None) -> None:
        self._folder = folder
        self._rank = rank
        self._outer = outer
        self._log: OutputLog | None = None
        self.end: int | None = None

    def open(self) -> None:
        """Keep what is printed from now on in this context, and in those that inherit it."""
        if self._folder is not None:
            path = log_path(self._folder, self._rank)
            self._log = OutputLog(path, is_alone=False, outer=self._outer)
            self.end = self._log.mark()

    def take(self, seconds: float = 1.0) -> tuple[int | None, int | None]:
        """Where the output of the setting that has ended begins and ends.

        Args:
            seconds: The time that it took.
        """
        start = self.end
        if self._log is not None:
            self.end = self._log.mark(seconds)
        return start, self.end

    def close(self) -> None:
        """Stop keeping text."""
        if self._log is not None:
            self._log.close()


class _Streams:
    """The streams of this process while logs are open: they add what is printed to its log."""

    def __init__(self) -> None:
        self._logs: list[OutputLog] = []
        self._streams: list[Any] = []
        self._known: tuple[object, object] = (None, None)
        self._inside = threading.local()  # a stream may write to another one
        self._lock = threading.RLock()

    def add(self, log: OutputLog) -> None:
        """Add a log."""
        with self._lock:
            self._logs = [*self._logs, log]

    def remove(self, log: OutputLog) -> None:
        """Remove a log; after the last one, restore the streams."""
        with self._lock:
            self._logs = [other for other in self._logs if other is not log]
            if not self._logs:
                self._known = (None, None)
                for stream in self._streams:
                    for name in _METHODS:
                        _leave(stream, name)
                self._streams.clear()

    def listen(self) -> None:
        """Listen to the standard streams, which may be other ones than before."""
        if sys.stdout is self._known[0] and sys.stderr is self._known[1]:
            return
        with self._lock:
            if self._logs:
                self._known = sys.stdout, sys.stderr
                for stream in self._known:
                    self._listen_to(stream)

    def _listen_to(self, stream: object) -> None:
        if any(stream is wrapped for wrapped in self._streams):
            return
        with suppress(AttributeError, TypeError):  # a closed one, or one that takes no attributes
            for name in filter(partial(hasattr, stream), _METHODS):
                setattr(stream, name, _METHODS[name](stream, name))
                if not any(stream is wrapped for wrapped in self._streams):
                    self._streams.append(stream)

    def write(self, write: Callable[[str], Any], text: str) -> Any:
        """Write to a stream, and to the log of the setting that prints, if there is one."""
        logs = [] if getattr(self._inside, "busy", False) else self._logs_of_this()
        if not logs:
            return write(text)
        self._inside.busy = True
        try:
            written = write(text)
            for log in logs:
                log.add(text)
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

    def _logs_of_this(self) -> list[OutputLog]:
        """The logs of what prints now: of its setting, and of those that run that setting.

        The line of progress has none, nor has the thread that records what runs.
        """
        if not self._logs:
            return []
        thread = threading.current_thread()
        is_of_rich = type(thread).__module__.partition(".")[0] == "rich"
        if is_of_rich or thread.name in _OUR_THREADS:
            return []
        of_setting = _OF_SETTING.get()
        logs = [log for log in self._logs if log.is_alone] if of_setting is None else [of_setting]
        open_logs: dict[int, OutputLog] = {}
        for inner in logs:
            log: OutputLog | None = inner
            while log is not None:
                if log.is_open:
                    open_logs[id(log)] = log
                log = log.outer
        return list(open_logs.values())

    def renew_locks(self) -> None:
        """Let a fork print, whichever thread of its parent was printing."""
        self._lock = threading.RLock()
        for log in self._logs:
            log.renew_lock()


class _Method:
    """Stands for a method of a stream while logs are open."""

    def __init__(self, stream: object, name: str) -> None:
        self.before: Any = _own_method(stream, name)  # of the user
        self._method: Any = getattr(stream, name)


class _Write(_Method):
    def __call__(self, text: str, /) -> Any:
        return _STREAMS.write(self._method, text)


class _Flush(_Method):
    def __call__(self) -> Any:
        return _STREAMS.flush(self._method)


def _own_method(stream: object, name: str) -> object:
    """The method that was set on a stream itself; None without one."""
    return getattr(stream, "__dict__", {}).get(name)


def _leave(stream: object, name: str) -> None:
    """Let a stream have the method that it had before."""
    before = method = _own_method(stream, name)
    while isinstance(before, _Method):
        before = before.before
    if before is method:
        return
    if before is None:
        delattr(stream, name)
    else:
        setattr(stream, name, before)


_METHODS: Final[dict[str, type[_Method]]] = {"write": _Write, "flush": _Flush}
_STREAMS: Final = _Streams()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_STREAMS.renew_locks)
