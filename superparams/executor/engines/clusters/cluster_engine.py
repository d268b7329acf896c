"""What the engines of clusters share: one run in the workers of agents."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from superparams.executor.engines.clusters.cluster import Cluster
from superparams.executor.engines.contract import Activity, Control, Options
from superparams.executor.engines.feed import Feed, Todo

if TYPE_CHECKING:
    from superparams.executor.engines.clusters.agent_carrier import AgentCarrier
    from superparams.executor.engines.clusters.cluster_machines import ClusterMachines
    from superparams.executor.program import Program
    from superparams.executor.setting_needs import SettingNeeds

__all__ = ["ClusterEngine"]

_RECENT: Final = 5.0  # seconds for which a count of workers holds: a run asks several times


class ClusterEngine:
    """Runs settings in worker processes on the nodes of a cluster; see `Engine`.

    Args:
        threads: BLAS and OpenMP threads of each worker; by default the cores of its node divided.

    Attributes:
        device_source: What says how many devices a node has, for errors.
    """

    name = "cluster"
    device_source: ClassVar[str] = "as the cluster says"

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._carrier: AgentCarrier | None = None
        self._counted = float("-inf"), 0  # when, and how many workers there could be

    def cluster(self) -> Cluster:
        """The cluster, for one run."""
        raise NotImplementedError

    def most_at_once(self) -> int:
        """The number of workers on all nodes together, which ``"auto"`` means."""
        when, count = self._counted
        if time.monotonic() - when > _RECENT:
            cluster = self.cluster()
            try:
                count = max(1, sum(node.n_cpus for node in cluster.nodes()))
            finally:
                cluster.close()
            self._counted = time.monotonic(), count
        return count

    def places_for(self, needs: SettingNeeds, options: Options) -> int:
        """How many settings the nodes can run at once; see `HoldsResources`."""
        from superparams.executor.engines.held_resources import most_places

        cluster = self.cluster()
        try:
            self._machines(cluster, needs)
        finally:
            cluster.close()
        return most_places(needs, options.num_proc)

    def _machines(self, cluster: Cluster, needs: SettingNeeds) -> ClusterMachines:
        from superparams.executor.engines.clusters.cluster_machines import ClusterMachines

        return ClusterMachines(needs, cluster.nodes, self.device_source)

    def check(self, options: Options) -> None:
        """Agents support all options; see `Engine.check`."""

    def execute(
        self, program: Program, todo: Todo | Feed, options: Options, control: Control
    ) -> Iterator[bytes]:
        """Yield encoded outcomes; see `Engine.execute`."""
        from superparams.executor.engines.clusters.agent_carrier import AgentCarrier
        from superparams.executor.engines.drive import LoopThread
        from superparams.executor.engines.processes.transport import opened

        feed = Feed.of(todo)
        cluster = self.cluster()
        needs: SettingNeeds | None = getattr(program, "setting_needs", None)
        try:
            machines = None if needs is None else self._machines(cluster, needs)
            if needs is not None:
                needs.split(feed.first)  # so that the needs of these are known
        except BaseException:
            cluster.close()
            raise
        threads = self._threads
        carrier = AgentCarrier(cluster, program, feed, options, control, threads, machines)
        self._carrier = carrier
        with LoopThread(carrier, carrier.scheduler, feed, control) as outcomes:
            yield from map(opened, outcomes)

    def activity(self) -> list[Activity]:
        """What each worker runs, as its agent has told last."""
        return self._carrier.activity() if self._carrier else []
