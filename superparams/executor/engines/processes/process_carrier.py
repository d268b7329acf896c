"""Worker processes as the places of the scheduler.

It is driven in a thread of its own, for two reasons. Workers die with the *thread* that started
them, so that thread must live as long as they do. And a slow reader of the outcomes must not keep a
timeout from being enforced.
"""

from __future__ import annotations

import json
import pickle
import queue
import selectors
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from superparams.errors import EngineError
from superparams.executor.engines.contract import Activity, Control
from superparams.executor.engines.drive import TICK
from superparams.executor.engines.feed import Feed
from superparams.executor.engines.processes import protocol, template
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.interpreter import WarmInterpreter
from superparams.executor.engines.processes.memory_watch import MemoryWatch
from superparams.executor.engines.processes.pending_outcomes import PendingOutcomes
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.template_handle import Template, no_files, no_python
from superparams.executor.engines.processes.transport import opened_steps
from superparams.executor.engines.processes.waker import Waker
from superparams.executor.engines.processes.watchdog import Watch
from superparams.executor.engines.processes.worker_cells import CUT, Cells
from superparams.executor.engines.processes.worker_environ import ShareEnviron
from superparams.executor.engines.processes.worker_losses import End, Losses, begun_and_rest
from superparams.executor.engines.processes.worker_state import WorkerHandle, WorkerState
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.scheduler.machine import MachineShare

_LEAVING = 2.0  # seconds that torn down workers may take to end
_MOST_FAILED_STARTS = 3
_MOST_TEMPLATES = 3  # that may die one after another while no setting runs
_CHANNEL_CLOSED = 1.0  # seconds that a worker may go on without its channel
_HELLO = 120.0  # seconds that a fresh process may take until it runs our code
_TEARDOWN = 60.0  # seconds that teardown may take without a limit

_Items = Iterator[m.Event | bytes]


