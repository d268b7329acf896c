"""Resources of engines on one machine: which resources they hand out, and which they refuse."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

from superparams.adapters.machine_memory import machine_memory
from superparams.adapters.processors import cores
from superparams.adapters.visible_devices import Devices, visible_devices
from superparams.declare.resources import Resources, shown_bytes
from superparams.errors import EngineError
from superparams.errors.units import counted
from superparams.executor.engines.contract import Engine, Options, in_processes
from superparams.executor.scheduler.machine import Machine, MachineShare

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.setting_needs import SettingNeeds

__all__ = [
    "MachineSharing",
    "OneMachine",
    "WorkerEnviron",
    "most_places",
    "options_for",
    "places_for",
    "refuse_need",
]


class OneMachine:
    """The machine of this process, for the needs of a run.

    Args:
        needs: What the settings of the run need.
        refused: The reason for each resource that the engine cannot guarantee.
        devices: The devices to hand out; by default those that this process may use.

    Attributes:
        needs: The same object. From now on, it refuses needs that this machine cannot meet.
        machine: The processors, memory and devices of this machine.
        devices: Its devices, and the variable that limits a worker to some of them.

    Raises:
        EngineError: When this machine has less than a setting needs.
    """

    def __init__(
        self,
        needs: SettingNeeds,
        refused: Mapping[str, str] = MappingProxyType({}),
        devices: Devices | None = None,
    ) -> None:
        self.needs = needs
        self.devices = devices or visible_devices(os.environ)
        self.machine = Machine(cores(), machine_memory(), self.devices.names)
        self._refused = refused
        for need, index in needs.known.items():
            self._check(need, index)
        needs.check, needs.capacity = self._check, self.machine.capacity

    @property
    def sharing(self) -> tuple[SettingNeeds, Machine]:
        """For the scheduler."""
        return self.needs, self.machine

    @property
    def counts_devices(self) -> bool:
        """Whether settings say how many devices they need, so that these are handed out."""
        is_open = self.needs.of_class is None and not self.needs.known
        return is_open or any(need.gpus is not None for need in self.needs.known)

    def most_places(self, num_proc: int) -> int:
        """How many settings can run at once by the needs that are known, at most `num_proc`."""
        return most_places(self.needs, num_proc)

    def _check(self, need: Resources, index: int) -> None:
        for name, reason in self._refused.items():
            if getattr(need, name) is not None:
                refuse_need(self.needs, need, (name,), index, reason)
        if (shortage := self.machine.shortage(need)) is not None:
            refuse_need(self.needs, need, (shortage,), index, self._explain_shortage(shortage))

    def _explain_shortage(self, name: str) -> str:
        machine = self.machine
        if name in ("nodes", "tasks"):
            return f"each setting runs in one process on one machine; give {name}=1"
        available = {
            "cpus": counted(machine.cpus, "processor"),
            "memory": f"{shown_bytes(machine.memory)} of memory",
            "gpus": f"{counted(len(machine.devices), 'device')} ({self.devices.source})",
        }[name]
        return f"this process may use {available}; declare less, or run it on another machine"


def refuse_need(
    needs: SettingNeeds, need: Resources, names: Sequence[str], index: int, reason: str
) -> NoReturn:
    """Refuse what a setting needs.

    Args:
        needs: The needs of all settings.
        need: That of the setting.
        names: The amounts that are refused.
        index: The setting.
        reason: Why, with the remedy.

    Raises:
        EngineError: Names the class, the setting if others need something else, and the amounts.
    """
    setting = "" if needs.of_class is not None else f" for {needs.shown(index)}"
    amounts = ", ".join(f"{name}={need.shown(name)}" for name in names)
    raise EngineError(f"{needs.name}: {amounts}{setting}: {reason}")


def most_places(needs: SettingNeeds, num_proc: int) -> int:
    """How many settings can run at once by the needs that are known, at most `num_proc`."""
    capacity = needs.capacity
    most = math.inf if capacity is None else sum(map(capacity, needs.known))
    return num_proc if not most or most > num_proc else int(most)


class MachineSharing:
    """Resources for an engine whose settings share this process.

    Attributes:
        refused: The reason for each resource that the engine cannot guarantee.
    """

    refused: ClassVar[Mapping[str, str]] = {"gpus": in_processes("all settings share one process")}

    def places_for(self, needs: SettingNeeds, options: Options) -> int:
        """How many settings may run at once; see `HoldsResources`."""
        return OneMachine(needs, self.refused).most_places(options.num_proc)

    def sharing(self, program: Program) -> tuple[SettingNeeds, Machine] | None:
        """For the scheduler; None if settings declare no resources."""
        needs: SettingNeeds | None = getattr(program, "setting_needs", None)
        return None if needs is None else OneMachine(needs, self.refused).sharing


def places_for(engine: Engine, needs: SettingNeeds, options: Options) -> int:
    """How many settings an engine runs at once, by what they need.

    Args:
        engine: The engine; see `HoldsResources`.
        needs: What the settings of the run need.
        options: Have the upper bound, `num_proc`.

    Raises:
        EngineError: When the engine does not have what a setting needs, or knows no resources.
    """
    own: Any = getattr(engine, "places_for", None)
    if own is not None:
        return int(own(needs, options))
    name = needs.name
    raise EngineError(
        f"{name} cannot be used with engine={engine.name!r}, which divides no resources; "
        f'give engine="processes", or write {name.rpartition(".")[2]} = None in the class'
    )


def options_for(share: MachineShare | None, options: Options) -> Options:
    """The options of a run in a place with a share; the smaller of the two timeouts applies."""
    own = None if share is None else share.need.timeout
    if own is None or (options.timeout is not None and options.timeout <= own):
        return options
    return replace(options, timeout=own)


class WorkerEnviron(NamedTuple):
    """How the environments of workers follow from what settings need.

    Attributes:
        varies: Whether workers have different ones: other processors, or devices of their own.
        cpus: The processors of each worker, if all have the same and the need counts them.
        counts_devices: Whether settings say how many devices they need.
    """

    varies: bool
    cpus: int | None
    counts_devices: bool

    @classmethod
    def of(cls, needs: SettingNeeds, *, has_more: bool) -> WorkerEnviron:
        """The environments of a run; has_more: whether settings with other needs may follow."""
        counts_devices = any(need.gpus is not None for need in needs.known)
        cpus = {need.cpus for need in needs.known}
        if has_more and needs.of_class is None:
            return cls(varies=True, cpus=None, counts_devices=True)
        if counts_devices or len(cpus) != 1:
            return cls(varies=True, cpus=None, counts_devices=counts_devices)
        return cls(varies=False, cpus=cpus.pop(), counts_devices=False)
