"""Steps: rows that a setting records while it runs, and whether it goes on after each.

A place sets two context variables for its settings. `step_recorder` takes steps as they are
recorded; without it they go with the outcome of their setting. `step_teller` is set if a stopper
decides at steps: it passes on a row, and waits for the answer whether the setting goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from superparams.declare.instance_state import key_on
from superparams.errors import EngineError, RunError, Stopped
from superparams.executor.carried_steps import CarriedStep, HeldSteps
from superparams.executor.stopper_rows import row_of_stopper
from superparams.identity.digests.digest import key_text
from superparams.outcomes.outcome import Status
from superparams.outcomes.step import Step, recorded_row, size_of_row, values_of_last

if TYPE_CHECKING:
    from pathlib import Path

    from superparams.executor.setting_checkpoint import SettingCheckpoint

__all__ = [
    "Attempt",
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
# The setting that runs: its index, its key, the number of the attempt, and when that began by
# `time.perf_counter`.
Attempt = tuple[int, int, int, float]
OpenCheckpoint = Callable[[Attempt, "list[CarriedStep]"], "SettingCheckpoint"]

# Takes the steps of the settings that run in this context; None if outcomes carry the steps.
step_recorder: ContextVar[StepRecorder | None] = ContextVar("step_recorder", default=None)
# Passes on a step of the setting that runs in this context; None without a stopper.
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


class EndedSteps(NamedTuple):
    """What an outcome records about the steps of its setting.

    `seconds` are those of all attempts that led there, without waiting for answers;
    `carried_seconds` those of them before this attempt. `kept` are the steps, if the engine does
    not take them before the outcome.
    """

    status: Status
    result: Any
    seconds: float
    n_steps: int
    kept: list[Step] | None
    carried_seconds: float


class StepLog:
    """Records the steps of the setting that a worker runs, and keeps its checkpoint.

    Every setting of the worker holds it, so that `log` reaches it from callbacks and from threads.

    Args:
        name: The name of the experiment's class.
        open_checkpoint: Opens the checkpoint of an attempt, given that and its steps so far.
        is_async: Whether the setting runs in an event loop, where only a step can wait.

    Attributes:
        attempt: The setting that runs, or None.
        n_steps: How many steps it has recorded.
        kept: Its steps, if the engine does not take them before the outcome.
        is_used: Whether any setting of the worker has recorded steps.
        is_stopped: Whether a stopper has ended it.
        carried_seconds: How long earlier attempts took that led to a checkpoint of this one.
    """

    def __init__(
        self,
        name: str,
        open_checkpoint: OpenCheckpoint | None = None,
        *,
        is_async: bool = False,
        is_elsewhere: bool = False,
    ) -> None:
        """is_elsewhere: it belongs to a setting of another process, and refuses all steps."""
        self.attempt: Attempt | None = None
        self.n_steps = 0
        self.kept: list[Step] = []
        self.is_used = False
        self.is_stopped = False
        self.carried_seconds = 0.0
        self._waited = 0.0  # seconds for answers
        self._open_checkpoint = open_checkpoint
        self._checkpoint: SettingCheckpoint | None = None
        self._made = HeldSteps()
        self._carried: list[CarriedStep] = []  # that a coroutine has loaded, and not recorded
        self._is_async = is_async
        self._name = name
        self._last: Any = {}
        self._lock = threading.RLock()
        self._asking = threading.Lock()
        self._process = -1 if is_elsewhere else os.getpid()
        self._recorder: StepRecorder | None = None
        self._teller: Teller | None = None

    def connect(self) -> None:
        """Pass steps to the place in whose context this is called."""
        self._recorder, self._teller = step_recorder.get(), step_teller.get()

    def end(
        self, status: Status, result: object, seconds: float, attempt: Attempt | None = None
    ) -> EndedSteps:
        """End the attempt.

        Args:
            status: How it ended.
            result: What `run` returned, ready to be recorded.
            seconds: How long it took.
            attempt: The attempt; None if it was interrupted.

        Returns:
            What its outcome records. The result is the last step, if `run` returned nothing or was
            stopped.
        """
        self.attempt = None
        with self._lock:
            self._close_checkpoint(attempt)
            if self.is_stopped and status == "done":  # it has caught `Stopped`
                status = "stopped"
            if status == "stopped" or (status == "done" and result is None and self.n_steps):
                result = values_of_last(self._last)
            carried = self.carried_seconds
            seconds += carried - self._waited
            end = EndedSteps(status, result, seconds, self.n_steps, self.kept or None, carried)
            self.n_steps, self._last, self.kept, self.is_stopped = 0, {}, [], False
            self._waited = self.carried_seconds = 0.0
            self._made = HeldSteps()
        return end

    def log(self, setting: object, row: object, where: str = "log()") -> None:
        """Record a step of a setting, which has to be running.

        Raises:
            RunError: When no step of this setting can be recorded; names the remedy.
            TypeError: For a row that no table can hold.
            Stopped: When the setting is not to go on.
        """
        row = self._recordable(row, where)
        for step in self._carried_before(row) if self._checkpoint is not None else ():
            self._ask(self._record(setting, step.row, where, step), where)
        self._ask(self._record(setting, row, where), where)

    def _ask(self, values: Row, where: str) -> None:
        if self._teller is not None:
            asked_time = time.perf_counter()
            with self._asking:
                goes_on = not self.is_stopped and _answer(self._teller, row_of_stopper(values))
            self._go_on(goes_on, asked_time, where)

    async def log_async(self, setting: object, row: object, where: str) -> None:
        """Do the same as `log` in a coroutine, while other settings run."""
        row = self._recordable(row, where)
        for step in self._carried_before(row):
            await self._ask_async(self._record(setting, step.row, where, step), where)
        await self._ask_async(self._record(setting, row, where), where)

    async def _ask_async(self, values: Row, where: str) -> None:
        if self._teller is not None:
            asked_time, answer = time.perf_counter(), self._teller(row_of_stopper(values))
            goes_on = answer if isinstance(answer, bool) else await answer
            self._go_on(goes_on, asked_time, where)

    def _go_on(self, goes_on: bool, asked_time: float, where: str) -> None:
        self._waited += time.perf_counter() - asked_time
        if not goes_on:
            self.is_stopped = True
            raise Stopped(f"{self._name}.{where}: this setting is not to go on")

    def _recordable(self, row: object, where: str) -> Any:
        self._refuse_elsewhere(where)
        self.is_used = True  # before `attempt` is read: who ends an attempt looks at it afterwards
        return recorded_row(f"{self._name}.{where}", row)

    def _record(
        self, setting: object, row: object, where: str, carried: CarriedStep | None = None
    ) -> dict[str, Any]:
        """Record a row as the next step, or a step that an earlier attempt has made."""
        now = time.perf_counter()
        with self._lock:
            attempt = self._attempt_of(setting, where, "a step was recorded", "record steps")
            size = size_of_row(row)
            if not size:
                return {}
            if carried is None:
                seconds = self.carried_seconds + now - attempt[3] - self._waited
                self._take(attempt, self.n_steps + 1, seconds, row, size)
            elif carried.number > self.n_steps:  # otherwise this attempt has made it as well
                self._take(attempt, *carried, size, is_new=False)
        return values_of_last(row)

    def _take(
        self,
        attempt: Attempt,
        number: int,
        seconds: float,
        row: object,
        size: int,
        *,
        is_new: bool = True,
    ) -> None:
        index, key, attempt_number, _ = attempt
        step = Step(index, key_text(key), attempt_number, number, seconds, row)
        self.n_steps = number - 1 + size
        self._last = row
        if self._recorder is None:
            self.kept.append(step)
        else:
            self._recorder(step)
        if self._checkpoint is None:
            self._made.add(step)
        else:
            self._checkpoint.note(CarriedStep(number, seconds, row), is_new=is_new)

    def _attempt_of(self, setting: object, where: str, what: str, remedy: str) -> Attempt:
        """The attempt that runs, which has to be one of this setting."""
        if self.attempt is None or self.attempt[1] != key_on(setting):
            raise RunError(
                f"{self._name}.{where}: {what} while its setting does not run; {remedy} only in "
                "run(), and wait there for the threads that do so"
            )
        return self.attempt

    def _refuse_elsewhere(self, where: str) -> None:
        if os.getpid() != self._process:
            is_of_steps = where in ("run()", "log()")
            does = "records steps" if is_of_steps else "has its checkpoint"
            raise RunError(
                f"{self._name}.{where} was called in a child process; only the process that runs "
                f"the setting {does}: hand the values to it, as by a queue or a return value"
            )

    # ---- checkpoints

    def folder(self, setting: object) -> Path:
        """The folder of a setting for the files of a framework; see `checkpoint_of`."""
        with self._lock:
            return self._checkpoint_of(setting, "checkpoint").folder()

    def save(self, setting: object, state: object) -> None:
        """Save an object with the steps so far; see `save_of`."""
        with self._lock:
            checkpoint = self._checkpoint_of(setting, "save()")
            clock_start = 0.0 if self.attempt is None else self.attempt[3]
            seconds = self.carried_seconds + time.perf_counter() - clock_start - self._waited
            checkpoint.save(state, self.n_steps, seconds)

    def load(self, setting: object, default: object) -> Any:
        """The saved object, or the default; also records the steps before it; see `load_of`."""
        where = "load()"
        with self._lock:
            loaded = self._checkpoint_of(setting, where).load(default)
            if loaded.seconds is not None:
                self.carried_seconds = loaded.seconds
            self._carried = loaded.steps
        if not self._is_async:
            for step in self._carried_before(None):
                self._ask(self._record(setting, step.row, where, step), where)
        return loaded.state

    def _checkpoint_of(self, setting: object, where: str) -> SettingCheckpoint:
        self._refuse_elsewhere(where)
        self.is_used = True
        attempt = self._attempt_of(setting, where, "it was used", "use it")
        if self._checkpoint is None:
            if not self._made.are_whole:
                raise RunError(
                    f"{self._name}.{where}: too many steps were recorded before the checkpoint was "
                    "used, which has to carry them; call self.load() at the beginning of run()"
                )
            if self._open_checkpoint is None:
                raise RunError(f"{self._name}.{where}: there are no checkpoints here")
            self._checkpoint = self._open_checkpoint(attempt, self._made.steps)
        return self._checkpoint

    def _carried_before(self, row: object) -> list[CarriedStep]:
        """The steps of earlier attempts that are to be recorded before a row."""
        if self._carried:
            carried, self._carried = self._carried, []
            return carried
        if self._checkpoint is None:
            return []
        carried = self._checkpoint.carried_before(row)
        if carried:
            self.carried_seconds = carried[-1].seconds
        return carried

    def _close_checkpoint(self, attempt: Attempt | None) -> None:
        """Close it; record the steps of earlier attempts, if this attempt has recorded none."""
        if self._checkpoint is None:
            return
        carried, self._carried = self._carried or self._checkpoint.carried_at_end(), []
        for step in carried:
            if attempt is not None and step.number > self.n_steps:
                self.carried_seconds = max(self.carried_seconds, step.seconds)
                self._take(attempt, *step, size_of_row(step.row), is_new=False)
        self._checkpoint.close()
        self._checkpoint = None

    # ---- generators

    def run_through(self, setting: object, generator: Steps) -> Any:
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
            try:
                generator.close()
            except RuntimeError as error:
                raise RunError(
                    f"{self._name}.{where} has yielded a step after it was stopped: let Stopped "
                    "pass, which `except Exception` does not catch, and yield nothing in `finally`"
                ) from error
            raise

    async def run_through_async(self, setting: object, generator: AsyncGenerator[Any, Any]) -> None:
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
