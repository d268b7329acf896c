"""Runs chunks of settings as tasks of an executor, in its workers."""

from __future__ import annotations

import atexit
import pickle
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.executor import payload
from superparams.executor.engines.attempts import run_once
from superparams.executor.engines.contract import Options
from superparams.executor.engines.worker_versions import refuse_other_versions, versions_here
from superparams.executor.payload import script
from superparams.executor.payload.pools import forget_fork_server, pools_take
from superparams.executor.process_state.random_generators import CANNOT_SEED
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.pace import Pace
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker

__all__ = ["ChunkResult", "Task", "WorkerFailure", "release", "run_chunk"]

# Seconds after which a chunk returns the settings that it has not begun.
_LONG = 2 * Pace.TARGET


@dataclass(frozen=True)
class Task:
    """A chunk on its way to a worker of an executor.

    A task without settings only shows whether a worker can run tasks at all.
    """

    handle: payload.Handle
    place: Place
    options: Options
    chunk: Chunk
    kept_names: frozenset[str] = frozenset()  # of the script, which the executor's initializer sets
    points: bytes = b""  # of its settings, where these are proposed while the run goes on
    number: int = 0  # of the task, so that no two tasks of a run are equal
    versions: Mapping[str, str] = field(default_factory=versions_here)  # of the driver


@dataclass(frozen=True)
class ChunkResult:
    """A chunk on its way back, with encoded outcomes of its first `count` settings.

    Those settings that are to run again are in `again`, and have no outcome.
    """

    data: bytes
    count: int
    seconds: float
    again: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkerFailure:
    """An error of the worker itself, so that the chunk did not run.

    The error is returned, not raised: if a future raises an error, the executor has failed.
    """

    error: Exception
    trace: str

    @classmethod
    def of(cls, error: Exception) -> WorkerFailure:
        """The error; if it cannot be pickled, an error with its text."""
        trace = "".join(traceback.format_exception(error))
        with suppress(Exception):
            pickle.loads(pickle.dumps(error))
            return cls(error, trace)
        return cls(EngineError(f"{type(error).__name__}: {error}"), trace)

    def with_cause(self) -> Exception:
        """The error, to be raised in the driver with the traceback of the worker as its cause."""
        self.error.__cause__ = EngineError(f"in a worker of the executor:\n{self.trace}")
        return self.error


def run_chunk(task: Task) -> ChunkResult | WorkerFailure:
    """Run a chunk here; the first chunk of a run makes the worker of this thread."""
    start = time.monotonic()
    try:
        refuse_other_versions(task.versions)
        entered = _enter(task)
        return _run(entered, task, start)
    except Exception as error:
        return WorkerFailure.of(error)


def _run(entered: _ThreadWorker, task: Task, start: float) -> ChunkResult:
    if task.points and entered.program.proposed is not None:
        entered.program.proposed.learn(task.points)
    rank, attempt, retries = task.place.rank, task.chunk.attempt, task.options.retry_policy
    count, batch, to_retry = 0, list[Outcome](), list[int]()
    with pools_take(lambda: entered.handle):
        for index in task.chunk:
            if count and time.monotonic() - start > _LONG:
                break
            outcome = run_once(entered.program, entered.worker, index, attempt, rank)
            while retries.allows_at_once(outcome.status, outcome.attempt):
                entered.attached.refresh()
                again_at = outcome.attempt + 1
                outcome = run_once(entered.program, entered.worker, index, again_at, rank)
            count += 1
            if retries.allows(outcome.status, outcome.attempt):
                to_retry.append(index)
            else:
                batch.append(outcome)
            entered.attached.refresh()
    notes = tuple(getattr(entered.program, "notes", ()))
    data = encode(batch) if batch else b""
    return ChunkResult(data, count, time.monotonic() - start, tuple(to_retry), notes)


# ---- workers of a run in this process


@dataclass(frozen=True)
class _ThreadWorker:
    """A worker in this process, in the thread that made it.

    Attributes:
        handle: The handle of the payload for processes on this host.
        place: The place with which the worker was made.
    """

    handle: payload.Handle
    attached: payload.Attached
    program: Program
    worker: Worker
    place: Place

    def close(self) -> None:
        self.worker.move_to(self.place)  # `teardown` sees the rank that `setup` saw
        self.worker.close()
        self.attached.close()


_entered: dict[tuple[str, int], _ThreadWorker] = {}
_lock = threading.Lock()


def _enter(task: Task) -> _ThreadWorker:
    """The worker of this thread, with the rank of the task, which no other task has meanwhile."""
    key = task.handle.uid, threading.get_ident()
    if key not in _entered:
        script.protect_names(task.kept_names)
        forget_fork_server()
        # The bytes travel to a process once, and all threads of the process use them.
        first_handle = next(
            (x.handle for (uid, _), x in list(_entered.items()) if uid == key[0]), None
        )
        attached = payload.attach(first_handle or task.handle)
        program: Program = attached.load()
        if threading.current_thread() is not threading.main_thread():
            _leave_generators(program)
        handle, worker = attached.handle_here(task.handle), program.enter(task.place)
        entered = _ThreadWorker(handle, attached, program, worker, task.place)
        with _lock:
            if not _entered:
                atexit.register(release, None)
            _entered[key] = entered
    _entered[key].worker.move_to(task.place)
    return _entered[key]


def _leave_generators(program: Program) -> None:
    """Leave the global random generators alone: other threads may draw from them."""
    if getattr(program, "generators", None) is not None:
        program.generators = None
        program.notes.append(CANNOT_SEED)


def release(uid: str | None, number: int = 0) -> None:
    """Tear down the workers of a run in this process.

    Args:
        uid: Identifies the payload of the run; None for every run.
        number: The number of the call: executors may treat equal calls as one.
    """
    with _lock:
        mine = [key for key in _entered if uid in (None, key[0])]
        closing = [_entered.pop(key) for key in mine]
    for entered in closing:
        entered.close()
