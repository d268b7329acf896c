"""The engine around an executor keeps the contract, and never hangs when the executor breaks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import pytest

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.executor.engines.contract import Control, Engine, Options
from superparams.executor.engines.registry import find
from tests.contracts.engine import EngineContract, double
from tests.contracts.programs import FunctionProgram, execute, rows


class TestThreadPool(EngineContract):
    carries_steps = False
    elsewhere = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with ThreadPoolExecutor(2) as executor:
            yield find(executor)

    def test_workers_are_closed(self, engine: Engine, tmp_path: Path) -> None:
        program = FunctionProgram(
            double, 20, 2, close_hook=lambda place: (tmp_path / f"{place.rank}").touch()
        )
        self.run(engine, double, 20, program=program)
        assert {path.name for path in tmp_path.iterdir()} & {"0", "1"}


class TestProcessPool(EngineContract):
    carries_steps = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
            yield find(executor)


@pytest.mark.thorough
class TestLoky(EngineContract):
    carries_steps = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self, loky: Any) -> Iterator[Engine]:
        executor = loky.ProcessPoolExecutor(2)
        yield find(executor)
        executor.shutdown(wait=True, kill_workers=True)


def kill_at_5(index: int, place: Place) -> dict[str, int]:
    time.sleep(0.05)
    if index == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"y": index}


class OwnPool(ProcessPoolExecutor):
    """Does more than its arguments say, for all that anybody knows."""


@pytest.mark.usefixtures("no_leaks")
def test_a_dead_worker_is_told_and_nothing_hangs() -> None:
    """An executor of an unknown kind is broken for good."""
    with OwnPool(2, mp_context=get_context("spawn")) as executor:
        batches: list[bytes] = []
        with pytest.raises(EngineError, match=r"broke.*not run"):
            batches.extend(execute(find(executor), kill_at_5, 20, num_proc=2))
    found = rows(batches)
    status = {row["index"]: row["status"] for row in found}
    assert len(status) == len(found)
    assert status[5] == "killed"
    assert [i for i, one in status.items() if one == "killed"] != list(status)


def check_one_is_blamed(executor: Any, control: Control) -> None:
    found = rows(list(execute(find(executor), kill_at_5, 20, control=control, num_proc=2)))
    status = {row["index"]: row["status"] for row in found}
    assert len(found) == len(status) == 20
    assert [index for index, one in status.items() if one != "done"] == [5]
    (note,) = control.notes
    assert note.startswith("a worker of the executor died")


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_broken_pool_is_replaced_and_one_setting_is_blamed(method: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as executor:
        check_one_is_blamed(executor, Control())


@pytest.mark.parametrize("name", ["ProcessPoolExecutor", "get_reusable_executor"])
def test_a_broken_pool_of_loky_is_replaced_and_one_setting_is_blamed(loky: Any, name: str) -> None:
    executor = getattr(loky, name)(2)
    check_one_is_blamed(executor, Control())
    executor.shutdown(wait=True, kill_workers=True)


@pytest.mark.usefixtures("no_leaks")
def test_every_setting_kills_its_worker() -> None:
    with ProcessPoolExecutor(2) as executor:
        found = rows(list(execute(find(executor), kill_always, 5, num_proc=2)))
    assert sorted(row["index"] for row in found) == list(range(5))
    assert {row["status"] for row in found} == {"killed"}


def kill_always(index: int, place: Place) -> dict[str, int]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


@pytest.mark.usefixtures("no_leaks")
def test_an_initializer_that_fails_blames_no_setting() -> None:
    """A new executor breaks as well: no setting has an outcome, and the run ends."""
    with ProcessPoolExecutor(2, initializer=os.abort) as executor:
        batches: list[bytes] = []
        with pytest.raises(EngineError, match=r"broke.*5 settings not run"):
            batches.extend(execute(find(executor), double, 5, num_proc=2))
    assert not rows(batches)


@pytest.mark.parametrize("option", [{"timeout": 1.0}, {"setup_timeout": 2}])
def test_what_cannot_be_done_is_refused_at_once(option: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(EngineError, match=next(iter(option))):
        find(executor).check(Options(**option))
