"""A search on a simulated clock: any number of workers, any durations, in milliseconds."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from superparams.declare.goal import Goal
from superparams.space.search_space import SearchPoint, SearchSpace
from superparams.strategies.strategy import Strategy, TrialOutcome
from superparams.strategies.trial_records import Answer, Budget
from superparams.strategies.trials import Trials

GOALS = (Goal("loss", "min"),)
Loss = Callable[[SearchPoint, int], float | None]


class Asked:
    """A strategy that notes what it is asked and told, around another one."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner
        self.calls: list[Any] = []

    def begin(self, space: SearchSpace, seed: int) -> None:
        self.calls = []
        self.inner.begin(space, seed)

    def ask(self, trial: int) -> SearchPoint | None:
        point = self.inner.ask(trial)
        self.calls.append(("ask", trial, dict(point or {})))
        return point

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        self.calls.append(("tell", trial, outcome.score, outcome.status))
        self.inner.tell(trial, outcome)


class Memory:
    """What was recorded, and what is known of settings; see `TrialRecords`."""

    def __init__(self, repetitions: int = 1) -> None:
        self.repetitions = repetitions
        self.points: dict[int, SearchPoint] = {}
        self.rows: dict[int, tuple[str, Answer]] = {}
        self.others: dict[str, Answer] = {}
        self.told: dict[int, list[int]] = {}
        self.valid: Callable[[SearchPoint], bool] = lambda _: True

    @property
    def n_recorded(self) -> int:
        return max((index // self.repetitions + 1 for index in self.rows), default=0)

    def key(self, index: int) -> str:
        number, repetition = divmod(index, self.repetitions)
        return f"{sorted(self.points[number].items())} {repetition}"

    def propose(self, trial: int, point: SearchPoint) -> Sequence[str]:
        self.points[trial] = point
        return [self.key(trial * self.repetitions + at) for at in range(self.repetitions)]

    def is_kept(self, point: SearchPoint) -> bool:
        return self.valid(point)

    def own(self, index: int) -> tuple[str, Answer] | None:
        return self.rows.get(index)

    def told_before(self, trial: int) -> Sequence[int] | None:
        return self.told.get(trial)

    def known(self, trial: int, key: str) -> Answer | None:
        return self.others.get(key)


class Search:
    """One search that may be interrupted and go on.

    Args:
        strategy: Proposes.
        space: The space.
        loss: What comes out for a point and a repetition; None for a failure.
        memory: What was recorded before; it gets what is recorded now.
        options: Those of `Trials`.
    """

    def __init__(
        self,
        strategy: Strategy,
        space: SearchSpace,
        loss: Loss,
        memory: Memory | None = None,
        **options: Any,
    ) -> None:
        self.memory = memory or Memory()
        budget = options.pop("budget", Budget(trials=options.pop("trials", 40)))
        self.trials = Trials(
            strategy, space, self.memory, goals=GOALS, budget=budget, **{"ahead": 8, **options}
        )
        self._loss = loss
        self.n_run = 0

    def run(self, num_proc: int, timing: int, until: float = math.inf) -> None:
        """Run on so many workers until a time; `timing` chooses how long settings take."""
        durations = random.Random(timing)
        waiting = self.trials.advance()
        self.memory.told.update(self.trials.told_for)
        running: list[tuple[float, int]] = []
        now = 0.0
        while waiting or running:
            while waiting and len(running) < num_proc:
                index = waiting.pop(0)
                heapq.heappush(running, (now + durations.lognormvariate(0.0, 1.0), index))
            now, index = heapq.heappop(running)
            if now > until:
                return
            self.n_run += 1
            number, repetition = divmod(index, self.memory.repetitions)
            loss = self._loss(self.memory.points[number], repetition)
            answer = Answer("failed", [None]) if loss is None else Answer("done", [loss])
            self.memory.rows[index] = self.memory.key(index), answer
            self.trials.ended(index, answer)
            waiting += self.trials.advance()
            self.memory.told.update(self.trials.told_for)

    @property
    def table(self) -> list[Any]:
        """The points and their outcomes, in order."""
        points = [self.memory.points[number] for number in range(self.trials.n_trials)]
        return [(point, self._loss(point, 0)) for point in points]
