"""The protocol of a stopper, and the options that stoppers share: goal and resource."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    cast,
    overload,
    runtime_checkable,
)

from superparams.strategies.goal_options import GoalOptions

if TYPE_CHECKING:
    pass

__all__ = ["GoalStopper", "Reached", "Row", "Scores", "StepList", "Stopper", "folded", "or_worst"]

Row = Mapping[str, Any]
State = TypeVar("State")
_RESULT: Final = "result."


class Reached(NamedTuple):
    """The progress of a setting when its stopper has to decide.

    Attributes:
        rung: A number that grows with the steps of a setting. The setting waits here until all
            earlier settings have reached this rung or have ended. None: it waits for no others.
        score: The value for comparisons with other settings, of any type that the stopper
            understands.
        own: The value by which the setting itself is judged, if that is not its score.
    """

    rung: int | None
    score: Any = None
    own: Any = None


class Scores(Sequence[Any]):
    """The scores of some settings in the order of the space.

    Args:
        scores: The scores; None for a setting that failed.
        ordered: The same as numbers in ascending order, if it is known.
    """

    __slots__ = ("_ordered", "_scores")

    def __init__(self, scores: Sequence[Any], ordered: list[float] | None = None) -> None:
        self._scores = scores
        self._ordered = ordered

    def __len__(self) -> int:
        return len(self._scores)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return self._scores[place]

    @property
    def ordered(self) -> list[float]:
        """The scores in ascending order, as numbers; a failed setting has minus infinity."""
        if self._ordered is None:
            self._ordered = sorted(map(or_worst, self._scores))
        return self._ordered

    @classmethod
    def of(cls, scores: Sequence[Any]) -> Scores:
        """The scores in the order of the space."""
        return scores if isinstance(scores, Scores) else cls(scores)


class StepList(list[Row]):
    """The steps of an attempt so far, with what has been computed from them.

    Attributes:
        memo: The number of folded steps, and the state after them; see `folded`.
    """

    memo: tuple[int, Any] = (0, None)


def folded(steps: Sequence[Row], first: State, add: Callable[[State, Row], State]) -> State:
    """The state after some steps, which `add` takes one after the other.

    Args:
        steps: The steps. Each step of a `StepList` is read only once, even if this is called often,
            since one stopper folds the list always in the same way.
        first: The state before the first step.
        add: Returns the state after one more step.
    """
    n, state = steps.memo if isinstance(steps, StepList) and steps.memo[0] else (0, first)
    for row in steps[n:]:
        state = add(state, row)
    if isinstance(steps, StepList):
        steps.memo = len(steps), state
    return state


def or_worst(score: float | None) -> float:
    """A score, or minus infinity for none."""
    return -math.inf if score is None else score


@runtime_checkable
class Stopper(Protocol):
    """Decides at the steps of settings whether they go on.

    Settings are compared in the order of the space: a setting with those before it, never with
    those that happened to be quicker. So the decisions are the same for any number of workers. An
    instance must not keep the steps of a run, since later runs use it as well. Its `repr`
    identifies the stopper: rows that it stopped count as finished for every stopper with the same
    `repr`.

    A stopper may have an attribute `order`: with ``"arrival"``, settings are compared with those
    that came earlier. It may have a method `reads(row)`: then only steps for which that returns
    True count. It may have a method `group(index)`: then only settings of one group are compared.
    """

    def reached(self, index: int, steps: Sequence[Row]) -> Reached | None:
        """Whether to decide about a setting after its last step.

        Args:
            index: The index of the setting in its space.
            steps: The steps of its attempt so far, at least one.

        Returns:
            The progress of the setting; None if it goes on without a decision.
        """
        ...

    def goes_on(self, reached: Reached, others: Sequence[Any]) -> bool:
        """Whether a setting goes on.

        Args:
            reached: The progress that `reached` returned.
            others: The scores at the same rung of the settings before it that came so far, in the
                order of the space. None means a setting that failed before this rung.
        """
        ...


@dataclass(frozen=True, repr=False)
class GoalStopper(GoalOptions):
    """A stopper that reads one column of the steps.

    Attributes:
        maximize: The column to maximize.
        minimize: The column to minimize. Without both, the stopper reads the goal of the
            experiment.
        resource: The column with the progress of a setting, such as ``"epoch"``. None counts the
            steps, from 1.
        order: ``"index"``: a setting is compared with those before it in the space, and waits for
            them, so that the same settings are stopped for any number of workers. ``"arrival"``: it
            is compared with those that came earlier, and never waits.
    """

    maximize: str | None = None
    minimize: str | None = None
    resource: str | None = None
    order: Literal["index", "arrival"] = "index"

    def __post_init__(self) -> None:
        """Check the columns.

        Raises:
            StrategyError: For two goals, and for a value that is not the name of a column.
        """
        if self.maximize is not None and self.minimize is not None:
            raise self._refused("minimize", "give maximize= or minimize=, not both")
        for name in ("maximize", "minimize", "resource"):
            x: object = getattr(self, name)
            if x is not None and not (isinstance(x, str) and x.strip()):
                raise self._refused(name, "give the name of a column of the steps")
        if self.order not in ("index", "arrival"):
            raise self._refused("order", 'give "index" or "arrival"')

    @property
    def column(self) -> str:
        """The column that the stopper reads; empty before `for_goal` has set it."""
        return self.maximize or self.minimize or ""

    def reads(self, row: Row) -> bool:
        """Whether a step counts: it needs a number in the column, and in the resource."""
        if self.resource is not None and number_in(row, self.resource) is None:
            return False
        return number_in(row, self.column) is not None

    def score(self, row: Row) -> float | None:
        """The value of the goal in a step, negated to minimize it; None without a number."""
        x = number_in(row, self.column)
        if x is None or math.isnan(x):
            return None
        return -x if self.maximize is None else x

    def amount(self, steps: Sequence[Row], back: int = 0) -> float:
        """The amount of the resource at a step.

        Args:
            steps: The steps of a setting so far.
            back: 0 for the last step, 1 for the one before, and so on.

        Raises:
            StrategyError: When the step has no number in the column of the resource.
        """
        if self.resource is None:
            return len(steps) - back
        x = number_in(steps[-1 - back], self.resource)
        if x is None or math.isnan(x):
            has = ", ".join(map(repr, steps[-1 - back])) or "no columns"
            raise self._refused("resource", f"a step has no such number; it has {has}")
        return x


def value_in(row: Row, column: str) -> Any:
    """The value of a row under the dotted name of a column; None if there is none.

    The table calls a result ``result.loss`` if ``loss`` is a parameter; here both names mean the
    result.
    """
    x: Any = row.get(column)
    if x is None and "." in column:
        x = row
        for name in column.split("."):
            x = cast("Row", x).get(name) if isinstance(x, Mapping) else None
    if x is None and column.startswith(_RESULT):
        return value_in(row, column.removeprefix(_RESULT))
    return x


def number_in(row: Row, column: str) -> float | None:
    """The number in a row under the dotted name of a column; None if there is none.

    A `Fraction` does not count, since tables hold it as text.
    """
    x = value_in(row, column)
    try:
        return None if x is None or isinstance(x, (str, bytes, Fraction)) else float(x)
    except (TypeError, ValueError, OverflowError):
        return None
