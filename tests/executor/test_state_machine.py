"""Any order of events: each setting is accounted for once, and rules of handing out hold."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.machine import MachineShare
from superparams.executor.scheduler.retries import Retries
from superparams.executor.scheduler.state_machine import Scheduler
from superparams.outcomes.outcome import Status

STATUSES: list[Status] = ["killed", "timeout", "failed"]


class ModelPlace:
    """A worker as an engine has it: it runs the settings of its chunk one after the other."""

    def __init__(self, share: MachineShare | None = None, chunk: Chunk | None = None) -> None:
        self.share = share
        self.is_ready = self.is_retiring = False
        self.chunk = chunk
        self.n_ended = 0  # of the chunk, as the scheduler knows
        self.step: int | None = None  # the setting that waits for an answer


class Start(NamedTuple):
    """How a run of `Engine` begins."""

    n_places: int
    n_settings: int
    retries: Retries
    flags: tuple[bool, bool, bool]


def starts(most_places: int) -> st.SearchStrategy[Start]:
    return st.builds(
        Start,
        st.integers(1, most_places),
        st.integers(0, 40),
        st.builds(
            Retries,
            st.integers(0, 2),
            st.frozensets(st.sampled_from(STATUSES)),
            st.sampled_from([0.0, 1.0]),
        ),
        st.tuples(st.booleans(), st.booleans(), st.booleans()),
    )


class Engine(RuleBasedStateMachine):
    """An engine of plain data, in which anything may happen at any time."""

    @initialize(start=starts(4))
    def begin(self, start: Start) -> None:
        self.start(start)

    def start(self, start: Start) -> None:
        n_places, n_settings, self.retries, flags = start
        self.decides, one_by_one, self.confirms_later = flags
        limits = Limits(n_places, self.retries, one_by_one=one_by_one, decides_steps=self.decides)
        self.scheduler = self.scheduler_of(limits, [range(n_settings)])
        self.n_places, self.one_by_one = n_places, one_by_one
        self.expected = set(range(n_settings))
        self.places: dict[int, ModelPlace] = {}
        self.accounted: Counter[int] = Counter()
        self.uncertain: list[Chunk] = []
        self.attempts: dict[int, int] = {}
        self.now = 0.0
        self.is_draining = self.is_closed = False
        self.carry_out(m.TimePassed())

    def scheduler_of(self, limits: Limits, work: list[range]) -> Scheduler:
        return Scheduler(limits, work)

    # ---- carrying out

    def carry_out(self, event: m.Event) -> None:
        for instruction in self.scheduler.handle(event, self.now):
            self.obey(instruction)

    def obey(self, instruction: m.Instruction) -> None:
        if isinstance(instruction, m.StartPlace):
            assert instruction.rank not in self.places
            assert 0 <= instruction.rank < self.n_places
            self.places[instruction.rank] = ModelPlace(instruction.share)
        elif isinstance(instruction, m.SendChunk):
            self.receive(self.places[instruction.rank], instruction.chunk)
        elif isinstance(instruction, m.RetirePlace):
            place = self.places[instruction.rank]
            assert place.is_ready
            assert place.chunk is None
            place.is_ready, place.is_retiring = False, True
        elif isinstance(instruction, m.AnswerStep):
            place = self.places[instruction.rank]
            assert place.step == instruction.index
            place.step = None
        else:
            self.accounted[instruction.index] += 1
            assert not self.retries.allows(instruction.status, instruction.attempt) or (
                instruction.status == "killed"
            )

    def receive(self, place: ModelPlace, chunk: Chunk) -> None:
        assert not self.is_draining
        assert place.is_ready
        assert place.chunk is None
        assert len(chunk)
        assert len(chunk) == 1 or not self.one_by_one or chunk.is_alone
        others = [one.chunk for one in self.places.values() if one.chunk]
        assert not any(index in one for one in others for index in chunk)
        assert not any(one.is_alone for one in others)
        if chunk.is_alone:
            assert not others
            assert not self.uncertain
        for index in chunk:
            assert chunk.attempt >= self.attempts.get(index, 1)
            assert chunk.attempt <= 1 + self.retries.most
            self.attempts[index] = chunk.attempt
        place.chunk, place.n_ended = chunk, 0

    def busy(self) -> list[int]:
        return [rank for rank, place in self.places.items() if place.chunk is not None]

    # ---- what may happen

    @rule(data=st.data())
    def a_place_becomes_ready_or_has_retired(self, data: st.DataObject) -> None:
        if waiting := [rank for rank, place in self.places.items() if not place.is_ready]:
            self.go_on_with(data.draw(st.sampled_from(waiting)))

    def go_on_with(self, rank: int) -> None:
        place = self.places[rank]
        if place.is_retiring:
            self.places.pop(rank)
            self.carry_out(m.PlaceGone(rank))
        else:
            place.is_ready = True
            self.carry_out(m.PlaceReady(rank))

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def settings_end(self, data: st.DataObject) -> None:
        rank = data.draw(st.sampled_from(self.busy()))
        place = self.places[rank]
        assert place.chunk is not None
        count = data.draw(st.integers(place.n_ended, len(place.chunk)))
        ended = place.chunk.split(count)[0].split(place.n_ended)[1]
        again = [
            index
            for index in ended
            if self.retries.allows("failed", place.chunk.attempt) and data.draw(st.booleans())
        ]
        self.end(rank, count, ended, again)
        if count == len(place.chunk) or data.draw(st.booleans()):
            place.chunk, place.step = None, None
            self.carry_out(m.ChunkOver(rank, data.draw(st.sampled_from([1e-4, 0.5]))))

    def end(self, rank: int, count: int, ended: Chunk, again: list[int]) -> None:
        place = self.places[rank]
        place.n_ended, place.step = count, None
        final = Chunk.of((i for i in ended if i not in again), ended.attempt)
        final = Chunk(final.ranges, final.attempt, ended.is_alone)
        if self.confirms_later and final:
            self.uncertain.append(final)
        else:
            self.accounted.update(final)
        is_certain = not (self.confirms_later and final)
        self.carry_out(m.SettingsEnded(rank, count, tuple(again), is_certain=is_certain))

    @precondition(lambda self: self.uncertain)
    @rule()
    def an_outcome_is_confirmed(self) -> None:
        chunk = self.uncertain.pop(0)
        self.accounted.update(chunk)
        self.carry_out(m.OutcomesConfirmed(len(chunk)))

    @precondition(lambda self: self.busy())
    @rule(data=st.data())
    def a_place_gives_back_its_rest(self, data: st.DataObject) -> None:
        rank = data.draw(st.sampled_from(self.busy()))
        place = self.places[rank]
        assert place.chunk is not None
        if unfinished := list(self.scheduler.unfinished(rank)):
            last = data.draw(st.sampled_from(unfinished))
            place.chunk = place.chunk.through(last)[0]
            self.carry_out(m.RestReturned(rank, last))

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def a_place_is_gone(self, data: st.DataObject, status: Status) -> None:
        rank = data.draw(st.sampled_from(self.busy()))
        unfinished = list(self.scheduler.unfinished(rank))
        self.places.pop(rank)
        culprit = data.draw(st.sampled_from([None, *unfinished]))
        begun = data.draw(st.one_of(st.none(), st.integers(0, len(unfinished))))
        is_blameless = data.draw(st.booleans())
        self.carry_out(m.PlaceGone(rank, culprit, status, begun, is_blameless=is_blameless))

    @rule()
    def all_places_are_gone(self) -> None:
        suspects = [*self.uncertain]
        for rank in self.busy():
            suspects.append(self.scheduler.unfinished(rank).split(1)[0])
        self.uncertain.clear()
        self.places.clear()
        self.carry_out(m.AllPlacesGone(suspects))

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), goes_on=st.booleans())
    def a_setting_makes_a_step(self, data: st.DataObject, goes_on: bool) -> None:
        rank = data.draw(st.sampled_from(self.busy()))
        if unfinished := list(self.scheduler.unfinished(rank)):
            self.places[rank].step = unfinished[0]
            self.carry_out(m.StepMade(rank, unfinished[0]))
            assert (self.places[rank].step is not None) == self.decides
            if self.decides:
                self.carry_out(m.StepDecided(rank, unfinished[0], goes_on))
                assert self.places[rank].step is None

    @precondition(lambda self: not self.is_closed)
    @rule(size=st.integers(0, 5))
    def work_is_added(self, size: int) -> None:
        start = max(self.expected, default=-1) + 1
        self.expected.update(range(start, start + size))
        self.carry_out(m.WorkAdded([range(start, start + size)]))

    @rule()
    def no_more_work_is_added(self) -> None:
        self.is_closed = True
        self.carry_out(m.NoMoreWork())

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.carry_out(m.TimePassed())

    @precondition(lambda self: self.now > 3.0)
    @rule()
    def the_run_is_drained(self) -> None:
        self.is_draining = True
        self.carry_out(m.Draining())

    # ---- what holds

    @invariant()
    def nothing_is_accounted_for_twice(self) -> None:
        if hasattr(self, "accounted"):
            assert all(count == 1 for count in self.accounted.values())
            assert set(self.accounted) <= self.expected

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "scheduler"):
            with_places = sum(len(self.scheduler.unfinished(rank)) for rank in self.places)
            unsafe = sum(map(len, self.uncertain))
            left = len(self.expected) - sum(self.accounted.values())
            assert self.scheduler.remaining + with_places + unsafe == left

    @invariant()
    def it_is_over_when_all_is_accounted_for(self) -> None:
        if hasattr(self, "scheduler") and self.scheduler.is_over and not self.is_draining:
            assert set(self.accounted) == self.expected
            assert self.is_closed

    def teardown(self) -> None:
        """From any state, a run whose places do their work ends."""
        if not hasattr(self, "scheduler"):
            return
        self.no_more_work_is_added()
        for _ in range(2000):
            if self.scheduler.is_over:
                break
            self.now += 10.0
            self.carry_out(m.TimePassed())
            self.do_all_work()
        assert self.scheduler.is_over
        if not self.is_draining:
            assert set(self.accounted) == self.expected
        self.nothing_is_accounted_for_twice()

    def do_all_work(self) -> None:
        for rank, place in list(self.places.items()):
            if place.chunk is not None:
                chunk = place.chunk
                self.end(rank, len(chunk), chunk.split(place.n_ended)[1], [])
                place.chunk = None
                self.carry_out(m.ChunkOver(rank, 0.01))
            elif not place.is_ready:
                self.go_on_with(rank)
        while self.uncertain:
            self.an_outcome_is_confirmed()


TestEngine = Engine.TestCase
TestEngine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def send(scheduler: Scheduler, *events: m.Event, now: float = 0.0) -> list[m.Instruction]:
    """What comes out of the last of these events."""
    instructions: list[m.Instruction] = []
    for event in events:
        instructions = scheduler.handle(event, now)
    return instructions


def test_as_many_places_start_as_there_is_work_for() -> None:
    scheduler = Scheduler(Limits(8), [range(3)])
    assert send(scheduler, m.TimePassed()) == [m.StartPlace(i) for i in range(3)]


def test_work_that_is_added_to_an_idle_run_is_handed_out_at_once() -> None:
    scheduler = Scheduler(Limits(1))
    assert send(scheduler, m.TimePassed()) == []
    assert send(scheduler, m.WorkAdded([range(7, 8)])) == [m.StartPlace(0)]
    assert send(scheduler, m.PlaceReady(0)) == [m.SendChunk(0, Chunk((range(7, 8),)))]
    send(scheduler, m.SettingsEnded(0, 1), m.ChunkOver(0, 0.1))
    assert not scheduler.is_over
    more = send(scheduler, m.WorkAdded([range(20, 21)]))
    assert more == [m.SendChunk(0, Chunk((range(20, 21),)))]
    send(scheduler, m.SettingsEnded(0, 1), m.ChunkOver(0, 0.1), m.NoMoreWork())
    assert scheduler.is_over


def test_another_attempt_waits_twice_as_long_each_time() -> None:
    retries = Retries(3, frozenset({"failed"}), wait=2.0)
    scheduler = Scheduler(Limits(1, retries), [range(1)])
    send(scheduler, m.NoMoreWork(), m.PlaceReady(0))
    now = 0.0
    for attempt, seconds in ((2, 2.0), (3, 4.0), (4, 8.0)):
        scheduler.handle(m.SettingsEnded(0, 1, again=(0,)), now)
        assert scheduler.handle(m.ChunkOver(0, 0.0), now) == []
        assert scheduler.next_due() == now + seconds
        assert scheduler.handle(m.TimePassed(), now + seconds - 0.1) == []
        now += seconds
        chunk = Chunk((range(1),), attempt)
        assert scheduler.handle(m.TimePassed(), now) == [m.SendChunk(0, chunk)]
    assert not retries.allows("failed", 4)


def test_the_rest_of_a_long_chunk_is_wanted_once_a_place_is_idle() -> None:
    scheduler = Scheduler(Limits(2), [range(20)])
    send(scheduler, m.TimePassed(), m.PlaceReady(0))
    assert not scheduler.wants_rest(0.0)
    send(scheduler, m.SettingsEnded(0, 1), m.ChunkOver(0, 1e-5))
    assert len(scheduler.unfinished(0)) > 1
    send(scheduler, m.PlaceReady(1))
    while scheduler.remaining:
        send(scheduler, m.SettingsEnded(1, len(scheduler.unfinished(1))), m.ChunkOver(1, 1e-5))
    send(scheduler, m.SettingsEnded(1, len(scheduler.unfinished(1))), m.ChunkOver(1, 1e-5))
    assert scheduler.wants_rest(0.0)
    first, *rest = scheduler.unfinished(0)
    assert send(scheduler, m.RestReturned(0, first)) == [m.SendChunk(1, Chunk.of(rest))]


def test_a_place_that_is_taken_away_three_times_is_no_chance() -> None:
    scheduler = Scheduler(Limits(1), [range(1)])
    for time in range(3):
        send(scheduler, m.TimePassed(), m.PlaceReady(0))
        lost = send(scheduler, m.PlaceGone(0, is_blameless=True))
        assert (m.RecordLoss(0, 0, 1, "killed") in lost) is (time == 2)


def test_what_ended_all_places_runs_alone_in_a_new_place() -> None:
    scheduler = Scheduler(Limits(2), [range(3)])
    send(scheduler, m.TimePassed(), m.PlaceReady(0), m.PlaceReady(1))
    suspects = [Chunk((range(1),)), Chunk((range(1, 2),))]
    assert send(scheduler, m.AllPlacesGone(suspects)) == [m.StartPlace(0)]
    (sent,) = send(scheduler, m.PlaceReady(0))
    assert sent == m.SendChunk(0, Chunk((range(2, 3),)))  # what nobody suspects comes first
    assert send(scheduler, m.SettingsEnded(0, 1), m.ChunkOver(0, 0.1)) == [m.RetirePlace(0)]
    assert send(scheduler, m.PlaceGone(0)) == [m.StartPlace(0)]
    (sent,) = send(scheduler, m.PlaceReady(0))
    assert isinstance(sent, m.SendChunk)
    assert sent.chunk.is_alone
    lost = send(scheduler, m.AllPlacesGone([sent.chunk]))
    assert m.RecordLoss(None, 0, 1, "killed") in lost


def test_no_other_object_is_an_event() -> None:
    with pytest.raises(TypeError, match="is no event"):
        Scheduler(Limits(1)).handle("ready", 0.0)  # type: ignore[arg-type]


def test_a_million_events_of_two_places_are_quick() -> None:
    """No step of it looks at all settings."""
    scheduler = Scheduler(Limits(2), [range(10**9)])
    send(scheduler, m.TimePassed(), m.PlaceReady(0), m.PlaceReady(1))
    for _ in range(2000):
        for rank in (0, 1):
            size = len(scheduler.unfinished(rank))
            send(scheduler, m.SettingsEnded(rank, size), m.ChunkOver(rank, size * 1e-5))
    assert scheduler.remaining > 10**9 - 10**8
