"""What a verb writes for people at a terminal: how wide it is, colours, and tables in them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from superparams.errors.tables import Table

__all__ = ["is_terminal", "lines_of", "room", "styled"]

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
STATES: Final = ("status", "state", "stale")  # columns whose cells have colours


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


def lines_of(table: Table) -> Iterator[str]:
    """The lines of a table: names in bold, states in their colours."""

    def paint(name: str, text: str | None, filled: str) -> str:
        if text is None:
            return styled(filled, bold=True)
        colour = COLOURS.get(text) if name in STATES else None
        return styled(filled, fg=colour) if colour else filled

    return table.lines(paint=paint)
