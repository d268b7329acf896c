"""The answers that a search has for its settings, and the records of these answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from superparams.declare.goal import Goal
from superparams.space.search_space import SearchPoint

__all__ = [
    "LEFT_OUT",
    "Answer",
    "Budget",
    "HistoryRow",
    "ReplayDiffers",
    "TrialRecords",
    "first_of",
    "turned",
]


class Answer(NamedTuple):
    """The outcome of one setting, as far as a search needs it.

    Attributes:
        status: The status of its outcome.
        values: The value of each goal; None if it is no number.
    """

    status: str
    values: Sequence[float | None]


LEFT_OUT: Final = Answer("", ())
"""Stands for the outcome of a repetition that ``valid`` refuses."""


class HistoryRow(NamedTuple):
    """An outcome from before the search."""

    point: SearchPoint
    answers: Sequence[Answer]


class ReplayDiffers(Exception):
    """A strategy has proposed another point than before, after the same outcomes.

    Attributes:
        trial: The number of the trial.
    """

    def __init__(self, trial: int) -> None:
        super().__init__(trial)
        self.trial = trial


class TrialRecords(Protocol):
    """The records that a search needs."""

    @property
    def n_recorded(self) -> int:
        """The number of the first trial without recorded outcomes, as for all later ones."""
        ...

    def propose(self, trial: int, point: SearchPoint) -> Sequence[str]:
        """Take the point of a trial.

        Returns:
            The key of each of its settings; an empty text for a repetition that ``valid`` refuses.
        """
        ...

    def is_kept(self, point: SearchPoint) -> bool:
        """Whether ``valid`` keeps a setting of a point."""
        ...

    def own(self, index: int) -> tuple[str, Answer] | None:
        """The key and the outcome that this search has recorded for a setting by its index."""
        ...

    def told_before(self, trial: int) -> Sequence[int] | None:
        """The trials that were told just before one was asked for; None if that is not recorded.

        Only searches that tell outcomes as they come need this.
        """
        ...

    def known(self, trial: int, key: str) -> Answer | None:
        """The outcome of a setting in other runs of the same code; None without one."""
        ...


@dataclass(frozen=True)
class Budget:
    """When a search ends, see `GoalStrategy`.

    Attributes:
        elapsed: Returns the seconds that the search has taken so far.
    """

    trials: int | None = None
    seconds: float | None = None
    target: float | None = None
    patience: int | None = None
    elapsed: Callable[[], float] = lambda: 0.0

    @property
    def is_limited(self) -> bool:
        """Whether the budget ends a search at all."""
        return not self.trials is self.seconds is self.target is self.patience is None


def first_of(scores: Sequence[float]) -> float:
    """The score of the first goal; 0 without a goal."""
    return scores[0] if scores else 0.0


def turned(x: float, goal: Goal) -> float:
    """A value of a goal, negated if the goal is to minimize, so that larger is better."""
    return x if goal.mode == "max" else -x
