"""What all tests share: nothing is left behind on the machine, and a time may be missed once."""

from __future__ import annotations

import gc
import os
import time
import uuid
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

PATIENCE = 5.0  # seconds that what a test started has to end
MARK = "SUPERPARAMS_TEST"
SHARED_MEMORY = Path("/dev/shm")

# The same examples in every run, so that a change is judged by itself; HYPOTHESIS_PROFILE=default
# looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timed"):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """The test leaves no process, no file in /dev/shm and no open file behind.

    A module takes it for all of its tests with `pytestmark = pytest.mark.usefixtures("no_leaks")`,
    a folder with a conftest of its own that holds an autouse fixture which asks for it.
    """
    # One tracker serves an interpreter until it ends: it is not what a test leaves behind.
    resource_tracker.ensure_running()
    mark = uuid.uuid4().hex
    found = {"process": new_processes(mark), "shared": new_segments(), "file": new_files()}
    os.environ[MARK] = mark
    try:
        yield
    finally:
        del os.environ[MARK]
    deadline = time.monotonic() + PATIENCE
    while left := {kind: those for kind, find in found.items() if (those := find())}:
        if time.monotonic() > deadline:
            pytest.fail(f"left behind after {PATIENCE:g} s: {left}")
        time.sleep(0.02)
        gc.collect()


def new_processes(mark: str) -> Callable[[], list[str]]:
    """Processes that begin from now on and belong to this test.

    These are our descendants, those of our process group, and those that inherited the mark in
    their environment: a process whose parent has died is nobody's child any more.
    """
    before = set(psutil.pids())
    group = os.getpgrp()

    def find() -> list[str]:
        ours = {child.pid for child in psutil.Process().children(recursive=True)}
        return [
            described(pid)
            for pid in psutil.pids()
            if pid not in before
            and (pid in ours or (alive(pid) and (in_group(pid, group) or marked(pid, mark))))
        ]

    return find


def alive(pid: int) -> bool:
    """Whether a process runs: a dead one whose parent is dead too waits for init, not for us."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False


def marked(pid: int, mark: str) -> bool:
    try:
        return bool(psutil.Process(pid).environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False


def described(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return f"{pid} {process.status()} {' '.join(process.cmdline())[:200]}"
    except (psutil.Error, OSError):
        return f"{pid} (gone by now)"


def new_segments() -> Callable[[], list[str]]:
    """Files in /dev/shm that are new and that no process other than ours has mapped."""

    def names() -> set[str]:
        return {path.name for path in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()

    before = names()
    return lambda: [name for name in sorted(names() - before) if not of_others(name)]


def of_others(name: str) -> bool:
    ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    for pid in set(psutil.pids()) - ours:
        try:
            if f"{SHARED_MEMORY}/{name}" in Path(f"/proc/{pid}/maps").read_text("utf-8"):
                return True
        except OSError:
            continue
    return False


def new_files() -> Callable[[], list[str]]:
    """Open file descriptors of this process beyond the number there is now."""
    before = open_files()

    def find() -> list[str]:
        now = open_files()
        if len(now) <= len(before):
            return []
        return [f"{fd} -> {now[fd]}" for fd in now if now[fd] != before.get(fd)]

    return find


def open_files() -> dict[int, str]:
    folder = Path("/proc/self/fd")
    files: dict[int, str] = {}
    for link in list(folder.iterdir()) if folder.is_dir() else []:
        try:
            files[int(link.name)] = os.readlink(link)
        except OSError:  # the descriptor that listed the folder
            continue
    return files
