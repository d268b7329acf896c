"""Opens files of a results folder that may come from somebody else.

A FIFO, a device, a socket or a folder is an error, without waiting. So is a file that consists
mostly of holes, such as a sparse file of a TiB, which would take hours.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

__all__ = ["is_passing", "is_plain", "next_data", "open_plain", "read_plain", "refuse_holes"]

MOST_HOLES: Final = 1 << 30  # the most bytes of holes in a file that is read as a whole
MOST_TEXT: Final = 16 << 20  # the most bytes of a manifest or another JSON file
_PASSING: Final = {
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EIO", "ESTALE", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "EAGAIN"),
        *("EBUSY", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EREMOTEIO", "ENOLCK", "ENOKEY"),
    )
    if hasattr(errno, name)
}


def is_plain(path: Path) -> bool:
    """Whether a path is a regular file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def is_passing(error: BaseException) -> bool:
    """Whether a file may be readable later, since an error does not concern its content.

    For example missing permissions, an input/output error, and a limit of open files.
    """
    return isinstance(error, OSError) and error.errno in _PASSING


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: When the file is missing, cannot be read, or is not a regular file.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOCTTY"):
        flags |= getattr(os, name, 0)
    if not path.exists() or is_plain(path):
        number = os.open(path, flags)
        if stat.S_ISREG(os.fstat(number).st_mode):
            return os.fdopen(number, "rb")
        os.close(number)
    raise OSError(errno.EINVAL, "is not a regular file", str(path))


def read_plain(path: Path, limit: int = MOST_TEXT) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: As for `open_plain`, and for a file of more than `limit` bytes.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"has {size:,} bytes, more than {limit:,}", str(path))
        return file.read(limit)


def next_data(file: BinaryIO, start: int) -> int:
    """The position of the next byte, from `start` on, that is not in a hole.

    Returns `start` if the system cannot tell, and the size of the file if only holes follow.
    """
    size = os.fstat(file.fileno()).st_size
    position = _position(file, start, "SEEK_DATA")
    return size if position is None else position


def _position(file: BinaryIO, start: int, what: str) -> int | None:
    """The position where data or a hole begins; None after the last one, `start` if not known.

    The position of the file object is not changed, since its buffer relies on it.
    """
    if not hasattr(os, what):
        return start
    number = file.fileno()
    before = os.lseek(number, 0, os.SEEK_CUR)
    try:
        return os.lseek(number, start, getattr(os, what))
    except OSError as error:
        return None if error.errno == errno.ENXIO else start
    finally:
        os.lseek(number, before, os.SEEK_SET)


def refuse_holes(file: BinaryIO, start: int, end: int) -> None:
    """Raise OSError when the holes in a part of a file exceed a GiB in total."""
    if end - start <= MOST_HOLES:
        return
    holes, position = 0, start
    while position < end and holes <= MOST_HOLES:
        data = min(next_data(file, position), end)
        holes += data - position
        hole = _position(file, data, "SEEK_HOLE") if data < end else end
        if hole is None or hole <= position:  # the system cannot tell
            break
        position = hole
    if holes > MOST_HOLES:
        raise OSError(errno.EFBIG, f"has {end - start:,} bytes, most of which are holes")
