"""Orion: workers that share a file of pickles, which is its storage without a database server.

Its workers may run a trial more than was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from orion.client import build_experiment

from benchmarks.peers import curves, task

Objective = Callable[..., list[dict[str, Any]]]


def answer(loss: float) -> list[dict[str, Any]]:
    return [{"name": "loss", "type": "objective", "value": loss}]


def napping(notes: str, **point: float) -> list[dict[str, Any]]:
    task.nap(notes)
    return answer(curves.loss(point))


def noting(notes: str, **point: float) -> list[dict[str, Any]]:
    task.noted(notes)
    return answer(curves.loss(point))


def slow(notes: str, **point: float) -> list[dict[str, Any]]:
    return answer(curves.slow_loss(point))


def searched(name: str, objective: Objective, n: int, workers: int, folder: Path) -> Any:
    """An experiment that has so many trials, those of earlier calls included."""
    experiment = build_experiment(
        name="points",
        space=dict.fromkeys(curves.NAMES, f"uniform({curves.LOW}, {curves.HIGH})"),
        algorithm={name: {"seed": 0}},
        max_trials=n,
        storage={
            "type": "legacy",
            "database": {"type": "pickleddb", "host": str(folder / "points.pickle")},
        },
    )
    with experiment.tmp_executor("joblib", n_workers=workers):
        experiment.workon(objective, n_workers=workers, max_trials=n, notes=str(folder))
    return experiment


def completed(experiment: Any, n: int) -> int:
    return min(n, len(experiment.fetch_trials_by_status("completed")))


def naps(n: int, workers: int, folder: Path) -> int:
    return completed(searched("tpe", napping, n, workers, folder), n)


after_naps = task.rested


def keep_random(n: int, workers: int, folder: Path) -> int:
    return completed(searched("random", noting, n, workers, folder), n)


def keep_tpe(n: int, workers: int, folder: Path) -> int:
    return completed(searched("tpe", noting, n, workers, folder), n)


def go_on_random(n: int, workers: int, folder: Path) -> dict[str, float]:
    return task.gone_on(keep_random, workers, folder)


def go_on_tpe(n: int, workers: int, folder: Path) -> dict[str, float]:
    return task.gone_on(keep_tpe, workers, folder)


def rows(n: int, workers: int, folder: Path) -> list[Any]:
    trials = searched("tpe", slow, n, workers, folder).fetch_trials_by_status("completed")
    return sorted((*sorted(each.params.items()), each.objective.value) for each in trials)


def equal_tpe(n: int, workers: int, folder: Path) -> dict[str, bool]:
    return task.equal(rows, n, workers, folder)
