"""Agents that leave a run, as the driver accounts for them: agents without nodes, and no waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import pytest

from superparams import Resources, search
from superparams.executor.engines import drive
from superparams.executor.engines.clusters import agent_protocol as p
from superparams.executor.engines.clusters.agent_carrier import AgentCarrier
from superparams.executor.engines.clusters.cluster import AgentLine, ClusterNode, NodeGone
from superparams.executor.engines.clusters.cluster_machines import ClusterMachines
from superparams.executor.engines.clusters.remote_agent import RemoteAgent
from superparams.executor.engines.contract import Control, Options
from superparams.executor.engines.feed import Feed
from superparams.executor.program import Program
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.step_decisions import StepJudge
from superparams.executor.setting_needs import SettingNeeds
from tests.contracts.cluster_resources import Trained


class NoCluster:
    """A cluster whose agents a test has started."""

    def nodes(self) -> Sequence[ClusterNode]:
        return []

    def start(self, node: ClusterNode, versions: Mapping[str, str]) -> AgentLine:
        raise NodeGone

    def close(self) -> None:
        pass


class GoesOn:
    """Lets each setting go on; see `StepJudge`."""

    notes: Sequence[str] = ()

    def add(self, indices: Sequence[range]) -> None:
        pass

    def step(self, index: int, row: Mapping[str, object]) -> Sequence[tuple[int, bool]]:
        return [(index, True)]

    def ended(self, index: int) -> Sequence[tuple[int, bool]]:
        return []

    def lost(self, index: int) -> Sequence[tuple[int, bool]]:
        return []


@dataclass
class PlainProgram:
    """What a carrier asks of a program, if no worker runs."""

    setting_needs: SettingNeeds | None = None

    def outcome_of_lost(self, index: int, **fields: Any) -> NoReturn:
        raise AssertionError(f"setting {index} is blamed: {fields}")


class OneAgent(RemoteAgent):
    """An agent that tells what a test has it tell, and keeps what it is told."""

    def __init__(self, node: ClusterNode) -> None:
        def start() -> NoReturn:
            raise NodeGone

        super().__init__(node, node.n_cpus, start, lambda agent, heard: None)
        self.told: list[Any] = []

    def tell(self, message: Any) -> None:
        self.told.append(message)


class Driver:
    """The driver of a run, with agents that have begun as far as a test has them begin."""

    def __init__(
        self,
        n_settings: int,
        nodes: Sequence[ClusterNode],
        judge: StepJudge | None = None,
        cls: type[Trained] | None = None,
    ) -> None:
        control = Control()
        control.judge = judge
        needs = machines = None
        feed = Feed([range(n_settings)])
        if cls is not None:
            needs = SettingNeeds(cls())
            machines = ClusterMachines(needs, lambda: nodes, "as a test says")
            needs.split(feed.first)
        program = cast("Program", PlainProgram(needs))
        options = Options(num_proc=sum(node.n_cpus for node in nodes))
        self.carrier = AgentCarrier(NoCluster(), program, feed, options, control, None, machines)
        self.scheduler = self.carrier.scheduler
        self.agents = [OneAgent(node) for node in nodes]
        self.carrier._agents._agents = {one.node.key: one for one in self.agents}
        self.tell(feed.news())
        self.tell([m.TimePassed()])

    def tell(self, items: Iterable[m.Event | bytes]) -> None:
        for item in items:
            if not isinstance(item, bytes):
                assert not list(drive.handle(self.carrier, self.scheduler, item))
        self.carrier._start_waiting()

    def hear(self, agent: RemoteAgent, *messages: Any) -> None:
        for message in messages:
            self.tell(self.carrier._hear(agent, message))

    def begin(self, agent: RemoteAgent) -> None:
        """An agent begins, and all workers that it is told to start."""
        self.hear(agent, p.AgentBegun(p.NodeFacts(10**9, ())))
        for rank in sorted(agent.ranks):
            self.hear(agent, p.Happened(m.PlaceReady(rank)))

    def end(self, agent: RemoteAgent, rank: int, seconds: float = 1.0) -> None:
        """A worker has run all of its chunk."""
        count = len(self.scheduler.unfinished(rank))
        for event in (m.SettingsEnded(rank, count), m.ChunkOver(rank, seconds)):
            self.hear(agent, p.Happened(event))

    def lose(self, agent: RemoteAgent) -> None:
        self.tell(self.carrier._lose(agent))
        self.tell(self.carrier._take_events())


def chunks(agent: OneAgent) -> list[tuple[int, Chunk]]:
    return [(one.rank, one.chunk) for one in agent.told if isinstance(one, p.RunChunk)]


def started(agent: OneAgent) -> list[int]:
    return [one.rank for one in agent.told if isinstance(one, p.StartWorker)]


# ---- idle workers beside the one that runs


@pytest.mark.parametrize("judge", [None, GoesOn()])
def test_a_node_that_leaves_costs_its_settings_one_loss(judge: StepJudge | None) -> None:
    """Workers of that node that are idle do not get the setting: each would lose it again."""
    driver = Driver(3, [ClusterNode("a", "a", 3), ClusterNode("b", "b", 3)], judge)
    first, second = driver.agents
    driver.begin(first)
    assert [rank for rank, _ in chunks(first)] == [0, 1, 2]
    driver.end(first, 1)
    driver.end(first, 2)
    n_told = len(first.told)
    driver.lose(first)
    assert first.told[n_told:] == []
    driver.begin(second)
    ((rank, chunk),) = chunks(second)
    assert (list(chunk), chunk.is_alone) == ([0], False)
    driver.end(second, rank)
    assert driver.scheduler.is_over


class OneOfAnother(Trained):
    a: int = search(range(40))

    def resources(self) -> Resources:
        return Resources(cpus=1, memory=1 if self.a == 1 else None)


def test_a_rank_is_started_once_after_its_node_has_left() -> None:
    """An idle worker of the node makes room for settings that were in another one."""
    nodes = [ClusterNode("a", "a", 2), ClusterNode("b", "b", 3)]
    driver = Driver(2, nodes, cls=OneOfAnother)
    driver.scheduler.limits.n_places = 2
    first, second = driver.agents
    driver.begin(first)
    driver.hear(second, p.AgentBegun(p.NodeFacts(10**9, ())))
    driver.end(first, 0, 1e-4)
    driver.tell([m.WorkAdded([range(2, 3)])])
    driver.end(first, 0, 1e-4)
    driver.tell([m.WorkAdded([range(3, 10)])])
    driver.end(first, 1)
    assert [(rank, len(chunk)) for rank, chunk in chunks(first)][3:] == [(0, 7)]
    driver.lose(first)
    assert sorted(started(second)) == [0, 1]
