"""Where the buffers of a pass go: referred to in place, written, or left in the pickle."""

from __future__ import annotations

import contextlib
import ctypes
import io
from collections.abc import Generator, Iterable, Mapping
from pickle import PickleBuffer
from typing import Any

from superparams.executor.payload.segment import Region, Segment, aligned
from superparams.executor.payload.shared_memory import Placement


def memory(address: int, size: int) -> memoryview:
    """The `size` bytes of this process at `address`; whoever owns them must outlive the view."""
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


class Writer:
    """Takes the buffers of one pass, and remembers the region of each in the order of the pickle.

    A reducer hands memory over with `add`, `add_pieces` or `stream`, and puts the `PickleBuffer`
    that it gets back into what it returns. With `dry`, nothing is written.
    """

    def __init__(
        self, threshold: int, *, dry: bool = False, groups: Mapping[Any, Any] | None = None
    ) -> None:
        self.threshold = threshold
        self.dry = dry
        self.regions: list[Region] = []
        self.segments: list[Segment] = []
        self.own: Segment | None = None
        self.in_place = 0
        self.written = 0
        self.end = 0
        # For `superparams.executor.payload.array_aliases`: arrays that this pass met, and which of
        # them, as an earlier pass found, share memory.
        self.seen: list[Any] = []
        self.groups: Mapping[Any, Any] = groups or {}
        self._numbers: dict[int, int] = {}
        self._surroundings = Placement()
        # Stand-ins in the pickle for memory that has been dealt with, by their id.
        self._placed: dict[int, tuple[PickleBuffer, Region]] = {}
        # Memory that stays until the end of the pass is written once.
        self._known: dict[tuple[int, int], tuple[int, int]] = {}

    def add(self, address: int, size: int, *, writable: bool = False) -> PickleBuffer:
        """Memory of an object that lives until the pass is over."""
        if size < self.threshold:
            view = memory(address, size) if size else memoryview(b"")
            return PickleBuffer(view if writable else view.toreadonly())
        found = self.locate(address, address + size, writable=writable)
        if found is not None:
            return found
        place = self._known.get((address, size))
        if place is None:
            number, offset = self._begin()
            self._append(memory(address, size))
            place = self._known[address, size] = number, offset
        return self._stand_in(Region(place[0], writable, place[1], size))

    def locate(self, start: int, stop: int, *, writable: bool = False) -> PickleBuffer | None:
        """The addresses [start, stop) where they are, if other processes can reach them there."""
        found = self._surroundings.find(start, stop)
        return None if found is None else self._refer(*found, stop - start, writable)

    def file(self, path: str, offset: int, size: int) -> PickleBuffer | None:
        """A stretch of a file that this process has mapped; None if it is no longer there."""
        found = self._surroundings.file(path, offset, size)
        return None if found is None else self._refer(*found, size, writable=False)

    def add_pieces(self, pieces: Iterable[Any], *, writable: bool = False) -> PickleBuffer:
        """Buffers of bytes, one behind the other; none is needed after it was written."""
        number, offset = self._begin()
        for piece in () if self.dry else pieces:
            self._append(memoryview(piece).cast("B"))
        return self._stand_in(Region(number, writable, offset, self.end - offset))

    @contextlib.contextmanager
    def stream(self) -> Generator[_Stream, None, None]:
        """A file to write to; afterwards its `buffer` stands for what was written."""
        number, offset = self._begin()
        stream = _Stream(self)
        yield stream
        region = Region(number, False, offset, self.end - offset)
        stream.buffer = self._stand_in(region)

    def memory(self, address: int, size: int) -> memoryview:
        """The `size` bytes of this process at `address`."""
        return memory(address, size)

    def shared_array(self, source: Any) -> None:
        """Note a numpy array whose memory is shared."""
        from superparams.executor.payload.array_aliases import note

        note(source, self.seen, is_shared=True)

    def small_array(self, source: Any) -> Any:
        """How to pickle a numpy array by itself, or as a view of what it shares with others."""
        from superparams.executor.payload.array_aliases import reduce_small

        return reduce_small(source, self.seen, self.groups)

    def take(self, buffer: PickleBuffer) -> bool:
        """The pickler's question on a buffer: true if it should stay in the pickle."""
        placed = self._placed.pop(id(buffer), None)
        if placed is not None:
            self.regions.append(placed[1])
            return False
        raw = buffer.raw()
        if raw.nbytes < self.threshold:
            return True
        number, offset = self._begin()
        self._append(raw)
        self.regions.append(Region(number, False, offset, raw.nbytes))
        return False

    def write(self, pieces: Iterable[memoryview]) -> tuple[int, int]:
        """Write the body behind all buffers; returns its segment and offset."""
        place = self._begin()
        for piece in pieces:
            self._append(piece)
        return place

    def close(self) -> None:
        """Give up: close what was written."""
        if self.own is not None:
            self.own.close()

    def _begin(self) -> tuple[int, int]:
        if self.own is None and not self.dry:
            self.own = Segment.create("superparams-payload")
            self._number(self.own)
        self.end = aligned(self.end)
        return 0 if self.own is None else self._number(self.own), self.end

    def _append(self, data: memoryview) -> None:
        if self.own is not None:
            self.own.write(self.end, data)
        self.end += data.nbytes
        self.written += data.nbytes

    def _refer(self, segment: Segment, offset: int, size: int, writable: bool) -> PickleBuffer:
        self.in_place += size
        return self._stand_in(Region(self._number(segment), writable, offset, size))

    def _number(self, segment: Segment) -> int:
        number = self._numbers.setdefault(id(segment), len(self.segments))
        if number == len(self.segments):
            self.segments.append(segment)
        return number

    def _stand_in(self, region: Region) -> PickleBuffer:
        buffer = PickleBuffer(bytearray() if region.writable else b"")
        self._placed[id(buffer)] = buffer, region
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
