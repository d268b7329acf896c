"""Outcomes that wait until it is certain that their settings have not killed the template.

A setting can kill the template, or stop it, and return before the driver notices. So after an
outcome has arrived, the driver sends a ping to the template. If the template answers, no setting up
to this outcome has killed it, and the outcome counts.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from superparams.executor.scheduler.chunk import Chunk

_AWAKE = 1.0  # seconds without an answer after which the template may have been stopped
# The template is lost after so many seconds without an answer and so many looks for one. The looks
# count as well, since the seconds also pass while the machine sleeps.
_LOST, _LOOKS = 30.0, 100


class PendingOutcomes:
    """Outcomes that have arrived and wait for the answer to a ping.

    Args:
        release: Called with outcomes that count, and with the settings that they are of.
    """

    def __init__(self, release: Callable[[Chunk, bytes], object]) -> None:
        self._release = release
        self._waiting: deque[tuple[int, Chunk, bytes]] = deque()  # the first item: of their ping
        self._sent = self._answered = 0  # the numbers of the last ping and of the last answer
        self._since = 0.0
        self._looks = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, chunk: Chunk, body: bytes) -> None:
        """Have outcomes wait for the answer to the next ping."""
        self._waiting.append((self._sent + 1, chunk, body))

    def next_ping(self) -> int | None:
        """The number of a ping to send now; None if there is no need for one."""
        if not self._waiting or self._sent > self._answered:
            return None
        self._sent += 1
        self._since, self._looks = time.monotonic(), 0
        return self._sent

    def answer(self, number: int) -> None:
        """Release the outcomes that came before a ping that was answered."""
        self._answered = max(self._answered, number)
        while self._waiting and self._waiting[0][0] <= self._answered:
            self._release(*self._waiting.popleft()[1:])

    def overdue(self) -> str:
        """What to do if a ping has no answer: ``"wake"`` or ``"end"`` the template, or ``""``."""
        if self._sent == self._answered:
            return ""
        self._looks += 1
        seconds = time.monotonic() - self._since
        if seconds > _LOST and self._looks > _LOOKS:
            return "end"
        return "wake" if seconds > _AWAKE else ""

    def drop_all(self) -> list[Chunk]:
        """Drop all outcomes, since the template is dead.

        Returns:
            Their settings, each of which may have killed the template.
        """
        chunks = [chunk for _, chunk, _ in self._waiting]
        self._waiting.clear()
        self._answered = self._sent
        return chunks

    def release_all(self) -> None:
        """Release all outcomes, since the run is over and all workers have ended."""
        self.answer(self._sent + 1)
