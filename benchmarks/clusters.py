"""What the engines of clusters cost, compared with tasks of the cluster itself.

    python -m benchmarks.clusters dask|ray

The cluster is two workers on this machine. The bars are 0.2 of the time of bare tasks for 2,000
settings that do nothing, and 1.15 of it for 100 settings of 50 ms. `first` is the first work of a
new cluster, for the bare tasks as for superparams: both then wait for processes that the cluster
starts. It is the median of so many clusters. `next` is the median of the runs after it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from superparams import Experiment, search

N_CLUSTERS = 3
N_RUNS = 3
Tasks = Callable[[Callable[[int], Any], int], Any]
Cluster = Callable[[], AbstractContextManager[tuple[Any, Tasks]]]


class Nothing(Experiment):
    """Settings that do nothing."""

    x: int = search(range(2_000))

    def run(self) -> dict[str, int]:
        return {"y": self.x}


class Naps(Experiment):
    """Settings of 50 ms."""

    x: int = search(range(100))

    def run(self) -> dict[str, int]:
        nap(self.x)
        return {"y": self.x}


def nothing(x: int) -> int:
    return x


def nap(x: int) -> int:
    time.sleep(0.05)
    return x


@contextmanager
def dask() -> Generator[tuple[Any, Tasks]]:
    """An engine, and a function that runs bare tasks."""
    from distributed import Client, LocalCluster

    from superparams.executor import Dask

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield (
            Dask(client),
            lambda call, count: client.gather(client.map(call, range(count), pure=False)),
        )


@contextmanager
def ray() -> Generator[tuple[Any, Tasks]]:
    """An engine, and a function that runs bare tasks."""
    import ray as library

    from superparams.executor import Ray

    def tasks(call: Callable[[int], Any], count: int) -> Any:
        task = library.remote(call)
        return library.get([task.remote(x) for x in range(count)])

    library.init(
        "local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    try:
        yield Ray(), tasks
    finally:
        library.shutdown()


def seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def run(engine: Any, space: Experiment) -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = space.run_all(engine=engine, progress=False, results=folder)
        assert results.counts == {"done": len(space)}


def measure(cluster: Cluster, work: Callable[[Any, Tasks], object]) -> tuple[float, float]:
    """The seconds of the first run in a new cluster, and of later runs."""
    first: list[float] = []
    more: list[float] = []
    for _ in range(N_CLUSTERS):
        with cluster() as (engine, tasks):
            first.append(seconds(lambda e=engine, t=tasks: work(e, t)))
            more += [seconds(lambda e=engine, t=tasks: work(e, t)) for _ in range(N_RUNS)]
    return statistics.median(first), statistics.median(more)


def main() -> None:
    cluster = {"dask": dask, "ray": ray}[sys.argv[1]]
    print("each with first / next run")
    print("| work | bare tasks, s | superparams, s | ratio |")
    print("| --- | --- | --- | --- |")
    for title, space, call in (
        ("2,000 settings that do nothing", Nothing(), nothing),
        ("100 settings of 50 ms", Naps(), nap),
    ):
        count = len(space)
        bare = measure(cluster, lambda _, tasks, call=call, count=count: tasks(call, count))
        ours = measure(cluster, lambda engine, _, space=space: run(engine, space))
        ratios = [own / other for own, other in zip(ours, bare, strict=True)]
        cells = [f"{one:.2f} / {later:.2f}" for one, later in (bare, ours, ratios)]
        print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
