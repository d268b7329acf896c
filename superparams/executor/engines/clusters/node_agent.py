"""An agent: a pool of worker processes on one node of a cluster, driven by a remote driver.

It runs in a thread of a process that the cluster has started. It attaches the payload, starts
workers as the driver says, and reports what happens at them. So dead workers, timeouts and the
output of settings are treated on each node as on the driver's own machine.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from superparams.adapters.machine_memory import machine_memory
from superparams.adapters.visible_devices import NO_DEVICES, visible_devices
from superparams.errors import SuperparamsError
from superparams.executor import payload
from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.clusters.agent_mail import SILENCE, AgentInbox, AgentOutbox
from superparams.executor.engines.clusters.agent_reports import AgentReports
from superparams.executor.engines.clusters.node_logs import NodeLogs
from superparams.executor.engines.contract import Activity, Control
from superparams.executor.engines.drive import TICK
from superparams.executor.engines.processes import process_start, worker_environ
from superparams.executor.engines.processes.boot import Boot
from superparams.executor.engines.processes.interpreter import warm_interpreter
from superparams.executor.engines.processes.process_carrier import ProcessCarrier
from superparams.executor.engines.processes.template_handle import default_method
from superparams.executor.engines.worker_versions import refuse_other_versions
from superparams.executor.payload.segment import UnreachableError
from superparams.executor.run_steps import RunSteps
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk

if TYPE_CHECKING:
    from superparams.executor.program import Program

__all__ = ["NodeAgent"]

_LOOK: Final = 0.25  # seconds between two reports of what runs


class NodeAgent:
    """The workers of one run on this node. Any thread may call its methods.

    Args:
        versions: Those of the driver, see `versions_here`.

    Raises:
        EngineError: If this process has other versions.
    """

    def __init__(self, versions: Mapping[str, str]) -> None:
        refuse_other_versions(versions)
        self._inbox = AgentInbox()
        self.outbox = AgentOutbox()
        self._thread = threading.Thread(target=self._main, name="superparams-agent", daemon=True)
        self._thread.start()

    def tell(self, batches: Sequence[bytes]) -> None:
        """Take messages of the driver."""
        for data in batches:
            self._inbox.put(p.unpacked(data))

    def listen(self, seconds: float) -> list[bytes]:
        """Batches of messages for the driver; waits for some, at most so long."""
        return self.outbox.wait(seconds)

    def end(self) -> None:
        """End all workers soon, as if the driver had said so."""
        self._inbox.put([p.EndPool(is_hurried=True)])

    def join(self, seconds: float) -> None:
        """Wait until all workers have ended, at most so long."""
        self._thread.join(seconds)

    @property
    def is_alive(self) -> bool:
        """Whether it has workers, or may get some."""
        return self._thread.is_alive()

    def _main(self) -> None:
        try:
            plan = self._inbox.plan(self.outbox)
            if plan is not None:
                with ExitStack() as stack:
                    self._serve(plan, stack)
        except BaseException as error:
            is_ours = isinstance(error, SuperparamsError)
            text = str(error) if is_ours else f"{type(error).__name__}: {error}"
            self.outbox.put([p.AgentFailed(text)])
        finally:
            self.outbox.end([p.AgentEnded()])

    def _serve(self, plan: p.AgentPlan, stack: ExitStack) -> None:
        logs = stack.enter_context(NodeLogs(plan.options.folder))
        attached = self._attach(plan, has_folder=not logs.is_own)
        if attached is None:
            return
        stack.enter_context(attached)
        pool = _AgentPool(plan, logs, self._inbox, self.outbox, attached.handle_here(plan.handle))
        pool.run()

    def _attach(self, plan: p.AgentPlan, *, has_folder: bool) -> payload.Attached | None:
        """The payload, as soon as the driver has sent a handle that can be attached here."""
        handle: payload.Handle | None = plan.handle
        while handle is not None:
            try:
                return payload.attach(handle)
            except UnreachableError:
                self.outbox.put([p.NeedsPayload(has_folder and not handle.copies)])
                handle = self._inbox.payload(self.outbox)
        return None


@dataclass
class _ProgramOfDriver:
    """What the pool asks of a program: its name, and the points of settings that come next."""

    name: str
    points: bytes = b""
    proposed: Any = field(init=False)

    def __post_init__(self) -> None:
        self.proposed = self

    def packed(self, chunk: Chunk) -> bytes:
        """The points that came with a chunk."""
        return self.points


class _StepSender(RunSteps):
    """Sends steps to the driver, which records them."""

    def __init__(self, reports: AgentReports) -> None:
        super().__init__()
        self._reports = reports

    def record(self, data: bytes) -> None:
        """Send encoded steps."""
        self._reports.add(p.StepsMade(data))


class _NoteSender(Control):
    """Sends notes to the driver."""

    __slots__ = ("_reports",)

    def __init__(self, reports: AgentReports) -> None:
        super().__init__()
        self.steps = _StepSender(reports)
        self._reports = reports

    def note(self, sentences: Iterable[str]) -> None:
        """Send sentences for the user."""
        notes = tuple(sentences)
        if notes:
            self._reports.add(p.UserNotes(notes))


class _AgentPool:
    """The process pool of an agent: does what the driver says, and reports to it."""

    def __init__(
        self,
        plan: p.AgentPlan,
        logs: NodeLogs,
        inbox: AgentInbox,
        outbox: AgentOutbox,
        handle: payload.Handle,
    ) -> None:
        self._logs = logs
        self._inbox = inbox
        self._outbox = outbox
        self._program = _ProgramOfDriver(plan.name)
        self._wishes = p.Wishes(wants_rest=False, has_room=True)
        self._ending: p.EndPool | None = None
        self._reports = AgentReports()
        self._running: Sequence[Activity] = ()
        self._looked = 0.0
        boot = _boot(plan, logs)
        inbox.n_places = plan.n_ranks
        control = _NoteSender(self._reports)
        inbox.on_hurry = control.stop
        is_forked = boot.method == "forkserver" and not boot.varies
        self._facts, shares = None, worker_environ.ShareEnviron(n_threads=plan.threads)
        if plan.environ is not None:
            devices = visible_devices(os.environ) if plan.environ.counts_devices else NO_DEVICES
            self._facts = p.NodeFacts(machine_memory(), devices.names)
            shares = replace(shares, variable=devices.variable)
        self._carrier = ProcessCarrier(
            cast("Program", self._program),
            inbox,
            boot,
            control,
            warm_interpreter(boot.environ, boot.path) if is_forked else None,
            shares,
        )
        self._carrier.handles.put(handle)

    def run(self) -> None:
        """Do what the driver says until it ends the pool, or is silent for long."""
        carrier = self._carrier
        try:
            carrier.begin()
            self._outbox.put([p.AgentBegun(self._facts)])
            while self._ending is None and self._outbox.seconds_unread() < SILENCE:
                for message in self._inbox.take():
                    self._carry_out(message)
                self._look()
            is_hurried = self._ending is None or self._ending.is_hurried
            for data in carrier.finish(is_hurried=is_hurried):
                self._reports.add(p.OutcomeBatch(data))
                self._send()
            self._send()
        except OSError as error:
            raise carrier.explain(error) from error
        finally:
            carrier.close()

    def _look(self) -> None:
        """Look at workers for a moment, and report what happened at them."""
        has_room = self._wishes.has_room and self._outbox.has_room
        for item in self._carrier.poll(TICK, wants_rest=self._wishes.wants_rest, has_room=has_room):
            if isinstance(item, bytes):
                self._reports.confirm(item)
            elif isinstance(item, m.AllPlacesGone):
                self._reports.all_gone(item, self._carrier.losses.evidence)
            elif not isinstance(item, m.OutcomesConfirmed):
                self._reports.event(cast("m.PlaceEvent", item), self._carrier.losses.evidence)
        self._send()

    def _send(self) -> None:
        now = time.monotonic()
        news = self._reports.take()
        is_time = now - self._looked > _LOOK
        if is_time:
            self._looked = now
            running = [
                activity for activity in self._carrier.activity() if activity.index is not None
            ]
            if running or self._running:
                news.append(p.WorkersNow(running))
            self._running = running
        if news or is_time:
            news = [*self._logs.parts(), *news]  # what a setting has printed comes before its end
        if news:
            self._outbox.put(news)

    def _carry_out(self, message: Any) -> None:
        carrier = self._carrier
        match message:
            case p.RunChunk(rank, chunk, points):
                self._program.points = points
                self._reports.chunk_sent(rank, chunk)
                carrier.carry_out(m.SendChunk(rank, chunk))
            case p.StepAnswer(rank, setting, goes_on):
                carrier.carry_out(m.AnswerStep(rank, setting, goes_on))
            case p.StartWorker(rank, log_size, share):
                self._reports.started(rank)
                self._logs.begin(rank, log_size)
                carrier.carry_out(m.StartPlace(rank, share))
            case p.RetireWorker(rank):
                carrier.carry_out(m.RetirePlace(rank))
            case p.Wishes():
                self._wishes = message
            case p.EndPool():
                self._ending = message
            case _:
                raise TypeError(f"{message!r} is no message to an agent")


def _boot(plan: p.AgentPlan, logs: NodeLogs) -> Boot:
    method = default_method()
    environ = worker_environ.threads(plan.n_workers, plan.threads, os.environ)
    varies, cpus, _ = plan.environ or (False, None, False)
    environ |= {} if cpus is None or plan.threads else worker_environ.for_cpus(cpus)
    return Boot(
        method=method,
        options=plan.options,
        handle=None,
        environ=environ,
        devices=None,
        varies=varies,
        libraries=plan.libraries if method == "forkserver" else (),
        path=process_start.search_path(),
        argv=plan.argv,
        decides_steps=plan.decides_steps,
        own_logs=logs.folder if logs.is_own else None,
    )
