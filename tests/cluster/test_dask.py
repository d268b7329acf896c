"""Our pools on the workers of a real Dask cluster, whose hosts share nothing but some folders."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from superparams.errors import EngineError
from superparams.executor import Dask
from tests.cluster.dask_cluster import DaskServers
from tests.cluster.real_cluster import RealCluster
from tests.contracts.cluster import Counted
from tests.contracts.cluster_resources import LARGE, SMALL, ResourceContract


class TestDask(RealCluster):
    scheme = "dask"

    @pytest.fixture
    def engine(self, dask: DaskServers) -> Any:
        dask.wait_for(2)
        return Dask(dask.client)

    @pytest.fixture
    def address(self, dask: DaskServers) -> str:
        return dask.address

    @pytest.fixture
    def later(self, dask: DaskServers) -> Iterator[Any]:
        """Starts one more host, which is gone after the test."""
        hosts: list[Any] = []
        yield lambda: hosts.append(dask.add())
        for host in hosts:
            host.close()
        dask.wait_for(2)


@pytest.fixture(scope="class")
def uneven(dask: DaskServers) -> Iterator[Any]:
    """An engine whose cluster has a large node and a small one; see `ResourceContract`."""
    dask.wait_for(2)
    devices = {"CUDA_VISIBLE_DEVICES": "GPU-a,7", "NODE_NAME": LARGE}
    amounts = ["--nthreads", "2", "--resources", "GPU=2", "--memory-limit", "900MB"]
    hosts = [dask.add(amounts=amounts, environ=devices)]
    amounts = ["--nthreads", "1", "--memory-limit", "600MB"]
    hosts.append(dask.add(amounts=amounts, environ={"NODE_NAME": SMALL}))
    dask.wait_for(4)
    yield Dask(dask.client)
    for host in hosts:
        host.close()
    dask.wait_for(2)


class TestDaskResources(ResourceContract):
    """Beside the nodes of one processor that are there."""

    @pytest.fixture
    def engine(self, uneven: Any) -> Any:
        return uneven


@pytest.fixture
def small(tmp_path: Path, dask: DaskServers) -> Iterator[DaskServers]:
    servers = DaskServers(tmp_path)
    yield servers
    servers.close()


def test_workers_with_another_version_are_refused(tmp_path: Path, small: DaskServers) -> None:
    about = tmp_path / "more" / "superparams-0.0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: superparams\nVersion: 0.0.1\n")
    small.start(1, python_path=[about.parent])
    with pytest.raises(EngineError, match=r"host 0: .* have superparams 0\.0\.1, and this"):
        Counted(folder_of_marks=str(tmp_path)).run_all(
            engine=Dask(small.client), progress=False, results=tmp_path / "results"
        )


def test_where_there_is_no_scheduler_the_error_says_so(dask: DaskServers) -> None:
    config = importlib.import_module("dask.config")
    soon = {"distributed.comm.timeouts.connect": "1s"}
    with (
        config.set(soon),
        pytest.raises(EngineError, match=r"Dask\('tcp://127\.0\.0\.1:9'\).* that runs"),
    ):
        Counted().run_all(engine=Dask("tcp://127.0.0.1:9"), progress=False)


def test_a_closed_client_is_told_from_a_scheduler_that_is_gone(dask: DaskServers) -> None:
    distributed = importlib.import_module("distributed")
    client = distributed.Client(dask.address, set_as_default=False)
    client.close()
    for num_proc in (2, "auto"):
        with pytest.raises(EngineError, match=r"Dask\(client\): the client is closed; give a dist"):
            Counted().run_all(num_proc, engine=Dask(client), progress=False)
    with pytest.raises(EngineError, match=r"takes no settings: .*; give an executor that is open"):
        Counted().run_all(2, engine=client.get_executor(), progress=False)
