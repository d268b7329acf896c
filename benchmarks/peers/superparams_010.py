"""superparams 0.1.0, as published; its folder comes first on the path.

Its class in a process of its own, a folder `experiments/progress` in the current one. Of large data
its README says to make it in `run`.
"""

from __future__ import annotations

import dataclasses as dc
import os
from pathlib import Path

import polars as pl

from benchmarks.peers import task
from superparams import Experiment, search


@dc.dataclass
class Nothing(Experiment):
    a: int = search(*range(10))
    b: int = search(*range(100))

    def run(self) -> dict[str, int]:
        return task.nothing(self.a, self.b)


def space(n: int) -> Nothing:
    a, b = task.axes(n)
    return Nothing(a=search(*a), b=search(*b))


def noop(n: int, workers: int, folder: Path) -> None:
    os.chdir(folder)
    space(n).run_all(n_proc=workers)
    assert rows(folder) == n


def resume(n: int, workers: int, folder: Path) -> None:
    os.chdir(folder)
    space(n).run_all(n_proc=workers, resume=True)
    assert rows(folder) == n


def rows(folder: Path) -> int:
    (file,) = folder.rglob("*.parquet")
    return pl.read_parquet(file).height


def read(folder: Path) -> int:
    return rows(folder)


def expand(n: int) -> int:
    return sum(1 for _ in space(n))


@dc.dataclass
class Sums(Experiment):
    size: int = 0
    place: int = search(*range(task.SLICES))

    def run(self) -> dict[str, float]:
        return task.part(task.made(self.size), self.place)


def array(size: int, workers: int, folder: Path) -> float:
    os.chdir(folder)
    Sums(size=size).run_all(n_proc=workers)
    (file,) = folder.rglob("*.parquet")
    return float(pl.read_parquet(file)["sum"].sum())


@dc.dataclass
class Deadly(Experiment):
    i: int = search(*range(task.SETTINGS))

    def run(self) -> dict[str, int]:
        return task.deadly(self.i)


def kill(workers: int, folder: Path) -> int:
    os.chdir(folder)
    Deadly().run_all(n_proc=workers)
    return rows(folder)


def kept(folder: Path) -> int:
    return rows(folder)
