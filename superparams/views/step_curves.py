"""The curves of settings, made of their steps: which points belong to which curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from superparams.errors import StoreError
from superparams.outcomes.step_batches import FIELD
from superparams.store.step_table import StepTable
from superparams.store.table.arrow_arrays import is_number_type
from superparams.store.table.filters import unknown_column
from superparams.store.table.schema import RESULT
from superparams.views.plot_data import MeanPoint, means_by
from superparams.views.result_tables import cell, is_alike

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["StepCurve", "StepCurves"]

EARLY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("failed", "killed", "timeout"), "failed"),
    "stopped": "stopped",
}


class StepCurve(NamedTuple):
    """The curve of a setting with all its repetitions.

    Attributes:
        label: The fields that distinguish it, or the value of one of them.
        points: Its points.
        ends: The last point of each of its settings that ended early, and ``failed`` or
            ``stopped``.
    """

    label: str
    points: Sequence[MeanPoint]
    ends: Sequence[tuple[tuple[float, float], str]]


@dataclass(frozen=True)
class StepCurves:
    """The curves of results.

    Attributes:
        y: The field of the steps.
        x: The field below.
        title: The field whose values are the labels; empty if the labels name it.
        over: The columns over which the curves are means, in words.
        curves: The curves.
    """

    y: str
    x: str
    title: str
    over: str
    curves: Sequence[StepCurve]

    @classmethod
    def of(cls, results: Results, y: str | None, x: str | None, by: str | None) -> StepCurves:
        """The curves of results.

        Args:
            results: The results.
            y: A field of the steps; None for that of the goal, or the first number.
            x: The field below; None for ``epoch`` or ``step``.
            by: The field whose values are the labels; None for all that vary.

        Raises:
            StoreError: For an unknown column, and if there are no steps.
        """
        name = results.root.name.rpartition(".")[2]
        current = results.current
        steps = current.steps
        goal = results.goal
        numbers = [field for field in steps.fields if is_number_type(steps.column(field).type)]
        if not len(steps) or not numbers:
            raise StoreError(f"plot.curves() of {name}: no setting recorded numbers in steps")
        if y is None:
            column = "" if goal is None else goal.column.removeprefix(RESULT)
            y = next((field for field in (column, FIELD + column) if field in numbers), numbers[0])
        if x is None:
            x = "epoch" if "epoch" in numbers and y != "epoch" else "step"
        for field in (y, x, *([] if by is None else [by])):
            if field not in steps.columns:
                raise StoreError(f"plot.curves() of {name}: {unknown_column(field, steps.columns)}")
        for field in (y, x):
            if not is_number_type(steps.column(field).type):
                raise StoreError(f"plot.curves() of {name}: {field!r} has no numbers")
        statuses = dict(
            zip(
                current.column("key").to_pylist(),
                current.column("status").to_pylist(),
                strict=True,
            )
        )
        params = [field for field in steps.columns if field in current.params]
        varying = [field for field in params if not is_alike(current.column(field))]
        repeated = [field for field in varying if field in current.repeats]
        own = [field for field in varying if field not in repeated and field not in current.derived]
        points = _points(steps, y, x)
        labels = _labels(steps, own, by)
        curves = _curves(points, labels, statuses)
        over = f" (mean over {', '.join(repeated)})" if repeated else ""
        title = by or (own[0] if len(own) == 1 else "")
        return cls(y, x, title, over, curves)

    def ends(self, how: str) -> list[tuple[float, float]]:
        """The points at which curves ended early, for ``failed`` or for ``stopped``."""
        return [place for curve in self.curves for place, why in curve.ends if why == how]

    @property
    def last_ends(self) -> tuple[float, float]:
        """The smallest and the largest of the last values."""
        lasts = [curve.points[-1].mean for curve in self.curves]
        return min(lasts), max(lasts)


class _Point(NamedTuple):
    """A step of a setting."""

    row: int
    setting: str
    place: float
    value: float


def _points(steps: StepTable, y: str, x: str) -> list[_Point]:
    """The steps with finite numbers."""
    columns = [steps.column(name).to_pylist() for name in ("key", x, y)]
    every = enumerate(zip(*columns, strict=True))
    return [
        _Point(row, key, float(place), float(value))
        for row, (key, place, value) in every
        if place is not None and value is not None and abs(float(value)) < float("inf")
    ]


def _labels(
    steps: StepTable, own: Sequence[str], by: str | None
) -> list[tuple[tuple[Any, ...], str]]:
    """Of each step the group of its curve, and the label of that."""
    columns = [[cell(name, x) for x in steps.column(name).to_pylist()] for name in own]
    groups: list[tuple[str, ...]] = list(zip(*columns, strict=True))
    groups = groups if columns else [()] * len(steps)
    if by is not None:
        shown = [cell(by, x) or "none" for x in steps.column(by).to_pylist()]
    elif len(own) == 1:
        shown = [group[0] or "none" for group in groups]
    else:
        shown = [
            ", ".join(f"{name}={x}" for name, x in zip(own, group, strict=True) if x)
            for group in groups
        ]
    return list(zip(groups, shown, strict=True))


def _curves(
    points: Sequence[_Point],
    labels: Sequence[tuple[tuple[Any, ...], str]],
    statuses: Mapping[str, str],
) -> list[StepCurve]:
    groups = [labels[point.row] for point in points]
    by_group = means_by(groups, [p.place for p in points], [p.value for p in points])
    lasts: dict[str, tuple[tuple[tuple[Any, ...], str], _Point]] = {}
    for group, point in zip(groups, points, strict=True):
        lasts[point.setting] = (group, point)
    ends: dict[Any, list[tuple[tuple[float, float], str]]] = {}
    for key, (group, point) in lasts.items():
        how = EARLY.get(statuses.get(key, ""))
        if how is not None:
            ends.setdefault(group, []).append(((point.place, point.value), how))
    return [StepCurve(group[1], curve, ends.get(group, ())) for group, curve in by_group.items()]
