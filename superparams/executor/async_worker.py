"""Runs settings whose `run` is a coroutine function, in the loop of the caller or in its own."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from superparams.declare.experiment import Experiment
from superparams.errors import Stopped
from superparams.executor.event_loop import OwnLoop, end_tasks, tasks_of_setting
from superparams.executor.worker import Worker
from superparams.identity.digests.digest import key_text
from superparams.outcomes.outcome import Outcome, Status
from superparams.outcomes.result_copies import checked, frozen
from superparams.outcomes.return_checks import heed_answer

__all__ = ["AsyncWorker"]


class AsyncWorker(Worker):
    """Runs settings one after another; many workers may share one event loop.

    `setup` and `teardown` may be coroutine functions, too. `run` and `close` are for engines
    without an event loop: the worker then has a loop of its own, the same for all its settings.
    """

    _is_async = True
    _own_loop: OwnLoop | None = None
    tasks: WeakSet[Any] = WeakSet()  # those that the setting has started
    has_returned = False  # whether `run` of the setting has returned

    def run(self, index: int, attempt: int = 1) -> Outcome:
        """Run one setting in a loop of this worker; see `Worker.run`."""
        self._own_loop = self._own_loop or OwnLoop()
        return self._own_loop.run(self.run_async(index, attempt))

    def close(self) -> None:
        """Call `teardown` in the loop of this worker; see `Worker.close`."""
        if self._own_loop is None:
            return  # no setting ran
        try:
            self._own_loop.run(self.close_async())
        finally:
            self._own_loop.close()

    async def run_async(self, index: int, attempt: int = 1) -> Outcome:
        """Run one setting in the loop that runs; see `Worker.run`."""
        started, clock_start = time.time(), time.perf_counter()
        result = error = trace = None
        params: dict[str, Any] | None = None
        status: Status = "done"
        key, steps = self._key(index), self._steps
        tasks = self.tasks = WeakSet()
        try:
            if not self._is_set_up:
                try:
                    await self.set_up()
                finally:  # the time of `setup` is not the setting's
                    started, clock_start = time.time(), time.perf_counter()
            tasks_of_setting.set(tasks)
            point = self._point(index)
            setting = self._setting(point, key)
            params = self._row_if_known(setting)
            if self._needs_hand_over:
                self._hand_over(setting, point)
            self._fork_guard.check(self._run_label)
            steps.attempt = index, key, attempt, clock_start
            self.has_returned = False
            try:
                answer: Any = setting.run()
                if inspect.isasyncgen(answer):
                    await steps.run_through_async(setting, answer)
                    answer = None
                else:
                    answer = await answer
                self.has_returned = True
            finally:
                tasks_of_setting.set(None)
            result = frozen(checked(type(setting), answer))
            if params is None:
                params = self._row(setting)
        except BaseException as raised:  # also when the engine cancels it
            status, result = "failed", None
            if steps.is_stopped and isinstance(raised, Stopped):
                status = "stopped"
            else:
                error, trace = self._failure(raised)
        seconds = time.perf_counter() - clock_start
        steps.attempt = None
        with suppress(asyncio.CancelledError):
            await end_tasks(tasks)
        self._fork_guard.check(self._run_label)
        if params is None:
            params = self._program.row(index)
        text, rank = key_text(key), self._place.rank
        outcome = Outcome(
            index, text, status, params, result, error, trace, started, seconds, rank, attempt
        )
        self._complete(outcome, (index, key, attempt, clock_start))
        return outcome

    async def set_up(self) -> None:
        """Call `setup` once, before the first setting; see `Worker`."""
        self._steps.connect()
        if self._set_up_error is not None:
            raise self._set_up_error.with_traceback(self._set_up_trace)
        if type(self._space).setup is not Experiment.setup:
            instance = self._instance_to_set_up()
            names_before = set(instance.__dict__)
            name = f"{type(self._space).__name__}.setup()"
            try:
                await _called(name, instance.setup)
            except BaseException as error:
                self._note_set_up_error(name, error)
                raise
            self._keep_set_up(name, instance, names_before)
        self._is_set_up = True
        if self.on_set_up is not None:
            self.on_set_up()

    async def close_async(self) -> None:
        """Call `teardown` if `setup` was called. Its errors become warnings."""
        if not self._is_to_tear_down():
            return
        name = f"{type(self._space).__name__}.teardown()"
        try:
            await _called(name, self._setup_instance().teardown)
        except BaseException as error:
            self._warn_of_teardown(name, error)
        self._fork_guard.check(name)


async def _called(name: str, method: Callable[[], Any]) -> None:
    """Call `setup` or `teardown`, and wait for it if it is a coroutine function."""
    answer = method()
    if inspect.iscoroutine(answer):
        answer = await answer
    heed_answer(name, answer, method)
