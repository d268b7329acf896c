"""What a worker process does: it runs chunks, and sends outcomes back.

It has no thread of its own when a setting forks: one that sends steps ends before. Outcomes are
sent when a setting ends and 20 ms have passed since they were last sent. When a long setting
follows quick ones, the driver sees in the cell that outcomes wait, and sends SIGURG; its handler
sends them between two bytecodes of the setting. While C code runs they wait, and where they are the
first that take Arrow: should the worker die then, these at most 20 ms of work are done again.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import pickle
import signal
import socket
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from superparams.declare.experiment_place import Place
from superparams.errors import traceback_text
from superparams.executor.engines.attempts import late, run_once
from superparams.executor.engines.processes import process_tree, protocol, worker_environ
from superparams.executor.engines.processes import worker_cells as cells
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.fork_safety import seed_numpy_anew
from superparams.executor.engines.processes.forked_children import ForkedChildren
from superparams.executor.engines.processes.protocol import Frame, Kind
from superparams.executor.engines.processes.transport import Parcels
from superparams.executor.engines.processes.worker_cells import Cells
from superparams.executor.engines.processes.worker_output import SameFiles, WorkerOutput
from superparams.executor.engines.processes.worker_steps import WorkerSteps
from superparams.executor.fork_guard import ForkGuard
from superparams.executor.payload import pools
from superparams.executor.steps import Row, step_recorder, step_teller
from superparams.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from superparams.executor.payload import Attached
    from superparams.executor.program import Program
    from superparams.executor.worker import Worker

_FLUSH_NS = 20_000_000
_WORK = (Kind.POINTS, Kind.RUN)
_QUICK = 0.1  # seconds of a setting that may run twice
_NOTHING = 15e-6  # seconds in which nobody opens a file
_COMING_BACK = 1.5  # seconds that forks of a worker may take to end by themselves
_OOM_SCORE = 300  # of 1000: when memory runs out, a worker goes before the driver


@dataclass(frozen=True)
class Connection:
    """What a worker is given: its rank and its ends of what it shares with the driver.

    key: what its frames take, so that no setting can send any.
    """

    rank: int
    key: int
    channel: socket.socket
    fault: int
    cells: Cells

    def say(self, frame: Frame) -> None:
        """Send a frame to the driver."""
        protocol.send(self.channel, frame, key=self.key)


@dataclass(frozen=True)
class LoadedProgram:
    """A program, and what it was attached from (nothing in a fork of the driver)."""

    program: Program
    attached: Attached | None = None


def main(channel: int, fault: int, shared: int, rank: int, key: int, parent: int) -> None:
    """Be a worker in a fresh interpreter."""
    process_tree.die_with_parent(parent, signal.SIGKILL)
    for fd in (channel, fault, shared):  # they came by inheritance, and are not for its children
        os.set_inheritable(fd, False)
    connection = Connection(rank, key, protocol.channel_of(channel), fault, Cells(shared))
    boot = protocol.receive(connection.channel)
    words: Boot = pickle.loads(boot.body)
    words.adopt()
    os._exit(serve(words, None, connection, forked=False))


def serve(boot: Boot, loaded: LoadedProgram | None, connection: Connection, *, forked: bool) -> int:
    """Be a worker until the driver ends it; gives the exit code."""
    _settle(connection)
    output = WorkerOutput(boot.log_folder, connection.rank)
    try:
        boot.set_environ(connection.rank)
        if forked:
            _part_from_parent(boot)
        loaded = loaded or load(boot)
        if boot.method == "fork" and (code := getattr(loaded.program, "pool_code", None)):
            pools.share_with_pools(pools.LazyPayload(code).handle)
        options = boot.options
        worker = loaded.program.enter(Place(connection.rank, options.num_proc, options.folder))
    except BaseException as error:
        output.mark()
        connection.say(Frame(Kind.BROKEN, body=traceback_text(error).encode(errors="replace")))
        return 1
    process = _WorkerProcess(loaded, worker, connection, boot, output)
    step_recorder.set(process.steps.record)
    step_teller.set(process.tell_step if boot.decides_steps else None)
    notes = "\n".join(getattr(loaded.program, "notes", ()))
    connection.say(Frame(Kind.READY, os.getpid(), body=notes.encode(errors="replace")))
    return process.serve()


def load(boot: Boot) -> LoadedProgram:
    """The program out of the payload."""
    from superparams.executor import payload

    attached = payload.attach(boot.handle)
    program: Program = attached.load()
    pools.share_with_pools(lambda: boot.handle)
    surround = getattr(program, "surround", None)
    if surround is not None:
        surround()
    program.prepare()
    return LoadedProgram(program, attached)


def _settle(connection: Connection) -> None:
    """Become a process of its own: session, signals, what happens at a crash."""
    with suppress(OSError, AttributeError):
        # The terminal's Ctrl-C is the driver's; and one signal ends all of our children.
        os.setsid()
    process_tree.adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    faulthandler.enable(connection.fault, all_threads=False)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGQUIT, connection.fault, all_threads=True)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(_OOM_SCORE))


def _part_from_parent(boot: Boot) -> None:
    """Undo what a fork must not share with its parent."""
    # What the parent registered is the parent's to do.
    atexit._clear()  # pyright: ignore[reportPrivateUsage]
    seed_numpy_anew()
    pools.forget_fork_server()
    if boot.method == "fork":
        worker_environ.limit_loaded_libraries(boot.environ)


def _nothing() -> None:
    """There is no shared memory to refresh."""


class _WorkerProcess:
    """A worker at its work."""

    def __init__(
        self,
        loaded: LoadedProgram,
        worker: Worker,
        connection: Connection,
        boot: Boot,
        output: WorkerOutput,
    ) -> None:
        self._loaded = loaded
        self._worker = worker
        self._rank = connection.rank
        self._connection = connection
        self._files = SameFiles(connection.channel.fileno(), connection.fault, connection.cells.fd)
        self._fork_guard = ForkGuard()
        self._forks = ForkedChildren()
        self._cell = connection.cells.of(connection.rank)
        self._options = boot.options
        self._retries = boot.options.retry_policy
        self._output = output
        self._parcels = Parcels()
        # Whether `setup` is to run before the next setting: its time is no setting's.
        self._sets_up = bool(getattr(worker, "is_to_set_up", False))
        if self._sets_up:
            worker.on_set_up = self._on_set_up
        self._is_checked = True  # that the standard files are there, after what ran until now
        self._is_new = True  # the chunk: its first outcome tells what the others will be like
        self._batch: list[Outcome] = []
        self._again: list[int] = []  # settings that ended, and are to run again
        self._sent = 0
        self._flushed = 0
        self._refresh = loaded.attached.refresh if loaded.attached else _nothing
        self._forked = False
        self._sending = threading.Lock()  # a thread may send steps
        self.steps = WorkerSteps(self._parcels, self._say, self._is_whole, self._on_urgent)
        os.register_at_fork(before=self._before_fork, after_in_child=self._on_fork)

    def serve(self) -> int:
        """Run chunks until the driver closes, or is gone."""
        if hasattr(signal, "SIGURG"):
            signal.signal(signal.SIGURG, self._on_urgent)
            signal.siginterrupt(signal.SIGURG, False)
        try:
            proposed = getattr(self._loaded.program, "proposed", None)
            while (frame := protocol.receive(self._connection.channel)).kind in _WORK:
                if frame.kind is Kind.RUN:
                    self._run(frame)
                elif proposed is not None:
                    proposed.learn(frame.body)
        except (EOFError, OSError):  # the driver is gone, or a setting did something to the channel
            return 0
        return self._close()

    def _close(self) -> int:
        """Tear down, tell that, and then end as an interpreter does."""
        code = 0
        try:
            self._worker.close()
            self.steps.pause()
            self._say(Frame(Kind.LEFT))
            threading._shutdown()  # type: ignore[attr-defined]  # pools of threads and processes
            atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        except BaseException:
            traceback.print_exc()
            code = 1
        self._forks.wait(_COMING_BACK)  # our end would cut them short
        self._output.mark()
        return code

    def _run(self, frame: Frame) -> None:
        start = time.monotonic_ns()
        self._sent, self._flushed = 0, start
        self._is_new = True
        for indices in protocol.unpack_ranges(frame.body):
            if self._run_range(indices, frame.a, frame.b) < len(indices):
                break
        self._flush(Kind.END, start)

    def _run_range(self, indices: range, attempt: int, cut: int) -> int:
        """Run settings until the chunk is cut; gives how many."""
        cell, output, refresh, now = self._cell, self._output, self._refresh, time.monotonic_ns
        log, retries = output.mark() if output.logged else None, self._retries
        for done, index in enumerate(indices):
            if cell[cells.CUT] != cut:
                return done
            outcome = self._outcome(index, attempt, log)
            cell[cells.INDEX] = -1
            if self._forked:  # by the setting, and this is the child, which came back here
                os._exit(0)
            refresh()
            if log is not None:
                outcome.log_start = log
                outcome.log_end = log = output.mark()
            if outcome.status != "done" and retries.allows(outcome.status, outcome.attempt):
                self._again.append(index)
            else:
                self._batch.append(outcome)
                if self._is_new:
                    self._is_new = False
                    self._parcels.expect(outcome)
            cell[cells.UNSENT] = len(self._batch) + len(self._again)
            if now() - self._flushed > _FLUSH_NS:
                self._flush(Kind.DATA)
        return len(indices)

    def _outcome(self, index: int, attempt: int, log: int | None) -> Outcome:
        outcome = self._attempt(index, attempt, log)
        if outcome.seconds < _NOTHING and outcome.status == "done":
            self._is_checked = False
            return outcome
        was_checked, self._is_checked = self._is_checked, True
        if self._output.is_closed():
            self._output.repair()
            if not was_checked and outcome.seconds < _QUICK:
                # Not this one but one just before it may have closed the standard files, which
                # cost this one its output, or put that into a file that it opened.
                self._refresh()
                outcome = self._attempt(index, attempt, log)
        while self._retries.allows_at_once(outcome.status, outcome.attempt):
            self._refresh()
            outcome = self._attempt(index, outcome.attempt + 1, log)
        return outcome

    def _attempt(self, index: int, attempt: int, log: int | None) -> Outcome:
        cell = self._cell
        cell[cells.START] = time.monotonic_ns()
        cell[cells.ATTEMPT] = attempt
        cell[cells.LOG] = -1 if log is None else log
        if self._sets_up:
            cell[cells.SETUP] = 1
        cell[cells.INDEX] = index
        outcome = run_once(self._loaded.program, self._worker, index, attempt, self._rank)
        if self._sets_up:  # it failed
            self._sets_up, cell[cells.SETUP] = self._worker.is_to_set_up, 0
        limit = self._options.timeout
        if limit is not None and outcome.seconds - outcome.carried_seconds > limit:
            # Asked where it hangs, C code may return early: that is no result.
            outcome.status, outcome.result = "timeout", None
            outcome.error = late(limit)
        return outcome

    def _is_whole(self) -> bool:
        return not self._forked and self._files.are_same()

    def _say(self, frame: Frame) -> None:
        with self._sending:
            self._connection.say(frame)

    def tell_step(self, row: Row) -> bool:
        """Send a step of the setting that runs, and wait for the answer: whether it goes on."""
        import json  # which most workers do not need

        body = json.dumps(row).encode()
        self.steps.is_busy = True  # nothing may be sent in the midst of it, so send that before
        try:
            if self._batch or self._again:
                self._flush(Kind.DATA, may_load=False)
            asked_time, self._cell[cells.HELD] = time.monotonic_ns(), 1
            self._say(Frame(Kind.STEP, self._cell[cells.INDEX], body=body))
            answer = protocol.receive(self._connection.channel)
            self._cell[cells.START] += time.monotonic_ns() - asked_time
            self._cell[cells.HELD] = 0
        except (EOFError, OSError):  # the driver is gone
            os._exit(1)
        finally:
            self.steps.is_busy = False
        return answer.kind is Kind.ANSWER and bool(answer.a)

    def _on_set_up(self) -> None:
        """The setting that waits for it begins now."""
        cell = self._cell
        index, cell[cells.INDEX] = cell[cells.INDEX], -1
        cell[cells.START] = time.monotonic_ns()
        cell[cells.SETUP] = 0
        cell[cells.INDEX] = index
        self._sets_up = False

    def _before_fork(self) -> None:
        if not self._forked:
            self.steps.pause()

    def _on_fork(self) -> None:
        self._forked = True

    def _on_urgent(self, *_: object) -> None:
        # Only while a setting runs: otherwise they are being worked on, and sent soon. And nothing
        # is imported here, where that setting may be in the midst of an import itself.
        is_busy = self._forked or self.steps.is_busy
        self.steps.was_urged = self.steps.is_busy
        if (self._batch or self._again) and self._cell[cells.INDEX] >= 0 and not is_busy:
            self._flush(Kind.DATA, may_load=False)

    def _flush(self, kind: Kind, start: int = 0, *, may_load: bool = True) -> None:
        self._fork_guard.check("a setting")
        if not self._files.are_same():
            os._exit(1)  # the driver sees that it ended while no setting ran
        if may_load:  # not within a setting, which may have turned them over for a while
            self._output.repair()
            self._is_checked = True
        if not self._output.logged:
            self._output.mark()
        self.steps.flush()  # before the outcome of their setting
        batch, self._batch = self._batch, []
        try:
            body = self._parcels.make(batch, may_load=may_load) if batch else b""
        except MemoryError:  # the setting that runs has it, and is not to blame
            if may_load:
                raise
            body = None
        if body is None:
            self._batch = batch
            return
        to_retry, self._again = self._again, []
        self._sent += len(batch) + len(to_retry)
        now = time.monotonic_ns()
        if to_retry:
            parts = protocol.pack_ranges([range(index, index + 1) for index in to_retry])
            self._say(Frame(Kind.AGAIN, body=parts))
        self._say(Frame(kind, self._sent, now - start, body))
        self._cell[cells.UNSENT] = 0
        self._flushed = now
