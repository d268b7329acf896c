"""joblib.Parallel over a function that joblib.Memory caches: joblib's own way to keep results."""

from __future__ import annotations

from pathlib import Path

from joblib import Memory, Parallel, delayed

from benchmarks.peers import task


def noop(n: int, workers: int, folder: Path) -> None:
    cached = Memory(folder, verbose=0).cache(task.nothing)
    rows = Parallel(n_jobs=workers)(delayed(cached)(**point) for point in task.points(n))
    assert len(rows) == n


resume = noop


def kill(workers: int, folder: Path) -> int:
    cached = Memory(folder, verbose=0).cache(task.deadly)
    try:
        Parallel(n_jobs=workers)(delayed(cached)(i) for i in range(task.SETTINGS))
    except Exception as error:
        print(type(error).__name__)
    return kept(folder)


def kept(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("output.pkl"))
