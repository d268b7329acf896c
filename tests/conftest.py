"""What all tests share: nothing is left behind on the machine, and timed tests have it alone."""

from __future__ import annotations

import gc
import importlib
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.timing import slowness

PATIENCE = 5.0  # seconds that what a test started has to end, on an idle machine
MOST_PATIENCE = 60.0  # and on a busy one
MARK = "SUPERPARAMS_TEST"
CURRENT_TEST = "PYTEST_CURRENT_TEST"
SHARED_MEMORY = Path("/dev/shm")

# The same examples in every run, so that a change is judged by itself; HYPOTHESIS_PROFILE=default
# looks for new ones. No example has a limit of time: a busy machine may stand still at any of them.
settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_configure(config: pytest.Config) -> None:
    # `no_leaks` looks for processes in the group of this process: pytest-xdist starts several of
    # these side by side, and each of them needs a group of its own.
    if hasattr(config, "workerinput"):
        os.setpgid(0, 0)
    os.environ[MARK] = uuid.uuid4().hex  # all that tests of this process start inherits it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    timed = [item for item in items if item.get_closest_marker("timed")]
    for item in timed:
        item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))
    if hasattr(config, "workerinput"):
        scheduling().tell_timed(config, [item.nodeid for item in timed])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Of pytest-xdist: called before a process starts that runs tests."""
    scheduling().prepare(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of pytest-xdist: what hands out tests to the processes that run them."""
    return scheduling().TimedAlone(config, log)


def scheduling() -> Any:
    """The module beside this one that needs pytest-xdist, which is not everywhere."""
    return importlib.import_module("tests.scheduling")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell which snippets of the pages were not executed and why, where pages were tried."""
    passed: list[Any] = terminalreporter.stats.get("passed", [])
    if any(report.nodeid.startswith("tests/docs/") for report in passed):
        sys.path.insert(0, str(Path(__file__).parent / "docs"))  # where it finds what it imports
        pages = importlib.import_module("snippets")
        terminalreporter.section("snippets that are not executed")
        for each in pages.not_executed():
            terminalreporter.line(each)


def pytest_sessionstart() -> None:
    """Let programs of tests get Ctrl-C, also if a shell started the tests in its background."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # which programs would inherit
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    """Keep the environment as it is from test to test: pytest writes their names into it."""
    os.environ.pop(CURRENT_TEST, None)


@pytest.fixture(scope="module", autouse=True)
def warm_interpreter() -> Iterator[None]:
    """The tests of a module share the interpreter that stays warm between runs in one process."""
    yield
    end_interpreter()


@pytest.fixture(autouse=True)
def no_children() -> Iterator[None]:
    """No child of this process outlives the test, not even as a zombie.

    Every test has this fixture: what one test leaves running is not another one's fault.
    """
    # One tracker serves an interpreter until it ends: it is not what a test leaves behind.
    resource_tracker.ensure_running()
    os.environ.pop(CURRENT_TEST, None)
    before = children()
    yield
    until_gone({"process": lambda: [described(pid) for pid in sorted(children() - before)]})


@pytest.fixture(scope="session")
def loky() -> Any:
    """It has a tracker of its own, which serves an interpreter until it ends."""
    found = pytest.importorskip("joblib.externals.loky")
    found.backend.resource_tracker.ensure_running()
    return found


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """The test leaves no process, no file in /dev/shm and no open file behind.

    A module takes it for all of its tests with `pytestmark = pytest.mark.usefixtures("no_leaks")`,
    a folder with a conftest of its own that holds an autouse fixture which asks for it.
    """
    mark = os.environ[MARK]
    found = {"process": new_processes(mark), "shared": new_segments(mark), "file": new_files()}
    yield
    until_gone(found)


def end_interpreter() -> None:
    """End what waits for the next run in this process, if there was a run."""
    executor = sys.modules.get("superparams.executor")
    if executor is not None:
        executor.close()


def waiting_interpreter() -> tuple[int, str]:
    """The process that waits for the next run in this one, and our socket to it."""
    module = sys.modules.get("superparams.executor.engines.processes.interpreter")
    current = module._INTERPRETERS.current if module is not None else None
    if current is None:
        return 0, ""
    return current._process.pid, f"socket:[{current._inode}]"


