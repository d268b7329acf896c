"""Attaches a payload: maps the memory of another process, and rebuilds the objects in it."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pickle
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from superparams.errors import PayloadError
from superparams.executor.payload.segment import (
    Location,
    Region,
    Segment,
    UnreachableError,
    map_privately,
    open_segment,
    split,
)
from superparams.executor.payload.segment_files import SegmentFile, open_copy, write_copy

# Libraries that write to arrays that are read-only for numpy, as after `torch.from_numpy`. Without
# them, read-only memory is never changed.
_WRITERS = frozenset({"torch", "tensorflow", "numba", "cffi", "cupy"})
# linux/fs.h: struct pm_scan_arg (12 x u64) and PAGEMAP_SCAN, since Linux 6.7.
_SCAN_ARGUMENT = struct.Struct("<12Q")
_SCAN = 0xC060_6610
_IS_FILE, _IS_PRESENT, _IS_SWAPPED = 1 << 2, 1 << 3, 1 << 4


@dataclass(frozen=True)
class Handle:
    """A small picklable object by which another process attaches the payload.

    A fork or a process with ``pass_fds`` inherits it. A `multiprocessing` process of any start
    method takes it as an argument. A pipe carries it to any process of the same user on this host.

    Attributes:
        uid: Identifies the payload, so that a worker attaches it only once.
        locations: Where the segments are.
        span: Segment, offset and size of the regions and the pickle, unless they are `inline`.
        inline: The regions and the pickle, if they are small.
        contents: The bytes of each segment, for a process that cannot open it; else nothing.
        copies: A file with the bytes of each segment, for a process that cannot open it.
        held: Open files that came with the handle; they close with it.
    """

    uid: str
    locations: tuple[Location, ...]
    span: tuple[int, int, int]
    inline: bytes | None = field(default=None, repr=False)
    contents: tuple[bytes | None, ...] = field(default=(), repr=False)
    held: tuple[Segment, ...] = field(default=(), repr=False, compare=False)
    copies: tuple[SegmentFile | None, ...] = ()

    @property
    def fds(self) -> tuple[int, ...]:
        """The file descriptors for a child to inherit (``pass_fds``)."""
        return tuple(location.fd for location in self.locations)

    def with_contents(self, segments: Sequence[Segment]) -> Handle:
        """A copy of the handle that has the bytes of all segments except files of the user."""
        contents = tuple(
            segment.content() if segment.path is None else None for segment in segments
        )
        return replace(self, contents=contents)

    def with_copies(self, segments: Sequence[Segment], folder: Path) -> Handle:
        """A copy of the handle that names copies of all segments except files of the user."""
        folder.mkdir(parents=True)
        copies = tuple(
            write_copy(segment, folder / str(number)) if segment.path is None else None
            for number, segment in enumerate(segments)
        )
        return replace(self, copies=copies)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the open files as well, if `multiprocessing` is about to start a child."""
        parts = self.uid, self.locations, self.span, self.inline, self.contents, self.copies
        return _received, (parts, () if self.contents else _passed_on(self.fds))


def _passed_on(fds: Sequence[int]) -> tuple[Any, ...]:
    context = sys.modules.get("multiprocessing.context")
    if not fds or context is None or context.get_spawning_popen() is None or os.name == "nt":
        return ()
    from multiprocessing import reduction

    return tuple(reduction.DupFd(fd) for fd in fds)


def _received(parts: tuple[Any, ...], passed: Sequence[Any]) -> Handle:
    uid, locations, span, inline, contents, copies = parts
    if not passed:
        return Handle(uid, locations, span, inline, contents, copies=copies)
    held = tuple(
        Segment(copy.detach(), location.path)
        for copy, location in zip(passed, locations, strict=True)
    )
    here = tuple(
        replace(location, pid=os.getpid(), fd=segment.fd)
        for location, segment in zip(locations, held, strict=True)
    )
    return Handle(uid, here, span, inline, contents, held, copies)


