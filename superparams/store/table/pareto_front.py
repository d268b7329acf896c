"""The rows that no other row beats in all goals at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from superparams.declare.goal import Goal
from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_array, python_values
from superparams.store.runs.run_records import recorded_goals
from superparams.store.staleness.rows_by_code import RowsByCode

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Names", "RowsWithFront", "front_of", "front_places", "goals_of_front"]

Names: TypeAlias = str | Sequence[str] | None


class RowsWithFront(RowsByCode):
    """Rows of an experiment, of which some are in the Pareto front.

    Attributes:
        root: The folder of the experiment.
    """

    root: Path

    def pareto(
        self, *, maximize: Names = None, minimize: Names = None, stale: bool = False
    ) -> Self:
        """The rows that no other row beats in all of several columns: the Pareto front.

        Args:
            maximize: The columns to maximize.
            minimize: The columns to minimize. Without columns, the goals of the newest
                search count.
            stale: Whether rows of other code count.

        Raises:
            StoreError: With less than two columns, and for an unknown one.
        """
        name = self.root.name.rpartition(".")[2]
        goals = goals_of_front(maximize, minimize, recorded_goals(self.root), name)
        is_narrowed = self.is_code_known and not (stale or self._is_of_stale)
        rows = self._of_code(is_stale=False) if is_narrowed else self
        places = front_of([rows.column(goal.column) for goal in goals], goals)
        return rows._selected(lambda: places)


def goals_of_front(
    maximize: Names, minimize: Names, recorded: Sequence[Goal], name: str
) -> list[Goal]:
    """The goals that rows are compared by.

    Args:
        maximize: The columns to maximize.
        minimize: The columns to minimize.
        recorded: The goals if there are no columns.
        name: The name of the experiment, for messages.

    Raises:
        StoreError: When there are less than two.
    """
    goals = [Goal(column, "max") for column in _listed(maximize)]
    goals += [Goal(column, "min") for column in _listed(minimize)]
    goals = goals or list(recorded)
    if len(goals) < 2:
        raise StoreError(
            f"pareto() of {name} needs two goals: name the columns, as in "
            f"pareto(maximize='accuracy', minimize='size')"
        )
    return goals


def front_places(columns: Sequence[pa.ChunkedArray], goals: Sequence[Goal]) -> list[int]:
    """The places of the rows of the Pareto front, in ascending order.

    A row is in the front if no other row is at least as good in all goals and better in one. Rows
    without a number in one of the columns do not count.

    Args:
        columns: The column of each goal.
        goals: The goals.
    """
    turned = [
        [_score(x, goal) for x in python_values(column)]
        for column, goal in zip(columns, goals, strict=True)
    ]
    scores = list(zip(*turned, strict=True))
    places = [place for place, row in enumerate(scores) if not any(math.isnan(x) for x in row)]
    # A row can be beaten only by rows that come before it in this order.
    places.sort(key=lambda place: scores[place], reverse=True)
    front: list[tuple[float, ...]] = []
    front_rows: list[int] = []
    for place in places:
        row = scores[place]
        if not any(_beats(other, row) for other in front):
            front_rows.append(place)
            if not front or front[-1] != row:
                front.append(row)
    return sorted(front_rows)


def front_of(columns: Sequence[pa.ChunkedArray], goals: Sequence[Goal]) -> pa.Array:
    """As `front_places`, as an array."""
    return plain_array(front_places(columns, goals), pa.int64())


def _beats(row: Sequence[float], other: Sequence[float]) -> bool:
    return row != other and all(x >= y for x, y in zip(row, other, strict=True))


def _score(x: Any, goal: Goal) -> float:
    """A value with a sign such that larger is better; NaN if it is no number."""
    try:
        number = math.nan if x is None or isinstance(x, str | bytes) else float(x)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if goal.mode == "max" else -number


def _listed(names: Names) -> list[str]:
    return [] if names is None else [names] if isinstance(names, str) else list(names)
