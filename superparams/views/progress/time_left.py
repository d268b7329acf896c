"""How long a run may still take, from how long its settings took so far."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Final

__all__ = ["Durations", "time_left"]

STEPS: Final = 8  # classes of durations between one second and two, and so on
LATE: Final = 3.0  # times the longest setting so far, after which nobody knows how long one takes


class Durations:
    """How long settings took: enough of that to say how long others may still take."""

    def __init__(self) -> None:
        """None has ended yet."""
        self._classes: dict[int, tuple[int, float]] = {}  # how many, and their seconds
        self._count = 0
        self._total = 0.0
        self.longest = 0.0

    def add(self, count: int, total: float, longest: float) -> None:
        """Take in settings that ended together: how many, their seconds in all, the most of one."""
        if count < 1:
            return
        self._note(1, longest)
        self._note(count - 1, max(0.0, total - longest))
        self._count += count
        self._total += total
        self.longest = max(self.longest, longest)

    def _note(self, count: int, total: float) -> None:
        if count:
            which = _class_of(total / count)
            known, seconds = self._classes.get(which, (0, 0.0))
            self._classes[which] = known + count, seconds + total

    @property
    def mean(self) -> float | None:
        """Seconds of a setting; None before one has ended."""
        return self._total / self._count if self._count else None

    def rest(self, elapsed: float) -> float | None:
        """Seconds that a setting may still take which has run for so long.

        It is taken for one of those that took longer. None when it runs for far longer than any.
        """
        longer = [
            (count, total)
            for count, total in self._classes.values()
            if total > elapsed * count  # which the mean of the class is above
        ]
        count = sum(one for one, _ in longer)
        if count:
            return sum(total for _, total in longer) / count - elapsed
        return 0.0 if elapsed <= self.longest * LATE else None


def time_left(
    durations: Durations, running: Sequence[float], waiting: int, workers: int
) -> float | None:
    """Seconds until all settings have ended; None when nothing is known of that.

    Each worker takes the next setting when it is free, and each of these takes as long as one did
    on average. A worker whose setting runs for far longer than any before is left out: nobody
    knows when it is free.

    Args:
        durations: Of the settings that have ended.
        running: Seconds for which each setting runs that is with a worker.
        waiting: How many settings are with none.
        workers: How many workers there are.
    """
    mean = durations.mean
    if mean is None:
        return None
    rests = [durations.rest(elapsed) for elapsed in running]
    free = [rest for rest in rests if rest is not None]
    free += [0.0] * min(max(0, workers - len(rests)), waiting)
    if not free:
        return None
    heapq.heapify(free)
    for _ in range(waiting):
        heapq.heapreplace(free, free[0] + mean)
    return max(free)


def _class_of(seconds: float) -> int:
    return math.floor(math.log2(max(seconds, 1e-9)) * STEPS)
