"""What a tree of processes holds, from /proc: Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

SHARED = ("/memfd:", "/dev/shm/")


def tree(root: int) -> list[int]:
    """A process and all of its descendants."""
    pids, todo = [], [root]
    while todo:
        pid = todo.pop()
        pids.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{thread}/children").read_text()
                todo += map(int, children.split())
        except OSError:
            continue
    return pids


def of_tree(root: int) -> int:
    """Bytes held: proportional set sizes without shared memory, and each piece of that once.

    Shared memory is what its files take, be they mapped or not, or what is mapped of it where that
    is more: there is shared memory without a file.
    """
    own = mapped = 0
    files: dict[tuple[int, int], int] = {}
    for pid in tree(root):
        try:
            pss, shared = proportional(pid)
            own += pss - shared
            mapped += shared
            for path in (*descriptors(pid), *mappings(pid)):
                held = os.stat(path)
                files[held.st_dev, held.st_ino] = held.st_blocks * 512
        except OSError:
            continue
    return own + max(mapped, sum(files.values()))


def proportional(pid: int) -> tuple[int, int]:
    """The proportional set size of a process in bytes, and how much of it is shared memory."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        fields = dict(line.split(":", 1) for line in file if "kB" in line)
    return int(fields["Pss"].split()[0]) * 1024, int(fields["Pss_Shmem"].split()[0]) * 1024


def descriptors(pid: int) -> Iterator[str]:
    """Open files that lie in shared memory."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        try:
            if os.readlink(path).startswith(SHARED):
                yield path
        except OSError:
            continue


def mappings(pid: int) -> set[str]:
    """Mapped files in /dev/shm that have a name; who maps one may have closed it."""
    with open(f"/proc/{pid}/maps") as file:
        paths = {line.split(None, 5)[-1].strip() for line in file if "/dev/shm/" in line}
    return {path for path in paths if os.path.exists(path)}
