"""Settings of different needs on one machine: the sum of what runs is never more than there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant

from superparams import Resources
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.machine import Machine, MachineShare
from superparams.executor.scheduler.sharing_scheduler import SharingScheduler
from tests.executor.test_state_machine import Engine, ModelPlace, Start, send, starts

MACHINE = Machine(4, 8 * 10**9, ("0", "1", "2"))
NEEDS = [
    Resources(),
    Resources(cpus=1),
    Resources(cpus=3),
    Resources(cpus=4, memory="8GB"),
    Resources(gpus=1),
    Resources(gpus=2, memory="3GB"),
    Resources(gpus=0.5, cpus=1),
    Resources(gpus=0.3),
    Resources(gpus=0),
    Resources(memory="5GB"),
]


class Pattern:
    """The needs of settings, which come again and again."""

    def __init__(self, needs: Sequence[Resources]) -> None:
        self._needs = needs

    def at(self, index: int) -> Resources:
        return self._needs[index % len(self._needs)]

    def split(self, ranges: Sequence[range]) -> Mapping[Resources, Sequence[range]]:
        found: defaultdict[Resources, list[range]] = defaultdict(list)
        for index in (index for part in ranges for index in part):
            found[self.at(index)].append(range(index, index + 1))
        return found


def check_sums(machine: Machine, shares: Sequence[MachineShare]) -> None:
    """No processor, byte or device is given out twice."""
    assert sum(one.need.cpus or 0 for one in shares) <= machine.cpus
    assert sum(one.need.memory or 0 for one in shares) <= machine.memory
    load = dict.fromkeys(machine.devices, 0.0)
    for one in shares:
        gpus = one.need.gpus
        assert (one.devices is None) == (gpus is None)
        assert len(set(one.devices or ())) == len(one.devices or ())
        assert len(one.devices or ()) == (1 if gpus and gpus < 1 else gpus or 0)
        for name in one.devices or ():
            load[name] += min(1, gpus or 0)
    assert all(part <= 1.001 for part in load.values())


class SharedMachine(Engine):
    """An engine whose places share a machine; see `Engine`."""

    @initialize(start=starts(5), needs=st.lists(st.sampled_from(NEEDS), min_size=1, max_size=4))
    def begin_sharing(self, start: Start, needs: list[Resources]) -> None:
        self.needs = Pattern(needs)
        self.start(start)

    begin = None  # type: ignore[assignment]  # the rule of `Engine`, which has no needs

    def scheduler_of(self, limits: Limits, work: list[range]) -> SharingScheduler:
        limits.sharing = self.needs, MACHINE
        return SharingScheduler(limits, work)

    def receive(self, place: ModelPlace, chunk: Chunk) -> None:
        super().receive(place, chunk)
        assert place.share is not None
        assert all(self.needs.at(index) == place.share.need for index in chunk)

    @invariant()
    def the_machine_is_large_enough(self) -> None:
        shares = [one.share for one in getattr(self, "places", {}).values()]
        check_sums(MACHINE, [one for one in shares if one is not None])


TestSharedMachine = SharedMachine.TestCase
TestSharedMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(needs=st.lists(st.sampled_from(NEEDS), max_size=12))
def test_shares_are_given_while_they_fit_and_no_longer(needs: list[Resources]) -> None:
    taken: list[MachineShare] = []
    for need in needs:
        share = MACHINE.share(need, taken)
        if share is not None:
            taken.append(share)
            check_sums(MACHINE, taken)
    for need in NEEDS:
        alone: list[MachineShare] = []
        while len(alone) < 20 and (share := MACHINE.share(need, alone)) is not None:
            alone.append(share)
        assert len(alone) == min(20, MACHINE.capacity(need))


def test_settings_share_a_device_before_another_one_is_begun() -> None:
    half, whole = Resources(gpus=0.5), Resources(gpus=2)
    first = MACHINE.share(half, ())
    assert first == MachineShare(half, ("0",))
    assert MACHINE.share(half, [first]) == first
    assert MACHINE.share(half, [first, first]) == MachineShare(half, ("1",))
    assert MACHINE.share(whole, [first]) == MachineShare(whole, ("1", "2"))


@pytest.mark.parametrize(
    ("need", "name"),
    [
        (Resources(cpus=5), "cpus"),
        (Resources(cpus=4, gpus=4), "gpus"),
        (Resources(memory="9GB"), "memory"),
        (Resources(nodes=2), "nodes"),
        (Resources(tasks=2, gpus=0.1), "tasks"),
        (Resources(cpus=4, gpus=3, memory="8GB"), None),
    ],
)
def test_what_a_machine_lacks(need: Resources, name: str | None) -> None:
    assert MACHINE.shortage(need) == name
    assert (MACHINE.capacity(need) < 1) == (name in ("cpus", "gpus", "memory"))


def sharing(n_places: int, *needs: Resources, n: int = 8, one_by_one: bool = False) -> _Run:
    limits = Limits(n_places, one_by_one=one_by_one, sharing=(Pattern(needs), MACHINE))
    return _Run(SharingScheduler(limits, [range(n)]))


class _Run:
    """Places that get ready and end settings when a test says so."""

    def __init__(self, scheduler: SharingScheduler) -> None:
        self.scheduler = scheduler
        self.order: list[int] = []
        self.running: dict[int, int] = {}
        self.shares: dict[int, MachineShare] = {}
        self.tell(m.NoMoreWork())

    def tell(self, event: m.Event) -> None:
        for one in send(self.scheduler, event):
            if isinstance(one, m.StartPlace):
                assert one.share is not None
                self.shares[one.rank] = one.share
                self.tell(m.PlaceReady(one.rank))
            elif isinstance(one, m.RetirePlace):
                del self.shares[one.rank]
                self.tell(m.PlaceGone(one.rank))
            elif isinstance(one, m.SendChunk):
                (index,) = one.chunk
                self.order.append(index)
                self.running[index] = one.rank

    def end(self, index: int) -> None:
        rank = self.running.pop(index)
        self.tell(m.SettingsEnded(rank, 1))
        self.tell(m.ChunkOver(rank, 1.0))

    def end_all(self, choose: Callable[[list[int]], int]) -> None:
        while self.running:
            self.end(choose(sorted(self.running)))
        assert self.scheduler.is_over


def test_large_needs_come_first_and_small_ones_fill_the_rest() -> None:
    run = sharing(8, Resources(cpus=1), Resources(cpus=3))
    assert sorted(run.running) == [0, 1]  # 1 + 3 of 4 processors
    run.end(1)
    assert sorted(run.running) == [0, 3]
    run.end_all(max)
    assert run.order.index(7) < run.order.index(4)
    assert sorted(run.order) == list(range(8))


def test_an_idle_place_makes_room_for_another_need() -> None:
    run = sharing(8, *[Resources(cpus=4)] * 2, *[Resources(cpus=2)] * 3, n=5)
    assert run.order == [0]
    run.end(0)
    run.end(1)
    assert sorted(run.running) == [2, 3]
    run.end(2)
    assert sorted(run.running) == [3, 4]
    run.end_all(min)


def test_places_that_are_needed_by_no_other_stay() -> None:
    run = sharing(3, Resources(gpus=1), Resources(), Resources(), n=3)
    assert len(run.shares) == 3
    run.end(0)
    assert len(run.shares) == 3
    run.end_all(min)


@pytest.mark.parametrize("choose", [min, max])
def test_single_settings_begin_in_order(choose: Callable[[list[int]], int]) -> None:
    """A large one is not overtaken for ever by small ones, though these would find room."""
    run = sharing(4, Resources(cpus=1), Resources(cpus=4), n=8, one_by_one=True)
    assert run.order == [0]
    run.end_all(choose)
    assert run.order == list(range(8))


def test_a_setting_that_runs_alone_does_so_in_a_place_for_its_need() -> None:
    needs = Pattern([Resources(cpus=2), Resources(cpus=1), Resources(cpus=1)])
    scheduler = SharingScheduler(Limits(3, sharing=(needs, MACHINE)), [range(3)])
    send(scheduler, m.NoMoreWork(), m.PlaceReady(0))
    started = send(scheduler, m.AllPlacesGone([Chunk((range(1),))]))
    assert started == [m.StartPlace(rank, MachineShare(Resources(cpus=1))) for rank in (0, 1)]
    for event in (m.PlaceReady(0), m.SettingsEnded(0, 1), m.ChunkOver(0, 1.0), m.PlaceReady(1)):
        send(scheduler, event)
    ended = send(scheduler, m.SettingsEnded(0, 1), m.ChunkOver(0, 1.0))
    assert ended == [m.RetirePlace(0), m.RetirePlace(1)]
    gone = send(scheduler, m.PlaceGone(0), m.PlaceGone(1))
    assert gone == [m.StartPlace(0, MachineShare(Resources(cpus=2)))]
    (sent,) = send(scheduler, m.PlaceReady(0))
    assert sent == m.SendChunk(0, Chunk((range(1),), is_alone=True))
