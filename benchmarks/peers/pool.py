"""multiprocessing.Pool, with Python's default start method. It keeps nothing itself."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

from benchmarks.peers import task
from benchmarks.peers.rows import write

shared: Any = None


def noop(n: int, workers: int, folder: Path) -> None:
    with multiprocessing.Pool(workers) as pool:
        rows = pool.map(task.nothing_of, task.points(n))
    assert len(rows) == n
    write(rows, folder)


def array_as_argument(size: int, workers: int, folder: Path) -> float:
    data = task.made(size)
    with multiprocessing.Pool(workers) as pool:
        rows = pool.starmap(task.part, [(data, place) for place in range(task.SLICES)])
    write(rows, folder)
    return task.total(rows)


def keep(data: Any) -> None:
    global shared
    shared = data


def part(place: int) -> dict[str, float]:
    return task.part(shared, place)


def array_of_initializer(size: int, workers: int, folder: Path) -> float:
    data = task.made(size)
    with multiprocessing.Pool(workers, initializer=keep, initargs=(data,)) as pool:
        rows = pool.map(part, range(task.SLICES))
    write(rows, folder)
    return task.total(rows)


def kill(workers: int, folder: Path) -> int:
    """Results are taken as they come; each is printed, so that it counts if this never ends."""
    kept = 0
    with multiprocessing.Pool(workers) as pool:
        for row in pool.imap_unordered(task.deadly, range(task.SETTINGS)):
            kept += 1
            with open(folder / "seen", "a") as file:
                file.write(f"{row['i']}\n")
    return kept


def kept(folder: Path) -> int:
    return len((folder / "seen").read_text().splitlines())
