"""Successive halving: settings with the best values at a rung go on to the next one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from superparams.strategies.stopper import GoalStopper, Reached, Row, Scores, or_worst

__all__ = ["ASHA", "Hyperband"]


@dataclass(frozen=True, repr=False)
class ASHA(GoalStopper):
    """Asynchronous successive halving: at each rung, the best part of the settings goes on.

    Rungs are at `min_resource`, and at each further power of `reduction_factor` times it: 1, 3, 9,
    27. At a rung, a setting is compared with the settings before it in the space that reached this
    rung. It goes on if it is among the best 1/`reduction_factor` of them, itself included.

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, in the
    variant that stops settings and never resumes them.

    Attributes:
        min_resource: The resource at the first rung.
        reduction_factor: With 3, a third of the settings goes on at each rung; 2 or more.
        max_resource: Rungs lie below this; a setting that reaches it may finish. None for no limit.
    """

    min_resource: float = 1
    reduction_factor: int = 3
    max_resource: float | None = None

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._above("min_resource", 0, "give a number above 0")
        self._at_least("reduction_factor", 2)
        if self.max_resource is not None:
            remedy = "give a number above min_resource, or None"
            self._above("max_resource", self.min_resource, remedy)

    def reached(self, index: int, steps: Sequence[Row]) -> Reached | None:
        """The highest rung that the last step has reached; None if it is not a new rung."""
        rung = self._rung_at(self.amount(steps))
        before = -1 if len(steps) == 1 else self._rung_at(self.amount(steps, 1))
        return Reached(rung, self.score(steps[-1])) if rung > before else None

    def goes_on(self, reached: Reached, others: Sequence[object]) -> bool:
        """Whether the setting is among the best part of those that reached its rung."""
        scores = Scores.of(others).ordered
        n_better = len(scores) - bisect_right(scores, or_worst(reached.score))
        return n_better < max(1, (len(others) + 1) // self.reduction_factor)

    def _rung_at(self, amount: float) -> int:
        """The highest rung at or below an amount of the resource; -1 below the first one."""
        rung, level = -1, self.min_resource
        while level <= amount and (self.max_resource is None or level < self.max_resource):
            rung, level = rung + 1, level * self.reduction_factor
        return rung


@dataclass(frozen=True, repr=False)
class Hyperband(ASHA):
    """ASHA with several first rungs: settings take turns to begin at the first, second or third.

    ASHA stops a setting early if it starts slowly; here, some of them are first compared at a later
    rung. Settings of one bracket are compared with each other.

    Source: Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization,
    JMLR 2018, with the asynchronous brackets of the paper on ASHA.

    Attributes:
        brackets: How many brackets; bracket 0 is ASHA, each further one begins a rung later.
    """

    brackets: int = 3

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        self._at_least("brackets", 1)

    def group(self, index: int) -> int:
        """The bracket of a setting."""
        return index % self.brackets

    def reached(self, index: int, steps: Sequence[Row]) -> Reached | None:
        """The rung that the last step has reached, from the first one of the bracket on."""
        reached = super().reached(index, steps)
        if reached is None or reached.rung is None or reached.rung < self.group(index):
            return None
        return reached
