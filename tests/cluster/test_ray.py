"""Our pools on the nodes of a real Ray cluster, whose hosts share nothing but some folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from superparams import search
from superparams.adapters.processors import cores
from superparams.errors import EngineError
from superparams.executor import Ray
from superparams.executor.engines.clusters.cluster import ClusterNode, NodeGone
from superparams.executor.engines.worker_versions import versions_here
from tests.cluster.ray_cluster import RayServers
from tests.cluster.real_cluster import RealCluster
from tests.contracts.cluster import Waits
from tests.contracts.cluster_resources import LARGE, SMALL, ResourceContract, Trained
from tests.timing import wait_for


class TestRay(RealCluster):
    scheme = "ray"

    @pytest.fixture
    def engine(self, ray_servers: RayServers) -> Any:
        ray_servers.wait_for(2)
        return Ray(ray_servers.address)

    @pytest.fixture
    def address(self, ray_servers: RayServers) -> str:
        return ray_servers.address

    @pytest.fixture
    def engine_word(self, ray_servers: RayServers, monkeypatch: pytest.MonkeyPatch) -> str:
        """The word, which finds the cluster by a variable."""
        monkeypatch.setenv("RAY_ADDRESS", ray_servers.address)
        return "ray"

    @pytest.fixture
    def later(self, ray_servers: RayServers) -> Iterator[Any]:
        """Starts one more host, which is gone after the test."""
        hosts: list[Any] = []
        yield lambda: hosts.append(ray_servers.add())
        for host in hosts:
            host.close()


class TrainedOnLarge(Trained):
    """Settings of other nodes wait until the large node has run one."""

    folder_of_marks: str = ""
    a: int = search(range(12))

    def run(self) -> dict[str, Any]:
        row = super().run()
        mark = Path(self.folder_of_marks) / "large"
        if row["node_name"] == LARGE:
            mark.touch()
        wait_for(mark.exists)
        return row


@pytest.fixture(scope="class")
def uneven(ray_servers: RayServers) -> Iterator[Any]:
    """An engine whose cluster has a large node and a small one; see `ResourceContract`."""
    ray_servers.wait_for(2)
    devices = {"CUDA_VISIBLE_DEVICES": "GPU-a,7", "NODE_NAME": LARGE}
    amounts = ["--num-cpus", "2", "--num-gpus", "2", "--memory", "900000000"]
    hosts = [ray_servers.add(amounts=amounts, environ=devices)]
    ray_servers.wait_for(3)  # Ray cannot start two nodes of one machine at a time
    amounts = ["--num-cpus", "1", "--memory", "600000000"]
    hosts.append(ray_servers.add(amounts=amounts, environ={"NODE_NAME": SMALL}))
    ray_servers.wait_for(4)
    yield Ray(ray_servers.address)
    for host in hosts:
        host.close()
    ray_servers.wait_for(2)


class TestRayResources(ResourceContract):
    """Beside the nodes of one processor that are there."""

    @pytest.fixture
    def engine(self, uneven: Any) -> Any:
        return uneven

    def test_workers_divide_the_cores_of_a_node(
        self, run: Callable[..., Any], tmp_path: Path
    ) -> None:
        """Ray gives its actor a thread for each processor of it."""
        rows = run(TrainedOnLarge(folder_of_marks=str(tmp_path)))
        rows = [row for row in rows if row["node_name"] == LARGE]
        assert {row["omp_num_threads"] for row in rows} == {str(max(1, cores() // 2))}


def test_a_node_with_another_version_is_refused(tmp_path: Path, ray_servers: RayServers) -> None:
    about = tmp_path / "more" / "superparams-0.0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: superparams\nVersion: 0.0.1\n")
    ray_servers.wait_for(2)
    host = ray_servers.add(python_path=[about.parent])
    ray_servers.wait_for(3)
    try:
        # Settings of other nodes wait, so that the run is not over before the node is refused.
        with pytest.raises(EngineError, match=r"no agent .* have superparams 0\.0\.1, and this"):
            Waits(folder_of_marks=str(tmp_path)).run_all(
                engine=Ray(ray_servers.address), progress=False, results=tmp_path / "results"
            )
    finally:
        host.close()
        ray_servers.wait_for(2)


def test_a_node_that_has_died_since_is_gone(ray_servers: RayServers) -> None:
    """It does not end the run."""
    ray_servers.wait_for(2)
    cluster = Ray(ray_servers.address, gpus=1).cluster()
    assert len(cluster.nodes()) == 2
    with pytest.raises(NodeGone):
        cluster.start(ClusterNode("a1" * 28, "a node", 1), versions_here())


def test_where_there_is_no_cluster_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="ray is not installed: make test-cluster")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", _fails)
    with pytest.raises(EngineError, match=r"engine=Ray\('h:1'\): ConnectionError.*that runs"):
        Ray("h:1").cluster()


def _fails(**_: object) -> None:
    raise ConnectionError("nobody answers")
