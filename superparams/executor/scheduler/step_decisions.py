"""A scheduler that asks at every step whether the setting goes on, and may let it wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.state_machine import Scheduler


class StepJudge(Protocol):
    """Decides whether settings go on; each method gives the decisions that can be made now.

    A decision is the index of a setting that waits, and whether it goes on.
    """

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the user, at the end of the run."""
        ...

    def add(self, indices: Sequence[range]) -> None:
        """More settings are to run, after those that are there."""
        ...

    def step(self, index: int, row: Mapping[str, object]) -> Sequence[tuple[int, bool]]:
        """A setting has made a step, and waits."""
        ...

    def ended(self, index: int) -> Sequence[tuple[int, bool]]:
        """A setting has an outcome."""
        ...

    def lost(self, index: int) -> Sequence[tuple[int, bool]]:
        """An attempt at a setting has failed; another one may follow."""
        ...

    def restarted(self, index: int) -> None:
        """A setting begins again, since its place is gone for another reason."""
        ...


class JudgingScheduler(Scheduler):
    """Hands out settings one by one, in the order of the space, and has a judge decide at steps.

    Args:
        limits: The limits of the scheduler.
        work: Ranges of indices to run; see `Scheduler`.
        judge: Decides.
    """

    def __init__(self, limits: Limits, work: Sequence[range], judge: StepJudge) -> None:
        of_steps = Limits(
            limits.n_places,
            limits.retries,
            one_by_one=True,
            decides_steps=True,
            sharing=limits.sharing,
        )
        super().__init__(of_steps, work)
        self._judge = judge

    def handle(self, event: m.Event, now: float) -> list[m.Instruction]:
        """What is to be done about an event, and about the decisions that follow from it."""
        if isinstance(event, m.WorkAdded):
            self._judge.add(event.ranges)
        left = self._leaving(event)
        if isinstance(event, m.PlaceGone) and event.is_blameless:
            for index in self.unfinished(event.rank):
                self._judge.restarted(index)
        instructions = super().handle(event, now)
        lost = {
            instruction.index
            for instruction in instructions
            if isinstance(instruction, m.RecordLoss)
        }
        for index, goes_on in self._decisions(event, left, lost):
            decided = m.StepDecided(self._rank_of(index), index, goes_on)
            instructions += super().handle(decided, now)
        return instructions

    def _leaving(self, event: m.Event) -> Chunk:
        """The settings that an event may end, in its place."""
        if isinstance(event, m.SettingsEnded):
            place = self._places[event.rank]
            return place.chunk.split(event.count)[0].split(place.n_ended)[1]
        if isinstance(event, m.PlaceGone):
            unfinished = self.unfinished(event.rank)
            return Chunk(()) if event.is_blameless or event.begun == 0 else unfinished
        return Chunk(())

    def _decisions(self, event: m.Event, left: Chunk, lost: set[int]) -> Iterable[tuple[int, bool]]:
        if isinstance(event, m.StepMade):
            yield from self._judge.step(event.index, event.row)
        elif isinstance(event, m.AllPlacesGone):
            for chunk in event.suspects:
                lost.update(chunk)
        to_retry = event.again if isinstance(event, m.SettingsEnded) else ()
        for index in left:
            if index in to_retry or isinstance(event, m.PlaceGone):
                lost.add(index)
            else:
                yield from self._judge.ended(index)
        for index in sorted(lost):
            yield from self._judge.lost(index)

    def _rank_of(self, index: int) -> int:
        """The place in which a setting waits; -1 if it has gone meanwhile."""
        return next((rank for rank, place in self._places.items() if place.held == index), -1)
