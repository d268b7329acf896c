"""Opening files of a results folder that may come from elsewhere.

A FIFO, a device, a socket or a folder where a file should be is an error, and never waited for. So
is a file that is mostly a hole, such as a sparse one of a TiB: to read it would take hours.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["is_plain", "next_data", "open_plain", "read_plain", "refuse_holes"]

MOST_HOLES: Final = 1 << 30  # bytes of holes in what is read as a whole
MOST_TEXT: Final = 16 << 20  # bytes of a manifest, or another file of JSON


def is_plain(path: Path) -> bool:
    """Whether a path is a regular file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: When it is missing, cannot be read, or is no regular file.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    if not path.exists() or is_plain(path):
        number = os.open(path, flags)
        if stat.S_ISREG(os.fstat(number).st_mode):
            return os.fdopen(number, "rb")
        os.close(number)
    raise OSError(errno.EINVAL, "is no regular file", str(path))


def read_plain(path: Path, most: int = MOST_TEXT) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: As `open_plain`, and for a file of more than `most` bytes.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"has {size:,} bytes, more than {most:,}", str(path))
        return file.read(most)


def next_data(file: BinaryIO, start: int) -> int:
    """Where, from a place on, the next byte stands that is not in a hole.

    The place itself where the system cannot tell; the size of the file when there is none.
    """
    size = os.fstat(file.fileno()).st_size
    found = _sought(file, start, "SEEK_DATA")
    return size if found is None else found


def _sought(file: BinaryIO, start: int, what: str) -> int | None:
    """Where data or a hole begins; None behind the last one, `start` where that is not known.

    The place of the file itself stays what it is, since its buffer relies on that.
    """
    if not hasattr(os, what):
        return start
    number = file.fileno()
    here = os.lseek(number, 0, os.SEEK_CUR)
    try:
        return os.lseek(number, start, getattr(os, what))
    except OSError as error:
        return None if error.errno == errno.ENXIO else start
    finally:
        os.lseek(number, here, os.SEEK_SET)


def refuse_holes(file: BinaryIO, start: int, end: int) -> None:
    """Raise OSError when a part of a file has holes of more than a GiB in all."""
    if end - start <= MOST_HOLES:
        return
    holes, at = 0, start
    while at < end and holes <= MOST_HOLES:
        data = min(next_data(file, at), end)
        holes += data - at
        hole = _sought(file, data, "SEEK_HOLE") if data < end else end
        if hole is None or hole <= at:  # the system cannot tell
            break
        at = hole
    if holes > MOST_HOLES:
        raise OSError(errno.EFBIG, f"has {end - start:,} bytes, most of which are holes")
