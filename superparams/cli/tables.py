"""Tables of text: aligned columns, as many of them as fit.

A table that is too wide loses first the columns in which all rows say the same, then those in the
middle: parameters stand on the left, how a setting ended on the right.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import click

from superparams.cli import visible

__all__ = ["Table", "is_terminal", "room", "styled"]

GAP: Final = "  "
DOTS: Final = "…"
COLOURS: Final = {
    "done": "green",
    "finished": "green",
    "failed": "red",
    "killed": "red",
    "timeout": "yellow",
    "crashed": "red",
    "interrupted": "yellow",
    "running": "cyan",
    "stale": "yellow",
}


@dataclass(frozen=True)
class Table:
    """Cells of text, safe to show.

    Attributes:
        names: of the columns.
        rows: as many cells each.
        right: places of columns that stand on the right, as numbers do.
        keep: places of columns that stay in any case.
        same: columns that were left out since all rows say the same, with what they say.
        left_out: how many columns were left out for room.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    keep: frozenset[int] = frozenset()
    same: dict[str, str] = field(default_factory=dict[str, str])
    left_out: int = 0

    def fitted(self, room: int | None) -> Table:
        """With as many columns as fit; room: characters, None for all there is need of."""
        if room is None or self._total() <= room:
            return self
        made = self._differing()
        return made if made._total() <= room else made._ends(room)

    def lines(self, *, head: bool = True) -> Iterator[str]:
        """The head and the rows, aligned."""
        widths = self._widths()
        for number, row in enumerate([self.names, *self.rows]):
            if number == 0 and not head:
                continue
            cells = [
                self._cell(place, text, widths[place], number > 0) for place, text in enumerate(row)
            ]
            yield GAP.join(cells).rstrip()

    def notes(self, remedy: str = "") -> list[str]:
        """What is not shown, in sentences for under the table; remedy: how to see the rest."""
        told: list[str] = []
        if self.same:
            said = ", ".join(f"{name}={x}" if x else name for name, x in self.same.items())
            told.append(f"{DOTS} the same in all rows: {said}")
        if self.left_out:
            many = f"{self.left_out:,} column{'s' * (self.left_out != 1)} left out for room"
            told.append(f"{DOTS} {many}{remedy and f'; {remedy}'}")
        return told

    def _cell(self, place: int, text: str, to: int, is_row: bool) -> str:
        filled = visible.padded(text, to, right=place in self.right)
        if not is_row:
            return styled(filled, bold=True)
        colour = COLOURS.get(text) if self.names[place] in ("status", "state") else None
        return styled(filled, fg=colour) if colour else filled

    def _widths(self) -> list[int]:
        columns = zip(self.names, *self.rows, strict=True)
        return [max(map(visible.width, column)) for column in columns]

    def _total(self) -> int:
        widths = self._widths()
        return sum(widths) + len(GAP) * (len(widths) - 1)

    def _differing(self) -> Table:
        """Without the columns in which all of several rows say the same."""
        if len(self.rows) < 2:
            return self
        columns = list(zip(*self.rows, strict=True))
        same = [
            place
            for place, column in enumerate(columns)
            if place not in self.keep and len(set(column)) == 1
        ]
        made = self._of([place for place in range(len(columns)) if place not in same])
        return replace(made, same={self.names[place]: columns[place][0] for place in same})

    def _ends(self, room: int) -> Table:
        """The columns that stay in any case, and of the others as many as fit, from both ends."""
        widths = [one + len(GAP) for one in self._widths()]
        left = room - sum(widths[place] for place in self.keep) - len(DOTS)
        chosen = set(self.keep)
        others = [place for place in range(len(widths)) if place not in self.keep]
        ends = [0, -1]  # from the left and from the right in turns, as long as either has room
        while ends and others:
            end = ends.pop(0)
            if widths[others[end]] <= left:
                place = others.pop(end)
                left -= widths[place]
                chosen.add(place)
                ends.append(end)
        made = self._of(sorted(chosen))
        if not others:
            return made
        at = sum(place < others[0] for place in chosen)
        return replace(
            made,
            names=[*made.names[:at], DOTS, *made.names[at:]],
            rows=[[*row[:at], DOTS, *row[at:]] for row in made.rows],
            right=frozenset(place + (place >= at) for place in made.right),
            left_out=len(others),
        )

    def _of(self, places: Sequence[int]) -> Table:
        at = {place: number for number, place in enumerate(places)}
        return Table(
            [self.names[place] for place in places],
            [[row[place] for place in places] for row in self.rows],
            frozenset(at[place] for place in self.right if place in at),
            frozenset(at[place] for place in self.keep if place in at),
            self.same,
        )


# ---- the terminal


def is_terminal() -> bool:
    """Whether standard output is one."""
    return sys.stdout.isatty()


def room() -> int | None:
    """How many characters a line of standard output has room for; None where that has no end."""
    return shutil.get_terminal_size((100, 24)).columns if is_terminal() else None


def styled(text: str, *, bold: bool = False, fg: str | None = None) -> str:
    """Text in bold or in a colour, at a terminal alone, and never where NO_COLOR is set."""
    if not is_terminal() or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, bold=bold or None, fg=fg)
