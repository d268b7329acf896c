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
    at = -1
    for at, marked in enumerate(marks):
        if marked and start is None:
            start = at
        elif not marked and start is not None:
            ranges.append(range(start, at))
            start = None
    return [*ranges, range(start, at + 1)] if start is not None else ranges


def marked_indices(marks: Iterable[bool], part: Sequence[range]) -> list[range]:
    """The indices of some ranges that are marked, as ascending ranges."""
    found: list[range] = []
    marks = iter(marks)
    for one in part:
        inside = ranges_of(islice(marks, len(one)))
        found += [one[x.start : x.stop] for x in inside] if one.start else inside
    return found


def marks_of(part: Iterable[range], size: int) -> list[bool]:
    """Whether each index of a space is in some ranges."""
    marks = [False] * size
    for one in part:
        marks[one.start : one.stop] = [True] * len(one)
    return marks


def ranges_without(part: Sequence[range], places: Sequence[int]) -> list[range]:
    """Ascending ranges without some ascending indices that they contain."""
    found: list[range] = []
    start = 0
    for one in part:
        end = bisect_left(places, one.stop, start)
        ends = [one.start - 1, *places[start:end], one.stop]
        found += [range(a + 1, b) for a, b in pairwise(ends) if a + 1 < b]
        start = end
    return found
