"""Hyperopt: one process, since it needs Spark or MongoDB for several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hyperopt
import numpy as np

from benchmarks.peers import curves, task

KEPT = "trials.pickle"
SPACE = {name: hyperopt.hp.uniform(name, curves.LOW, curves.HIGH) for name in curves.NAMES}
Objective = Callable[[dict[str, float]], float]


def searched(suggest: Any, objective: Objective, n: int, folder: Path, is_kept: bool) -> int:
    """How many trials there are at the end.

    is_kept: after each trial all of them are written to a file, from which a later call goes on.
    """
    path = str(folder / KEPT) if is_kept else None
    trials = None if is_kept else hyperopt.Trials()
    hyperopt.fmin(
        objective,
        SPACE,
        suggest,
        max_evals=n,
        trials=trials,
        trials_save_file=path or "",
        rstate=np.random.default_rng(0),
        show_progressbar=False,
        verbose=False,
    )
    if trials is None:
        import pickle

        trials = pickle.loads((folder / KEPT).read_bytes())
    return len(trials)


def random_search(n: int, workers: int, folder: Path) -> int:
    return searched(hyperopt.rand.suggest, curves.loss, n, folder, False)


def tpe(n: int, workers: int, folder: Path) -> int:
    return searched(hyperopt.tpe.suggest, curves.loss, n, folder, False)


def naps(n: int, workers: int, folder: Path) -> int:
    def napped(point: dict[str, float]) -> float:
        task.nap(folder)
        return curves.loss(point)

    return searched(hyperopt.tpe.suggest, napped, n, folder, False)


after_naps = task.rested


def kept(suggest: Any, n: int, folder: Path) -> int:
    def objective(point: dict[str, float]) -> float:
        task.noted(folder)
        return curves.loss(point)

    return searched(suggest, objective, n, folder, True)


def keep_random(n: int, workers: int, folder: Path) -> int:
    return kept(hyperopt.rand.suggest, n, folder)


def keep_tpe(n: int, workers: int, folder: Path) -> int:
    return kept(hyperopt.tpe.suggest, n, folder)


def go_on_random(n: int, workers: int, folder: Path) -> dict[str, float]:
    return task.gone_on(keep_random, workers, folder)


def go_on_tpe(n: int, workers: int, folder: Path) -> dict[str, float]:
    return task.gone_on(keep_tpe, workers, folder)
