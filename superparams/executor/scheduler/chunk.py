"""Settings that are handed out together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Chunk:
    """Settings that are handed out together.

    Attributes:
        ranges: Their indices, as ranges in any order.
        attempt: The number of the attempt, the same for all.
        is_alone: Whether no other setting may run meanwhile, since one of these may have ended all
            workers before.
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
        """The settings before `index`, and those after it."""
        head, rest = self.split(self._position(index))
        return head, rest.split(1)[1]

    def through(self, index: int) -> tuple[Chunk, Chunk]:
        """The settings up to and including `index`, and those after it."""
        return self.split(self._position(index) + 1)

    def _position(self, index: int) -> int:
        """The number of settings before `index`; of all settings if it is not among them."""
        position = 0
        for part in self.ranges:
            if index in part:
                return position + index - part.start
            position += len(part)
        return position
