"""The time that `setup` takes is no setting's, and has a limit of its own: FAULTS row 58."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search
from superparams.errors import EngineError
from superparams.executor import Processes
from superparams.executor.engines.contract import Options
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks", "in_tmp_path")


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Slow(Experiment):
    """Each worker takes a second to be set up; one setting of each kind takes too long itself."""

    x: int = search(range(4))
    hang_at: int = -1

    def setup(self) -> None:
        Path(f"setup-{os.getpid()}").touch()
        time.sleep(1.0)
        self.begun = time.monotonic()

    def run(self) -> dict[str, Any]:
        time.sleep(60 if self.x == self.hang_at else 0.2)
        return {"late": time.monotonic() - self.begun, "process": os.getpid()}


class SlowLater(Experiment):
    x: int = search(range(4))

    async def setup(self) -> None:
        await asyncio.sleep(1.0)
        self.begun = time.monotonic()

    async def run(self) -> None:
        await asyncio.sleep(0.2)


@pytest.mark.timed
@sweep(1, "method", ["forkserver", "spawn"])
def test_58_a_setup_slower_than_the_limit_of_a_setting(method: str) -> None:
    found = Slow().run_all(2, timeout=0.9, engine=Processes(start_method=method), progress=False)
    assert [row["status"] for row in found] == ["done"] * 4
    assert all(0.2 <= row["seconds"] < 0.9 for row in found)
    assert len({row["process"] for row in found}) == len(list(Path().glob("setup-*"))) == 2


@pytest.mark.timed
def test_58_a_worker_that_takes_the_place_of_another_is_set_up_in_time() -> None:
    found = Slow(hang_at=1).run_all(1, timeout=0.9, retries=1, progress=False)
    statuses = {row["x"]: (row["status"], row["attempt"]) for row in found}
    assert statuses == {x: ("timeout", 2) if x == 1 else ("done", 1) for x in range(4)}
    assert len(list(Path().glob("setup-*"))) == 2  # the first, and one after the first attempt
    (late,) = [row for row in found if row["status"] == "timeout"]
    assert "timeout=0.9" in late["error"]
    assert 0.9 <= late["seconds"] < 1.9


@pytest.mark.timed
def test_58_the_seconds_of_the_first_setting_without_a_limit() -> None:
    for engine in ("serial", "threads", "processes"):
        found = Slow().run_all(2 if engine != "serial" else 1, engine=engine, results=engine)
        assert all(0.2 <= row["seconds"] < 0.9 for row in found), engine
    for limit in (None, 0.9):
        found = SlowLater().run_all(2, timeout=limit, progress=False, resume=False)
        assert found.counts["done"] == 4
        assert all(0.2 <= row["seconds"] < 0.9 for row in found), limit


class Ends(Experiment):
    """`setup` itself hangs, dies or raises, as long as there is no file `good`."""

    x: int = search(range(3))
    way: str = "hang"

    def setup(self) -> None:
        if Path("good").exists():
            return
        Path("good").touch()
        if self.way == "hang":
            time.sleep(60)
        elif self.way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.way == "exit":
            os._exit(3)
        time.sleep(0.8)
        raise OSError("no such host")

    def run(self) -> dict[str, int]:
        return {"y": self.x}


@pytest.mark.parametrize(
    ("way", "status", "error"),
    [
        ("hang", "timeout", "TimeoutError: Ends.setup() ran longer than 4 seconds; give more"),
        ("kill", "killed", "killed by SIGKILL in Ends.setup()"),
        ("exit", "failed", "SystemExit: the worker exited with code 3"),
    ],
)
def test_58_a_setup_that_does_not_end(way: str, status: str, error: str) -> None:
    found = list(Ends(way=way).run_all(1, timeout=3.5, setup_timeout=4, progress=False))
    assert [row["status"] for row in found] == [status, "done", "done"]
    assert found[0]["error"].startswith(error)
    assert found[0]["seconds"] == 0
    if way == "hang":
        assert "in setup" in found[0]["traceback"]


@pytest.mark.timed
def test_58_a_setup_that_raises_late_is_a_failure_and_no_timeout() -> None:
    found = list(Ends(way="raise").run_all(1, timeout=0.3, progress=False))
    assert [(row["status"], row["error"]) for row in found] == [
        ("failed", "OSError: no such host")
    ] * 3
    assert all(row["seconds"] < 0.3 for row in found)


class TearsDown(Experiment):
    x: int = search([1])

    def run(self) -> None:
        pass

    def teardown(self) -> None:
        time.sleep(0.8)
        Path("torn-down").touch()


def test_58_teardown_may_take_as_long_as_setup() -> None:
    TearsDown().run_all(1, timeout=0.3, progress=False)
    assert Path("torn-down").exists()


def test_58_the_limit_follows_from_that_of_settings() -> None:
    assert Options().setup_limit is None
    assert Options(timeout=2).setup_limit == 60
    assert Options(timeout=60).setup_limit == 600
    assert Options(timeout=60, setup_timeout=5).setup_limit == 5
    assert Options(setup_timeout=5).setup_limit == 5
    for wrong in (0, -1, True, "5", float("nan"), float("inf")):
        with pytest.raises(EngineError, match=r"setup_timeout=.*give seconds above 0"):
            Slow().run_all(2, setup_timeout=wrong)  # type: ignore[arg-type]  # pyright: ignore
    for engine in ("serial", "threads"):
        with pytest.raises(EngineError, match="setup_timeout=5 cannot be used"):
            Slow().run_all(1, engine=engine, setup_timeout=5)
    assert Ends(x=1, way="hang").run_all(1, setup_timeout=0.5, progress=False).counts == {
        "timeout": 1
    }
