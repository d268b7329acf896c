"""Agents that leave a run, as the driver accounts for them: agents without nodes, and no waits."""

from __future__ import annotations

import time
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
from superparams.executor.engines.clusters.unmet_needs import UnmetNeeds
from superparams.executor.engines.contract import Control, Options
from superparams.executor.engines.feed import Feed
from superparams.executor.program import Program
from superparams.executor.scheduler import messages as m
from superparams.executor.scheduler.chunk import Chunk
from superparams.executor.scheduler.step_decisions import StepJudge
from superparams.executor.setting_needs import SettingNeeds
from superparams.strategies import ASHA
from superparams.strategies.stop_decisions import StopDecisions
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

    def restarted(self, index: int) -> None:
        pass


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
        self.new: set[int] = set()  # workers that are not ready
        self.answers: dict[int, list[bool]] = {}  # to the steps of the setting of each rank

    def tell(self, message: Any) -> None:
        self.told.append(message)
        if isinstance(message, p.StartWorker):
            self.new.add(message.rank)
        elif isinstance(message, p.RunChunk):
            self.answers[message.rank] = []
        elif isinstance(message, p.StepAnswer):
            self.answers[message.rank].append(message.goes_on)


class Driver:
    """The driver of a run, with agents that have begun as far as a test has them begin."""

    def __init__(
        self,
        n_settings: int,
        nodes: Sequence[ClusterNode],
        judge: StepJudge | None = None,
        cls: type[Trained] | None = None,
    ) -> None:
        self.control = control = Control()
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

    def begin(self, agent: RemoteAgent, *devices: str) -> None:
        """An agent begins, and all workers that it is told to start."""
        self.hear(agent, p.AgentBegun(p.NodeFacts(10**9, devices)))
        for rank in sorted(agent.ranks):
            self.hear(agent, p.WorkerEvent(m.PlaceReady(rank)))

    def end(self, agent: RemoteAgent, rank: int, seconds: float = 1.0) -> None:
        """A worker has run all of its chunk."""
        count = len(self.scheduler.unfinished(rank))
        for event in (m.SettingsEnded(rank, count), m.ChunkOver(rank, seconds)):
            self.hear(agent, p.WorkerEvent(event))

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


# ---- settings that wait at steps


def score(index: int, n_steps: int) -> dict[str, float]:
    return {"score": (index * 7 % 5) * (n_steps + 1.0)}


