"""Settings on a cluster that runs already: by superparams, or as bare tasks of the cluster.

The first call of a process, and one after it, when what a first call loads is there.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import clusters
from benchmarks.peers.rows import write
from superparams import search

open_now = ExitStack()
running: list[Any] = []


def ahead() -> None:
    """Import what a run imports."""
    import superparams.run.loop  # noqa: F401


def close() -> None:
    open_now.close()


def before_first(n: int, workers: int, folder: Path, kind: str, is_bare: bool) -> None:
    start = {"dask": clusters.dask, "ray": clusters.ray}[kind]
    running[:] = open_now.enter_context(start())


def first(n: int, workers: int, folder: Path, kind: str, is_bare: bool) -> int:
    return called(clusters.Nothing(x=search(range(n))), clusters.nothing, n, folder, is_bare)


def later_naps(n: int, workers: int, folder: Path, kind: str, is_bare: bool) -> int:
    return called(clusters.Naps(x=search(range(n))), clusters.nap, n, folder, is_bare)


def before_later(n: int, workers: int, folder: Path, kind: str, is_bare: bool) -> None:
    before_first(n, workers, folder, kind, is_bare)
    (folder / "first").mkdir()
    first(n, workers, folder / "first", kind, is_bare)


def before_later_naps(n: int, workers: int, folder: Path, kind: str, is_bare: bool) -> None:
    before_first(n, workers, folder, kind, is_bare)
    (folder / "first").mkdir()
    later_naps(n, workers, folder / "first", kind, is_bare)


later = first


def called(space: Any, task: Any, n: int, folder: Path, is_bare: bool) -> int:
    """How many settings have results."""
    engine, tasks = running
    if not is_bare:
        results = space.run_all(engine=engine, progress=False, results=folder)
        return int(results.counts.get("done", 0))
    rows = [{"y": value} for value in tasks(task, n)]
    write(rows, folder)
    return len(rows)
