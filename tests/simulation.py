"""A clock that is simulated: settings of given durations run through the real scheduler.

Ten thousand settings take a second, whatever their durations are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.grouped_backlog import Needs
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.machine import Machine
from superparams.executor.scheduler.retries import Retries
from superparams.executor.scheduler.sharing_scheduler import JudgingSharingScheduler
from superparams.executor.scheduler.step_decisions import JudgingScheduler, StepJudge

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a setting does.

    Attributes:
        steps: Its steps, each with the seconds that it takes.
        status: How it ends after the last step: ``done``, ``failed``, ``killed`` or ``lost``, where
            the last means that its place ends without fault of the setting.
        seconds: How long the rest takes.
    """

    steps: Sequence[tuple[float, Row]]
    status: str = "done"
    seconds: float = 0.0


@dataclass
class Simulation:
    """Runs settings.

    Args:
        n_settings: How many.
        n_places: How many run at once.
        attempt: Gives what an attempt at a setting does, by its index and number from 1.
        judge: Decides at steps.
        retries: When another attempt follows.
        start_up: Seconds until a place is ready.
        sharing: What settings need, and the machine that places share.

    Attributes:
        statuses: How each setting ended.
        n_steps: How many steps its last attempt made.
        clock: The time now.
        most_held: The most settings that waited at a time.
        held: The seconds that settings waited, in total.
    """

    n_settings: int
    n_places: int
    attempt: Callable[[int, int], Attempt]
    judge: StepJudge
    retries: Retries = field(default_factory=Retries)
    start_up: float = 0.0
    sharing: tuple[Needs, Machine] | None = None
    statuses: dict[int, str] = field(default_factory=dict[int, str])
    n_steps: dict[int, int] = field(default_factory=dict[int, int])
    clock: float = 0.0
    most_held: int = 0
    held: float = 0.0

    def run(self) -> Simulation:
        """Run all settings; raises AssertionError if that comes to a standstill."""
        self._order = count()
        self._events: list[tuple[float, int, int, Callable[[], Sequence[m.Event]]]] = []
        self._running: dict[int, tuple[int, Attempt, int, float]] = {}
        self._lives: dict[int, int] = {}
        limits = Limits(self.n_places, self.retries, sharing=self.sharing)
        kind = JudgingScheduler if self.sharing is None else JudgingSharingScheduler
        self._scheduler = kind(limits, [range(self.n_settings)], self.judge)
        self._handle(m.NoMoreWork())
        while not self._scheduler.is_over:
            due = self._scheduler.next_due()
            if self._events and (due is None or self._events[0][0] <= due):
                self.clock, _, life, events = heapq.heappop(self._events)
                for event in events() if life < 0 or life in self._lives.values() else ():
                    self._handle(event)
            else:
                assert due is not None, f"all wait: {self._running}"
                self.clock = max(due, self.clock)
                self._handle(m.TimePassed())
        return self

    def _later(self, rank: int, seconds: float, *events: m.Event) -> None:
        life = self._lives[rank]
        item = (self.clock + seconds, next(self._order), life, lambda: events)
        heapq.heappush(self._events, item)

    def _handle(self, event: m.Event) -> None:
        for instruction in self._scheduler.handle(event, self.clock):
            self._carry_out(instruction)
        waiting = [one.held for one in self._scheduler._places.values() if one.held is not None]
        self.most_held = max(self.most_held, len(waiting))

    def _carry_out(self, instruction: m.Instruction) -> None:
        match instruction:
            case m.StartPlace(rank=rank):
                self._lives[rank] = next(self._order)
                self._later(rank, self.start_up, m.PlaceReady(rank))
            case m.RetirePlace(rank=rank):
                self._later(rank, 0.0, m.PlaceGone(rank))
            case m.SendChunk(rank=rank, chunk=chunk):
                (index,) = chunk
                self._running[rank] = index, self.attempt(index, chunk.attempt), 0, 0.0
                self._go_on(rank)
            case m.AnswerStep(rank=rank, goes_on=goes_on):
                index, _attempt, _at, asked = self._running[rank]
                self.held += self.clock - asked
                if goes_on:
                    self._go_on(rank)
                else:
                    self._end(rank, "stopped", 0.0)
            case m.RecordLoss(index=index, status=status):
                self._note(index, status)
            case _:
                raise TypeError(instruction)

    def _go_on(self, rank: int) -> None:
        """The next step of the setting in a place, or its end."""
        index, attempt, at, _ = self._running[rank]
        if at < len(attempt.steps):
            seconds, row = attempt.steps[at]
            self._running[rank] = index, attempt, at + 1, self.clock + seconds
            self.n_steps[index] = at + 1
            self._later(rank, seconds, m.StepMade(rank, index, row))
        else:
            self._end(rank, attempt.status, attempt.seconds)

    def _end(self, rank: int, status: str, seconds: float) -> None:
        index = self._running[rank][0]
        if status in ("killed", "lost"):
            is_blameless = status == "lost"
            culprit = None if is_blameless else index
            self._later(rank, seconds, m.PlaceGone(rank, culprit, is_blameless=is_blameless))
            return
        number = self._scheduler.unfinished(rank).attempt
        again = (index,) if self.retries.allows(status, number) else ()  # type: ignore[arg-type]
        if not again:
            self._note(index, status)
        self._later(rank, seconds, m.SettingsEnded(rank, 1, again), m.ChunkOver(rank, seconds))

    def _note(self, index: int, status: str) -> None:
        assert index not in self.statuses, f"{index} has ended twice"
        self.statuses[index] = status
