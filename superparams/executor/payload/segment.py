"""A segment: an open file, best an anonymous one in memory, that others can find and map."""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import sys
from dataclasses import dataclass
from typing import Any

from superparams.errors import PayloadError
from superparams.executor.payload.free_memory import demand, no_memory, release

_LINUX = sys.platform == "linux"
# linux/fcntl.h and asm-generic/mman.h; not all of them are in the oldest Python that we run on.
_ADD_SEALS = 1033
_SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 0x01, 0x02, 0x04, 0x10
_MAP_NORESERVE = 0x4000
# The most that Linux takes in one write().
_LARGEST_WRITE = 0x7FFF_F000


@dataclass(frozen=True)
class Location:
    """Where a process finds a segment, and how it knows that it is the one."""

    pid: int
    fd: int
    device: int
    inode: int
    size: int
    path: str | None = None

    def matches(self, fd: int) -> bool:
        """Whether the open file `fd` is this segment."""
        try:
            found = os.fstat(fd)
        except OSError:
            return False
        same = (found.st_dev, found.st_ino) == (self.device, self.inode)
        return same and found.st_size == self.size


class Segment:
    """An open file that is mapped by others; closed by `close` or with its last reference."""

    def __init__(self, fd: int, path: str | None = None) -> None:
        self.fd = fd
        self.path = path

    @classmethod
    def create(cls, name: str) -> Segment:
        """An empty segment: in memory where the system can, else a file without a name."""
        try:
            if hasattr(os, "memfd_create"):
                return cls(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
            return cls._unnamed()
        except OSError as error:
            raise PayloadError(f"no shared memory for the payload: {error}") from error

    @classmethod
    def _unnamed(cls) -> Segment:
        import tempfile  # where there is memfd, no process needs it

        if sys.platform == "win32":
            # A second process finds the file by its name, which goes with the last handle.
            fd, path = tempfile.mkstemp(prefix="superparams-")
            os.close(fd)
            return cls(os.open(path, os.O_RDWR | os.O_BINARY | os.O_TEMPORARY), path)
        fd, path = tempfile.mkstemp(prefix="superparams-")
        os.unlink(path)
        return cls(fd)

    def write(self, offset: int, data: memoryview) -> None:
        """Write all bytes of `data` at `offset`, straight from where they are."""
        if hasattr(os, "memfd_create"):
            demand(data.nbytes)
        try:
            os.lseek(self.fd, offset, os.SEEK_SET)
            done = 0
            while done < data.nbytes:
                done += os.write(self.fd, data[done : done + _LARGEST_WRITE])
        except OSError as error:
            raise no_memory(data.nbytes, str(error)) from error

    def reserve(self, size: int) -> None:
        """Make the segment `size` bytes long, every page present: no write ends in SIGBUS."""
        demand(size)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self.fd, 0, size)
            else:
                os.ftruncate(self.fd, size)
        except OSError as error:
            raise no_memory(size, str(error)) from error

    def seal(self) -> None:
        """Forbid for good to change the length, and to write except through mappings there are."""
        if not _LINUX or self.path is not None:
            return
        import fcntl

        # FUTURE_WRITE and not WRITE: the latter once refused shared read-only mappings, too.
        for seals in (_SEAL_SHRINK | _SEAL_GROW | _SEAL_FUTURE_WRITE | _SEAL_SEAL, 0x07):
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.fd, _ADD_SEALS, seals)
                return

    def location(self) -> Location:
        """How others find it, as of now."""
        found = os.fstat(self.fd)
        return Location(os.getpid(), self.fd, found.st_dev, found.st_ino, found.st_size, self.path)

    def content(self) -> bytes:
        """All bytes, for a process that cannot reach the segment."""
        with open(os.dup(self.fd), "rb") as file:
            file.seek(0)
            return file.read()

    def release(self) -> None:
        """As `close`, without waiting for the system to take a large segment back."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            release(fd)

    def close(self) -> None:
        """Close the file. Mappings of it live on."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Segment:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        # At the end of the interpreter `os` may be gone already: the system closes what is left.
        with contextlib.suppress(Exception):
            self.close()


def open_segment(location: Location) -> Segment:
    """The segment that another process, or this one, holds at `location`.

    Raises:
        PayloadError: If it is out of reach (its process ended, or runs elsewhere or as another
            user), or a file of the user's has changed its size.
    """
    if location.matches(location.fd):
        return Segment(os.dup(location.fd), location.path)
    if location.path is not None and sys.platform != "win32":
        return _open_file(location, location.path)
    path, flags = f"/proc/{location.pid}/fd/{location.fd}", os.O_RDONLY
    if sys.platform == "win32":
        path, flags = location.path or path, flags | os.O_BINARY | os.O_TEMPORARY
    try:
        segment = Segment(os.open(path, flags), location.path)
    except OSError as error:
        raise _unreachable(location, str(error)) from error
    if sys.platform != "win32" and not location.matches(segment.fd):
        segment.close()
        raise _unreachable(location, "that process no longer holds it")
    return segment


def _unreachable(location: Location, reason: str) -> PayloadError:
    return PayloadError(
        f"the payload of process {location.pid} cannot be reached from process {os.getpid()}: "
        f"{reason}. Workers must run on the same host, as the same user, while the payload is "
        "open; elsewhere send Payload.portable()"
    )


def _open_file(location: Location, path: str) -> Segment:
    """A file of the user's: through the process that holds it open, else by its path."""
    held = f"/proc/{location.pid}/fd/{location.fd}"
    with contextlib.suppress(OSError):
        segment = Segment(os.open(held, os.O_RDONLY), path)
        if location.matches(segment.fd):
            return segment
    try:
        segment = Segment(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), path)
    except OSError as error:
        raise PayloadError(
            f"a file that the payload refers to cannot be opened: {error}"
        ) from error
    found = os.fstat(segment.fd)
    replaced = found.st_dev == location.device and found.st_ino != location.inode
    if found.st_size == location.size and not replaced:
        return segment
    raise PayloadError(
        f"the file {path} has changed since the payload was packed: it had {location.size} bytes, "
        f"and now {'is another file of' if replaced else 'has'} {found.st_size}. Leave it alone "
        "while the run goes on"
    )


def open_file(path: str, inode: int | None = None) -> Segment | None:
    """The file at `path` as a segment; None if it cannot be opened or has another inode."""
    try:
        segment = Segment(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), path)
    except OSError:
        return None
    found = os.fstat(segment.fd)
    if stat.S_ISREG(found.st_mode) and inode in (None, found.st_ino):
        return segment
    segment.close()
    return None


def map_privately(segment: Segment, start: int, size: int) -> mmap.mmap:
    """Map `size` bytes from `start` (a multiple of the page size) on, copy-on-write.

    A page that is only read is the one that all processes share; one that is written becomes this
    process's own.
    """
    options: dict[str, Any] = {"access": mmap.ACCESS_COPY}
    if _LINUX:
        # Without a reserve: hardly a page is ever written, and each worker would pay for all.
        options = {
            "flags": mmap.MAP_PRIVATE | _MAP_NORESERVE,
            "prot": mmap.PROT_READ | mmap.PROT_WRITE,
        }
    try:
        return mmap.mmap(segment.fd, size, offset=start, **options)
    except (OSError, ValueError) as error:
        raise no_memory(size, f"it cannot be mapped: {error}") from error
