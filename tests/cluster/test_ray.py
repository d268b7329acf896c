"""Our pools on the nodes of a real Ray cluster, whose hosts share nothing but some folders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from superparams.errors import EngineError
from superparams.executor import Ray
from tests.cluster.ray_cluster import RayServers
from tests.cluster.real_cluster import RealCluster


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


def test_where_there_is_no_cluster_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="ray is not installed: make test-cluster")
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", _fails)
    with pytest.raises(EngineError, match=r"engine=Ray\('h:1'\): ConnectionError.*that runs"):
        Ray("h:1").cluster()


def _fails(**_: object) -> None:
    raise ConnectionError("nobody answers")
