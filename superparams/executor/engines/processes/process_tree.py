"""Parent and child processes: ties that end a process with its parent, orphans, and signals.

Linux has all system calls that are needed. On other systems, the functions here return that a call
is missing; the template process still kills its workers when the driver closes its socket.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int, signum: int) -> bool:
    """Have the kernel send `signum` to this process when the *thread* that started it ends; see
    prctl(2).

    It acts inside C code that holds the GIL too. Exits at once when `parent` is gone already.
    """
    armed = _prctl(_PR_SET_PDEATHSIG, int(signum))
    if os.getppid() != parent:
        os._exit(1)
    return armed


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent ends, so that none is out of reach."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def can_hold() -> bool:
    """Whether processes can be tied to their parent here."""
    return hasattr(os, "fork") and _library() is not None


def _prctl(option: int, value: int) -> bool:
    library = _library()
    return library is not None and library.prctl(option, value, 0, 0, 0) == 0


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    except (AttributeError, OSError, TypeError):
        return None
    return library


def fork(act: Callable[[int], int]) -> int:
    """Fork; the child calls `act` with its parent's id, and exits with the code that it returns.

    Returns:
        The id of the child.
    """
    parent = os.getpid()
    with warnings.catch_warnings():
        # Whoever forks knows what threads there are, and looks closer than at their number.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = act(parent)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def children() -> set[int]:
    """The process ids of our children, zombies included; empty where /proc does not tell."""
    pids: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children", encoding="ascii") as file:
                pids.update(map(int, file.read().split()))
        return pids
    return _children_by_search()


def _children_by_search() -> set[int]:
    me, pids = os.getpid(), set[int]()
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8") as file:
                # The name in parentheses may itself hold spaces and parentheses.
                if int(file.read().rpartition(")")[2].split()[1]) == me:
                    pids.add(int(name))
    return pids


def kill_group(pid: int) -> None:
    """SIGKILL for a worker, which leads a process group, and for all in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    kill(pid, signal.SIGKILL)


def kill(pid: int, signum: int) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)
