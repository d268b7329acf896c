"""What is still to be handed out, and in which portions."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from superparams.executor.scheduler.chunk import Chunk

# What is to run alone runs in so many parts at first: one of them may be to blame.
_PARTS = 8
# One message to a worker stays well below the buffer of a socket.
MOST_RANGES = 1024


class Backlog:
    """The settings that no place has; lazy, as a run may have a million ranges.

    There are three kinds. Those that have not run come first. Those that run again follow, when
    they have waited long enough. Those that may have ended all places run last, one chunk at a
    time while nothing else runs.

    Attributes:
        remaining: How many settings there are.
        n_again: How many of them are for another attempt.
    """

    def __init__(self, ranges: Sequence[range] = ()) -> None:
        """Start with all of `ranges`."""
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
        self._sources.append(one for one in ranges if len(one))
        self.remaining += sum(map(len, ranges))

    def n_ready(self, now: float) -> int:
        """How many settings may be handed out now, beside others."""
        self._wake(now)
        return self.remaining - self._n_alone - self._n_waiting

    def next_due(self) -> float | None:
        """When the next setting has waited long enough; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def has_alone(self) -> bool:
        """Whether some settings are to run while nothing else runs."""
        return bool(self._alone)

    def take(self, size: int, now: float) -> Chunk | None:
        """At most `size` settings to run beside others; None if none may run now."""
        ranges: list[range] = []
        left = size
        while left > 0 and len(ranges) < MOST_RANGES and (part := self._next()) is not None:
            ranges.append(part[:left])
            if len(part) > left:
                self._new.appendleft(part[left:])
            left -= len(ranges[-1])
        if ranges:
            return self._taken(Chunk(tuple(ranges)))
        self._wake(now)
        if not self._again:
            return None
        chunk, rest = self._again.popleft().split(size)
        if rest:
            self._again.appendleft(rest)
        return self._taken(chunk)

    def take_alone(self) -> Chunk | None:
        """Settings to run while nothing else runs."""
        if not self._alone:
            return None
        chunk = self._alone.popleft()
        self._n_alone -= len(chunk)
        return self._taken(chunk)

    def give_back(self, chunk: Chunk) -> None:
        """Hand these out next: nobody ran them, or their outcomes were lost."""
        if chunk.is_alone:
            self.set_apart(chunk)
        elif chunk.attempt > 1:
            self.isolate(chunk)
        else:
            self.remaining += len(chunk)
            self._new.extendleft(reversed([one for one in chunk.ranges if len(one)]))

    def isolate(self, chunk: Chunk) -> None:
        """Hand each of these out by itself, after all the others."""
        for index in chunk:
            self.try_again(Chunk.of([index], chunk.attempt))

    def set_apart(self, chunk: Chunk) -> None:
        """Hand these out while nothing else runs, after all the others: a few, or one by one."""
        self.remaining += len(chunk)
        self._n_alone += len(chunk)
        self.n_again += len(chunk) if chunk.attempt > 1 else 0
        size = max(1, len(chunk) // _PARTS)
        while chunk:
            part, chunk = chunk.split(size)
            self._alone.append(replace(part, is_alone=True))

    def try_again(self, chunk: Chunk, due: float = 0.0) -> None:
        """Hand these out after all the others, when it is `due` or later."""
        if chunk.is_alone:
            self.set_apart(chunk)
            return
        self.remaining += len(chunk)
        self.n_again += len(chunk) if chunk.attempt > 1 else 0
        self._n_waiting += len(chunk)
        heapq.heappush(self._waiting, (due, next(self._order), chunk))

    def _wake(self, now: float) -> None:
        """Take what has waited long enough among those to hand out."""
        while self._waiting and self._waiting[0][0] <= now:
            chunk = heapq.heappop(self._waiting)[2]
            self._n_waiting -= len(chunk)
            self._again.append(chunk)

    def _taken(self, chunk: Chunk) -> Chunk:
        self.remaining -= len(chunk)
        self.n_again -= len(chunk) if chunk.attempt > 1 else 0
        return chunk

    def _next(self) -> range | None:
        while not self._new and self._sources:
            part = next(self._sources[0], None)
            if part is not None:
                return part
            self._sources.popleft()
        return self._new.popleft() if self._new else None
