"""Segments: open files, anonymous ones in memory if possible, that other processes map.

A payload is a head with the regions of its large buffers, and a pickle; see `head` and `split`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import struct
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from superparams.errors import PayloadError
from superparams.errors.units import size as size_text

_LINUX = sys.platform == "linux"
# linux/fcntl.h and asm-generic/mman.h; not all of them are in the oldest Python that we run on.
_ADD_SEALS = 1033
_SEAL_SEAL, _SEAL_SHRINK, _SEAL_GROW, _SEAL_FUTURE_WRITE = 0x01, 0x02, 0x04, 0x10
_MAP_NORESERVE = 0x4000
_LARGEST_WRITE = 0x7FFF_F000  # bytes that Linux takes in one write()
_ALIGNMENT = 64
# Free memory is checked, and closed in the background, from this many bytes on: the check takes
# 0.1 ms, and the system needs 60 ms to take back a gibibyte.
_LARGE = 16 * 2**20
_CGROUPS = Path("/sys/fs/cgroup")
# An event for each file that is being closed in the background. (`Thread.join` may fail if several
# threads join one thread.)
_releasing: set[threading.Event] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_releasing.clear)
_COUNT = struct.Struct("<Q")
_REGION = struct.Struct("<IIQQ")


class UnreachableError(PayloadError):
    """The payload is in the memory of another process, and cannot be opened from here."""


@dataclass(frozen=True)
class Location:
    """Where another process finds a segment, and how it recognises it."""

    pid: int
    fd: int
    device: int
    inode: int
    size: int
    path: str | None = None

    def matches(self, fd: int) -> bool:
        """Whether the open file `fd` is this segment."""
        try:
            status = os.fstat(fd)
        except OSError:
            return False
        same = (status.st_dev, status.st_ino) == (self.device, self.inode)
        return same and status.st_size == self.size


class Segment:
    """An open file that processes map; closed by `close` or with its last reference."""

    def __init__(self, fd: int, path: str | None = None) -> None:
        self.fd = fd
        self.path = path

    @classmethod
    def create(cls, name: str) -> Segment:
        """An empty segment: in memory if the system can, else a file without a name."""
        try:
            if hasattr(os, "memfd_create"):
                return cls(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
            return cls._unnamed()
        except OSError as error:
            raise PayloadError(f"no shared memory for the payload: {error}") from error

    @classmethod
    def _unnamed(cls) -> Segment:
        import tempfile  # not needed on systems with memfd

        if sys.platform == "win32":
            # Another process finds the file by its name, which goes with the last handle.
            fd, path = tempfile.mkstemp(prefix="superparams-")
            os.close(fd)
            return cls(os.open(path, os.O_RDWR | os.O_BINARY | os.O_TEMPORARY), path)
        fd, path = tempfile.mkstemp(prefix="superparams-")
        os.unlink(path)
        return cls(fd)

    def write(self, offset: int, data: memoryview) -> None:
        """Write all bytes of `data` at `offset`, without a copy."""
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
        """Make the segment `size` bytes long with all pages, so that no write ends in SIGBUS."""
        demand(size)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self.fd, 0, size)
            else:
                os.ftruncate(self.fd, size)
        except OSError as error:
            raise no_memory(size, str(error)) from error

    def seal(self) -> None:
        """Forbid changes of the length, and writes through new mappings."""
        if not _LINUX or self.path is not None:
            return
        import fcntl

        # Not WRITE, since some versions of Linux then refuse shared read-only mappings as well.
        for seals in (_SEAL_SHRINK | _SEAL_GROW | _SEAL_FUTURE_WRITE | _SEAL_SEAL, 0x07):
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.fd, _ADD_SEALS, seals)
                return

    def location(self) -> Location:
        """How other processes find the segment, with its present size."""
        status = os.fstat(self.fd)
        return Location(
            os.getpid(), self.fd, status.st_dev, status.st_ino, status.st_size, self.path
        )

    def content(self) -> bytes:
        """All bytes, for a process that cannot open the segment."""
        with open(os.dup(self.fd), "rb") as file:
            file.seek(0)
            return file.read()

    def release(self) -> None:
        """Close the file in the background if it is large, since that takes long."""
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
        # At the end of the interpreter, `os` may be gone already, and the system closes the file.
        with contextlib.suppress(Exception):
            self.close()


def open_segment(location: Location) -> Segment:
    """Open a segment that this or another process has open.

    Raises:
        UnreachableError: If the process of the segment has ended, or runs on another host, in
            another container or as another user.
        PayloadError: If a file of the user has changed, or cannot be opened.
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


def _unreachable(location: Location, reason: str) -> UnreachableError:
    return UnreachableError(
        f"the payload of process {location.pid} cannot be reached from process {os.getpid()}: "
        f"{reason}. Workers must run on the same host, as the same user, while the payload is "
        "open; elsewhere send Payload.portable()"
    )


