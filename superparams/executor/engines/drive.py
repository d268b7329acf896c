"""The loop that every engine shares: it passes events to the scheduler, and does what that says."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol

from superparams.executor.engines.contract import Control, Options
from superparams.executor.engines.feed import Feed
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.limits import Limits
from superparams.executor.scheduler.pace import Pace
from superparams.executor.scheduler.state_machine import Scheduler
from superparams.executor.scheduler.step_decisions import JudgingScheduler

if TYPE_CHECKING:
    from superparams.executor.scheduler.grouped_backlog import Needs
    from superparams.executor.scheduler.machine import Machine

TICK = 0.02  # the longest time between two looks at workers and at the feed, in seconds
_MOST_BYTES = 64 << 20  # outcomes that wait for the reader before workers have to wait


class Carrier(Protocol):
    """Has the places of an engine: carries settings to them, and reports events at them.

    All methods are called in one thread.
    """

    def begin(self) -> None:
        """Prepare to start places."""
        ...

    def carry_out(self, instruction: m.Instruction) -> bytes:
        """Carry out an instruction of the scheduler.

        Returns:
            The encoded outcome for a `RecordLoss`, else no bytes.
        """
        ...

    def poll(
        self, seconds: float, *, wants_rest: bool, has_room: bool
    ) -> Iterator[m.Event | bytes]:
        """Wait for events and outcomes.

        Args:
            seconds: How long to wait at most.
            wants_rest: Whether to take back the settings that a place has not begun, if the setting
                that it runs is long.
            has_room: Whether outcomes may be read; otherwise too many wait for the reader.

        Returns:
            Events, and encoded outcomes. An outcome comes before the event that its setting has
            ended.
        """
        ...

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """Have places tear down and end.

        Args:
            is_hurried: Whether running settings may be ended, so that this takes only a moment.

        Returns:
            The encoded outcomes that still arrive.
        """
        ...

    def close(self) -> None:
        """End all places that are left; called once, also after an error."""
        ...

    def explain(self, error: BaseException) -> BaseException:
        """The error that the user gets for an error that a method raised."""
        ...


class Reader:
    """A queue of outcomes from the thread of the loop to the thread that reads them."""

    def __init__(self) -> None:
        self.is_gone = False
        self._n_put = self._n_got = 0  # bytes, each written by one thread
        self._has_come = threading.Event()
        self._items: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()

    def wait(self) -> None:
        """Wait until somebody reads, or has left: before that, no setting may begin."""
        self._has_come.wait()

    def leave(self) -> None:
        """Note that the reader has left."""
        self.is_gone = True
        self._has_come.set()

    @property
    def has_room(self) -> bool:
        """Whether less than 64 MiB of outcomes wait to be read."""
        return self._n_put - self._n_got <= _MOST_BYTES

    def put(self, data: bytes) -> None:
        """Add encoded outcomes."""
        self._n_put += len(data)
        self._items.put(data)

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more outcomes come.

        Args:
            error: The error that ended the loop, if one did.
        """
        self._items.put(error)

    def read(self) -> Iterator[bytes]:
        """Yield the outcomes until the end; raises the error that ended the loop."""
        self._has_come.set()
        while (item := self._items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._n_got += len(item)
            yield item


class LoopThread:
    """A context in which the loop runs in its own thread, so a slow reader delays no place."""

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
    """Run the settings of a feed.

    Args:
        carrier: Has the places.
        scheduler: Decides which settings each place gets.
        feed: The settings.
        control: Ends the run early.
        reader: The queue into which another thread puts the outcomes; None if the caller iterates
            in this thread.

    Returns:
        Encoded outcomes, until every setting has one or `control` ends the run.
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
                yield from carrier.finish(is_hurried=True)  # settings that have ended count
            raise
        yield from carrier.finish(is_hurried=is_hurried())
    finally:
        carrier.close()


def _look(carrier: Carrier, scheduler: Scheduler, feed: Feed, control: Control) -> Iterator[bytes]:
    """Tell the scheduler of new settings, of the end of the run, and of the time."""
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
    """Tell the scheduler of an event, do what it says, and yield the outcomes of lost settings."""
    for instruction in scheduler.handle(event, time.monotonic()):
        if outcome := carrier.carry_out(instruction):
            yield outcome


def scheduler_of(
    n_places: int,
    feed: Feed,
    options: Options,
    control: Control,
    sharing: tuple[Needs, Machine | None] | None = None,
    *,
    chunk_seconds: float = Pace.TARGET,
) -> Scheduler:
    """The scheduler of a run.

    Args:
        n_places: The highest number of places.
        feed: The settings.
        options: The options of the run.
        control: Has the judge of steps, if there is one.
        sharing: What settings need, and the machine that places share, see `Limits`; None where
            settings declare no resources.
        chunk_seconds: Seconds of work in a chunk.
    """
    # If outcomes decide which settings are added, no outcome may wait for others of its chunk.
    limits = Limits(
        n_places,
        options.retry_policy,
        one_by_one=feed.is_open,
        sharing=sharing,
        chunk_seconds=chunk_seconds,
    )
    if sharing is not None:
        return _sharing_scheduler(limits, feed, control)
    if control.judge is None:
        return Scheduler(limits, feed.first)
    return JudgingScheduler(limits, feed.first, control.judge)


def _sharing_scheduler(limits: Limits, feed: Feed, control: Control) -> Scheduler:
    from superparams.executor.scheduler import sharing_scheduler as sharing  # most runs need none

    if control.judge is None:
        return sharing.SharingScheduler(limits, feed.first)
    return sharing.JudgingSharingScheduler(limits, feed.first, control.judge)


def _until_due(scheduler: Scheduler) -> float:
    due = scheduler.next_due()
    return TICK if due is None else min(TICK, max(0.0, due - time.monotonic()))
