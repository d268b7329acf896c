"""What the workers of a run print, as they print it."""

from __future__ import annotations

import codecs
import re
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from superparams.cli.terminal import is_terminal
from superparams.errors import safe_text

if TYPE_CHECKING:
    from superparams.store.runs.run_records import Run

__all__ = ["follow", "plain"]

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_TICK: Final = 0.1  # seconds between two looks at the logs


def plain(text: str) -> str:
    """Text for a terminal: without colours, with a line for each state of a progress bar."""
    text = _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return safe_text.lines(text)


def follow(run: Run, rank: int | None, tail: int | None) -> None:
    """Print what workers print until the run ends.

    Each line begins with the rank of its worker where there are several.

    Args:
        run: The run; of one that has ended, all output is printed at once.
        rank: The only worker to follow; None for all.
        tail: How many lines of each log to begin with; None for all.
    """
    shows_rank = rank is None and run.number("num_proc") != 1
    logs: dict[int, _FollowedLog] = {}
    is_running = True
    while is_running:
        is_running = run.folder.state() == "running"  # before the last look
        ranks = _ranks(run) if rank is None else [rank]
        for one in ranks:
            if one not in logs:
                logs[one] = _FollowedLog(run, one, tail, shows_rank=shows_rank)
            logs[one].show(is_last=not is_running)
        if is_running:
            time.sleep(_TICK)


def _ranks(run: Run) -> list[int]:
    """The workers that have a log so far."""
    names = (path.stem for path in run.folder.logs.glob("*.log"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


class _FollowedLog:
    """The log of one worker, and how far it is printed."""

    def __init__(self, run: Run, rank: int, tail: int | None, *, shows_rank: bool) -> None:
        from superparams.store.runs.setting_logs import log_of_run

        self._log = log_of_run(run.folder, rank)
        self._prefix = f"{rank} | " if shows_rank else ""
        self._at = 0 if tail is None else self._log.start_of_last(tail)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""  # a line whose end has not come

    def show(self, *, is_last: bool) -> None:
        """Print what is new; the beginning of a line only if nothing else comes before its end."""
        start, self._at = self._at, max(self._at, self._log.size())
        for data in replace(self._log, start=start, end=self._at).chunks():
            if self._prefix or is_terminal():
                self._print(self._decoder.decode(data))
            else:
                sys.stdout.buffer.write(data)
        if is_last and self._begun:
            self._print("\n")
        sys.stdout.buffer.flush()

    def _print(self, text: str) -> None:
        lines = plain(text) if is_terminal() else text
        if not self._prefix:
            click.echo(lines, nl=False)
            return
        *whole, self._begun = (self._begun + lines).split("\n")
        for line in whole:
            click.echo(f"{self._prefix}{line}")
