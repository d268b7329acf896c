"""Draws with matplotlib; only this file imports it.

Figures are made without pyplot, so that none stays open. In a notebook they are made with pyplot,
which shows them below the cell and closes them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from superparams.errors import StoreError
from superparams.identity.code.main_script import in_notebook
from superparams.views.plot_data import AxisScale, MeanPoint, short_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes

__all__ = [
    "add_band",
    "add_bars",
    "add_cells",
    "add_colorbar",
    "add_legend",
    "add_lines",
    "add_means",
    "add_parallel_axes",
    "add_points",
    "color_of",
    "colors_along",
    "lay_out",
    "mark_ends",
    "name_parallel_axes",
    "new_axes",
    "set_scale",
]

MOST_CELLS: Final = 64  # cells of a heat map up to which values are written
CROWDED: Final = 6  # labels below an axis; more labels are turned
COLORS: Final = "viridis"


def new_axes(number: int = 1, *, size: tuple[float, float], columns: int = 1) -> list[Any]:
    """The axes of a new figure.

    Args:
        number: How many.
        size: The width and height of each, in inches.
        columns: The number of axes in a row.

    Raises:
        StoreError: Without matplotlib; names what to install.
    """
    rows = -(-number // columns)
    options: dict[str, Any] = {
        "figsize": (size[0] * columns, size[1] * rows),
        "layout": "constrained",
    }
    try:
        if in_notebook():
            pyplot: Any = importlib.import_module("matplotlib.pyplot")
            figure: Any = pyplot.figure(**options)
        else:
            from matplotlib.figure import Figure

            figure = Figure(**options)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise StoreError(
            "results.plot draws with matplotlib, which is not installed: "
            "pip install 'superparams[plot]'"
        ) from error
    grid = figure.subplots(rows, columns, squeeze=False, sharey=number > 1)
    axes = list(grid.flat)
    for empty in axes[number:]:
        empty.remove()
    return axes[:number]


# ---- axes


def set_scale(ax: object, which: str, scale: AxisScale) -> None:
    """Give an axis the scale, the ticks and the name of a column.

    Args:
        ax: The axes.
        which: ``"x"`` or ``"y"``.
        scale: The scale.
    """
    from matplotlib import ticker

    axis: Any = getattr(ax, f"{which}axis")
    if scale.is_log:
        getattr(ax, f"set_{which}scale")("log")
    getattr(ax, f"set_{which}label")(scale.name)
    ticks, labels = list(scale.ticks), list(scale.labels)
    if not scale.is_number:
        getattr(ax, f"set_{which}lim")(-0.5, len(ticks) - 0.5)
    if scale.gap is not None and not ticks:
        ticks = [t for t in axis.get_majorticklocs() if t > scale.gap]
        labels = list(map(short_number, ticks))
    if scale.gap is not None:
        ticks, labels = [scale.gap, *ticks], ["None", *labels]
    if ticks:
        axis.set_major_locator(ticker.FixedLocator(ticks))
        axis.set_major_formatter(ticker.FixedFormatter(labels))
        axis.set_minor_locator(ticker.NullLocator())
        _turn_if_long(axis, which, labels)


def _turn_if_long(axis: Any, which: str, labels: Sequence[str]) -> None:
    if which == "x" and (sum(map(len, labels)) > 45 or len(labels) > 2 * CROWDED):
        for label in axis.get_ticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")


def lay_out(ax: Any) -> None:
    """Remove lines around the data that show nothing."""
    ax.spines[["top", "right"]].set_visible(False)


def add_legend(ax: Any, title: str, number: int, place: str = "best") -> None:
    """Name the lines, if there are several; a legend with many names is outside of the axes."""
    if number < 2:
        return
    if number <= CROWDED:
        ax.legend(title=title or None, frameon=False, loc=place)
    else:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        ax.legend(title=title or None, frameon=False, fontsize="small", **beside)


def add_colorbar(ax: Any, ends: tuple[float, float], label: str) -> None:
    """Add a bar that shows which colour means which number."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    mappable = ScalarMappable(Normalize(*ends), COLORS)
    ax.figure.colorbar(mappable, ax=ax, label=label)


# ---- colours


def color_of(number: int) -> str:
    """The colour of a line, from the cycle of the style that is set."""
    return f"C{number % 10}"


def colors_along(parts: Iterable[float]) -> list[Any]:
    """The colours of numbers from 0 to 1."""
    from matplotlib import colormaps

    shades: Any = colormaps[COLORS]
    return [shades(part) for part in parts]


