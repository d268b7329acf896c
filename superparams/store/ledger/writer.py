"""The ledger: the append-only record of outcomes in a run folder, written by the driver alone.

`ledger/<n>.arrows` are Arrow IPC streams, one file for each schema, which any Arrow tool opens,
also during the run. Each message has, in its own metadata, a sequence number (the newest outcome of
a setting wins, in whatever file it is) and the CRC-32 of the whole message, with the eight digits
of the CRC as zeros.

Once `append` returns, the outcomes are with the operating system: killing the driver, or the whole
process group, loses none of them. A power cut can lose those of about the last second: a thread
syncs the files at most once a second, and at once when outcomes arrive more slowly than that.
`close` syncs all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from superparams.errors import StoreError
from superparams.outcomes.ipc_streams import STAMP, encode_batch
from superparams.store.ledger.reader import (
    END,
    MAX_OPEN,
    Stream,
    ledger_files,
    read_file,
    streams_of,
)
from superparams.store.runs.folder import sync_folder
from superparams.store.table.text_columns import is_spilled, spill

_TRIES = 5
_STANDARD = 3  # descriptors below this are standard input, output and error
MAX_STREAMS = 64  # files of one run; outcomes with yet another schema go, as text, into one more


@dataclass(slots=True)
class _File:
    path: Path
    number: int | None = None  # the open descriptor
    identity: tuple[int, int] | None = None  # device and inode of the file
    size: int = 0
    is_dirty: bool = False

    def is_open(self) -> bool:
        """Whether the descriptor still is this file, and not closed or taken by a setting."""
        if self.number is None or self.identity is None:
            return False
        return _identity(self.number) == self.identity


class Ledger:
    """Appends encoded outcomes, or steps, to the files of one folder.

    Safe to use from several threads of one process.
    """

    def __init__(self, folder: Path, *, sync_seconds: float = 1.0) -> None:
        """Open a ledger, new or not. Existing files are never changed.

        Args:
            folder: Its folder.
            sync_seconds: The least time between two syncs of the files to disk.
        """
        self.folder = folder
        self._files: dict[bytes, _File] = {}  # by schema message, least recently used first
        self._lock = threading.Lock()
        self._syncer = _Syncer(self._sync, sync_seconds)
        self._closed = False
        self._has_new_name = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = ledger_files(folder)
        except OSError as error:
            raise StoreError(f"cannot open the ledger {folder}: {error}") from error
        self._next_file = max((int(path.stem) for path in paths), default=-1) + 1
        numbers = (entry.seq for path in paths for entry in read_file(path))
        self._next_seq = max(numbers, default=-1) + 1

    def append(self, data: bytes) -> list[pa.RecordBatch]:
        """Record a batch of outcomes.

        When this returns, the death of this process loses none of them.

        Args:
            data: What `superparams.outcomes.batches.encode` made.

        Returns:
            The outcomes, so that the driver need not decode them once more to count them.

        Raises:
            StoreError: When they cannot be written, with the path and the size. What was recorded
                before is intact.
        """
        recorded: list[pa.RecordBatch] = []
        with self._lock:
            if self._closed:
                raise StoreError(f"the ledger {self.folder} is closed")
            self._syncer.check()
            for stream in streams_of(data):
                self._append(stream)
                recorded += stream.batches
        self._syncer.request()
        return recorded

    def close(self) -> None:
        """Sync and close all files. Raises StoreError when that fails."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._syncer.stop()
        with self._lock:
            for file in self._files.values():
                with contextlib.suppress(StoreError):  # a stream without END can be read as well
                    self._write(file, END)
        try:
            self._sync()
        except OSError as error:
            raise StoreError(f"cannot sync the ledger {self.folder} to disk: {error}") from error
        finally:
            self._close_files(0)
        self._syncer.check()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, stream: Stream) -> None:
        is_known = stream.schema in self._files or is_spilled(stream.schema)
        if not is_known and len(self._files) >= MAX_STREAMS:
            (stream,) = streams_of(encode_batch(spill(stream.batches)))
        file = self._file(stream.schema)
        for message in stream.messages:
            self._write(file, stamp(message, self._next_seq))
            self._next_seq += 1

    def _file(self, schema: bytes) -> _File:
        file = self._files.pop(schema, None)
        if file is None:
            file = _File(self.folder / f"{self._next_file}.arrows")
            self._next_file += 1
            self._open(file, os.O_CREAT | os.O_EXCL)
            self._write(file, stamp(schema, 0))
        self._files[schema] = file
        if file.number is None:
            self._open(file, 0)
        return file

    def _open(self, file: _File, extra: int) -> None:
        self._close_files(MAX_OPEN - 1)
        flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            file.number = _beyond_standard(os.open(file.path, flags | extra, 0o666))
            # By its path: another file, of a setting in another thread, may have the number by now.
            file.identity = _identity(file.path)
        except OSError as error:
            if error.errno != errno.EBADF:  # else `_write_once` opens it again
                raise StoreError(f"cannot open {file.path}: {error}") from error
        self._has_new_name = self._has_new_name or bool(extra)

    def _write(self, file: _File, data: bytes) -> None:
        """Write all of the data, or none of it and raise an error."""
        try:
            _unless_closed(lambda: self._write_once(file, data))
        except OSError as error:
            raise StoreError(
                f"cannot append {len(data):,} bytes to {file.path} ({file.size:,} bytes so far): "
                f"{error}; what was recorded is intact, and the next run resumes from there"
            ) from error
        file.is_dirty = True
        file.size += len(data)

    def _write_once(self, file: _File, data: bytes) -> None:
        """Write the data, or raise EBADF if a setting in this process closed the file meanwhile."""
        if not file.is_open():
            file.number = None
            self._open(file, 0)
            os.truncate(file.path, file.size)  # an earlier try may have written a part
        rest = memoryview(data)
        try:
            while rest and file.number is not None:
                rest = rest[os.write(file.number, rest) :]
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.truncate(file.path, file.size)
            if isinstance(error, OSError) and error.errno == errno.EBADF:
                file.number = None  # closed, or taken by a descriptor of the same file to read
            raise
        if not file.is_open():  # the data may have gone elsewhere
            raise OSError(errno.EBADF, "the file was closed by a setting in this process")

    def _close_files(self, keep: int) -> None:
        """Close descriptors, least recently used first, until at most `keep` are open."""
        files = [file for file in self._files.values() if file.number is not None]
        for file in files[: max(0, len(files) - keep)]:
            if file.number is not None and file.is_open():
                os.close(file.number)
            file.number = None

    def _sync(self) -> None:
        """Sync the files that were written to, without delaying `append`."""
        with self._lock:
            dirty = [file.path for file in self._files.values() if file.is_dirty]
            for file in self._files.values():
                file.is_dirty = False
            has_new_name, self._has_new_name = self._has_new_name, False
        for path in dirty:
            _unless_closed(partial(_sync_file, path))
        if has_new_name:
            _unless_closed(partial(sync_folder, self.folder))


