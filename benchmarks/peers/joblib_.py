"""joblib.Parallel, with its default backend (loky). It keeps nothing itself."""

from __future__ import annotations

from pathlib import Path

from joblib import Parallel, delayed

from benchmarks.peers import task
from benchmarks.peers.rows import write


def noop(n: int, workers: int, folder: Path) -> None:
    rows = Parallel(n_jobs=workers)(delayed(task.nothing)(**point) for point in task.points(n))
    assert len(rows) == n
    write(rows, folder)


def array(size: int, workers: int, folder: Path) -> float:
    """Large arrays among the arguments go into a file that workers map."""
    data = task.made(size)
    places = range(task.SLICES)
    rows = Parallel(n_jobs=workers)(delayed(task.part)(data, place) for place in places)
    write(rows, folder)
    return task.total(rows)


def kill(workers: int, folder: Path) -> int:
    """As a generator it hands over what was done before the worker died."""
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered")
    kept = 0
    try:
        for _ in parallel(delayed(task.deadly)(i) for i in range(task.SETTINGS)):
            kept += 1
    except Exception as error:
        print(type(error).__name__)
    return kept
