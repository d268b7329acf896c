"""Resources on a small cluster of real processes, and which nodes a run takes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superparams import Resources, search
from superparams.errors import EngineError
from superparams.executor.engines.clusters.agent_protocol import NodeFacts
from superparams.executor.engines.clusters.cluster import ClusterNode
from superparams.executor.engines.clusters.cluster_machines import ClusterMachines
from superparams.executor.scheduler.machine import Machine
from superparams.executor.setting_needs import SettingNeeds
from tests.contracts.cluster import agent_pid, attempts
from tests.contracts.cluster_resources import (
    LARGE,
    MB,
    SMALL,
    OneDevice,
    ResourceContract,
    Trained,
    check_trials,
    rows_of,
)
from tests.contracts.test_engine_agents import running
from tests.small_agents import SmallAgents
from tests.timing import wait_for

DEVICES = "GPU-a", "7"


class TestSmallCluster(ResourceContract):
    @pytest.fixture
    def engine(self) -> SmallAgents:
        memory = {0: 600 * MB, 1: 900 * MB}
        return SmallAgents(1, 2, devices={1: DEVICES}, memory=memory, names=[SMALL, LARGE])

    def test_trials_with_one_worker(self, run: Callable[..., Any]) -> None:
        check_trials(run, 1)


class WaitsForTwo(Trained):
    """Each setting needs all of a small node, and waits until the test lets it go on."""

    folder_of_marks: str = ""
    resources = Resources(cpus=2)
    a: int = search(range(4))

    def run(self) -> dict[str, Any]:
        folder = Path(self.folder_of_marks)
        (folder / str(self.a)).write_text(".")
        wait_for((folder / "go").exists)
        return super().run()


@pytest.mark.parametrize(("num_proc", "n_at_once"), [(None, 3), (2, 2)])
def test_nodes_that_come_later_give_room(
    tmp_path: Path, num_proc: int | None, n_at_once: int
) -> None:
    engine = SmallAgents(2)
    with running(WaitsForTwo, engine, tmp_path, num_proc) as results:
        wait_for(lambda: len(attempts(tmp_path)) == 1)
        engine.cpus.append(5)
        wait_for(lambda: len(attempts(tmp_path)) == n_at_once)
    assert results[0].counts == {"done": 4}


def test_as_many_nodes_as_settings_have_room_on(tmp_path: Path) -> None:
    """Two settings at once need two nodes, each of which has two processors."""
    engine = SmallAgents(2, 2, 1, 2)
    with running(WaitsForTwo, engine, tmp_path, 2):
        wait_for(lambda: len(attempts(tmp_path)) == 2)
    assert len(engine.started) == 2


class KillsItsNode(OneDevice):
    marks: str = ""

    def run(self) -> dict[str, Any]:
        mark = Path(self.marks) / "killed"
        if self.a == 3 and not mark.exists():
            mark.touch()
            os.kill(agent_pid(), signal.SIGKILL)
        return super().run()


def test_a_node_that_dies_gives_its_devices_back(tmp_path: Path) -> None:
    engine = SmallAgents(1, 2, devices={1: DEVICES})
    space = KillsItsNode(marks=str(tmp_path))
    results = space.run_all(engine=engine, progress=False, results=tmp_path / "results")
    assert results.counts == {"done": 6}
    assert {row["cuda_visible_devices"] for row in rows_of(results)} <= set(DEVICES)


class Overstated(SmallAgents):
    """Each node says that it has two devices."""

    def nodes(self) -> list[ClusterNode]:
        return [one._replace(n_devices=2) for one in super().nodes()]


def test_devices_that_a_node_turns_out_to_lack_are_refused(tmp_path: Path) -> None:
    """The cluster says two, and the process on the node sees none: nobody waits for ever."""
    with pytest.raises(EngineError, match=r"gpus=1: no node .* the most is 0 devices"):
        OneDevice().run_all(engine=Overstated(1), progress=False, results=tmp_path)


def test_another_node_is_taken_where_the_first_one_lacks_devices(tmp_path: Path) -> None:
    engine = Overstated(1, 1, devices={1: DEVICES})
    results = OneDevice().run_all(1, engine=engine, progress=False, results=tmp_path)
    assert results.counts == {"done": 6}
    assert len(engine.started) == 2


# ---- plain data


def machines(cls: type[Trained], *nodes: ClusterNode) -> ClusterMachines:
    needs = SettingNeeds(cls())
    if needs.of_class is None:
        needs.split([range(6)])
    return ClusterMachines(needs, lambda: nodes, "as somebody says")


class Both(Trained):
    resources = Resources(cpus=2, gpus=1, memory="1GB")


CPUS = ClusterNode("a", "a", 4, memory=2 * 10**9)
GPUS = ClusterNode("b", "b", 1, 4, 2 * 10**9)


def test_no_single_node_has_all_of_it() -> None:
    with pytest.raises(EngineError, match=r"cpus=2, gpus=1, memory='1GB': no node .* all of this"):
        machines(Both, CPUS, GPUS)
    machines(Both, CPUS, GPUS, ClusterNode("c", "c", 2, 1, 10**9))


def test_where_no_node_is_known_nothing_is_refused() -> None:
    """A cluster may start its nodes once there is a client."""
    assert machines(Both).needs.capacity is not None


def test_what_a_run_takes_of_a_node() -> None:
    node = ClusterNode("a", "a", 8, 4, 16 * 10**9)
    found = machines(Both, node)
    assert found.part_of(node, 1, has_more=False) == node._replace(
        n_cpus=2, n_devices=1, memory=10**9
    )
    assert found.part_of(node, 8, has_more=False) == node._replace(memory=8 * 10**9)
    assert machines(OneDevice, node).part_of(node, 2, has_more=False) == node._replace(
        n_cpus=2, n_devices=2, memory=None
    )


def test_nodes_of_one_host_get_different_devices() -> None:
    """As where each process sees all devices of its host, and may use one."""
    nodes = [ClusterNode(key, key, 1, 1, host="h") for key in "abc"]
    found = machines(OneDevice, *nodes, ClusterNode("d", "d", 1, 1, host="other"))
    given = [found.machine_of(node, NodeFacts(10**9, ("0", "1"))).devices for node in nodes]
    assert given == [("0",), ("1",), ()]
    found.drop(nodes[0])
    assert found.machine_of(nodes[2], NodeFacts(10**9, ("0", "1"))).devices == ("0",)
    other = ClusterNode("d", "d", 1, 1, host="other")
    assert found.machine_of(other, NodeFacts(5, ("0", "1"))) == Machine(1, 5, ("0",))


class SixteenGB(Trained):
    resources = Resources(memory="16GB")


def test_a_node_that_has_less_than_was_said_leaves_others_wanted() -> None:
    """So a run with all the workers that it may have takes another node."""
    nodes = ClusterNode("a", "a", 4, 2), ClusterNode("b", "b", 4, 2)
    found = machines(OneDevice, *nodes)
    part = found.part_of(nodes[0], 2, has_more=False)
    assert found.lacking([part], 2) == []
    found.machine_of(part, NodeFacts(10**9, ()))
    assert found.lacking([part], 2) == [OneDevice.resources]
    nodes = ClusterNode("a", "a", 4), ClusterNode("b", "b", 4)
    found = machines(SixteenGB, *nodes)
    part = found.part_of(nodes[0], 2, has_more=False)
    found.machine_of(part, NodeFacts(8 * 10**9, ()))
    assert found.lacking([part], 2) == [SixteenGB.resources]
    assert found.lacking([part, nodes[1]], 2) == []


@pytest.mark.parametrize(
    ("gpus", "n_workers", "n_devices"),
    [(0.6, 5, 5), (0.4, 5, 3), (0.75, 4, 4), (0.5, 4, 2), (0.1, 10, 1), (0.3, 4, 2), (0.6, 9, 8)],
)
def test_settings_that_share_devices_get_enough_of_them(
    gpus: float, n_workers: int, n_devices: int
) -> None:
    """A fraction of a device that is left over is of no use."""
    node = ClusterNode("a", "a", 16, 8)
    found = machines(OneDevice, node)
    found.needs.known = dict.fromkeys([Resources(gpus=gpus), Resources(gpus=0)], 0)
    part = found.part_of(node, n_workers, has_more=False)
    assert part.n_devices == n_devices
    assert part.capacity(Resources(gpus=gpus)) >= min(n_workers, n_devices * int(1 / gpus + 1e-9))


def test_a_node_that_came_later_counts_before_a_proposal_is_refused() -> None:
    """No other node was looked for meanwhile, since there was room for all that ran."""
    nodes = [ClusterNode("a", "a", 4, 2)]
    needs = SettingNeeds(Asks())
    ClusterMachines(needs, lambda: nodes, "as somebody says")
    needs.split([range(1, 2)])
    with pytest.raises(EngineError, match=r"gpus=4 for Asks\(a=4.*the most is 2 devices"):
        needs.split([range(4, 5)])
    nodes.append(ClusterNode("b", "b", 1, 4))
    needs.split([range(4, 5)])
    assert Resources(gpus=4) in needs.known


class Asks(Trained):
    def resources(self) -> Resources:
        return Resources(gpus=self.a)
