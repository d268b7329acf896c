"""Strategies that ignore outcomes: random points, and points that cover a space evenly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from superparams.declare.goal import Goal
from superparams.space.random_bits import BitSource, Method, RandomBits, SobolBits
from superparams.space.search_space import SearchPoint, SearchSpace
from superparams.strategies.strategy import GoalStrategy, TrialOutcome

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Random", "Sobol", "drawn_settings"]


@dataclass(kw_only=True, repr=False)
class Random(GoalStrategy):
    """Random points, each drawn from the whole space: the points of ``space.sample(trials)``.

    It needs no goal, and no outcome: all trials are handed out at once.
    """

    ahead: int | None = None

    draws: ClassVar[str] = "sample"  # the method of a space that draws the same points

    def for_goal(self, goal: Goal | None, of: str) -> Self:
        """The same strategy with the goal of an experiment, if that has a goal."""
        return super().for_goal(goal, of) if goal is not None else self

    def begin(self, space: SearchSpace, seed: int) -> None:
        """Start a search; see `Strategy`."""
        method = self._method(seed)
        self._space = space
        self._bits: dict[str, BitSource] = {
            dimension.name: method(dimension.name) for dimension in space.every_dimension()
        }
        self._asked = (-1, 0)

    def ask(self, trial: int) -> SearchPoint | None:
        """The next point; see `Strategy`."""
        before, n_refused = self._asked
        attempt = n_refused + 1 if before == trial else 0
        self._asked = trial, attempt
        bits = self._bits
        return self._space.made(
            lambda dimension: dimension.at(bits[dimension.name].bits(trial, attempt))
        )

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        """Ignore an outcome."""

    def _method(self, seed: int) -> Method:
        return RandomBits(seed)


@dataclass(kw_only=True, repr=False)
class Sobol(Random):
    """Points of a scrambled Sobol sequence, which cover the space more evenly than random ones.

    They are the points of ``space.sobol(trials)``. A power of two is the best number of trials.
    """

    draws: ClassVar[str] = "sobol"

    def _method(self, seed: int) -> Method:
        return SobolBits(seed)


def drawn_settings(strategy: Any, space: Any) -> Any:
    """The space of the settings that a strategy proposes, if all are known beforehand; else None.

    Args:
        strategy: Any strategy.
        space: The space, a ``Params`` with open axes.
    """
    if not isinstance(strategy, Random) or strategy.trials is None:
        return None
    others = (strategy.seconds, strategy.target, strategy.patience)
    if others != (None, None, None) or strategy.enqueue:
        return None
    settings: Any = getattr(space.place, strategy.draws)(strategy.trials, strategy.seed)
    return settings.as_space()
