"""Patience: a setting stops when it has not become better for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superparams.strategies.stopper import GoalStopper, Reached, Row, folded

__all__ = ["Patience"]


@dataclass(frozen=True, repr=False)
class Patience(GoalStopper):
    """Stops a setting that has not become better for some steps.

    Attributes:
        patience: The number of steps without a better value after which a setting stops.
        min_delta: A value counts as better if it exceeds the best value so far by more than this.
        warmup: The resource up to which nothing is stopped.
    """

    patience: int = 10
    min_delta: float = 0.0
    warmup: float = 0

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._at_least("patience", 1)
        self._at_least("min_delta", 0, is_whole=False)
        self._at_least("warmup", 0, is_whole=False)

    def reached(self, index: int, steps: Sequence[Row]) -> Reached | None:
        """The number of steps since the best value, as the score."""
        _, steps_since_best = folded(steps, _NO_BEST, self._after)
        return None if self.amount(steps) <= self.warmup else Reached(None, steps_since_best)

    def goes_on(self, reached: Reached, others: Sequence[object]) -> bool:
        """Whether the best value came less than `patience` steps ago."""
        return int(reached.score) < self.patience

    def _after(self, before: tuple[float | None, int], row: Row) -> tuple[float | None, int]:
        """The best score after one more step, and the number of steps since."""
        best, steps_since_best = before
        score = self.score(row)
        if score is not None and (best is None or score > best + self.min_delta):
            return score, 0
        return best, steps_since_best + 1


_NO_BEST: tuple[float | None, int] = None, 0
