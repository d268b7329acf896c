"""The engine of threads: for settings that wait, or whose code releases the GIL."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from superparams.declare.experiment import Place
from superparams.executor.engines.attempts import again, run_once
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    Todo,
    in_processes,
    refuse,
)
from superparams.executor.pool_code import pools_take_code
from superparams.outcomes.batches import encode, warm_up
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker

# Outcomes wait at most this long for company, seconds.
_FLUSH = 0.02
# How long an ended run waits for settings that no one can interrupt, seconds.
_PATIENCE = 0.5


class Threads:
    """A worker a thread. No timeout: a thread cannot be ended from outside.

    After `Control.stop` or an early close, a thread ends with the setting it runs; the iterator
    waits half a second for it at most, and after a stop yields what has ended by then. What
    settings print stays where it goes: outcomes have no log range.
    """

    name = "threads"

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._pool: _ThreadPool | None = None

    def check(self, options: Options) -> None:
        """Refuse options that take other processes; see `Engine.check`."""
        refuse(
            self.name,
            options,
            timeout=in_processes("a thread cannot be ended"),
            setup_timeout=in_processes("a thread cannot be ended"),
        )

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        self._pool = _ThreadPool(program, todo, options, control)
        return self._pool.outcomes()

    def activity(self) -> list[Activity]:
        """What each thread runs."""
        return self._pool.activity() if self._pool else []


class _ThreadPool:
    """The threads of one run."""

    def __init__(self, program: Program, todo: Todo, options: Options, control: Control) -> None:
        self._program = program
        self._options = options
        self._control = control
        self._indices = (index for one in todo for index in one)
        self._lock = threading.Lock()
        self._out: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
        self._closed = False
        self._limit = float("inf")
        self._size = max(1, min(options.num_proc, sum(map(len, todo))))
        self._running: list[tuple[int, float, int] | None] = [None] * self._size

    def activity(self) -> list[Activity]:
        now = time.monotonic()
        return [
            Activity(rank, one[0], now - one[1], one[2]) if one else Activity(rank, None, 0.0)
            for rank, one in enumerate(list(self._running))
        ]

    def outcomes(self) -> Iterator[bytes]:
        threads = [
            threading.Thread(target=self._work, args=(rank,), name=f"worker-{rank}", daemon=True)
            for rank in range(self._size)
        ]
        warm_up()
        with pools_take_code(getattr(self._program, "pool_code", None)):
            try:
                for thread in threads:
                    thread.start()
                yield from self._gather(len(threads))
            finally:
                self._closed = True
                for thread in threads:
                    thread.join(max(0.0, self._patience_ends() - time.monotonic()))

    def _gather(self, busy: int) -> Iterator[bytes]:
        """Encoded outcomes of so many threads; after a stop, of those that end in time."""
        while busy:
            items = self._arrived()
            if outcomes := [item for item in items if isinstance(item, Outcome)]:
                yield encode(outcomes)
            for item in items:
                if isinstance(item, BaseException):
                    raise item
            busy -= items.count(None)
            late = self._control.stopping and time.monotonic() > self._patience_ends()
            if late and not items:
                return

    def _arrived(self) -> list[Outcome | BaseException | None]:
        """What threads put within a moment; the end of one is passed on at once."""
        items: list[Outcome | BaseException | None] = []
        limit = time.monotonic() + _FLUSH
        with suppress(queue.Empty):
            while (left := limit - time.monotonic()) > 0:
                items.append(self._out.get(timeout=left))
                if not isinstance(items[-1], Outcome):
                    break
        return items

    def _patience_ends(self) -> float:
        """When threads are waited for no longer: half a second after it is first asked."""
        self._limit = min(self._limit, time.monotonic() + _PATIENCE)
        return self._limit

    def _work(self, rank: int) -> None:
        try:
            worker = self._program.enter(Place(rank, self._options.num_proc, self._options.folder))
            try:
                self._run(worker, rank)
            finally:
                worker.close()
        except BaseException as error:
            self._out.put(error)
        finally:
            self._out.put(None)

    def _run(self, worker: Worker, rank: int) -> None:
        while (index := self._next()) is not None:
            self._out.put(self._outcome(worker, index, rank))
            self._running[rank] = None

    def _next(self) -> int | None:
        with self._lock:
            ended = self._closed or self._control.draining
            return None if ended else next(self._indices, None)

    def _outcome(self, worker: Worker, index: int, rank: int) -> Outcome:
        outcome = self._attempt(worker, index, 1, rank)
        attempt = 1
        while again(outcome.status, attempt, self._options):
            attempt += 1
            outcome = self._attempt(worker, index, attempt, rank)
        return outcome

    def _attempt(self, worker: Worker, index: int, attempt: int, rank: int) -> Outcome:
        self._running[rank] = index, time.monotonic(), attempt
        return run_once(self._program, worker, index, attempt, rank)
