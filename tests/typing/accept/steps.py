"""Settings that record steps, and the table of these."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

from typing_extensions import assert_type

from superparams import Experiment, Results, search
from superparams.store.step_table import StepTable


class Yields(Experiment):
    lr: float = search([0.1, 0.2])

    def run(self) -> Iterator[dict[str, float]]:
        yield {"loss": self.lr}


class Returns(Experiment):
    def run(self) -> Generator[dict[str, float], None, dict[str, str]]:
        yield {"loss": 1.0}
        return {"name": "a"}


class Awaits(Experiment):
    async def run(self) -> AsyncIterator[dict[str, int]]:
        yield {"epoch": 1}


class Logs(Experiment):
    def run(self) -> dict[str, Any]:
        self.log(epoch=1, loss=0.5)
        self.log({"val/loss": 0.5}, epoch=1)
        self.place.log(epoch=1)
        return {}


class Named(Experiment):
    log: str = search(["a", "b"])

    def run(self) -> None:
        assert_type(self.log, str)
        self.place.log(epoch=1)


def curves(results: Results) -> StepTable:
    assert_type(results.steps, StepTable)
    assert_type(results.steps.fields, list[str])
    assert_type(len(results.steps), int)
    for step in results.steps:
        assert_type(step, dict[str, Any])
    return results.steps(results.best("loss"))
