"""Memory that other processes can map, so that packing need not copy it.

Two kinds: arrays of `shared_empty`, and files that are mapped (`numpy.memmap`, segments of
`multiprocessing.shared_memory`, `pyarrow.memory_map`). Both are found by address, so the type of
the object does not matter.
"""

from __future__ import annotations

import mmap
import operator
import sys
import weakref
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from superparams.errors import PayloadError
from superparams.executor.payload.segment import Segment, no_memory, open_file

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


class _SharedArray(NamedTuple):
    """The addresses [start, stop) of this process, where `segment` is mapped."""

    start: int
    stop: int
    segment: Segment


class _MappedFile(NamedTuple):
    """The addresses [start, stop) of this process, where a file is mapped from `offset` on."""

    start: int
    stop: int
    offset: int
    inode: int
    path: str


_arrays: dict[int, _SharedArray] = {}  # by their start


def shared_empty(
    shape: SupportsIndex | Sequence[SupportsIndex], dtype: DTypeLike = float
) -> NDArray[Any]:
    """Make an array of zeros in shared memory, which is not copied for workers.

    Workers share the array, its slices and its views, and cannot write to them. They see what this
    process writes to the array later.

    Args:
        shape: An int or a sequence of ints, as in `numpy.empty`.
        dtype: Any but those that hold Python objects.

    Returns:
        A C-contiguous, writable array.

    Raises:
        PayloadError: If there is no memory (the error names the size), or the dtype has objects.
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
    array: np.ndarray[Any, Any] = np.ndarray(dimensions, kind, buffer=_new_mapping(size))
    return array


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
    # After this, the array can be written through our mapping alone.
    segment.seal()
    start = _address(mapping)
    _arrays[start] = _SharedArray(start, start + size, segment)
    weakref.finalize(mapping, _arrays.pop, start).atexit = False
    return mapping


def _address(mapping: mmap.mmap) -> int:
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


class SharedMemory:
    """The shared arrays and mapped files of this process, as of the first call of `find`."""

    def __init__(self) -> None:
        self._files: list[_MappedFile] | None = None
        self._opened: dict[tuple[str, int | None], Segment | None] = {}

    def find(self, start: int, stop: int) -> tuple[Segment, int] | None:
        """The segment that holds the addresses [start, stop), and the offset of `start` in it."""
        for array in tuple(_arrays.values()):
            if array.start <= start and stop <= array.stop:
                return array.segment, start - array.start
        if self._files is None:
            self._files = _mapped_files()
        number = bisect_right(self._files, (start, sys.maxsize)) - 1
        if number < 0 or stop > self._files[number].stop:
            return None
        file = self._files[number]
        return self.file(file.path, file.offset + start - file.start, stop - start, file.inode)

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


def _mapped_files() -> list[_MappedFile]:
    """The mappings of files whose content other processes can map as well, ascending."""
    files: list[_MappedFile] = []
    try:
        # A path may be in any encoding.
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                addresses, mode, offset, _, inode, *path = line.rstrip("\n").split(maxsplit=5)
                # A private mapping may differ from its file, unless it is read-only. The mappings
                # of libraries were written before they became read-only.
                if (mode.endswith("s") or mode == "r--p") and path and _is_data(path[0]):
                    start, stop = addresses.split("-")
                    numbers = int(start, 16), int(stop, 16), int(offset, 16), int(inode)
                    files.append(_MappedFile(*numbers, path[0]))
    except OSError:
        pass
    return sorted(files)


def _is_data(path: str) -> bool:
    return path.startswith("/") and ".so" not in path.rpartition("/")[2]
