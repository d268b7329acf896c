"""Steps: rows that a setting records while it runs, and whether it goes on after each.

A place sets two variables where it runs settings. `step_recorder` takes steps as they are recorded;
without it they go with the outcome of their setting. `step_teller` is set if somebody decides on
steps: it tells a row and waits for the answer, whether the setting goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from superparams.declare.instance_state import key_on
from superparams.errors import EngineError, RunError, Stopped
from superparams.identity.digests.digest import key_text
from superparams.outcomes.outcome import Status
from superparams.outcomes.step import Step, recorded_row, size_of_row, values_of_last

__all__ = [
    "Row",
    "StepLog",
    "StepRecorder",
    "Steps",
    "Teller",
    "step_recorder",
    "step_teller",
]

Row = Mapping[str, Any]
Teller = Callable[[Row], "bool | Awaitable[bool]"]
StepRecorder = Callable[[Step], object]
Steps = Generator[Any, Any, Any]  # what a `run` gives that yields

# Takes the steps of the settings that run in this context; None where they go with the outcome.
step_recorder: ContextVar[StepRecorder | None] = ContextVar("step_recorder", default=None)
# Tells a step of the setting that runs in this context; None where nobody decides on steps.
step_teller: ContextVar[Teller | None] = ContextVar("step_teller", default=None)


def _answer(teller: Teller, row: Row) -> bool:
    answer = teller(row)
    if not isinstance(answer, bool):
        close = getattr(answer, "close", None)
        if close is not None:
            close()  # or Python warns that nobody awaited it
        raise EngineError(
            "a coroutine cannot wait in log() for the answer whether it goes on; write run as an "
            "async generator, and yield its steps"
        )
    return answer


class StepLog:
    """Records the steps of the setting that a worker runs.

    Every setting of the worker holds it, so that `log` reaches it from callbacks and from threads.

    Args:
        name: The name of the experiment's class.

    Attributes:
        attempt: The setting that runs, or None: its index, its key, the number of the attempt, and
            when that began by `time.perf_counter`.
        n_steps: How many steps it has recorded.
        kept: Its steps, where the engine does not take them before the outcome.
        is_used: Whether any setting of the worker has recorded steps.
        is_stopped: Whether it was told not to go on.
    """

    def __init__(self, name: str, *, is_elsewhere: bool = False) -> None:
        """is_elsewhere: it belongs to a setting of another process, and refuses all steps."""
        self.attempt: tuple[int, int, int, float] | None = None
        self.n_steps = 0
        self.kept: list[Step] = []
        self.is_used = False
        self.is_stopped = False
        self._waited = 0.0  # seconds for answers
        self._name = name
        self._last: Any = {}
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._process = -1 if is_elsewhere else os.getpid()
        self._recorder: StepRecorder | None = None
        self._teller: Teller | None = None

    def connect(self) -> None:
        """Hand steps over as the place says in whose context this is called."""
        self._recorder, self._teller = step_recorder.get(), step_teller.get()

    def end(
        self, status: Status, result: Any, seconds: float
    ) -> tuple[Status, Any, float, int, list[Step] | None]:
        """The attempt is over.

        Args:
            status: How it ended.
            result: What `run` returned, ready to be recorded.
            seconds: How long it took.

        Returns:
            The status, the result, the seconds without those in which it waited for answers, the
            number of steps, and `kept`. The result is the last step, where `run` returned nothing
            or was stopped.
        """
        self.attempt = None
        with self._lock:
            if self.is_stopped and status == "done":  # it has caught `Stopped`
                status = "stopped"
            if status == "stopped" or (status == "done" and result is None and self.n_steps):
                result = values_of_last(self._last)
            ended = status, result, seconds - self._waited, self.n_steps, self.kept or None
            self.n_steps, self._last, self.kept, self.is_stopped = 0, {}, [], False
            self._waited = 0.0
        return ended

    def log(self, setting: Any, row: Any, where: str = "log()") -> None:
        """Record a step of a setting, which has to be the one that runs.

        Raises:
            RunError: Where no step of this setting can be recorded; names the remedy.
            TypeError: For a row that no table can hold.
            Stopped: When the setting is not to go on.
        """
        values = self._record(setting, row, where)
        if self._teller is not None:
            asked = time.perf_counter()
            with self._asking:
                goes_on = not self.is_stopped and _answer(self._teller, values)
            self._go_on(goes_on, asked, where)

    async def log_async(self, setting: Any, row: Any, where: str) -> None:
        """The same in a coroutine, while other settings run."""
        values = self._record(setting, row, where)
        if self._teller is not None:
            asked, answer = time.perf_counter(), self._teller(values)
            goes_on = answer if isinstance(answer, bool) else await answer
            self._go_on(goes_on, asked, where)

    def _go_on(self, goes_on: bool, asked: float, where: str) -> None:
        self._waited += time.perf_counter() - asked
        if not goes_on:
            self.is_stopped = True
            raise Stopped(f"{self._name}.{where}: this setting is not to go on")

    def _record(self, setting: Any, row: Any, where: str) -> dict[str, Any]:
        now = time.perf_counter()
        self._refuse_elsewhere(where)
        self.is_used = True  # before `attempt` is read: who ends an attempt looks at it afterwards
        row = recorded_row(f"{self._name}.{where}", row)
        with self._lock:
            if self.attempt is None or self.attempt[1] != key_on(setting):
                raise RunError(
                    f"{self._name}.{where}: a step was recorded while its setting does not run; "
                    "record steps only in run(), and wait there for the threads that record some"
                )
            size = size_of_row(row)
            if not size:
                return {}
            index, key, attempt, begun = self.attempt
            number, seconds = self.n_steps + 1, now - begun - self._waited
            step = Step(index, key_text(key), attempt, number, seconds, row)
            self.n_steps += size
            self._last = row
            if self._recorder is None:
                self.kept.append(step)
            else:
                self._recorder(step)
        return values_of_last(row)

    def _refuse_elsewhere(self, where: str) -> None:
        if os.getpid() != self._process:
            raise RunError(
                f"{self._name}.{where} was called in a child process; only the process that runs "
                "the setting records steps: hand the values to it, as by a queue or a return value"
            )

    # ---- generators

    def run_through(self, setting: Any, generator: Steps) -> Any:
        """Record what `run` yields, and give what it returns."""
        where = "run()"
        try:
            row = next(generator)
            while True:
                try:
                    self.log(setting, row, where)
                except Exception as error:  # at the line that yields
                    row = generator.throw(error)
                else:
                    row = next(generator)
        except StopIteration as end:
            return end.value
        except Stopped:
            generator.close()
            raise

    async def run_through_async(self, setting: Any, generator: AsyncGenerator[Any, Any]) -> None:
        """Record what an `async def run` yields."""
        where = "run()"
        try:
            row = await anext(generator)
            while True:
                try:
                    await self.log_async(setting, row, where)
                except Exception as error:  # at the line that yields
                    row = await generator.athrow(error)
                else:
                    row = await anext(generator)
        except StopAsyncIteration:
            return
        finally:
            await generator.aclose()

    # ---- copies of a setting

    def __copy__(self) -> StepLog:
        return self

    def __deepcopy__(self, memo: object) -> StepLog:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(StepLog, self._name, is_elsewhere=True), ()
