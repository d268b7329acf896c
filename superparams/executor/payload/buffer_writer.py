"""Puts the buffers of an object graph into shared memory, or refers to memory that is shared."""

from __future__ import annotations

import contextlib
import ctypes
import io
from collections.abc import Generator, Iterable, Mapping
from pickle import PickleBuffer
from typing import Any

from superparams.executor.payload.segment import Region, Segment, aligned
from superparams.executor.payload.shared_memory import SharedMemory


def memory(address: int, size: int) -> memoryview:
    """The `size` bytes of this process at `address`, while their owner lives."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


class Writer:
    """Takes the buffers of one pickle, and notes their regions in the order of the pickle.

    A reducer passes memory to `add`, `add_pieces` or `stream`, and returns the `PickleBuffer` that
    it gets as a part of its value.

    Args:
        threshold: The size in bytes from which on buffers go to shared memory.
        dry: Whether to write nothing.
        groups: Arrays that share memory, as an earlier pass found them, by their layout.

    Attributes:
        regions: The regions of the buffers.
        segments: The segments that the regions refer to.
        own: The segment that this writer writes to, if any.
        in_place: Bytes that were not copied.
        written: Bytes that were written.
        seen: The arrays of this pass, for `superparams.executor.payload.array_aliases`.
    """

    def __init__(
        self, threshold: int, *, dry: bool = False, groups: Mapping[Any, object] | None = None
    ) -> None:
        self.threshold = threshold
        self.dry = dry
        self.regions: list[Region] = []
        self.segments: list[Segment] = []
        self.own: Segment | None = None
        self.in_place = 0
        self.written = 0
        self.seen: list[Any] = []
        self.groups: Mapping[Any, Any] = groups or {}
        self._end = 0
        self._numbers: dict[int, int] = {}  # of segments, by their id
        self._shared_memory = SharedMemory()
        # Empty buffers in the pickle that represent regions, by their id.
        self._placeholders: dict[int, tuple[PickleBuffer, Region]] = {}
        # Segment and offset of memory that was written, so that it is written once.
        self._places: dict[tuple[int, int], tuple[int, int]] = {}

    def add(self, address: int, size: int, *, writable: bool = False) -> PickleBuffer:
        """Take memory of an object that lives until the pass is over."""
        if size < self.threshold:
            view = memory(address, size) if size else memoryview(b"")
            return PickleBuffer(view if writable else view.toreadonly())
        shared = self.locate(address, address + size, writable=writable)
        if shared is not None:
            return shared
        if (address, size) not in self._places:
            self._places[address, size] = self._begin()
            self._append(memory(address, size))
        number, offset = self._places[address, size]
        return self._placeholder(Region(number, writable, offset, size))

    def locate(self, start: int, stop: int, *, writable: bool = False) -> PickleBuffer | None:
        """Refer to the addresses [start, stop) if other processes can map them, else None."""
        place = self._shared_memory.find(start, stop)
        return None if place is None else self._refer(*place, stop - start, writable)

    def file(self, path: str, offset: int, size: int) -> PickleBuffer | None:
        """Refer to a part of a file that this process has mapped; None if it no longer exists."""
        place = self._shared_memory.file(path, offset, size)
        return None if place is None else self._refer(*place, size, writable=False)

    def add_pieces(self, pieces: Iterable[Any], *, writable: bool = False) -> PickleBuffer:
        """Write buffers of bytes one after another; each may be dropped once it is written."""
        number, offset = self._begin()
        for piece in () if self.dry else pieces:
            self._append(memoryview(piece).cast("B"))
        return self._placeholder(Region(number, writable, offset, self._end - offset))

    @contextlib.contextmanager
    def stream(self) -> Generator[_Stream, None, None]:
        """A file to write to; afterwards its `buffer` represents the written bytes."""
        number, offset = self._begin()
        stream = _Stream(self)
        yield stream
        region = Region(number, False, offset, self._end - offset)
        stream.buffer = self._placeholder(region)

    def memory(self, address: int, size: int) -> memoryview:
        """The `size` bytes of this process at `address`."""
        return memory(address, size)

    def shared_array(self, source: object) -> None:
        """Note a numpy array whose memory goes to a segment."""
        from superparams.executor.payload.array_aliases import note

        note(source, self.seen, is_shared=True)

    def small_array(self, source: object) -> Any:
        """Pickle a numpy array on its own, or as a view of a block that others share."""
        from superparams.executor.payload.array_aliases import reduce_small

        return reduce_small(source, self.seen, self.groups)

    def take(self, buffer: PickleBuffer) -> bool:
        """Take a buffer of the pickler; true if it should stay in the pickle."""
        placeholder = self._placeholders.pop(id(buffer), None)
        if placeholder is not None:
            self.regions.append(placeholder[1])
            return False
        raw = buffer.raw()
        if raw.nbytes < self.threshold:
            return True
        number, offset = self._begin()
        self._append(raw)
        self.regions.append(Region(number, False, offset, raw.nbytes))
        return False

    def write(self, pieces: Iterable[memoryview]) -> tuple[int, int]:
        """Write the pickle behind all buffers; returns its segment and offset."""
        number, offset = self._begin()
        for piece in pieces:
            self._append(piece)
        return number, offset

    def close(self) -> None:
        """Close the segment after an error."""
        if self.own is not None:
            self.own.close()

    def _begin(self) -> tuple[int, int]:
        if self.own is None and not self.dry:
            self.own = Segment.create("superparams-payload")
            self._number(self.own)
        self._end = aligned(self._end)
        return 0 if self.own is None else self._number(self.own), self._end

    def _append(self, data: memoryview) -> None:
        if self.own is not None:
            self.own.write(self._end, data)
        self._end += data.nbytes
        self.written += data.nbytes

    def _refer(self, segment: Segment, offset: int, size: int, writable: bool) -> PickleBuffer:
        self.in_place += size
        return self._placeholder(Region(self._number(segment), writable, offset, size))

    def _number(self, segment: Segment) -> int:
        number = self._numbers.setdefault(id(segment), len(self.segments))
        if number == len(self.segments):
            self.segments.append(segment)
        return number

    def _placeholder(self, region: Region) -> PickleBuffer:
        buffer = PickleBuffer(bytearray() if region.writable else b"")
        self._placeholders[id(buffer)] = buffer, region
        return buffer


class _Stream(io.RawIOBase):
    buffer: PickleBuffer

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._writer._append(view)  # pyright: ignore[reportPrivateUsage]
        return view.nbytes
