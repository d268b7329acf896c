"""The engine of Dask: an agent in each worker process of a cluster of dask.distributed.

An agent is an actor of Dask. Its methods are coroutines in the event loop of the worker process, so
they need none of its threads. Messages go through the scheduler, as all of Dask does by default.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from superparams.errors import EngineError
from superparams.executor.engines.clusters.cluster import AgentLine, ClusterNode, NodeGone
from superparams.executor.engines.clusters.cluster_engine import ClusterEngine
from superparams.executor.engines.clusters.node_agent import NodeAgent

__all__ = ["Dask"]

_CONNECT = 5.0  # seconds for a connection to a worker; without one, bytes take another way


class Dask(ClusterEngine):
    """Worker processes on the nodes of a Dask cluster, for ``engine=``.

    Each worker process of Dask gets an agent, which starts one worker for each thread of that
    process. Dask does not know of these workers, so give ``num_proc`` on a cluster that others use,
    too.

    Args:
        client: A `distributed.Client`, the address of a scheduler such as ``"tcp://host:8786"``,
            or None for the client that this process has.
        threads: BLAS and OpenMP threads of each worker; by default the cores of its node divided.

    Raises:
        EngineError: If dask.distributed is not installed.
    """

    name = "dask"
    device_source = "as `dask worker --resources GPU=` says"

    def __init__(self, client: Any = None, *, threads: int | None = None) -> None:
        super().__init__(threads)
        self._client = client

    def cluster(self) -> DaskCluster:
        """The cluster; a client that is made from an address ends with the run."""
        try:
            import distributed
        except ImportError as error:
            raise EngineError(
                "engine=Dask() needs dask.distributed: pip install 'superparams[dask]'"
            ) from error
        if self._client is not None and not isinstance(self._client, str):
            return DaskCluster(self._client)
        try:
            if self._client is None:
                return DaskCluster(distributed.get_client())
            address = self._client.replace("dask://", "tcp://")
            client = distributed.Client(address, set_as_default=False)
            return DaskCluster(client, is_own=True)
        except (OSError, ValueError) as error:
            where = "no client" if self._client is None else repr(self._client)
            raise EngineError(
                f"engine=Dask({'' if self._client is None else where}): {error}; give a "
                "distributed.Client, or the address of a scheduler that runs"
            ) from error

    def __repr__(self) -> str:
        return "Dask()" if self._client is None else f"Dask({self._client!r})"


class DaskCluster:
    """The cluster of a client, for one run; see `Cluster`."""

    def __init__(self, client: Any, *, is_own: bool = False) -> None:
        self._client = client
        self._is_own = is_own

    def nodes(self) -> Sequence[ClusterNode]:
        """The worker processes that the scheduler knows."""
        if self._client.status == "closed":  # Dask describes a closed client as one without workers
            raise EngineError(
                "engine=Dask(client): the client is closed; give a distributed.Client that is "
                "open, as inside its `with` block, or the address of a scheduler that runs"
            )
        try:
            workers: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception as error:
            raise EngineError(
                f"the scheduler of {self._client!r} cannot be reached: {type(error).__name__}: "
                f"{error}; start it, and run again: what has ended is kept"
            ) from error
        nodes: dict[str, ClusterNode] = {}
        for address, about in workers.items():
            # Several workers may be threads of one process, which gets one agent.
            process = address.rpartition("/")[0] if address.startswith("inproc:") else address
            node = _node(address, about)
            nodes[process] = _joined_node(nodes[process], node) if process in nodes else node
        return list(nodes.values())

    def start(self, node: ClusterNode, versions: Mapping[str, str]) -> AgentLine:
        """Start an actor; see `Cluster`."""
        return _DaskLine(self._client, node, versions)

    def close(self) -> None:
        """Close the client if it is ours."""
        if self._is_own:
            self._client.close()


def _node(address: str, about: Mapping[str, Any]) -> ClusterNode:
    """A worker process, as the scheduler describes it."""
    return ClusterNode(
        address,
        str(about["name"]),
        about["nthreads"],
        int(about["resources"].get("GPU", 0)),
        int(about["memory_limit"] or 0) or None,
        about["host"],
    )


def _joined_node(first: ClusterNode, second: ClusterNode) -> ClusterNode:
    """Two workers of one process."""
    return first._replace(
        n_cpus=first.n_cpus + second.n_cpus,
        n_devices=first.n_devices + second.n_devices,
        memory=first.memory and second.memory and first.memory + second.memory,
    )


class DaskAgent:
    """An agent as an actor of Dask; it ends when Dask forgets the actor or loses its client."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._agent = NodeAgent(versions)
        weakref.finalize(self, self._agent.end)

    async def tell(self, batches: list[bytes]) -> None:
        """Take messages of the driver."""
        self._agent.tell(batches)

    async def bring(self, key: str) -> None:
        """Take messages that were scattered to this worker."""
        from distributed import get_worker

        self._agent.tell([get_worker().data[key]])

    async def listen(self, seconds: float) -> list[bytes]:
        """Messages for the driver; waits for some, at most so long."""
        loop, news, outbox = asyncio.get_running_loop(), asyncio.Event(), self._agent.outbox

        def wake() -> None:
            with suppress(RuntimeError):  # the worker process is about to end
                loop.call_soon_threadsafe(news.set)

        outbox.on_news(wake)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(news.wait(), seconds)
        outbox.on_news(None)
        return outbox.take()


class _DaskLine:
    """A line to an actor; see `AgentLine`."""

    def __init__(self, client: Any, node: ClusterNode, versions: Mapping[str, str]) -> None:
        self._client = client
        self._address = node.key
        self._future = client.submit(
            DaskAgent,
            dict(versions),
            actor=True,
            workers=[node.key],
            allow_other_workers=False,
            pure=False,
        )
        try:
            self._actor = self._future.result()
        except Exception as error:
            if _is_of_system(error):
                raise NodeGone(str(error)) from error
            raise

    def tell(self, batches: list[bytes]) -> None:
        """Send batches of messages."""
        with self._client.as_current():
            self._actor.tell(batches).result()

    def bring(self, batch: bytes) -> None:
        """Send a large batch straight to the worker; if that fails, through the scheduler."""
        try:
            future = self._client.scatter(
                batch, workers=[self._address], direct=True, hash=False, timeout=_CONNECT
            )
        except (OSError, TimeoutError):
            self.tell([batch])
        else:
            with self._client.as_current():
                self._actor.bring(future.key).result()

    def listen(self, seconds: float) -> list[bytes]:
        """Batches of messages from the agent."""
        with self._client.as_current():
            batches: list[bytes] = self._actor.listen(seconds).result()
        return batches

    def close(self) -> None:
        """Have Dask forget the actor."""
        self._future.release()


def _is_of_system(error: Exception) -> bool:
    """Whether the error means that a worker is gone, not that it refused an agent."""
    return isinstance(error, OSError | TimeoutError) or type(error).__module__.startswith(
        ("distributed", "concurrent", "asyncio", "dask")
    )