class Attached:
    """A payload mapped into this process; made by `attach`.

    Objects that `load` returned may live longer: a mapping ends with the last array on it.
    """

    def __init__(self, handle: Handle, segments: Sequence[Segment]) -> None:
        self._segments = list(segments)
        self._span, self._inline = handle.span, handle.inline
        self._maps: dict[int, _Map] = {}
        self._regions = self._read_regions()
        self._is_written_by_design = any(region.writable for region in self._regions)
        self._faults = -1
        self._map()

    def _read_regions(self) -> list[Region]:
        if self._inline is not None:
            return split(memoryview(self._inline))[0]
        number, offset, size = self._span
        body = _Map(self._segments[number], offset, offset + size)
        return split(body.view(offset, size))[0]

    def _map(self) -> None:
        spans = [(region.segment, region.offset, region.size) for region in self._regions]
        if self._inline is None:
            spans.append(self._span)
        for number in {span[0] for span in spans}:
            low = min(offset for n, offset, _ in spans if n == number)
            high = max(offset + size for n, offset, size in spans if n == number)
            self._maps[number] = _Map(self._segments[number], low, high)

    def load(self) -> Any:
        """Rebuild the packed object. Each call returns a new one on the same large buffers.

        Raises:
            PayloadError: If it cannot be rebuilt in this process, as when a module is missing.
        """
        try:
            return pickle.loads(self._pickle(), buffers=self._buffers())
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError(
                f"the payload cannot be rebuilt in process {os.getpid()}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _pickle(self) -> memoryview:
        if self._inline is not None:
            return split(memoryview(self._inline))[1]
        return split(self._view(*self._span))[1]

    def _buffers(self) -> Iterator[memoryview]:
        for number, writable, offset, size in self._regions:
            view = self._view(number, offset, size)
            yield view if writable else view.toreadonly()

    def _view(self, number: int, offset: int, size: int) -> memoryview:
        if number not in self._maps:
            raise PayloadError("the payload was detached by close(); attach() again")
        return self._maps[number].view(offset, size)

    def refresh(self) -> bool:
        """Undo what the last setting wrote to the shared memory.

        On Linux, objects that were loaded before have their original content again, at the same
        addresses. On other systems they keep what was written: call `load` again after a True.

        No other thread may use the memory meanwhile. This takes 1 us if nothing can have been
        written, else about 5 ms for each GiB that this process has read.

        Returns:
            Whether anything was undone.
        """
        if not self._maps:
            return False
        if not self._is_written_by_design and sys.modules.keys().isdisjoint(_WRITERS):
            return False
        faults = page_faults()
        if faults == self._faults and faults >= 0:
            return False
        changed = [entry for entry in self._maps.values() if has_private_pages(entry.mapping)]
        for entry in changed:
            if not drop_private_pages(entry.mapping):
                self._map()
                break
        self._faults = page_faults()
        return bool(changed)

    def handle_here(self, handle: Handle) -> Handle:
        """A handle for processes on this host, valid until `close`.

        Args:
            handle: The handle of the payload, which may come from another host.
        """
        locations = tuple(segment.location() for segment in self._segments)
        return replace(handle, locations=locations, contents=(), copies=(), held=())

    def close(self) -> None:
        """Detach. A second call does nothing; objects that were loaded stay valid."""
        # A mapping ends with its last reference, since arrays may still use it.
        self._maps = {}
        segments, self._segments = self._segments, []
        for segment in segments:
            segment.close()

    def __enter__(self) -> Attached:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Map:
    """The bytes [low, high) of a segment, mapped privately."""

    def __init__(self, segment: Segment, low: int, high: int) -> None:
        self._start = low - low % mmap.ALLOCATIONGRANULARITY
        self.mapping = map_privately(segment, self._start, high - self._start)

    def view(self, offset: int, size: int) -> memoryview:
        return memoryview(self.mapping)[offset - self._start :][:size]


def attach(handle: Handle) -> Attached:
    """Map a payload into this process.

    Args:
        handle: The handle that `superparams.executor.payload.pack` made.

    Raises:
        PayloadError: If the payload is closed, or belongs to another host or user; if a file of the
            user has changed; and if there is not enough memory, with the size that was needed.
    """
    with contextlib.ExitStack() as opened:
        none = (None,) * len(handle.locations)
        contents, copies = handle.contents or none, handle.copies or none
        segments = [
            opened.enter_context(_segment(*parts))
            for parts in zip(handle.locations, contents, copies, strict=True)
        ]
        attached = Attached(handle, segments)
        opened.pop_all()
        return attached


def _segment(location: Location, content: bytes | None, copy: SegmentFile | None) -> Segment:
    if content is None:
        try:
            return open_segment(location)
        except UnreachableError:
            if copy is None:
                raise
            return open_copy(copy)
    segment = Segment.create("superparams-payload")
    try:
        segment.write(0, memoryview(content))
    except BaseException:
        segment.close()
        raise
    segment.seal()
    return segment


# ---- pages of a private mapping that this process has written to


def page_faults() -> int:
    """The page faults of this process so far, or -1 if the system does not count them.

    A page of a private mapping cannot change without one.
    """
    if sys.platform == "win32":
        return -1
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def has_private_pages(mapping: mmap.mmap) -> bool:
    """Whether a page of a private mapping was written to; True if the system cannot tell.

    Takes some 20 ns for each page that is mapped.
    """
    if sys.platform != "linux":
        return True
    import fcntl

    start = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    stop = start + -(-len(mapping) // mmap.PAGESIZE) * mmap.PAGESIZE
    page_range = ctypes.create_string_buffer(24)
    # Ask for one range of pages that are not of the file and are present or swapped out.
    masks = _IS_FILE, _IS_FILE, _IS_PRESENT | _IS_SWAPPED, _IS_PRESENT
    argument = _SCAN_ARGUMENT.pack(
        _SCAN_ARGUMENT.size, 0, start, stop, 0, ctypes.addressof(page_range), 1, 1, *masks
    )
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
            ranges: int = fcntl.ioctl(pagemap, _SCAN, bytearray(argument))
            return ranges > 0
    except OSError:
        return True


def drop_private_pages(mapping: mmap.mmap) -> bool:
    """Replace the pages that were written by those of the file; False if that is not possible."""
    if sys.platform != "linux":
        # On other systems MADV_DONTNEED may keep the pages that were written.
        return False
    mapping.madvise(mmap.MADV_DONTNEED)
    return True
