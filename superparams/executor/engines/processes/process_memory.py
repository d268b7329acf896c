"""The memory of processes and their descendants, as /proc tells it on Linux."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

__all__ = ["anonymous_memory", "descendants", "proportional_memory"]

_UNIT: Final = 1024  # bytes, of the sizes in smaps_rollup


def anonymous_memory(pid: int) -> int:
    """Bytes in memory that a process does not share by files; 0 if /proc does not tell."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/statm", encoding="ascii") as file:
        _, resident, shared, *_ = map(int, file.read().split())
        return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
    return 0


def descendants(pid: int) -> Iterator[int]:
    """The process ids of the children of a process, of their children, and so on."""
    with suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
            for child in children:
                yield child
                yield from descendants(child)


def proportional_memory(pid: int) -> int:
    """Bytes as `anonymous_memory`, where a page of several processes counts for each in part."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Pss_Anon:"):
                return int(line.split()[1]) * _UNIT
    return anonymous_memory(pid)
