"""The engine that runs in this process, one setting after another: prints and breakpoints work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from superparams.declare.experiment_place import Place
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    has_processes,
    in_processes,
    refuse,
)
from superparams.executor.engines.drive import drive, handle, scheduler_of
from superparams.executor.engines.feed import Feed, Todo
from superparams.executor.engines.held_resources import OneMachine
from superparams.executor.engines.output_log import OutputLog, log_path
from superparams.executor.pool_code import pools_take_code
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.state_machine import Scheduler
from superparams.executor.steps import Row, step_recorder, step_teller
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.setting_needs import SettingNeeds
    from superparams.executor.worker import Worker

# Seconds that outcomes wait at most, to be encoded together with others. The first failures do not
# wait, since they may end the run.
_FLUSH = 0.02
_URGENT = 100


class Serial:
    """Runs settings here. No timeout: what runs in this process cannot be killed alone.

    Ctrl-C in the middle of a setting raises KeyboardInterrupt from the iterator, after the outcomes
    before it. What settings print goes where it went, and to the log as well.
    """

    name = "serial"

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._carrier: _SerialCarrier | None = None

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

    def places_for(self, needs: SettingNeeds, options: Options) -> int:
        """One: a setting may use the whole machine. See `HoldsResources`."""
        OneMachine(needs, {"timeout": in_processes("a setting in this process cannot be ended")})
        return 1

    def activity(self) -> list[Activity]:
        """The one setting that runs, if any."""
        running = self._carrier.running if self._carrier else None
        if running is None:
            return [Activity(0, None, 0.0)]
        index, start, attempt, log = running
        return [Activity(0, index, time.monotonic() - start, attempt, log_start=log)]

    def execute(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        feed = Feed.of(todo)
        scheduler = scheduler_of(1, feed, options, control)
        self._carrier = _SerialCarrier(program, feed, options, control, scheduler)
        with pools_take_code(getattr(program, "pool_code", None)):
            yield from drive(self._carrier, scheduler, feed, control)


class _SerialCarrier:
    """This process as the one place.

    Attributes:
        running: The index of the setting that runs, since when, its attempt, and where its output
            begins in the log.
    """

    def __init__(
        self,
        program: Program,
        feed: Feed,
        options: Options,
        control: Control,
        scheduler: Scheduler,
    ) -> None:
        self.running: tuple[int, float, int, int | None] | None = None
        self._scheduler = scheduler
        self._goes_on = True
        self._error: Exception | None = None  # of a step, while its setting ran
        # Of the setting that has started this run, if it runs inside of one.
        self._outer_teller, self._outer_recorder = step_teller.get(), step_recorder.get()
        self._program = program
        self._feed = feed
        self._needs: SettingNeeds | None = getattr(program, "setting_needs", None)
        self._options = options
        self._control = control
        self._retries = options.retry_policy
        self._worker: Worker | None = None
        self._generators = getattr(program, "generators", None)
        self._has_kept_generators = False
        self._is_new = False
        self._log: OutputLog | None = None
        self._log_end: int | None = None
        self._chunk: Chunk | None = None
        self._batch: list[Outcome] = []
        self._early: tuple[bytes, int] | None = None  # the first of these outcomes, encoded
        self._lock = threading.Lock()  # for what `waiting` and `_flush` share
        self._flushed, self._n_urgent = 0.0, _URGENT
        control.waiting_outcomes = self.waiting

    def carry_out(self, instruction: m.Instruction) -> bytes:
        if isinstance(instruction, m.StartPlace):
            self._enter()
        elif isinstance(instruction, m.SendChunk):
            self._chunk = instruction.chunk
            if self._needs is not None:
                self._needs.split(instruction.chunk.ranges)  # refuses what this machine lacks
        elif isinstance(instruction, m.AnswerStep):
            self._goes_on = instruction.goes_on
        return b""

    def _tell_step(self, row: Row) -> bool:
        """Pass a step of the setting that runs to the scheduler, which answers at once.

        Returns:
            Whether the setting goes on.
        """
        assert self.running is not None
        step = m.StepMade(0, self.running[0], row)
        try:
            for _ in handle(self, self._scheduler, step):
                pass
        except Exception as error:  # a mistake of the stopper, not of the setting
            self._error = error
        return self._error is None and self._goes_on

    def _enter(self) -> None:
        if self._generators is not None:
            self._program.prepare()  # what a factory draws is not the first setting's
        if self._options.folder is not None:
            self._log = OutputLog(log_path(self._options.folder, 0))
        self._worker = self._program.enter(Place(0, 1, self._options.folder))
        if self._log is not None:
            self._log_end = self._log.mark()
        if self._generators is not None:
            self._generators.keep()
            self._has_kept_generators = True
        self._is_new, self._flushed = True, time.monotonic()

    def begin(self) -> None:
        """Do nothing: this process is ready."""

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        if self._is_new:
            self._is_new = False
            yield m.PlaceReady(0)
        elif self._chunk is None:
            yield from self._flush()
            self._feed.wait(seconds)
        if self._chunk is not None:
            chunk, self._chunk = self._chunk, None
            yield from self._run(chunk)

    def _run(self, chunk: Chunk) -> Iterator[m.Event | bytes]:
        assert self._worker is not None
        start, count, to_retry = time.monotonic(), 0, list[int]()
        attempt, run, now = chunk.attempt, self._worker.run, start
        step_teller.set(None if self._control.judge is None else self._tell_step)
        step_recorder.set(self._control.steps.outbox.add)
        for index in chunk:
            if self._control.draining:  # the last outcome may have been the reason
                break
            self.running = index, now, attempt, self._log_end
            try:
                outcome = run(index, attempt)
                if outcome.status != "done":
                    outcome = self._try_again(index, outcome)
            except KeyboardInterrupt:
                yield from self._flush()
                raise
            if self._error is not None:
                yield from self._flush()
                raise self._error
            if self._log is not None:
                outcome.log_start = self._log_end
                outcome.log_end = self._log_end = self._log.mark(outcome.seconds)
            count, now = count + 1, time.monotonic()
            if outcome.status != "done":
                if self._retries.allows(outcome.status, outcome.attempt):
                    to_retry.append(index)
                    continue
                if self._n_urgent:
                    self._n_urgent -= 1
                    self._flushed = 0.0
            self._batch.append(outcome)
            if now - self._flushed > _FLUSH:
                self.running = None
                yield from self._flush()
                now = time.monotonic()
        self.running = None
        yield m.SettingsEnded(0, count, tuple(to_retry))
        yield m.ChunkOver(0, time.monotonic() - start)

    def _try_again(self, index: int, outcome: Outcome) -> Outcome:
        """The outcome of the last attempt, after all retries that need not wait."""
        assert self._worker is not None
        while self._retries.allows_at_once(outcome.status, outcome.attempt):
            attempt = outcome.attempt + 1
            self.running = index, time.monotonic(), attempt, self._log_end
            outcome = self._worker.run(index, attempt)
        return outcome

    def _flush(self) -> Iterator[bytes]:
        with self._lock:
            batch, self._batch = self._batch, []
            early, self._early = self._early, None
        self._flushed = time.monotonic()
        if early is not None:
            yield early[0]
            batch = batch[early[1] :]
        if batch:
            self._control.steps.outbox.flush()
            yield encode(batch)

    def waiting(self) -> bytes:
        """The outcomes that wait while a long setting runs; see `Control.waiting_outcomes`."""
        running = self.running
        if running is None or time.monotonic() - running[1] < _FLUSH:
            return b""
        with self._lock:
            batch = self._batch.copy()
            if self._early is not None or not batch:
                return b""
            self._control.steps.outbox.flush()
            self._early = encode(batch), len(batch)
            return self._early[0]

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        yield from self._flush()

    def explain(self, error: BaseException) -> BaseException:
        return error

    def close(self) -> None:
        self.running = self._control.waiting_outcomes = None
        step_teller.set(self._outer_teller)
        step_recorder.set(self._outer_recorder)
        self._control.steps.outbox.pause()
        try:
            if self._worker is not None:
                self._worker.close()
        finally:
            if self._has_kept_generators and self._generators is not None:
                self._generators.restore()
            if self._log is not None:
                self._log.close()
