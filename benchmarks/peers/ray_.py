"""Ray core: one task a setting. It keeps nothing itself."""

from __future__ import annotations

from pathlib import Path

import ray

from benchmarks.peers import task
from benchmarks.peers.rows import write

nothing = ray.remote(task.nothing)
part = ray.remote(task.part)
deadly = ray.remote(task.deadly)


def start(workers: int) -> None:
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)


def close() -> None:
    ray.shutdown()


def noop(n: int, workers: int, folder: Path) -> None:
    start(workers)
    rows = ray.get([nothing.remote(**point) for point in task.points(n)])
    assert len(rows) == n
    write(rows, folder)


def array(size: int, workers: int, folder: Path) -> float:
    start(workers)
    data = ray.put(task.made(size))
    rows = ray.get([part.remote(data, place) for place in range(task.SLICES)])
    write(rows, folder)
    return task.total(rows)


def kill(workers: int, folder: Path) -> int:
    start(workers)
    tasks = [deadly.remote(i) for i in range(task.SETTINGS)]
    kept = 0
    for each in tasks:
        try:
            ray.get(each)
            kept += 1
        except ray.exceptions.WorkerCrashedError as error:
            print(type(error).__name__)
    return kept