def until_gone(found: dict[str, Callable[[], list[str]]]) -> None:
    """Wait until nothing is found any more. Processes that stay are ended, and the test fails."""
    begun, patience = time.monotonic(), PATIENCE
    while left := {kind: those for kind, find in found.items() if (those := find())}:
        if patience == PATIENCE < time.monotonic() - begun:  # is the machine to blame?
            patience = min(PATIENCE * slowness(), MOST_PATIENCE)
        if time.monotonic() - begun > patience:
            end(int(each.split()[0]) for each in left.get("process", []))
            pytest.fail(f"left behind after {patience:g} s: {left}")
        time.sleep(0.02)
        gc.collect()


def end(pids: Iterable[int]) -> None:
    """Kill processes, and reap those that are our children, so that no later test meets them."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        with suppress(OSError):
            os.waitpid(pid, 0)


def children() -> set[int]:
    """The direct children of this process, dead ones that were not waited for included.

    The interpreter that waits for the next run does not count.
    """
    found: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended since
            found.update(map(int, path.read_text().split()))
    return found - {waiting_interpreter()[0]}


def new_processes(mark: str) -> Callable[[], list[str]]:
    """Processes that begin from now on and belong to this test.

    These are our descendants, those of our process group, and those that inherited the mark in
    their environment: a process whose parent has died is nobody's child any more.
    """
    before = set(psutil.pids())
    group = os.getpgrp()

    def find() -> list[str]:
        ours = {child.pid for child in psutil.Process().children(recursive=True)}
        waiting = waiting_interpreter()[0]
        return [
            described(pid)
            for pid in psutil.pids()
            if pid not in before
            and pid != waiting
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


def new_segments(mark: str) -> Callable[[], list[str]]:
    """Files in /dev/shm that are new and that no process other than ours uses.

    Semaphores of multiprocessing have random names, and stay after the process that made them for
    as long as its tracker runs. One that nobody has open may be that of a test of another process
    of pytest-xdist, while what that test started still runs.
    """
    others: list[psutil.Process] | None = None

    def names() -> set[str]:
        if not SHARED_MEMORY.is_dir():
            return set()
        # `make tests` keeps its temporary folders here, that of another run too.
        folders = "pytest-superparams."
        return {path.name for path in SHARED_MEMORY.iterdir() if not path.name.startswith(folders)}

    def of_other_tests(name: str) -> bool:
        nonlocal others
        if not name.startswith("sem.mp-"):
            return False
        if others is None:
            others = marked_otherwise(mark)
        return any(other.is_running() and alive(other.pid) for other in others)

    before = names()
    return lambda: [
        name for name in sorted(names() - before) if not (of_others(name) or of_other_tests(name))
    ]


def marked_otherwise(mark: str) -> list[psutil.Process]:
    """The processes that a test of another process of pytest-xdist has started."""
    began_with = psutil.Process().environ().get(MARK)  # a test of this file starts pytest itself
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) not in (None, mark, began_with):
                found.append(process)
    return found


def of_others(name: str) -> bool:
    """Whether this file of /dev/shm belongs to a process that is not ours.

    Such a process has it mapped or open, or its number stands in the name: semaphores of joblib are
    called ``sem.loky-<number>-...``, and stay until the process that made them ends.
    """
    ours = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    maker = re.match(r"sem\.loky-(\d+)-", name)
    if maker and int(maker[1]) not in ours and alive(int(maker[1])):
        return True
    return any(uses(pid, f"{SHARED_MEMORY}/{name}") for pid in set(psutil.pids()) - ours)


def uses(pid: int, file: str) -> bool:
    process = Path(f"/proc/{pid}")
    with suppress(OSError):
        if file in (process / "maps").read_text("utf-8"):
            return True
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            with suppress(OSError):
                if os.readlink(link) == file:
                    return True
    return False


def new_files() -> Callable[[], list[str]]:
    """Open file descriptors of this process beyond the number there is now.

    The socket to the interpreter that waits for the next run does not count.
    """
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
    waiting = waiting_interpreter()[1]
    return {fd: name for fd, name in files.items() if name != waiting}