# ---- data


def add_band(ax: Any, points: Sequence[MeanPoint], *, label: str, color: Any, marker: str) -> None:
    """A line through means, and a band from the smallest value to the largest."""
    places = [point.place for point in points]
    ax.plot(places, [point.mean for point in points], marker, label=label, color=color, ms=4)
    if any(point.low < point.high for point in points):
        low, high = [p.low for p in points], [p.high for p in points]
        ax.fill_between(places, low, high, color=color, alpha=0.2, linewidth=0)


def add_points(ax: Any, places: Sequence[float], values: Sequence[float]) -> None:
    """A point for each row; the more there are, the paler."""
    alpha = 0.8 if len(values) < 100 else 0.4 if len(values) < 2000 else 0.15
    ax.scatter(places, values, s=14, alpha=alpha, linewidth=0)


def mark_ends(ax: Any, ends: Sequence[tuple[float, float]], label: str, marker: str) -> None:
    """Mark where curves ended early."""
    if ends:
        x, y = zip(*ends, strict=True)
        ax.scatter(x, y, marker=marker, s=30, color="0.5", zorder=3, label=label)


def add_cells(ax: Any, cells: Sequence[Sequence[float]], label: str) -> None:
    """The cells of a heat map, row by row from below; NaN is left blank."""
    from numpy import isnan, ma

    values = ma.masked_invalid(cells)
    mesh = ax.pcolormesh(values, cmap=COLORS)
    ax.figure.colorbar(mesh, ax=ax, label=label)
    if values.size <= MOST_CELLS:
        low, high = float(values.min()), float(values.max())
        for y, row in enumerate(cells):
            for x, number in enumerate(row):
                if not isnan(number):
                    is_dark = number < (low + high) / 2
                    color = "white" if is_dark else "black"
                    text = f"{number:.3g}"
                    ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=color)


def add_bars(ax: Any, names: Sequence[str], parts: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Horizontal bars, the first on top, each with several parts in a row."""
    places = list(range(len(names)))
    starts = [0.0] * len(names)
    for number, (label, widths) in enumerate(parts):
        color, alpha = color_of(0), 1.0 if number == 0 else 0.45
        ax.barh(places, widths, left=starts, label=label, color=color, alpha=alpha, height=0.7)
        starts = [a + b for a, b in zip(starts, widths, strict=True)]
    ax.set_yticks(places, names)
    ax.invert_yaxis()


def add_lines(ax: Any, lines: Sequence[Sequence[float]], colors: Sequence[Any]) -> None:
    """Lines from one vertical axis to the next; each has a place from 0 to 1 on every axis."""
    from matplotlib.collections import LineCollection

    alpha = 0.8 if len(lines) < 50 else 0.4 if len(lines) < 500 else 0.15
    segments = [list(enumerate(places)) for places in lines]
    ax.add_collection(LineCollection(segments, colors=list(colors), alpha=alpha, linewidth=1.2))


def add_means(ax: Any, points: Sequence[MeanPoint], *, is_line: bool) -> None:
    """The means, with a line through them for numbers."""
    form = "-" if is_line and len(points) > 2 else "D"
    ax.plot([p.place for p in points], [p.mean for p in points], form, color=color_of(1), ms=5)


def add_parallel_axes(ax: Any, ticks: Sequence[Sequence[tuple[float, str]]]) -> None:
    """The vertical axes of parallel coordinates, each with places from 0 to 1 and their labels."""
    from matplotlib import rcParams

    lowest = min([0.0, *(place for several in ticks for place, _ in several)])
    behind = {"facecolor": rcParams["axes.facecolor"], "alpha": 0.75, "pad": 0.8, "linewidth": 0}
    for number, several in enumerate(ticks):
        ax.axvline(number, color=rcParams["axes.edgecolor"], linewidth=0.8, zorder=3)
        for place, label in several:
            text = f"{label} "
            ax.text(
                *(number, place, text),
                ha="right",
                va="center",
                fontsize="small",
                bbox=behind,
                zorder=4,
            )
    ax.set_ylim(lowest - 0.05, 1.05)


def name_parallel_axes(ax: Any, names: Sequence[str]) -> None:
    """Name the vertical axes, and hide everything else around them."""
    ax.set_xlim(-0.4, len(names) - 0.9)
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(axis="x", length=0)
    _turn_if_long(ax.xaxis, "x", names)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
