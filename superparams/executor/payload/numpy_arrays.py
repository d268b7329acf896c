"""numpy arrays (views, subclasses, masked, memory-mapped) and `array.array`, out-of-band.

By themselves, strided views, datetimes, subclasses and memory maps are copied into the pickle.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from pickle import PickleBuffer
from typing import Any, cast

import numpy as np

from superparams.executor.payload.array_aliases import bounds, note, reduce_small
from superparams.executor.payload.buffer_writer import Writer
from superparams.executor.payload.shared_memory import mapped_file_of

# A numpy.ndarray: its types say more than can be told of any array, and checkers disagree on them.
Array = Any

# How much of an array with gaps is made contiguous at a time, in bytes.
_PIECE = 16 * 2**20


def reduce_array(source: Array, writer: Writer) -> Any:
    """Any array of plain items, of any layout: its memory if that is dense, else a dense copy."""
    kind: Any = cast("Any", type(source))
    if not _is_usual(kind):
        return NotImplemented
    if source.nbytes < max(1, writer.threshold) or not _is_plain(source.dtype):
        return reduce_small(source, writer.seen, writer.groups)
    note(source, writer.seen, is_shared=True)
    data = source.view(np.ndarray)
    buffer, offset, strides = _memory_of(data, source, writer)
    arguments = buffer, data.dtype, data.shape, strides, offset
    if kind is np.ndarray:
        return rebuild_array, arguments
    if isinstance(source, np.memmap) and kind is np.memmap:
        return rebuild_memmap, (*arguments, source.filename, source.offset)
    return rebuild_array, (*arguments, kind)


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether the memory of its items is all there is to them."""
    return dtype.kind in "biufcmMSUV" and not dtype.hasobject and dtype.isbuiltin != 2


def _is_usual(kind: type[Any]) -> bool:
    """Whether a subclass is pickled as ndarray is: one with methods of its own keeps its way."""
    return all(
        getattr(kind, name) is getattr(np.ndarray, name)
        for name in ("__reduce__", "__reduce_ex__", "__setstate__")
    )


def _memory_of(
    data: Array, source: Array, writer: Writer
) -> tuple[PickleBuffer, int, tuple[int, ...]]:
    """The memory to ship, the offset of the first item in it, and the strides there."""
    low, high, first = bounds(data)
    in_place = writer.locate(low, high)
    if in_place is None and sys.platform != "linux":
        found = mapped_file_of(source)
        if found is not None:
            in_place = writer.file(found[0], found[1] + low - first, high - low)
    if in_place is not None:
        return in_place, first - low, data.strides
    # Dense in whatever order, or items that share memory as in a broadcast or sliding windows.
    if high - low <= data.nbytes:
        return writer.add(low, high - low), first - low, data.strides
    order = sorted(range(data.ndim), key=lambda axis: -abs(data.strides[axis]))
    return writer.add_pieces(_pieces(data.transpose(order))), 0, _dense_strides(data, order)


def _pieces(data: Array) -> Iterator[Any]:
    """The bytes of the array in C order, a few rows at a time."""
    rows = max(1, _PIECE * len(data) // data.nbytes)
    for start in range(0, len(data), rows):
        dense: Any = np.ascontiguousarray(data[start : start + rows])
        yield dense.reshape(-1).view(np.uint8)


def _dense_strides(data: Array, order: list[int]) -> tuple[int, ...]:
    strides, step = [0] * data.ndim, data.itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= data.shape[axis]
    return tuple(strides)


def rebuild_array(
    buffer: Any,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    kind: type[Any] | None = None,
) -> Array:
    """What `reduce_array` took apart, on top of the buffer."""
    # Not the buffer itself: ndarray() would keep what is behind it, which is writable.
    data: Any = np.ndarray(shape, dtype, np.frombuffer(buffer, np.uint8), offset, strides)
    return data if kind is None else data.view(kind)


def rebuild_memmap(
    buffer: Any,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    filename: Any,
    file_offset: int,
) -> Array:
    """A `numpy.memmap` that knows its file; the mapping is that of the payload."""
    data: Any = rebuild_array(buffer, dtype, shape, strides, offset, np.memmap)
    data.filename, data.offset, data.mode = filename, file_offset, "r"
    return data


def reduce_masked(source: Any, _: Writer) -> Any:
    """A masked array as its two arrays; by itself it also forgets that it has no mask."""
    mask = None if source.mask is np.ma.nomask else source.mask
    return rebuild_masked, (source.data, mask, source._fill_value, source.hardmask)


def rebuild_masked(data: Array, mask: Array | None, fill_value: Any, hard: bool) -> Any:
    """What `reduce_masked` took apart."""
    made: Any = np.ma.MaskedArray(
        data, np.ma.nomask if mask is None else mask, copy=False, hard_mask=hard
    )
    made._fill_value = fill_value
    return made


def reduce_python_array(source: array[Any], writer: Writer) -> Any:
    """An `array.array`; it owns its memory, so that each load copies it."""
    address, length = source.buffer_info()
    if length * source.itemsize < writer.threshold:
        return NotImplemented
    return rebuild_python_array, (source.typecode, writer.add(address, length * source.itemsize))


def rebuild_python_array(typecode: str, buffer: Any) -> array[Any]:
    """What `reduce_python_array` took apart."""
    made: array[Any] = array(typecode)
    made.frombytes(buffer)
    return made
