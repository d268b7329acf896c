"""An estimate of the time left, from the durations of settings so far."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Final

__all__ = ["Durations", "time_left"]

STEPS: Final = 8  # classes of durations for each doubling
LATE: Final = 3.0  # a setting that takes so many times the longest one has no estimate


class Durations:
    """A histogram of the durations of settings."""

    def __init__(self) -> None:
        """Start with no setting."""
        self._classes: dict[int, tuple[int, float]] = {}  # settings and their seconds in total
        self._count = 0
        self._total = 0.0
        self.longest = 0.0

    def add(self, count: int, total: float, longest: float) -> None:
        """Add settings: their number, their seconds in total, and the most seconds of one."""
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
            number, seconds = self._classes.get(which, (0, 0.0))
            self._classes[which] = number + count, seconds + total

    @property
    def mean(self) -> float | None:
        """The mean seconds of a setting; None if there is none yet."""
        return self._total / self._count if self._count else None

    def rest(self, elapsed: float) -> float | None:
        """The expected seconds left of a setting that has run for `elapsed` seconds.

        This is the mean of the settings that took longer. None if no setting took nearly so long.
        """
        longer = [
            (count, total) for count, total in self._classes.values() if total > elapsed * count
        ]
        count = sum(number for number, _ in longer)
        if count:
            return sum(total for _, total in longer) / count - elapsed
        return 0.0 if elapsed <= self.longest * LATE else None


def time_left(
    durations: Durations, running: Sequence[float], waiting: int, workers: int
) -> float | None:
    """The expected seconds until all settings have ended; None if there is no estimate.

    A free worker takes the next setting, which takes the mean duration. Workers whose setting runs
    far longer than any before are left out.

    Args:
        durations: The durations of the settings that have ended.
        running: The seconds of each running setting so far.
        waiting: The number of settings that have not started.
        workers: The number of workers.
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
