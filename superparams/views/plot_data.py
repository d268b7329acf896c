"""Prepares results for pictures: the positions of values on an axis, and groups of rows.

Nothing here draws.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa

from superparams.outcomes.arrow import python_values
from superparams.views.result_tables import cell

__all__ = [
    "AxisScale",
    "MeanPoint",
    "PlacedColumn",
    "binned",
    "means_by",
    "placed",
    "short_number",
    "spans_magnitudes",
]

MOST_TICKS: Final = 8  # up to so many numbers, all are written along an axis
MOST_POINTS: Final = 40  # up to so many different numbers, an axis has no bins
GAP: Final = 0.2  # of an axis, below the numbers, for rows where the field is None
LABEL: Final = 24  # characters
_EVEN: Final = 4.0  # the smallest ratio of the ends of numbers that are log-spaced


@dataclass(frozen=True)
class AxisScale:
    """How the values of a column are placed along an axis.

    Attributes:
        name: The name of the column.
        is_log: Whether the axis is logarithmic.
        ticks: The places that have a label; empty to leave that to the axis.
        labels: Their labels.
        is_number: Whether the values are numbers; otherwise they are categories, at 0, 1, and so
            on.
        gap: The place of rows where a number is None; None without such rows.
    """

    name: str
    is_log: bool
    ticks: Sequence[float]
    labels: Sequence[str]
    is_number: bool
    gap: float | None = None

    def part(self, place: float, ends: tuple[float, float]) -> float:
        """The position of a place between two others, from 0 to 1."""
        low, high = (math.log(x) if self.is_log else x for x in ends)
        here = math.log(place) if self.is_log else place
        return 0.5 if high == low else (here - low) / (high - low)


class PlacedColumn(NamedTuple):
    """The values of a column as places along an axis: one for each row, NaN without the field."""

    scale: AxisScale
    places: list[float]

    @property
    def size(self) -> int:
        """How many different places there are."""
        return len(self.distinct)

    @property
    def distinct(self) -> list[float]:
        """The different places, in their order."""
        return sorted({place for place in self.places if not math.isnan(place)})

    def label(self, place: float) -> str:
        """A place in words."""
        if place == self.scale.gap:
            return "None"
        if self.scale.is_number:
            return short_number(place)
        return self.scale.labels[int(place)]


def placed(
    name: str,
    column: pa.ChunkedArray,
    has: Sequence[bool] | None = None,
    *,
    is_log: bool | None = None,
) -> PlacedColumn:
    """Place the values of a column along an axis.

    A number is its own place; other values are categories in the order of their first appearance.

    Args:
        name: The name of the column.
        column: Its values.
        has: Which rows have the field; None for all.
        is_log: Whether it is a logarithmic range; None if it is no range. Then the axis is
            logarithmic if the numbers are log-spaced.
    """
    values = python_values(column)
    some = values if has is None else [x for x, owns in zip(values, has, strict=True) if owns]
    form, is_a = column.type, pa.types
    if is_a.is_integer(form) or is_a.is_floating(form) or is_a.is_decimal(form):
        result = _numbers(name, some, is_log=is_log)
    else:
        result = _categories(name, some, {"False": 0, "True": 1} if is_a.is_boolean(form) else {})
    if has is None:
        return result
    own = iter(result.places)
    return PlacedColumn(result.scale, [next(own) if owns else math.nan for owns in has])


def _categories(name: str, values: Sequence[object], order: dict[str, int]) -> PlacedColumn:
    texts = ["None" if x is None else cell(name, x, LABEL) for x in values]
    places = [float(order.setdefault(text, len(order))) for text in texts]
    ticks = [float(n) for n in range(len(order))]
    return PlacedColumn(AxisScale(name, False, ticks, list(order), is_number=False), places)


def _numbers(name: str, values: Sequence[Any], *, is_log: bool | None) -> PlacedColumn:
    numbers = [float(x) if x is not None and math.isfinite(x) else None for x in values]
    finite = sorted({x for x in numbers if x is not None})
    is_log = is_log_spaced(finite) if is_log is None else is_log and bool(finite) and finite[0] > 0
    ticks = finite if len(finite) <= MOST_TICKS else []
    labels = list(map(short_number, ticks))
    gap: float | None = None
    if None in numbers and finite:
        low, high = finite[0], finite[-1]
        gap = low - GAP * ((high - low) or abs(low) or 1.0)
        if is_log:
            gap = low / (high / low if high > low else 10.0) ** GAP
    scale = AxisScale(name, is_log, ticks, labels, is_number=True, gap=gap)
    empty = 0.0 if gap is None else gap
    return PlacedColumn(scale, [empty if x is None else x for x in numbers])


def is_log_spaced(numbers: Sequence[float]) -> bool:
    """Whether numbers are more even on a logarithmic axis than on a linear one.

    Args:
        numbers: Different numbers in ascending order.
    """
    if len(numbers) < 3 or numbers[0] <= 0 or numbers[-1] / numbers[0] < _EVEN:
        return False
    return _unevenness(list(map(math.log, numbers))) < _unevenness(numbers)


def _unevenness(numbers: Sequence[float]) -> float:
    """The variance of the distances of neighbours, relative to their mean squared."""
    gaps = [b - a for a, b in itertools.pairwise(numbers)]
    mean = sum(gaps) / len(gaps)
    return sum((x - mean) ** 2 for x in gaps) / len(gaps) / mean**2 if mean else 0.0


def short_number(x: float) -> str:
    """A number in few digits, such as ``1e-05`` and ``1000``."""
    return f"{x:.0f}" if x == round(x) and abs(x) < 1e6 else f"{x:.4g}"


def binned(column: PlacedColumn, most: int = MOST_POINTS) -> PlacedColumn:
    """The column with the numbers in bins of equal width, if there are very many different ones.

    A number becomes the middle of its bin.

    Args:
        column: The column.
        most: The most different numbers without bins, and the most bins.
    """
    scale = column.scale
    if not scale.is_number or column.size <= most:
        return column
    numbers = [x for x in column.distinct if x != scale.gap]
    ends, n_bins = (min(numbers), max(numbers)), most // 2

    def middle(x: float) -> float:
        part = (min(n_bins - 1, int(scale.part(x, ends) * n_bins)) + 0.5) / n_bins
        low, high = ends
        return low * (high / low) ** part if scale.is_log else low + (high - low) * part

    is_kept = [x == scale.gap or math.isnan(x) for x in column.places]
    places = zip(column.places, is_kept, strict=True)
    return PlacedColumn(scale, [x if stays else middle(x) for x, stays in places])


class MeanPoint(NamedTuple):
    """The rows at one place of an axis: their mean, the smallest and the largest."""

    place: float
    mean: float
    low: float
    high: float
    n_rows: int


def means_by(
    groups: Iterable[object], places: Iterable[float], values: Iterable[float]
) -> dict[Any, list[MeanPoint]]:
    """For each group its points, in the order of their places; groups in order of appearance.

    Args:
        groups: The group of each row; NaN for a row that does not count.
        places: The place of each row; NaN for a row that does not count.
        values: The value of each row.
    """
    by_group: dict[Any, dict[float, list[float]]] = {}
    for group, place, x in zip(groups, places, values, strict=True):
        if group == group and place == place:
            by_group.setdefault(group, {}).setdefault(place, []).append(x)
    return {
        group: [
            MeanPoint(place, sum(xs) / len(xs), min(xs), max(xs), len(xs))
            for place, xs in sorted(points.items())
        ]
        for group, points in by_group.items()
    }


def spans_magnitudes(values: Sequence[float]) -> bool:
    """Whether values are positive, and the largest is a thousand times the smallest or more."""
    return bool(values) and min(values) > 0 and max(values) >= 1000 * min(values)
