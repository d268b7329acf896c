"""The agents of a run, and which rank is a worker of which agent."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Set
from contextlib import suppress
from typing import Any, Final

from superparams.errors import EngineError
from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.clusters.cluster import AgentLine, Cluster, ClusterNode
from superparams.executor.engines.clusters.cluster_machines import ClusterMachines
from superparams.executor.engines.clusters.remote_agent import Heard, RemoteAgent
from superparams.executor.engines.contract import Activity, Options
from superparams.executor.engines.worker_versions import versions_here
from superparams.executor.scheduler.limits import Limits

__all__ = ["Agents"]

_SILENCE: Final = 60.0  # seconds without an answer after which an agent counts as gone
_LOOK: Final = 1.0  # seconds between two looks at the nodes of the cluster
_MOST_FAILED: Final = 3  # agents in a row that end before they have begun
_JOIN: Final = 5.0  # seconds that the threads of a line may take to end


class Agents:
    """The agents of a run.

    Args:
        cluster: Starts them.
        limits: Have the number of ranks, which may grow.
        options: The options of the run.
        machines: What nodes have, if settings declare what they need.
        has_more: Whether settings may follow that need something else.

    Attributes:
        plan: The first message to each.
    """

    plan: p.AgentPlan

    def __init__(
        self,
        cluster: Cluster,
        limits: Limits,
        options: Options,
        machines: ClusterMachines | None,
        *,
        has_more: bool,
    ) -> None:
        self._machines = machines
        self._has_more = has_more
        self._cluster = cluster
        self._limits = limits
        self._options = options
        self._agents: dict[str, RemoteAgent] = {}  # by the keys of their nodes
        self._by_rank: dict[int, RemoteAgent] = {}
        self._wanted: dict[int, None] = {}  # ranks that have no agent yet
        self._gone: list[RemoteAgent] = []
        self._heard: queue.SimpleQueue[tuple[RemoteAgent | None, Heard]] = queue.SimpleQueue()
        self._n_failed = 0
        self._looked = float("-inf")

    @property
    def are_left(self) -> bool:
        """Whether some agents have not ended."""
        return bool(self._agents)

    @property
    def have_begun(self) -> bool:
        """Whether some agent can have workers."""
        return any(agent.is_begun for agent in self._agents.values())

    def wake(self) -> None:
        """End a wait for news."""
        self._heard.put((None, None))

    def activity(self) -> list[Activity]:
        """What each worker does."""
        activities = [
            activity for agent in list(self._agents.values()) for activity in agent.activity()
        ]
        return sorted(activities, key=lambda activity: activity.rank)

    # ---- nodes

    def look(self) -> None:
        """Start agents on nodes, as far as there are ranks for them; once a second."""
        now = time.monotonic()
        for agent in list(self._agents.values()):
            if now - agent.heard > _SILENCE and agent.is_begun:
                agent.why_gone = f"it has not answered for {_SILENCE:g} seconds"
                self._heard.put((agent, None))
        if now - self._looked < _LOOK:
            return
        self._looked = now
        if self._are_missing():
            nodes = self._cluster.nodes()
            if self._machines is not None:
                self._machines.see(nodes)
            for node in nodes:
                if node.key not in self._agents and (n_workers := self._n_workers_on(node)):
                    self._start(self._part_of(node, n_workers), n_workers)

    def _are_missing(self) -> bool:
        """Whether the run could use more nodes."""
        if self._options.may_grow:
            return True
        if self._machines is not None:
            return bool(self._machines.lacking(self._nodes(), self._limits.n_places))
        return self._limits.n_places > sum(agent.n_workers for agent in self._agents.values())

    def _n_workers_on(self, node: ClusterNode) -> int:
        """The workers that the run could use on a node that has no agent."""
        n_places = float("inf") if self._options.may_grow else self._limits.n_places
        if self._machines is not None:
            needs = self._machines.lacking(self._nodes(), n_places)
            is_wanted = any(node.capacity(need) >= 1 for need in needs)
            return int(min(node.n_cpus, n_places)) if is_wanted else 0
        n_taken = sum(agent.n_workers for agent in self._agents.values())
        return int(max(0, min(node.n_cpus, n_places - n_taken)))

    def _part_of(self, node: ClusterNode, n_workers: int) -> ClusterNode:
        """What the run takes of a node."""
        if self._machines is None:
            return node._replace(n_cpus=n_workers, n_devices=0, memory=None)
        return self._machines.part_of(node, n_workers, has_more=self._has_more)

    def _nodes(self) -> list[ClusterNode]:
        return [agent.node for agent in self._agents.values()]

    def _start(self, node: ClusterNode, n_workers: int) -> None:
        def start() -> AgentLine:
            return self._cluster.start(node, versions_here())

        def hear(agent: RemoteAgent, heard: Heard) -> None:
            self._heard.put((agent, heard))

        agent = RemoteAgent(node, n_workers, start, hear)
        self._agents[node.key] = agent
        agent.tell(self.plan._replace(n_workers=n_workers))
        agent.send()

    def begun(self, agent: RemoteAgent) -> None:
        """An agent has the payload."""
        agent.is_begun, self._n_failed = True, 0

    def grow(self) -> bool:
        """Add ranks if the cluster has more processors than when the run began.

        Returns:
            Whether there are more now.
        """
        if not self._options.may_grow:
            return False
        n_workers = sum(agent.n_workers for agent in self._agents.values() if agent.is_begun)
        before = self._limits.n_places
        self._limits.n_places = max(before, min(n_workers, self.plan.n_ranks))
        return self._limits.n_places > before

    def drop_late(self) -> None:
        """Forget agents that have not begun: the run is over."""
        for agent in [candidate for candidate in self._agents.values() if not candidate.is_begun]:
            del self._agents[agent.node.key]
            self._gone.append(agent)
            agent.close()

    def lose(self, agent: RemoteAgent) -> list[int]:
        """Forget an agent that is gone; gives the ranks of its workers."""
        if self._agents.get(agent.node.key) is not agent:
            return []
        del self._agents[agent.node.key]
        self._gone.append(agent)
        agent.close()
        if not agent.is_begun:
            self._n_failed += 1
            if self._n_failed >= _MOST_FAILED:
                raise EngineError(
                    f"{_MOST_FAILED} agents in a row have ended before they had the payload, the "
                    f"last one on {agent.node.name}: {agent.why_gone or 'the reason is not known'}"
                )
        ranks = sorted(agent.ranks)
        agent.ranks = set()
        return ranks

    # ---- ranks

    def of_rank(self, rank: int) -> RemoteAgent | None:
        """The agent that has the worker of a rank; None if it has none."""
        agent = self._by_rank.get(rank)
        return agent if agent is not None and rank in agent.ranks else None

    def want(self, rank: int) -> None:
        """Note that this rank needs a worker; `placed` finds an agent for it."""
        self._wanted[rank] = None

    def drop(self, rank: int) -> bool:
        """No longer place this rank; returns whether the rank waited for an agent."""
        is_waiting = rank in self._wanted
        self._wanted.pop(rank, None)
        return is_waiting

    def placed(self, held: Set[int]) -> Iterator[tuple[int, RemoteAgent]]:
        """Place the ranks that wait, each at the agent with the most room.

        Args:
            held: The ranks whose settings wait at a step. If all ranks wait, they may wait for a
                setting that has no worker. Then one more rank is placed, since settings that wait
                use no processor.
        """
        while self._wanted:
            candidates = [candidate for candidate in self._agents.values() if candidate.is_begun]
            agent = max(candidates, key=lambda candidate: candidate.n_free, default=None)
            if agent is None:
                return
            if agent.n_free <= 0 and not all(candidate.ranks <= held for candidate in candidates):
                return
            rank = next(iter(self._wanted))
            del self._wanted[rank]
            self._place(rank, agent)
            yield rank, agent

    def place_on(self, key: str, rank: int) -> RemoteAgent | None:
        """Place a rank at the agent of a node; None if that is gone."""
        agent = self._agents.get(key)
        if agent is not None:
            self._place(rank, agent)
        return agent

    def _place(self, rank: int, agent: RemoteAgent) -> None:
        agent.ranks.add(rank)
        self._by_rank[rank] = agent

    # ---- messages

    def tell_all(self, message: Any) -> None:
        """Tell each agent."""
        for agent in self._agents.values():
            agent.tell(message)

    def send(self) -> None:
        """Send the messages that wait."""
        for agent in self._agents.values():
            agent.send()

    def news(self, seconds: float) -> Iterator[tuple[RemoteAgent, list[Any] | None]]:
        """The messages that agents have sent; None from one that is gone.

        Args:
            seconds: How long to wait at most for the first ones.

        Raises:
            EngineError: If no agent can run on a node.
        """
        with suppress(queue.Empty):
            agent, heard = self._heard.get(timeout=seconds)
            while True:
                if isinstance(heard, Exception):
                    assert agent is not None
                    self._agents.pop(agent.node.key, None)
                    raise _no_agent(agent.node, heard) from heard
                if agent is not None and self._agents.get(agent.node.key) is agent:
                    yield agent, None if heard is None else p.unpacked(heard)
                agent, heard = self._heard.get_nowait()

    def close(self) -> None:
        """End all agents, and what they took of the cluster."""
        agents = [*self._gone, *self._agents.values()]
        self._agents = {}
        for agent in agents:
            agent.close()
        deadline = time.monotonic() + _JOIN
        for agent in agents:
            agent.join(max(0.0, deadline - time.monotonic()))
        self._cluster.close()


def _no_agent(node: ClusterNode, error: Exception) -> EngineError:
    if isinstance(error, ModuleNotFoundError):
        return EngineError(
            f"no agent can run on {node.name}: {error}; install this superparams there"
        )
    return EngineError(f"no agent can run on {node.name}: {error}")
