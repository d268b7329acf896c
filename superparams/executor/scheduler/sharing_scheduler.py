"""A scheduler whose places get shares of machines: settings run as far as there is room."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from superparams.declare.resources import Resources
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.grouped_backlog import GroupedBacklog
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.machine import MachineShare
from superparams.executor.scheduler.machines import Machines
from superparams.executor.scheduler.pace import Pace
from superparams.executor.scheduler.place_state import PlaceRecord, PlaceState
from superparams.executor.scheduler.state_machine import Scheduler
from superparams.executor.scheduler.step_decisions import JudgingScheduler

__all__ = ["JudgingSharingScheduler", "SharingScheduler"]


class SharingScheduler(Scheduler):
    """Starts each place with a share of a machine, for settings that need just this share.

    Settings are grouped by what they need. The group whose settings take the largest part of the
    machines comes first, and the others get the room that it leaves. An idle place is retired when
    another group has settings and no room. If chunks are single settings, these begin in order
    instead: one that has no room keeps later ones waiting. So the first unfinished setting always
    has a place, or gets the next one. Settings that no machine has enough for wait for one that
    has, and settings that are to run alone do not wait for them.

    Args:
        limits: The limits of the scheduler; `sharing` has the needs, and the machine if there is
            only one. Otherwise `MachineReady` tells of machines as they come.
        work: Ranges of indices to run; see `Scheduler`.
    """

    _backlog: GroupedBacklog

    def __init__(self, limits: Limits, work: Sequence[range] = ()) -> None:
        assert limits.sharing is not None
        self._needs, machine = limits.sharing
        self._machines = Machines()
        if machine is not None:
            self._machines.add("", machine)
        self._paces: defaultdict[Resources, Pace] = defaultdict(lambda: Pace(limits.chunk_seconds))
        super().__init__(limits, work)

    def _new_backlog(self, work: Sequence[range]) -> GroupedBacklog:
        return GroupedBacklog(self._needs, work)

    def _take(self, event: m.Event) -> None:
        match event:
            case m.MachineReady():
                self._machines.add(event.key, event.machine, event.most_places)
            case m.MachineGone():
                self._machines.remove(event.key)
            case _:
                super()._take(event)

    def _pace_of(self, place: PlaceRecord) -> Pace:
        return self._paces[_need_of(place)]

    def unmet(self) -> list[Resources]:
        """The needs of settings that wait for a machine."""
        if self._is_draining:
            return []
        waiting = [need for need in self._backlog if self._backlog.of(need).remaining]
        return [need for need in waiting if not self._machines.can_meet(need)]

    def wants_rest(self, now: float) -> bool:
        """Whether places should give back what they have not begun: a place is free for it."""
        if self._is_draining:
            return True
        needs = {_need_of(self._places[rank]) for rank in self.busy()}
        idle = [need for need in needs if not self._backlog.of(need).n_ready(now)]
        return any(self._ranks_of(need, PlaceState.IDLE) or self._room(need) for need in idle)

    def _ranks_of(self, need: Resources, *states: PlaceState) -> list[int]:
        """The ranks of the places for a need in one of these states."""
        return [
            rank
            for rank, place in self._places.items()
            if place.state in states and _need_of(place) == need
        ]

    def _shares(self) -> list[MachineShare]:
        return [place.share for place in self._places.values() if place.share is not None]

    def _room(self, need: Resources) -> MachineShare | None:
        """The share of one more place for a need; None if there is no room."""
        if len(self._places) >= self.limits.n_places:
            return None
        return self._machines.share(need, self._shares())

    # ---- handing out

    def _hand_out(self) -> None:
        if self._is_draining or self._runs_alone():
            return
        ready = self._ready() if self._backlog.n_ready(self._now) else {}
        without_room: Counter[Resources] = Counter()
        for need, count in ready.items():
            without_room[need] = self._serve(need, count)
        self._make_room(+without_room)
        if not any(map(self._machines.can_meet, ready)) and not self.busy():
            self._hand_out_alone()

    def _ready(self) -> dict[Resources, int]:
        """The number of settings of each need that may begin now, if there is room."""
        if self.limits.one_by_one:
            return self._ready_in_order()
        ready = {need: self._backlog.of(need).n_ready(self._now) for need in self._backlog}
        largest_first = sorted(ready, key=self._machines.size, reverse=True)
        return {need: ready[need] for need in largest_first if ready[need]}

    def _ready_in_order(self) -> dict[Resources, int]:
        """The same for settings that begin in order: up to the first setting without room."""
        states = PlaceState.IDLE, PlaceState.STARTING
        free = Counter({need: len(self._ranks_of(need, *states)) for need in self._backlog})
        shares, ready = self._shares(), Counter[Resources]()
        most = self.limits.n_places - len(self._places)
        for need in self._in_order():
            ready[need] += 1
            if ready[need] > free[need]:
                share = self._machines.share(need, shares) if most else None
                if share is None:
                    break
                shares.append(share)
                most -= 1
        return dict(ready)

    def _in_order(self) -> list[Resources]:
        """The needs of the settings that begin next: new ones by index, then further attempts."""
        most = self.limits.n_places + 1
        new: list[tuple[int, Resources]] = []
        to_retry: list[Resources] = []
        for need in self._backlog:
            backlog = self._backlog.of(need)
            first = backlog.first(most)
            new += [(index, need) for index in first]
            n_again = backlog.n_ready(self._now) - len(first)
            to_retry += [need] * (min(n_again, most) if len(first) < most else 0)
        return [need for _, need in sorted(new, key=lambda indexed: indexed[0])] + to_retry

    def _serve(self, need: Resources, count: int) -> int:
        """Hand out at most `count` settings of a need, and start places for the rest.

        Returns:
            For how many of them there was no room.
        """
        idle = self._ranks_of(need, PlaceState.IDLE)
        missing = count - len(idle) - len(self._ranks_of(need, PlaceState.STARTING))
        missing = min(missing, self.limits.n_places)
        while missing > 0 and (share := self._room(need)) is not None:
            self._start(self._free_rank(), share)
            missing -= 1
        for rank in idle[:count]:
            chunk = self._backlog.of(need).take(self._size_for(need), self._now)
            if chunk is None:
                break
            self._send(rank, chunk)
        return max(0, missing)

    def _free_rank(self) -> int:
        return next(r for r in range(self.limits.n_places) if r not in self._places)

    def _size_for(self, need: Resources) -> int:
        if self.limits.one_by_one:
            return 1
        states = PlaceState.IDLE, PlaceState.BUSY, PlaceState.STARTING
        n_places = len(self._ranks_of(need, *states))
        return self._paces[need].size(self._backlog.of(need).n_ready(self._now), n_places)

    def _make_room(self, without_room: Counter[Resources]) -> None:
        """Retire idle places, as far as that makes room for settings that have none."""
        idle: list[int] = self._in_state(PlaceState.IDLE)
        leaving = set(self._in_state(PlaceState.RETIRING))
        arriving: list[MachineShare] = []
        for need, count in without_room.items():
            for _ in range(count):
                if not idle:
                    return
                retiring, share = self._room_without(idle, leaving, need, arriving)
                if share is None:
                    # Running settings occupy the room. Other idle places stay for this need.
                    able = set(self._machines.able(need))
                    idle = [rank for rank in idle if self._machine_of(rank) not in able]
                    break
                arriving.append(share)
                leaving.update(retiring)
                idle = [rank for rank in idle if rank not in leaving]
                for rank in retiring:
                    self._retire(rank)

    def _room_without(
        self, idle: list[int], leaving: set[int], need: Resources, arriving: Sequence[MachineShare]
    ) -> tuple[list[int], MachineShare | None]:
        """The fewest idle places without which there is room, and the share that fits then."""
        none: tuple[list[int], MachineShare | None] = [], None
        candidates: list[tuple[list[int], MachineShare | None]] = []
        for key in self._machines.able(need):
            ranks = sorted(idle, key=lambda rank: self._machine_of(rank) != key)
            for count in range(len(ranks) + 1):
                without = leaving.union(ranks[:count])
                if (share := self._share_without(without, need, arriving, key)) is not None:
                    candidates.append((ranks[:count], share))
                    break
        return min(candidates, key=lambda candidate: len(candidate[0]), default=none)

    def _machine_of(self, rank: int) -> str:
        share = self._places[rank].share
        return "" if share is None else share.machine

    def _share_without(
        self, leaving: set[int], need: Resources, arriving: Sequence[MachineShare], key: str
    ) -> MachineShare | None:
        """The share of a machine, once some places are gone and others have come."""
        staying = [place for rank, place in self._places.items() if rank not in leaving]
        if len(staying) + len(arriving) >= self.limits.n_places:
            return None
        shares = [place.share for place in staying if place.share is not None]
        return self._machines.share(need, [*shares, *arriving], key)

    def _hand_out_alone(self) -> None:
        """One chunk to a new place of its need, while there is no other place."""
        need = next(filter(self._machines.can_meet, self._backlog.needs_alone()), None)
        if need is None or self._n_uncertain:
            return
        places = self._places.items()
        old = [rank for rank, place in places if place.is_used or _need_of(place) != need]
        for rank in old:
            if self._places[rank].state is PlaceState.IDLE:
                self._retire(rank)
        if old:
            return
        if not self._places and (share := self._machines.share(need, ())) is not None:
            self._start(0, share)
        for rank in self._in_state(PlaceState.IDLE)[:1]:
            chunk = self._backlog.of(need).take_alone()
            assert chunk is not None
            self._send(rank, chunk)


class JudgingSharingScheduler(JudgingScheduler, SharingScheduler):
    """Shares machines, and has a judge decide at steps.

    If all places wait at steps, they may wait for a setting whose machine has left. Settings that
    wait use no processor, so that setting finds room beside those that need only processors.
    """

    _are_stuck = False  # whether all places wait, once the judge has decided what it can

    def handle(self, event: m.Event, now: float) -> list[m.Instruction]:
        """Do the same as `JudgingScheduler`, and make room if all places wait afterwards."""
        instructions = super().handle(event, now)
        if self._all_wait():
            self._are_stuck = True
            instructions += super().handle(m.TimePassed(), now)
            self._are_stuck = False
        return instructions

    def _shares(self) -> list[MachineShare]:
        shares = super()._shares()
        if not (self._are_stuck and self._all_wait()):
            return shares
        return [share for share in shares if share.need.gpus or share.need.memory]

    def _all_wait(self) -> bool:
        return bool(self._places) and len(self.held()) == len(self._places)

    def unmet(self) -> list[Resources]:
        """See `SharingScheduler.unmet`; also the next need, if all places wait for it."""
        stuck = self._in_order()[:1] if self._all_wait() and not self._is_draining else []
        return list(dict.fromkeys([*super().unmet(), *stuck]))


def _need_of(place: PlaceRecord) -> Resources:
    assert place.share is not None
    return place.share.need
