"""Indices of settings as ascending ranges that do not overlap."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

__all__ = ["marked_indices", "marks_of", "ranges_of", "ranges_without"]


def ranges_of(marks: Iterable[bool]) -> list[range]:
    """The indices of marks that are true, as ascending ranges."""
    ranges: list[range] = []
    start: int | None = None
    index = -1
    for index, marked in enumerate(marks):
        if marked and start is None:
            start = index
        elif not marked and start is not None:
            ranges.append(range(start, index))
            start = None
    return [*ranges, range(start, index + 1)] if start is not None else ranges


def marked_indices(marks: Iterable[bool], part: Sequence[range]) -> list[range]:
    """The indices of some ranges that are marked, as ascending ranges."""
    marked_ranges: list[range] = []
    marks = iter(marks)
    for indices in part:
        inside = ranges_of(islice(marks, len(indices)))
        marked_ranges += [indices[x.start : x.stop] for x in inside] if indices.start else inside
    return marked_ranges


def marks_of(part: Iterable[range], size: int) -> list[bool]:
    """Whether each index of a space is in some ranges."""
    marks = [False] * size
    for indices in part:
        marks[indices.start : indices.stop] = [True] * len(indices)
    return marks


def ranges_without(part: Sequence[range], places: Sequence[int]) -> list[range]:
    """The same ranges without these indices, which they contain; all are ascending."""
    ranges: list[range] = []
    start = 0
    for indices in part:
        end = bisect_left(places, indices.stop, start)
        ends = [indices.start - 1, *places[start:end], indices.stop]
        ranges += [range(a + 1, b) for a, b in pairwise(ends) if a + 1 < b]
        start = end
    return ranges
