"""Lets small arrays that share memory share it in workers as well.

Small arrays are pickled by value, each on its own. Then a write to one would not change the others,
as it does in the driver. So a first pass notes the memory of each array. If some overlap, a second
pass pickles them as views of one block. Large arrays are read-only in workers. A small array that
shares memory with a large one is made read-only too, so that a write is refused and not lost.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from superparams.adapters.array_memory import array_bounds

__all__ = ["Group", "NotedArray", "groups_of", "note", "reduce_small"]

Array = Any  # a numpy.ndarray, as in `superparams.adapters.array_memory`
_MOST_COMPARED: Final = 200  # arrays with overlapping bounds that are compared item by item
_WORK: Final = 10_000  # the limit of numpy's search for an item that two arrays share


class NotedArray(NamedTuple):
    """An array that the first pass has noted, at the addresses [low, high)."""

    low: int
    high: int
    array: Array
    is_shared: bool


class Group(NamedTuple):
    """Arrays that share memory, from the address `low` on.

    Attributes:
        low: The first address.
        block: The memory of which they become views; None if they become read-only copies.
    """

    low: int
    block: Any


def note(source: Array, arrays: list[NotedArray], *, is_shared: bool) -> None:
    """Note an array of the first pass; `is_shared` if its memory goes to a segment."""
    if source.nbytes:
        low, high, _ = array_bounds(source)
        arrays.append(NotedArray(low, high, source, is_shared))


def groups_of(arrays: Iterable[NotedArray], threshold: int) -> dict[Any, Group]:
    """The arrays that share memory, by the layout of each, if some of them are writable."""
    groups: dict[Any, Group] = {}
    for part in _overlapping(sorted(arrays, key=lambda member: member[:2])):
        small = [member for member in part.members if not member.is_shared]
        writable = any(member.array.flags.writeable for member in part.members)
        if len(part.members) < 2 or not small or not writable:
            continue
        group = _group(part, small, threshold)
        if group is not None:
            groups.update((_layout(member.array), group) for member in small)
    return groups


def _group(part: _Part, small: list[NotedArray], threshold: int) -> Group | None:
    low = part.members[0].low
    if any(member.array.dtype.hasobject for member in small):
        owner = _owner(small[0].array)
        # An owner that the object graph does not have may be much larger than its parts.
        return Group(low, owner) if any(member.array is owner for member in small) else None
    if part.high - low >= threshold:
        return Group(low, None)
    return Group(low, bytearray(ctypes.string_at(low, part.high - low)))


def _layout(source: Array) -> tuple[Any, ...]:
    first = source.__array_interface__["data"][0]
    return first, source.shape, source.strides, source.dtype.str


@dataclass
class _Part:
    """Arrays that share memory with each other.

    Attributes:
        high: The end of their memory.
        members: The arrays.
        near: The arrays that the next array may overlap.
    """

    high: int
    members: list[NotedArray]
    near: list[NotedArray]


def _overlapping(arrays: list[NotedArray]) -> Iterator[_Part]:
    """Arrays, in the order of their addresses, as parts that share no memory with other parts."""
    active: list[_Part] = []
    for member in arrays:
        yield from (part for part in active if part.high <= member.low)
        active = [part for part in active if part.high > member.low]
        joined = [part for part in active if _shares(member, part)]
        active = [part for part in active if not any(part is x for x in joined)]
        active.append(_joined_part(member, joined))
    yield from active


def _joined_part(member: NotedArray, parts: list[_Part]) -> _Part:
    if not parts:
        return _Part(member.high, [member], [member])
    first, *others = parts
    for other in others:
        first.members += other.members
        first.near += other.near
        first.high = max(first.high, other.high)
    if others:
        first.members.sort(key=lambda x: x.low)
    first.members.append(member)
    first.near.append(member)
    first.high = max(first.high, member.high)
    return first


def _shares(member: NotedArray, part: _Part) -> bool:
    part.near = [x for x in part.near if x.high > member.low]
    if len(part.near) > _MOST_COMPARED:
        return True
    return any(_share_items(member.array, x.array) for x in part.near)


def _share_items(first: Array, other: Array) -> bool:
    try:
        shares: Any = np.shares_memory  # its types do not know all values of max_work
        return bool(shares(first, other, max_work=_WORK))
    except Exception:  # the search is too long
        return True


# ---- the second pass


def reduce_small(source: Array, arrays: list[NotedArray], groups: Mapping[Any, Group]) -> Any:
    """Pickle a small array, or one of objects, on its own or as a view of a shared block."""
    if not source.nbytes:
        return NotImplemented
    first = source.__array_interface__["data"][0]
    kind: Any = None if source.__class__ is np.ndarray else source.__class__
    layout = source.dtype, source.shape, source.strides
    owner = _owner(source)
    if _is_python_array(owner) and not source.dtype.hasobject:
        start = np.frombuffer(owner, np.uint8).__array_interface__["data"][0]
        return rebuild_view, (owner, *layout, first - start, kind, source.flags.writeable)
    group = groups.get(_layout(source)) if groups else None
    if group is None:
        note(source, arrays, is_shared=False)
        return NotImplemented
    if source.dtype.hasobject:
        return _reduce_objects(source, group.block, first, kind)
    if group.block is None:
        copied: Any = source.copy(order="K")
        return rebuild_readonly, (copied,)
    return rebuild_view, (group.block, *layout, first - group.low, kind, source.flags.writeable)


def _owner(source: Array) -> Any:
    """The owner of an array's memory: an array, or the object that it was made from."""
    owner = source
    while _is_array(owner) and owner.base is not None:
        owner = owner.base
    return owner.obj if _is_view(owner) else owner


def _is_array(owner: object) -> bool:
    return isinstance(owner, np.ndarray)


def _is_view(owner: object) -> bool:
    return isinstance(owner, memoryview)


def _is_python_array(owner: object) -> bool:
    return isinstance(owner, (bytearray, array))


def _reduce_objects(source: Array, owner: Array, first: int, kind: type[Any] | None) -> Any:
    if source is owner:
        return NotImplemented
    offset = (first - owner.__array_interface__["data"][0]) // source.itemsize
    arguments = owner, offset, source.shape, source.strides, kind, source.flags.writeable
    return rebuild_objects, arguments


def rebuild_view(
    block: Any,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    kind: type[Any] | None,
    writeable: bool,
) -> Array:
    """A view of a block that others are views of too."""
    view: Any = np.ndarray(shape, dtype, block, offset, strides)
    view.flags.writeable = writeable
    return view if kind is None else view.view(kind)


def rebuild_readonly(source: Array) -> Array:
    """An array that can no longer be written to."""
    source.flags.writeable = False
    return source


def rebuild_objects(
    owner: Array,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    kind: type[Any] | None,
    writeable: bool,
) -> Array:
    """A view of an array of objects."""
    flat: Any = owner.view(np.ndarray).ravel(order="K")[offset:]
    view: Any = np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=writeable)
    return view if kind is None else view.view(kind)
