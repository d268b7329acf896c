"""The engine around any executor of `concurrent.futures` that the user hands in.

What an executor cannot do, this engine cannot: end a setting that hangs, tell which setting a dead
worker was at, or hand a worker's output over. When a worker dies, all settings that were out are
`killed`, for blame cannot be told apart, and the executor is usually broken for good.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superparams.declare.experiment import Place
from superparams.errors import EngineError, PayloadError
from superparams.errors.units import counted
from superparams.executor import payload
from superparams.executor.code_names import names_set_by
from superparams.executor.engines.attempts import again, run_once
from superparams.executor.engines.backlog import Backlog, Chunk, Pace
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    Todo,
    has_processes,
    in_processes,
    refuse,
)
from superparams.executor.payload import script
from superparams.executor.payload.pools import forget_fork_server, pools_take
from superparams.executor.process_state.random_generators import CANNOT_SEED
from superparams.outcomes.batches import encode, warm_up
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker

# How long an ended run waits for settings that no one can interrupt, seconds.
_PATIENCE = 0.5
# Work after which a chunk returns what it has not begun, seconds: quick settings came first.
_LONG = 2 * Pace.TARGET


@dataclass(frozen=True)
class Task:
    """A chunk on its way to an executor's worker."""

    handle: Any
    place: Place
    options: Options
    chunk: Chunk
    kept: frozenset[str] = frozenset()  # names of the script that the executor's initializer sets


@dataclass(frozen=True)
class Done:
    """A chunk on its way back: encoded outcomes of its first `count` settings."""

    data: bytes
    count: int
    seconds: float
    notes: tuple[str, ...] = ()


class Futures:
    """Runs settings on an executor, which stays the user's to shut down.

    As many chunks are out at a time as `num_proc` says, each in a slot whose number is the rank of
    workers that begin there: workers may share a rank. `setup` runs once a thread of each process.
    """

    name = "futures"

    def __init__(self, executor: Executor) -> None:
        """Submit to `executor`."""
        self._executor = executor
        self._pool: _ExecutorPool | None = None

    def check(self, options: Options) -> None:
        """Refuse options that only the executor could honour; see `Engine.check`."""
        refuse(
            self.name,
            options,
            timeout=in_processes("an executor cannot end a setting"),
            setup_timeout=in_processes("an executor cannot end what it runs"),
        )

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        self._pool = _ExecutorPool(self._executor, program, todo, options, control)
        return self._pool.outcomes()

    def activity(self) -> list[Activity]:
        """The first setting of the chunk in each slot: an executor does not tell more."""
        return self._pool.activity() if self._pool else []


class _ExecutorPool:
    """One run on an executor."""

    def __init__(
        self, executor: Executor, program: Program, todo: Todo, options: Options, control: Control
    ) -> None:
        self._executor = executor
        self._program = program
        self._options = options
        self._control = control
        self._backlog = Backlog(todo)
        self._pace = Pace()
        self._out: dict[Future[Done], tuple[Task, float]] = {}
        self._broken: BaseException | None = None
        self._kept = names_set_by(getattr(executor, "_initializer", None))
        self._limit = float("inf")

    def activity(self) -> list[Activity]:
        now = time.monotonic()
        out = sorted(self._out.copy().values(), key=lambda one: one[0].place.rank)
        return [Activity(t.place.rank, next(iter(t.chunk)), now - begun) for t, begun in out]

    def outcomes(self) -> Iterator[bytes]:
        if not self._backlog.remaining:
            return
        warm_up()
        self._program.prepare()
        if _forks(self._executor):
            self._program.script_notes = []  # workers have all that the script has changed
        with payload.pack(self._program) as packed:
            self._packed, self._handle = packed, packed.handle
            try:
                yield from self._loop()
            finally:
                self._release()
        if self._broken is not None and self._backlog.remaining:
            left = self._backlog.remaining
            other = ', or give engine="processes", which replaces workers'
            raise EngineError(
                f"the executor broke ({self._broken}); {counted(left, 'setting')} not run: "
                f"resume with a new executor{other if has_processes() else ''}"
            )

    def _loop(self) -> Iterator[bytes]:
        while True:
            self._submit()
            if self._control.stopping:
                self._cancel()
            done = wait(self._out, timeout=0.1, return_when=FIRST_COMPLETED).done
            late = self._control.stopping and time.monotonic() > self._patience_ends()
            if not done and (late or not self._out):
                return
            for future in done:
                task, begun = self._out.pop(future)
                data = self._take(future, task, begun)
                if data:
                    yield data

    def _submit(self) -> None:
        n_proc, folder = self._options.num_proc, self._options.folder
        taken = {task.place.rank for task, _ in self._out.values()}
        for rank in (rank for rank in range(n_proc) if rank not in taken):
            if self._control.draining or self._broken is not None:
                return
            chunk = self._backlog.take(self._pace.size(self._backlog.remaining, n_proc))
            if chunk is None:
                return
            place = Place(rank, n_proc, folder)
            task = Task(self._handle, place, self._options, chunk, self._kept)
            try:
                future = self._executor.submit(run_chunk, task)
            except BrokenExecutor as error:
                self._broken = error
                self._backlog.give_back(chunk)
            else:
                self._out[future] = task, time.monotonic()

    def _take(self, future: Future[Done], task: Task, begun: float) -> bytes:
        error = future.exception()
        if error is None:
            done = future.result()
            self._pace.saw(done.count, done.seconds)
            self._control.note(done.notes)
            if rest := task.chunk.split(done.count)[1]:
                self._backlog.give_back(rest)
            return done.data
        if isinstance(error, BrokenExecutor):
            self._broken = error
            return encode(self._lost(task, begun, f"{type(error).__name__}: {error}"))
        if isinstance(error, PayloadError) and self._handle is task.handle:
            # The worker may be on another host: from now on all bytes travel.
            self._handle = self._packed.portable()
            self._backlog.give_back(task.chunk)
            return b""
        raise error

    def _lost(self, task: Task, begun: float, error: str) -> list[Outcome]:
        seconds = time.monotonic() - begun
        return [
            self._program.outcome_of_lost(
                index,
                status="killed",
                error=error,
                started=time.time() - seconds,
                seconds=seconds,
                rank=task.place.rank,
                attempt=task.chunk.attempt,
            )
            for index in task.chunk
        ]

    def _cancel(self) -> None:
        """Take back what has not begun; what runs on cannot be ended."""
        for future in [one for one in self._out if one.cancel()]:
            self._backlog.give_back(self._out.pop(future)[0].chunk)

    def _patience_ends(self) -> float:
        """When workers are waited for no longer: half a second after it is first asked."""
        self._limit = min(self._limit, time.monotonic() + _PATIENCE)
        return self._limit

    def _release(self) -> None:
        """Wait a little for what runs, then have workers torn down, as far as they can be met."""
        self._cancel()
        left = wait(self._out, timeout=max(0.0, self._patience_ends() - time.monotonic())).not_done
        self._out.clear()
        if left or self._broken is not None:
            return
        uid = self._handle.uid
        with suppress(Exception):  # the user may have shut the executor down
            wait([self._executor.submit(release, uid) for _ in range(self._options.num_proc)], 5)


