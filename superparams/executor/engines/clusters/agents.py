"""The agents of a run, and which rank is a worker of which agent."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from superparams.errors import EngineError
from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.clusters.cluster import (
    AgentLine,
    Cluster,
    ClusterNode,
    NodeGone,
)
from superparams.executor.engines.contract import Activity, Options
from superparams.executor.engines.worker_versions import versions_here
from superparams.executor.scheduler.limits import Limits

__all__ = ["Agents", "RemoteAgent"]

_LISTEN: Final = 1.0  # seconds that an agent may take to say that there is nothing new
_SILENCE: Final = 60.0  # seconds without an answer after which an agent counts as gone
_LOOK: Final = 1.0  # seconds between two looks at the nodes of the cluster
_MOST_FAILED: Final = 3  # agents in a row that end before they have begun
_JOIN: Final = 5.0  # seconds that the threads of a line may take to end

# A batch of messages of an agent; None if the agent is gone, or why no agent can run there.
Heard = bytes | Exception | None


class RemoteAgent:
    """An agent, as the driver sees it. Two threads talk with it, one for each direction.

    Attributes:
        node: Where it is.
        n_workers: The number of workers that it may have.
        ranks: Those of the workers that it has.
        is_begun: Whether it has the payload.
        heard: The monotonic time when it has answered last.
        why_gone: The error that told that it is gone.
    """

    def __init__(
        self,
        node: ClusterNode,
        n_workers: int,
        start: Callable[[], AgentLine],
        hear: Callable[[RemoteAgent, Heard], object],
    ) -> None:
        self.node = node
        self.n_workers = n_workers
        self.ranks: set[int] = set()
        self.is_begun = False
        self.heard = time.monotonic()
        self.why_gone = ""
        self._start = start
        self._hear = hear
        self._is_over = False
        self._line: AgentLine | None = None
        self._waiting: list[Any] = []
        self._running: dict[int, tuple[Activity, float]] = {}
        self._outgoing: queue.SimpleQueue[bytes | tuple[bytes] | None] = queue.SimpleQueue()
        name = f"superparams-agent-{node.name}"
        self._talker = threading.Thread(target=self._talk, name=name, daemon=True)
        self._listener = threading.Thread(target=self._listen, name=name, daemon=True)
        self._talker.start()

    @property
    def n_free(self) -> int:
        """How many more workers it may have."""
        return self.n_workers - len(self.ranks) if self.is_begun else 0

    def tell(self, message: Any) -> None:
        """Have a message sent by the next `send`."""
        self._waiting.append(message)

    def send(self) -> None:
        """Send the messages that wait."""
        if self._waiting:
            self._outgoing.put(p.packed(self._waiting))
            self._waiting = []

    def bring(self, batch: bytes) -> None:
        """Send a large batch of messages, which other agents may get as well."""
        self.send()
        self._outgoing.put((batch,))

    def free(self, rank: int) -> None:
        """A worker of the agent has ended."""
        self.ranks.discard(rank)
        self._running.pop(rank, None)

    def note(self, activities: Sequence[Activity]) -> None:
        """Note what its workers do now."""
        now = time.monotonic()
        self._running = {one.rank: (one, now) for one in activities}

    def activity(self) -> list[Activity]:
        """What its workers do; any thread may ask."""
        now, running = time.monotonic(), self._running
        idle = [Activity(rank, None, 0.0) for rank in self.ranks.copy() if rank not in running]
        return idle + [_later(one, now - since) for one, since in list(running.values())]

    def close(self) -> None:
        """Stop talking, and end the agent."""
        self._is_over = True
        self._outgoing.put(None)

    def join(self, seconds: float) -> None:
        """Wait until its threads have ended, at most so long."""
        self._talker.join(seconds)

    def _talk(self) -> None:
        try:
            self._line = line = self._start()
        except Exception as error:
            self.why_gone = f"{type(error).__name__}: {error}"
            self._hear(self, None if isinstance(error, NodeGone) else error)
            return
        self._listener.start()
        try:
            while (item := self._outgoing.get()) is not None:
                if isinstance(item, tuple):
                    line.bring(item[0])
                else:
                    line.tell([item, *self._more()])
        except Exception as error:
            self._note_gone(error)
        self._listener.join(_JOIN)
        with suppress(Exception):
            line.close()

    def _more(self) -> list[bytes]:
        """Messages that have been added while others were on the way."""
        more: list[bytes] = []
        with suppress(queue.Empty):
            while isinstance(item := self._outgoing.get_nowait(), bytes):
                more.append(item)
            self._outgoing.put(item)
        return more

    def _listen(self) -> None:
        line = cast("AgentLine", self._line)
        try:
            while not self._is_over:
                for data in line.listen(_LISTEN):
                    self._hear(self, data)
                self.heard = time.monotonic()
        except Exception as error:
            self._note_gone(error)

    def _note_gone(self, error: Exception) -> None:
        self.why_gone = self.why_gone or f"{type(error).__name__}: {error}"
        self._hear(self, None)


class Agents:
    """The agents of a run.

    Args:
        cluster: Starts them.
        limits: Have the number of ranks, which may grow.
        options: The options of the run.

    Attributes:
        plan: The first message to each.
    """

    plan: p.AgentPlan

    def __init__(self, cluster: Cluster, limits: Limits, options: Options) -> None:
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

    def wake(self) -> None:
        """End a wait for news."""
        self._heard.put((None, None))

    def activity(self) -> list[Activity]:
        """What each worker does."""
        known = [one for agent in list(self._agents.values()) for one in agent.activity()]
        return sorted(known, key=lambda one: one.rank)

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
        missing = self._limits.n_places - sum(one.n_workers for one in self._agents.values())
        for node in self._cluster.nodes() if missing > 0 or self._options.may_grow else ():
            if node.key in self._agents or (missing <= 0 and not self._options.may_grow):
                continue
            n_workers = node.n_cpus if self._options.may_grow else min(node.n_cpus, missing)
            missing -= n_workers
            self._start(node, n_workers)

    def _start(self, node: ClusterNode, n_workers: int) -> None:
        def start() -> AgentLine:
            return self._cluster.start(node, n_workers, versions_here())

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
        """Have more ranks, if there are more processors than when the run began.

        Returns:
            Whether there are more now.
        """
        if not self._options.may_grow:
            return False
        n_workers = sum(one.n_workers for one in self._agents.values() if one.is_begun)
        before = self._limits.n_places
        self._limits.n_places = max(before, min(n_workers, self.plan.n_ranks))
        return self._limits.n_places > before

    def drop_late(self) -> None:
        """Forget agents that have not begun: the run is over."""
        for agent in [one for one in self._agents.values() if not one.is_begun]:
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
        """Have a worker of this rank placed."""
        self._wanted[rank] = None

    def drop(self, rank: int) -> None:
        """Do not place it any more."""
        self._wanted.pop(rank, None)

    def placed(self) -> Iterator[tuple[int, RemoteAgent]]:
        """Place the ranks that wait, each at the agent with the most room."""
        while self._wanted:
            agent = max(self._agents.values(), key=lambda one: one.n_free, default=None)
            if agent is None or agent.n_free <= 0:
                return
            rank = next(iter(self._wanted))
            del self._wanted[rank]
            agent.ranks.add(rank)
            self._by_rank[rank] = agent
            yield rank, agent

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


def _later(one: Activity, seconds: float) -> Activity:
    if one.index is None:
        return one
    return Activity(
        one.rank, one.index, one.seconds + seconds, one.attempt, one.in_setup, one.log_start
    )


def _no_agent(node: ClusterNode, error: Exception) -> EngineError:
    if isinstance(error, ModuleNotFoundError):
        return EngineError(
            f"no agent can run on {node.name}: {error}; install this superparams there"
        )
    return EngineError(f"no agent can run on {node.name}: {error}")
