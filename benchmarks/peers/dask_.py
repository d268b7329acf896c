"""Dask, distributed over worker processes of this machine. It keeps nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dask.distributed import Client, LocalCluster

from benchmarks.peers import task
from benchmarks.peers.rows import write

open_now: list[Any] = []


def start(workers: int) -> Client:
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)
    open_now.extend((client, cluster))
    return client


def close() -> None:
    for each in open_now:
        each.close()


def noop(n: int, workers: int, folder: Path) -> None:
    client = start(workers)
    rows = client.gather(client.map(task.nothing_of, list(task.points(n))))
    assert len(rows) == n
    write(rows, folder)


def array(size: int, workers: int, folder: Path) -> float:
    client = start(workers)
    data = client.scatter(task.made(size), broadcast=True)
    futures = [client.submit(task.part, data, place) for place in range(task.SLICES)]
    rows = client.gather(futures)
    write(rows, folder)
    return task.total(rows)


def kill(workers: int, folder: Path) -> int:
    client = start(workers)
    futures = client.map(task.deadly, range(task.SETTINGS))
    return len(client.gather(futures, errors="skip"))
