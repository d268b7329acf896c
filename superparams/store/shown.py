"""How rows are shown to a person: as text, in rich, as HTML.

The first and the last rows, and as many columns as there is room for, from both ends: parameters
come first, and how the setting ended last.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

ROWS: Final = 10  # shown at most
CHARS: Final = 30  # of a cell
LEAST: Final = 3  # columns that are shown in whatever width
GAP: Final = "…"


@dataclass(frozen=True)
class Shown:
    """Rows as text, and how many rows and columns are left out in the middle.

    columns_out: with any left out, one column of dots stands for them.
    """

    summary: str
    names: list[str]
    rows: list[list[str]]
    rows_out: int = 0
    columns_out: int = 0

    def narrowed(self, width: int, between: int) -> Shown:
        """With as many columns as fit into `width` characters, `between` of them between two."""
        cells = zip(self.names, *self.rows, strict=True)
        widths = [max(map(len, column)) + between for column in cells]
        if sum(widths) - between <= width or len(widths) <= LEAST:
            return self
        left, right = _ends(widths, width - len(GAP))
        keep = [*range(left), *range(len(widths) - right, len(widths))]

        def fewer(row: Sequence[str], gap: str = GAP) -> list[str]:
            kept = [row[at] for at in keep]
            return [*kept[:left], gap, *kept[left:]]

        rows = [fewer(row) for row in self.rows]
        out = len(widths) - len(keep)
        return Shown(self.summary, fewer(self.names), rows, self.rows_out, out)

    @property
    def left_out(self) -> str:
        """What is not shown, for under the table; empty when there are no such columns."""
        columns = f"{self.columns_out:,} column{'s' * (self.columns_out != 1)}"
        return f"{GAP} {columns} left out; .columns names all" if self.columns_out else ""

    @property
    def rows_left_out(self) -> str:
        """What stands in their place, in the middle."""
        return f"{GAP} {self.rows_out:,} more row{'s' * (self.rows_out != 1)}"

    def as_text(self, width: int) -> str:
        """A table of plain characters."""
        made = self.narrowed(width, 2)
        widths = [max(map(len, column)) for column in zip(made.names, *made.rows, strict=True)]
        lines = [
            "  ".join(map(str.ljust, row, widths)).rstrip() for row in [made.names, *made.rows]
        ]
        if made.rows_out:
            lines.insert(1 + ROWS // 2, made.rows_left_out)
        return "\n".join([made.summary, *lines, *([made.left_out] if made.left_out else [])])

    def as_rich(self, width: int) -> Any:
        """A `rich.table.Table`."""
        rich_table: Any = importlib.import_module("rich.table")
        text: Any = importlib.import_module("rich.text").Text
        made = self.narrowed(width - 4, 3)  # two spaces and a rule
        table = rich_table.Table(
            title=text(made.summary),
            title_justify="left",
            caption=text(made.left_out) if made.left_out else None,
            caption_justify="left",
        )
        for name in made.names:
            table.add_column(text(name), overflow="fold")
        for place, row in enumerate(made.rows):
            if made.rows_out and place == ROWS // 2:
                table.add_row(text(f"{GAP} {made.rows_out:,} more"))
            table.add_row(*map(text, row))
        return table

    def as_html(self) -> str:
        """An HTML table with all columns: a notebook scrolls."""
        import html

        from superparams.html import caption_of

        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.names)
        lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.rows]
        if self.rows_out:
            gap = f'<td colspan="{len(self.names)}">{self.rows_left_out}</td>'
            lines.insert(ROWS // 2, gap)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        caption = caption_of(self.summary)
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _ends(widths: Sequence[int], room: int) -> tuple[int, int]:
    """How many columns to show from the left and from the right, taken in turns from the ends."""
    left = right = 0
    for turn in range(len(widths)):
        from_right = turn % 2 == 0
        room -= widths[len(widths) - 1 - right] if from_right else widths[left]
        if room < 0 and turn >= LEAST:
            break
        left, right = left + (not from_right), right + from_right
    return left, right


def cell(name: str, value: Any) -> str:
    """A value of a column in one short line."""
    if value is None:
        return ""
    if name == "seconds" and isinstance(value, float):
        return f"{value:.{_decimals(value)}f}"
    if isinstance(value, float):
        return f"{value:.6g}"
    line = " ".join(str(value).split())
    return line if len(line) <= CHARS else line[: CHARS - 1] + GAP


def _decimals(seconds: float) -> int:
    """To the millisecond, and to three digits above that."""
    return 3 if seconds < 1 else 2 if seconds < 10 else 1 if seconds < 100 else 0
