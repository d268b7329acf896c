"""When a setting runs again, and how long it waits before that."""

from __future__ import annotations

from dataclasses import dataclass

from superparams.outcomes.outcome import Status

_LONGEST_WAIT = 3600.0  # seconds; a doubling wait grows no further


@dataclass(frozen=True)
class Retries:
    """The outcomes after which a setting runs again.

    Attributes:
        most: The highest number of attempts after the first one.
        statuses: The statuses after which there is another attempt.
        wait: Seconds before the second attempt, twice as many before the third, and so on.
        in_place: Whether the place where an attempt failed may begin the next one by itself.
    """

    most: int = 0
    statuses: frozenset[Status] = frozenset({"killed", "timeout"})
    wait: float = 0.0
    in_place: bool = True

    def allows(self, status: Status, attempt: int) -> bool:
        """Whether an outcome of this attempt is followed by another attempt."""
        return attempt <= self.most and status in self.statuses

    def allows_at_once(self, status: Status, attempt: int) -> bool:
        """Whether another attempt follows and need not wait, so the same place can run it now."""
        return self.in_place and not self.wait and self.allows(status, attempt)

    def delay(self, attempt: int) -> float:
        """Seconds to wait before this attempt, which is the second one or a later one."""
        return min(self.wait * 2.0 ** min(attempt - 2, 32), max(self.wait, _LONGEST_WAIT))
