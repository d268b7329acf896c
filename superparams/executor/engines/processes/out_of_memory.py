"""Whether a worker was killed because memory ran out: the kernel counts that by control group."""

from __future__ import annotations

from contextlib import suppress

from superparams.errors.units import size


class OutOfMemory:
    """The count of processes that the kernel killed in this control group."""

    def __init__(self) -> None:
        """Note the present count."""
        self._path = _counter()
        self._count = self._read()

    def has_risen(self) -> bool:
        """Whether the count has risen since the last call, or since this was made."""
        before, self._count = self._count, self._read()
        return self._count > before

    def explain(self, peak: int) -> str:
        """Text about memory for the error of a killed worker; empty if memory did not run out.

        Args:
            peak: The peak of its memory, in bytes.
        """
        return f": out of memory, at a peak of {size(peak)}" if self.has_risen() else ""

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
    """The file with the count: `memory.events` of cgroups v2, `memory.oom_control` of v1."""
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
                with suppress(OSError), open(place, encoding="ascii") as candidate:
                    if "oom_kill " in candidate.read():
                        return place
    return None
