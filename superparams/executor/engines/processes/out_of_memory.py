"""Whether a worker was killed because memory ran out: the control group counts it."""

from __future__ import annotations

from contextlib import suppress


class OutOfMemory:
    """The count of processes that the kernel killed in this control group."""

    def __init__(self) -> None:
        """Note the count as it is."""
        self._path = _counter()
        self._count = self._read()

    def rose(self) -> bool:
        """Whether it has risen since it was last looked at."""
        before, self._count = self._count, self._read()
        return self._count > before

    def _read(self) -> int:
        if self._path is None:
            return 0
        with suppress(OSError, ValueError), open(self._path, encoding="ascii") as file:
            for line in file:
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
        return 0


def _counter() -> str | None:
    """The file with the count: memory.events of version 2, memory.oom_control of version 1."""
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8") as file:
        groups = [line.rstrip("\n").split(":", 2) for line in file]
        places = [
            ("/sys/fs/cgroup/memory", path, "memory.oom_control")
            for _, name, path in groups
            if name == "memory"
        ]
        places += [
            ("/sys/fs/cgroup", path, "memory.events") for _, name, path in groups if not name
        ]
        for root, path, name in places:
            # Inside a container the path of the host may not be visible: its root is our group.
            for place in (f"{root}{path.rstrip('/')}/{name}", f"{root}/{name}"):
                with suppress(OSError), open(place, encoding="ascii") as found:
                    if "oom_kill " in found.read():
                        return place
    return None
