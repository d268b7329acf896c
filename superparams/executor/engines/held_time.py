"""The time that a coroutine waits for answers to its steps, which counts towards no limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["HeldTime"]

SHORTEST_WAIT: Final = 0.002  # seconds between two looks at a setting whose time is nearly up


class HeldTime:
    """Counts the time that the setting of a place has waited for answers to its steps."""

    def __init__(self) -> None:
        self._seconds = 0.0  # of waits that are over
        self._since: float | None = None

    @contextmanager
    def waiting(self) -> Generator[None]:
        """A context in which the setting waits."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._seconds, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        waits = 0.0 if self._since is None else time.monotonic() - self._since
        return self._seconds + waits

    async def limit(self, task: asyncio.Task[Any], limit: float | None) -> None:
        """Wait until a task is done or has reached its limit; its waiting time does not count.

        Args:
            task: A setting that begins now.
            limit: Seconds; None for no limit.
        """
        start, self._seconds, left = time.monotonic(), 0.0, limit
        while not task.done() and (left is None or left > 0):
            await asyncio.wait({task}, timeout=left if left is None else max(left, SHORTEST_WAIT))
            if limit is not None:
                left = limit + self.seconds - (time.monotonic() - start)
