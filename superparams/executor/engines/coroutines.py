"""The engine of one event loop, for experiments whose `run` is a coroutine function.

The loop has a thread of its own, since a notebook has a loop already, and since a setting that
blocks the loop must not keep limits of time from being enforced.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from superparams.executor.async_worker import AsyncWorker
from superparams.executor.engines.attempts import interrupted, late, late_setup, steps_of_lost
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.executor.engines.feed import Feed
from superparams.executor.engines.held_time import HeldTime
from superparams.executor.engines.local_places import (
    ChunkSettings,
    LocalCarrier,
    LocalEngine,
    PlaceContext,
    Running,
    SettingEnded,
    with_log,
)
from superparams.executor.event_loop import CANCEL_PATIENCE, ThreadLoop, waiting_at
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.steps import Row, step_teller
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import FAILURES, Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program

# ChunkSettings of the loop in which a setting whose time is up may still end.
_LAST_ROUNDS = 3
_ABANDONED = (
    f"it ignored its cancellation for {CANCEL_PATIENCE:g} seconds, so it was abandoned, and may go "
    "on in this process"
)
_BLOCKED = (
    "it blocked the event loop of all settings, which cannot be cancelled, so it was abandoned, "
    'and may go on in this process; await what takes long, or give engine="processes"'
)
_BESIDE = "killed: settings that ran at the same time blocked the event loop again and again"


class Coroutines(LocalEngine):
    """Runs `num_proc` settings at a time in one event loop.

    `timeout` is enforced by cancellation. A setting that ignores that for five seconds is
    abandoned, since nothing can end it. Output of settings is still shown, and also goes to the
    log.
    """

    name = "asyncio"

    def check(self, options: Options) -> None:
        """An event loop supports all options; see `Engine.check`."""

    def carrier(
        self, program: Program, feed: Feed, options: Options, control: Control
    ) -> LocalCarrier:
        """The places of one run."""
        return _LoopCarrier(program, feed, options, control)


class _LoopCarrier(LocalCarrier):
    """The places of one run in an event loop."""

    def __init__(self, program: Program, feed: Feed, options: Options, control: Control) -> None:
        super().__init__(self._make, program, feed, options, control)
        self._loop: ThreadLoop | None = None
        self._evidence: dict[str, Any] = {}

    def _make(self, context: PlaceContext) -> _LoopPlace:
        self._loop = self._loop or ThreadLoop()
        return _LoopPlace(context, self._loop)

    def carry_out(self, instruction: m.Instruction) -> bytes:
        """Also record a setting that blocked the loop, or that ran with such settings too often."""
        if isinstance(instruction, m.RecordLoss):
            return self._lost(instruction)
        return super().carry_out(instruction)

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        """Also see whether the loop still runs."""
        yield from super().poll(seconds, wants_rest=wants_rest, has_room=has_room)
        if self._loop is not None:
            self._loop.check()
            if self._loop.silence > CANCEL_PATIENCE:
                yield from self._replace_loop(self._loop)

    def _replace_loop(self, loop: ThreadLoop) -> Iterator[m.Event]:
        """If a setting blocks the loop beyond its time, abandon the setting and its loop.

        The other settings are not to blame, and run again in a new loop.
        """
        places = {rank: cast("_LoopPlace", place) for rank, place in self._places.items()}
        task = loop.running_task
        blocking = [
            place for place in places.values() if task is not None and place.has_started(task)
        ]
        suspects = [place for place in blocking or places.values() if place.is_late]
        if not suspects:
            return
        stack = loop.stack()
        self._control.note([f"a setting exceeded its time: {_BLOCKED}"])
        # Messages of the old places are no longer read.
        self._loop, self._messages = None, queue.SimpleQueue()
        self._places.clear()
        for rank, place in places.items():
            place.end(is_hurried=True)
            log_range = self._logs[rank].take()
            self._logs[rank].close()
            if (running := place.running) is None:
                yield m.PlaceGone(rank, begun=0, is_blameless=True)
            elif place not in suspects:
                yield m.PlaceGone(rank, begun=1, is_blameless=True)
            else:
                culprit = running[0] if blocking else None
                self._evidence = _evidence(running[1], rank, place.late_error, stack)
                self._evidence |= zip(("log_start", "log_end"), log_range, strict=True)
                yield m.PlaceGone(rank, culprit, "timeout", begun=1, attempt=running[2])
        loop.end(0.0)

    def _lost(self, loss: m.RecordLoss) -> bytes:
        """The outcome of a setting whose loop was abandoned just now."""
        attributes: dict[str, Any] = {"error": _BESIDE}
        if loss.status == "timeout":
            attributes = {**self._evidence}
        attributes["n_steps"] = self._control.steps.count(loss.index, loss.attempt)
        status, attempt = loss.status, loss.attempt
        outcome = self._program.outcome_of_lost(
            loss.index, status=status, attempt=attempt, **attributes
        )
        return encode([outcome])

    def close(self) -> None:
        """End the places and their loop."""
        super().close()
        if self._loop is not None:
            self._loop.end(max(0.1, self._deadline_to_end() - time.monotonic()))


def _evidence(start: float, rank: int, error: str, stack: str) -> dict[str, Any]:
    """What is known of a setting that blocks its loop."""
    seconds = time.monotonic() - start
    return {
        "error": f"{error}; {_BLOCKED}",
        "traceback": stack,
        "started": time.time() - seconds,
        "seconds": seconds,
        "rank": rank,
    }


class _LoopPlace:
    """A task of the event loop that runs the chunks that it is given; see `LocalPlace`."""

    def __init__(self, context: PlaceContext, loop: ThreadLoop) -> None:
        self._context = context
        self._log = context.log
        self._rank = context.rank
        self._options = context.options
        self._retries = context.options.retry_policy
        self._messages = context.messages
        self._loop = loop
        self._chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()
        self._settings = ChunkSettings(context)
        self._answer: asyncio.Future[bool] | None = None
        self._worker: AsyncWorker | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_stopped = False
        self._was_in_run = False  # when its setting was cancelled
        self._held = HeldTime()
        self._in_setup = False
        self._ended = threading.Event()

    # ---- in the thread of the carrier

    def is_alive(self) -> bool:
        return not self._ended.is_set()

    @property
    def running(self) -> Running | None:
        """The setting that runs, if one does."""
        return self._settings.running

    @property
    def is_late(self) -> bool:
        """Whether its setting, or the `setup` before it, has run longer than it may."""
        running = self._settings.running
        limit = self._options.setup_limit if self._in_setup else self._options.timeout
        return running is not None and limit is not None and time.monotonic() - running[1] > limit

    @property
    def late_error(self) -> str:
        """The error of a setting that is late."""
        if self._in_setup:
            return late_setup(self._context.program.name, self._options)
        return late(self._options.timeout or 0)

    def has_started(self, task: asyncio.Task[Any]) -> bool:
        """Whether its setting is this task, or has started it."""
        return task is self._task or (self._worker is not None and task in self._worker.tasks)

    def start(self) -> None:
        self._loop.start(self._main())

    def begin(self, chunk: Chunk) -> None:
        self._loop.call(self._chunks.put_nowait, chunk)

    def activity(self) -> Activity:
        return self._settings.activity(in_setup=self._in_setup)

    def return_rest(self) -> int | None:
        return self._settings.return_rest()

    def end(self, *, is_hurried: bool) -> None:
        self._settings.is_ending = True
        self._loop.call(self._end, is_hurried)

    def join(self, seconds: float, /) -> None:
        self._ended.wait(seconds)

    def answer(self, *, goes_on: bool) -> None:
        self._loop.call(self._take_answer, goes_on)

    # ---- in the event loop

    def _end(self, is_hurried: bool) -> None:
        self._chunks.put_nowait(None)
        if is_hurried:
            self._is_stopped = True
            if self._task is not None:
                self._task.cancel()

    async def _tell_step(self, row: Row) -> bool:
        running = self._settings.running
        if running is None:
            return False
        self._answer = asyncio.get_running_loop().create_future()
        with self._held.waiting():
            self._messages.put(m.StepMade(self._rank, running[0], row))
            return await self._answer

    def _take_answer(self, goes_on: bool) -> None:  # is called by the loop
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(goes_on)

    async def _main(self) -> None:
        try:
            self._enter()
            self._log.open()
            self._settings.carry_steps()
            step_teller.set(None if self._context.control.judge is None else self._tell_step)
            self._messages.put(m.PlaceReady(self._rank))
            try:
                while (chunk := await self._chunks.get()) is not None:
                    start = time.monotonic()
                    await self._run(chunk)
                    self._messages.put(m.ChunkOver(self._rank, time.monotonic() - start))
            finally:
                await self._tear_down()
        except BaseException as error:
            self._messages.put(error)
        finally:
            self._messages.put(m.PlaceGone(self._rank))
            self._ended.set()

    def _enter(self) -> AsyncWorker:
        self._worker = cast("AsyncWorker", self._context.enter())
        return self._worker

    async def _tear_down(self) -> None:
        if self._worker is not None:
            task, _ = await self._limited(self._worker.close_async(), self._options.setup_limit)
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _run(self, chunk: Chunk) -> None:
        self._settings.begin(chunk)
        while (index := self._settings.next()) is not None:
            outcome = await self._attempt(index, chunk.attempt)
            while outcome and self._retries.allows_at_once(outcome.status, outcome.attempt):
                self._settings.note(index, outcome.attempt + 1)
                outcome = await self._attempt(index, outcome.attempt + 1)
            if outcome is None:
                break  # the run was stopped
            outcome = with_log(outcome, self._log)
            is_final = not self._retries.allows(outcome.status, outcome.attempt)
            self._messages.put(SettingEnded(self._rank, outcome if is_final else index))

    async def _attempt(self, index: int, attempt: int) -> Outcome | None:
        """One attempt of a setting; None if the run was stopped meanwhile."""
        worker, start = self._worker, time.monotonic()
        assert worker is not None
        if worker.is_to_set_up:
            self._in_setup = True
            task, is_late = await self._limited(worker.set_up(), self._options.setup_limit)
            error, self._in_setup = self.late_error if is_late else "", False
            if is_late:
                self._enter()  # a new worker, for the next setting
                return self._late(task, index, attempt, start, error)
            with suppress(BaseException):  # the setting fails with it
                task.result()
            self._settings.note(index, attempt)
            start = time.monotonic()
        limit = self._options.timeout
        task, is_late = await self._limited(worker.run_async(index, attempt), limit)
        if is_late and (self._was_in_run or not _was_in_time(task, limit)):
            return self._late(task, index, attempt, start, self.late_error)
        if self._is_stopped and (task.cancelled() or task.exception() or not _is_done(task)):
            return None
        try:
            return cast("Outcome", task.result())
        except BaseException as raised:  # a KeyboardInterrupt that the setting raised
            outcome = interrupted(self._context.program, raised, index, attempt, self._rank, start)
            outcome.n_steps = steps_of_lost(worker)
            return outcome

    async def _limited(
        self, coroutine: Coroutine[Any, Any, Any], limit: float | None
    ) -> tuple[asyncio.Task[Any], bool]:
        """Run a coroutine, and cancel it when it takes longer; whether it did."""
        task = self._task = asyncio.create_task(coroutine)
        if self._is_stopped:
            task.cancel()
        await self._held.limit(task, limit)
        for _ in range(_LAST_ROUNDS):  # a setting beside it may have blocked the loop
            if not task.done():
                await asyncio.sleep(0)
        is_late = not task.done()
        if is_late:
            self._was_in_run = self._worker is None or not self._worker.has_returned
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_PATIENCE)
        self._task = None
        return task, is_late

    def _late(
        self, task: asyncio.Task[Any], index: int, attempt: int, start: float, error: str
    ) -> Outcome:
        """The outcome of a setting that was cancelled because of its time."""
        seconds = time.monotonic() - start
        n_steps = self._context.control.steps.count(index, attempt)
        trace: str | None = None
        if task.done():
            with suppress(BaseException):
                trace = cast("Outcome", task.result()).traceback
        else:
            trace = waiting_at(task)
            error = f"{error}; {_ABANDONED}"
            self._context.control.note([f"a setting exceeded its time: {_ABANDONED}"])
        return self._context.program.outcome_of_lost(
            index,
            status="timeout",
            error=error,
            traceback=trace,
            started=time.time() - seconds,
            seconds=seconds,
            rank=self._rank,
            attempt=attempt,
            n_steps=n_steps,
        )


def _was_in_time(task: asyncio.Task[Any], limit: float | None) -> bool:
    """Whether `run` ended in time, and only tasks that it left behind took longer to end."""
    if limit is None or not task.done() or task.cancelled() or task.exception() is not None:
        return False
    outcome = cast("Outcome", task.result())
    seconds = outcome.seconds - outcome.carried_seconds
    return outcome.status not in FAILURES and seconds <= limit


def _is_done(task: asyncio.Task[Any]) -> bool:
    return cast("Outcome", task.result()).status not in FAILURES
