"""The goal of an experiment: the result to maximize or to minimize."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from superparams.errors import FieldError
from superparams.errors.short_repr import shorten

__all__ = ["GOAL", "Goal", "check_goal", "goal_of", "maximize", "minimize"]

GOAL: Final = "goal"  # the attribute of a class, and the entry of its schema


class Goal(NamedTuple):  # a dataclass would take longer to create, in every program
    """The result that an experiment maximizes or minimizes.

    Attributes:
        column: The name of the result, as in the table: dotted if it is nested.
        mode: ``"max"`` or ``"min"``.
    """

    column: str
    mode: Literal["max", "min"]

    def __repr__(self) -> str:
        return f"{self.mode}imize({self.column!r})"

    def is_better(self, x: Any, other: Any) -> bool:
        """Whether `x` is better than `other`; NaN is never better."""
        return bool(x > other if self.mode == "max" else x < other)


def maximize(column: str) -> Goal:
    """Declare that the goal of an experiment is a large result, such as an accuracy.

    Write ``goal = maximize("accuracy")`` in the body of an experiment, without an annotation. Then
    ``results.best()`` finds the row with the largest value, and tables and the line of progress
    show it. The goal is not part of the key or the code of a setting.

    Args:
        column: The name of the result, as in the table.

    Returns:
        The goal.

    Raises:
        FieldError: For anything but a name.
    """
    return _goal(column, "max")


def minimize(column: str) -> Goal:
    """Declare that the goal of an experiment is a small result, such as a loss.

    It is used as `maximize` is.

    Args:
        column: The name of the result, as in the table.

    Returns:
        The goal.

    Raises:
        FieldError: For anything but a name.
    """
    return _goal(column, "min")


def _goal(column: object, mode: Literal["max", "min"]) -> Goal:
    if not isinstance(column, str) or not column.strip():
        raise FieldError(
            f"{mode}imize({shorten(column)}): give the name of a result, such as "
            f'{mode}imize("accuracy")'
        )
    return Goal(column, mode)


def check_goal(cls: type[Any], goal: object) -> None:
    """Refuse a ``goal`` in a class body that is no goal.

    Args:
        cls: The experiment.
        goal: The value of its attribute ``goal``.

    Raises:
        FieldError: For anything but a `Goal` and None.
    """
    if goal is None or isinstance(goal, Goal):
        return
    column = goal if isinstance(goal, str) and goal.strip() else "accuracy"
    raise FieldError(
        f"{cls.__name__}.{GOAL} is {shorten(goal)}: write {GOAL} = maximize({column!r}) or "
        f"{GOAL} = minimize({column!r}), without an annotation"
    )


def goal_of(cls: object) -> Goal | None:
    """The goal of an experiment class; None if it has none."""
    goal = getattr(cls, GOAL, None) if isinstance(cls, type) else None
    return goal if isinstance(goal, Goal) else None
