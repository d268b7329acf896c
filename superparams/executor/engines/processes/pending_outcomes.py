"""Outcomes that wait until it is certain that no setting of theirs has ended the template.

A setting can kill the template, or stop it, and return before anybody sees that. A process that has
been killed answers nothing any more. So each outcome waits for an answer to a question that was put
after it came: then no setting up to that one has killed the template.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from superparams.executor.scheduler.chunk import Chunk

_AWAKE = 1.0  # seconds without an answer after which the template may have been stopped
# Without an answer for so long it is lost; a machine that sleeps has not looked so often meanwhile.
_LOST, _LOOKS = 30.0, 100


class Unconfirmed:
    """Outcomes in the order in which they came, each with the settings that it is of."""

    def __init__(self, release: Callable[[Chunk, bytes], object]) -> None:
        """release: called with outcomes that are certain, and the settings that they are of."""
        self._release = release
        self._waiting: deque[tuple[int, Chunk, bytes]] = deque()
        self._asked = self._answered = 0
        self._since = 0.0
        self._looks = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, chunk: Chunk, body: bytes) -> None:
        """Have this wait for an answer to the next question."""
        self._waiting.append((self._asked + 1, chunk, body))

    def question(self) -> int | None:
        """The number of a question to put now."""
        if not self._waiting or self._asked > self._answered:
            return None
        self._asked += 1
        self._since, self._looks = time.monotonic(), 0
        return self._asked

    def answer(self, number: int) -> None:
        """Release what came before this question."""
        self._answered = max(self._answered, number)
        while self._waiting and self._waiting[0][0] <= self._answered:
            self._release(*self._waiting.popleft()[1:])

    def patience(self) -> str:
        """What a question that has no answer yet calls for: ``""``, ``"wake"`` or ``"end"``."""
        if self._asked == self._answered:
            return ""
        self._looks += 1
        seconds = time.monotonic() - self._since
        if seconds > _LOST and self._looks > _LOOKS:
            return "end"
        return "wake" if seconds > _AWAKE else ""

    def drop(self) -> list[Chunk]:
        """The template is dead: the settings whose outcomes waited, which may have done that."""
        chunks = [chunk for _, chunk, _ in self._waiting]
        self._waiting.clear()
        self._answered = self._asked
        return chunks

    def release(self) -> None:
        """The run is over, and nobody else runs: all of them count."""
        self.answer(self._asked + 1)
