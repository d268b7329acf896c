"""Pages that a process has written to in a private mapping, and so has for itself."""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys

# linux/fs.h: struct pm_scan_arg (12 x u64) and PAGEMAP_SCAN, since Linux 6.7.
_ARGUMENT = struct.Struct("<12Q")
_SCAN = 0xC060_6610
_IS_FILE, _IS_PRESENT, _IS_SWAPPED = 1 << 2, 1 << 3, 1 << 4


def page_faults() -> int:
    """The page faults of this process so far; none of its pages can become its own without one.

    -1 where the system does not tell.
    """
    if sys.platform == "win32":
        return -1
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def has_own_pages(mapping: mmap.mmap) -> bool:
    """Whether a private mapping of a file has pages that were written to.

    True where the system does not tell. Takes some 20 ns for each page that is mapped.
    """
    if sys.platform != "linux":
        return True
    import fcntl

    start = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    stop = start + -(-len(mapping) // mmap.PAGESIZE) * mmap.PAGESIZE
    found = ctypes.create_string_buffer(24)
    # One range of pages that are not of the file (inverted) and are there or swapped out.
    masks = _IS_FILE, _IS_FILE, _IS_PRESENT | _IS_SWAPPED, _IS_PRESENT
    argument = _ARGUMENT.pack(
        _ARGUMENT.size, 0, start, stop, 0, ctypes.addressof(found), 1, 1, *masks
    )
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
            ranges: int = fcntl.ioctl(pagemap, _SCAN, bytearray(argument))
            return ranges > 0
    except OSError:
        return True


def forget_own_pages(mapping: mmap.mmap) -> bool:
    """Give the pages of the file back to a private mapping, in place; False if that cannot be."""
    if sys.platform != "linux":
        # Elsewhere MADV_DONTNEED is a hint, which may keep what was written.
        return False
    mapping.madvise(mmap.MADV_DONTNEED)
    return True
