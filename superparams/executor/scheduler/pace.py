"""The size of chunks."""

from __future__ import annotations


class Pace:
    """Learns how long settings take: chunks have one long setting, or thousands of quick ones."""

    TARGET = 0.04  # seconds of work in a chunk, where places are on this machine
    # Seconds of work in the smallest chunk. With smaller ones, handing out would cost more time
    # than workers gain at the end of the run by finishing together.
    LEAST = 0.002
    GROWTH = 16  # a chunk is at most so many times larger than any before: first times may mislead

    def __init__(self, target: float = TARGET) -> None:
        """Start with single settings.

        Args:
            target: Seconds of work in a chunk: more if it takes long to reach a place.
        """
        self._target = target
        self._seconds_each: float | None = None
        self._most = 1

    def learn(self, count: int, seconds: float) -> None:
        """Learn from a chunk that is over: `count` settings of it took so many seconds."""
        if not count:
            return
        each = max(seconds / count, 1e-9)
        before = self._seconds_each
        self._seconds_each = each if before is None else (before + each) / 2
        if count >= self._most:
            self._most = count * self.GROWTH

    def size(self, remaining: int, n_workers: int) -> int:
        """The number of settings for the next chunk.

        Args:
            remaining: The number of settings that are not handed out.
            n_workers: The number of workers.
        """
        if self._seconds_each is None:
            return 1
        fair = remaining // (2 * n_workers)
        least = int(self.LEAST / self._seconds_each)
        most = min(int(self._target / self._seconds_each), self._most)
        return max(1, min(most, max(fair, least)))
