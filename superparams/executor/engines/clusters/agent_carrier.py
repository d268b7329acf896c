"""Agents of a cluster as the places of the scheduler.

A rank is a worker of one of the agents. The scheduler is that of all engines: it hands out settings
to ranks, and does not know of agents. When an agent is gone, so are its workers, and no setting is
to blame for that. Agents may join during the run, as nodes do.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from superparams.declare.resources import Resources
from superparams.errors import EngineError
from superparams.executor import payload
from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.clusters.agents import Agents
from superparams.executor.engines.clusters.cluster import Cluster
from superparams.executor.engines.clusters.cluster_machines import ClusterMachines
from superparams.executor.engines.clusters.node_logs import add_part
from superparams.executor.engines.clusters.remote_agent import RemoteAgent
from superparams.executor.engines.clusters.unmet_needs import UnmetNeeds
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.executor.engines.drive import scheduler_of
from superparams.executor.engines.feed import Feed
from superparams.executor.engines.held_resources import WorkerEnviron
from superparams.executor.engines.output_log import log_path
from superparams.executor.engines.processes import transport
from superparams.executor.scheduler import messages as m
from superparams.outcomes.batches import encode, warm_up

if TYPE_CHECKING:
    from superparams.executor.program import Program
    from superparams.executor.scheduler.sharing_scheduler import SharingScheduler

__all__ = ["AgentCarrier"]

# Ranks that there may be if the cluster grows: each agent has a cell for each rank.
_MOST_RANKS: Final = 4096
# Of work in a chunk. A message to a node and back takes some milliseconds, in which a worker that
# has nothing more to do is idle.
_CHUNK_SECONDS: Final = 0.4
_END: Final = 10.0  # seconds that agents may take to end workers that need not finish

_Items = Iterator[m.Event | bytes]


class AgentCarrier:
    """The agents of one run; see `Carrier`.

    Args:
        cluster: Starts agents.
        program: What workers run.
        feed: The settings.
        options: The options of the run.
        control: Ends the run early.
        threads: BLAS and OpenMP threads of each worker; None to divide the cores of a node.
        machines: What nodes have, if settings declare what they need.
    """

    def __init__(
        self,
        cluster: Cluster,
        program: Program,
        feed: Feed,
        options: Options,
        control: Control,
        threads: int | None,
        machines: ClusterMachines | None,
    ) -> None:
        self._cluster = cluster
        self._program = program
        self._feed = feed
        self._options = options
        self._control = control
        self._threads = threads
        self._machines = machines
        self._environ: WorkerEnviron | None = None
        if machines is not None:
            self._environ = WorkerEnviron.of(machines.needs, has_more=feed.has_more)
        n_places = feed.most_places(options.num_proc)
        self.scheduler = scheduler_of(
            n_places,
            feed,
            options,
            control,
            None if machines is None else (machines.needs, None),
            chunk_seconds=_CHUNK_SECONDS,
        )
        limits = self.scheduler.limits
        self._agents = Agents(cluster, limits, options, machines, has_more=feed.has_more)
        self._events: list[m.Event] = []
        self._unmet = UnmetNeeds()
        self._wishes = p.Wishes(wants_rest=False, has_room=True)
        self._evidence: dict[int, Mapping[str, Any]] = {}  # by rank, of what was lost last
        self._packed: payload.Payload | None = None
        self._copies: payload.Handle | None = None
        self._brought = b""  # the payload as a message
        self._is_begun = False

    def activity(self) -> list[Activity]:
        """What each worker does, as agents have told last; any thread may ask."""
        return self._agents.activity()

    def begin(self) -> None:
        """Pack the payload, and start agents."""
        self._is_begun = True
        self._feed.on_change(self._agents.wake)
        if self._environ is not None and self._environ.varies:
            self._program.prepare()  # there is no template to do it once for all workers
        self._packed = payload.pack(self._program)
        self._control.payload = self._packed.sizes
        self._control.note(getattr(self._program, "script_notes", []))
        self._agents.plan = self._plan(self._packed.handle)
        self._agents.look()
        warm_up()

    def _plan(self, handle: payload.Handle) -> p.AgentPlan:
        first = next((indices[0] for indices in self._feed.first if indices), None)
        params = {} if first is None else self._program.row(first)
        libraries = [*self._program.libraries(), *transport.loaded_ahead(params)]
        n_places = self.scheduler.limits.n_places
        return p.AgentPlan(
            handle=handle,
            options=self._options,
            name=self._program.name,
            n_ranks=max(n_places, _MOST_RANKS if self._options.may_grow else 0),
            n_workers=n_places,
            threads=self._threads,
            libraries=libraries,
            argv=list(getattr(sys, "argv", [""])),
            decides_steps=self._control.judge is not None,
            environ=self._environ,
        )

    # ---- what the scheduler says

    def carry_out(self, instruction: m.Instruction) -> bytes:
        """Tell the agent of the rank; see `Carrier`."""
        if isinstance(instruction, m.StartPlace):
            self._start_place(instruction)
        elif isinstance(instruction, m.RecordLoss):
            return self._outcome_of_loss(instruction)
        elif (agent := self._agents.of_rank(instruction.rank)) is not None:
            agent.tell(self._message(instruction))
        elif isinstance(instruction, m.RetirePlace) and self._agents.drop(instruction.rank):
            self._events.append(m.PlaceGone(instruction.rank))
        return b""

    def _message(self, instruction: m.Instruction) -> Any:
        match instruction:
            case m.SendChunk():
                proposed = getattr(self._program, "proposed", None)
                points = b"" if proposed is None else proposed.packed(instruction.chunk)
                return p.RunChunk(instruction.rank, instruction.chunk, points)
            case m.AnswerStep():
                return p.StepAnswer(instruction.rank, instruction.index, instruction.goes_on)
            case m.RetirePlace():
                return p.RetireWorker(instruction.rank)
            case _:
                raise TypeError(f"{instruction!r} is for no worker")

    def _start_place(self, instruction: m.StartPlace) -> None:
        rank, share = instruction.rank, instruction.share
        if share is None:
            self._agents.want(rank)
            self._start_waiting()
        elif (agent := self._agents.place_on(share.machine, rank)) is not None:
            agent.tell(p.StartWorker(rank, self._log_size(rank), share))
        else:
            self._events.append(m.PlaceGone(rank))

    def _start_waiting(self) -> None:
        """Start workers where agents have room for them."""
        for rank, agent in self._agents.placed(self.scheduler.held()):
            agent.tell(p.StartWorker(rank, self._log_size(rank)))

    def _log_size(self, rank: int) -> int:
        if self._options.folder is not None:
            with suppress(OSError):
                return log_path(self._options.folder, rank).stat().st_size
        return 0

    def _outcome_of_loss(self, loss: m.RecordLoss) -> bytes:
        assert loss.rank is not None  # since no `AllPlacesGone` is reported
        fields = {n: x for n, x in self._evidence.get(loss.rank, {}).items() if n != "status"}
        fields["n_steps"] = self._control.steps.count(loss.index, loss.attempt)
        status, attempt = loss.status, loss.attempt
        lost = self._program.outcome_of_lost(loss.index, status=status, attempt=attempt, **fields)
        return encode([lost])

    # ---- what agents say

    def poll(self, seconds: float, *, wants_rest: bool, has_room: bool) -> _Items:
        """Send what is to be sent, and listen; see `Carrier`."""
        self._agents.look()
        self._control.note(self._unmet.notes(self._waiting_needs(), time.monotonic()))
        if self._agents.grow():
            yield m.TimePassed()  # the scheduler starts more places
        self._start_waiting()
        wishes = p.Wishes(wants_rest, has_room)
        if wishes != self._wishes:
            self._wishes = wishes
            self._agents.tell_all(wishes)
        self._agents.send()
        yield from self._take_events()
        for agent, news in self._agents.news(seconds):
            if news is None:
                yield from self._lose(agent)
            else:
                for message in news:
                    yield from self._hear(agent, message)
        yield from self._take_events()

    def _waiting_needs(self) -> list[Resources]:
        """The needs of settings that wait for a node."""
        if self._machines is not None:
            return cast("SharingScheduler", self.scheduler).unmet()
        is_waiting = self.scheduler.remaining and not self._agents.have_begun
        return [Resources()] if is_waiting else []

    def _take_events(self) -> Iterator[m.Event]:
        events, self._events = self._events, []
        yield from events

    def _hear(self, agent: RemoteAgent, message: Any) -> _Items:
        match message:
            case p.OutcomeBatch(data):
                yield data
            case p.WorkerEvent(event, loss):
                yield from self._hear_event(agent, event, loss)
            case p.StepsMade(data):
                self._control.steps.record(data)
            case p.WorkersNow(activities):
                agent.note(activities)
            case p.LogPart():
                add_part(self._options.folder, message)
            case p.UserNotes(sentences):
                self._control.note(sentences)
            case p.AgentBegun(facts):
                self._agents.begun(agent)
                agent.tell(self._wishes)
                if self._machines is not None and facts is not None:
                    machine = self._machines.machine_of(agent.node, facts)
                    yield m.MachineReady(agent.node.key, machine, agent.n_workers)
            case p.NeedsPayload(has_folder):
                self._bring_payload(agent, has_folder)
            case p.AgentFailed(error):
                raise EngineError(f"the agent on {agent.node.name} has failed: {error}")
            case p.AgentEnded():
                yield from self._lose(agent)
            case _:
                raise TypeError(f"{message!r} is no message of an agent")

    def _hear_event(
        self, agent: RemoteAgent, event: m.PlaceEvent, loss: Mapping[str, Any] | None
    ) -> Iterator[m.Event]:
        if event.rank not in agent.ranks:
            return
        if isinstance(event, m.PlaceGone):
            agent.free(event.rank)
            if loss is not None:
                self._evidence[event.rank] = loss
        yield event

    def _lose(self, agent: RemoteAgent) -> Iterator[m.Event]:
        """Report the workers of an agent that is gone; no setting is to blame for that.

        Idle workers are reported first, since the scheduler would otherwise give them the settings
        of the busy ones. The worker with the lowest setting is reported last, so that this setting
        is handed out next.
        """
        if self._machines is not None:
            self._machines.drop(agent.node)
            yield m.MachineGone(agent.node.key)
        ranks = self._agents.lose(agent)
        for rank in sorted(ranks, key=self._first_of, reverse=True):
            self._evidence[rank] = {
                "error": f"killed: the agent on {agent.node.name} ended while this setting ran, as "
                "agents had before: it may be too large for a node",
                "started": time.time(),
                "seconds": 0.0,
                "rank": rank,
            }
            yield m.PlaceGone(rank, is_blameless=True)

    def _first_of(self, rank: int) -> float:
        """The first setting of a worker that has not ended; infinity if it has none."""
        return next(iter(self.scheduler.unfinished(rank)), float("inf"))

    def _bring_payload(self, agent: RemoteAgent, has_folder: bool) -> None:
        """Have the payload reach an agent on another host: by a file, or by the cluster itself."""
        assert self._packed is not None
        folder = self._options.folder
        if has_folder and folder is not None:
            with suppress(OSError):
                self._copies = self._copies or self._packed.in_files(folder / "payload")
        if has_folder and self._copies is not None:
            agent.tell(p.TakePayload(self._copies))
        else:
            self._brought = self._brought or p.packed([p.TakePayload(self._packed.portable())])
            agent.bring(self._brought)

    # ---- the end

    def finish(self, *, is_hurried: bool) -> Iterator[bytes]:
        """Have all workers tear down; see `Carrier`."""
        if not self._is_begun:
            return
        self._agents.drop_late()
        self._agents.tell_all(p.EndPool(is_hurried))
        deadline = time.monotonic() + (_END if is_hurried else float("inf"))
        while self._agents.are_left and time.monotonic() < deadline:
            if self._control.stopping and not is_hurried:
                is_hurried, deadline = True, time.monotonic() + _END
                self._agents.tell_all(p.EndPool(is_hurried))
            self._agents.send()
            for agent, news in self._agents.news(0.02):
                for message in news or [p.AgentEnded()]:
                    yield from (x for x in self._hear(agent, message) if isinstance(x, bytes))

    def close(self) -> None:
        """End all agents."""
        if not self._is_begun:
            return
        self._feed.on_change(lambda: None)
        try:
            self._agents.close()
        finally:
            if self._packed is not None:
                self._packed.close()
            if self._copies is not None and self._options.folder is not None:
                shutil.rmtree(self._options.folder / "payload", ignore_errors=True)

    def explain(self, error: BaseException) -> BaseException:
        """An error as the user should read it."""
        return error
