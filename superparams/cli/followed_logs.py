"""Prints the output of a setting, or of the workers of a run, while they run."""

from __future__ import annotations

import codecs
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from superparams.cli.terminal import is_terminal
from superparams.errors import safe_text, units
from superparams.outcomes.outcome import FAILURES

if TYPE_CHECKING:
    from superparams.cli.running_lookup import RunningNow
    from superparams.store.runs.folder import RunFolder
    from superparams.store.runs.run_records import Run
    from superparams.store.runs.running_settings import RunningSetting

__all__ = ["conclude", "follow", "follow_setting", "terminal_text"]

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_TICK: Final = 0.1  # seconds between two looks at the logs


def terminal_text(text: str) -> str:
    """Text for a terminal: without colours, with a line for each state of a progress bar."""
    text = _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return safe_text.lines(text)


def follow(run: Run, rank: int | None, tail: int | None) -> None:
    """Print what workers print until the run ends.

    Each line begins with the rank of its worker if there are several.

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
        for worker_rank in ranks:
            if worker_rank not in logs:
                logs[worker_rank] = _FollowedLog(run, worker_rank, tail, shows_rank=shows_rank)
            logs[worker_rank].show(is_last=not is_running)
        if is_running:
            time.sleep(_TICK)


def follow_setting(now: RunningNow, tail: int | None) -> int:
    """Print what a setting prints until it ends, and then how it ended.

    Output of the next setting of its worker is not printed. If the setting is tried again, the
    output of that attempt follows.

    Args:
        now: The setting.
        tail: How many lines to begin with; None for all.

    Returns:
        The exit code: 1 if it failed, was killed or timed out, and if its run ended first.
    """
    from superparams.store.ledger.reader import ledger_size

    folder, running = now.run.folder, now.entry
    output = _AttemptOutput(folder, running, tail)
    size = -1  # of the ledger, at the last time of reading
    while True:
        is_running = folder.state() == "running"  # before the last look
        attempt = _running_with(folder, running.index)
        if attempt is not None:
            output.show(attempt)
        elif (new := ledger_size(folder.ledger)) != size or not is_running:
            size, row = new, _outcome_in(folder, running.index)
            if row is not None:
                output.show_rest(row)
                return conclude(row)
            if not is_running:
                state = folder.state()
                click.echo(
                    f"The run has ended ({state}), and the setting has no outcome.", err=True
                )
                return 1
        time.sleep(_TICK)


def _running_with(folder: RunFolder, index: int) -> RunningSetting | None:
    """The setting with an index, if it still runs."""
    from superparams.store.runs.running_settings import running_settings

    return next((entry for entry in running_settings(folder) if entry.index == index), None)


def _outcome_in(folder: RunFolder, index: int) -> dict[str, Any] | None:
    """The outcome of the setting with an index in the ledger of a run, if there is one."""
    import pyarrow.compute as pc

    from superparams.store.ledger.reader import read

    names = ["status", "error", "seconds", "rank", "log_start", "log_end"]
    for batch in read(folder.ledger, growing=True):
        position = pc.index(batch.column("index"), index).as_py()
        if position >= 0:
            row: dict[str, Any] = batch.select(names).slice(position, 1).to_pylist()[0]
            return row
    return None


def conclude(row: Mapping[str, Any]) -> int:
    """Print how a setting ended; returns the exit code."""
    error = f": {safe_text.line(row['error'])}" if row["error"] else ""
    lasted = units.duration(row["seconds"])
    click.echo(f"{row['status']}{f' after {lasted}' if lasted else ''}{error}", err=True)
    return int(row["status"] in FAILURES)


class _AttemptOutput:
    """The output of a setting, and the position up to which it is printed."""

    def __init__(self, folder: RunFolder, running: RunningSetting, tail: int | None) -> None:
        from superparams.store.runs.setting_logs import log_of_running

        self._folder = folder
        self._place = running.rank, running.log_start
        self._attempt = running.attempt
        log = log_of_running(folder, running)
        self._at = log.start if tail is None else log.start_of_last(tail)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(self, running: RunningSetting) -> None:
        """Print new output, as far as it certainly belongs to the setting."""
        if running.attempt != self._attempt:
            self._attempt = running.attempt
            click.echo(f"attempt {running.attempt}:", err=True)
        self._show(running.rank, running.log_start, running.log_end)

    def show_rest(self, row: Mapping[str, Any]) -> None:
        """Print the rest of the output of the setting that a row describes."""
        rank, start, end = row["rank"], row["log_start"], row["log_end"]
        if rank is not None and start is not None and end is not None:
            self._show(rank, start, end)

    def _show(self, rank: int, start: int, end: int) -> None:
        from superparams.store.runs.setting_logs import Log

        if (rank, start) != self._place:
            self._place, self._at = (rank, start), start
        for data in Log(self._folder.logs / f"{rank}.log", self._at, end).chunks():
            if is_terminal():
                click.echo(terminal_text(self._decoder.decode(data)), nl=False)
            else:
                sys.stdout.buffer.write(data)
        self._at = max(self._at, end)
        sys.stdout.buffer.flush()


def _ranks(run: Run) -> list[int]:
    """The workers that have a log so far."""
    names = (path.stem for path in run.folder.logs.glob("*.log"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


class _FollowedLog:
    """The log of one worker, and the position up to which it is printed."""

    def __init__(self, run: Run, rank: int, tail: int | None, *, shows_rank: bool) -> None:
        from superparams.store.runs.setting_logs import log_of_run

        self._log = log_of_run(run.folder, rank)
        self._prefix = f"{rank} | " if shows_rank else ""
        self._at = 0 if tail is None else self._log.start_of_last(tail)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""  # a line whose end has not come

    def show(self, *, is_last: bool) -> None:
        """Print new output; an incomplete line only if no more output will come."""
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
        lines = terminal_text(text) if is_terminal() else text
        if not self._prefix:
            click.echo(lines, nl=False)
            return
        *whole, self._begun = (self._begun + lines).split("\n")
        for line in whole:
            click.echo(f"{self._prefix}{line}")
