"""Pictures of results: `results.plot`. This module decides what `drawing` draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from superparams.errors import StoreError
from superparams.views import drawing
from superparams.views.plot_data import (
    AxisScale,
    PlacedColumn,
    binned,
    means_by,
    spans_magnitudes,
)
from superparams.views.plot_rows import PlotRows, order_of_places
from superparams.views.step_curves import StepCurves

if TYPE_CHECKING:
    from superparams.store.results import Results
    from superparams.views.drawing import Axes

__all__ = ["Plots"]

MOST_FIELDS: Final = 12  # side by side
MOST_BARS: Final = 20
MOST_LINES: Final = 10  # lines that have a name each
SHADES: Final = 5  # up to so many lines of numbers; the colours of more lines follow the numbers
ABSENT: Final = -0.35  # on an axis of parallel coordinates: settings without the field
WIDTH, HEIGHT = 6.0, 4.0  # inches


class Plots:
    """Pictures of results, as in ``results.plot.line()``; needs ``superparams[plot]``.

    Each method draws into ``ax`` if that is given, and else into a figure of its own, which
    ``ax.figure.savefig("line.png")`` saves. Such a figure is not one of pyplot; in a notebook it
    is, so that it appears below the cell. Each method returns what it drew into.

    Only rows with the status ``done`` and a finite number are drawn, and none of other code;
    ``results.stale.plot`` draws those. Without names, a method takes the column of the goal, or
    the first result that is a number, and fields that vary. An axis is logarithmic if the field is
    declared so, or if its values are log-spaced. Values that are no numbers are categories. A field
    that only some alternatives have is drawn for the settings that have it.
    """

    def __init__(self, results: Results) -> None:
        """Use `Results.plot`; results: the rows to draw."""
        self._results = results

    def line(
        self,
        x: str | None = None,
        y: str | None = None,
        by: str | Literal[False] | None = None,
        *,
        ax: Axes | None = None,
    ) -> Axes:
        """Lines of a result over a field: means, with bands from the smallest to the largest value.

        All rows of one line with the same x are averaged, repetitions and any other fields alike.
        The axis of the result says over what. More than 40 different x are put into bins.

        Args:
            x: The field below; by default the number with the most values.
            y: The result.
            by: The field that has a line for each of its values; by default the most important one
                with at most ten values, categories first. False for a single line.
            ax: Where to draw.

        Raises:
            StoreError: For an unknown column, where there is nothing to draw, without matplotlib.
        """
        rows = PlotRows.of(self._results, y, "line")
        x = x or rows.widest()
        by = rows.narrowest({x}, MOST_LINES) if by is None else by or None
        column = binned(rows.column(x))
        groups = rows.column(by) if by else None
        keys = groups.places if groups else [0.0] * len(rows.values)
        by_group = means_by(keys, column.places, rows.values)
        order = order_of_places(groups, by_group)
        axes: Any = ax or drawing.new_axes(size=(WIDTH, HEIGHT))[0]
        colors = _colors(order, groups)
        for place, color in zip(order, colors, strict=True):
            points = by_group[place]
            label = groups.label(place) if groups else rows.name
            marker = "o" if len(points) == 1 else "o-" if len(points) <= 20 else "-"
            drawing.add_band(axes, points, label=label, color=color, marker=marker)
        drawing.set_scale(axes, "x", column.scale)
        others = [name for name in rows.varying if name not in (x, by)]
        _set_result(axes, rows, _averaged(by_group.values(), others))
        drawing.add_legend(axes, by or "", len(order))
        drawing.lay_out(axes)
        return _axes(axes)

    def heat(
        self,
        x: str | None = None,
        y: str | None = None,
        value: str | None = None,
        *,
        ax: Axes | None = None,
    ) -> Axes:
        """A heat map of a result over two fields; each cell has the mean of its rows.

        Cells without rows stay blank. Numbers are written into up to 64 cells. More than 20
        different numbers of a field are put into bins.

        Args:
            x: The field below; by default the most important one.
            y: The field on the left; by default the most important other one.
            value: The result.
            ax: Where to draw.

        Raises:
            StoreError: For an unknown column, and where fewer than two fields vary.
        """
        rows = PlotRows.of(self._results, value, "heat")
        ranked = [name for name in rows.shared() if name not in (x, y)]
        chosen = [name or (ranked.pop(0) if ranked else None) for name in (x, y)]
        first, second = chosen
        if first is None or second is None:
            raise StoreError(
                f"plot.heat() of {rows.experiment} needs two fields that vary, and "
                f"{first or second or 'none'} is all that does; plot.line() takes one"
            )
        columns = [binned(rows.column(name), 20) for name in (first, second)]
        pairs = list(zip(*(column.places for column in columns), strict=True))
        by_pair = means_by(pairs, [sum(pair) * 0 for pair in pairs], rows.values)
        places = [column.distinct for column in columns]
        nan = float("nan")
        cells = [
            [by_pair[x, y][0].mean if (x, y) in by_pair else nan for x in places[0]]
            for y in places[1]
        ]
        axes: Any = ax or drawing.new_axes(size=(WIDTH, HEIGHT))[0]
        others = [name for name in rows.varying if name not in (first, second)]
        over = _averaged(by_pair.values(), others)
        drawing.add_cells(axes, cells, f"{rows.name}{over}")
        for which, column, several in zip("xy", columns, places, strict=True):
            drawing.set_scale(axes, which, _scale_of_cells(column, several))
        return _axes(axes)

    def slices(
        self,
        y: str | None = None,
        fields: Sequence[str] | None = None,
        *,
        ax: Sequence[Axes] | Axes | None = None,
    ) -> list[Axes]:
        """A result against each field, side by side: a point for each row, and a line of means.

        Args:
            y: The result.
            fields: The fields; by default those that vary, up to 12, the most important first.
            ax: Where to draw: as many axes as there are fields.

        Returns:
            The axes, one for each field.

        Raises:
            StoreError: For an unknown column, if there is nothing to draw, and for another number
                of axes.
        """
        rows = PlotRows.of(self._results, y, "slices")
        names = list(fields or rows.ranked()[:MOST_FIELDS])
        own_axes: list[Any] | None = None
        if ax is not None:
            own_axes = list(ax) if isinstance(ax, Sequence) else [ax]
        if own_axes is not None and len(own_axes) != len(names):
            raise StoreError(
                f"plot.slices(ax=...) has {len(own_axes)} axes for {len(names)} fields: "
                f"{', '.join(names)}"
            )
        size = (3.0, 2.6)
        every = own_axes or drawing.new_axes(len(names), size=size, columns=min(4, len(names)))
        for number, (axes, name) in enumerate(zip(every, names, strict=True)):
            column = rows.column(name)
            drawing.add_points(axes, column.places, rows.values)
            points = means_by([0] * len(rows.values), binned(column, 20).places, rows.values)
            drawing.add_means(axes, points[0], is_line=column.scale.is_number)
            drawing.set_scale(axes, "x", column.scale)
            _set_result(axes, rows, "", is_named=number % 4 == 0)
            drawing.lay_out(axes)
        return [_axes(axes) for axes in every]

    def parallel(
        self,
        y: str | None = None,
        fields: Sequence[str] | None = None,
        *,
        ax: Axes | None = None,
    ) -> Axes:
        """Parallel coordinates: a line for each row, through its fields and its result.

        The colour is that of the result, and the best rows are on top. A setting that does not have
        a field goes through `absent`, below the axis of that field.

        Args:
            y: The result, which is the last axis.
            fields: The fields; by default those that vary, up to 12, in their own order.
            ax: Where to draw.

        Raises:
            StoreError: For an unknown column, where there is nothing to draw, without matplotlib.
        """
        rows = PlotRows.of(self._results, y, "parallel")
        chosen = rows.ranked()[:MOST_FIELDS]
        names = list(fields or (name for name in rows.varying if name in chosen))
        columns = [*map(rows.column, names), rows.result]
        parts = [_parts(column) for column in columns]
        order = rows.worst_first()
        colors = drawing.colors_along(parts[-1][index] for index in order)
        width = max(WIDTH, 1.1 * len(columns))
        axes: Any = ax or drawing.new_axes(size=(width, HEIGHT))[0]
        drawing.add_lines(axes, [[part[index] for part in parts] for index in order], colors)
        drawing.add_parallel_axes(axes, [_shown_ticks(column) for column in columns])
        drawing.name_parallel_axes(axes, [column.scale.name for column in columns])
        return _axes(axes)

    def importance(self, y: str | None = None, *, ax: Axes | None = None) -> Axes:
        """How much each field matters for a result, as bars; see `Results.importance`.

        Args:
            y: The result.
            ax: Where to draw.

        Raises:
            StoreError: For an unknown column, and where no field varies.
        """
        rows = PlotRows.of(self._results, y, "importance")
        bars = list(self._results.importance(rows.name))[:MOST_BARS]
        if not bars:
            raise StoreError(f"plot.importance() of {rows.experiment}: no field varies")
        names = [
            row["field"] if row["of"] == "all settings" else f"{row['field']}\n({row['of']})"
            for row in bars
        ]
        parts = [
            ("alone", [row["alone"] or 0.0 for row in bars]),
            ("with others", [row["with_others"] or 0.0 for row in bars]),
        ]
        height = max(1.5, 0.8 + 0.4 * len(names))
        axes: Any = ax or drawing.new_axes(size=(WIDTH, height))[0]
        drawing.add_bars(axes, names, parts)
        is_exact = all(row["exact"] for row in bars)
        axes.set_xlabel(f"share of the variance of {rows.name}{'' if is_exact else ', estimated'}")
        drawing.add_legend(axes, "", 2, "lower right")
        drawing.lay_out(axes)
        return _axes(axes)

    def curves(
        self,
        y: str | None = None,
        x: str | None = None,
        by: str | None = None,
        *,
        ax: Axes | None = None,
    ) -> Axes:
        """Learning curves: what each setting recorded in its steps, also if it ended early.

        Repetitions are one line: their mean, with a band from the smallest to the largest value.
        A cross marks the end of a setting that failed, was killed or took too long, and a square
        that of one that a stopper ended. More than ten lines have the colours of their last values.

        Args:
            y: A field of the steps; by default that of the goal, or the first number.
            x: The field below; by default ``epoch`` where there is one, else ``step``.
            by: The field that has a colour for each of its values.
            ax: Where to draw.

        Raises:
            StoreError: For an unknown column, and where there are no steps.
        """
        curves = StepCurves.of(self._results, y, x, by)
        axes: Any = ax or drawing.new_axes(size=(WIDTH, HEIGHT))[0]
        colors, n_named = _colors_of_curves(curves)
        named: set[str] = set()
        for curve, color in zip(curves.curves, colors, strict=True):
            marker = "o-" if len(curve.points) == 1 else "-"
            label = curve.label if n_named and curve.label not in named else "_"
            named.add(curve.label)
            drawing.add_band(axes, curve.points, label=label, color=color, marker=marker)
        drawing.mark_ends(axes, curves.ends("failed"), "failed, killed or timeout", "x")
        drawing.mark_ends(axes, curves.ends("stopped"), "stopped", "s")
        axes.set_xlabel(curves.x)
        axes.set_ylabel(f"{curves.y}{curves.over}")
        if spans_magnitudes([point.low for curve in curves.curves for point in curve.points]):
            axes.set_yscale("log")
        n_marks = bool(curves.ends("failed")) + bool(curves.ends("stopped"))
        drawing.add_legend(
            axes, curves.title if n_named else "", max(2 * n_marks, n_named + n_marks)
        )
        if not n_named:
            drawing.add_colorbar(axes, curves.last_ends, f"last {curves.y}")
        drawing.lay_out(axes)
        return _axes(axes)


def _axes(axes: Any) -> Axes:
    typed_axes: Axes = axes
    return typed_axes


def _averaged(groups: Any, others: Sequence[str]) -> str:
    """The columns over which the points are means, in words."""
    if all(point.n_rows == 1 for points in groups for point in points):
        return ""
    names = ", ".join(others) if len(others) < 3 else f"{len(others)} fields"
    return f" (mean over {names or 'rows'})"


def _set_result(axes: Any, rows: PlotRows, over: str, *, is_named: bool = True) -> None:
    if spans_magnitudes(rows.values):
        axes.set_yscale("log")
    axes.set_ylabel(f"{rows.name}{over}" if is_named else "")


def _colors(order: Sequence[float], groups: PlacedColumn | None) -> list[Any]:
    """The colours of lines: those of many numbers follow the numbers."""
    if groups is None or not groups.scale.is_number or len(order) <= SHADES:
        return [drawing.color_of(number) for number in range(len(order))]
    return drawing.colors_along(number / len(order) for number in range(len(order)))


def _colors_of_curves(curves: StepCurves) -> tuple[list[Any], int]:
    """The colour of each curve, and how many names a legend has; none for very many curves."""
    names = list(dict.fromkeys(curve.label for curve in curves.curves))
    if len(names) > MOST_LINES:
        low, high = curves.last_ends
        span = (high - low) or 1.0
        lasts = [(curve.points[-1].mean - low) / span for curve in curves.curves]
        return drawing.colors_along(lasts), 0
    return [drawing.color_of(names.index(curve.label)) for curve in curves.curves], len(names)


def _scale_of_cells(column: PlacedColumn, places: Sequence[float]) -> AxisScale:
    """The scale of an axis with cells side by side, whose labels are the values."""
    every = max(1, -(-len(places) // 20))
    ticks = [number + 0.5 for number in range(0, len(places), every)]
    labels = [column.label(place) for place in places[::every]]
    if column.scale.is_number and not column.scale.ticks:  # middles of bins
        labels = [x if x == "None" else f"{float(x):.3g}" for x in labels]
    return AxisScale(column.scale.name, False, ticks, labels, is_number=True)


def _ends(column: PlacedColumn) -> tuple[float, float]:
    places = [place for place in column.distinct if place != column.scale.gap]
    return (places[0], places[-1]) if places else (0.0, 1.0)


def _parts(column: PlacedColumn) -> list[float]:
    """The places of rows on an axis of parallel coordinates, from 0 to 1; below for no value."""
    ends, scale = _ends(column), column.scale
    return [ABSENT if place != place else scale.part(place, ends) for place in column.places]


def _shown_ticks(column: PlacedColumn) -> list[tuple[float, str]]:
    """Places on an axis of parallel coordinates, and their labels."""
    ends, scale = _ends(column), column.scale
    places = list(scale.ticks) if len(scale.ticks) <= MOST_FIELDS else list(ends)
    if scale.is_number and not scale.ticks:
        low, high = ends
        places = [low, (low * high) ** 0.5 if scale.is_log else (low + high) / 2, high]
    if scale.gap is not None:
        places.append(scale.gap)
    shown = [(scale.part(place, ends), column.label(place)) for place in places]
    return [*shown, (ABSENT, "absent")] if any(x != x for x in column.places) else shown
