"""Measures how long workers have nothing to do because a search waits for its oldest trials."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["OrderWait"]

MOST_SHARE: Final = 0.1
LEAST_SECONDS: Final = 1.0  # seconds of all workers together; a shorter wait gets no note


class OrderWait:
    """Adds up the time of workers that have nothing to do because of the order of trials.

    Args:
        n_workers: How many there are.
        clock: The time in seconds.
    """

    def __init__(self, n_workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._n_workers, self._clock = n_workers, clock
        self._begun = self._since = clock()
        self._n_idle = 0
        self._idle = 0.0

    def pause(self) -> None:
        """Note that outcomes have come: until `go_on`, the strategy works."""
        now = self._clock()
        self._idle += self._n_idle * (now - self._since)
        self._since, self._n_idle = now, 0

    def go_on(self, n_running: int, *, is_over: bool) -> None:
        """Note that the strategy has proposed all trials that it may propose now.

        Args:
            n_running: How many settings run or are to run.
            is_over: Whether the search has ended, so that workers no longer wait for trials.
        """
        self._since = self._clock()
        self._n_idle = 0 if is_over else max(0, self._n_workers - n_running)

    @property
    def share(self) -> float:
        """The share of their time in which workers waited."""
        total = self._n_workers * (self._clock() - self._begun)
        return self._idle / total if total > 0 else 0.0

    def note(self, strategy: str, ahead: int) -> list[str]:
        """A note if workers waited for much of their time.

        Args:
            strategy: The name of the class.
            ahead: How many trials may run at once.
        """
        share = self.share
        if share <= MOST_SHARE or self._idle < LEAST_SECONDS:
            return []
        return [
            f"workers waited for the oldest trials in {share:.0%} of their time: "
            f"{strategy}(ahead={2 * ahead}) waits less, and is another search; "
            f'{strategy}(order="arrival") does not wait, and its table depends on which setting '
            "was quicker"
        ]
