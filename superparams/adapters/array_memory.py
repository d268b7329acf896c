"""How the memory of numpy arrays is shared: of views, subclasses, masked arrays and memory maps.

numpy itself would copy strided views, datetimes, subclasses and memory maps into the pickle.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from pickle import PickleBuffer
from typing import Any

import numpy as np

from superparams.adapters.adapter import Buffers

__all__ = ["array_bounds", "reduce_array", "reduce_masked"]

# A numpy.ndarray: its types say more than can be told of any array, and checkers disagree on them.
Array = Any

# How much of an array with gaps is made contiguous at a time, in bytes.
_PIECE = 16 * 2**20


def reduce_array(source: Array, buffers: Buffers) -> Any:
    """Any array of plain items, of any layout: its memory if that is dense, else a dense copy."""
    kind: Any = source.__class__
    if not _is_usual(kind):
        return NotImplemented
    if source.nbytes < max(1, buffers.threshold) or not _is_plain(source.dtype):
        return buffers.small_array(source)
    buffers.shared_array(source)
    data = source.view(np.ndarray)
    buffer, offset, strides = _memory_of(data, source, buffers)
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
    data: Array, source: Array, buffers: Buffers
) -> tuple[PickleBuffer, int, tuple[int, ...]]:
    """The memory to ship, the offset of the first item in it, and the strides there."""
    low, high, first = array_bounds(data)
    in_place = buffers.locate(low, high)
    if in_place is None and sys.platform != "linux":
        file_and_offset = _mapped_file(source)
        if file_and_offset is not None:
            in_place = buffers.file(
                file_and_offset[0], file_and_offset[1] + low - first, high - low
            )
    if in_place is not None:
        return in_place, first - low, data.strides
    # Dense in whatever order, or items that share memory as in a broadcast or sliding windows.
    if high - low <= data.nbytes:
        return buffers.add(low, high - low), first - low, data.strides
    order = sorted(range(data.ndim), key=lambda axis: -abs(data.strides[axis]))
    return buffers.add_pieces(_pieces(data.transpose(order))), 0, _dense_strides(data, order)


def array_bounds(source: Array) -> tuple[int, int, int]:
    """Where the memory of an array begins and ends, and where its first item is."""
    first = source.__array_interface__["data"][0]
    if source.flags.c_contiguous:
        return first, first + source.nbytes, first
    steps = [(n - 1) * stride for n, stride in zip(source.shape, source.strides, strict=True)]
    low = first + sum(step for step in steps if step < 0)
    return low, first + sum(step for step in steps if step > 0) + source.itemsize, first


def _mapped_file(array: Array) -> tuple[str, int] | None:
    """(path, offset of the first item) of a view of a `numpy.memmap`, where no system tells it.

    None if there is no file, or the mapping is copy-on-write and may differ from it.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray) and isinstance(owner.base, np.ndarray):
        owner = owner.base
    if not isinstance(owner, np.memmap) or owner.filename is None or owner.mode == "c":
        return None
    base: Any = owner.base
    if not isinstance(base, mmap.mmap):
        return None
    first = np.frombuffer(base, np.uint8).__array_interface__["data"][0]
    start = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
    return str(owner.filename), start + array.__array_interface__["data"][0] - first


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
    buffer: object,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    filename: object,
    file_offset: int,
) -> Array:
    """A `numpy.memmap` that knows its file; the mapping is that of the payload."""
    data: Any = rebuild_array(buffer, dtype, shape, strides, offset, np.memmap)
    data.filename, data.offset, data.mode = filename, file_offset, "r"
    return data


def reduce_masked(source: Any, _: Buffers) -> Any:
    """A masked array as its two arrays; by itself it also forgets that it has no mask."""
    mask = None if source.mask is np.ma.nomask else source.mask
    return rebuild_masked, (source.data, mask, source._fill_value, source.hardmask)


def rebuild_masked(data: Array, mask: Array | None, fill_value: object, hard: bool) -> Any:
    """What `reduce_masked` took apart."""
    array: Any = np.ma.MaskedArray(
        data, np.ma.nomask if mask is None else mask, copy=False, hard_mask=hard
    )
    array._fill_value = fill_value
    return array
