"""What the driver needs of a cluster: its nodes, and a line to an agent on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from superparams.declare.resources import Resources
from superparams.executor.scheduler.machine import Machine

__all__ = ["AgentLine", "Cluster", "ClusterNode", "NodeGone"]

_UNKNOWN: Final = 1 << 60  # bytes of memory, where nobody says how many


class NodeGone(Exception):
    """The node has left the cluster, or the process of its agent has ended."""


class ClusterNode(NamedTuple):
    """A place for an agent, or the part of it that a run takes.

    Attributes:
        key: Identifies it; another node never has the same one.
        name: How messages call it.
        n_cpus: Its processors, and the number of workers that it may have.
        n_devices: Its devices, as far as the cluster knows of them.
        memory: Bytes for settings; None if the cluster does not say.
        host: Nodes on one host have devices in common.
    """

    key: str
    name: str
    n_cpus: int
    n_devices: int = 0
    memory: int | None = None
    host: str = ""

    @property
    def machine(self) -> Machine:
        """What it has, for settings; the names of devices are known once it has an agent."""
        names = tuple(map(str, range(self.n_devices)))
        return Machine(self.n_cpus, _UNKNOWN if self.memory is None else self.memory, names)

    def capacity(self, need: Resources) -> float:
        """How many settings of a need may run here at once."""
        return min(self.n_cpus, self.machine.capacity(need))


class AgentLine(Protocol):
    """A line to one agent. Each method is called in one thread, and waits for the answer.

    An error of `tell` or `listen` means that the agent is gone.
    """

    def tell(self, batches: list[bytes]) -> None:
        """Send batches of messages."""
        ...

    def bring(self, batch: bytes) -> None:
        """Send a large batch, which other agents may get as well."""
        ...

    def listen(self, seconds: float) -> list[bytes]:
        """Batches of messages from the agent; waits for some, at most so long."""
        ...

    def close(self) -> None:
        """End the process of the agent, or what the cluster keeps for it."""
        ...


class Cluster(Protocol):
    """A cluster, for one run."""

    def nodes(self) -> Sequence[ClusterNode]:
        """The nodes that there are now; asked about once a second."""
        ...

    def start(self, node: ClusterNode, versions: Mapping[str, str]) -> AgentLine:
        """Start an agent, which is a `NodeAgent`; called in a thread of its own.

        Args:
            node: The node and the part of it that the run takes; no devices if nobody counts them.
            versions: Those of the driver, for the agent to compare.

        Raises:
            NodeGone: If the node is gone meanwhile.
            Exception: If no agent can run there, which ends the run.
        """
        ...

    def close(self) -> None:
        """Release what the run took of the cluster."""
        ...
