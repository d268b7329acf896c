"""The engine around any executor of `concurrent.futures` that the user gives.

An executor cannot end a setting that hangs, and cannot hand over the output of a worker. So this
engine cannot do that either. An executor does not tell which setting has killed its worker. So the
settings that may be the cause run again one by one, until one of them kills its worker. Executors
of clusters replace their workers. Executors of Python and loky are broken after a death, and a new
one takes the place of such an executor (`spare_executor`). If an executor of another kind is broken
for good, all settings that were submitted are `killed`.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.errors.units import counted
from superparams.executor import payload
from superparams.executor.code_names import names_set_by
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
from superparams.executor.engines.futures.chunk_tasks import (
    ChunkResult,
    Task,
    WorkerFailure,
    release,
    run_chunk,
)
from superparams.executor.engines.futures.executor_facts import (
    forks,
    refuse_other_interfaces,
    refused_task,
    wrong_interface,
)
from superparams.executor.engines.futures.spare_executor import ReplacedExecutor
from superparams.executor.payload.segment import UnreachableError
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.outcomes.batches import encode, warm_up
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program

# Seconds for which an ended run waits for settings, which nobody can interrupt.
_PATIENCE = 0.5
# Uses of a slot after the executor has cancelled its chunk or has failed; then it counts as broken.
_MOST_TRIES = 3


@dataclass(frozen=True)
class _Loss:
    """A chunk whose task ended with an error of the executor, as when its worker has died."""

    task: Task
    begun: float  # when it was submitted
    error: BaseException
    n_tries: int = 1  # of the executor since then


class Futures:
    """Runs settings on an executor, which the user shuts down.

    `num_proc` chunks are submitted at a time, each in a slot whose number is the rank of the
    settings. So no two settings that run at the same time have the same rank, and a worker may have
    another rank for each chunk. `setup` runs once in each thread of each process.
    """

    name = "futures"

    def __init__(self, executor: Executor) -> None:
        """Submit to `executor`."""
        self._executor = executor
        self._carrier: _ExecutorCarrier | None = None

    carries_steps = False  # while settings run

    def check(self, options: Options) -> None:
        """Refuse options that only the executor could honour; see `Engine.check`."""
        refuse_other_interfaces(self._executor)
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
        # In this thread: executors that fork do so in the thread that submits settings.
        yield from drive(self._carrier, self._carrier.scheduler, feed, control)

    def activity(self) -> list[Activity]:
        """The first setting of the chunk in each slot: an executor does not tell which one runs."""
        return self._carrier.activity() if self._carrier else []


class _ExecutorCarrier:
    """The slots of one run on an executor."""

    def __init__(
        self, executor: Executor, program: Program, feed: Feed, options: Options, control: Control
    ) -> None:
        self._executor = ReplacedExecutor(executor, control.note)
        self._program = program
        self._feed = feed
        self._options = options
        self._control = control
        self.scheduler = scheduler_of(feed.most_places(options.num_proc), feed, options, control)
        self._submitted: dict[
            Future[ChunkResult | WorkerFailure], tuple[Task, float, Executor]
        ] = {}
        self._numbers = count()
        self._suspected: dict[int, _Loss] = {}  # by rank, while the executor is tried
        self._losses: dict[int, _Loss] = {}  # the last one of each rank
        self._n_cancelled = 0  # tasks in a row that the executor has cancelled
        self._tells_running = False
        self._needy: set[int] = set()  # slots whose worker cannot reach the payload
        self._copies = None if options.folder is None else options.folder / "payload"
        self._events: deque[m.Event] = deque()
        self._broken: BaseException | None = None
        self._kept_names = names_set_by(getattr(executor, "_initializer", None))
        self._packed: payload.Payload | None = None
        self._handle: Any = None
        self._patience_end = float("inf")

    def activity(self) -> list[Activity]:
        now = time.monotonic()
        submitted = sorted(self._submitted.copy().values(), key=lambda entry: entry[0].place.rank)
        return [
            Activity(task.place.rank, next(iter(task.chunk), None), now - start)
            for task, start, _ in submitted
        ]

    def begin(self) -> None:
        self._try_submit(self._executor.now)
        warm_up()
        self._program.prepare()
        if forks(self._executor.now):
            self._program.script_notes = []  # workers have all that the script has changed
        self._packed = payload.pack(self._program)
        self._packed.__enter__()
        self._handle = self._packed.handle

    def carry_out(self, instruction: m.Instruction) -> bytes:
        match instruction:
            case m.StartPlace():
                self._events.append(m.PlaceReady(instruction.rank))
            case m.RetirePlace():
                self._events.append(m.PlaceGone(instruction.rank))
            case m.SendChunk():
                self._send(instruction.rank, instruction.chunk)
            case m.RecordLoss():
                return self._outcome_of_loss(instruction)
            case _:
                pass  # no setting waits for the answer to a step
        return b""

    def _send(self, rank: int, chunk: Chunk) -> None:
        place = Place(rank, self._options.num_proc, self._options.folder)
        proposed = getattr(self._program, "proposed", None)
        points = b"" if proposed is None else proposed.packed(chunk)
        handle = self._handle
        if rank in self._needy and self._packed is not None:
            self._needy.remove(rank)
            handle = self._packed.portable()
        task = Task(handle, place, self._options, chunk, self._kept_names, points)
        if not self._submit(task):
            self._events.append(m.ChunkOver(rank, 0.0))

    def _submit(self, task: Task) -> bool:
        """Submit a task; False if the executor is broken."""
        # Dask takes two tasks that are equal for one, and returns the result that it has.
        task = replace(task, number=next(self._numbers))
        executor = self._executor.now
        try:
            future = executor.submit(run_chunk, task)
        except BrokenExecutor as error:
            if self._executor.replace(executor):
                return self._submit(task)
            self._note_broken(error)
            return False
        except Exception as error:
            raise refused_task(executor, error) from error
        self._submitted[future] = task, time.monotonic(), executor
        return True

    def _try_submit(self, executor: object) -> None:
        """Submit a task without settings, if the object may be no executor."""
        if not isinstance(executor, Executor):
            future = cast("object", self._executor.now.submit(release, ""))
            if not isinstance(future, Future):
                raise wrong_interface(executor, type(future).__qualname__)

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
        futures = wait(self._submitted, timeout=0.1, return_when=FIRST_COMPLETED)
        self._tells_running = self._tells_running or any(
            future.running() for future in futures.not_done
        )
        for future in futures.done:
            yield from self._take(future, *self._submitted.pop(future))
        yield from self._next_events()

    def _next_events(self) -> Iterator[m.Event]:
        while self._events:
            yield self._events.popleft()

    def _take(
        self,
        future: Future[ChunkResult | WorkerFailure],
        task: Task,
        start: float,
        executor: Executor,
    ) -> Iterator[m.Event | bytes]:
        if future.cancelled():
            yield from self._take_cancelled(task)
            return
        self._n_cancelled = 0
        error = future.exception()
        if error is None:
            yield from self._take_answer(future.result(), task)
        elif isinstance(error, BrokenExecutor) and not self._executor.replace(executor):
            yield from self._take_broken(error, task, start)
        elif isinstance(error, Exception):
            yield from self._suspect(error, task, start)
        else:
            raise error

    def _take_answer(
        self, answer: ChunkResult | WorkerFailure, task: Task
    ) -> Iterator[m.Event | bytes]:
        rank = task.place.rank
        if isinstance(answer, ChunkResult) and rank in self._suspected:
            # The executor works, so the settings are to blame for the error.
            self._losses[rank] = self._suspected.pop(rank)
            yield m.PlaceGone(rank)
        elif isinstance(answer, ChunkResult):
            self._control.note(answer.notes)
            if answer.data:
                yield answer.data
            yield m.SettingsEnded(rank, answer.count, answer.again)
            yield m.ChunkOver(rank, answer.seconds)
        elif isinstance(answer.error, UnreachableError) and not task.handle.contents:
            self._suspected.pop(rank, None)
            self._note_unreachable(task)
            yield m.ChunkOver(rank, 0.0)
        else:
            raise answer.with_cause()

    def _note_unreachable(self, task: Task) -> None:
        """Have the bytes of the payload reach a worker of another host, or of a container.

        From now on, the bytes are in the folder of the run. If the worker does not see that folder
        either, the next task of the slot carries the bytes. As a rule, the same worker takes it.
        """
        assert self._packed is not None
        if not task.handle.copies and not self._handle.copies and self._copies is not None:
            with suppress(OSError):
                self._handle = self._packed.in_files(self._copies)
        if task.handle.copies or not self._handle.copies:
            self._needy.add(task.place.rank)

    def _take_broken(
        self, error: BaseException, task: Task, start: float
    ) -> Iterator[m.Event | bytes]:
        self._note_broken(error)
        rank = task.place.rank
        loss = self._suspected.pop(rank, None) or _Loss(task, start, error)
        yield encode(
            [self._lost(loss, index, loss.task.chunk.attempt) for index in loss.task.chunk]
        )
        yield m.SettingsEnded(rank, len(loss.task.chunk))
        yield m.ChunkOver(rank, 0.0)

    def _take_cancelled(self, task: Task) -> Iterator[m.Event]:
        """Submit settings again that the executor has cancelled, as when a machine is taken away.

        If nothing else happens, the executor or its scheduler has been shut down.
        """
        rank = task.place.rank
        self._suspected.pop(rank, None)
        self._n_cancelled += 1
        if self._n_cancelled > _MOST_TRIES * self._options.num_proc:
            self._note_broken(EngineError("it cancels what is submitted"))
        yield m.ChunkOver(rank, 0.0)

    def _suspect(self, error: Exception, task: Task, start: float) -> Iterator[m.Event]:
        """Try whether the executor works: if it does not, no setting is to blame for the error."""
        rank = task.place.rank
        before = self._suspected.pop(rank, None)
        loss = _Loss(task, start, error) if before is None else before
        loss = replace(loss, n_tries=loss.n_tries + (before is not None))
        if loss.n_tries > _MOST_TRIES:
            self._note_broken(error)
        elif self._submit(replace(task, chunk=Chunk(()), points=b"")):
            self._suspected[rank] = loss
            return
        yield m.ChunkOver(rank, 0.0)

    def _outcome_of_loss(self, instruction: m.RecordLoss) -> bytes:
        rank = instruction.rank
        assert rank is not None  # since no `AllPlacesGone` is reported
        return encode([self._lost(self._losses[rank], instruction.index, instruction.attempt)])

    def _lost(self, loss: _Loss, index: int, attempt: int) -> Outcome:
        seconds = time.monotonic() - loss.begun
        return self._program.outcome_of_lost(
            index,
            status="killed",
            error=f"{type(loss.error).__name__}: {loss.error}",
            started=time.time() - seconds,
            seconds=seconds,
            rank=loss.task.place.rank,
            attempt=attempt,
        )

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """Yield the outcomes of settings that end soon after a stop."""
        self._executor.is_fixed = True
        # Dask and Ray cancel tasks that run, and their outcomes would be lost.
        if self._tells_running:
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
        """Cancel tasks that have not begun; tasks that run cannot be ended."""
        for future in [submitted for submitted in self._submitted if submitted.cancel()]:
            del self._submitted[future]

    def _patience_ends(self) -> float:
        """The time until which workers are waited for: half a second after the first call."""
        self._patience_end = min(self._patience_end, time.monotonic() + _PATIENCE)
        return self._patience_end

    def explain(self, error: BaseException) -> BaseException:
        return error

    def close(self) -> None:
        """Wait a moment for settings that run, then tear down those workers that can be reached."""
        if self._packed is None:
            return
        is_busy = True
        try:
            self._cancel()
            patience = max(0.0, self._patience_ends() - time.monotonic())
            is_busy = bool(wait(self._submitted, timeout=patience).not_done)
            self._submitted.clear()
            if not is_busy and self._broken is None:
                uid, submit = self._handle.uid, self._executor.now.submit
                with suppress(Exception):  # the user may have shut the executor down
                    wait([submit(release, uid, n) for n in range(self._options.num_proc)], 5)
        finally:
            self._executor.end(is_busy=is_busy)
            self._packed.__exit__(None, None, None)
            if self._handle.copies and self._copies is not None:
                shutil.rmtree(self._copies, ignore_errors=True)
