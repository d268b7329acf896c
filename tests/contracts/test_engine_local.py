"""The engines that run in this process keep the contract, and say what they cannot do."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from superparams import Experiment, search
from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.executor import Processes
from superparams.executor.engines.contract import Control, Engine, Options
from superparams.executor.engines.registry import find
from superparams.executor.steps import step_teller
from tests.contracts.engine import EngineContract
from tests.contracts.programs import execute, rows, run
from tests.timing import wait_for


class TestSerial(EngineContract):
    elsewhere = False

    @pytest.fixture
    def engine(self) -> Engine:
        return find("serial")

    def test_ctrl_c_in_a_setting_ends_the_run_after_what_is_done(self, engine: Engine) -> None:
        def interrupted(index: int, place: Place) -> dict[str, int]:
            if index == 2:
                raise KeyboardInterrupt
            return {}

        batches = execute(engine, interrupted, 5)
        assert len(rows([next(batches)])) == 2
        with pytest.raises(KeyboardInterrupt):
            next(batches)


class TestThreads(EngineContract):
    elsewhere = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Engine:
        return find("threads")

    def test_a_keyboard_interrupt_of_a_setting_is_a_failure(self, engine: Engine) -> None:
        def interrupt(index: int, place: Place) -> dict[str, int]:
            raise KeyboardInterrupt

        assert run(engine, interrupt, 2, num_proc=2)[1]["status"] == "failed"

    def test_a_stop_loses_nothing_that_a_slow_reader_has_not_read(self, engine: Engine) -> None:
        ended: list[int] = []

        def count(index: int, place: Place) -> dict[str, int]:
            time.sleep(0.001)
            ended.append(index)
            return {"y": index}

        control = Control()
        batches = self.execute(engine, count, 200, control=control)
        found = rows([next(batches)])
        wait_for(lambda: len(ended) == 200)
        control.stop()
        found += rows(batches)
        assert sorted(row["index"] for row in found) == list(range(200))


async def tell_steps(index: int, place: Place) -> dict[str, int]:
    for n_rounds in range(1, 6):
        tell: Any = step_teller.get()  # None: each setting goes on
        if tell is not None and not await tell({"round": n_rounds, "loss": 0.5, "note": "é"}):
            break
    return {"n_rounds": n_rounds}


class TestCoroutines(EngineContract):
    elsewhere = False
    tell_steps: Any = staticmethod(tell_steps)
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Engine:
        return find("asyncio")


@pytest.mark.parametrize("name", ["serial", "threads"])
@pytest.mark.parametrize("option", [{"timeout": 1.0}, {"setup_timeout": 2}])
def test_what_cannot_be_done_is_refused_at_once(name: str, option: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=f"{next(iter(option))}.*processes"):
        find(name).check(Options(**option))


def test_serial_has_one_worker() -> None:
    with pytest.raises(EngineError, match=r"num_proc=2.*serial"):
        find("serial").check(Options(num_proc=2))


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(EngineError, match=r"'warp'.*'processes'"):
        find("warp")
    with pytest.raises(EngineError, match=r"engine=ThreadPoolExecutor is a class: .*\(\.\.\.\)$"):
        find(ThreadPoolExecutor)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="engine=5 is neither a name"):
        find(5)  # type: ignore[arg-type]


MEANINGLESS: dict[str, list[Any]] = {
    "num_proc": [0, -1, "2", None, 2.5, True, np.True_, np.array([2])],
    "timeout": [0, -1.0, "5", True, [1], 1j, float("nan"), float("inf"), 10**400],
    "retries": [-1, 1.5, None, "1", False],
    "threads": [0, "x", 1.5, True],
    "gpus": ["a", "0,1", "", 0, -1, True, 1.5, [], [1.5], [None], [""], [-1], [True]],
}
REMEDIES = {
    "num_proc": "a whole number of workers, 1 or more",
    "timeout": "seconds above 0, or None for no limit",
    "retries": "a whole number of extra attempts, 0 or more",
    "threads": "1 or more, or None to divide the cores",
    "gpus": "the devices, as in .* or their number, 1 or more, or None",
}


@pytest.mark.parametrize(
    ("name", "given"), [(name, given) for name, values in MEANINGLESS.items() for given in values]
)
def test_what_means_nothing_is_refused(name: str, given: Any) -> None:
    told = re.escape(f"{name}={given!r}: give ") + f".*{REMEDIES[name]}"
    with pytest.raises(EngineError, match=told):
        (Options if name in Options.__dataclass_fields__ else Processes)(**{name: given})


class Toy(Experiment):
    a: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": self.a}


@pytest.mark.parametrize(
    "option",
    [
        {"num_proc": "2"},
        {"timeout": "5"},
        {"retries": 1.5},
        {"setup_timeout": "5"},
    ],
)
def test_what_means_nothing_is_refused_before_anything_starts(
    option: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=f"^{next(iter(option))}="):
        Toy().run_all(results=tmp_path / "results", **option)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_and_any_list_of_devices_will_do() -> None:
    given = Options(np.int64(3), np.float32(0.5), retries=np.uint8(1))  # type: ignore[arg-type]
    assert given == Options(3, 0.5, retries=1)
    assert type(given.num_proc) is int
    assert Processes(gpus=np.array([0, 1])) == Processes(gpus=(0, 1))
    assert Processes(gpus=(name for name in "ab")).gpus == ("a", "b")
    assert (Options(timeout=5), Processes(gpus=2)) == (Options(timeout=5.0), Processes(gpus=2))
