"""The engines that run in this process keep the contract, and say what they cannot do."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from superparams.engines import Engine, Options, find
from superparams.errors import EngineError
from superparams.worker import Place
from tests.contracts.engine import EngineContract, double
from tests.contracts.programs import execute, rows, run


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


@pytest.mark.parametrize("name", ["serial", "threads"])
@pytest.mark.parametrize(
    "option", [{"timeout": 1.0}, {"start_method": "fork"}, {"threads_per_worker": 2}, {"gpus": 1}]
)
def test_what_cannot_be_done_is_refused_at_once(name: str, option: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=f"{next(iter(option))}.*processes"):
        execute(find(name), double, 3, **option)


def test_serial_has_one_worker() -> None:
    with pytest.raises(EngineError, match=r"num_proc=2.*serial"):
        execute(find("serial"), double, 3, num_proc=2)


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(EngineError, match=r"'warp'.*'processes'"):
        find("warp")


@pytest.mark.parametrize(
    "option", [{"num_proc": 0}, {"timeout": 0}, {"retries": -1}, {"threads_per_worker": 0}]
)
def test_numbers_that_mean_nothing_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=next(iter(option))):
        Options(**option)
