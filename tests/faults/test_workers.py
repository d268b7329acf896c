"""Workers that die, hang or leave something behind: FAULTS rows 1 to 10."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams.declare.experiment_place import Place
from superparams.executor import Processes
from superparams.executor.engines.registry import find
from tests.contracts.programs import Rows, rows, run
from tests.contracts.programs import execute as execute_with
from tests.sweeps import sweep
from tests.timing import PATIENCE, scaled, stretch, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")
MARK = "SUPERPARAMS_TEST"  # of conftest.py; workers have no need of all that it imports
METHODS = ["forkserver", "spawn", "fork"]


def with_one(
    act: Callable[[], Any], at: int = 7, size: int = 20, *, start_method: Any = None, **options: Any
) -> Rows:
    """Run settings of which one does `act`."""

    def function(index: int, place: Place) -> dict[str, int]:
        if index == at:
            act()
        return {"y": index}

    return run(Processes(start_method), function, size, **{"num_proc": 2, **options})


def assert_only(found: Rows, at: int, status: str) -> dict[str, Any]:
    """All settings are done but one; gives the row of that one."""
    assert {row["status"] for index, row in found.items() if index != at} == {"done"}
    assert found[at]["status"] == status
    return found[at]


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@sweep(1, "method", METHODS)
def test_1_a_killed_worker_costs_one_setting(method: str) -> None:
    row = assert_only(with_one(kill_self, start_method=method), 7, "killed")
    assert row["error"] == "killed by SIGKILL"
    assert row["peak_memory"] > 1 << 20
    assert row["attempt"] == 1


def test_1_every_setting_kills() -> None:
    def function(index: int, place: Place) -> None:
        kill_self()

    found = run(find("processes"), function, 6, num_proc=2)
    assert [row["status"] for row in found.values()] == ["killed"] * 6


def test_1_a_death_in_the_middle_of_many_quick_settings() -> None:
    row = assert_only(with_one(kill_self, at=23_456, size=40_000), 23_456, "killed")
    assert row["rank"] in (0, 1)


@sweep(1, "method", METHODS)
def test_2_a_segmentation_fault_has_a_stack(method: str) -> None:
    crash: Callable[[], None] = vars(faulthandler)["_sigsegv"]
    row = assert_only(with_one(crash, start_method=method), 7, "killed")
    assert row["error"] == "killed by SIGSEGV"
    assert "in function" in row["traceback"]


@pytest.mark.parametrize("code", [0, 3])
def test_3_an_exit_is_never_a_success(code: int) -> None:
    row = assert_only(with_one(lambda: os._exit(code)), 7, "failed")
    assert f"exited with code {code}" in row["error"]


def test_3_sys_exit_is_a_failure() -> None:
    assert "SystemExit" in assert_only(with_one(lambda: sys.exit(0)), 7, "failed")["error"]


def test_3_a_forked_child_that_returns_is_not_a_second_worker() -> None:
    def function(index: int, place: Place) -> dict[str, int]:
        if index == 3:
            os.fork()
        return {"y": index}

    assert len(run(find("processes"), function, 200, num_proc=2)) == 200


def memory_group() -> Path | None:
    """A new control group that may hold 200 MB, if there may be one."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"superparams-test-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(200 << 20))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        return group
    return None


EATER = """
import sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text("0")
from superparams.executor.engines.registry import find
from tests.contracts.programs import run
def eat(index, place):
    kept = bytearray(b"x" * (600 << 20)) if index == 2 else None
    return {}
found = run(find("processes"), eat, 5, num_proc=1)
for index, row in sorted(found.items()):
    print(index, row["status"], row["error"], row["peak_memory"])
"""


def test_4_out_of_memory_is_named() -> None:
    group = memory_group()
    if group is None:
        pytest.skip("no control group of memory can be made here")
    try:
        done = subprocess.run(
            [sys.executable, "-c", EATER, str(group)],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    told = done.stdout.splitlines()
    assert [line.split()[1] for line in told] == ["done", "done", "killed", "done", "done"], done
    found = re.search(r"killed by SIGKILL: out of memory, at a peak of (\d+) MiB", told[2])
    assert found
    assert 50 < int(found[1]) <= 210


def test_5_a_memory_error_is_an_ordinary_failure_and_the_worker_goes_on() -> None:
    def function(index: int, place: Place) -> dict[str, int]:
        if index == 7:
            before = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, before[1]))
            try:
                bytearray(8 << 30)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)
        return {"pid": os.getpid()}

    found = run(find("processes"), function, 20)
    row = assert_only(found, 7, "failed")
    assert row["error"].startswith("MemoryError")
    assert len({row["result.pid"] for row in found.values() if row["status"] == "done"}) == 1


def test_6_a_poison_setting_is_tried_a_bounded_number_of_times(tmp_path: Path) -> None:
    def act() -> None:
        (tmp_path / str(len(list(tmp_path.iterdir())))).touch()
        kill_self()

    row = assert_only(with_one(act, retries=2), 7, "killed")
    assert row["attempt"] == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_6_a_setting_that_recovers(tmp_path: Path) -> None:
    def act() -> None:
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            kill_self()

    assert assert_only(with_one(act, retries=1), 7, "done")["attempt"] == 2


