"""How much memory this process and its children may use together."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["machine_memory"]

_UNLIMITED = 1 << 60  # bytes; control groups of version 1 write such numbers for no limit


def machine_memory() -> int:
    """Bytes of memory of this machine, or those that its control groups grant if that is less."""
    limits = [_physical_memory(), *_limits_of_groups()]
    return min(limit for limit in limits if limit > 0)


def _physical_memory() -> int:
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _UNLIMITED


def _limits_of_groups() -> list[int]:
    """The limits of the control group and of those around it, in both versions."""
    with suppress(OSError, ValueError):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        groups = [line.split(":", 2) for line in lines]
        files = [
            *_files("/sys/fs/cgroup", [path for _, name, path in groups if not name], "memory.max"),
            *_files(
                "/sys/fs/cgroup/memory",
                [path for _, name, path in groups if "memory" in name.split(",")],
                "memory.limit_in_bytes",
            ),
        ]
        return [limit for file in files if (limit := _limit_in(file)) is not None]
    return []


def _files(root: str, paths: list[str], name: str) -> list[Path]:
    """The files of groups and of the groups around them. In a container its group is the root."""
    folders = [Path(root)]
    for path in paths:
        group = Path(root, path.lstrip("/"))
        folders += [group, *(parent for parent in group.parents if parent.is_relative_to(root))]
    return [folder / name for folder in dict.fromkeys(folders)]


def _limit_in(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        limit = int(file.read_text(encoding="ascii"))  # "max" is no number
        return limit if limit < _UNLIMITED else None
    return None
