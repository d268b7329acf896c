"""Memory that other processes can reach as it is: packing refers to it and copies nothing.

Two kinds: arrays of `shared_empty`, and files that are mapped (`numpy.memmap`, segments of
`multiprocessing.shared_memory`, `pyarrow.memory_map`). Both are found by address, whatever object
stands in front of them.
"""

from __future__ import annotations

import mmap
import operator
import sys
import weakref
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex

from superparams.errors import PayloadError
from superparams.executor.payload.segment import Segment, no_memory, open_file

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Stretch:
    """Addresses [start, stop) of this process: the bytes of `segment` from `offset` on."""

    start: int
    stop: int
    segment: Segment
    offset: int = 0


_arrays: dict[int, Stretch] = {}


def shared_empty(
    shape: SupportsIndex | Sequence[SupportsIndex], dtype: DTypeLike = float
) -> NDArray[Any]:
    """An array of zeros in shared memory: filled in place, it is not copied again for workers.

    The array, its slices and its views are shared with workers by reference; they see it read-only.
    The process that made it may go on writing, and workers then see that too.

    Args:
        shape: An int or a sequence of ints, as in `numpy.empty`.
        dtype: Any but those that hold Python objects.

    Returns:
        A C-contiguous, writable array.

    Raises:
        PayloadError: If the memory cannot be had (the error names the size), or the dtype holds
            objects.
        TypeError: For a shape that is not of whole numbers, as from `numpy.empty`.
    """
    import numpy as np

    kind = np.dtype(dtype)
    if kind.hasobject:
        raise PayloadError(
            f"shared_empty(dtype={kind}): objects cannot be shared; give a dtype of plain numbers"
        )
    sizes = shape if isinstance(shape, Sequence) else (shape,)
    dimensions = tuple(map(operator.index, sizes))
    size = kind.itemsize
    for n in dimensions:
        size *= n
    if size <= 0:
        return np.empty(dimensions, kind)
    return np.ndarray(dimensions, kind, buffer=_new_mapping(size))


def _new_mapping(size: int) -> mmap.mmap:
    segment = Segment.create("superparams-array")
    try:
        segment.reserve(size)
        mapping = mmap.mmap(segment.fd, size)
    except OSError as error:
        segment.close()
        raise no_memory(size, str(error)) from error
    except BaseException:
        segment.close()
        raise
    # Sealed with our mapping in place: it stays the only one that can be written through.
    segment.seal()
    start = _address(mapping)
    _arrays[start] = Stretch(start, start + size, segment)
    weakref.finalize(mapping, _arrays.pop, start).atexit = False
    return mapping


def _address(mapping: mmap.mmap) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


class Placement:
    """What this process has mapped, as of the first question: one a pass."""

    def __init__(self) -> None:
        self._files: list[tuple[int, int, int, int, str]] | None = None
        self._opened: dict[tuple[str, int | None], Segment | None] = {}

    def find(self, start: int, stop: int) -> tuple[Segment, int] | None:
        """The segment that holds the addresses [start, stop), and the offset of `start` in it."""
        for stretch in tuple(_arrays.values()):
            if stretch.start <= start and stop <= stretch.stop:
                return stretch.segment, stretch.offset + start - stretch.start
        if self._files is None:
            self._files = _mapped_files()
        place = bisect_right(self._files, (start, sys.maxsize)) - 1
        if place < 0:
            return None
        low, high, offset, inode, path = self._files[place]
        if stop > high:
            return None
        return self.file(path, offset + start - low, stop - start, inode)

    def file(
        self, path: str, offset: int, size: int, inode: int | None = None
    ) -> tuple[Segment, int] | None:
        """The file at `path`, if it is still the one with that inode and long enough."""
        key = (path, inode)
        if key not in self._opened:
            self._opened[key] = open_file(path, inode)
        segment = self._opened[key]
        if segment is None or segment.location().size < offset + size:
            return None
        return segment, offset


def _mapped_files() -> list[tuple[int, int, int, int, str]]:
    """(start, stop, offset in the file, inode, path) of each mapping of a file, ascending."""
    found: list[tuple[int, int, int, int, str]] = []
    try:
        # A path may be in any encoding.
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                addresses, mode, offset, _, inode, *path = line.rstrip("\n").split(maxsplit=5)
                # A private mapping may differ from its file, unless it cannot be written to; what
                # the loader of libraries maps was written to before.
                if (mode.endswith("s") or mode == "r--p") and path and _is_data(path[0]):
                    start, stop = addresses.split("-")
                    found.append(
                        (int(start, 16), int(stop, 16), int(offset, 16), int(inode), path[0])
                    )
    except OSError:
        pass
    return sorted(found)


def _is_data(path: str) -> bool:
    return path.startswith("/") and ".so" not in path.rpartition("/")[2]
