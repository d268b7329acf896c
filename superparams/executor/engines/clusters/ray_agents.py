"""The engine of Ray: an agent on each node of a Ray cluster.

An agent is an actor of Ray that has the processors of its workers, so Ray gives these to nothing
else meanwhile. Ray takes seconds to start a process, so actors stay for a moment after a run, for
the next run. Data that no file can carry goes into Ray's store of objects, once for all nodes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from superparams.errors import EngineError, SuperparamsError
from superparams.executor.engines.clusters.cluster import AgentLine, ClusterNode, NodeGone
from superparams.executor.engines.clusters.cluster_engine import ClusterEngine
from superparams.executor.engines.clusters.node_agent import NodeAgent

__all__ = ["Ray"]

_N_CALLS: Final = 3  # calls of an actor at once: it listens while it gets messages
_KEEP: Final = 10.0  # seconds that an actor stays after a run
_END: Final = 5.0  # seconds that an agent may take to end before its process is ended
# An actor on a node, by what it has: the node, processors, devices, bytes of memory.
_Key = tuple[str, int, int, int]


class Ray(ClusterEngine):
    """Worker processes on the nodes of a Ray cluster, for ``engine=``.

    Each node gets an agent, an actor that takes as many processors as there are workers on the
    node. If they are in use, it waits for them, as all actors do. Actors end ten seconds after a
    run, unless another run needs them.

    Args:
        address: As for `ray.init`, such as ``"auto"`` or ``"ray://host:10001"``. None for the
            cluster that Ray finds, or else for this machine. If this process is connected to Ray
            already, that is the cluster.
        gpus: The most devices to take on each node. If settings declare how many they need, these
            devices are shared out, by default all of a node. Otherwise all workers of the node see
            them, by default none.
        threads: BLAS and OpenMP threads of each worker; by default the cores of its node divided.

    Raises:
        EngineError: If Ray is not installed.
    """

    name = "ray"
    device_source = "as Ray says"

    def __init__(
        self, address: str | None = None, *, gpus: int | None = None, threads: int | None = None
    ) -> None:
        super().__init__(threads)
        self._address = address
        self._gpus = gpus

    def cluster(self) -> RayCluster:
        """The cluster. This process stays connected to it."""
        try:
            import ray
        except ImportError as error:
            raise EngineError("engine=Ray() needs Ray: pip install 'superparams[ray]'") from error
        if not ray.is_initialized():
            try:
                ray.init(address=self._address, log_to_driver=False, configure_logging=False)
            except Exception as error:
                raise EngineError(
                    f"engine={self!r}: {type(error).__name__}: {error}; give the address of a "
                    "cluster that runs"
                ) from error
        return RayCluster(ray, self._gpus)

    def __repr__(self) -> str:
        return "Ray()" if self._address is None else f"Ray({self._address!r})"


class RayCluster:
    """The cluster to which this process is connected, for one run; see `Cluster`."""

    def __init__(self, ray: Any, gpus: int | None) -> None:
        self.ray = ray
        self._gpus = gpus
        self._n_devices: dict[str, int] = {}  # that may be taken, by the key of the node
        self._put: tuple[bytes, Any] | None = None

    def nodes(self) -> Sequence[ClusterNode]:
        """The nodes that live and have processors."""
        try:
            nodes = self.ray.nodes()
        except Exception as error:
            raise EngineError(
                f"the Ray cluster cannot be reached: {type(error).__name__}: {error}; start it, "
                "and run again: what has ended is kept"
            ) from error
        cluster_nodes = [_node(about, self._gpus) for about in nodes if about["Alive"]]
        self._n_devices = {node.key: node.n_devices for node in cluster_nodes}
        return [node for node in cluster_nodes if node.n_cpus]

    def start(self, node: ClusterNode, versions: Mapping[str, str]) -> AgentLine:
        """Start an actor; see `Cluster`."""
        # Without resources, all workers of a node see the devices of `Ray(gpus=)`.
        n_devices = node.n_devices or (self._gpus and self._n_devices.get(node.key)) or 0
        key = node.key, node.n_cpus, n_devices, node.memory or 0
        actor = _KEPT.take(key, self.ray)
        if actor is not None:
            with suppress(NodeGone):  # it has died since
                return _RayLine(self, actor, key, versions)
        return _RayLine(self, self._new_actor(key), key, versions)

    def _new_actor(self, key: _Key) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node, num_cpus, num_gpus, memory = key
        actor_class = self.ray.remote(_RayAgent).options(
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            memory=memory or None,
            max_concurrency=_N_CALLS,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        return actor_class.remote()

    def put(self, batch: bytes) -> Any:
        """Messages in Ray's store of objects, once for all nodes."""
        if self._put is None or self._put[0] is not batch:
            self._put = batch, self.ray.put(batch)
        return self._put[1]

    def close(self) -> None:
        """Forget what was put into the store."""
        self._put = None


