"""The driver's loop: hands out chunks, watches workers, and passes on what they send.

It runs in a thread of its own, for two reasons. Workers die with the *thread* that started them, so
that thread must live as long as they do. And a slow reader of the outcomes must not keep a timeout
from being enforced.
"""

from __future__ import annotations

import pickle
import queue
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from superparams.errors import EngineError
from superparams.executor.engines.backlog import Backlog, Chunk, Pace
from superparams.executor.engines.contract import Activity, Control, Todo
from superparams.executor.engines.processes import protocol, template, transport
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.pending_outcomes import Unconfirmed
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.template_handle import Template, no_files, no_python
from superparams.executor.engines.processes.watchdog import Watch
from superparams.executor.engines.processes.worker_cells import CUT, Cells
from superparams.executor.engines.processes.worker_losses import End, Losses, begun_and_rest
from superparams.executor.engines.processes.worker_state import WorkerHandle, WorkerState

if TYPE_CHECKING:
    from superparams.executor.program import Program

_TICK = 0.02  # seconds between looks at what workers do
_LEAVING = 2.0  # seconds that torn down workers may take to end
_MOST_BYTES = 64 << 20  # outcomes that wait for the reader before workers have to wait
_MOST_FAILED_STARTS = 3
_MOST_TEMPLATES = 3  # that may die one after another while no setting runs
_CHANNEL_CLOSED = 1.0  # seconds that a worker may go on without its channel
_HELLO = 120.0  # seconds that a fresh process may take until it runs our code
_TEARDOWN = 60.0  # seconds that teardown may take where no limit is given


