"""What a machine has, and the shares of it that places get."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from superparams.declare.resources import Resources

EXACT = 1e-9  # fractions of devices are sums of binary numbers


@dataclass(frozen=True, slots=True)
class MachineShare:
    """What a place gets of its machine.

    Attributes:
        need: What each of its settings needs.
        devices: The names of its devices; None if the need does not count devices.
        machine: Identifies the machine, if there are several.
    """

    need: Resources
    devices: tuple[str, ...] | None = None
    machine: str = ""

    def of(self, machine: str) -> MachineShare:
        """The same share of the machine with this key."""
        return replace(self, machine=machine) if machine else self


@dataclass(frozen=True)
class Machine:
    """What a machine has for the settings of a run.

    Attributes:
        cpus: The number of processors.
        memory: Bytes of memory.
        devices: The names of the devices.
    """

    cpus: int
    memory: int
    devices: tuple[str, ...] = ()

    def capacity(self, need: Resources) -> float:
        """How many settings of this need fit at once; infinite if the need counts nothing."""
        counts = [math.inf]
        if need.cpus is not None:
            counts.append(self.cpus // need.cpus)
        if need.memory is not None:
            counts.append(self.memory // need.memory)
        if need.gpus:
            counts.append(self._most_by_devices(need.gpus))
        return min(counts)

    def shortage(self, need: Resources) -> str | None:
        """The name, as in `Resources`, of the first amount that is too small for a setting."""
        if need.cpus is not None and need.cpus > self.cpus:
            return "cpus"
        if need.gpus and not self._most_by_devices(need.gpus):
            return "gpus"
        if need.memory is not None and need.memory > self.memory:
            return "memory"
        return next((name for name in ("nodes", "tasks") if getattr(need, name) > 1), None)

    def share(self, need: Resources, shares_in_use: Iterable[MachineShare]) -> MachineShare | None:
        """The share of one more place; None if it does not fit beside those that are taken."""
        shares = list(shares_in_use)
        cpus = sum(share.need.cpus or 0 for share in shares)
        memory = sum(share.need.memory or 0 for share in shares)
        if cpus + (need.cpus or 0) > self.cpus or memory + (need.memory or 0) > self.memory:
            return None
        if need.gpus is None:
            return MachineShare(need)
        devices = tuple(self._free(need.gpus, shares))
        return MachineShare(need, devices) if len(devices) == math.ceil(need.gpus) else None

    def _most_by_devices(self, gpus: float) -> int:
        if gpus < 1:
            return len(self.devices) * int(1 / gpus + EXACT)
        return len(self.devices) // int(gpus)

    def _free(self, gpus: float, shares: Iterable[MachineShare]) -> Iterator[str]:
        """Devices for `gpus`: whole ones are used by nobody, a fraction goes to the fullest."""
        load = dict.fromkeys(self.devices, 0.0)
        for share in shares:
            for name in share.devices or ():
                load[name] += min(1.0, share.need.gpus or 0)
        if gpus >= 1:
            yield from [name for name in self.devices if not load[name]][: int(gpus)]
        elif gpus:
            fitting = [name for name in self.devices if load[name] + gpus <= 1 + EXACT]
            yield from sorted(fitting, key=lambda name: -load[name])[:1]