def _open_file(location: Location, path: str) -> Segment:
    """Open a file of the user: as the process has it open, else by its path."""
    with contextlib.suppress(OSError):
        segment = Segment(os.open(f"/proc/{location.pid}/fd/{location.fd}", os.O_RDONLY), path)
        if location.matches(segment.fd):
            return segment
    try:
        segment = Segment(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), path)
    except OSError as error:
        raise PayloadError(
            f"a file that the payload refers to cannot be opened: {error}"
        ) from error
    status = os.fstat(segment.fd)
    replaced = status.st_dev == location.device and status.st_ino != location.inode
    if status.st_size == location.size and not replaced:
        return segment
    raise PayloadError(
        f"the file {path} has changed since the payload was packed: it had {location.size} bytes, "
        f"and now {'is another file of' if replaced else 'has'} {status.st_size}. Leave it alone "
        "while the run goes on"
    )


def open_file(path: str, inode: int | None = None) -> Segment | None:
    """The file at `path` as a segment; None if it cannot be opened or has another inode."""
    try:
        segment = Segment(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), path)
    except OSError:
        return None
    status = os.fstat(segment.fd)
    if stat.S_ISREG(status.st_mode) and inode in (None, status.st_ino):
        return segment
    segment.close()
    return None


def map_privately(segment: Segment, start: int, size: int) -> mmap.mmap:
    """Map `size` bytes from `start` (a multiple of the page size) on, copy-on-write.

    All processes share the pages that are only read. A page that is written becomes private.
    """
    options: dict[str, Any] = {"access": mmap.ACCESS_COPY}
    if _LINUX:
        # No memory is reserved: pages are rarely written, and each worker would reserve all.
        options = {
            "flags": mmap.MAP_PRIVATE | _MAP_NORESERVE,
            "prot": mmap.PROT_READ | mmap.PROT_WRITE,
        }
    try:
        return mmap.mmap(segment.fd, size, offset=start, **options)
    except (OSError, ValueError) as error:
        raise no_memory(size, f"it cannot be mapped: {error}") from error


# ---- free memory


def no_memory(size: int, reason: str) -> PayloadError:
    """The error for `size` bytes of memory that the system refused."""
    return PayloadError(
        f"no memory for {size_text(size)} of the payload: {reason}. Free memory, raise the limit, "
        "or keep the data in a file and open it with numpy.memmap, which is shared and not copied"
    )


def demand(size: int) -> None:
    """Raise `PayloadError` if less than `size` bytes of memory are free.

    A process that writes beyond the end of the memory is killed by the kernel without a message.
    """
    if size < _LARGE:
        return
    for done in tuple(_releasing):  # other threads change the set meanwhile
        done.wait()
    left = free_memory()
    if left is not None and size > left:
        raise no_memory(size, f"only {size_text(left)} are left")


def release(fd: int) -> None:
    """Close a file in memory, in the background if it is large."""
    if os.fstat(fd).st_size < _LARGE:
        os.close(fd)
        return
    done = threading.Event()
    _releasing.add(done)
    thread = threading.Thread(
        target=_release, args=(fd, done), name="superparams-release", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:  # there is no memory for a thread
        _release(fd, done)


def _release(fd: int, done: threading.Event) -> None:
    try:
        os.close(fd)
    finally:
        _releasing.discard(done)
        done.set()


def free_memory() -> int | None:
    """Bytes that this process may still use, with swap; None if the system does not tell."""
    system = _table(Path("/proc/meminfo"))
    if "MemAvailable:" not in system:
        return None
    swap = system.get("SwapFree:", 0) * 1024
    limits = [system["MemAvailable:"] * 1024, *_free_in_cgroups()]
    return max(0, min(limits)) + swap


def _free_in_cgroups() -> Iterator[int]:
    for folder, limit_name, usage_name in _cgroup_folders():
        limit, usage = _number(folder / limit_name), _number(folder / usage_name)
        if limit is not None and usage is not None:
            statistics = _table(folder / "memory.stat")
            # Pages of files count as used, but the kernel frees them on demand.
            cache = sum(
                statistics.get(f"total_{name}", statistics.get(name, 0))
                for name in ("active_file", "inactive_file")
            )
            yield limit - max(0, usage - cache)


def _cgroup_folders() -> Iterator[tuple[Path, str, str]]:
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, limit, usage = _CGROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root = _CGROUPS / "memory"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        folder = root / path.lstrip("/")
        # In a container the path may be that of the host, so that only the root exists.
        for parent in (folder, *folder.parents):
            yield parent, limit, usage
            if parent == root:
                break


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


# ---- the layout of a payload


class Region(NamedTuple):
    """`size` bytes of a segment from `offset` on; `writable` if workers may write to them."""

    segment: int
    writable: bool
    offset: int
    size: int


def aligned(offset: int) -> int:
    """The next offset that is a multiple of 64."""
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def head(regions: Sequence[Region]) -> bytes:
    """The bytes before the pickle: the regions, in the order in which the pickle needs them."""
    return _COUNT.pack(len(regions)) + b"".join(_REGION.pack(*region) for region in regions)


def split(body: memoryview) -> tuple[list[Region], memoryview]:
    """The regions and the pickle of a payload."""
    (count,) = _COUNT.unpack_from(body)
    end = _COUNT.size + count * _REGION.size
    rows: Iterable[tuple[int, int, int, int]] = _REGION.iter_unpack(body[_COUNT.size : end])
    regions = [Region(number, bool(flag), offset, size) for number, flag, offset, size in rows]
    return regions, body[end:]
