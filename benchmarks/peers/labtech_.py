"""labtech: a task class, and a Lab with a storage folder."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import labtech

from benchmarks.peers import task


@labtech.task
class Nothing:
    a: int
    b: int

    def run(self) -> dict[str, int]:
        return task.nothing(self.a, self.b)


@labtech.task
class Sum:
    place: int

    def run(self) -> dict[str, float]:
        return task.part(self.context["data"], self.place)


@labtech.task
class Deadly:
    i: int

    def run(self) -> dict[str, int]:
        return task.deadly(self.i)


def lab(workers: int, folder: Path, **context: Any) -> labtech.Lab:
    return labtech.Lab(storage=folder / "lab", max_workers=workers, context=context)


def ran(lab: labtech.Lab, tasks: list[Any]) -> dict[Any, Any]:
    return lab.run_tasks(tasks, disable_progress=True, disable_top=True)


def noop(n: int, workers: int, folder: Path) -> None:
    tasks = [Nothing(**point) for point in task.points(n)]
    assert len(ran(lab(workers, folder), tasks)) == n


resume = noop


def array(size: int, workers: int, folder: Path) -> float:
    tasks = [Sum(place=place) for place in range(task.SLICES)]
    return task.total(list(ran(lab(workers, folder, data=task.made(size)), tasks).values()))


def expand(n: int) -> int:
    return len([Nothing(**point) for point in task.points(n)])


def read(folder: Path) -> int:
    of_folder = lab(2, folder)
    return len(ran(of_folder, list(of_folder.cached_tasks([Nothing]))))


def kill(workers: int, folder: Path) -> int:
    try:
        ran(lab(workers, folder), [Deadly(i=i) for i in range(task.SETTINGS)])
    except Exception as error:
        print(type(error).__name__)
    return kept(folder)


def kept(folder: Path) -> int:
    """Results on disk. The last may be half written, and then `cached_tasks` gives none at all."""
    return sum(1 for file in folder.rglob("data.pickle") if whole(file))


def whole(file: Path) -> bool:
    try:
        return bool(pickle.loads(file.read_bytes()))
    except (EOFError, pickle.UnpicklingError):
        return False
