"""What is still to be handed out, and in which portions."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

# What is to run alone runs in so many parts at first: one of them may be to blame.
_PARTS = 8
# One message to a worker stays well below the buffer of a socket.
MOST_RANGES = 1024


@dataclass(frozen=True, slots=True)
class Chunk:
    """Settings handed out together: ranges of indices in any order, all at the same attempt.

    alone: no other setting may run meanwhile, as each may be what ended all workers.
    """

    ranges: tuple[range, ...]
    attempt: int = 1
    alone: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def __contains__(self, index: object) -> bool:
        return any(index in one for one in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for one in self.ranges:
            yield from one

    def split(self, count: int) -> tuple[Chunk, Chunk]:
        """The first `count` settings, and the rest."""
        ends = list(accumulate(map(len, self.ranges)))
        place = bisect_right(ends, count)
        if place == len(self.ranges):
            return self, replace(self, ranges=())
        cut = count - (ends[place - 1] if place else 0)
        parted = self.ranges[place]
        head = (*self.ranges[:place], *([parted[:cut]] if cut else ()))
        tail = (parted[cut:], *self.ranges[place + 1 :])
        return replace(self, ranges=head), replace(self, ranges=tail)

    def around(self, index: int) -> tuple[Chunk, Chunk]:
        """What comes before `index`, and what comes after it."""
        head, rest = self.split(self._position(index))
        return head, rest.split(1)[1]

    def through(self, index: int) -> tuple[Chunk, Chunk]:
        """What comes up to `index`, itself included, and what comes after it."""
        return self.split(self._position(index) + 1)

    def _position(self, index: int) -> int:
        """How many settings come before `index`; all, if it is not there."""
        position = 0
        for one in self.ranges:
            if index in one:
                return position + index - one.start
            position += len(one)
        return position


class Backlog:
    """The settings that no worker has yet; lazy, as a run may have a million ranges."""

    def __init__(self, todo: Iterable[range]) -> None:
        """Start with all of `todo`, which is read twice."""
        self._source = (one for one in todo if len(one))
        self._ranges: deque[range] = deque()
        self._again: deque[Chunk] = deque()
        self._apart: deque[Chunk] = deque()
        self._n_apart = 0
        self.remaining = sum(map(len, todo))
        self.waiting = 0  # how many of these for another attempt

    @property
    def ready(self) -> int:
        """How many of those that remain may run beside others."""
        return self.remaining - self._n_apart

    def take(self, size: int) -> Chunk | None:
        """At most `size` settings; the ones to try again come last."""
        found: list[range] = []
        while size > 0 and len(found) < MOST_RANGES and (one := self._next()) is not None:
            found.append(one[:size])
            if len(one) > size:
                self._ranges.appendleft(one[size:])
            size -= len(found[-1])
        chunk = Chunk(tuple(found)) if found else self._again.popleft() if self._again else None
        if chunk:
            self.remaining -= len(chunk)
            self.waiting -= len(chunk) if chunk.attempt > 1 else 0
        return chunk

    def give_back(self, chunk: Chunk) -> None:
        """Hand these out next: nobody ran them, or what became of them was lost."""
        if chunk.alone:
            self.set_apart(chunk)
        elif chunk.attempt > 1:
            self.isolate(chunk)
        else:
            self.remaining += len(chunk)
            self._ranges.extendleft(reversed([one for one in chunk.ranges if len(one)]))

    def isolate(self, chunk: Chunk) -> None:
        """Hand each of these out alone, after all the others."""
        self.remaining += len(chunk)
        self.waiting += len(chunk) if chunk.attempt > 1 else 0
        self._again.extend(Chunk((range(one, one + 1),), chunk.attempt) for one in chunk)

    def set_apart(self, chunk: Chunk) -> None:
        """Hand these out while nothing else runs, after all the others: a few, or one by one."""
        self.remaining += len(chunk)
        self._n_apart += len(chunk)
        self.waiting += len(chunk) if chunk.attempt > 1 else 0
        size = max(1, len(chunk) // _PARTS)
        while chunk:
            part, chunk = chunk.split(size)
            self._apart.append(replace(part, alone=True))

    def take_apart(self) -> Chunk | None:
        """What is to run alone now."""
        if not self._apart:
            return None
        chunk = self._apart.popleft()
        self.remaining -= len(chunk)
        self._n_apart -= len(chunk)
        self.waiting -= len(chunk) if chunk.attempt > 1 else 0
        return chunk

    def try_again(self, index: int, attempt: int, *, alone: bool = False) -> None:
        """Hand this out once more, after all the others."""
        if alone:
            self.set_apart(Chunk((range(index, index + 1),), attempt))
            return
        self.remaining += 1
        self.waiting += 1
        self._again.append(Chunk((range(index, index + 1),), attempt))

    def _next(self) -> range | None:
        return self._ranges.popleft() if self._ranges else next(self._source, None)


class Pace:
    """How many settings make a chunk: one when they are long, thousands when quick."""

    TARGET = 0.04  # seconds of work in a chunk
    # Below this, handing out costs more than the balance at the tail gains.
    LEAST = 0.002
    # A first guess from one setting may be far off.
    GROWTH = 16

    def __init__(self) -> None:
        """Start with single settings."""
        self._each: float | None = None
        self._most = 1

    def saw(self, count: int, seconds: float) -> None:
        """Learn from a chunk that is done."""
        if count:
            each = max(seconds / count, 1e-9)
            self._each = each if self._each is None else (self._each + each) / 2
            self._most = max(self._most, count) * self.GROWTH if count >= self._most else self._most

    def size(self, remaining: int, workers: int) -> int:
        """Settings for the next chunk."""
        if self._each is None:
            return 1
        fair = remaining // (2 * workers)
        least = int(self.LEAST / self._each)
        most = min(int(self.TARGET / self._each), self._most)
        return max(1, min(most, max(fair, least)))
