"""No tool at all: a loop in one process, and one parquet file. For scale, not in the contest."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

from benchmarks.peers import rows, task


def noop(n: int, workers: int, folder: Path) -> None:
    rows.write([task.nothing(**point) for point in task.points(n)], folder)


def array(size: int, workers: int, folder: Path) -> float:
    data = task.made(size)
    sums = [task.part(data, place) for place in range(task.SLICES)]
    rows.write(sums, folder)
    return task.total(sums)


def expand(n: int) -> int:
    return sum(1 for _ in task.points(n))


@dataclasses.dataclass
class Point:
    a: int
    b: int


def expand_into_dataclass(n: int) -> int:
    a, b = task.axes(n)
    return sum(1 for a, b in itertools.product(a, b) if Point(a=a, b=b))


def read(folder: Path) -> int:
    return int(rows.read(folder).num_rows)
