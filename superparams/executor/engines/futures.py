"""The engine around any executor of `concurrent.futures` that the user hands in.

What an executor cannot do, this engine cannot: end a setting that hangs, tell which setting a dead
worker was at, or hand a worker's output over. When a worker dies, all settings that were out are
`killed`, for blame cannot be told apart, and the executor is usually broken for good.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError, PayloadError
from superparams.errors.units import counted
from superparams.executor import payload
from superparams.executor.code_names import names_set_by
from superparams.executor.engines.attempts import run_once
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    has_processes,
    in_processes,
    refuse,
)
from superparams.executor.engines.drive import drive, scheduler_of
from superparams.executor.engines.feed import Feed, Todo
from superparams.executor.payload import script
from superparams.executor.payload.pools import forget_fork_server, pools_take
from superparams.executor.process_state.random_generators import CANNOT_SEED
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.pace import Pace
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
    kept_names: frozenset[str] = frozenset()  # of the script, which the executor's initializer sets
    points: bytes = b""  # of its settings, where these are proposed while the run goes on


@dataclass(frozen=True)
class Done:
    """A chunk on its way back: encoded outcomes of its first `count` settings.

    again: those of them that have no outcome, since they are to run again.
    """

    data: bytes
    count: int
    seconds: float
    again: tuple[int, ...] = ()
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
        self._carrier: _ExecutorCarrier | None = None

    carries_steps = False  # while settings run

    def check(self, options: Options) -> None:
        """Refuse options that only the executor could honour; see `Engine.check`."""
        refuse(
            self.name,
            options,
            timeout=in_processes("an executor cannot end a setting"),
            setup_timeout=in_processes("an executor cannot end what it runs"),
        )

    def execute(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        feed = Feed.of(todo)
        if control.judge is not None:
            raise EngineError(
                f"engine={self.name!r} carries no steps of settings that run: an executor hands "
                "over nothing before a setting ends"
            )
        self._carrier = _ExecutorCarrier(self._executor, program, feed, options, control)
        # Not in a thread of its own: executors that fork do so where settings are submitted.
        yield from drive(self._carrier, self._carrier.scheduler, feed, control)

    def activity(self) -> list[Activity]:
        """The first setting of the chunk in each slot: an executor does not tell more."""
        return self._carrier.activity() if self._carrier else []


class _ExecutorCarrier:
    """The slots of one run on an executor."""

    def __init__(
        self, executor: Executor, program: Program, feed: Feed, options: Options, control: Control
    ) -> None:
        self._executor = executor
        self._program = program
        self._feed = feed
        self._options = options
        self._control = control
        self.scheduler = scheduler_of(feed.most_places(options.num_proc), feed, options, control)
        self._submitted: dict[Future[Done], tuple[Task, float]] = {}
        self._events: deque[m.Event] = deque()
        self._broken: BaseException | None = None
        self._kept_names = names_set_by(getattr(executor, "_initializer", None))
        self._packed: payload.Payload | None = None
        self._handle: Any = None
        self._patience_end = float("inf")

    def activity(self) -> list[Activity]:
        now = time.monotonic()
        submitted = sorted(self._submitted.copy().values(), key=lambda one: one[0].place.rank)
        return [Activity(t.place.rank, next(iter(t.chunk)), now - begun) for t, begun in submitted]

    def begin(self) -> None:
        warm_up()
        self._program.prepare()
        if _forks(self._executor):
            self._program.script_notes = []  # workers have all that the script has changed
        self._packed = payload.pack(self._program)
        self._packed.__enter__()
        self._handle = self._packed.handle

    def carry_out(self, instruction: m.Instruction) -> bytes:
        if isinstance(instruction, m.StartPlace):
            self._events.append(m.PlaceReady(instruction.rank))
        elif isinstance(instruction, m.SendChunk):
            self._submit(instruction.rank, instruction.chunk)
        return b""

    def _submit(self, rank: int, chunk: Chunk) -> None:
        place = Place(rank, self._options.num_proc, self._options.folder)
        proposed = getattr(self._program, "proposed", None)
        points = b"" if proposed is None else proposed.packed(chunk)
        task = Task(self._handle, place, self._options, chunk, self._kept_names, points)
        try:
            future = self._executor.submit(run_chunk, task)
        except BrokenExecutor as error:
            self._note_broken(error)
            self._events.append(m.ChunkOver(rank, 0.0))
        else:
            self._submitted[future] = task, time.monotonic()

    def _note_broken(self, error: BaseException) -> None:
        self._broken = error
        self._events.append(m.Draining())

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        yield from self._next_events()
        if not self._submitted:
            self._feed.wait(seconds)
            return
        for future in wait(self._submitted, timeout=0.1, return_when=FIRST_COMPLETED).done:
            task, begun = self._submitted.pop(future)
            yield from self._take(future, task, begun)
        yield from self._next_events()

    def _next_events(self) -> Iterator[m.Event]:
        while self._events:
            yield self._events.popleft()

    def _take(self, future: Future[Done], task: Task, begun: float) -> Iterator[m.Event | bytes]:
        error, rank = future.exception(), task.place.rank
        if error is None:
            done = future.result()
            self._control.note(done.notes)
            if done.data:
                yield done.data
            yield m.SettingsEnded(rank, done.count, done.again)
            yield m.ChunkOver(rank, done.seconds)
        elif isinstance(error, BrokenExecutor):
            self._note_broken(error)
            yield encode(self._lost(task, begun, f"{type(error).__name__}: {error}"))
            yield m.SettingsEnded(rank, len(task.chunk))
            yield m.ChunkOver(rank, 0.0)
        elif isinstance(error, PayloadError) and self._packed is not None:
            # The worker may be on another host: from now on all bytes travel.
            if self._handle is self._packed.handle:
                self._handle = self._packed.portable()
            elif task.handle is self._handle:
                raise error
            yield m.ChunkOver(rank, 0.0)
        else:
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

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """After a stop: outcomes of what ends within a moment."""
        self._cancel()
        while self._submitted and time.monotonic() < self._patience_ends():
            items = list(self.poll(0.1, wants_rest=False, has_room=True))
            yield from (item for item in items if isinstance(item, bytes))
        if self._broken is not None and self.scheduler.remaining:
            left = self.scheduler.remaining
            other = ', or give engine="processes", which replaces workers'
            raise EngineError(
                f"the executor broke ({self._broken}); {counted(left, 'setting')} not run: "
                f"resume with a new executor{other if has_processes() else ''}"
            )

    def _cancel(self) -> None:
        """Take back what has not begun; what runs cannot be ended."""
        for future in [one for one in self._submitted if one.cancel()]:
            del self._submitted[future]

    def _patience_ends(self) -> float:
        """When workers are waited for no longer: half a second after it is first asked."""
        self._patience_end = min(self._patience_end, time.monotonic() + _PATIENCE)
        return self._patience_end

    def explain(self, error: BaseException) -> BaseException:
        return error

    def close(self) -> None:
        """Wait a little for what runs, then have workers torn down, as far as they can be met."""
        if self._packed is None:
            return
        try:
            self._cancel()
            patience = max(0.0, self._patience_ends() - time.monotonic())
            is_busy = bool(wait(self._submitted, timeout=patience).not_done)
            self._submitted.clear()
            if not is_busy and self._broken is None:
                uid, submit = self._handle.uid, self._executor.submit
                with suppress(Exception):  # the user may have shut the executor down
                    wait([submit(release, uid) for _ in range(self._options.num_proc)], 5)
        finally:
            self._packed.__exit__(None, None, None)


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
    entered = _enter(task)
    if task.points and entered.program.proposed is not None:
        entered.program.proposed.learn(task.points)
    rank, attempt, retries = task.place.rank, task.chunk.attempt, task.options.retry_policy
    count, batch, again = 0, list[Outcome](), list[int]()
    with pools_take(lambda: _reachable(task.handle)):
        for index in task.chunk:
            if count and time.monotonic() - begun > _LONG:
                break
            outcome = run_once(entered.program, entered.worker, index, attempt, rank)
            while retries.allows_at_once(outcome.status, outcome.attempt):
                entered.attached.refresh()
                again_at = outcome.attempt + 1
                outcome = run_once(entered.program, entered.worker, index, again_at, rank)
            count += 1
            if retries.allows(outcome.status, outcome.attempt):
                again.append(index)
            else:
                batch.append(outcome)
            entered.attached.refresh()
    notes = tuple(getattr(entered.program, "notes", ()))
    data = encode(batch) if batch else b""
    return Done(data, count, time.monotonic() - begun, tuple(again), notes)


def _reachable(handle: payload.Handle) -> payload.Handle | None:
    """The handle, if processes that are started here can use it: it is of this host."""
    return None if handle.contents else handle


def _enter(task: Task) -> _Entered:
    key = task.handle.uid, threading.get_ident()
    if key not in _entered:
        script.protect_names(task.kept_names)
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
