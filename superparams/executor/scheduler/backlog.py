"""The settings that are still to be handed out."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from superparams.executor.scheduler.chunk import Chunk

_PARTS = 8  # a chunk that is set apart is split into so many parts, to find the one to blame
MOST_RANGES = 1024  # in a chunk, so that its message is smaller than the buffer of a socket


class Backlog:
    """The settings that no place has. They are read lazily: a run may have a million ranges.

    Settings that have not run are handed out first. Then come settings for another attempt, when
    they have waited long enough. Last come settings that may have ended all places: each chunk of
    these runs while nothing else runs.

    Attributes:
        remaining: The number of settings.
        n_again: The number of those for another attempt.
    """

    def __init__(self, ranges: Sequence[range] = ()) -> None:
        """Start with the settings of some ranges."""
        self._new: deque[range] = deque()
        self._sources: deque[Iterator[range]] = deque()
        self._again: deque[Chunk] = deque()
        self._waiting: list[tuple[float, int, Chunk]] = []  # a heap: due at, order, settings
        self._alone: deque[Chunk] = deque()
        self._order = count()
        self._n_alone = self._n_waiting = 0
        self.remaining = self.n_again = 0
        self.add(ranges)

    def add(self, ranges: Sequence[range]) -> None:
        """Add settings that have not run, after those that are there."""
        self._sources.append(part for part in ranges if len(part))
        self.remaining += sum(map(len, ranges))

    def n_ready(self, now: float) -> int:
        """The number of settings that may be handed out now, while others run."""
        self._wake(now)
        return self.remaining - self._n_alone - self._n_waiting

    def next_due(self) -> float | None:
        """The time when the next setting has waited long enough; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def has_alone(self) -> bool:
        """Whether some settings are to run while nothing else runs."""
        return bool(self._alone)

    def first(self, count: int) -> list[int]:
        """The indices of the settings that come next of those that have not run."""
        indices = [index for part in self._new for index in part[:count]][:count]
        while len(indices) < count and (part := self._next_source()) is not None:
            self._new.append(part)
            indices += part[: count - len(indices)]
        return indices

    def take(self, size: int, now: float) -> Chunk | None:
        """At most `size` settings that may run while others do; None if there are none now."""
        ranges: list[range] = []
        left = size
        while left > 0 and len(ranges) < MOST_RANGES and (part := self._next()) is not None:
            ranges.append(part[:left])
            if len(part) > left:
                self._new.appendleft(part[left:])
            left -= len(ranges[-1])
        if ranges:
            return self._removed(Chunk(tuple(ranges)))
        self._wake(now)
        if not self._again:
            return None
        chunk, rest = self._again.popleft().split(size)
        if rest:
            self._again.appendleft(rest)
        return self._removed(chunk)

    def take_alone(self) -> Chunk | None:
        """Settings to run while nothing else runs."""
        if not self._alone:
            return None
        chunk = self._alone.popleft()
        self._n_alone -= len(chunk)
        return self._removed(chunk)

    def give_back(self, chunk: Chunk) -> None:
        """Hand out these settings next: they were not run, or their outcomes were lost."""
        if chunk.is_alone:
            self.set_apart(chunk)
        elif chunk.attempt > 1:
            self.isolate(chunk)
        else:
            self.remaining += len(chunk)
            self._new.extendleft(reversed([part for part in chunk.ranges if len(part)]))

    def isolate(self, chunk: Chunk) -> None:
        """Hand out these settings one by one, after all others."""
        for index in chunk:
            self.try_again(Chunk.of([index], chunk.attempt))

    def set_apart(self, chunk: Chunk) -> None:
        """Hand out these settings after all others, in parts, each while nothing else runs."""
        self.remaining += len(chunk)
        self._n_alone += len(chunk)
        self.n_again += len(chunk) if chunk.attempt > 1 else 0
        size = max(1, len(chunk) // _PARTS)
        while chunk:
            part, chunk = chunk.split(size)
            self._alone.append(replace(part, is_alone=True))

    def try_again(self, chunk: Chunk, due: float = 0.0) -> None:
        """Hand out these settings for another attempt, after all others.

        Args:
            chunk: The settings, with the number of that attempt.
            due: The earliest time.
        """
        if chunk.is_alone:
            self.set_apart(chunk)
            return
        self.remaining += len(chunk)
        self.n_again += len(chunk) if chunk.attempt > 1 else 0
        self._n_waiting += len(chunk)
        heapq.heappush(self._waiting, (due, next(self._order), chunk))

    def _wake(self, now: float) -> None:
        """Move settings that have waited long enough to those that may be handed out."""
        while self._waiting and self._waiting[0][0] <= now:
            chunk = heapq.heappop(self._waiting)[2]
            self._n_waiting -= len(chunk)
            self._again.append(chunk)

    def _removed(self, chunk: Chunk) -> Chunk:
        self.remaining -= len(chunk)
        self.n_again -= len(chunk) if chunk.attempt > 1 else 0
        return chunk

    def _next(self) -> range | None:
        return self._new.popleft() if self._new else self._next_source()

    def _next_source(self) -> range | None:
        while self._sources:
            part = next(self._sources[0], None)
            if part is not None:
                return part
            self._sources.popleft()
        return None