def _identity(file: int | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _beyond_standard(number: int) -> int:
    """A descriptor of the same file above 2, where a setting closed standard input or output."""
    standard: list[int] = []
    while number < _STANDARD:
        standard.append(number)
        number = os.dup(number)
    for lower in standard:
        os.close(lower)
    return number


def _unless_closed(action: Callable[[], None]) -> None:
    """Call `action`, and call it again if a setting in this process closed all files meanwhile."""
    for _ in range(_TRIES):
        try:
            return action()
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
    return action()


def _sync_file(path: Path) -> None:
    # Any descriptor syncs what others wrote to the file; Windows needs a writable one. Elsewhere a
    # write that a setting has led to this number must not reach the file.
    way = os.O_WRONLY if os.name == "nt" else os.O_RDONLY
    number = os.open(path, way | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(number)
    finally:
        os.close(number)


@dataclass(slots=True)
class _Syncer:
    """A thread that calls `sync` soon after a request, and at most every `seconds`."""

    sync: Callable[[], None]
    seconds: float
    thread: threading.Thread | None = None
    requested: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    error: OSError | None = None

    def request(self) -> None:
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="superparams-ledger", daemon=True)
            self.thread.start()
        self.requested.set()

    def check(self) -> None:
        """Raise the error of the thread: a sync that failed must never look like a success."""
        if self.error is not None:
            raise StoreError(f"cannot sync the ledger to disk: {self.error}") from self.error

    def stop(self) -> None:
        self.stopped.set()
        self.requested.set()
        if self.thread is not None:
            self.thread.join()

    def _run(self) -> None:
        while not self.stopped.is_set():
            self.requested.wait()
            self.requested.clear()
            start = time.monotonic()
            try:
                self.sync()
            except OSError as error:
                self.error = error
                return
            self.stopped.wait(max(0.0, self.seconds - (time.monotonic() - start)))


def stamp(message: bytes, seq: int) -> bytes:
    """A message whose `STAMP` is replaced by its sequence number and checksum."""
    data = bytearray(message)
    place = data.index(STAMP)
    data[place : place + len(STAMP)] = b"crc32=00000000 seq=%012d" % seq
    data[place + 6 : place + 14] = b"%08x" % zlib.crc32(data)
    return bytes(data)
