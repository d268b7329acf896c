"""The resources of the nodes of a cluster, and which part of them a run takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from superparams.declare.resources import Resources, shown_bytes
from superparams.errors.units import counted
from superparams.executor.engines.clusters.agent_protocol import NodeFacts
from superparams.executor.engines.clusters.cluster import ClusterNode
from superparams.executor.engines.held_resources import refuse_need
from superparams.executor.scheduler.machine import EXACT, Machine

if TYPE_CHECKING:
    from superparams.executor.setting_needs import SettingNeeds

__all__ = ["ClusterMachines"]

_ON_ONE_NODE: Final = "each setting runs in one process on one node; give {name}=1"
_AMOUNTS: Final = "cpus", "gpus", "memory"


class ClusterMachines:
    """The nodes of a cluster, for what the settings of a run need.

    Args:
        needs: What settings need. From now on, it refuses needs that no node seen so far can meet.
        nodes: Gives the nodes that there are now.
        source: What says how many devices a node has, for errors.

    Raises:
        EngineError: When no node has what a setting needs.
    """

    def __init__(
        self, needs: SettingNeeds, nodes: Callable[[], Sequence[ClusterNode]], source: str
    ) -> None:
        self.needs = needs
        self._nodes = nodes
        self._source = source
        self._seen: dict[str, tuple[ClusterNode, Machine]] = {}
        self._devices: dict[str, tuple[str, tuple[str, ...]]] = {}  # host and names, by node
        needs.check, needs.capacity = self._check, self._capacity
        self.see(nodes())
        self._check_all()

    def see(self, nodes: Iterable[ClusterNode]) -> None:
        """Note the nodes of the cluster. Nodes that have left may return, so they still count."""
        for node in nodes:
            if node.key not in self._seen:
                self._seen[node.key] = node, node.machine

    def _capacity(self, need: Resources) -> float:
        pairs = self._seen.values()
        counts = [min(node.n_cpus, machine.capacity(need)) for node, machine in pairs]
        return sum(counts) if counts else math.inf

    # ---- what a run takes

    def lacking(self, nodes: Sequence[ClusterNode], n_places: float) -> list[Resources]:
        """The needs for which more nodes would be useful.

        Args:
            nodes: Nodes that have agents.
            n_places: The number of settings that may run at once.
        """
        needs = list(self.needs.known) or [Resources()]
        return [x for x in needs if sum(self._room_on(node, x) for node in nodes) < n_places]

    def _room_on(self, node: ClusterNode, need: Resources) -> float:
        """How many settings may run at once on a node, as far as is known by now."""
        _, machine = self._seen.get(node.key, (node, node.machine))
        return min(node.capacity(need), machine.capacity(need))

    def part_of(self, node: ClusterNode, n_workers: int, *, has_more: bool) -> ClusterNode:
        """What so many workers can use of a node; has_more: whether other needs may follow."""
        needs = [] if has_more and self.needs.of_class is None else list(self.needs.known)
        if not needs:
            return node
        n_devices = max(_devices_for(n_workers, need.gpus or 0) for need in needs)
        memory = n_workers * max(need.memory or 0 for need in needs)
        return node._replace(
            n_cpus=min(node.n_cpus, n_workers * max(need.cpus or 1 for need in needs)),
            n_devices=min(node.n_devices, n_devices),
            memory=None if node.memory is None else min(node.memory, memory) or None,
        )

    def machine_of(self, node: ClusterNode, facts: NodeFacts) -> Machine:
        """The resources of a node, with what its agent has reported.

        Args:
            node: What the run takes of the node.
            facts: What its agent sees.

        Raises:
            EngineError: When no node has what a setting needs.
        """
        others = [pair for key, pair in self._devices.items() if key != node.key]
        in_use = {name for host, names in others if host == node.host for name in names}
        names = tuple(name for name in facts.devices if name not in in_use)[: node.n_devices]
        self._devices[node.key] = node.host, names
        machine = Machine(node.n_cpus, node.memory or facts.memory, names)
        self._seen[node.key] = node, machine
        self._check_all()
        return machine

    def drop(self, node: ClusterNode) -> None:
        """Forget a node that is gone, and its devices."""
        self._devices.pop(node.key, None)

    # ---- what no node has

    def _check_all(self) -> None:
        for need, index in self.needs.known.items():
            self._check(need, index)

    def _check(self, need: Resources, index: int) -> None:
        for name in ("nodes", "tasks"):
            if getattr(need, name) > 1:
                refuse_need(self.needs, need, (name,), index, _ON_ONE_NODE.format(name=name))
        if self._capacity(need) < 1:
            self.see(self._nodes())  # one may have come since
        if self._capacity(need) >= 1:
            return
        machines = [machine for _, machine in self._seen.values()]
        lacking = [machine.shortage(need) for machine in machines]
        names = tuple(name for name in _AMOUNTS if all(shortage == name for shortage in lacking))
        if names:
            refuse_need(self.needs, need, names, index, self._most_of(names[0], machines))
        counts = tuple(name for name in _AMOUNTS if getattr(need, name) is not None)
        reason = "no node of the cluster has all of this; declare less, or add such a node"
        refuse_need(self.needs, need, counts, index, reason)

    def _most_of(self, name: str, machines: Sequence[Machine]) -> str:
        most: dict[str, Callable[[], str]] = {
            "cpus": lambda: counted(max(machine.cpus for machine in machines), "processor"),
            "memory": lambda: (
                f"{shown_bytes(max(machine.memory for machine in machines))} of memory"
            ),
            "gpus": lambda: (
                f"{counted(max(len(machine.devices) for machine in machines), 'device')} "
                f"({self._source})"
            ),
        }
        return (
            f"no node of the cluster has so much, and the most is {most[name]()}; declare less, or "
            "add such a node"
        )


def _devices_for(n_workers: int, gpus: float) -> int:
    """The number of devices for so many settings at once; a fraction of a device is shared."""
    if not 0 < gpus < 1:
        return n_workers * int(gpus)
    return math.ceil(n_workers / int(1 / gpus + EXACT))