def _node(about: Mapping[str, Any], gpus: int | None) -> ClusterNode:
    """A node, as Ray describes it."""
    key, amounts = about["NodeID"], about["Resources"]
    n_devices = int(amounts.get("GPU", 0))
    return ClusterNode(
        key,
        f"{about['NodeManagerHostname']} ({key[:6]})",
        int(amounts.get("CPU", 0)),
        n_devices if gpus is None else min(gpus, n_devices),
        int(amounts.get("memory", 0)) or None,
        host=key,  # Ray gives no device to two nodes
    )


class _RayAgent:
    """An agent as an actor of Ray; it ends with the process of the actor."""

    _agent: NodeAgent

    def begin(self, versions: Mapping[str, str]) -> None:
        """Start the agent."""
        _forget_threads_of_ray()
        self._agent = NodeAgent(versions)

    def end(self, seconds: float) -> None:
        """End the agent.

        Raises:
            TimeoutError: If its workers have not ended after so many seconds.
        """
        self._agent.end()
        self._agent.join(seconds)
        if self._agent.is_alive:
            raise TimeoutError("the workers of the agent do not end")

    def tell(self, batches: list[bytes]) -> None:
        """Take messages of the driver."""
        self._agent.tell(batches)

    def bring(self, batch: bytes) -> None:
        """Take messages from the store of objects."""
        self._agent.tell([batch])

    def listen(self, seconds: float) -> list[bytes]:
        """Messages for the driver; waits for some, at most so long."""
        return self._agent.listen(seconds)


def _forget_threads_of_ray() -> None:
    """Remove the number of threads that Ray sets in an actor: all of its processors.

    The workers of the agent divide these. A number that this process was started with stays.
    """
    with suppress(OSError):  # there is no /proc
        variables = Path("/proc/self/environ").read_bytes().split(b"\0")
        if not any(variable.startswith(b"OMP_NUM_THREADS=") for variable in variables):
            os.environ.pop("OMP_NUM_THREADS", None)


class _RayLine:
    """A line to an actor; see `AgentLine`."""

    def __init__(
        self, cluster: RayCluster, actor: Any, key: _Key, versions: Mapping[str, str]
    ) -> None:
        self._cluster = cluster
        self._ray = ray = cluster.ray
        self._actor = actor
        self._key = key
        try:
            ray.get(actor.begin.remote(dict(versions)))
        except ray.exceptions.RayTaskError as error:
            _kill(ray, actor)
            cause: Any = getattr(error, "cause", error)
            raise (
                cause if isinstance(cause, SuperparamsError) else EngineError(str(error))
            ) from None
        except Exception as error:
            _kill(ray, actor)
            raise NodeGone(str(error)) from error

    def tell(self, batches: list[bytes]) -> None:
        """Send batches of messages."""
        self._ray.get(self._actor.tell.remote(batches))

    def bring(self, batch: bytes) -> None:
        """Have the agent take a large batch from the store of objects."""
        self._ray.get(self._actor.bring.remote(self._cluster.put(batch)))

    def listen(self, seconds: float) -> list[bytes]:
        """Batches of messages from the agent."""
        batches: list[bytes] = self._ray.get(self._actor.listen.remote(seconds))
        return batches

    def close(self) -> None:
        """End the agent; its actor stays for a moment."""
        try:
            self._ray.get(self._actor.end.remote(_END), timeout=2 * _END)
        except Exception:  # it is gone, or its workers do not end
            _kill(self._ray, self._actor)
        else:
            _KEPT.add(self._key, self._actor, self._ray)


def _kill(ray: Any, actor: Any) -> None:
    with suppress(Exception):
        ray.kill(actor)


class _KeptActors:
    """Actors without an agent, for the next run."""

    def __init__(self) -> None:
        self._actors: dict[_Key, tuple[Any, threading.Timer]] = {}
        self._lock = threading.Lock()

    def add(self, key: _Key, actor: Any, ray: Any) -> None:
        """Keep an actor for a moment."""
        timer = threading.Timer(_KEEP, self._end, [key, actor, ray])
        timer.daemon = True
        with self._lock:
            if key not in self._actors:
                self._actors[key] = actor, timer
                timer.start()
                return
        _kill(ray, actor)

    def take(self, key: _Key, ray: Any) -> Any:
        """An actor that was kept; None if there is none. Others of its node make room for it."""
        with self._lock:
            actors = {
                actor_key: self._actors.pop(actor_key)
                for actor_key in list(self._actors)
                if actor_key[0] == key[0]
            }
        for actor_key, (actor, timer) in actors.items():
            timer.cancel()
            if actor_key != key:
                _kill(ray, actor)
        return actors[key][0] if key in actors else None

    def _end(self, key: _Key, actor: Any, ray: Any) -> None:
        with self._lock:
            if self._actors.get(key, (None,))[0] is actor:
                del self._actors[key]
        _kill(ray, actor)


_KEPT: Final = _KeptActors()
