"""What an agent reports to the driver, in an order that is safe for the driver.

An outcome counts once it is certain that its setting has not ended the parent of all workers; see
`pending_outcomes`. The driver has many agents, so it hears of an outcome only then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk

__all__ = ["AgentReports"]


class AgentReports:
    """The messages of an agent that are to be sent next."""

    def __init__(self) -> None:
        self._news: list[Any] = []
        self._queue: deque[p.WorkerEvent] = deque()  # events, some of which wait for outcomes
        self._confirmed: deque[bytes] = deque()
        self._chunks: dict[int, Chunk] = {}  # by rank, as the driver knows them
        self._n_ended: dict[int, int] = {}

    def take(self) -> list[Any]:
        """The messages since the last call."""
        news, self._news = self._news, []
        return news

    def add(self, message: Any) -> None:
        """Report anything but an event."""
        self._news.append(message)

    def started(self, rank: int) -> None:
        """A worker starts."""
        self.chunk_sent(rank, Chunk(()))

    def chunk_sent(self, rank: int, chunk: Chunk) -> None:
        """A worker gets settings."""
        self._chunks[rank], self._n_ended[rank] = chunk, 0

    def confirm(self, outcomes: bytes) -> None:
        """Report outcomes that count."""
        self._confirmed.append(outcomes)
        self._release()

    def event(self, event: m.PlaceEvent, evidence: Mapping[str, Any]) -> None:
        """Report an event at a worker.

        Args:
            event: The event.
            evidence: What is known of the setting that was lost last.
        """
        is_loss = isinstance(event, m.PlaceGone) and not event.is_blameless
        self._queue.append(p.WorkerEvent(event, dict(evidence) if is_loss else None))
        self._release()

    def all_gone(self, event: m.AllPlacesGone, evidence: Mapping[str, Any]) -> None:
        """Report that all workers of this node have ended at once: each with what it had begun."""
        uncertain: set[int] = set()
        while self._queue:
            happened = self._queue.popleft()
            if _is_uncertain(happened.event):
                uncertain.add(happened.event.rank)
            elif happened.event.rank not in uncertain:
                self._emit(happened)
        suspects = {index for chunk in event.suspects for index in chunk}
        for rank, chunk in list(self._chunks.items()):
            unfinished = chunk.split(self._n_ended[rank])[1]
            positions = [position for position, index in enumerate(unfinished) if index in suspects]
            n_begun = positions[-1] + 1 if positions else 0
            gone = m.PlaceGone(rank, begun=n_begun, is_blameless=not n_begun)
            self._emit(p.WorkerEvent(gone, dict(evidence) if n_begun else None))

    def _release(self) -> None:
        while self._queue:
            happened = self._queue[0]
            if _is_uncertain(happened.event):
                if not self._confirmed:
                    return
                self.add(p.OutcomeBatch(self._confirmed.popleft()))
            self._emit(self._queue.popleft())

    def _emit(self, happened: p.WorkerEvent) -> None:
        event = happened.event
        match event:
            case m.SettingsEnded():
                event.is_certain = True
                self._n_ended[event.rank] = event.count
            case m.PlaceGone():
                self._chunks.pop(event.rank, None)
            case m.ChunkOver():
                self.started(event.rank)
            case m.RestReturned():
                self._chunks[event.rank] = self._chunks[event.rank].through(event.last)[0]
            case _:
                pass
        self.add(happened)


def _is_uncertain(event: m.PlaceEvent) -> bool:
    return isinstance(event, m.SettingsEnded) and not event.is_certain
