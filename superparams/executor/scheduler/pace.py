"""How many settings make a chunk."""

from __future__ import annotations


class Pace:
    """Learns how long settings take: one makes a chunk when they are long, thousands when quick."""

    TARGET = 0.04  # seconds of work in a chunk
    # Below this, handing out costs more than the balance at the tail gains.
    LEAST = 0.002
    # A first guess from one setting may be far off.
    GROWTH = 16

    def __init__(self) -> None:
        """Start with single settings."""
        self._seconds_each: float | None = None
        self._most = 1

    def learn(self, count: int, seconds: float) -> None:
        """Learn from a chunk that is over: `count` settings of it took so many seconds."""
        if not count:
            return
        each = max(seconds / count, 1e-9)
        known = self._seconds_each
        self._seconds_each = each if known is None else (known + each) / 2
        if count >= self._most:
            self._most = count * self.GROWTH

    def size(self, remaining: int, n_workers: int) -> int:
        """Settings for the next chunk, when so many remain for so many workers."""
        if self._seconds_each is None:
            return 1
        fair = remaining // (2 * n_workers)
        least = int(self.LEAST / self._seconds_each)
        most = min(int(self.TARGET / self._seconds_each), self._most)
        return max(1, min(most, max(fair, least)))
