"""The goal of an experiment: the result that is to be large, or small."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from superparams.errors import FieldError
from superparams.errors.short_repr import shorten

__all__ = ["GOAL", "Goal", "check_goal", "goal_of", "maximize", "minimize"]

GOAL: Final = "goal"  # the attribute of a class, and the entry of its schema


class Goal(NamedTuple):  # a dataclass takes longer to make, and every program makes it
    """What an experiment is to reach; made by `maximize` and `minimize`.

    Attributes:
        column: The name of the result, as in the table: dotted where it is nested.
        mode: ``"max"`` if it is to be large, ``"min"`` if it is to be small.
    """

    column: str
    mode: Literal["max", "min"]

    def __repr__(self) -> str:
        return f"{self.mode}imize({self.column!r})"

    def is_better(self, x: Any, other: Any) -> bool:
        """Whether the first of two values is nearer to the goal; NaN is not."""
        return bool(x > other if self.mode == "max" else x < other)


def maximize(column: str) -> Goal:
    """The goal that a result is to be large.

    Write ``goal = maximize("accuracy")`` in the body of an experiment, without an annotation. Then
    ``results.best()`` finds the row with the largest value, and tables and the line of progress
    show it. The goal is no part of the key or the code of a setting.

    Args:
        column: The name of the result, as in the table.

    Raises:
        FieldError: When it is no name.
    """
    return _goal(column, "max")


def minimize(column: str) -> Goal:
    """The goal that a result is to be small, such as a loss; see `maximize`."""
    return _goal(column, "min")


def _goal(column: Any, mode: Literal["max", "min"]) -> Goal:
    if not isinstance(column, str) or not column.strip():
        raise FieldError(
            f"{mode}imize({shorten(column)}): give the name of a result, such as "
            f'{mode}imize("accuracy")'
        )
    return Goal(column, mode)


def check_goal(cls: type[Any], goal: object) -> None:
    """Refuse a goal that is none.

    Args:
        cls: The experiment.
        goal: What its body says.

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
    """The goal of an experiment; None where it has none."""
    goal = getattr(cls, GOAL, None) if isinstance(cls, type) else None
    return goal if isinstance(goal, Goal) else None
