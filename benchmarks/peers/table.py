"""What was measured as plain data, and single numbers of it as text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import catalog, task
from benchmarks.peers.rounds import Rounds, Tally
from benchmarks.peers.scale import SLOW, Cell

Record = dict[str, Any]
# Works whose rows are named by the side, and not by the tool alone.
BY_SIDE = (
    *("noop", "read", "resume", "kill", "search", "asha", "naps", "naps-steady", "go-on", "equal"),
    *("steps", "cluster", "cluster-naps"),
)
# Works of which several numbers are shown, each in columns of its own.
VIEWS = {"naps": ("naps", "naps-steady"), "page": ("page", "page-size", "page-shown")}
UNITS = {
    "memory": "B",
    "page-size": "B",
    "naps": "x",
    "naps-steady": "x",
    "steps": "/s",
}
MORE_IS_BETTER = ("", "/s")
HEADS = {
    "naps": "in all",
    "naps-steady": "from the first trial on",
    "steps": "{size:,} steps",
    "cluster": "{size:,} that do nothing",
    "cluster-naps": "{size:,} of 50 ms",
    "page": "{size:,} rows: written",
    "page-size": "size",
    "page-shown": "shown",
}


def recorded(rounds: Rounds) -> list[Record]:
    """All cells, as they are kept in a file."""
    return [record(cell, tally) for cell, tally in rounds.tallies.items()]


def record(cell: Cell, tally: Tally) -> Record:
    return {
        "work": cell.work,
        "side": cell.way.side,
        "label": cell.way.label,
        "size": cell.size,
        "workers": cell.workers,
        "note": tally.note,
        "samples": [sample.plain() for sample in tally.samples],
    }


@dataclass(frozen=True)
class Number:
    """A measured number with its spread, or why there is none.

    unit: "s" for seconds, "B" for bytes, "/s" for a rate, "x" for a ratio, "" for results that are
    kept.
    """

    values: tuple[float, ...]
    unit: str = "s"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values) if self.values else float("inf")

    @property
    def rank(self) -> float:
        """Less is better."""
        is_negative = self.values and self.unit in MORE_IS_BETTER
        return -self.median if is_negative else self.median

    def text(self, best: bool = False) -> str:
        if not self.values:
            return self.note
        told = amount(self.median, self.unit)
        told = f"**{told}**" if best else told
        if len(self.values) == 1:
            return f"{told} (1 run)"
        low, high = (amount(end(self.values), self.unit) for end in (min, max))
        return f"{told} ({low} to {high}, {len(self.values)} runs)"


def amount(value: float, unit: str) -> str:
    """Three digits and a unit."""
    if unit == "x":
        return f"{value:.2f}"
    if unit == "/s":
        return f"{float(f'{value:.3g}'):,.0f}/s"
    if unit == "B":
        return size_text(value)
    name, factor = next((n, f) for n, f in (("s", 1), ("ms", 1e3), ("us", 1e6)) if value * f >= 1)
    scaled = value * factor
    return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {name}"


def size_text(value: float) -> str:
    if value < 2**20:
        return f"{value / 2**10:.0f} KiB"
    return f"{value / 2**30:.2f} GiB" if value >= 2**29 else f"{value / 2**20:.0f} MiB"


def number(one: Record, limit: float) -> Number:
    """The time of a cell, or what else it is about."""
    good = [sample for sample in one["samples"] if sample["fate"] == "done"]
    if one["work"] == "kill":
        bad = "not ended" if len(good) < len(one["samples"]) else ""
        return Number(tuple(sample["value"] or 0 for sample in one["samples"]), "", bad)
    found = (measured(one, sample) for sample in good)
    values = tuple(value for value in found if value is not None)
    lacks = "" if values or not good else good[0]["value"]["lacks"]
    return Number(values, UNITS.get(one["work"], "s"), lacks or reason(one, limit))


def measured(one: Record, sample: dict[str, Any]) -> float | None:
    """What a run came to; nothing if it could not be measured."""
    work, value = one["work"], sample["value"]
    found = {
        "memory": lambda: sample["most"],
        "steps": lambda: one["size"] / sample["seconds"],
        "naps": lambda: sample["seconds"] / (one["size"] * task.NAP / one["workers"]),
        "naps-steady": lambda: value["steady"],
        "page-size": lambda: value["bytes"],
        "page-shown": lambda: value["shown"],
    }.get(work, lambda: sample["seconds"])()
    return None if found is None else float(found)


def reason(one: Record, limit: float) -> str:
    """Why there is no number."""
    bad = [sample for sample in one["samples"] if sample["fate"] != "done"]
    told = (bad[0]["reason"] or bad[0]["fate"]) if bad else one["note"]
    work = next((work for work, views in VIEWS.items() if one["work"] in views), one["work"])
    factor = SLOW.get(work, 1) if bad or work != "memory" else 1
    return f"over {limit * factor:g} s" if told == "over" else told


def viewed(records: list[Record]) -> list[Record]:
    """Cells of works that have several numbers, once for each of them, by size."""
    found = [
        {**one, "work": view} for one in records for view in VIEWS.get(one["work"], (one["work"],))
    ]
    return sorted(found, key=lambda one: one["size"]) if len(found) > len(records) else found


def title(one: Record) -> str:
    """A row's name: the side, or the tool where ways are another thing, and which way it is."""
    side = catalog.side(one["side"])
    name = side.title if one["work"] in BY_SIDE else side.tool
    return f"{name}: {one['label']}" if one["label"] else name


def works(records: list[Record], *names: str) -> list[Record]:
    return [one for one in records if one["work"] in names]


def columns(records: list[Record]) -> dict[tuple[str, int, int], str]:
    """The columns of a table, each with its head, in order."""
    return {key(one): head(one) for one in records}


def key(one: Record) -> tuple[str, int, int]:
    return one["work"], one["size"], one["workers"]


def head(one: Record) -> str:
    if one["work"] in ("array", "memory"):
        return f"{bytes_text(one['size'])}, {one['workers']} workers"
    if one["work"] in HEADS:
        return HEADS[one["work"]].format(size=one["size"])
    return f"{one['size']:,}" if one["size"] else one["work"]


def bytes_text(size: int) -> str:
    return f"{size // 2**30} GiB" if size >= 2**30 else f"{size // 2**20} MiB"


def rows(records: list[Record]) -> Iterator[tuple[str, dict[tuple[str, int, int], Record]]]:
    """Rows of a table: one a way, with its cells by column."""
    found: dict[str, dict[tuple[str, int, int], Record]] = {}
    for one in records:
        found.setdefault(title(one), {})[key(one)] = one
    yield from found.items()
