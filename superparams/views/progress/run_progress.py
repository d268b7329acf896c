"""The counts of a run, and the lines that show them: the progress as text."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from superparams.declare.goal import Goal
from superparams.errors import safe_text
from superparams.errors.units import clock
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.outcomes import batches
from superparams.outcomes.outcome import FAILURES, STATUSES
from superparams.views.notebook import CellOutput, in_notebook
from superparams.views.progress.displays import (
    Display,
    InNotebook,
    PlainLines,
    Terminal,
    is_terminal,
    say,
)
from superparams.views.progress.progress_text import (
    fitted,
    rate_text,
    short_value,
    shortened,
)
from superparams.views.progress.time_left import Durations, time_left

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Progress", "conclude"]

LONG: Final = 2.0  # seconds of a setting after which each worker has a line
MANY: Final = 1000  # waiting settings above which the rate gives the time left
MOST_WORKERS: Final = 16  # workers with a line; the others are counted


class Progress:
    """Counts outcomes and shows them.

    Args:
        name: The name of the experiment.
        total: The number of settings to run.
        skipped: The number of settings left out since they are done.
        activity: Returns what each worker does now.
        label: Returns the text for a setting, by its index.
        style: ``"live"``, ``"notebook"``, ``"plain"`` or ``"none"``.
        goal: The goal of the experiment, if it has one.
        options: The limits of settings.
        control: Has the number of settings that wait for another attempt.
    """

    def __init__(
        self,
        name: str,
        total: int,
        skipped: int,
        *,
        activity: Callable[[], Sequence[Activity]],
        label: Callable[[int], str],
        style: str,
        goal: Goal | None = None,
        options: Options | None = None,
        control: Control | None = None,
    ) -> None:
        self._name = name
        self._total = total
        self._skipped = skipped
        self._activity = activity
        self._label = label
        self._goal = goal
        self._best: Any = None
        self._options = options or Options()
        self._control = control or Control()
        self.counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
        self._durations = Durations()
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=200)
        self.output = CellOutput()
        self._is_shown = style != "none"
        self._display = self._displays().get(style, Display)()

    def _displays(self) -> dict[str, Callable[[], Display]]:
        return {
            "live": lambda: Terminal(self.lines),
            "notebook": lambda: InNotebook(self.lines, self.output),
            "plain": lambda: PlainLines(self.line),
        }

    @classmethod
    def style_for(cls, is_wanted: bool, *, in_process: bool) -> str:
        """The style for this process: live at a terminal, unless settings run in this process.

        A live line would get in the way of their prints and breakpoints.
        """
        if not is_wanted:
            return "none"
        if in_notebook():
            return "notebook"
        return "live" if is_terminal() and not in_process else "plain"

    @property
    def n_ended(self) -> int:
        """The number of settings with an outcome."""
        return sum(self.counts.values())

    @property
    def n_failed(self) -> int:
        """The number of settings that failed, were killed or timed out."""
        return sum(self.counts[status] for status in FAILURES)

    @property
    def n_left(self) -> int:
        """The number of settings without an outcome."""
        return self._total - self.n_ended

    def expect(self, total: int) -> None:
        """Set the number of settings to run."""
        self._total = total

    def add(
        self, counts: Mapping[str, int], seconds: tuple[int, float, float] | None = None
    ) -> None:
        """Count the outcomes of a batch.

        Args:
            counts: The number of settings in each status.
            seconds: The number of settings, their seconds in total, and the most seconds of one;
                None if the time left is not shown.
        """
        for status, count in counts.items():
            self.counts[status] += count
        if seconds is not None:
            self._durations.add(*seconds)
        self._recent.append((time.monotonic(), self.n_ended))

    def take(self, batch: pa.RecordBatch) -> dict[str, int]:
        """Count the outcomes of a batch, and note the values that the lines show.

        Args:
            batch: Outcomes, as they are recorded.

        Returns:
            The number of settings in each status.
        """
        n_by_status = batches.counts(batch)
        self.add(n_by_status, batches.seconds(batch) if self._is_shown else None)
        if self._goal is not None and self._is_shown:
            self.add_values(batches.values_of(batch, self._goal.column))
        return n_by_status

    def add_values(self, values: Iterable[object]) -> None:
        """Update the best value of the goal with new values; only numbers count."""
        if self._goal is not None:
            numbers = [x for x in values if isinstance(x, (int, float, Decimal)) and x == x]
            for x in numbers:
                if self._best is None or self._goal.is_better(x, self._best):
                    self._best = x

    def __enter__(self) -> Progress:
        self._display.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._display.stop()
        if isinstance(self._display, InNotebook):
            self.output.show(f"{self._name}: {', '.join(self._counted(()))}")

    # ---- as text

    def line(self) -> str:
        """The state in one line."""
        activity = self._activity()
        return f"{self._name}: {', '.join([*self._counted(activity), *self._pace(activity)])}"

    def lines(self, width: int) -> list[str]:
        """A bar and the state, then the workers, in lines of at most `width` characters."""
        activity = self._activity()
        parts = [*self._counted(activity), *self._pace(activity)]
        share = self.n_ended / self._total if self._total else 1.0
        workers = (shortened(line, width) for line in self._workers(activity))
        return [*fitted(self._name, parts, share, width), *workers]

    def _counted(self, activity: Sequence[Activity]) -> Iterator[str]:
        yield f"{self.n_ended:,}/{self._total:,}"
        yield from (f"{self.counts[s]:,} {s}" for s in STATUSES if self.counts[s])
        running = sum(worker.index is not None and worker.attempt > 1 for worker in activity)
        retried = running + (self._control.waiting if self.n_left else 0)
        if retried:
            yield f"{retried:,} retrying"
        if self._skipped:
            yield f"{self._skipped:,} skipped"
        if self._goal is not None and self._best is not None:
            yield f"best {safe_text.line(self._goal.column)} {short_value(self._best)}"
        if self._goal is not None:
            yield from self._newest_value(self._goal.column, activity)

    def _newest_value(self, column: str, activity: Sequence[Activity]) -> Iterator[str]:
        """The value of a column in the last step of the setting that runs longest."""
        for worker in sorted(activity, key=lambda worker: -worker.seconds):
            newest = None if worker.index is None else self._control.steps.newest(worker.index)
            if newest is not None and newest.row.get(column) is not None:
                yield f"now {safe_text.line(column)} {short_value(newest.row[column])}"
                return

    def _pace(self, activity: Sequence[Activity]) -> Iterator[str]:
        rate = self._rate()
        if rate:
            yield rate_text(rate)
        left = self._time_left(activity)
        if left is not None:
            yield f"{clock(left)} left"

    def _by_rate(self) -> float | None:
        """Seconds left at the recent rate, which includes the cost of handing out settings."""
        (begin, before), (last, after) = self._recent[0], self._recent[-1]
        if after == before or last <= begin:
            return None
        each = (last - begin) / (after - before)
        return max(0.0, self.n_left * each - (time.monotonic() - last))

    def _time_left(self, activity: Sequence[Activity]) -> float | None:
        running = [worker.seconds for worker in activity if worker.index is not None][: self.n_left]
        waiting = 0 if self._control.draining else self.n_left - len(running)
        if not running and not waiting:
            return None
        if waiting > MANY:
            return self._by_rate()
        return time_left(self._durations, running, waiting, self._options.num_proc)

    def _rate(self) -> float:
        """Recent settings a second."""
        (begin, before), now = self._recent[0], time.monotonic()
        return (self.n_ended - before) / (now - begin) if now > begin else 0.0

    def _workers(self, activity: Sequence[Activity]) -> list[str]:
        """A line for each worker, if a setting takes long or comes near its time limit."""
        limit = self._options.timeout
        long = LONG if limit is None else min(LONG, limit / 2)
        busy = [(worker, worker.index) for worker in activity if worker.index is not None]
        if not any(worker.seconds > long for worker, _ in busy):
            return []
        lines = [
            f"  {self._state(worker)} {self._text(index)}" for worker, index in busy[:MOST_WORKERS]
        ]
        more = len(busy) - len(lines)
        return [*lines, *([f"  and {more:,} more"] if more else [])]

    def _state(self, worker: Activity) -> str:
        """The rank of a worker, its seconds and their limit, and the attempt."""
        limit, attempts = self._options.timeout, self._options.retries + 1
        if worker.in_setup:
            limit = self._options.setup_limit
        seconds = clock(worker.seconds)
        if limit is not None:
            is_short = limit < 60
            seconds = (
                f"{worker.seconds:.1f} of {limit:g} s"
                if is_short
                else f"{seconds} of {clock(limit)}"
            )
        attempt = f" (attempt {worker.attempt} of {attempts})" if worker.attempt > 1 else ""
        return f"{worker.rank}: {'setup ' * worker.in_setup}{seconds}{attempt}"

    def _text(self, index: int) -> str:
        try:
            label = safe_text.line(self._label(index))
        except Exception:  # a repr of the user's code fails
            label = f"setting {index:,}"
        newest = self._control.steps.newest(index)
        if newest is None:
            return label
        values = ", ".join(f"{name} {short_value(x)}" for name, x in newest.row.items())
        return f"{label} | step {newest.step:,}: {safe_text.line(values)}"


def conclude(summary: Callable[[], str], shown: Progress | None) -> None:
    """Show a last line at a terminal, or in place of the progress in a notebook.

    Args:
        summary: Returns the line; it is called only if the line is shown.
        shown: The progress; None if nothing ran.
    """
    if in_notebook():
        (shown.output if shown else CellOutput()).show(summary())
    elif is_terminal():
        say(summary())
