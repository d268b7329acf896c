"""The process of a driver: how `run.json` identifies it, and whether it still runs.

A pid is valid only on one machine, and there in one pid namespace. The ids of the boot and of the
namespace identify both. Host names are not reliable: they may change, and a container may have the
name of another host. They are compared only on systems without such ids.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from superparams.store import subprocesses

__all__ = ["is_alive", "is_here", "this_process"]


def this_process() -> dict[str, Any]:
    """The identity of this process: its host, boot, namespace and pid, and when it started."""
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "space": _pid_space(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def is_here(process: Mapping[str, object]) -> bool:
    """Whether a process belongs to this machine and container, so that its pid is valid here."""
    boot, space = process.get("boot"), process.get("space")
    if boot is None or _boot() is None:
        return process.get("host") == socket.gethostname()
    return boot == _boot() and (space is None or (space == _pid_space() and _sees_itself()))


def is_alive(process: Mapping[str, object]) -> bool | None:
    """Whether the process that `this_process` described still runs.

    None if it cannot be seen from here: it is one of another machine or container, or of another
    user whose processes are hidden.
    """
    if not process:
        return False
    if not is_here(process):
        return None
    pid = process.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 0:
        return False
    started = _started(pid)
    if started is None and _is_hidden(pid):
        return None
    return started is not None and started == process.get("started")


def _pid_space() -> str | None:
    """The pid namespace of this process: a container has its own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def _sees_itself() -> bool:
    """Whether `/proc` has the pids of this namespace, not those of an outer one."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _is_hidden(pid: int) -> bool:
    """Whether a process exists that the system does not show, as `/proc` with ``hidepid=2``."""
    if os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        pass
    return False


def _started(pid: int) -> str | None:
    """When a process started, in a unit of the system; None when there is no such process."""
    if sys.platform == "linux":
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if state in "ZX" else rest[18]
    return _started_elsewhere(pid)


def _started_elsewhere(pid: int) -> str | None:
    if os.name == "nt":
        command = [
            "powershell",
            "-NoProfile",
            "-Command",
            f"(Get-Process -Id {pid}).StartTime.Ticks",
        ]
    else:
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocesses.run(command, seconds=10)
        return os.fsdecode(answer.stdout).strip() or None
    return None
