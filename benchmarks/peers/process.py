"""Processes with a time limit, of which nothing is left afterwards."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import memory

SUBREAPER = 36  # of prctl(2)
STARTING = 60.0  # seconds that imports may take
CLOSING = 20.0  # and a tool's own end, after its work
GRACE = 3.0  # seconds that what a tool started has to end after it
INTERVAL = 0.01  # seconds between two looks at a process


@dataclass
class Ended:
    """How a process ended: its status, or None if it was stopped at the limit.

    most: bytes that its tree held at most, if that was asked for.
    left: names of processes that it left running.
    """

    status: int | None
    seconds: float
    most: int = 0
    left: list[str] = field(default_factory=list)


def adopt() -> None:
    """Let processes whose parent has died become children of this one, so that none is lost."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


@dataclass(frozen=True)
class Limits:
    """How long a process may take.

    Its work may take `seconds`. With files that it makes when its imports are done (`begun`) and
    when its work is done (`answer`), that is the time between them.
    """

    seconds: float
    begun: Path | None = None
    answer: Path | None = None

    def over(self, started: float) -> bool:
        """Whether a process that was started then (as `time.time`) has taken too long."""
        if (ended := made_at(self.answer)) is not None:
            return time.time() > ended + CLOSING
        if self.begun is None:
            return time.time() > started + self.seconds
        begun = made_at(self.begun)
        return time.time() > (started + STARTING if begun is None else begun + self.seconds)


def made_at(path: Path | None) -> float | None:
    try:
        return path.stat().st_mtime if path else None
    except FileNotFoundError:
        return None


def run(
    command: Sequence[str],
    limits: Limits,
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    watch: bool = False,
) -> Ended:
    """Run a command in a folder until it ends or takes too long; its output goes to `log`.

    watch: look at the memory of its tree all the time, which slows it.
    """
    with open(log, "ab") as output:
        started, began = time.time(), time.perf_counter()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        most, status = 0, None
        try:
            while (status := waited(child, INTERVAL)) is None and not limits.over(started):
                most = max(most, memory.of_tree(child.pid)) if watch else 0
        finally:
            seconds = time.perf_counter() - began
            if status is None:
                child.kill()
                child.wait()
            left = end_all(0 if status is None else GRACE)
    return Ended(status, seconds, most, [] if status is None else left)


def waited(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Its status if it ends within some seconds."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def end_all(grace: float) -> list[str]:
    """Wait for all descendants to end, and kill those that do not; gives the names of these.

    Resource trackers of multiprocessing and loky are let live until all others are gone: they then
    remove what those have left in /dev/shm.
    """
    gone(living, grace)
    left = [(pid, name) for pid in living() if (name := name_of(pid))]
    kill(lambda: [pid for pid in living() if not is_tracker(pid)])
    gone(living, GRACE if left else 0)
    kill(living)
    return sorted(name for _, name in left)


def gone(pids: Callable[[], list[int]], grace: float) -> bool:
    """Wait until there are no such processes any more."""
    until = time.monotonic() + grace
    while pids():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def kill(pids: Callable[[], list[int]]) -> None:
    """Kill until there are none: who is killed may have begun others."""
    until = time.monotonic() + GRACE
    while found := pids():
        for pid in found:
            unless_gone(lambda pid=pid: os.kill(pid, signal.SIGKILL))
        if time.monotonic() > until:
            raise RuntimeError(f"cannot be killed: {[name_of(pid) for pid in found]}")
        time.sleep(0.02)


def is_tracker(pid: int) -> bool:
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def living() -> list[int]:
    """Descendants that run; those that have died are buried."""
    unless_gone(bury)
    return [pid for pid in memory.tree(os.getpid())[1:] if state(pid) not in ("Z", "X", "")]


def bury() -> None:
    while os.waitpid(-1, os.WNOHANG)[0]:
        pass


def unless_gone(action: Callable[[], object]) -> None:
    try:
        action()
    except (ProcessLookupError, ChildProcessError):
        return


def state(pid: int) -> str:
    """One letter, as proc(5) has them; none for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
