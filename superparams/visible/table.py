"""Tables of text: aligned columns, as many of them as fit.

A table that is too wide loses first the columns in which all rows say the same, also those rows
that are not shown, and then those that matter least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from superparams.visible import padded, width, wrapped

__all__ = ["Table", "from_ends"]

GAP: Final = "  "
DOTS: Final = "…"

# What a cell looks like at a terminal, from the name of its column, its text and that text filled
# up; the text of a head is None.
Paint = Callable[[str, "str | None", str], str]


@dataclass(frozen=True)
class Table:
    """Cells of text, safe to show.

    Attributes:
        names: of the columns.
        rows: as many cells each.
        right: places of columns that stand on the right, as numbers do.
        keep: places of columns that stay in any case.
        order: places of the other columns in the order in which they get room; by default from
            both ends in turns.
        size: how many rows there are, with those that are not shown; None for those that are.
        alike: which of some columns say the same in all rows; by default that of the rows here.
        whole: places of columns that are not folded for that, but get room last.
        folded: columns that were left out since all rows say the same, with what they say.
        left_out: how many columns were left out for room.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    keep: frozenset[int] = frozenset()
    order: Sequence[int] | None = None
    size: int | None = None
    alike: Callable[[Sequence[int]], set[int]] | None = None
    whole: frozenset[int] = frozenset()
    folded: Mapping[str, str] = field(default_factory=dict[str, str])
    left_out: int = 0

    def fitted(self, room: int | None, between: int = len(GAP)) -> Table:
        """With as many columns as fit.

        Args:
            room: Characters; None for all there is need of.
            between: Characters between two columns.
        """
        if room is None or self._total(range(len(self.names)), between) <= room:
            return self
        made = self._differing()
        everything = range(len(made.names))
        return made if made._total(everything, between) <= room else made._chosen(room, between)

    def lines(self, *, head: bool = True, paint: Paint | None = None) -> Iterator[str]:
        """The head and the rows, aligned."""
        widths = self._widths()
        for number, row in enumerate([self.names, *self.rows]):
            if number == 0 and not head:
                continue
            cells: list[str] = []
            for place, text in enumerate(row):
                filled = padded(text, widths[place], right=place in self.right)
                is_head = number == 0
                cells.append(
                    paint(self.names[place], None if is_head else text, filled) if paint else filled
                )
            yield GAP.join(cells).rstrip()

    def notes(self, remedy: str = "", room: int | None = None) -> list[str]:
        """What is not shown, in lines for under the table.

        Args:
            remedy: How to see the rest.
            room: Characters in a line.
        """
        made: list[str] = []
        if self.folded:
            said = ", ".join(
                f"{name}={x}" if x else f"{name} is empty" for name, x in self.folded.items()
            )
            size = len(self.rows) if self.size is None else self.size
            made += wrapped(f"{DOTS} the same in all {size:,} rows: {said}", room, indent="  ")
        if self.left_out:
            many = f"{self.left_out:,} column{'s' * (self.left_out != 1)} left out for room"
            made += wrapped(f"{DOTS} {many}{remedy and f'; {remedy}'}", room, indent="  ")
        return made

    @property
    def width(self) -> int:
        """How many characters a line takes."""
        return self._total(range(len(self.names)), len(GAP))

    def _widths(self) -> list[int]:
        return [max(map(width, column)) for column in zip(self.names, *self.rows, strict=True)]

    def _total(self, places: Sequence[int], between: int) -> int:
        widths = self._widths()
        return sum(widths[place] for place in places) + between * (len(places) - 1)

    def _differing(self) -> Table:
        """Without the columns in which all of several rows say the same."""
        size = len(self.rows) if self.size is None else self.size
        others = [place for place in range(len(self.names)) if place not in self.keep]
        if size < 2 or not self.rows:
            return self
        alike = (self.alike or self._alike)(others) & set(others)
        same = alike - self.whole
        order = from_ends(len(self.names)) if self.order is None else self.order
        last = sorted(order, key=lambda place: place in alike)
        made = replace(self, order=last)._of(
            [place for place in range(len(self.names)) if place not in same]
        )
        first = self.rows[0]
        return replace(made, folded={self.names[place]: first[place] for place in sorted(same)})

    def _alike(self, places: Sequence[int]) -> set[int]:
        columns = list(zip(*self.rows, strict=True))
        return {place for place in places if len(set(columns[place])) == 1}

    def _chosen(self, room: int, between: int) -> Table:
        """The columns that stay in any case, and of the others as many as fit, in their order.

        One is there in whatever room.
        """
        widths = [one + between for one in self._widths()]
        left = room + between - sum(widths[place] for place in self.keep) - len(DOTS) - between
        chosen = set(self.keep)
        order = from_ends(len(widths)) if self.order is None else self.order
        for place in order:
            if place not in chosen and (widths[place] <= left or not chosen):
                left -= widths[place]
                chosen.add(place)
        others = [place for place in range(len(widths)) if place not in chosen]
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
        return replace(
            self,
            names=[self.names[place] for place in places],
            rows=[[row[place] for place in places] for row in self.rows],
            right=frozenset(at[place] for place in self.right if place in at),
            keep=frozenset(at[place] for place in self.keep if place in at),
            whole=frozenset(at[place] for place in self.whole if place in at),
            order=None if self.order is None else [at[one] for one in self.order if one in at],
            alike=None,
        )


def from_ends(size: int) -> list[int]:
    """Places from the left and from the right in turns."""
    return [place // 2 if place % 2 == 0 else size - 1 - place // 2 for place in range(size)]
