"""Settings of different needs on machines that come and go, as on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from superparams import Resources
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.machine import Machine, MachineShare
from superparams.executor.scheduler.machines import Machines
from superparams.executor.scheduler.sharing_scheduler import SharingScheduler
from superparams.executor.scheduler.state_machine import Scheduler
from tests.executor.test_sharing_scheduler import Pattern, SharedMachine, check_sums
from tests.executor.test_state_machine import Start, send, starts

GB = 10**9
MACHINES = {
    "large": (Machine(4, 8 * GB, ("0", "1")), 4),
    "small": (Machine(1, 4 * GB), 1),
    "other": (Machine(2, 2 * GB, ("0",)), 3),
}
NEEDS = [
    Resources(),
    Resources(cpus=1),
    Resources(cpus=2),
    Resources(cpus=3),
    Resources(gpus=1),
    Resources(gpus=2, memory="3GB"),
    Resources(gpus=0.5, cpus=1),
    Resources(gpus=0),
    Resources(memory="4GB"),
]


class ComingAndGoing(SharedMachine):
    """An engine whose machines come and go; see `SharedMachine`."""

    @initialize(start=starts(7), needs=st.lists(st.sampled_from(NEEDS), min_size=1, max_size=4))
    def begin_with_no_machine(self, start: Start, needs: list[Resources]) -> None:
        self.needs = Pattern(needs)
        self.there: set[str] = set()
        self.start(start)

    begin_sharing = None  # type: ignore[assignment]  # the rule of `SharedMachine`, which has one

    def scheduler_of(self, limits: Limits, work: list[range]) -> SharingScheduler:
        limits.sharing = self.needs, None
        return SharingScheduler(limits, work)

    def obey(self, instruction: m.Instruction) -> None:
        if isinstance(instruction, m.StartPlace):
            assert instruction.share is not None
            assert instruction.share.machine in self.there
        super().obey(instruction)

    @precondition(lambda self: len(self.there) < len(MACHINES))
    @rule(data=st.data())
    def a_machine_joins(self, data: st.DataObject) -> None:
        self.add(data.draw(st.sampled_from(sorted(MACHINES.keys() - self.there))))

    def add(self, key: str) -> None:
        self.there.add(key)
        self.carry_out(m.MachineReady(key, *MACHINES[key]))

    @precondition(lambda self: self.there)
    @rule(data=st.data())
    def a_machine_leaves(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.there)))
        self.there.remove(key)
        self.carry_out(m.MachineGone(key))
        losses = self.scheduler._blameless_losses.copy()
        places = list(self.places.items())
        ranks = [r for r, one in places if one.share and one.share.machine == key]
        for rank in sorted(ranks, key=lambda rank: bool(self.scheduler.unfinished(rank))):
            del self.places[rank]
            self.carry_out(m.PlaceGone(rank, is_blameless=True))
        more = self.scheduler._blameless_losses - losses
        assert set(more.values()) <= {1}, "one machine is one loss"

    @invariant()
    def the_machine_is_large_enough(self) -> None:
        for key in getattr(self, "there", ()):
            machine, most = MACHINES[key]
            shares = [one.share for one in self.places.values() if one.share is not None]
            own = [one for one in shares if one.machine == key]
            check_sums(machine, own)
            assert len(own) <= most

    def teardown(self) -> None:
        """Once all machines are there, a run ends."""
        if hasattr(self, "scheduler"):
            for key in sorted(MACHINES.keys() - self.there):
                self.add(key)
        super().teardown()


TestComingAndGoing = ComingAndGoing.TestCase
TestComingAndGoing.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def machines(**of: tuple[Machine, int | None]) -> Machines:
    found = Machines()
    for key, (machine, most) in of.items():
        found.add(key, machine, most)
    return found


def started(instructions: Sequence[m.Instruction]) -> list[tuple[str, tuple[str, ...] | None]]:
    """The machine and the devices of each place that is to start."""
    shares = [one.share for one in instructions if isinstance(one, m.StartPlace)]
    return [(one.machine, one.devices) for one in shares if one is not None]


def sharing(n_places: int, *needs: Resources, n: int) -> SharingScheduler:
    scheduler = SharingScheduler(Limits(n_places, sharing=(Pattern(needs), None)), [range(n)])
    assert send(scheduler, m.NoMoreWork()) == []
    return scheduler


def test_a_share_is_of_one_machine_and_counts_what_is_taken_there_alone() -> None:
    two = machines(a=(Machine(2, GB), 2), b=(Machine(3, GB), 3))
    need = Resources(cpus=2)
    first = two.share(need, ())
    assert first == MachineShare(need, machine="a"), "b keeps room for more"
    second = two.share(need, [first])
    assert second == MachineShare(need, machine="b")
    assert two.share(need, [first, second]) is None
    assert two.share(Resources(cpus=1), [first, second]) == MachineShare(Resources(cpus=1)).of("b")
    assert two.share(Resources(cpus=4), ()) is None
    assert two.capacity(need) == 2


def test_equal_names_of_devices_on_two_machines_are_two_devices() -> None:
    two = machines(a=(Machine(2, GB, ("0",)), 2), b=(Machine(2, GB, ("0",)), 2))
    scheduler = sharing(4, Resources(gpus=1), n=3)
    ready = [m.MachineReady(key, Machine(2, GB, ("0",)), 2) for key in "ab"]
    assert started(send(scheduler, ready[0])) == [("a", ("0",))]
    assert started(send(scheduler, ready[1])) == [("b", ("0",))]
    assert two.capacity(Resources(gpus=1)) == 2


def test_what_needs_no_device_leaves_them_to_others() -> None:
    both = machines(gpus=(Machine(1, GB, ("0",)), 1), cpus=(Machine(8, GB), 8))
    share = both.share(Resources(cpus=1), ())
    assert share is not None
    assert share.machine == "cpus"
    only = machines(gpus=(Machine(1, GB, ("0",)), 1))
    assert only.share(Resources(cpus=1), ()) is not None


def test_a_machine_gets_no_more_places_than_it_may_have() -> None:
    """A need that counts nothing would find room for ever."""
    scheduler = sharing(9, Resources(timeout=5), n=9)
    assert started(send(scheduler, m.MachineReady("a", Machine(2, GB), 2))) == 2 * [("a", None)]
    assert started(send(scheduler, m.MachineReady("b", Machine(3, GB), 3))) == 3 * [("b", None)]


def test_settings_wait_for_a_machine_that_has_what_they_need() -> None:
    scheduler = sharing(4, Resources(cpus=1), Resources(gpus=1), n=2)
    assert started(send(scheduler, m.MachineReady("a", Machine(1, GB), 1))) == [("a", None)]
    send(scheduler, m.PlaceReady(0), m.SettingsEnded(0, 1))
    assert send(scheduler, m.ChunkOver(0, 1.0)) == []
    assert not scheduler.is_over
    begun = send(scheduler, m.MachineReady("b", Machine(1, GB, ("7",)), 1))
    assert started(begun) == [("b", ("7",))]
    for event in (m.PlaceReady(1), m.SettingsEnded(1, 1), m.ChunkOver(1, 1.0)):
        send(scheduler, event)
    assert scheduler.is_over


def test_a_need_that_waits_for_a_machine_keeps_no_room_of_others() -> None:
    """An idle place makes room for the second need, though the first one has no machine at all."""
    needs = Resources(gpus=9), Resources(cpus=2), Resources(cpus=1)
    scheduler = SharingScheduler(Limits(4, sharing=(Pattern(needs), None)), [range(2, 3)])
    send(scheduler, m.MachineReady("a", Machine(2, GB), 2))
    send(scheduler, m.PlaceReady(0), m.SettingsEnded(0, 1), m.ChunkOver(0, 1.0))
    assert send(scheduler, m.WorkAdded([range(2)])) == [m.RetirePlace(0)]
    assert started(send(scheduler, m.PlaceGone(0))) == [("a", None)]


def test_an_idle_place_elsewhere_is_retired_only_if_that_helps() -> None:
    one, two = Resources(cpus=1), Resources(cpus=2)
    scheduler = SharingScheduler(Limits(4, sharing=(Pattern([one, one, two, two]), None)))
    a, b = (m.MachineReady(key, Machine(2, GB), 2) for key in "ab")
    send(scheduler, a, b)
    assert started(send(scheduler, m.WorkAdded([range(2)]))) == 2 * [("a", None)]
    send(scheduler, m.PlaceReady(0), m.PlaceReady(1))
    assert started(send(scheduler, m.WorkAdded([range(2, 3)]))) == [("b", None)]
    send(scheduler, m.SettingsEnded(0, 1), m.ChunkOver(0, 1.0))
    assert send(scheduler, m.WorkAdded([range(3, 4)])) == [], "the other one on its machine runs"
    send(scheduler, m.SettingsEnded(1, 1))
    assert send(scheduler, m.ChunkOver(1, 1.0)) == [m.RetirePlace(0), m.RetirePlace(1)]


@pytest.mark.parametrize("is_last", [False, True])
def test_a_setting_that_runs_alone_waits_for_a_machine(is_last: bool) -> None:
    """All places of the first machine have ended at once, and then it leaves."""
    scheduler = sharing(2, Resources(cpus=1), n=1 if is_last else 2)
    send(scheduler, m.MachineReady("a", Machine(1, GB), 1), m.PlaceReady(0))
    send(scheduler, m.MachineGone("a"))
    assert send(scheduler, m.AllPlacesGone([Chunk((range(1),))])) == []
    begun = send(scheduler, m.MachineReady("b", Machine(1, GB), 1))
    assert started(begun) == [("b", None)]


class CountedMachines(Machines):
    """Counts how often a share was looked for."""

    n_looks = 0

    def share(
        self, need: Resources, shares_in_use: Iterable[MachineShare], only: str | None = None
    ) -> MachineShare | None:
        self.n_looks += 1
        return super().share(need, shares_in_use, only)


def test_what_has_no_room_is_looked_for_once_an_event() -> None:
    """Not once for each setting and each place: a driver of 128 workers has many events."""
    n, device, plain = 32, Resources(cpus=1, gpus=1), Resources(cpus=1)
    needs = Pattern([*[device] * 100, *[plain] * n])
    scheduler = SharingScheduler(Limits(2 * n, sharing=(needs, None)))
    names = tuple(map(str, range(n)))
    with_devices, other = Machine(n, GB, names), Machine(n, GB)
    send(scheduler, m.MachineReady("a", with_devices, n), m.MachineReady("b", other, n))
    begun = send(scheduler, m.WorkAdded([range(100 + n)]))
    assert len(started(begun)) == 2 * n
    idle = [
        one.rank
        for one in begun
        if isinstance(one, m.StartPlace) and one.share is not None and one.share.machine == "b"
    ]
    send(scheduler, *[m.PlaceReady(rank) for rank in range(2 * n)])
    for rank in idle:
        send(scheduler, m.SettingsEnded(rank, 1), m.ChunkOver(rank, 1.0))
    counted = scheduler._machines = CountedMachines()
    counted.add("a", with_devices, n)
    counted.add("b", other, n)
    assert send(scheduler, m.TimePassed()) == []
    assert counted.n_looks <= 3 * n


def test_what_waits_for_a_machine_does_not_keep_another_setting_from_running_alone() -> None:
    """A worker was killed between two settings; another need has no machine."""
    scheduler = sharing(2, Resources(cpus=1), Resources(gpus=1), n=2)
    send(scheduler, m.MachineReady("a", Machine(1, GB), 1), m.PlaceReady(0))
    assert started(send(scheduler, m.PlaceGone(0, begun=1))) == [("a", None)]
    (sent,) = send(scheduler, m.PlaceReady(0))
    assert sent == m.SendChunk(0, Chunk((range(1),), is_alone=True))
    with_device = Machine(1, GB, ("0",))
    assert send(scheduler, m.MachineReady("b", with_device, 1)) == [], "nothing runs beside it"
    send(scheduler, m.SettingsEnded(0, 1))
    assert started(send(scheduler, m.ChunkOver(0, 1.0))) == [("b", ("0",))]


def test_of_settings_that_run_alone_those_come_first_that_have_a_machine() -> None:
    scheduler = sharing(2, Resources(gpus=1), Resources(cpus=1), n=2)
    both = m.MachineReady("a", Machine(2, GB, ("0",)), 2)
    send(scheduler, both, m.PlaceReady(0), m.PlaceReady(1), m.MachineGone("a"))
    suspects = [Chunk((range(index, index + 1),)) for index in range(2)]
    assert send(scheduler, m.AllPlacesGone(suspects)) == []
    assert started(send(scheduler, m.MachineReady("b", Machine(1, GB), 1))) == [("b", None)]


def test_nothing_runs_beside_a_setting_that_runs_alone() -> None:
    """Not even settings that are added meanwhile."""
    scheduler = Scheduler(Limits(2), [range(1)])
    send(scheduler, m.PlaceReady(0), m.PlaceGone(0, begun=1))
    (sent,) = send(scheduler, m.PlaceReady(0))
    assert sent == m.SendChunk(0, Chunk((range(1),), is_alone=True))
    assert send(scheduler, m.WorkAdded([range(1, 2)])) == []
    send(scheduler, m.SettingsEnded(0, 1))
    (sent,) = send(scheduler, m.ChunkOver(0, 1.0))
    assert sent == m.SendChunk(0, Chunk((range(1, 2),)))
