"""The settings of a run, to which more may be added while it runs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from superparams.executor.scheduler import messages as m

# Ascending ranges of step 1 that do not overlap: a million settings are one range.
Todo = Sequence[range]


class Feed:
    """Ranges of indices to run; any thread may add some, until it is closed.

    Args:
        ranges: What is to run at first.
        is_open: Whether more may be added.
    """

    def __init__(self, ranges: Todo = (), *, is_open: bool = False) -> None:
        self.first = ranges
        self.is_open = is_open
        self._events: deque[m.Event] = deque()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._wake: Callable[[], object] = self._changed.set
        if not is_open:
            self._events.append(m.NoMoreWork())

    @classmethod
    def of(cls, todo: Todo | Feed) -> Feed:
        """A closed feed of these ranges; a feed is returned as it is."""
        return todo if isinstance(todo, Feed) else cls(todo)

    def add(self, ranges: Todo) -> None:
        """Add settings to run; no index may come twice.

        Raises:
            ValueError: When the feed is closed.
        """
        with self._lock:
            if not self.is_open:
                raise ValueError("a feed that is closed takes no more settings")
            self._events.append(m.WorkAdded(ranges))
        self._wake()

    def close(self) -> None:
        """Say that no more settings come."""
        with self._lock:
            if self.is_open:
                self.is_open = False
                self._events.append(m.NoMoreWork())
        self._wake()

    # ---- the engine's side

    @property
    def has_more(self) -> bool:
        """Whether there are settings beside the first ones, or may be."""
        return self.is_open or any(isinstance(event, m.WorkAdded) for event in self._events)

    def on_change(self, wake: Callable[[], object]) -> None:
        """Have `wake` called after each change, in the thread that makes the change."""
        self._wake = wake

    def wake(self) -> None:
        """Wake the engine as after a change."""
        self._wake()

    def news(self) -> list[m.Event]:
        """The changes since the last call, as events for the scheduler."""
        self._changed.clear()
        events: list[m.Event] = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def wait(self, seconds: float) -> None:
        """Wait for a change, at most so long; for an engine that does not use `on_change`."""
        self._changed.wait(seconds)

    def most_places(self, num_proc: int) -> int:
        """The number of places that can have settings, at most `num_proc`."""
        return num_proc if self.is_open else min(num_proc, sum(map(len, self.first)))
