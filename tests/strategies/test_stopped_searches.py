"""Searches with a stopper on a simulated clock: equal tables for any number of workers."""

from __future__ import annotations

import heapq
import itertools
import os
import random
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

import pytest

from superparams.declare.goal import Goal
from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    SearchPoint,
    SearchSpace,
)
from superparams.strategies import (
    ASHA,
    CMAES,
    NSGA2,
    TPE,
    Evolution,
    Hyperband,
    Median,
    Patience,
    Random,
    Threshold,
)
from superparams.strategies.stop_decisions import Decision, StopDecisions
from superparams.strategies.stopper import Stopper
from superparams.strategies.trial_records import Answer, Budget
from superparams.strategies.trials import Trials
from tests.strategies.searches import Memory
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

GOALS = (Goal("loss", "min"),)
N_EPOCHS = 9
SPACE = SearchSpace(
    (
        NumberRange("x", 0.0, 1.0),
        Categories("kind", 3),
        ConditionalChoice("net", ("Small", "Large"), ((), (NumberRange("net.Large.y", 1, 9),))),
    )
)


def loss(point: SearchPoint, repetition: int, epoch: int) -> float:
    ends = (point["x"] - 0.3) ** 2 + (point["kind"] != 1) / 3 + point.get("net.Large.y", 5) / 9
    lot = random.Random(f"{sorted(point.items())} {repetition} {epoch}")
    return float(ends + (0.5 + point["x"]) / epoch + lot.gauss(0.0, 0.02))


def fails(point: SearchPoint, repetition: int) -> int:
    """After how many steps the setting fails; more than it makes for most."""
    lot = random.Random(f"fails {sorted(point.items())} {repetition}")
    return lot.choice([0, 2, 4] + [N_EPOCHS + 1] * 12)


