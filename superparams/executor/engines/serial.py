"""The engine that runs in this process, one setting after another: prints and breakpoints work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from superparams.declare.experiment import Place
from superparams.executor.engines.attempts import run_setting
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    Todo,
    has_processes,
    in_processes,
    refuse,
)
from superparams.executor.pool_code import pools_take_code
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker

# Outcomes wait at most this long for company, seconds; the first failures not at all, since they
# may be enough to end the run.
_FLUSH = 0.02
_URGENT = 100


class Serial:
    """Runs settings here. No timeout: what runs in this process cannot be killed alone.

    Ctrl-C in the middle of a setting raises KeyboardInterrupt from the iterator, after the outcomes
    before it. What settings print stays where it goes: outcomes have no log range.
    """

    name = "serial"

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._running: tuple[int, float, int] | None = None

    def check(self, options: Options) -> None:
        """Refuse options that take other processes; see `Engine.check`."""
        several = '"processes" or "threads"' if has_processes() else '"threads"'
        refuse(
            self.name,
            options,
            num_proc=f"it runs one setting at a time; give engine={several}",
            timeout=in_processes("a setting in this process cannot be ended"),
            setup_timeout=in_processes("what runs in this process cannot be ended"),
        )

    def activity(self) -> list[Activity]:
        """The one setting that runs, if any."""
        running = self._running
        if running is None:
            return [Activity(0, None, 0.0)]
        index, begun, attempt = running
        return [Activity(0, index, time.monotonic() - begun, attempt)]

    def _again(self, attempt: int) -> None:
        if self._running is not None:
            self._running = self._running[0], time.monotonic(), attempt

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        generators = getattr(program, "generators", None)
        if generators is not None:
            program.prepare()  # what a factory draws is not the first setting's
        worker = program.enter(Place(0, 1, options.folder))
        if generators is not None:
            generators.keep()
        try:
            with pools_take_code(getattr(program, "pool_code", None)):
                try:
                    yield from self._batches(worker, todo, options, control)
                finally:
                    self._running = None
                    worker.close()
        finally:
            if generators is not None:
                generators.restore()

    def _batches(
        self, worker: Worker, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        batch: list[Outcome] = []
        flushed, urgent = time.monotonic(), _URGENT
        for index in (index for one in todo for index in one):
            now = time.monotonic()
            if batch and now - flushed > _FLUSH:
                yield encode(batch)
                batch, flushed = [], now
            if control.draining:  # what it yields may be a reason for that
                break
            self._running = index, now, 1
            try:
                batch.append(run_setting(worker, index, options, self._again))
            except KeyboardInterrupt:
                if batch:
                    yield encode(batch)
                raise
            if urgent and batch[-1].status != "done":
                flushed, urgent = 0.0, urgent - 1
        if batch:
            yield encode(batch)