class Dispatch:
    """One run on worker processes."""

    def __init__(self, program: Program, todo: Todo, boot: Boot, control: Control) -> None:
        """Nothing starts before `outcomes` is iterated."""
        options = boot.options
        self._program = program
        self._boot = boot
        self._options = options
        self._control = control
        self._backlog = Backlog(todo)
        self._pace = Pace()
        self._size = min(options.num_proc, self._backlog.remaining)
        self._workers: dict[int, WorkerHandle] = {}
        self._out: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._handles: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._handle: Any = None
        self._put = self._got = 0  # bytes of outcomes, each written by one thread
        self._abandoned = False
        self._failed_starts = self._failed_templates = 0
        self._torn_down = 0.0
        self._unconfirmed = Unconfirmed(self._out.put)

    # ---- the reader's side

    def outcomes(self, pack: Callable[[], Any]) -> Iterator[bytes]:
        """Encoded outcomes as they arrive; `pack` gives the handle of the payload."""
        if not self._size:
            return
        thread = threading.Thread(target=self._main, name="superparams-dispatch", daemon=True)
        thread.start()
        try:
            self._handles.put(pack())  # meanwhile the template loads its modules
            while (item := self._out.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                self._got += len(item)
                yield transport.opened(item)
        finally:
            self._abandoned = True
            self._handles.put(None)
            thread.join()

    def activity(self) -> list[Activity]:
        """What each worker does."""
        found: list[Activity] = []
        for rank in sorted(self._workers.copy()):
            with suppress(ValueError):  # the run has just ended, and its cells are gone
                mark = self._cells.mark(rank)
                idle = mark.index < 0
                # The clock is read after the mark, so that no setting has begun later than now.
                seconds = 0.0 if idle else (time.monotonic_ns() - mark.start) / 1e9
                index = None if idle else mark.index
                attempt = max(1, mark.attempt)
                found.append(Activity(rank, index, seconds, attempt, mark.in_setup))
        return found

    # ---- the thread

    def _main(self) -> None:
        try:
            self._run()
        except OSError as error:
            self._out.put(no_files(error, self._options.num_proc))
        except BaseException as error:
            self._out.put(error)
        finally:
            self._out.put(None)

    def _run(self) -> None:
        self._losses = Losses(self._program, self._options, self._backlog)
        self._cells = Cells.make(self._size)
        self._watch = Watch(self._cells, self._options)
        try:
            with selectors.DefaultSelector() as self._selector:
                self._loop()
        finally:
            self._cells.close()

    def _loop(self) -> None:
        self._begin()
        try:
            while not self._over():
                self._look()
                self._hand_out()
                self._control.waiting = self._backlog.waiting
                self._ask_template()
                self._listen(self._watch.until_due(self._in_state(WorkerState.BUSY), _TICK))
            self._close_members()
        finally:
            self._unconfirmed.release()
            self._end()

    def _begin(self) -> None:
        self._template = Template(self._boot, self._program, self._cells)
        if self._boot.method != "fork":
            self._handle = self._handle or self._handles.get()
            if self._handle is not None:
                self._template.boot(self._handle)
        self._reader = protocol.FrameReader(self._template.control)
        self._selector.register(self._template.control, selectors.EVENT_READ, None)
        self._forks: bool | None = None  # not known before the template is ready
        self._began = None if self._boot.method == "fork" else time.monotonic()

    def _end(self) -> None:
        self._selector.unregister(self._template.control)
        for worker in list(self._workers.values()):
            self._forget(worker)
        self._template.close(is_ready=self._forks is not None)

    def _over(self) -> bool:
        if self._hurried():
            return True
        if self._in_state(WorkerState.BUSY) or self._unconfirmed:
            return False
        return self._control.draining or not self._backlog.remaining

    def _hurried(self) -> bool:
        return self._abandoned or self._control.stopping

    def _in_state(self, state: WorkerState) -> list[WorkerHandle]:
        return [worker for worker in self._workers.values() if worker.state is state]

    # ---- handing out

    def _hand_out(self) -> None:
        if self._control.draining or self._forks is None:
            return
        if not self._backlog.ready:
            self._hand_out_alone()
            return
        self._staff()
        for worker in self._in_state(WorkerState.IDLE):
            chunk = self._backlog.take(self._pace.size(self._backlog.remaining, self._size))
            if chunk is None:
                break
            worker.begin(chunk, self._cells.of(worker.rank)[CUT])

    def _hand_out_alone(self) -> None:
        """One chunk to a worker of its own, while nothing else runs."""
        if not self._backlog.remaining or self._in_state(WorkerState.BUSY) or self._unconfirmed:
            return
        used = [worker for worker in self._workers.values() if worker.used]
        for worker in used:  # what settings left in it may act at any time
            self._retire(worker)
        if used:
            return
        if not self._workers:
            self._start(0)
        for worker in self._in_state(WorkerState.IDLE)[:1]:
            if chunk := self._backlog.take_apart():
                worker.begin(chunk, self._cells.of(worker.rank)[CUT])

    def _retire(self, worker: WorkerHandle) -> None:
        if worker.state is WorkerState.IDLE:
            worker.leave()
        patience = (self._options.setup_limit or _TEARDOWN) + _LEAVING
        if time.monotonic() - worker.asked_to_leave > patience:
            self._template.kill(worker.rank)

    def _staff(self) -> None:
        """Fill vacant ranks as far as there is work for them."""
        free = len(self._in_state(WorkerState.IDLE)) + len(self._in_state(WorkerState.STARTING))
        for rank in range(self._size):
            if free >= self._backlog.ready:
                return
            if rank not in self._workers:
                self._start(rank)
                free += 1

    def _start(self, rank: int) -> None:
        self._cells.reset(rank)
        worker = WorkerHandle.make(rank, self._template, boots=not self._forks)
        self._workers[rank] = worker
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _look(self) -> None:
        vacant = len(self._workers) < self._size or self._in_state(WorkerState.IDLE)
        wanted = self._control.draining or (not self._backlog.ready and bool(vacant))
        for worker in self._in_state(WorkerState.BUSY):
            self._give_back(self._watch.look(worker, self._template, wanted=wanted))
        for worker in self._workers.values():
            if worker.channel_closed and time.monotonic() - worker.ended > _CHANNEL_CLOSED:
                self._spoil(worker, "the channel of its worker was closed")

    def _give_back(self, chunk: Chunk | None) -> None:
        if chunk:
            self._backlog.give_back(chunk)

    # ---- listening

    def _listen(self, seconds: float) -> None:
        heard = [key.data for key, _ in self._selector.select(seconds)]
        if self._put - self._got > _MOST_BYTES:
            time.sleep(0.001)
        else:
            for worker in filter(None, heard):
                self._read(worker)
        if None in heard:
            self._read_template()

    def _read(self, worker: WorkerHandle) -> None:
        if worker.spoiled:
            return
        try:
            for frame in worker.reader.frames():
                self._hear(worker, frame)
        except protocol.Garbled:
            self._stop_listening(worker)
            self._spoil(worker, "something was written into the channel of its worker")
        if worker.reader.ended:
            self._stop_listening(worker)

    def _spoil(self, worker: WorkerHandle, why: str) -> None:
        """Kill a worker that cannot tell its outcomes any more."""
        if worker.state is not WorkerState.LEAVING:
            worker.spoiled = why
        self._template.kill(worker.rank)

    def _hear(self, worker: WorkerHandle, frame: Frame) -> None:
        if frame.kind is Kind.BROKEN:
            raise EngineError(_broken("a worker", frame.body))
        if frame.kind is Kind.LEFT:
            worker.state = WorkerState.LEAVING
            self._torn_down = time.monotonic()
        elif frame.kind is Kind.READY:
            self._failed_starts = 0
            self._control.note(frame.body.decode(errors="replace").splitlines())
            if worker.state is WorkerState.STARTING:
                worker.state = WorkerState.IDLE
        else:
            part = worker.chunk.split(frame.a)[0].split(worker.sent)[1]
            worker.sent = frame.a
            self._emit(frame.body, part)
            if frame.kind is Kind.END:
                self._pace.saw(frame.a, frame.b / 1e9)
                self._give_back(worker.unsent)
                worker.rest()

    def _emit(self, body: bytes, chunk: Chunk | None = None) -> None:
        """Pass outcomes on; those of a chunk, once no setting of it has killed the template."""
        if not body:
            return
        self._put += len(body)
        if chunk is None:
            self._out.put(body)
        else:
            self._unconfirmed.add(chunk, body)

    def _ask_template(self) -> None:
        if self._began is not None and time.monotonic() - self._began > _HELLO:
            raise no_python(f"nothing was heard within {_HELLO:g} seconds")
        number = self._unconfirmed.question()
        if number is not None:
            self._template.ping(number)
            return
        due = self._unconfirmed.patience()
        if due == "wake":
            self._template.wake()
        elif due == "end":
            self._template.end()

    def _read_template(self) -> None:
        for frame in self._reader.frames():
            if frame.kind is Kind.READY:
                self._forks = bool(frame.a)
                if frame.body:
                    self._template.change_handle(pickle.loads(frame.body))
            elif frame.kind is Kind.HELLO:
                self._began = None
            elif frame.kind is Kind.PONG:
                self._unconfirmed.answer(frame.a)
            elif frame.kind is Kind.BROKEN:
                who = "the template process" if self._forks is None else "a worker"
                raise EngineError(_broken(who, frame.body))
            elif frame.kind is Kind.DEAD and frame.a in self._workers:
                (peak,) = template.PEAK.unpack(frame.body)
                self._bury(self._workers[frame.a], frame.b, peak)
        if self._reader.ended:
            self._replace_template()

    # ---- losses

    def _bury(self, worker: WorkerHandle, status: int, peak: int) -> None:
        """Account for a worker that ended; what it had sent is all there by now."""
        self._read(worker)
        mark = self._cells.mark(worker.rank)
        end = End(status, worker.stack(), peak)
        self._forget(worker)
        if worker.state is WorkerState.STARTING:
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                raise EngineError(f"workers end before they start: {end.error}\n{end.stack}")
        elif worker.state is WorkerState.BUSY:
            self._emit(self._losses.account(worker, mark, end))

    def _forget(self, worker: WorkerHandle) -> None:
        self._stop_listening(worker)
        del self._workers[worker.rank]
        worker.close()

    def _stop_listening(self, worker: WorkerHandle) -> None:
        if not worker.channel_closed:
            worker.channel_closed, worker.ended = True, time.monotonic()
            self._selector.unregister(worker.channel)

    def _replace_template(self) -> None:
        """It was killed, and all workers with it: what may have done that runs again alone."""
        if self._began is not None:
            raise no_python("a new process ended before it ran anything of ours, one")
        busy = self._in_state(WorkerState.BUSY)
        for worker in busy:
            self._read(worker)
        begun = self._unconfirmed.drop()
        marks = {worker: self._cells.mark(worker.rank) for worker in busy}
        for worker in self._in_state(WorkerState.BUSY):
            first, rest = begun_and_rest(worker.unsent, marks[worker])
            begun.append(first)
            self._give_back(rest)
        suspects = [chunk for chunk in begun if chunk]
        self._failed_templates = 0 if suspects else self._failed_templates + 1
        if self._failed_templates >= _MOST_TEMPLATES:
            raise EngineError("the template process died three times; is there enough memory?")
        self._emit(self._losses.of_template(suspects, marks.values()))
        self._end()
        self._begin()

    # ---- the end

    def _close_members(self) -> None:
        """Let workers tear down; those that must end now are killed by the end of the template."""
        for worker in [] if self._hurried() else list(self._workers.values()):
            worker.leave()
        begun = time.monotonic()
        limit = begun + (self._options.setup_limit or float("inf"))
        while self._workers and time.monotonic() < limit and not self._hurried():
            self._listen(_TICK)
            if not self._in_state(WorkerState.CLOSING):
                limit = min(limit, max(begun, self._torn_down) + _LEAVING)


def _broken(who: str, body: bytes) -> str:
    text = body.decode(errors="replace").rstrip()
    return f"{who} could not start: {text.splitlines()[-1] if text else 'no reason told'}\n{text}"
