"""The median rule: a setting stops if it is worse than half of the settings before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superparams.strategies.stopper import GoalStopper, Reached, Row, Scores, folded, or_worst

__all__ = ["Median"]


@dataclass(frozen=True, repr=False)
class Median(GoalStopper):
    """Stops a setting whose best value so far is below the median of others at the same step.

    Source: Golovin et al., Google Vizier: A Service for Black-Box Optimization, KDD 2017, with the
    values at the step instead of their running averages.

    Attributes:
        warmup: The resource up to which nothing is stopped.
        interval: The distance between two comparisons, in units of the resource.
        min_settings: The number of other settings that a setting must be compared with.
    """

    warmup: float = 0
    interval: int = 1
    min_settings: int = 5

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._at_least("warmup", 0, is_whole=False)
        self._at_least("interval", 1)
        self._at_least("min_settings", 1)

    def reached(self, index: int, steps: Sequence[Row]) -> Reached | None:
        """The comparison that the last step has reached, with the value there and the best one."""
        best = folded(steps, None, self._better)
        rung = self._rung_at(self.amount(steps))
        if rung < 0 or (len(steps) > 1 and rung <= self._rung_at(self.amount(steps, 1))):
            return None
        return Reached(rung, self.score(steps[-1]), best)

    def goes_on(self, reached: Reached, others: Sequence[object]) -> bool:
        """Whether the best value of the setting is at least the median of the others' values."""
        if len(others) < self.min_settings:
            return True
        scores = Scores.of(others).ordered
        middle = (scores[len(scores) // 2] + scores[(len(scores) - 1) // 2]) / 2
        return or_worst(reached.own) >= middle

    def _better(self, best: float | None, row: Row) -> float | None:
        return max((x for x in (best, self.score(row)) if x is not None), default=None)

    def _rung_at(self, amount: float) -> int:
        return int((amount - self.warmup) // self.interval) - 1 if amount > self.warmup else -1
