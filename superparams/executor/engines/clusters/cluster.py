"""What the driver needs of a cluster: its nodes, and a line to an agent on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

__all__ = ["AgentLine", "Cluster", "ClusterNode", "NodeGone"]


class NodeGone(Exception):
    """The node has left the cluster, or the process of its agent has ended."""


class ClusterNode(NamedTuple):
    """A place for an agent.

    Attributes:
        key: Identifies it; another node never has the same one.
        name: How messages call it.
        n_cpus: The number of workers that it may have.
    """

    key: str
    name: str
    n_cpus: int


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

    def start(self, node: ClusterNode, n_workers: int, versions: Mapping[str, str]) -> AgentLine:
        """Start an agent, which is a `NodeAgent`; called in a thread of its own.

        Args:
            node: Where.
            n_workers: The number of workers that it will have at most.
            versions: Those of the driver, for the agent to compare.

        Raises:
            NodeGone: If the node is gone meanwhile.
            Exception: If no agent can run there, which ends the run.
        """
        ...

    def close(self) -> None:
        """Release what the run took of the cluster."""
        ...
