"""How a payload is laid out: which stretch of which segment each out-of-band buffer is."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ALIGNMENT = 64
_COUNT = struct.Struct("<Q")
_REGION = struct.Struct("<IIQQ")


class Region(NamedTuple):
    """`size` bytes of a segment from `offset` on; `writable` when whoever gets them may write."""

    segment: int
    writable: bool
    offset: int
    size: int


def aligned(offset: int) -> int:
    """The next offset that is a multiple of 64."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def head(regions: Sequence[Region]) -> bytes:
    """The bytes that precede the pickle: the regions, in the order in which it asks for them."""
    return _COUNT.pack(len(regions)) + b"".join(_REGION.pack(*region) for region in regions)


def split(body: memoryview) -> tuple[list[Region], memoryview]:
    """The regions and the pickle, out of a head with a pickle behind it."""
    (count,) = _COUNT.unpack_from(body)
    end = _COUNT.size + count * _REGION.size
    rows: Iterable[tuple[int, int, int, int]] = _REGION.iter_unpack(body[_COUNT.size : end])
    return [Region(a, bool(b), c, d) for a, b, c, d in rows], body[end:]
