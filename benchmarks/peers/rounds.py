"""Turns: all sides at one work one after the other, and all works again, until the time is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import catalog
from benchmarks.peers.scale import Cell, Scale
from benchmarks.peers.turn import Bench, Sample, preparing

ONCE = ("memory",)  # a run that is watched is slow, and its memory much the same each time
FROM_RESULTS = ("read", "resume", "go-on")
AT_ONCE = 3  # runs of a cell in the first round, if each takes less than QUICK_RUN seconds
QUICK_RUN = 1.5
BEARABLE = 4.0  # seconds of the largest run of settings, of which a tenfold is prepared for reading


@dataclass
class Tally:
    """What is known of a cell: its runs, how long they took in all, and why there are no more."""

    samples: list[Sample] = field(default_factory=list)
    spent: float = 0.0
    last: float = 0.0
    note: str = ""

    @property
    def good(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.fate == "done"]

    @property
    def bad(self) -> Sample | None:
        """The first run that was not done."""
        return next((sample for sample in self.samples if sample.fate != "done"), None)


class Rounds:
    """A schedule that measures cells of a scale until each has enough, or the time is over."""

    def __init__(self, scale: Scale, sides: set[str], works: set[str], bench: Bench) -> None:
        self.scale, self.bench = scale, bench
        self.tallies = {
            cell: Tally() for cell in scale.cells() if cell.way.side in sides and cell.work in works
        }
        self.rooms: dict[Cell, Path] = {}
        self.began = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def measure(self) -> None:
        """All rounds. In each of them, cells of one turn are measured one after the other."""
        for cell, tally in self.tallies.items():
            tally.note = catalog.side(cell.way.side).missing
        for number in range(self.scale.repeats):
            for cell in self.wanted(number):
                self.take(cell, number)
                while number == 0 and self.is_quick(cell):
                    self.take(cell, 1)

    def wanted(self, number: int) -> Iterator[Cell]:
        for cell, tally in self.tallies.items():
            if number == 0 and not tally.note:
                tally.note = self.hindered(cell)
            if not tally.note and (number == 0 or self.again(cell, tally)):
                yield cell

    def again(self, cell: Cell, tally: Tally) -> bool:
        """Whether there is reason and time for one more run."""
        if cell.work in ONCE or (tally.bad and cell.work != "kill"):
            return False
        in_time = self.elapsed + tally.last < self.scale.minutes * 60
        return in_time and tally.spent + tally.last < self.scale.budget

    def is_quick(self, cell: Cell) -> bool:
        """Whether to run a cell once more at once: there may be no time for a second round."""
        tally = self.tallies[cell]
        is_enough = len(tally.samples) >= min(AT_ONCE, self.scale.repeats)
        return not is_enough and tally.last < QUICK_RUN and self.again(cell, tally)

    def hindered(self, cell: Cell) -> str:
        """Why a cell cannot be measured at all, or nothing."""
        for smaller, tally in self.tallies.items():
            if smaller.way == cell.way and easier(smaller, cell) and (bad := tally.bad):
                return bad.reason or bad.fate
        if self.elapsed > self.scale.minutes * 60:
            return "no time left"
        return "no results" if cell.work in FROM_RESULTS and not self.prepared(cell) else ""

    def prepared(self, cell: Cell) -> bool:
        """Whether there are results of this size to read; those of a large run are made for it."""
        run = preparing(cell)
        bears = self.bears_trials if cell.work == "go-on" else self.bears
        if run not in self.rooms and run not in self.tallies and bears(run):
            self.make(run)
        return run in self.rooms

    def bears_trials(self, run: Cell) -> bool:
        """Whether the tool ended its searches in time, as far as they were measured."""
        return not any(
            tally.bad
            for cell, tally in self.tallies.items()
            if cell.way.side == run.way.side
            and (cell.work == "naps" or (cell.work == "search" and cell.way.label == run.way.label))
        )

    def bears(self, run: Cell) -> bool:
        """Whether the largest run of settings was short enough to make many more of them."""
        largest = self.tallies.get(Cell("noop", run.way, max(self.scale.noop), run.workers))
        return bool(largest and largest.good and largest.good[0].seconds < BEARABLE)

    def make(self, run: Cell) -> None:
        room = self.bench.room()
        if self.bench.run(run, room).fate == "done":
            self.rooms[run] = room

    def take(self, cell: Cell, number: int) -> None:
        """One run of a cell; one of the first settings is kept for what reads them."""
        began = time.monotonic()
        from_results = cell.work in FROM_RESULTS
        room = self.rooms[preparing(cell)] if from_results else self.bench.room()
        if cell.work in ("import", "help") and number == 0:
            self.bench.run(cell, room)  # what is compiled by this is found by all others
        sample = self.bench.run(cell, room)
        tally = self.tallies[cell]
        tally.samples.append(sample)
        tally.last = time.monotonic() - began
        tally.spent += tally.last
        if cell.work == "noop" and number == 0 and sample.fate == "done":
            self.rooms[cell] = room
        elif not from_results:
            self.bench.leave(room)
        self.tell(cell, sample)

    def left_behind(self) -> dict[str, list[str]]:
        """Which sides left processes running after they had ended by themselves, and which."""
        found: dict[str, set[str]] = {}
        for cell, tally in self.tallies.items():
            for sample in tally.samples:
                if sample.left:
                    title = catalog.side(cell.way.side).title
                    found.setdefault(title, set()).update(sample.left)
        return {title: sorted(names) for title, names in found.items()}

    def tell(self, cell: Cell, sample: Sample) -> None:
        minutes, seconds = divmod(int(self.elapsed), 60)
        size = f"{cell.size:,}" if cell.size else ""
        what = f"{cell.work} {size} {cell.way.side} {cell.way.label}"
        told = f"{sample.seconds:.3f} s" if sample.fate == "done" else sample.fate
        told = "" if sample.fate == "over" else told
        told += f", {sample.value}" if cell.work == "kill" else ""
        print(f"{minutes:3}:{seconds:02} {what:60} {told} {sample.reason}", file=sys.stderr)


def easier(smaller: Cell, cell: Cell) -> bool:
    """Whether what was too much in one cell is too much in the other: no less of the same work."""
    works = [(cell.work, cell.work)] + [("array", "memory")] * (cell.work == "memory")
    less = smaller.size < cell.size or smaller.work != cell.work
    alike = (smaller.work, cell.work) in works and smaller.workers == cell.workers
    return alike and less and smaller.size <= cell.size