class StoppedSearch:
    """A search with a stopper.

    Args:
        strategy: Proposes.
        stopper: Decides.
        trials: How many.
        repetitions: How many settings each trial has.

    Attributes:
        steps: How many steps each setting made, by its index.
        statuses: How it ended.
    """

    def __init__(self, strategy: Any, stopper: Stopper, trials: int, repetitions: int = 1) -> None:
        self.memory = Memory(repetitions)
        self.steps: dict[int, int] = {}
        self.statuses: dict[int, str] = {}
        self._judge = StopDecisions(stopper)
        self._trials = Trials(
            strategy, SPACE, self.memory, goals=GOALS, budget=Budget(trials=trials), ahead=8
        )
        self._events: list[tuple[float, int, int]] = []
        self._order = itertools.count()
        self._now = 0.0

    def run(self, num_proc: int, timing: int) -> None:
        """Run on so many workers; `timing` chooses how long steps take."""
        self._durations = random.Random(timing)
        self._idle, self._waiting = num_proc, list[int]()
        self._propose()
        while self._events:
            self._now, _, index = heapq.heappop(self._events)
            self._step(index)
            self._start()
        assert not self._waiting

    @property
    def table(self) -> list[Any]:
        """What became of each setting."""
        number = self.memory.repetitions
        rows = sorted(self.statuses.items())
        return [
            (at, self.memory.points[at // number], status, self.steps[at]) for at, status in rows
        ]

    def _propose(self) -> None:
        todo = self._trials.advance()
        self._judge.add([range(index, index + 1) for index in todo])
        self._waiting += todo
        self._start()

    def _start(self) -> None:
        """Start what waits for a worker."""
        while self._waiting and self._idle:
            self._idle -= 1
            index = self._waiting.pop(0)
            self.steps[index] = 0
            self._go_on(index)

    def _setting(self, index: int) -> tuple[SearchPoint, int]:
        number, repetition = divmod(index, self.memory.repetitions)
        return self.memory.points[number], repetition

    def _go_on(self, index: int) -> None:
        at = self._now + self._durations.lognormvariate(0.0, 1.0)
        heapq.heappush(self._events, (at, next(self._order), index))

    def _step(self, index: int) -> None:
        point, repetition = self._setting(index)
        if self.steps[index] >= fails(point, repetition):
            self._end(index, "failed")
            return
        self.steps[index] += 1
        if self.steps[index] > N_EPOCHS:
            self.steps[index] = N_EPOCHS
            self._end(index, "done")
            return
        row = {"epoch": self.steps[index], "loss": loss(point, repetition, self.steps[index])}
        self._heed(self._judge.step(index, row))

    def _heed(self, decisions: Iterable[Decision]) -> None:
        for index, goes_on in decisions:
            if goes_on:
                self._go_on(index)
            else:
                self._end(index, "stopped")

    def _end(self, index: int, status: str) -> None:
        assert index not in self.statuses
        self._idle += 1
        self.statuses[index] = status
        point, repetition = self._setting(index)
        value = None if status == "failed" else loss(point, repetition, self.steps[index])
        answer = Answer(status, [value])
        self.memory.rows[index] = self.memory.key(index), answer
        self._trials.ended(index, answer)
        self._propose()
        self._heed(self._judge.ended(index))


STRATEGIES: dict[str, Callable[[], Any]] = {
    "Random": lambda: Random(minimize="loss", patience=1000),
    "Evolution": lambda: Evolution(minimize="loss", population=6),
    "TPE": lambda: TPE(minimize="loss", startup=6),
    "CMAES": lambda: CMAES(minimize="loss", population=5),
    "NSGA2": lambda: NSGA2(minimize="loss", population=6),
}
STOPPERS: dict[str, Stopper] = {
    "ASHA": ASHA(minimize="loss", reduction_factor=2),
    "Hyperband": Hyperband(minimize="loss", reduction_factor=2, brackets=2),
    "Median": Median(minimize="loss", min_settings=3),
    "Threshold": Threshold(minimize="loss", upper=1.6),
    "Patience": Patience(minimize="loss", patience=2),
}


OWN = ("Random", "Evolution")
WAYS = list(itertools.product((1, 2, 4, 8), range(3)))
# Each of these starts a process of Optuna.
FEWER_WAYS = WAYS if "SUPERPARAMS_SLOW" in os.environ else [(1, 0), (2, 1), (4, 2), (8, 3)]


def made(name: str) -> Any:
    if name not in OWN and find_spec("optuna") is None:
        pytest.skip("Optuna is not installed")
    return STRATEGIES[name]()


@sweep(2, "stopper", STOPPERS)
@sweep(3, "strategy", STRATEGIES)
def test_any_number_of_workers_and_any_timing(strategy: str, stopper: str) -> None:
    tables: list[Any] = []
    for num_proc, timing in WAYS if strategy in OWN else FEWER_WAYS:
        search = StoppedSearch(made(strategy), STOPPERS[stopper], trials=30)
        search.run(num_proc, timing)
        tables.append(search.table)
    assert len(tables[0]) > 20
    assert len({row[2] for row in tables[0]}) > 1
    assert all(table == tables[0] for table in tables)


@pytest.mark.parametrize("stopper", ["ASHA", "Median"])
def test_with_repetitions(stopper: str) -> None:
    tables: list[Any] = []
    for num_proc, timing in WAYS:
        search = StoppedSearch(made("Evolution"), STOPPERS[stopper], trials=40, repetitions=3)
        search.run(num_proc, timing)
        tables.append(search.table)
    assert len(tables[0]) > 60
    assert all(table == tables[0] for table in tables)


def test_a_stopper_saves_steps_and_the_search_still_finds_good_points() -> None:
    search = StoppedSearch(made("Evolution"), STOPPERS["ASHA"], trials=150)
    search.run(4, 0)
    ended = [row for row in search.table if row[2] == "done"]
    assert sum(search.steps.values()) < 0.7 * N_EPOCHS * len(search.steps)
    assert min(loss(point, 0, N_EPOCHS) for _, point, _, _ in ended) < 0.4