class ProcessCarrier:
    """The worker processes of one run, and the template process that starts them.

    Attributes:
        handles: Gets the handle of the payload, or None, from the thread that packs it.
        losses: Makes the outcomes of settings whose workers have died.
    """

    def __init__(
        self,
        program: Program,
        feed: Feed,
        boot: Boot,
        control: Control,
        interpreter: WarmInterpreter | None,
        shares: ShareEnviron,
    ) -> None:
        self.handles: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._program = program
        self._boot = boot
        self._interpreter = interpreter
        self._options = boot.options
        self._shares = shares
        self._control = control
        self._n_places = feed.most_places(boot.options.num_proc)
        self._feed = feed
        self._handle: Any = None
        self._is_begun = False
        self._workers: dict[int, WorkerHandle] = {}
        # Shares of the machine by rank, until the template is ready.
        self._waiting_starts: dict[int, MachineShare | None] = {}
        self._confirmed: deque[tuple[Chunk, bytes]] = deque()
        self._pending = PendingOutcomes(lambda chunk, body: self._confirmed.append((chunk, body)))
        self._n_failed_starts = self._n_failed_templates = 0
        self._torn_down = 0.0

    def activity(self) -> list[Activity]:
        """What each worker does; any thread may ask."""
        activities: list[Activity] = []
        for rank in sorted(self._workers.copy()):
            with suppress(ValueError):  # the run has just ended, and its cells are gone
                mark = self._cells.mark(rank)
                is_idle = mark.index < 0
                # The clock is read after the mark, so that no setting has begun later than now.
                seconds = 0.0 if is_idle else (time.monotonic_ns() - mark.start) / 1e9
                index = None if is_idle else mark.index
                attempt = max(1, mark.attempt)
                log = None if mark.log < 0 else mark.log
                activities.append(Activity(rank, index, seconds, attempt, mark.in_setup, log))
        return activities

    def explain(self, error: BaseException) -> BaseException:
        """An error of the system as the user should read it."""
        if isinstance(error, OSError):
            return no_files(error, self._options.num_proc)
        return error

    # ---- beginning and ending

    def begin(self) -> None:
        """Start the template process; it gets the payload once that is packed."""
        self.losses = Losses(self._program, self._options, self._boot.log_folder)
        self._cells = Cells.make(self._n_places)
        self._watch = Watch(self._cells)
        self._memory = MemoryWatch(self._cells)
        self._selector, self._waker = selectors.DefaultSelector(), Waker()
        self._is_begun = True
        self._selector.register(self._waker.fileno(), selectors.EVENT_READ, self._waker)
        self._feed.on_change(self._waker.wake)
        self._start_template()

    def _start_template(self) -> None:
        self._template: Template | None = None
        self._template = new = Template(self._boot, self._program, self._cells, self._interpreter)
        if self._boot.method != "fork":
            self._handle = self._handle or self.handles.get()
            if self._handle is not None:
                new.boot(self._handle)
        self._reader = protocol.FrameReader(new.control)
        self._selector.register(new.control, selectors.EVENT_READ, None)
        self._forks: bool | None = None  # not known before the template is ready
        self._began = None if self._boot.method == "fork" else time.monotonic()

    @property
    def _parent(self) -> Template:
        assert self._template is not None
        return self._template

    def _end_template(self) -> None:
        if self._template is None:
            return
        with suppress(KeyError):
            self._selector.unregister(self._template.control)
        for worker in list(self._workers.values()):
            self._forget(worker)
        self._template.close(is_ready=self._forks is not None)

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """Let workers tear down; those that must end now are killed by the end of the template."""
        if not self._is_begun:
            return
        for worker in [] if is_hurried else list(self._workers.values()):
            worker.leave()
        start = time.monotonic()
        limit = start + (self._options.setup_limit or float("inf"))
        while self._workers and time.monotonic() < limit and not is_hurried:
            yield from (item for item in self._listen(TICK) if isinstance(item, bytes))
            if not self._in_state(WorkerState.CLOSING):
                limit = min(limit, max(start, self._torn_down) + _LEAVING)
            is_hurried = self._control.stopping
        self._pending.release_all()
        yield from (item for item in self._take_confirmed() if isinstance(item, bytes))

    def close(self) -> None:
        """End the template, and with it all workers."""
        if not self._is_begun:
            return
        try:
            self._end_template()
        finally:
            self._feed.on_change(lambda: None)
            self._selector.close()
            self._waker.close()
            self._cells.close()

    # ---- what the scheduler says

    def carry_out(self, instruction: m.Instruction) -> bytes:
        """Tell the template or the worker; see `Carrier`."""
        if isinstance(instruction, m.StartPlace):
            self._waiting_starts[instruction.rank] = instruction.share
            self._start_waiting()
        elif isinstance(instruction, m.RecordLoss):
            n_steps = self._control.steps.count(instruction.index, instruction.attempt)
            return self.losses.outcome(instruction, n_steps)
        elif (worker := self._workers.get(instruction.rank)) is None:
            return b""  # it has just ended, and the scheduler will hear of it
        elif isinstance(instruction, m.SendChunk):
            proposed = getattr(self._program, "proposed", None)
            points = b"" if proposed is None else proposed.packed(instruction.chunk)
            worker.begin(instruction.chunk, self._cells.of(worker.rank)[CUT], points)
        elif isinstance(instruction, m.AnswerStep):
            worker.say(Frame(Kind.ANSWER, int(instruction.goes_on)))
        else:
            worker.leave()
        return b""

    def _start_waiting(self) -> None:
        while self._waiting_starts and self._forks is not None:
            rank = next(iter(self._waiting_starts))
            share = self._waiting_starts.pop(rank)
            self._cells.reset(rank)
            options, changes = self._shares.changes(share, self._boot)
            worker = WorkerHandle.make(rank, self._parent, options, changes, boots=not self._forks)
            worker.memory_limit = None if share is None else share.need.memory
            self._workers[rank] = worker
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    # ---- what happens

    def poll(self, seconds: float, *, wants_rest: bool, has_room: bool) -> _Items:
        """Look at workers and listen to them; see `Carrier`."""
        yield from self._look(wants_rest)
        self._ask_template()
        due = self._watch.until_due(self._in_state(WorkerState.BUSY), seconds)
        yield from self._listen(due, has_room=has_room)

    def _look(self, wants_rest: bool) -> Iterator[m.Event]:
        for worker in self._in_state(WorkerState.BUSY):
            if self._watch.look(worker, self._parent, wants_rest=wants_rest):
                *_, last = worker.chunk
                yield m.RestReturned(worker.rank, last)
        self._memory.look(self._in_state(WorkerState.BUSY), self._parent)
        for worker in self._workers.values():
            if worker.channel_closed and time.monotonic() - worker.ended > _CHANNEL_CLOSED:
                self._spoil(worker, "the channel of its worker was closed")
            elif worker.state is WorkerState.CLOSING:
                patience = (self._options.setup_limit or _TEARDOWN) + _LEAVING
                if time.monotonic() - worker.asked_to_leave > patience:
                    self._parent.kill(worker.rank)

    def _ask_template(self) -> None:
        is_silent = self._began is not None and time.monotonic() - self._began > _HELLO
        if is_silent and not self._parent.is_python():
            raise no_python(f"nothing was heard within {_HELLO:g} seconds")
        number = self._pending.next_ping()
        if number is not None:
            self._parent.ping(number)
            return
        due = self._pending.overdue()
        if due == "wake":
            self._parent.wake()
        elif due == "end":
            self._parent.end()

    def _listen(self, seconds: float, *, has_room: bool = True) -> _Items:
        sources = [key.data for key, _ in self._selector.select(seconds)]
        if not has_room:
            time.sleep(0.001)
        for source in sources:
            if source is self._waker:
                self._waker.clear()
            elif source is not None and has_room:
                yield from self._read(source)
        if None in sources:
            yield from self._read_template()
        yield from self._take_confirmed()

    def _take_confirmed(self) -> _Items:
        while self._confirmed:
            chunk, body = self._confirmed.popleft()
            yield body
            yield m.OutcomesConfirmed(len(chunk))

    def _read(self, worker: WorkerHandle) -> Iterator[m.Event]:
        if worker.spoiled or worker.channel_closed:
            return
        try:
            for frame in worker.reader.frames():
                yield from self._hear(worker, frame)
        except protocol.Garbled:
            self._stop_listening(worker)
            self._spoil(worker, "something was written into the channel of its worker")
        if worker.reader.ended:
            self._stop_listening(worker)

    def _spoil(self, worker: WorkerHandle, why: str) -> None:
        """Kill a worker that can no longer send its outcomes."""
        if worker.state is not WorkerState.LEAVING:
            worker.spoiled = why
        self._parent.kill(worker.rank)

    def _hear(self, worker: WorkerHandle, frame: Frame) -> Iterator[m.Event]:
        if frame.kind is Kind.BROKEN:
            raise EngineError(_broken("a worker", frame.body))
        if frame.kind is Kind.LEFT:
            worker.state = WorkerState.LEAVING
            self._torn_down = time.monotonic()
        elif frame.kind is Kind.READY:
            self._n_failed_starts = 0
            worker.note_pid(frame.a)
            self._control.note(frame.body.decode(errors="replace").splitlines())
            if worker.state is WorkerState.STARTING:
                worker.state = WorkerState.IDLE
                yield m.PlaceReady(worker.rank)
        elif frame.kind is Kind.AGAIN:
            worker.again = [index for part in protocol.unpack_ranges(frame.body) for index in part]
        elif frame.kind is Kind.STEPS:
            self._control.steps.record(opened_steps(frame.body))
        elif frame.kind is Kind.STEP:
            yield m.StepMade(worker.rank, frame.a, json.loads(frame.body))
        else:
            yield from self._hear_outcomes(worker, frame)

    def _hear_outcomes(self, worker: WorkerHandle, frame: Frame) -> Iterator[m.Event]:
        chunk = worker.chunk.split(frame.a)[0].split(worker.sent)[1]
        worker.sent, rerun = frame.a, tuple(worker.again)
        worker.again = []
        if frame.body:
            done = Chunk.of((i for i in chunk if i not in rerun), chunk.attempt) if rerun else chunk
            self._pending.add(done, frame.body)
        yield m.SettingsEnded(worker.rank, frame.a, rerun, is_certain=not frame.body)
        if frame.kind is Kind.END:
            worker.rest()
            yield m.ChunkOver(worker.rank, frame.b / 1e9)

    def _read_template(self) -> _Items:
        for frame in self._reader.frames():
            if frame.kind is Kind.READY:
                self._forks = bool(frame.a)
                if frame.body:
                    self._parent.change_handle(pickle.loads(frame.body))
                self._start_waiting()
            elif frame.kind is Kind.HELLO:
                self._began = None
                self._parent.set_pid(frame.a)
            elif frame.kind is Kind.PONG:
                self._pending.answer(frame.a)
            elif frame.kind is Kind.BROKEN:
                who = "the template process" if self._forks is None else "a worker"
                raise EngineError(_broken(who, frame.body))
            elif frame.kind is Kind.DEAD and frame.a in self._workers:
                (peak,) = template.PEAK.unpack(frame.body)
                yield from self._take_end(self._workers[frame.a], frame.b, peak)
        if self._reader.ended:
            yield from self._replace_template()

    def _in_state(self, state: WorkerState) -> list[WorkerHandle]:
        return [worker for worker in self._workers.values() if worker.state is state]

    # ---- losses

    def _take_end(self, worker: WorkerHandle, status: int, peak: int) -> Iterator[m.Event]:
        """Account for a worker that ended; what it had sent is all there by now."""
        events = list(self._read(worker))
        mark = self._cells.mark(worker.rank)
        end = End(status, worker.stack(), peak)
        self._forget(worker)  # before the scheduler hears more, and sends it something
        yield from events
        if worker.state is WorkerState.STARTING:
            self._n_failed_starts += 1
            if self._n_failed_starts >= _MOST_FAILED_STARTS:
                raise EngineError(f"workers end before they start: {end.error}\n{end.stack}")
        if worker.state is WorkerState.BUSY:
            yield self.losses.of_worker(worker, mark, end)
        else:
            # What it was sent after its last word has not begun.
            yield m.PlaceGone(worker.rank, begun=0, is_blameless=True)

    def _forget(self, worker: WorkerHandle) -> None:
        self._stop_listening(worker)
        del self._workers[worker.rank]
        worker.close()

    def _stop_listening(self, worker: WorkerHandle) -> None:
        if not worker.channel_closed:
            worker.channel_closed, worker.ended = True, time.monotonic()
            self._selector.unregister(worker.channel)

    def _replace_template(self) -> _Items:
        """Replace a killed template; the settings that may have killed it run again, each alone."""
        if self._began is not None and not self._parent.is_python():
            raise no_python("a new process ended before it ran anything of ours, one")
        events = [event for worker in self._workers.values() for event in self._read(worker)]
        yield from self._take_confirmed()
        busy = self._in_state(WorkerState.BUSY)
        marks = [self._cells.mark(worker.rank) for worker in busy]
        suspects = self._pending.drop_all()
        suspects += [
            begun_and_rest(worker.unsent, mark)[0] for worker, mark in zip(busy, marks, strict=True)
        ]
        suspects = [chunk for chunk in suspects if chunk]
        self._n_failed_templates = 0 if suspects else self._n_failed_templates + 1
        if self._n_failed_templates >= _MOST_TEMPLATES:
            raise EngineError("the template process died three times; is there enough memory?")
        self.losses.of_template(suspects, marks)
        self._end_template()
        yield from events
        self._waiting_starts.clear()
        self._start_template()
        yield m.AllPlacesGone(suspects)


def _broken(who: str, body: bytes) -> str:
    lines = body.decode(errors="replace").rstrip().splitlines() or ["no reason is known"]
    return "\n".join([f"{who} could not start: {lines[-1]}", *lines])
