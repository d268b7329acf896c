"""How much memory is left: asked before much of it is written.

A process that writes past the end of the memory is killed by the kernel, without a word. Asking
first turns that into an error that tells the size.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from superparams.errors import PayloadError

_CGROUPS = Path("/sys/fs/cgroup")
# Memory that is given back in the background, where the system takes 60 ms to take a gibibyte; each
# is set when that is done. (`Thread.join` may fail when several threads join the same one.)
_releasing: set[threading.Event] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_releasing.clear)
# Asking costs 0.1 ms: not worth it below this many bytes.
_WORTH_ASKING = 16 * 2**20


def human(size: int) -> str:
    """The size in bytes with a binary unit: ``1.0 GiB``, ``14 KiB``, ``20 bytes``."""
    if size < 1024:
        return f"{size} bytes"
    power = min(6, (size.bit_length() - 1) // 10)
    amount, unit = size / 1024**power, "KMGTPE"[power - 1]
    return f"{amount:.1f} {unit}iB" if amount < 9.95 else f"{amount:.0f} {unit}iB"


def no_memory(size: int, reason: str) -> PayloadError:
    """The error for memory of `size` bytes that could not be had."""
    return PayloadError(
        f"no memory for {human(size)} of the payload: {reason}. Free memory, raise the limit, or "
        "keep the data in a file and open it with numpy.memmap, which is shared and not copied"
    )


def demand(size: int) -> None:
    """Raise `PayloadError` if `size` more bytes can be told to exceed what is left."""
    if size < _WORTH_ASKING:
        return
    for done in tuple(_releasing):  # others add to it meanwhile, and take away
        done.wait()
    left = room()
    if left is not None and size > left:
        raise no_memory(size, f"only {human(left)} are left")


def release(fd: int) -> None:
    """Close a file in memory, in the background when it is large."""
    if os.fstat(fd).st_size < _WORTH_ASKING:
        os.close(fd)
        return

    done = threading.Event()
    _releasing.add(done)
    thread = threading.Thread(
        target=_release, args=(fd, done), name="superparams-release", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:  # no room for a thread
        _release(fd, done)


def _release(fd: int, done: threading.Event) -> None:
    try:
        os.close(fd)
    finally:
        _releasing.discard(done)
        done.set()


def room() -> int | None:
    """Bytes that this process may still use, swap included; None where no system tells."""
    system = _table(Path("/proc/meminfo"))
    if "MemAvailable:" not in system:
        return None
    swap = system.get("SwapFree:", 0) * 1024
    left = [system["MemAvailable:"] * 1024, *_cgroup_rooms()]
    return max(0, min(left)) + swap


def _cgroup_rooms() -> Iterator[int]:
    for folder, limit_name, usage_name in _cgroup_folders():
        limit, usage = _number(folder / limit_name), _number(folder / usage_name)
        if limit is not None and usage is not None:
            statistics = _table(folder / "memory.stat")
            # Pages of files count as used, but give way.
            cache = sum(
                statistics.get(f"total_{name}", statistics.get(name, 0))
                for name in ("active_file", "inactive_file")
            )
            yield limit - max(0, usage - cache)


def _cgroup_folders() -> Iterator[tuple[Path, str, str]]:
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, limit, usage = _CGROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, usage = (
                _CGROUPS / "memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            )
        else:
            continue
        folder = root / path.lstrip("/")
        # In a container the path may be the host's: then only the root is there.
        for place in (folder, *folder.parents):
            yield place, limit, usage
            if place == root:
                break


def _table(path: Path) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