def test_6_what_is_tried_again_is_the_users_choice() -> None:
    row = assert_only(with_one(kill_self, retries=2, retry_on=frozenset({"timeout"})), 7, "killed")
    assert row["attempt"] == 1


def test_6_a_worker_that_dies_after_a_setting_is_not_started_for_ever() -> None:
    class Bomb(dict[str, int]):
        """Kills when it is encoded, where no setting runs."""

        def keys(self) -> Any:
            kill_self()

        def items(self) -> Any:
            kill_self()

        def __iter__(self) -> Any:
            kill_self()

    def function(index: int, place: Place) -> dict[str, int]:
        return Bomb(y=1) if index == 3 else {"y": index}

    assert_only(run(find("processes"), function, 8, num_proc=2), 3, "killed")


def fate(index: int) -> str:
    kinds = {3: "kill", 17: "exit", 29: "hang", 41: "raise"}
    return kinds.get(index % 97, "live")


def test_6_many_deaths_of_all_kinds_at_once() -> None:
    """Exactly one outcome a setting, and the right one, whoever runs beside it."""

    def function(index: int, place: Place) -> dict[str, int]:
        if fate(index) == "kill":
            kill_self()
        if fate(index) == "exit":
            os._exit(1)
        while fate(index) == "hang":
            pass
        if fate(index) == "raise":
            raise ValueError
        return {"y": index}

    found = run(find("processes"), function, 2000, num_proc=3, timeout=scaled(0.2))
    told = {"kill": "killed", "hang": "timeout", "live": "done"}
    expected = {index: told.get(fate(index), "failed") for index in range(2000)}
    assert {index: row["status"] for index, row in found.items()} == expected


def endless() -> None:
    while True:
        pass


def backtrack() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


def ignore_terminate() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


@pytest.mark.timed
@pytest.mark.parametrize("act", [endless, backtrack, ignore_terminate])
def test_7_8_9_a_timeout_ends_whatever_it_is(act: Callable[[], None]) -> None:
    def function(index: int, place: Place) -> dict[str, int]:
        act()
        return {}

    limit = 0.5
    with stretch() as measured:
        batches = execute_with(find("processes"), function, 1, timeout=limit)
        (row,) = rows([next(batches)])
        told = time.time()
        assert list(batches) == []
    assert row["status"] == "timeout"
    assert measured.allows(told - row["started"] - limit, 0.2)
    assert limit <= row["seconds"]
    assert measured.allows(row["seconds"] - limit, 0.2)
    assert act.__name__ in row["traceback"], "the stack tells where it hung"
    assert "timeout=0.5" in row["error"]


@pytest.mark.timed
def test_7_a_timeout_costs_one_setting() -> None:
    assert_only(with_one(endless, timeout=scaled(0.3)), 7, "timeout")


@pytest.mark.timed
def test_7_a_timeout_is_tried_again() -> None:
    row = assert_only(with_one(endless, size=8, timeout=scaled(0.2), retries=1), 7, "timeout")
    assert row["attempt"] == 2


@pytest.mark.timed
def test_7_settings_under_the_limit_are_not_killed() -> None:
    def function(index: int, place: Place) -> dict[str, int]:
        time.sleep(0.03)
        return {}

    found = run(find("processes"), function, 40, num_proc=2, timeout=scaled(0.5))
    assert {row["status"] for row in found.values()} == {"done"}


GRANDCHILD = ["sleep", "4321.5"]


def sleepers() -> list[psutil.Process]:
    """Those of this test, which have its mark: another suite may run on this machine."""
    return [
        one
        for one in psutil.process_iter(["cmdline", "environ"])
        if one.info["cmdline"] == GRANDCHILD
        and one.info["environ"]
        and one.info["environ"].get(MARK) == os.environ[MARK]
    ]


@pytest.mark.parametrize("new_session", [False, True])
@pytest.mark.parametrize("how", ["killed", "done"])
def test_10_grandchildren_end_with_their_worker(new_session: bool, how: str) -> None:
    def act() -> None:
        subprocess.Popen(GRANDCHILD, start_new_session=new_session)
        if how == "killed":
            kill_self()

    assert_only(with_one(act), 7, how)
    assert sleepers() == []


def test_10_daemons_end_with_their_worker() -> None:
    def act() -> None:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp(GRANDCHILD[0], GRANDCHILD)
            os._exit(0)
        wait_for(sleepers)

    assert_only(with_one(act), 7, "done")
    assert sleepers() == []


def test_10_grandchildren_end_when_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    def function(index: int, place: Place) -> dict[str, int]:
        if index == 0:
            subprocess.Popen(GRANDCHILD, start_new_session=True)
            kill_self()
        wait_for(lambda: not sleepers())
        return {}

    assert_only(run(find("processes"), function, 3, num_proc=1), 0, "killed")


def test_a_setting_that_closes_the_channel_is_found() -> None:
    row = assert_only(with_one(lambda: os.closerange(3, 100)), 7, "failed")
    assert "exited" in row["error"]


def test_an_aborting_library_is_killed_by_its_signal() -> None:
    row = assert_only(with_one(lambda: ctypes.CDLL(None).abort()), 7, "killed")
    assert row["error"] == "killed by SIGABRT"