class Curves:
    """Has settings make four steps each, the scores of which follow from the index."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.ended: dict[int, int] = {}  # the number of steps by setting

    def move(self, agent: OneAgent) -> bool:
        """Have each worker of an agent do what comes next; whether there was anything to do."""
        driver, has_moved = self.driver, False
        for rank in sorted(agent.new):
            agent.new.remove(rank)
            driver.hear(agent, p.WorkerEvent(m.PlaceReady(rank)))
            has_moved = True
        for rank in sorted(agent.ranks - driver.scheduler.held()):
            for index in driver.scheduler.unfinished(rank):
                n_steps, has_moved = len(agent.answers[rank]), True
                if n_steps == 4 or not all(agent.answers[rank]):
                    assert index not in self.ended
                    self.ended[index] = n_steps
                    driver.end(agent, rank)
                else:
                    step = m.StepMade(rank, index, score(index, n_steps))
                    driver.hear(agent, p.WorkerEvent(step))
        return has_moved

    def move_all(self, agent: OneAgent) -> None:
        while self.move(agent):
            pass


def stopped(n_settings: int) -> StopDecisions:
    return StopDecisions(ASHA(minimize="score", reduction_factor=2), [range(n_settings)])


class OneProcessor(Trained):
    a: int = search(range(12))
    resources = Resources(cpus=1)


class OneDevice(OneProcessor):
    resources = Resources(gpus=1)


@pytest.mark.parametrize("cls", [None, OneProcessor])
@pytest.mark.parametrize("n_lost", range(1, 6))
def test_settings_of_a_node_that_left_run_though_all_workers_wait_at_steps(
    n_lost: int, cls: type[Trained] | None
) -> None:
    """The workers that are left wait for settings that have none, so there is one more."""
    n_settings, alone = 12, ClusterNode("a", "a", 1)
    expected = Curves(Driver(n_settings, [alone], stopped(n_settings)))
    expected.driver.begin(expected.driver.agents[0])
    expected.move_all(expected.driver.agents[0])
    assert sorted(expected.ended) == list(range(n_settings))
    assert len(set(expected.ended.values())) > 1, "some are stopped"

    nodes = [ClusterNode("a", "a", n_lost), ClusterNode("b", "b", 2)]
    driver = Driver(n_settings, nodes, stopped(n_settings), cls)
    first, second = driver.agents
    curves = Curves(driver)
    driver.begin(first)
    first.new.clear()
    assert [list(chunk) for _, chunk in chunks(first)] == [[index] for index in range(n_lost)]
    driver.begin(second)
    second.new.clear()
    for rank in range(1, n_lost):  # these wait for the first one
        driver.hear(first, p.WorkerEvent(m.StepMade(rank, rank, score(rank, 0))))
    curves.move_all(second)
    assert driver.scheduler.held() == {*second.ranks, *range(1, n_lost)}, "all but one wait"
    driver.lose(first)
    curves.move_all(second)
    assert driver.scheduler.is_over
    assert curves.ended == expected.ended
    assert len(started(second)) == 3, "one more, once"


def test_as_long_as_a_worker_runs_no_node_has_one_more() -> None:
    driver = Driver(4, [ClusterNode("a", "a", 2), ClusterNode("b", "b", 1)], stopped(4))
    first, second = driver.agents
    driver.begin(first)
    driver.begin(second)
    driver.hear(second, p.WorkerEvent(m.StepMade(2, 2, {"score": 1.0})))
    assert driver.scheduler.held() == {2}
    driver.lose(second)
    assert started(first) == [0, 1]
    driver.hear(first, p.WorkerEvent(m.StepMade(1, 1, {"score": 1.0})))
    assert started(first) == [0, 1]
    driver.end(first, 0)
    driver.end(first, 1)
    assert [list(chunk) for _, chunk in chunks(first)] == [[0], [1], [2], [3]]


# ---- settings that wait for a node


def waited(driver: Driver) -> list[str]:
    """The notes, if it goes on like this for a minute."""
    unmet = UnmetNeeds()
    assert list(unmet.notes(driver.carrier._waiting_needs(), 0.0)) == []
    assert list(unmet.notes(driver.carrier._waiting_needs(), 29.0)) == []
    return list(unmet.notes(driver.carrier._waiting_needs(), 60.0))


def test_a_run_says_that_no_node_is_there() -> None:
    driver = Driver(2, [ClusterNode("a", "a", 1)])
    (agent,) = driver.agents
    (note,) = waited(driver)
    assert note == "settings have waited for more than 30 seconds for a node"
    driver.carrier._unmet._since = {Resources(): time.monotonic() - 31}
    assert list(driver.carrier.poll(0.0, wants_rest=False, has_room=True)) == []
    assert list(driver.control.notes) == [note]
    driver.begin(agent)
    assert waited(driver) == []
    driver.lose(agent)
    assert waited(driver) == [note]


def test_a_run_says_which_need_waits_for_a_node() -> None:
    driver = Driver(3, [ClusterNode("a", "a", 1, 1)], cls=OneDevice)
    (agent,) = driver.agents
    driver.begin(agent, "0")
    assert waited(driver) == [], "two wait for a place, and there is one"
    driver.lose(agent)
    (note,) = waited(driver)
    assert note.endswith(" for a node with room for Resources(gpus=1)")


def test_a_run_says_that_all_workers_wait_for_a_setting_that_has_no_room() -> None:
    """Those that wait keep their devices."""
    nodes = [ClusterNode("a", "a", 1, 1), ClusterNode("b", "b", 1, 1)]
    driver = Driver(3, nodes, stopped(3), OneDevice)
    first, second = driver.agents
    driver.begin(first, "0")
    driver.begin(second, "0")
    driver.hear(second, p.WorkerEvent(m.StepMade(1, 1, score(1, 0))))
    assert waited(driver) == []
    driver.lose(first)
    (note,) = waited(driver)
    assert "Resources(gpus=1)" in note


def test_what_has_waited_and_waits_again_later_is_noted_by_the_later_time() -> None:
    unmet, need = UnmetNeeds(), Resources(cpus=1)
    assert list(unmet.notes([need], 0.0)) == []
    assert list(unmet.notes([], 20.0)) == []
    assert list(unmet.notes([need], 40.0)) == []
    assert list(unmet.notes([need], 60.0)) == []
    assert len(list(unmet.notes([need], 71.0))) == 1
