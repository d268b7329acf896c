"""The machines of a run, which come and go, and the shares of them that places get."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from superparams.declare.resources import Resources
from superparams.executor.scheduler.machine import Machine, MachineShare

__all__ = ["Machines"]


class _Member(NamedTuple):
    """A machine, and the number of places that it may have; None for no limit."""

    machine: Machine
    most_places: int | None

    def capacity(self, need: Resources) -> float:
        count = self.machine.capacity(need)
        return count if self.most_places is None else min(count, self.most_places)

    def share(self, need: Resources, shares_in_use: list[MachineShare]) -> MachineShare | None:
        if self.most_places is not None and len(shares_in_use) >= self.most_places:
            return None
        return self.machine.share(need, shares_in_use)


class Machines:
    """The machines whose resources the places of a run share.

    A share is of one machine. It is of the fullest machine that has room, so that others keep
    room for larger needs, and a need without devices goes to one with few devices.
    """

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}

    def add(self, key: str, machine: Machine, most_places: int | None = None) -> None:
        """Add a machine, or replace what is known of it.

        Args:
            key: Identifies it.
            machine: What it has.
            most_places: The number of places that it may have; None for no limit.
        """
        self._members[key] = _Member(machine, most_places)

    def remove(self, key: str) -> None:
        """Remove a machine: no more places start there."""
        self._members.pop(key, None)

    def capacity(self, need: Resources) -> float:
        """How many settings of this need fit at once; infinite if the need counts nothing."""
        return sum(member.capacity(need) for member in self._members.values())

    def size(self, need: Resources) -> float:
        """The largest part of all machines that a setting takes, from 0 to 1."""
        return 1 / max(self.capacity(need), 1)

    def able(self, need: Resources) -> Iterator[str]:
        """The keys of the machines that have what a setting needs, if nothing else runs there."""
        yield from (key for key, member in self._members.items() if member.capacity(need) >= 1)

    def can_meet(self, need: Resources) -> bool:
        """Whether some machine has what a setting needs, if nothing else runs there."""
        return next(self.able(need), None) is not None

    def share(
        self, need: Resources, shares_in_use: Iterable[MachineShare], only: str | None = None
    ) -> MachineShare | None:
        """The share of one more place; None if it does not fit beside those that are taken.

        Args:
            need: What each setting of the place needs.
            shares_in_use: The shares of other places.
            only: The key of the machine; None for any.
        """
        by_machine: dict[str, list[MachineShare]] = {key: [] for key in self._members}
        for share_in_use in shares_in_use:
            if share_in_use.machine in by_machine:
                by_machine[share_in_use.machine].append(share_in_use)
        members = self._members.items() if only is None else [(only, self._members[only])]
        fitting: list[tuple[int, int, str, MachineShare]] = []
        for key, member in members:
            others = by_machine[key]
            share = member.share(need, others)
            if share is not None:
                n_devices = 0 if need.gpus else len(member.machine.devices)
                fitting.append((n_devices, _free_cpus(member, others), key, share))
        if not fitting:
            return None
        *_, key, share = min(fitting, key=lambda candidate: candidate[:2])
        return share.of(key)


def _free_cpus(member: _Member, shares_in_use: list[MachineShare]) -> int:
    """The processors that no place has; one that counts none has one of them."""
    return member.machine.cpus - sum(share.need.cpus or 1 for share in shares_in_use)
