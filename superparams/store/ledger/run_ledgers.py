"""The two ledgers of a run: its outcomes, and the steps of its settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack

import pyarrow as pa

from superparams.errors import StoreError
from superparams.outcomes.step_batches import STEPS_KEY
from superparams.store.ledger.reader import END, streams_of
from superparams.store.ledger.writer import Ledger
from superparams.store.runs.folder import RunFolder

__all__ = ["RunLedgers"]


class RunLedgers:
    """Appends the records of a run to `ledger/` and, if it has steps, to `steps/`.

    Safe to use from several threads.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._open = ExitStack()
        self._outcomes = self._open.enter_context(Ledger(run.ledger))
        self._steps: Ledger | None = None
        self._lock = threading.Lock()
        self._early: dict[bytes, list[pa.RecordBatch]] = {}
        self._early_lock = threading.Lock()
        self._is_closed = False

    def __enter__(self) -> RunLedgers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Sync and close all files. Raises StoreError when that fails."""
        with self._lock:
            self._is_closed = True
        self._open.close()

    def append(self, data: bytes) -> list[pa.RecordBatch]:
        """Record encoded outcomes; see `Ledger.append`.

        An engine that does not send steps while settings run sends them with the outcomes; they
        are written to the ledger of steps. What `append_early` has recorded is not recorded again.
        """
        with self._early_lock:
            recorded = self._early.pop(data, None)
        return self._append(data) if recorded is None else recorded

    def append_early(self, waiting: Callable[[], bytes]) -> None:
        """Record outcomes before the engine yields them.

        Args:
            waiting: Returns the bytes that the engine will yield; none if no outcomes wait.
        """
        with self._early_lock:
            data = waiting()
            if data:
                self._early[data] = self._append(data)

    def _append(self, data: bytes) -> list[pa.RecordBatch]:
        if STEPS_KEY not in data:  # text of the user may have it, too
            return self._outcomes.append(data)
        steps: list[bytes] = []
        outcomes: list[bytes] = []
        for stream in streams_of(data):
            part = b"".join([stream.schema, *stream.messages, END])
            (steps if STEPS_KEY in stream.schema else outcomes).append(part)
        if steps:
            self.append_steps(b"".join(steps))
        return self._outcomes.append(b"".join(outcomes))

    def append_steps(self, data: bytes) -> list[pa.RecordBatch]:
        """Record encoded steps; see `Ledger.append`."""
        with self._lock:
            if self._is_closed:
                raise StoreError(f"the ledger {self._run.steps} is closed")
            if self._steps is None:
                self._steps = self._open.enter_context(Ledger(self._run.steps))
        return self._steps.append(data)
