"""How many processors this process may use."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["cores"]


def cores() -> int:
    """Processors this process may use: its affinity, and the processor time its cgroup grants."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota()
    return max(1, min(count or 1, int(quota) if quota else count or 1))


def _quota() -> float | None:
    """Processors' worth of time of the control group (version 2, then 1); None without a limit."""
    with suppress(OSError, ValueError):
        for line in _lines("/proc/self/cgroup"):
            if line.startswith("0::"):
                limit, span = _lines(f"/sys/fs/cgroup{line[3:]}/cpu.max")[0].split()
                return int(limit) / int(span) if limit != "max" else None
    with suppress(OSError, ValueError):
        most = int(_lines("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")[0])
        period = int(_lines("/sys/fs/cgroup/cpu/cpu.cfs_period_us")[0])
        return most / period if most > 0 else None
    return None


def _lines(path: str) -> list[str]:
    with open(path, encoding="ascii") as file:
        return file.read().splitlines()
