"""Copies of segments in files, for workers that cannot open the memory of the driver.

They may run on another host with the same folders, or in a container of the same host. A copy is
recognised by its size and digest: another host may have another file of the same inode.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from superparams.executor.payload.segment import Segment, UnreachableError

__all__ = ["SegmentFile", "open_copy", "write_copy"]

_BLOCK: Final = 8 << 20  # bytes that are copied at a time


class SegmentFile(NamedTuple):
    """The copy of a segment: its path, its size in bytes, and the BLAKE2b digest of the bytes."""

    path: str
    size: int
    digest: str


def write_copy(segment: Segment, path: Path) -> SegmentFile:
    """Copy a segment to a file.

    Raises:
        OSError: If the file cannot be written.
    """
    digest, size = hashlib.blake2b(digest_size=16), 0
    with path.open("xb") as file:
        for block in _blocks(segment.fd):
            digest.update(block)
            size += file.write(block)
    return SegmentFile(os.path.abspath(path), size, digest.hexdigest())


def open_copy(copy: SegmentFile) -> Segment:
    """Open the copy of a segment.

    Raises:
        UnreachableError: If there is no such file here, or its content is another one.
    """
    try:
        segment = Segment(os.open(copy.path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
    except OSError as error:
        raise UnreachableError(f"the copy of the payload cannot be opened: {error}") from error
    digest = hashlib.blake2b(digest_size=16)
    if os.fstat(segment.fd).st_size == copy.size:
        for block in _blocks(segment.fd):
            digest.update(block)
        if digest.hexdigest() == copy.digest:
            return segment
    segment.close()
    raise UnreachableError(f"the file {copy.path} is not a copy of the payload of this run")


def _blocks(fd: int) -> Iterator[memoryview]:
    """The bytes of an open file, through mappings: its position may be shared with others."""
    size = os.fstat(fd).st_size
    for begin in range(0, size, _BLOCK):
        length = min(_BLOCK, size - begin)
        with mmap.mmap(fd, length, access=mmap.ACCESS_READ, offset=begin) as mapping:
            view = memoryview(mapping)
            yield view
            view.release()
