"""Output for people at a terminal: its width, colours, tables, and questions."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import click

from superparams.errors import safe_text

if TYPE_CHECKING:
    from superparams.errors.tables import Table

__all__ = ["aligned", "confirmed", "diff_line", "is_terminal", "lines_of", "room", "styled"]

COLOURS: Final = {
    "done": "green",
    "finished": "green",
    "failed": "red",
    "killed": "red",
    "timeout": "yellow",
    "stopped": "cyan",
    "crashed": "red",
    "interrupted": "yellow",
    "running": "cyan",
    "stale": "yellow",
}
STATES: Final = ("status", "state", "stale")  # columns whose cells have colours
DIFF: Final = {"-": "red", "+": "green", "@": "cyan"}


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def room() -> int | None:
    """The width of standard output in characters; None if it is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns if is_terminal() else None


def styled(text: str, *, bold: bool = False, fg: str | None = None) -> str:
    """Text in bold or in a colour, if standard output is a terminal and NO_COLOR is not set."""
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


def aligned(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names and texts in two columns."""
    from superparams.errors.tables import pair_lines

    return pair_lines((safe_text.line(name), safe_text.line(text)) for name, text in pairs)


def diff_line(line: str) -> str:
    """A line of a unified diff in its colour."""
    return styled(safe_text.lines(line), fg=DIFF.get(line[:1]))


def confirmed(question: str) -> bool:
    """Ask a question. Without a terminal, nobody can answer it, so the answer is no."""
    return sys.stdin.isatty() and click.confirm(question, err=True)
