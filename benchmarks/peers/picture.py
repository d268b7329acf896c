"""The picture: a panel for each kind of work, a dot with its spread for each way, log scales."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from benchmarks.peers import catalog, task
from benchmarks.peers.scale import SLOW
from benchmarks.peers.table import Number, Record, head, key, number, title, works

# Readable on white and on black alike.
TEXT = "#808080"
OURS = "#e8590c"
OTHERS = "#4c8dd6"
PANELS = {
    "noop": "Settings that do nothing",
    "resume": "The same call again",
    "array": "An array for all settings",
    "memory": "Memory of that",
    "expand": "A space expanded",
    "read": "Results read back",
    "search": "Trials of a sampler",
    "asha": "ASHA",
    "naps": "TPE, trials of 50 ms, to ideal",
    "go-on": "A search that goes on",
    "steps": "Steps recorded",
    "import": "Import",
    "kill": "Kept of 20, one a killer (hollow: no end)",
}
WIDTH, ROW, MARGIN = 13.0, 0.2, 0.75  # inches
MEASURES = {
    "": (("", 1),),
    "x": (("", 1),),
    "/s": (("/s", 1), ("k/s", 1e3)),
    "s": (("us", 1e-6), ("ms", 1e-3), ("s", 1.0)),
    "B": (("MiB", 2**20), ("GiB", 2**30)),
}
SETTINGS = {
    "svg.hashsalt": "superparams",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
}


def draw(results: dict[str, Any], path: Path) -> bool:
    """Write the picture, or say that there is no matplotlib to do it."""
    if importlib.util.find_spec("matplotlib") is None:
        return False
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    limits = {name: results["limit"] * SLOW.get(name, 1) for name in PANELS}
    panels = {name: panel(works(results["cells"], name), results["limit"]) for name in PANELS}
    panels = {name: ones for name, ones in panels.items() if ones[1]}
    pairs = [list(panels.items())[at : at + 2] for at in range(0, len(panels), 2)]
    heights = [max(len(ones) for _, (_, ones) in pair) * ROW + MARGIN for pair in pairs]
    with pyplot.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(
            len(pairs),
            2,
            figsize=(WIDTH, sum(heights)),
            squeeze=False,
            layout="constrained",
            height_ratios=heights,
        )
        for row, pair in zip(axes, pairs, strict=True):
            for place, (name, (where, ones)) in zip(row, pair, strict=False):
                dots(place, ones, limits[name])
                place.set_title(f"{PANELS[name]}: {where}" if where else PANELS[name], loc="left")
            for place in row[len(pair) :]:
                place.axis("off")
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return True


def panel(records: list[Record], limit: float) -> tuple[str, list[tuple[str, Number]]]:
    """What a panel shows: the largest size that at least half of the ways have a number for."""
    sizes: dict[tuple[str, int, int], list[Record]] = {}
    for one in records:
        sizes.setdefault(key(one), []).append(one)
    for ones in sorted(sizes.values(), key=lambda ones: (-ones[0]["size"], ones[0]["workers"])):
        numbers = [(title(one), number(one, limit)) for one in ones]
        shown = [(name, one) for name, one in numbers if one.values or is_over(one)]
        if 2 * sum(bool(one.values) for _, one in numbers) >= len(numbers):
            where = head(ones[0]) if ones[0]["size"] else ""
            return where, sorted(shown, key=lambda pair: order(pair[1]))
    return "", []


def order(one: Number) -> tuple[float, bool]:
    """The best first."""
    return one.rank, bool(one.note)


def is_over(one: Number) -> bool:
    return one.unit == "s" and one.note.startswith("over")


def hollow(one: Number) -> bool:
    """Whether results were kept, but not by a run that ended."""
    return not one.unit and bool(one.note)


def dots(axes: Any, ones: list[tuple[str, Number]], limit: float) -> None:
    """A dot at the median, a line from the least to the most; an arrow for what took too long."""
    for at, (name, one) in enumerate(ones):
        colour = colour_of(name)
        face = "none" if name.startswith(plain_title()) or hollow(one) else colour
        if one.values:
            axes.hlines(at, min(one.values), max(one.values), color=colour, linewidth=2)
            axes.plot(one.median, at, "o", color=colour, markerfacecolor=face, markersize=5)
        else:
            axes.plot(limit, at, ">", color=colour, markerfacecolor="none", markersize=5)
    axes.set_xscale("linear" if ones[0][1].unit in ("", "x") else "log")
    axes.set_yticks(range(len(ones)), [name for name, _ in ones])
    axes.set_ylim(len(ones) - 0.5, -0.5)
    axes.grid(axis="x", color=TEXT, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    scaled(axes, ones)
    for label, (name, _) in zip(axes.get_yticklabels(), ones, strict=True):
        if colour_of(name) == OURS:
            label.set_color(OURS)
            label.set_fontweight("bold")


def scaled(axes: Any, ones: list[tuple[str, Number]]) -> None:
    """Ticks in units that people read."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    units = MEASURES[ones[0][1].unit]
    if ones[0][1].unit == "x":
        axes.set_xlim(0.9)
        return
    if ones[0][1].unit == "":
        axes.set_xlim(-0.5, task.SETTINGS + 0.5)
        axes.set_xticks(range(0, task.SETTINGS + 1, 5))
        return
    base = 2.0 if ones[0][1].unit == "B" else 10.0
    axes.xaxis.set_major_locator(LogLocator(base))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: told(value, units)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def told(value: float, units: tuple[tuple[str, float], ...]) -> str:
    name, factor = next((unit for unit in reversed(units) if value >= unit[1]), units[0])
    return f"{value / factor:g} {name}"


def colour_of(name: str) -> str:
    if name.startswith(plain_title()):
        return TEXT
    return OURS if name.split(":")[0] == catalog.SIDES[0].title else OTHERS


def plain_title() -> str:
    return catalog.side(catalog.PLAIN).title
