"""An agent as the driver sees it: two threads talk with it, one for each direction."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.clusters.cluster import AgentLine, ClusterNode, NodeGone
from superparams.executor.engines.contract import Activity

__all__ = ["Heard", "RemoteAgent"]

_LISTEN: Final = 1.0  # seconds that an agent may take to say that there is nothing new
_JOIN: Final = 5.0  # seconds that the threads of a line may take to end

# A batch of messages of an agent; None if the agent is gone, or why no agent can run there.
Heard = bytes | Exception | None


class RemoteAgent:
    """An agent, as the driver sees it. Two threads talk with it, one for each direction.

    Attributes:
        node: Where it is, and what the run takes of that node.
        n_workers: The number of workers that it may have.
        ranks: Those of the workers that it has.
        is_begun: Whether it has the payload.
        heard: The monotonic time of its last answer.
        why_gone: The error by which the driver learned that it is gone.
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
        self._running = {activity.rank: (activity, now) for activity in activities}

    def activity(self) -> list[Activity]:
        """What its workers do; any thread may ask."""
        now, running = time.monotonic(), self._running
        idle = [Activity(rank, None, 0.0) for rank in self.ranks.copy() if rank not in running]
        return idle + [
            _activity_after(activity, now - since) for activity, since in list(running.values())
        ]

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
                    line.tell([item, *self._added_messages()])
        except Exception as error:
            self._note_gone(error)
        self._listener.join(_JOIN)
        with suppress(Exception):
            line.close()

    def _added_messages(self) -> list[bytes]:
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


def _activity_after(activity: Activity, seconds: float) -> Activity:
    if activity.index is None:
        return activity
    return Activity(
        activity.rank,
        activity.index,
        activity.seconds + seconds,
        activity.attempt,
        activity.in_setup,
        activity.log_start,
    )
