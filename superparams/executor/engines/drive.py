"""The loop that every engine shares: what happens goes to the scheduler, what it says is done."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from superparams.executor.engines.contract import Control, Options
from superparams.executor.engines.feed import Feed
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.state_machine import Limits, Scheduler
from superparams.executor.scheduler.step_decisions import JudgingScheduler

TICK = 0.02  # seconds after which an engine looks around where nothing happens
_MOST_BYTES = 64 << 20  # outcomes that wait for the reader before workers have to wait


class Carrier(Protocol):
    """Has the places of an engine: carries settings to them, and tells what happens there.

    All methods are called in one thread.
    """

    def begin(self) -> None:
        """Get ready to start places."""
        ...

    def carry_out(self, instruction: m.Instruction) -> bytes:
        """Do what the scheduler says; gives the outcome of a `RecordLoss`, else nothing."""
        ...

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        """What has happened, and outcomes; waits at most `seconds` where there is nothing.

        An outcome comes before the event that says that its setting has ended.

        Args:
            seconds: How long to wait at most.
            wants_rest: Whether to take back what places have not begun, where the setting that
                they run is long.
            has_room: Whether outcomes may be read; otherwise too many wait for the reader.
        """
        ...

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """Have places tear down and end, and give the outcomes that still arrive.

        is_hurried: what runs may be ended, and nobody waits longer than a moment.
        """
        ...

    def close(self) -> None:
        """End all that is left; called once, whatever happened."""
        ...

    def explain(self, error: BaseException) -> BaseException:
        """An error that a method raised as the user should read it."""
        ...


class Reader:
    """Who reads the outcomes, in whatever thread: the loop goes on while it is busy."""

    def __init__(self) -> None:
        self.is_gone = False
        self._n_put = self._n_got = 0  # bytes, each written by one thread
        self._has_come = threading.Event()
        self._items: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()

    def wait(self) -> None:
        """Wait until it reads, or is gone: before that, no setting may begin."""
        self._has_come.wait()

    def leave(self) -> None:
        """It reads no more."""
        self.is_gone = True
        self._has_come.set()

    @property
    def has_room(self) -> bool:
        """Whether few enough bytes wait."""
        return self._n_put - self._n_got <= _MOST_BYTES

    def put(self, data: bytes) -> None:
        """Have it read an outcome."""
        self._n_put += len(data)
        self._items.put(data)

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes."""
        self._items.put(error)

    def read(self) -> Iterator[bytes]:
        """What is put, until the end; raises what the loop has raised."""
        self._has_come.set()
        while (item := self._items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._n_got += len(item)
            yield item


class LoopThread:
    """The loop in a thread of its own, so that a slow reader does not keep places waiting."""

    def __init__(
        self, carrier: Carrier, scheduler: Scheduler, feed: Feed, control: Control
    ) -> None:
        self.reader = Reader()
        self._carrier = carrier
        self._parts = carrier, scheduler, feed, control
        self._thread = threading.Thread(target=self._main, name="superparams-dispatch", daemon=True)

    def __enter__(self) -> Iterator[bytes]:
        self._thread.start()
        return self.reader.read()

    def __exit__(self, *_: object) -> None:
        self.reader.leave()
        self._thread.join()

    def _main(self) -> None:
        error: BaseException | None = None
        try:
            for data in drive(*self._parts, self.reader):
                self.reader.put(data)
        except BaseException as raised:
            error = self._carrier.explain(raised)
        self.reader.end(error)


def drive(
    carrier: Carrier,
    scheduler: Scheduler,
    feed: Feed,
    control: Control,
    reader: Reader | None = None,
) -> Iterator[bytes]:
    """Encoded outcomes, until every setting of `feed` has one or `control` ends the run.

    Args:
        carrier: Has the places.
        scheduler: Says what goes where.
        feed: The settings.
        control: Ends the run early.
        reader: Who reads what the loop yields into it from a thread of its own; None where the
            caller iterates, who may throw errors in.
    """
    in_thread, reader = reader is not None, reader or Reader()

    def is_hurried() -> bool:
        return control.stopping or reader.is_gone

    def loop() -> Iterator[bytes]:
        if is_hurried() or control.draining or not feed.most_places(1):
            return
        carrier.begin()
        control.begun.set()
        if in_thread:
            reader.wait()
        yield from _look(carrier, scheduler, feed, control)
        yield from handle(carrier, scheduler, m.TimePassed())
        while not (is_hurried() or scheduler.is_over):
            wants_rest = scheduler.wants_rest(time.monotonic())
            limit = _until_due(scheduler)
            for item in carrier.poll(limit, wants_rest=wants_rest, has_room=reader.has_room):
                if isinstance(item, bytes):
                    yield item
                else:
                    yield from handle(carrier, scheduler, item)
            yield from _look(carrier, scheduler, feed, control)

    try:
        try:
            yield from loop()
        except Exception:
            if in_thread:
                yield from carrier.finish(is_hurried=True)  # what has ended counts
            raise
        yield from carrier.finish(is_hurried=is_hurried())
    finally:
        carrier.close()


def _look(carrier: Carrier, scheduler: Scheduler, feed: Feed, control: Control) -> Iterator[bytes]:
    """Tell the scheduler what others want."""
    control.steps.check()
    events: Iterable[m.Event] = feed.news()
    if control.draining and not scheduler.is_draining:
        events = [m.Draining(), *events]
    due = scheduler.next_due()
    if due is not None and due <= time.monotonic():
        events = [*events, m.TimePassed()]
    for event in events:
        yield from handle(carrier, scheduler, event)
    control.waiting = scheduler.n_again


def handle(carrier: Carrier, scheduler: Scheduler, event: m.Event) -> Iterator[bytes]:
    """Tell the scheduler of an event, do what it says, and give the outcomes of lost settings."""
    for instruction in scheduler.handle(event, time.monotonic()):
        if outcome := carrier.carry_out(instruction):
            yield outcome


def scheduler_of(n_places: int, feed: Feed, options: Options, control: Control) -> Scheduler:
    """Decides what runs where in a run.

    Args:
        n_places: How many places there are at most.
        feed: The settings.
        options: What the run asks of any engine.
        control: Has the judge of steps, if there is one.
    """
    # More work follows from outcomes, so these may not wait for others of their chunk.
    limits = Limits(n_places, options.retry_policy, one_by_one=feed.is_open)
    if control.judge is None:
        return Scheduler(limits, feed.first)
    return JudgingScheduler(limits, feed.first, control.judge)


def _until_due(scheduler: Scheduler) -> float:
    due = scheduler.next_due()
    return TICK if due is None else min(TICK, max(0.0, due - time.monotonic()))
