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

    def share(self, need: Resources, taken: list[MachineShare]) -> MachineShare | None:
        if self.most_places is not None and len(taken) >= self.most_places:
            return None
        return self.machine.share(need, taken)


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
        return sum(one.capacity(need) for one in self._members.values())

    def size(self, need: Resources) -> float:
        """The largest part of all machines that a setting takes, from 0 to 1."""
        return 1 / max(self.capacity(need), 1)

    def able(self, need: Resources) -> Iterator[str]:
        """The keys of the machines that have what a setting needs, if nothing else runs there."""
        yield from (key for key, one in self._members.items() if one.capacity(need) >= 1)

    def share(
        self, need: Resources, taken: Iterable[MachineShare], only: str | None = None
    ) -> MachineShare | None:
        """The share of one more place; None if it does not fit beside those that are taken.

        Args:
            need: What each setting of the place needs.
            taken: The shares of other places.
            only: The key of the machine; None for any.
        """
        by_machine: dict[str, list[MachineShare]] = {key: [] for key in self._members}
        for one in taken:
            if one.machine in by_machine:
                by_machine[one.machine].append(one)
        members = self._members.items() if only is None else [(only, self._members[only])]
        found: list[tuple[int, int, str, MachineShare]] = []
        for key, member in members:
            others = by_machine[key]
            share = member.share(need, others)
            if share is not None:
                n_devices = 0 if need.gpus else len(member.machine.devices)
                found.append((n_devices, _free_cpus(member, others), key, share))
        if not found:
            return None
        *_, key, share = min(found, key=lambda one: one[:2])
        return share.of(key)


def _free_cpus(member: _Member, taken: list[MachineShare]) -> int:
    """The processors that no place has; one that counts none has one of them."""
    return member.machine.cpus - sum(one.need.cpus or 1 for one in taken)
