"""Displays of progress: the last lines of a terminal, an output of a notebook, lines of a log."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from superparams.errors import safe_text
from superparams.views.notebook import CellOutput

__all__ = ["Display", "InNotebook", "PlainLines", "Terminal", "is_terminal", "say"]

REFRESH: Final = 0.25  # seconds between two updates
NOTEBOOK_WIDTH: Final = 100  # characters, which fit into the outputs of all frontends
FIRST_LINE, MOST_BETWEEN = 5.0, 60.0  # seconds to the first plain line, and at most between two

Lines = Callable[[int], Sequence[str]]  # returns the lines to show, for a width in characters


def is_terminal() -> bool:
    """Whether stderr is a terminal. A daemon may have no stderr, or a closed one."""
    stream: Any = sys.stderr
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def say(text: str) -> None:
    """Print text to stderr, if there is a stderr."""
    stream: Any = sys.stderr
    if stream is not None:
        with suppress(ValueError):  # it is closed
            print(safe_text.lines(text), file=stream, flush=True)


class Display:
    """Shows nothing. Subclasses show the progress from `start` to `stop`."""

    def start(self) -> None:
        """Start to show the progress."""

    def stop(self) -> None:
        """Stop showing the progress."""


class Terminal(Display):
    """The last lines of a terminal, which are removed by `stop`.

    Args:
        lines: Returns the lines to show.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._live: Any = None

    def start(self) -> None:
        """Load rich, and start to show the lines."""
        console = importlib.import_module("rich.console").Console(stderr=True)
        self._live = importlib.import_module("rich.live").Live(
            console=console,
            get_renderable=lambda: self._text(console.width),
            refresh_per_second=1 / REFRESH,
            transient=True,
        )
        self._live.start()

    def _text(self, width: int) -> Any:
        lines = "\n".join(self._lines(width))
        return importlib.import_module("rich.text").Text(lines, no_wrap=True, overflow="crop")

    def stop(self) -> None:
        """Remove the lines."""
        self._live.stop()


class _Thread(Display):
    """A display that a thread updates."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._update, name="superparams-progress", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _update(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()


class InNotebook(_Thread):
    """An output of a cell; the last text stays.

    Args:
        lines: Returns the lines to show.
        output: The output.
    """

    def __init__(self, lines: Lines, output: CellOutput) -> None:
        super().__init__()
        self._lines = lines
        self._output = output

    def start(self) -> None:
        """Show the first lines at once, before settings print anything."""
        self._show()
        super().start()

    def _update(self) -> None:
        while not self._ended.wait(REFRESH):
            self._show()

    def _show(self) -> None:
        self._output.show("\n".join(self._lines(NOTEBOOK_WIDTH)))


class PlainLines(_Thread):
    """A line after five seconds, and further lines at growing intervals: for logs and pipes.

    Args:
        line: Returns the line to print.
    """

    def __init__(self, line: Callable[[], str]) -> None:
        super().__init__()
        self._line = line

    def _update(self) -> None:
        wait = FIRST_LINE
        while not self._ended.wait(wait):
            say(self._line())
            wait = min(wait * 1.5, MOST_BETWEEN)
