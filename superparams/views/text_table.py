"""Tables of text: aligned columns, as many of them as fit.

If a table is too wide, columns with the same text in all rows are left out first, and then other
columns in a given order. Rows that are not shown count as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from superparams.errors.safe_text import padded, width, wrapped
from superparams.errors.units import counted

__all__ = ["Table", "from_ends"]

GAP: Final = "  "
DOTS: Final = "…"

# Makes the terminal form of a cell. Arguments: the name of its column, its text (None for the
# head), and the padded text.
Paint = Callable[[str, "str | None", str], str]


@dataclass(frozen=True)
class Table:
    """Cells of text, safe to show.

    Attributes:
        names: The names of the columns.
        rows: The cells of each row, one for each column.
        right: Indices of right-aligned columns, such as numbers.
        keep: Indices of columns that are never left out.
        order: Indices of the other columns, the most important first; by default alternating from
            both ends.
        size: The number of all rows, also those not shown; None if all are shown.
        alike: Finds the columns, among some, with the same text in all rows; by default among the
            rows here.
        whole: Indices of columns that are not folded when all rows are the same, but come last in
            the order.
        folded: The text of each column that was left out because all rows have the same text.
        left_out: The number of columns that were left out because of the width.
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
        """The table with as many columns as fit.

        Args:
            room: The width in characters; None for no limit.
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
        """Lines below the table about the columns that are not shown.

        Args:
            remedy: How to see the other columns.
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
            many = f"{counted(self.left_out, 'column')} left out for room"
            made += wrapped(f"{DOTS} {many}{remedy and f'; {remedy}'}", room, indent="  ")
        return made

    @property
    def width(self) -> int:
        """The width of a line in characters."""
        return self._total(range(len(self.names)), len(GAP))

    def _widths(self) -> list[int]:
        return [max(map(width, column)) for column in zip(self.names, *self.rows, strict=True)]

    def _total(self, places: Sequence[int], between: int) -> int:
        widths = self._widths()
        return sum(widths[place] for place in places) + between * (len(places) - 1)

    def _differing(self) -> Table:
        """The table without columns that have the same text in all rows, if there are several."""
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
        """The columns of `keep`, and as many others as fit, by their order; always at least one."""
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
    """Indices alternating from the left and the right end."""
    return [place // 2 if place % 2 == 0 else size - 1 - place // 2 for place in range(size)]
