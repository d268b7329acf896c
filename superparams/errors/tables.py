"""Tables of short text: in aligned columns for a terminal or a file, and in HTML for a notebook.

If a table is too wide for a terminal, columns with the same text in all rows are left out first,
and then other columns in a given order. Rows that are not shown count as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from superparams.errors.safe_text import markup, padded, width, wrapped
from superparams.errors.units import counted

__all__ = ["Table", "from_ends", "pair_lines"]

GAP: Final = "  "
DOTS: Final = "…"
LOUD: Final = ("status", "error")  # columns that are bold in rows with the mark ``failed``
# Notebooks align cells to the right, as for numbers, and centre and break captions.
LEFT: Final = ' style="text-align:left"'
WHOLE: Final = ' style="text-align:left;white-space:nowrap"'

# Makes the terminal form of a cell. Arguments: the name of its column, its text (None for the
# head), and the padded text.
Paint = Callable[[str, "str | None", str], str]


@dataclass(frozen=True)
class Table:
    """Cells of text, safe to show.

    Attributes:
        names: The names of the columns.
        rows: The cells of each row, one for each column. For HTML, a cell may have lines.
        title: One line above the table.
        right: Indices of right-aligned columns, such as numbers.
        keep: Indices of columns that are never left out.
        order: Indices of the other columns, the most important first; by default alternating from
            both ends.
        size: The number of all rows, also those not shown; None if all are shown.
        alike: Finds the columns, among some, with the same text in all rows; by default among the
            rows here.
        whole: Indices of columns that are not folded when all rows are the same, but come last in
            the order.
        marks: Of each row, any of ``failed`` and ``stale``: how HTML shows it.
        skipped: The number of rows that are left out in the middle.
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
    title: str = ""
    marks: Sequence[str] = ()
    skipped: int = 0
    folded: Mapping[str, str] = field(default_factory=dict[str, str])
    left_out: int = 0

    # ---- as text

    def text(self, room: int | None, remedy: str = "") -> str:
        """The title, as many columns as fit, and what was left out.

        Args:
            room: The width in characters; None for no limit.
            remedy: How to see the other columns.
        """
        table = self.fitted(room)
        return "\n".join([table.title, *table.lines(), *table.notes(remedy, room)])

    def lines(self, *, paint: Paint | None = None) -> Iterator[str]:
        """The head and the rows, aligned."""
        widths = self._widths()
        middle = len(self.rows) // 2
        for number, row in enumerate([self.names, *self.rows]):
            cells: list[str] = []
            for column, text in enumerate(row):
                cell = padded(text, widths[column], right=column in self.right)
                if paint is not None:
                    cell = paint(self.names[column], text if number else None, cell)
                cells.append(cell)
            yield GAP.join(cells).rstrip()
            if self.skipped and number == middle:
                yield self._skipped

    def notes(self, remedy: str = "", room: int | None = None) -> list[str]:
        """Lines below the table about the columns that are not shown.

        Args:
            remedy: How to see the other columns.
            room: Characters in a line.
        """
        notes: list[str] = []
        if self.folded:
            cells = ", ".join(
                f"{name}={x}" if x else f"{name} is empty" for name, x in self.folded.items()
            )
            note = f"{DOTS} the same in all {self._size:,} rows: {cells}"
            notes += wrapped(note, room, indent="  ")
        if self.left_out:
            columns = f"{counted(self.left_out, 'column')} left out to fit the width"
            notes += wrapped(f"{DOTS} {columns}{remedy and f'; {remedy}'}", room, indent="  ")
        return notes

    @property
    def _size(self) -> int:
        return len(self.rows) if self.size is None else self.size

    @property
    def _skipped(self) -> str:
        """The line in place of the rows that are left out."""
        return f"{DOTS} {counted(self.skipped, 'more row')}"

    # ---- as HTML

    def html(self) -> str:
        """An HTML table with all columns, since a notebook scrolls.

        It has no colours, so that it looks as the other tables of its page. Rows with the mark
        ``stale`` are pale. A row has its marks as classes, for pages with styles of their own.
        """
        head = "".join(
            f"<th{self._side(column)}>{markup(name)}</th>" for column, name in enumerate(self.names)
        )
        marks = [*self.marks, *[""] * (len(self.rows) - len(self.marks))]
        rows = [self._html_row(row, mark) for row, mark in zip(self.rows, marks, strict=True)]
        if self.skipped:
            gap = f'<tr><td{LEFT} colspan="{len(self.names)}">{self._skipped}</td></tr>'
            rows.insert(len(rows) // 2, gap)
        return (
            f"<table><caption{WHOLE}>{markup(self.title)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )

    def _html_row(self, row: Sequence[str], mark: str) -> str:
        cells: list[str] = []
        for column, text in enumerate(row):
            inner = "<br>".join(map(markup, text.split("\n")))
            if text and "failed" in mark and self.names[column] in LOUD:
                inner = f"<strong>{inner}</strong>"
            cells.append(f"<td{self._side(column)}>{inner}</td>")
        pale = ' style="opacity:0.6"' if "stale" in mark else ""
        start = f'<tr class="{mark}"{pale}>' if mark else "<tr>"
        return f"{start}{''.join(cells)}</tr>"

    def _side(self, column: int) -> str:
        return "" if column in self.right else LEFT

    # ---- what fits

    def fitted(self, room: int | None) -> Table:
        """The table with as many columns as fit into `room` characters; None is no limit."""
        if room is None or self.width <= room:
            return self
        table = self._differing()
        return table if table.width <= room else table._with_columns_that_fit(room)

    @property
    def width(self) -> int:
        """The width of a line in characters."""
        return sum(self._widths()) + len(GAP) * (len(self.names) - 1)

    def _widths(self) -> list[int]:
        return [max(map(width, column)) for column in zip(self.names, *self.rows, strict=True)]

    def _differing(self) -> Table:
        """The table without columns that have the same text in all rows, if there are several."""
        if self._size < 2 or not self.rows:
            return self
        columns = range(len(self.names))
        others = [column for column in columns if column not in self.keep]
        alike = (self.alike or self._columns_with_one_text)(others) & set(others)
        same = alike - self.whole
        order = from_ends(len(self.names)) if self.order is None else self.order
        alike_last = sorted(order, key=lambda column: column in alike)
        table = replace(self, order=alike_last)._of(
            [column for column in columns if column not in same]
        )
        first = self.rows[0]
        return replace(table, folded={self.names[column]: first[column] for column in sorted(same)})

    def _columns_with_one_text(self, columns: Sequence[int]) -> set[int]:
        texts = list(zip(*self.rows, strict=True))
        return {column for column in columns if len(set(texts[column])) == 1}

    def _with_columns_that_fit(self, room: int) -> Table:
        """The columns of `keep`, and as many others as fit, by their order; always at least one."""
        widths = [text_width + len(GAP) for text_width in self._widths()]
        free = room - sum(widths[column] for column in self.keep) - len(DOTS)
        chosen = set(self.keep)
        order = from_ends(len(widths)) if self.order is None else self.order
        for column in order:
            if column not in chosen and (widths[column] <= free or not chosen):
                free -= widths[column]
                chosen.add(column)
        others = [column for column in range(len(widths)) if column not in chosen]
        table = self._of(sorted(chosen))
        if not others:
            return table
        position = sum(column < others[0] for column in chosen)  # where dots stand for the others
        return replace(
            table,
            names=[*table.names[:position], DOTS, *table.names[position:]],
            rows=[[*row[:position], DOTS, *row[position:]] for row in table.rows],
            right=frozenset(column + (column >= position) for column in table.right),
            left_out=len(others),
        )

    def _of(self, columns: Sequence[int]) -> Table:
        """The table with these columns alone."""
        positions = {column: number for number, column in enumerate(columns)}
        return replace(
            self,
            names=[self.names[column] for column in columns],
            rows=[[row[column] for column in columns] for row in self.rows],
            right=frozenset(positions[column] for column in self.right if column in positions),
            keep=frozenset(positions[column] for column in self.keep if column in positions),
            whole=frozenset(positions[column] for column in self.whole if column in positions),
            order=None
            if self.order is None
            else [positions[column] for column in self.order if column in positions],
            alike=None,
        )


def from_ends(size: int) -> list[int]:
    """Indices alternating from the left and the right end."""
    return [number // 2 if number % 2 == 0 else size - 1 - number // 2 for number in range(size)]


def pair_lines(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names and what they are, in two aligned columns without a head."""
    rows = list(pairs)
    if rows:
        _, *lines = Table(("", ""), rows).lines()
        yield from (f"{GAP}{line}" for line in lines)
