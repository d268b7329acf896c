"""Settings that are handed out together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Chunk:
    """Settings handed out together: ranges of indices in any order, all at the same attempt.

    is_alone: no other setting may run meanwhile, as each may be what ended all workers.
    """

    ranges: tuple[range, ...]
    attempt: int = 1
    is_alone: bool = False

    @classmethod
    def of(cls, indices: Iterable[int], attempt: int = 1, *, is_alone: bool = False) -> Chunk:
        """A chunk of single settings; neighbours become one range."""
        ranges: list[range] = []
        for index in indices:
            if ranges and ranges[-1].stop == index:
                ranges[-1] = range(ranges[-1].start, index + 1)
            else:
                ranges.append(range(index, index + 1))
        return cls(tuple(ranges), attempt, is_alone)

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def __contains__(self, index: object) -> bool:
        return any(index in part for part in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for part in self.ranges:
            yield from part

    def split(self, count: int) -> tuple[Chunk, Chunk]:
        """The first `count` settings, and the rest."""
        if count <= 0:
            return self._with(()), self
        ends = list(accumulate(map(len, self.ranges)))
        position = bisect_right(ends, count)
        if position == len(self.ranges):
            return self, self._with(())
        cut = count - (ends[position - 1] if position else 0)
        split_range = self.ranges[position]
        head = (*self.ranges[:position], *([split_range[:cut]] if cut else ()))
        tail = (split_range[cut:], *self.ranges[position + 1 :])
        return self._with(head), self._with(tail)

    def _with(self, ranges: tuple[range, ...]) -> Chunk:
        return Chunk(ranges, self.attempt, self.is_alone)

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
        for part in self.ranges:
            if index in part:
                return position + index - part.start
            position += len(part)
        return position
