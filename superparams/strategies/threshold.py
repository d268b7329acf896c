"""A bound: a setting stops when its value is beyond it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from superparams.strategies.stopper import GoalStopper, Reached, Row

__all__ = ["Threshold"]


@dataclass(frozen=True, repr=False)
class Threshold(GoalStopper):
    """Stops a setting whose value is below `lower`, above `upper`, or no number.

    Attributes:
        lower: The smallest value with which a setting goes on; None for no lower bound.
        upper: The largest value with which a setting goes on; None for no upper bound.
        warmup: The resource up to which nothing is stopped.
    """

    lower: float | None = None
    upper: float | None = None
    warmup: float = 0

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._at_least("warmup", 0, is_whole=False)
        for name in ("lower", "upper"):
            self._at_least(name, -math.inf, is_whole=False)
        bounds = [x for x in (self.lower, self.upper) if x is not None]
        if not bounds or any(math.isnan(x) for x in bounds):
            raise self._refused("lower", "give lower=, upper= or both, as numbers")
        if len(bounds) == 2 and not bounds[0] < bounds[1]:
            raise self._refused("upper", f"give a number above lower={self.lower!r}")

    def reached(self, index: int, steps: Sequence[Row]) -> Reached | None:
        """The value of the last step; no other setting matters."""
        if self.amount(steps) <= self.warmup:
            return None
        score = self.score(steps[-1])
        return Reached(None, score if score is None or self.maximize else -score)

    def goes_on(self, reached: Reached, others: Sequence[object]) -> bool:
        """Whether the value is within the bounds."""
        value = reached.score
        if value is None or (self.lower is not None and value < self.lower):
            return False
        return self.upper is None or value <= self.upper
