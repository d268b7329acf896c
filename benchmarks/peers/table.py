"""What was measured as plain data, and single numbers of it as text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import catalog
from benchmarks.peers.rounds import Rounds, Tally
from benchmarks.peers.scale import SEARCHES, Cell

Record = dict[str, Any]
BY_SIDE = ("noop", "read", "resume", "kill", "search", "asha")


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

    unit: "s" for seconds, "B" for bytes, "" for results that are kept.
    """

    values: tuple[float, ...]
    unit: str = "s"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values) if self.values else float("inf")

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
    if unit == "B":
        return f"{value / 2**30:.2f} GiB" if value >= 2**29 else f"{value / 2**20:.0f} MiB"
    name, factor = next((n, f) for n, f in (("s", 1), ("ms", 1e3), ("us", 1e6)) if value * f >= 1)
    scaled = value * factor
    return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {name}"


def number(one: Record, limit: float) -> Number:
    """The time of a cell, or its memory or what is kept if that is what it is about."""
    good = [sample for sample in one["samples"] if sample["fate"] == "done"]
    if one["work"] == "kill":
        bad = "not ended" if len(good) < len(one["samples"]) else ""
        return Number(tuple(sample["value"] or 0 for sample in one["samples"]), "", bad)
    of_memory = one["work"] == "memory"
    values = tuple(sample["most"] if of_memory else sample["seconds"] for sample in good)
    return Number(values, "B" if of_memory else "s", reason(one, limit))


def reason(one: Record, limit: float) -> str:
    """Why there is no number."""
    bad = [sample for sample in one["samples"] if sample["fate"] != "done"]
    told = (bad[0]["reason"] or bad[0]["fate"]) if bad else one["note"]
    most = limit * (2 if one["work"] in SEARCHES else 1)
    return f"over {most:g} s" if told == "over" else told


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
    return f"{one['size']:,}" if one["size"] else one["work"]


def bytes_text(size: int) -> str:
    return f"{size // 2**30} GiB" if size >= 2**30 else f"{size // 2**20} MiB"


def rows(records: list[Record]) -> Iterator[tuple[str, dict[tuple[str, int, int], Record]]]:
    """Rows of a table: one a way, with its cells by column."""
    found: dict[str, dict[tuple[str, int, int], Record]] = {}
    for one in records:
        found.setdefault(title(one), {})[key(one)] = one
    yield from found.items()
