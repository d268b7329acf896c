"""Receives the steps of a run in the driver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from superparams.executor.step_outbox import StepOutbox

if TYPE_CHECKING:
    import pyarrow as pa

    from superparams.outcomes.step import Step

__all__ = ["NewestStep", "RunSteps"]


class NewestStep(NamedTuple):
    """The last step that a setting has recorded; see `Step`."""

    attempt: int
    step: int
    seconds: float
    row: dict[str, Any]


class RunSteps:
    """Takes the steps of a run from its engine. Any thread may call these methods.

    Attributes:
        outbox: For steps of settings that run in this process.
    """

    def __init__(self) -> None:
        self._write: Callable[[bytes], Sequence[pa.RecordBatch]] | None = None
        self._early: list[bytes] = []  # settings may run before there is a ledger
        self.outbox = StepOutbox(self._encode)
        self._error: BaseException | None = None
        self._newest: dict[int, pa.RecordBatch] = {}
        self._lock = threading.Lock()

    def _encode(self, steps: list[Step]) -> None:
        from superparams.outcomes.step_batches import encode_steps

        try:
            data = encode_steps(steps)
        except Exception as error:  # not in the code of the setting, or in a thread of ours
            self._error = error
        else:
            self.record(data)

    def record_by(self, write: Callable[[bytes], Sequence[pa.RecordBatch]]) -> None:
        """Record steps with a function that takes encoded steps and returns them as batches."""
        with self._lock:
            self._write = write
            early, self._early = self._early, []
            for data in early:
                self._record(data)

    def record(self, data: bytes) -> None:
        """Record encoded steps. An error ends the run, in `check`."""
        with self._lock:
            if self._write is None:
                self._early.append(data)
            else:
                self._record(data)

    def _record(self, data: bytes) -> None:
        if self._write is None or self._error is not None:
            return
        try:
            batches = self._write(data)
        except Exception as error:  # not in the code of the setting that recorded the step
            self._error = error
            return
        for batch in batches:
            self._note(batch)

    def check(self) -> None:
        """Raise the error that prevented the recording of steps."""
        if self._error is not None:
            raise self._error

    def _note(self, batch: pa.RecordBatch) -> None:
        """Remember the last step of each setting in a batch."""
        indices: list[int] = batch.column("index").to_pylist()
        for place, index in enumerate(indices):
            if place + 1 == len(indices) or indices[place + 1] != index:
                newest = self._newest.get(index)
                last = batch.slice(place, 1)
                if newest is None or _attempt_of(newest) <= _attempt_of(last):
                    self._newest[index] = last

    def ended(self, outcomes: pa.RecordBatch) -> None:
        """Forget the steps of settings that have an outcome."""
        if self._newest:
            with self._lock:
                for index in outcomes.column("index").to_pylist():
                    self._newest.pop(index, None)

    def count(self, index: int, attempt: int) -> int:
        """How many steps of an attempt have been recorded."""
        self.outbox.flush()
        newest = self.newest(index)
        return newest.step if newest is not None and newest.attempt == attempt else 0

    def newest(self, index: int) -> NewestStep | None:
        """The last step of a setting that runs."""
        batch = self._newest.get(index)
        if batch is None:
            return None
        from superparams.outcomes.step_batches import values_of_steps

        own, row = values_of_steps(batch)[0]
        return NewestStep(own["attempt"], own["step"], own["seconds"], row)


def _attempt_of(step: pa.RecordBatch) -> int:
    number: int = step.column("attempt")[0].as_py()
    return number