# ---- in the workers of the executor


@dataclass(frozen=True)
class _Entered:
    """A worker in this process, in the thread that made it."""

    attached: payload.Attached
    program: Program
    worker: Worker

    def close(self) -> None:
        self.worker.close()
        self.attached.close()


_entered: dict[tuple[str, int], _Entered] = {}
_lock = threading.Lock()


def run_chunk(task: Task) -> Done:
    """Run a chunk here; the worker is entered at the first one that this thread sees of a run."""
    begun = time.monotonic()
    here = _enter(task)
    rank = task.place.rank
    batch: list[Outcome] = []
    with pools_take(lambda: _reachable(task.handle)):
        for index in task.chunk:
            if batch and time.monotonic() - begun > _LONG:
                break
            batch.append(_outcome(here, index, rank, task))
            here.attached.refresh()
    notes = tuple(getattr(here.program, "notes", ()))
    return Done(encode(batch), len(batch), time.monotonic() - begun, notes)


def _reachable(handle: payload.Handle) -> payload.Handle | None:
    """The handle, if processes that are started here can use it: it is of this host."""
    return None if handle.contents else handle


def _outcome(here: _Entered, index: int, rank: int, task: Task) -> Outcome:
    attempt = task.chunk.attempt
    outcome = run_once(here.program, here.worker, index, attempt, rank)
    while again(outcome.status, attempt, task.options):
        attempt += 1
        here.attached.refresh()
        outcome = run_once(here.program, here.worker, index, attempt, rank)
    return outcome


def _enter(task: Task) -> _Entered:
    key = task.handle.uid, threading.get_ident()
    if key not in _entered:
        script.protect_names(task.kept)
        forget_fork_server()
        attached = payload.attach(task.handle)
        program: Program = attached.load()
        if threading.current_thread() is not threading.main_thread():
            _leave_generators(program)
        made = _Entered(attached, program, program.enter(task.place))
        with _lock:
            if not _entered:
                atexit.register(release, None)
            _entered[key] = made
    return _entered[key]


def _forks(executor: Executor) -> bool:
    context: Any = getattr(executor, "_mp_context", None)
    return context is not None and context.get_start_method() == "fork"


def _leave_generators(program: Program) -> None:
    """Seed no global generators: other threads may draw from them."""
    if getattr(program, "generators", None) is not None:
        program.generators = None
        program.notes.append(CANNOT_SEED)


def release(uid: str | None) -> None:
    """Tear down the workers of a run in this process (None: of every run)."""
    with _lock:
        mine = [key for key in _entered if uid in (None, key[0])]
        closing = [_entered.pop(key) for key in mine]
    for one in closing:
        one.close()
