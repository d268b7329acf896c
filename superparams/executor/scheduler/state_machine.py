"""The state machine: events in, instructions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.backlog import Backlog
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.pace import Pace
from superparams.executor.scheduler.place_state import NOTHING, PlaceRecord, PlaceState
from superparams.outcomes.outcome import Status

if TYPE_CHECKING:
    from superparams.executor.scheduler.grouped_backlog import GroupedBacklog
    from superparams.executor.scheduler.machine import MachineShare

# After so many blameless losses of its place, a setting counts as `killed`: it may be the cause.
MOST_BLAMELESS = 3


class Scheduler:
    """Decides which place runs which settings, and accounts for each setting exactly once.

    A setting ends in one of two ways: the engine has its outcome (`SettingsEnded`), or a
    `RecordLoss` tells the engine to make one. `handle` takes an event and returns the instructions
    that follow from it, in the order in which they are to be carried out.

    Args:
        limits: The number of places, the retries, and how settings are handed out.
        work: Ranges of indices to run; more may follow by `WorkAdded`, until `NoMoreWork`.
    """

    def __init__(self, limits: Limits, work: Sequence[range] = ()) -> None:
        self.limits = limits
        self._backlog = self._new_backlog(work)
        self._pace = Pace(limits.chunk_seconds)
        self._places: dict[int, PlaceRecord] = {}
        self._n_uncertain = 0
        self._is_fed = True
        self._is_draining = False
        self._blameless_losses: Counter[int] = Counter()
        self._instructions: list[m.Instruction] = []

    def _new_backlog(self, work: Sequence[range]) -> Backlog | GroupedBacklog:
        return Backlog(work)

    # ---- what an engine may ask

    @property
    def is_over(self) -> bool:
        """Whether nothing runs, and no more settings will be handed out."""
        if self._n_uncertain or self.busy():
            return False
        return self._is_draining or not (self._is_fed or self._backlog.remaining)

    @property
    def is_draining(self) -> bool:
        """Whether no more settings are handed out."""
        return self._is_draining

    @property
    def remaining(self) -> int:
        """The number of settings that no place has."""
        return self._backlog.remaining

    @property
    def n_again(self) -> int:
        """The number of `remaining` settings that are for another attempt."""
        return self._backlog.n_again

    def next_due(self) -> float | None:
        """The time at which `TimePassed` may have an effect; None if it never will."""
        return None if self._is_draining else self._backlog.next_due()

    def wants_rest(self, now: float) -> bool:
        """Whether busy places should give back settings that they have not begun.

        That is so if other places are free for them, and if no more settings shall begin.
        """
        if self._is_draining:
            return True
        if self._backlog.n_ready(now):
            return False
        has_room = len(self._places) < self.limits.n_places
        return has_room or bool(self._in_state(PlaceState.IDLE))

    def busy(self) -> list[int]:
        """The ranks of the places that have settings."""
        return self._in_state(PlaceState.BUSY)

    def held(self) -> set[int]:
        """The ranks of the places whose settings wait for the answer to a step."""
        return {rank for rank, place in self._places.items() if place.held is not None}

    def unfinished(self, rank: int) -> Chunk:
        """The settings of a place that have not ended."""
        place = self._places.get(rank)
        return place.unfinished if place else NOTHING

    # ---- events

    def handle(self, event: m.Event, now: float) -> list[m.Instruction]:
        """Take an event.

        Args:
            event: What happened.
            now: Seconds on a clock that never goes back.

        Returns:
            The instructions that follow from it, in order.
        """
        self._now = now
        self._take(event)
        self._hand_out()
        instructions, self._instructions = self._instructions, []
        return instructions

    def _take(self, event: m.Event) -> None:
        match event:
            case m.OutcomesConfirmed():
                self._n_uncertain -= event.count
            case m.TimePassed():
                pass  # `_hand_out` takes settings that have waited long enough
            case m.WorkAdded():
                self._backlog.add(event.ranges)
            case m.NoMoreWork():
                self._is_fed = False
            case m.Draining():
                self._is_draining = True
            case m.AllPlacesGone():
                self._all_places_gone(event)
            case _:
                self._take_of_place(event)

    def _take_of_place(self, event: m.PlaceEvent | m.MachineReady | m.MachineGone) -> None:
        match event:
            case m.SettingsEnded():
                self._settings_ended(event)
            case m.ChunkOver():
                self._chunk_over(event)
            case m.StepMade():
                self._step_made(event)
            case m.StepDecided():
                self._answer(event.rank, event.index, goes_on=event.goes_on)
            case m.RestReturned():
                self._rest_returned(event)
            case m.PlaceReady():
                self._place_ready(event)
            case m.PlaceGone():
                self._place_gone(event)
            case _:
                raise TypeError(f"{event!r} is no event")

    def _place_ready(self, event: m.PlaceReady) -> None:
        place = self._places.setdefault(event.rank, PlaceRecord())
        if place.state is PlaceState.STARTING:
            place.state = PlaceState.IDLE

    def _settings_ended(self, event: m.SettingsEnded) -> None:
        place = self._places[event.rank]
        n_final = event.count - place.n_ended - len(event.again)
        place.n_ended, place.held = event.count, None
        if event.again:
            attempt = place.chunk.attempt + 1
            retry = Chunk.of(event.again, attempt, is_alone=place.chunk.is_alone)
            self._backlog.try_again(retry, self._now + self.limits.retries.delay(attempt))
        if not event.is_certain:
            self._n_uncertain += n_final

    def _rest_returned(self, event: m.RestReturned) -> None:
        place = self._places[event.rank]
        place.chunk, rest = place.chunk.through(event.last)
        self._give_back(rest)

    def _chunk_over(self, event: m.ChunkOver) -> None:
        place = self._places[event.rank]
        self._pace_of(place).learn(place.n_ended, event.seconds)
        self._give_back(place.unfinished)
        place.state, place.chunk, place.n_ended = PlaceState.IDLE, NOTHING, 0
        place.held = None

    def _pace_of(self, place: PlaceRecord) -> Pace:
        """What is known of how long the settings of a place take."""
        return self._pace

    def _step_made(self, event: m.StepMade) -> None:
        self._places[event.rank].held = event.index
        if not self.limits.decides_steps:
            self._answer(event.rank, event.index, goes_on=True)

    def _place_gone(self, event: m.PlaceGone) -> None:
        place = self._places.pop(event.rank, PlaceRecord())
        unfinished = place.unfinished
        if not unfinished:
            return
        started, rest = _begun_and_rest(unfinished, event)
        self._give_back(rest)
        if event.is_blameless:
            self._lose_blameless(event.rank, started)
        elif event.culprit is not None and event.culprit in started:
            for part in started.around(event.culprit):
                self._give_back(part)
            attempt = event.attempt or started.attempt
            culprit = replace(started, ranges=(_range_of_one(event.culprit),), attempt=attempt)
            self._blame(event.rank, culprit, event.status)
        else:
            self._suspect(event.rank, started, event.status)

    def _all_places_gone(self, event: m.AllPlacesGone) -> None:
        suspects = [chunk for chunk in event.suspects if chunk]
        suspected = {index for chunk in suspects for index in chunk}
        for place in self._places.values():
            for part in _without(place.unfinished, suspected):
                self._give_back(part)
        self._places.clear()
        self._n_uncertain = 0
        if len(suspects) == 1 and suspects[0].is_alone and len(suspects[0]) == 1:
            self._blame(None, suspects[0], "killed")
        else:
            for chunk in suspects:
                self._backlog.set_apart(chunk)

    # ---- consequences of events

    def _answer(self, rank: int, index: int, *, goes_on: bool) -> None:
        place = self._places.get(rank)
        if place is not None and place.held == index:
            place.held = None
            self._instructions.append(m.AnswerStep(rank, index, goes_on))

    def _give_back(self, chunk: Chunk) -> None:
        if chunk:
            self._backlog.give_back(chunk)

    def _blame(self, rank: int | None, culprit: Chunk, status: Status) -> None:
        """Blame one setting: it runs again, or gets an outcome if no attempt is left."""
        (index,), attempt = culprit, culprit.attempt
        if self.limits.retries.allows(status, attempt):
            retry = replace(culprit, attempt=attempt + 1)
            self._backlog.try_again(retry, self._now + self.limits.retries.delay(attempt + 1))
        else:
            self._instructions.append(m.RecordLoss(rank, index, attempt, status))

    def _suspect(self, rank: int, started: Chunk, status: Status) -> None:
        """Find the setting that ended a place, if it is not known which one ran, as between two.

        If there are several, they run again one by one. A single one runs once more in a new place
        while nothing else runs, and is to blame if that place ends as well.
        """
        if len(started) > 1:
            self._backlog.isolate(started)
        elif not started.is_alone:
            self._backlog.set_apart(started)
        else:
            self._blame(rank, started, status)

    def _lose_blameless(self, rank: int, started: Chunk) -> None:
        """Hand out settings again that were lost with their place.

        One of them may be the reason after all. So the next time they run one by one, and the last
        time, before they count as `killed`, each runs while nothing else does.
        """
        for index in started:
            self._blameless_losses[index] += 1
            retry = replace(started, ranges=(_range_of_one(index),))
            n_left = MOST_BLAMELESS - self._blameless_losses[index]
            if n_left <= 0:
                self._instructions.append(m.RecordLoss(rank, index, started.attempt, "killed"))
            elif n_left == 1 and not self.limits.decides_steps:
                self._backlog.set_apart(retry)
            elif len(started) > 1:
                self._backlog.isolate(retry)
            else:
                self._give_back(retry)

    # ---- handing out

    def _hand_out(self) -> None:
        if self._is_draining or self._runs_alone():
            return
        if self._backlog.n_ready(self._now):
            self._start_places()
            for rank in self._in_state(PlaceState.IDLE):
                chunk = self._backlog.take(self._chunk_size(), self._now)
                if chunk is None:
                    return
                self._send(rank, chunk)
        elif self._backlog.has_alone and not self.busy() and not self._n_uncertain:
            self._hand_out_alone()

    def _runs_alone(self) -> bool:
        """Whether a chunk runs that is to run alone; one that waits at a step does not run."""
        return any(one.chunk.is_alone and one.held is None for one in self._places.values())

    def _chunk_size(self) -> int:
        if self.limits.one_by_one:
            return 1
        return self._pace.size(self._backlog.n_ready(self._now), self.limits.n_places)

    def _hand_out_alone(self) -> None:
        """One chunk to a new place, while nothing else runs: old ones may act at any time."""
        used = [rank for rank, place in self._places.items() if place.is_used]
        for rank in used:
            if self._places[rank].state is PlaceState.IDLE:
                self._retire(rank)
        if used:
            return
        if not self._places:
            self._start(0)
        for rank in self._in_state(PlaceState.IDLE)[:1]:
            chunk = self._backlog.take_alone()
            assert chunk is not None
            self._send(rank, chunk)

    def _start_places(self) -> None:
        """Start places as far as there is work for them."""
        free = len(self._in_state(PlaceState.IDLE)) + len(self._in_state(PlaceState.STARTING))
        n_ready = self._backlog.n_ready(self._now)
        for rank in range(self.limits.n_places):
            if free >= n_ready:
                return
            if rank not in self._places:
                self._start(rank)
                free += 1

    def _start(self, rank: int, share: MachineShare | None = None) -> None:
        self._places[rank] = PlaceRecord(share)
        self._instructions.append(m.StartPlace(rank, share))

    def _retire(self, rank: int) -> None:
        self._places[rank].state = PlaceState.RETIRING
        self._instructions.append(m.RetirePlace(rank))

    def _send(self, rank: int, chunk: Chunk) -> None:
        place = self._places[rank]
        place.state, place.chunk, place.n_ended, place.is_used = PlaceState.BUSY, chunk, 0, True
        self._instructions.append(m.SendChunk(rank, chunk))

    def _in_state(self, state: PlaceState) -> list[int]:
        return [rank for rank, place in self._places.items() if place.state is state]


def _range_of_one(index: int) -> range:
    return range(index, index + 1)


def _begun_and_rest(unfinished: Chunk, event: m.PlaceGone) -> tuple[Chunk, Chunk]:
    """What a place that ended may have begun, and what it has not begun."""
    if event.culprit in unfinished:
        assert event.culprit is not None
        return unfinished.through(event.culprit)
    if event.begun is None or not (event.begun or event.is_blameless):
        return unfinished, NOTHING
    return unfinished.split(event.begun)


def _without(chunk: Chunk, indices: set[int]) -> Iterable[Chunk]:
    """The settings of a chunk that are not among these, as one chunk or none."""
    if not indices & set(chunk):
        return [chunk]
    rest = Chunk.of((i for i in chunk if i not in indices), chunk.attempt, is_alone=chunk.is_alone)
    return [rest]
