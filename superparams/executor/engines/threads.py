"""The engine of threads: for settings that wait, or whose code releases the GIL."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from superparams.declare.experiment import Place
from superparams.executor.engines.attempts import run_once
from superparams.executor.engines.contract import (
    Activity,
    Control,
    Options,
    in_processes,
    refuse,
)
from superparams.executor.engines.drive import LoopThread
from superparams.executor.engines.feed import Feed, Todo
from superparams.executor.pool_code import pools_take_code
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.state_machine import Limits, Scheduler
from superparams.outcomes.batches import encode, warm_up
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker

# Outcomes wait at most this long for company, seconds.
_FLUSH = 0.02
# How long an ended run waits for settings that no one can interrupt, seconds.
_PATIENCE = 0.5
# A setting that runs longer keeps the rest of its chunk waiting, seconds.
_LONG = 0.03


class Threads:
    """A worker a thread. No timeout: a thread cannot be ended from outside.

    After `Control.stop` or an early close, a thread ends with the setting it runs; the iterator
    waits half a second for it at most, and after a stop yields what has ended by then. What
    settings print stays where it goes: outcomes have no log range.
    """

    name = "threads"

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._carrier: _ThreadCarrier | None = None

    def check(self, options: Options) -> None:
        """Refuse options that take other processes; see `Engine.check`."""
        refuse(
            self.name,
            options,
            timeout=in_processes("a thread cannot be ended"),
            setup_timeout=in_processes("a thread cannot be ended"),
        )

    def activity(self) -> list[Activity]:
        """What each thread runs."""
        return self._carrier.activity() if self._carrier else []

    def execute(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        feed = Feed.of(todo)
        n_places = feed.most_places(options.num_proc)
        scheduler = Scheduler(Limits(n_places, options.retry_policy), feed.first)
        self._carrier = _ThreadCarrier(program, feed, options, control)
        with (
            pools_take_code(getattr(program, "pool_code", None)),
            LoopThread(self._carrier, scheduler, feed, control) as outcomes,
        ):
            yield from outcomes


@dataclass(frozen=True, slots=True)
class _Ended:
    """A setting has ended in a thread: its outcome, or its index if it is to run again."""

    rank: int
    outcome: Outcome | int


_Message = _Ended | m.PlaceReady | m.ChunkOver | m.PlaceGone | BaseException | None


class _ThreadCarrier:
    """The threads of one run."""

    def __init__(self, program: Program, feed: Feed, options: Options, control: Control) -> None:
        self._program = program
        self._options = options
        self._control = control
        self._places: dict[int, _ThreadPlace] = {}
        self._messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._n_ended: dict[int, int] = {}
        self._patience_end = float("inf")
        feed.on_change(lambda: self._messages.put(None))

    def activity(self) -> list[Activity]:
        return [place.activity() for _, place in sorted(self._places.copy().items())]

    def carry_out(self, instruction: m.Instruction) -> bytes:
        if isinstance(instruction, m.StartPlace):
            place = _ThreadPlace(
                self._program, instruction.rank, self._options, self._control, self._messages
            )
            self._places[instruction.rank] = place
            place.thread.start()
        elif isinstance(instruction, m.SendChunk):
            self._n_ended[instruction.rank] = 0
            self._places[instruction.rank].begin(instruction.chunk)
        return b""

    def begin(self) -> None:
        warm_up()

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        if not has_room:
            time.sleep(0.001)
            return
        messages = self._arrived(seconds)
        ended = [one for one in messages if isinstance(one, _Ended)]
        if outcomes := [one.outcome for one in ended if isinstance(one.outcome, Outcome)]:
            yield encode(outcomes)
        for rank in dict.fromkeys(one.rank for one in ended):
            of_place = [one.outcome for one in ended if one.rank == rank]
            self._n_ended[rank] += len(of_place)
            again = tuple(one for one in of_place if isinstance(one, int))
            yield m.SettingsEnded(rank, self._n_ended[rank], again)
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            if isinstance(message, m.PlaceReady | m.ChunkOver | m.PlaceGone):
                yield message
        if wants_rest:
            yield from self._take_rests()

    def _arrived(self, seconds: float) -> list[_Message]:
        """What threads say within a moment; what the scheduler waits for is passed on at once."""
        messages: list[_Message] = []
        limit = time.monotonic() + seconds
        with suppress(queue.Empty):
            while True:
                messages.append(self._messages.get(timeout=max(0.0, limit - time.monotonic())))
                if not isinstance(messages[-1], _Ended):
                    break
                if len(messages) == 1:
                    limit = time.monotonic() + _FLUSH
        return messages

    def _take_rests(self) -> Iterator[m.Event]:
        for rank, place in self._places.items():
            last = place.return_rest()
            if last is not None:
                yield m.RestReturned(rank, last)

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        for place in self._places.values():
            place.end()
        while any(place.thread.is_alive() for place in self._places.values()):
            is_late = is_hurried and time.monotonic() > self._patience_ends()
            items = list(self.poll(_FLUSH, wants_rest=False, has_room=True))
            yield from (item for item in items if isinstance(item, bytes))
            if is_late and not items:
                return
        while items := list(self.poll(0.0, wants_rest=False, has_room=True)):
            yield from (item for item in items if isinstance(item, bytes))

    def _patience_ends(self) -> float:
        """When threads are waited for no longer: half a second after it is first asked."""
        self._patience_end = min(self._patience_end, time.monotonic() + _PATIENCE)
        return self._patience_end

    def explain(self, error: BaseException) -> BaseException:
        return error

    def close(self) -> None:
        for place in self._places.values():
            place.end()
        for place in self._places.values():
            place.thread.join(max(0.0, self._patience_ends() - time.monotonic()))


class _ThreadPlace:
    """One thread, which runs the chunks that it is given."""

    def __init__(
        self,
        program: Program,
        rank: int,
        options: Options,
        control: Control,
        messages: queue.SimpleQueue[_Message],
    ) -> None:
        self._program = program
        self._options = options
        self._retries = options.retry_policy
        self._control = control
        self._rank = rank
        self._messages = messages
        self._chunks: queue.SimpleQueue[Chunk | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._rest: Iterator[int] = iter(())
        self._running: tuple[int, float, int] | None = None  # index, since when, attempt
        self._n_left = 0  # of the chunk, not begun
        self._is_ending = False
        self.thread = threading.Thread(target=self._main, name=f"worker-{rank}", daemon=True)

    def activity(self) -> Activity:
        running = self._running
        if running is None:
            return Activity(self._rank, None, 0.0)
        index, begun, attempt = running
        return Activity(self._rank, index, time.monotonic() - begun, attempt)

    def begin(self, chunk: Chunk) -> None:
        self._chunks.put(chunk)

    def end(self) -> None:
        """Have the thread end after the setting that it runs."""
        self._is_ending = True
        self._chunks.put(None)

    def return_rest(self) -> int | None:
        """Begin no further setting of the chunk if this one is long; gives the last one begun."""
        with self._lock:
            running = self._running
            if running is None or not self._n_left or time.monotonic() - running[1] < _LONG:
                return None
            self._n_left = 0
            return running[0]

    def _main(self) -> None:
        try:
            place = Place(self._rank, self._options.num_proc, self._options.folder)
            worker = self._program.enter(place)
            try:
                self._messages.put(m.PlaceReady(self._rank))
                while not self._is_ending and (chunk := self._chunks.get()) is not None:
                    begun = time.monotonic()
                    self._run(worker, chunk)
                    self._messages.put(m.ChunkOver(self._rank, time.monotonic() - begun))
            finally:
                worker.close()
        except BaseException as error:
            self._messages.put(error)
        finally:
            self._messages.put(m.PlaceGone(self._rank))

    def _run(self, worker: Worker, chunk: Chunk) -> None:
        attempt = chunk.attempt
        self._rest, self._n_left = iter(chunk), len(chunk)
        while (index := self._next(attempt)) is not None:
            outcome = run_once(self._program, worker, index, attempt, self._rank)
            while self._retries.allows_at_once(outcome.status, outcome.attempt):
                again = outcome.attempt + 1
                self._running = index, time.monotonic(), again
                outcome = run_once(self._program, worker, index, again, self._rank)
            is_final = not self._retries.allows(outcome.status, outcome.attempt)
            self._messages.put(_Ended(self._rank, outcome if is_final else index))
        self._running = None

    def _next(self, attempt: int) -> int | None:
        with self._lock:
            if not self._n_left or self._is_ending or self._control.draining:
                self._running = None
                return None
            self._n_left -= 1
            index = next(self._rest)
            self._running = index, time.monotonic(), attempt
            return index
