"""Clusters for all tests here; where something is missing they skip, unless that is forbidden."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.cluster.dask_cluster import DaskServers
from tests.cluster.hosts import missing
from tests.cluster.ray_cluster import RayServers

Servers = TypeVar("Servers", DaskServers, RayServers)


@pytest.fixture(autouse=True)
def no_children() -> None:
    """In place of the fixture of all tests: servers outlive a test."""


@pytest.fixture(scope="session")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that no node sees."""
    return tmp_path_factory.mktemp("hidden")


def needed(package: str) -> None:
    """Skip or fail where a cluster cannot be set up."""
    is_there = importlib.util.find_spec(package) is not None
    lack = missing() if is_there else f"{package} is not installed: make test-cluster"
    if lack is not None:
        if os.environ.get("SUPERPARAMS_CLUSTER"):
            pytest.fail(lack)
        pytest.skip(lack)


@contextmanager
def started(servers: Servers) -> Generator[Servers]:
    """Servers with two nodes."""
    try:
        servers.start(2)
        yield servers
    finally:
        servers.close()


@pytest.fixture(scope="session")
def dask(tmp_path_factory: pytest.TempPathFactory, hidden: Path) -> Iterator[DaskServers]:
    needed("distributed")
    with started(DaskServers(tmp_path_factory.mktemp("dask"), hidden)) as servers:
        yield servers


@pytest.fixture(scope="session")
def ray_servers(tmp_path_factory: pytest.TempPathFactory, hidden: Path) -> Iterator[RayServers]:
    needed("ray")
    with started(RayServers(tmp_path_factory.mktemp("ray"), hidden)) as servers:
        yield servers
