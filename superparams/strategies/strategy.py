"""What a strategy is: it proposes the next point from the outcomes of the trials before it.

A trial is one proposal: a point with all its repetitions. `Strategy` is the protocol, which any
object with its three methods follows. `GoalStrategy` has the options that strategies of this room
share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Literal,
    Protocol,
    cast,
    runtime_checkable,
)

from superparams.declare.goal import Goal
from superparams.space.search_space import SearchPoint, SearchSpace
from superparams.strategies.goal_options import GoalOptions

if TYPE_CHECKING:
    pass

__all__ = ["AHEAD", "BUDGET", "GoalStrategy", "Strategy", "TrialOutcome", "TrialStatus"]

AHEAD: Final = 8  # trials that may run at once, by default
# Options that only limit a search: with another budget, the same search goes on.
BUDGET: Final = ("trials", "seconds", "target", "patience")

TrialStatus = Literal["done", "stopped", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The outcome of a trial.

    Attributes:
        point: The point that was tried.
        score: The mean of the goal over the repetitions, negated for a goal to minimize, so that
            larger is better. After a failure, it is the worst score so far, or minus infinity if
            there is none. With several goals, it is the score of the first goal.
        scores: The same for each goal.
        count: The number of settings in the mean; 0 after a failure.
        status: ``"done"``; ``"stopped"`` if a stopper ended a setting early, whose last values
            count; ``"failed"`` if a setting failed or was killed, or has no value of the goal;
            ``"refused"`` if ``valid`` does not keep the point.
    """

    point: SearchPoint
    score: float
    scores: Sequence[float]
    count: int = 1
    status: TrialStatus = "done"


@runtime_checkable
class Strategy(Protocol):
    """Proposes points to try.

    The number of a proposal decides which outcomes it depends on, not the speed of settings: before
    a strategy is asked for trial i, it is told the outcomes of all trials up to i - `ahead`, in
    order, and no others. A strategy must be deterministic: after the same outcomes it proposes the
    same points, and it draws random numbers only from the seed. So a search that was interrupted is
    resumed by asking again from trial 0.

    Other attributes are options of the search, if the object has them: `maximize` and `minimize`,
    the names of results (by default the goal of the experiment); `trials`, `seconds`, `target` and
    `patience`, the budget; `seed`, by default 0; `ahead`, by default 8; `enqueue` and `warm`.
    See `GoalStrategy`.
    """

    def begin(self, space: SearchSpace, seed: int) -> None:
        """Start a search, and forget what was told before.

        Args:
            space: The dimensions to choose values for.
            seed: Chooses the random numbers.
        """
        ...

    def ask(self, trial: int) -> SearchPoint | None:
        """The next point to try.

        Args:
            trial: The number of the trial, from 0. Points that were enqueued have numbers, too, and
                are not asked for. The same number comes again if ``valid`` refused the point.

        Returns:
            A value for each dimension by its name, see `SearchSpace`; None to end the search.
        """
        ...

    def tell(self, trial: int, outcome: TrialOutcome) -> None:
        """Take the outcome of a trial.

        Args:
            trial: Its number. Outcomes of trials that were not asked for are told as well: of
                points that were enqueued, and, with negative numbers, of earlier results.
            outcome: Its outcome, also after a failure.
        """
        ...


@dataclass(kw_only=True, repr=False)
class GoalStrategy(GoalOptions):
    """The options of a strategy.

    Attributes:
        maximize: The result to maximize; several names are several goals.
        minimize: The result to minimize. Without both, the goal is that of the experiment.
        trials: The search ends after so many trials.
        seconds: No trial begins after so many seconds. The table then depends on the speed.
        target: The search ends when a trial has reached this value.
        patience: The search ends after so many trials in a row without a better one.
        seed: Another seed gives other random numbers.
        ahead: The number of trials that may run at once: a proposal does not depend on the outcomes
            of the `ahead` - 1 trials before it. None: proposals depend on no outcome.
        order: ``"index"``: outcomes are told in the order of the trials, so that the proposals are
            the same for any number of workers. ``"arrival"``: they are told as they come.
        enqueue: Points to try first: settings, or mappings of fields to values.
        warm: Whether the strategy first learns the outcomes that other runs of the same code have
            recorded for settings of the space. These outcomes are no trials.
    """

    maximize: str | Sequence[str] | None = None
    minimize: str | Sequence[str] | None = None
    trials: int | None = None
    seconds: float | None = None
    target: float | None = None
    patience: int | None = None
    seed: int = 0
    ahead: int | None = AHEAD
    order: Literal["index", "arrival"] = "index"
    enqueue: Sequence[Any] = ()
    warm: bool = False

    most_goals: ClassVar[int | None] = 1  # None: any number

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            StrategyError: For a value that an option cannot have.
        """
        for name in ("maximize", "minimize"):
            self._columns(name)
        most = self.most_goals
        if most is not None and len(self._columns("maximize") + self._columns("minimize")) > most:
            name = "minimize" if self.minimize is not None else "maximize"
            raise self._refused(name, "give one goal; NSGA2 takes several")
        for name in ("trials", "patience", *([] if self.ahead is None else ["ahead"])):
            self._at_least(name, 1)
        self._at_least("seconds", 0, is_whole=False)
        self._at_least("target", -math.inf, is_whole=False)
        seed = cast("object", self.seed)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise self._refused("seed", "give an int, such as seed=0")
        if not isinstance(cast("object", self.warm), bool):
            raise self._refused("warm", "give True or False")
        if self.order not in ("index", "arrival"):
            raise self._refused("order", 'give "index" or "arrival"')

    @property
    def goals(self) -> list[Goal]:
        """The goals that this object names itself."""
        large = [Goal(column, "max") for column in self._columns("maximize")]
        return large + [Goal(column, "min") for column in self._columns("minimize")]

    @property
    def identity(self) -> str:
        """The strategy as text for the record of a search: without its budget."""
        changed = [text for name, text in self._changed().items() if name not in BUDGET]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _columns(self, name: str) -> list[str]:
        option: object = getattr(self, name)
        names = [] if option is None else [option]
        if isinstance(option, list | tuple):
            names = list(cast("Sequence[object]", option))
        if not all(isinstance(column, str) and column.strip() for column in names):
            raise self._refused(name, "give the name of a result")
        return cast("list[str]", names)
