"""The engine of processes keeps the contract under every start method."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.executor import Processes
from superparams.executor.engines.contract import Engine
from superparams.executor.engines.processes.engine import StartMethod
from superparams.executor.engines.registry import find
from tests.contracts.engine import EngineContract, double
from tests.contracts.programs import FunctionProgram, execute, run
from tests.runs import output
from tests.timing import slowness, wait_for, within

INHERITS = """
import threading
from superparams.executor import Processes
from tests.contracts.programs import run
lock = threading.Lock()

def locked(index, place):
    return {"y": lock.acquire(timeout=1)}

print(run(Processes(start_method="fork"), locked, 1, num_proc=2)[0]["result.y"])
"""


class TestForkserver(EngineContract):
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}
    start_method: ClassVar[StartMethod] = "forkserver"

    @pytest.fixture
    def engine(self) -> Engine:
        return Processes(self.start_method)

    def test_a_keyboard_interrupt_of_a_setting_is_a_failure(self, engine: Engine) -> None:
        def interrupt(index: int, place: Place) -> dict[str, int]:
            raise KeyboardInterrupt

        found = self.run(engine, interrupt, 2)
        assert [found[i]["status"] for i in range(2)] == ["failed", "failed"]

    def test_workers_are_closed(self, engine: Engine, tmp_path: Path) -> None:
        program = FunctionProgram(
            double, 20, 2, close_hook=lambda place: (tmp_path / f"{place.rank}").touch()
        )
        self.run(engine, double, 20, program=program)
        assert {path.name for path in tmp_path.iterdir()} <= {"0", "1"}
        assert (tmp_path / "0").exists()


class TestSpawn(TestForkserver):
    start_method = "spawn"


@pytest.mark.thorough
class TestFork(TestForkserver):
    start_method = "fork"

    def test_what_cannot_be_pickled_is_inherited(self, tmp_path: Path) -> None:
        # In a process of its own: here, other tests may have loaded libraries that have threads.
        assert output(tmp_path, INHERITS) == "True\n"


def test_unknown_start_methods_are_refused() -> None:
    told = r"^Processes\.start_method='warp': give \"forkserver\", \"spawn\" or \"fork\"$"
    with pytest.raises(EngineError, match=told):
        Processes("warp")  # type: ignore[arg-type]


@pytest.mark.timed
@pytest.mark.usefixtures("no_leaks")
def test_a_long_setting_keeps_nothing_waiting() -> None:
    """Quick settings come first, so that the long one is somewhere inside a large chunk."""
    long = 1.0 * slowness()

    def mixed(index: int, place: Place) -> dict[str, float]:
        if index == 3000:
            time.sleep(long)
        return {"y": time.monotonic()}

    found = run(find("processes"), mixed, 6000, num_proc=2)
    last = max(row["result.y"] for index, row in found.items() if index != 3000)
    assert last < found[3000]["result.y"] - 0.5 * long


@pytest.mark.timed
@pytest.mark.usefixtures("no_leaks")
def test_outcomes_before_a_long_setting_arrive_during_it() -> None:
    long = 1.0 * slowness()

    def mixed(index: int, place: Place) -> dict[str, int]:
        time.sleep(long if index == 3000 else 0)
        return {}

    batches = execute(find("processes"), mixed, 3001)
    arrived: list[float] = []
    for _ in batches:
        arrived.append(time.monotonic())
    assert arrived[-1] - arrived[-2] > 0.7 * long


@pytest.mark.timed
@pytest.mark.usefixtures("no_leaks")
def test_a_slow_reader_does_not_stop_timeouts() -> None:
    def hang(index: int, place: Place) -> dict[str, int]:
        while index == 1:
            pass
        return {}

    engine = find("processes")
    batches = execute(engine, hang, 2, timeout=0.3)
    next(batches)
    with within(5):
        wait_for(lambda: not any(one.index == 1 for one in engine.activity()))
    list(batches)
