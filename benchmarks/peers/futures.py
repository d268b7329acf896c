"""concurrent.futures.ProcessPoolExecutor. It keeps nothing itself."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.peers import task
from benchmarks.peers.pool import keep, part
from benchmarks.peers.rows import write


def noop(n: int, workers: int, folder: Path) -> None:
    """Its documentation has a chunksize for long iterables, and none to choose it by."""
    with ProcessPoolExecutor(workers) as executor:
        rows = list(executor.map(task.nothing_of, task.points(n), chunksize=64))
    assert len(rows) == n
    write(rows, folder)


def array(size: int, workers: int, folder: Path) -> float:
    data = task.made(size)
    with ProcessPoolExecutor(workers, initializer=keep, initargs=(data,)) as executor:
        rows = list(executor.map(part, range(task.SLICES)))
    write(rows, folder)
    return task.total(rows)


def kill(workers: int, folder: Path) -> int:
    kept = 0
    with ProcessPoolExecutor(workers) as executor:
        futures = [executor.submit(task.deadly, i) for i in range(task.SETTINGS)]
        for future in as_completed(futures):
            kept += future.exception() is None
    return kept
