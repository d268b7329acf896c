"""The mail of an agent: messages of the driver that wait for it, and those for the driver."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.feed import Feed
from superparams.executor.payload import Handle

__all__ = ["AgentInbox", "AgentOutbox"]

_LOOK: Final = 0.5  # seconds between two looks whether the driver is still there
SILENCE: Final = 60.0  # seconds without a question of the driver after which it counts as gone
_MOST_BYTES: Final = 64 << 20  # that wait for the driver


class AgentInbox(Feed):
    """Messages of the driver. Each message wakes the pool of the agent, as new settings do.

    Attributes:
        n_places: The highest number of places of the pool.
        on_hurry: Called as soon as the driver wants all workers to end at once.
    """

    def __init__(self) -> None:
        super().__init__(is_open=True)
        self.n_places = 0
        self.on_hurry: Callable[[], object] = lambda: None
        self._messages: deque[Any] = deque()
        self._arrived = threading.Event()

    def most_places(self, num_proc: int) -> int:
        """The highest number of places, which is that of the ranks of the run."""
        return self.n_places

    def put(self, messages: Sequence[Any]) -> None:
        """Add messages; any thread may do so."""
        self._messages.extend(messages)
        if any(isinstance(message, p.EndPool) and message.is_hurried for message in messages):
            self.on_hurry()
        self._arrived.set()
        self.wake()

    def take(self) -> list[Any]:
        """The messages that have arrived."""
        messages: list[Any] = []
        while self._messages:
            messages.append(self._messages.popleft())
        return messages

    def plan(self, outbox: AgentOutbox) -> p.AgentPlan | None:
        """Wait for the plan; None if the driver ends the agent, or is gone."""
        message = self._next(outbox)
        return message if isinstance(message, p.AgentPlan) else None

    def payload(self, outbox: AgentOutbox) -> Handle | None:
        """Wait for another handle of the payload; None if the driver ends the agent, or is gone."""
        message = self._next(outbox)
        return message.handle if isinstance(message, p.TakePayload) else None

    def _next(self, outbox: AgentOutbox) -> Any:
        while outbox.seconds_unread() < SILENCE:
            self._arrived.clear()
            if self._messages:
                return self._messages.popleft()
            self._arrived.wait(_LOOK)
        return None


class AgentOutbox:
    """Messages for the driver; the agent puts some, and one listener at a time takes them."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._is_over = False
        self._size = 0
        self._read = time.monotonic()
        self._changed = threading.Condition()
        self._on_news: Callable[[], object] | None = None

    @property
    def has_room(self) -> bool:
        """Whether less than 64 MiB wait for the driver."""
        return self._size < _MOST_BYTES

    def seconds_unread(self) -> float:
        """The time since the driver has asked for messages."""
        return time.monotonic() - self._read

    def put(self, messages: Sequence[Any]) -> None:
        """Add messages."""
        data = p.packed(messages)
        with self._changed:
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify_all()
            if self._on_news is not None:
                self._on_news()

    def end(self, messages: Sequence[Any]) -> None:
        """Add the last messages."""
        self._is_over = True
        self.put(messages)

    def on_news(self, call: Callable[[], object] | None) -> None:
        """Have a function called as soon as there are messages, in the thread that adds them."""
        with self._changed:
            self._on_news = call
            if call is not None and (self._waiting or self._is_over):
                call()

    def take(self) -> list[bytes]:
        """The batches of messages that wait."""
        with self._changed:
            self._read = time.monotonic()
            batches, self._waiting = self._waiting, []
            self._size = 0
        return batches

    def wait(self, seconds: float) -> list[bytes]:
        """The batches of messages; waits for some, at most so long."""
        self._read = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_over, seconds)
        return self.take()
