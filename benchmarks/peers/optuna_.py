"""Optuna: trials in threads with its memory, in several processes with a storage on disk.

With memory and journal, points are enqueued: a GridSampler looks at all trials before each of them,
which takes many times as long. With SQLite, trials that run at once take the same enqueued point at
times, and one of them fails: there it is a GridSampler.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401  # optuna imports these late; imports are counted on no side
import cmaes as _cmaes  # noqa: F401
import optuna
import pandas  # noqa: F401
import pyarrow  # noqa: F401
import sqlalchemy.orm  # noqa: F401

from benchmarks.peers import curves, pages, task

optuna.logging.set_verbosity(optuna.logging.WARNING)
NAME = "points"
COMPLETE, RUNNING = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.RUNNING
Objective = Callable[[optuna.Trial], float]
Loss = Callable[[Mapping[str, Any]], float]
AccuracyAt = Callable[[float, int], float]
prepared: list[optuna.Study] = []
Axes = dict[str, range]


def nothing(trial: optuna.Trial) -> float:
    a = trial.suggest_int("a", 0, 10**6)
    return float(task.nothing(a, trial.suggest_int("b", 0, 100))["x"])


def deadly(trial: optuna.Trial) -> float:
    return float(task.deadly(trial.suggest_int("i", 0, task.SETTINGS))["x"])


def storage(kind: str, folder: Path) -> optuna.storages.BaseStorage | str | None:
    if kind == "memory":
        return None
    if kind == "sqlite":
        return f"sqlite:///{folder}/study.db"
    journal = optuna.storages.journal.JournalFileBackend(str(folder / "study.log"))
    return optuna.storages.JournalStorage(journal)


def study(kind: str, folder: Path, axes: Axes) -> optuna.Study:
    return optuna.create_study(
        storage=storage(kind, folder),
        sampler=sampler(axes) if kind == "sqlite" else None,
        study_name=NAME,
        load_if_exists=True,
    )


def sampler(axes: Axes) -> optuna.samplers.GridSampler:
    """With a seed, as is advised for several processes."""
    return optuna.samplers.GridSampler({name: list(axis) for name, axis in axes.items()}, seed=1)


def points(axes: Axes) -> Iterator[dict[str, int]]:
    return (dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values()))


def optimized(
    kind: str, folder: Path, axes: Axes, objective: Objective, workers: int, *callbacks: Any
) -> optuna.Study:
    """All points, one after the other; of a grid, until there are none that are not done.

    Points that are enqueued are shared out among processes as `n_trials` of each, or until a
    callback stops them.
    """
    one = study(kind, folder, axes)
    count = None if kind == "sqlite" else enqueued(one, axes)
    if kind == "memory":
        one.optimize(objective, n_trials=count, n_jobs=workers)
    else:
        each = count if callbacks or count is None else -(-count // workers)
        in_processes(worker, [(kind, folder, axes, objective, each, callbacks)] * workers)
    return one


def enqueued(one: optuna.Study, axes: Axes) -> int:
    """How many points there are to run."""
    return sum(1 for point in points(axes) if one.enqueue_trial(point) is None)


def in_processes(target: Callable[..., None], many: Iterable[tuple[Any, ...]]) -> None:
    processes = [multiprocessing.Process(target=target, args=arguments) for arguments in many]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def worker(
    kind: str, folder: Path, axes: Axes, objective: Objective, n: int | None, callbacks: Any
) -> None:
    study(kind, folder, axes).optimize(objective, n_trials=n, callbacks=callbacks)


def complete(one: optuna.Study) -> set[tuple[int, ...]]:
    """Points that are done."""
    return {tuple(each.params.values()) for each in one.get_trials(False, (COMPLETE,))}


def named(n: int) -> Axes:
    a, b = task.axes(n)
    return {"a": a, "b": b}


def noop(n: int, workers: int, folder: Path, kind: str) -> None:
    done = optimized(kind, folder, named(n), nothing, workers)
    if kind == "memory":
        done.trials_dataframe().to_parquet(folder / "rows.parquet")
    assert len(complete(done)) == n


def resume(n: int, workers: int, folder: Path, kind: str) -> None:
    """What is not done would be enqueued; a grid says whether it is exhausted."""
    one = study(kind, folder, named(n))
    if isinstance(one.sampler, optuna.samplers.GridSampler):
        assert one.sampler.is_exhausted(one)
        return
    done = complete(one)
    assert all(tuple(point.values()) in done for point in points(named(n)))


def read(folder: Path, kind: str) -> int:
    return len(optuna.load_study(study_name=NAME, storage=storage(kind, folder)).trials_dataframe())


def expand(n: int, kind: str) -> int:
    return len(sampler(named(n))._all_grids)


def array(size: int, workers: int, folder: Path, kind: str) -> float:
    data = task.made(size)

    def objective(trial: optuna.Trial) -> float:
        return task.part(data, trial.suggest_int("place", 0, task.SLICES))["sum"]

    done = optimized(kind, folder, {"place": range(task.SLICES)}, objective, workers)
    table = done.trials_dataframe()
    table.to_parquet(folder / "rows.parquet")
    return float(table["value"].sum())


def kill(workers: int, folder: Path, kind: str) -> int:
    """A process goes on until all points have been begun, by whichever process."""
    axes = {"i": range(task.SETTINGS)}
    enough = optuna.study.MaxTrialsCallback(task.SETTINGS, (COMPLETE, RUNNING))
    callbacks = [enough] if kind == "journal" else []
    return len(complete(optimized(kind, folder, axes, deadly, workers, *callbacks)))


def kept(folder: Path, kind: str) -> int:
    if kind == "memory":
        return 0
    return len(complete(optuna.load_study(study_name=NAME, storage=storage(kind, folder))))


Maker = Callable[[int], optuna.samplers.BaseSampler]
ENDED = (COMPLETE, optuna.trial.TrialState.PRUNED)


def distance(trial: optuna.Trial, loss: Loss = curves.loss) -> float:
    return loss({name: trial.suggest_float(name, curves.LOW, curves.HIGH) for name in curves.NAMES})


def curve(trial: optuna.Trial, accuracy_at: AccuracyAt = curves.accuracy) -> float:
    x, accuracy = trial.suggest_float("x", 0.0, 1.0), 0.0
    for epoch in range(1, curves.EPOCHS + 1):
        accuracy = accuracy_at(x, epoch)
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


def searching(kind: str, folder: Path, make: Maker, seed: int, direction: str) -> optuna.Study:
    pruner = optuna.pruners.SuccessiveHalvingPruner(1, curves.FACTOR)
    return optuna.create_study(
        storage=storage(kind, folder),
        sampler=make(seed),
        pruner=pruner,
        study_name=NAME,
        load_if_exists=True,
        direction=direction,
    )


def searched(
    kind: str,
    folder: Path,
    n: int,
    workers: int,
    make: Maker,
    objective: Objective = distance,
    direction: str = "minimize",
) -> int:
    """How many trials there are at the end."""
    one = study_of(kind, folder, n, workers, make, objective, direction)
    return len(one.get_trials(False, ENDED))


def study_of(
    kind: str,
    folder: Path,
    n: int,
    workers: int,
    make: Maker,
    objective: Objective,
    direction: str = "minimize",
) -> optuna.Study:
    """More trials of a sampler: in threads, or in processes that share a storage."""
    one = searching(kind, folder, make, 0, direction)
    if kind == "memory":
        one.optimize(objective, n_trials=n, n_jobs=workers)
        one.trials_dataframe().to_parquet(folder / "rows.parquet")
        return one
    shared = kind, folder, n // workers, make, objective, direction
    in_processes(search_worker, ((*shared, seed) for seed in range(workers)))
    return one


def search_worker(
    kind: str,
    folder: Path,
    n: int,
    make: Maker,
    objective: Objective,
    direction: str,
    seed: int,
) -> None:
    searching(kind, folder, make, seed, direction).optimize(objective, n_trials=n)


def random_sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed)


def tpe_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """As superparams has it, and as is advised for trials that run at once."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def cmaes_sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.CmaEsSampler(seed=seed)


def random_search(n: int, workers: int, folder: Path, kind: str) -> int:
    return searched(kind, folder, n, workers, random_sampler)


def tpe(n: int, workers: int, folder: Path, kind: str) -> int:
    return searched(kind, folder, n, workers, tpe_sampler)


def cmaes(n: int, workers: int, folder: Path, kind: str) -> int:
    return searched(kind, folder, n, workers, cmaes_sampler)


def asha(n: int, workers: int, folder: Path, kind: str) -> int:
    return searched(kind, folder, n, workers, random_sampler, curve, "maximize")


def napping(folder: Path) -> Objective:
    def objective(trial: optuna.Trial) -> float:
        task.nap(folder)
        return distance(trial)

    return objective


def noting(folder: Path) -> Objective:
    def objective(trial: optuna.Trial) -> float:
        task.noted(folder)
        return distance(trial)

    return objective


def naps(n: int, workers: int, folder: Path, kind: str) -> int:
    return searched(kind, folder, n, workers, tpe_sampler, napping(folder))


def after_naps(value: int, n: int, workers: int, folder: Path, kind: str) -> dict[str, float]:
    return task.rested(value, n, workers, folder)


def with_trials(kind: str, folder: Path, n: int) -> optuna.Study:
    """A study of n trials that are added at once: the time to make them does not count."""
    draw = random.Random(0)
    span = optuna.distributions.FloatDistribution(curves.LOW, curves.HIGH)
    points = [
        {name: draw.uniform(curves.LOW, curves.HIGH) for name in curves.NAMES} for _ in range(n)
    ]
    spans = dict.fromkeys(curves.NAMES, span)
    one = searching(kind, folder, random_sampler, 0, "minimize")
    one.add_trials(
        optuna.trial.create_trial(params=point, distributions=spans, value=curves.loss(point))
        for point in points
    )
    return one


def keep_random(n: int, workers: int, folder: Path, kind: str) -> int:
    return len(with_trials(kind, folder, n).get_trials(False, ENDED))


keep_tpe = keep_random


def gone_on(make: Maker, workers: int, folder: Path, kind: str) -> dict[str, float]:
    called = time.time()
    searched(kind, folder, workers, workers, make, noting(folder))
    return task.until_new(called, folder)


def go_on_random(n: int, workers: int, folder: Path, kind: str) -> dict[str, float]:
    return gone_on(random_sampler, workers, folder, kind)


def go_on_tpe(n: int, workers: int, folder: Path, kind: str) -> dict[str, float]:
    return gone_on(tpe_sampler, workers, folder, kind)


slow_curve = partial(curve, accuracy_at=curves.slow_accuracy)
slow_distance = partial(distance, loss=curves.slow_loss)


def rows(one: optuna.Study) -> list[Any]:
    ended = one.get_trials(False, ENDED)
    return sorted((*each.params.values(), each.last_step or 0, each.value) for each in ended)


def equal_asha(n: int, workers: int, folder: Path, kind: str) -> dict[str, bool]:
    def made(n: int, workers: int, folder: Path) -> list[Any]:
        return rows(study_of(kind, folder, n, workers, random_sampler, slow_curve, "maximize"))

    return task.equal(made, n, workers, folder)


def equal_tpe(n: int, workers: int, folder: Path, kind: str) -> dict[str, bool]:
    def made(n: int, workers: int, folder: Path) -> list[Any]:
        return rows(study_of(kind, folder, n, workers, tpe_sampler, slow_distance))

    return task.equal(made, n, workers, folder)


def stepping(n: int) -> Objective:
    def objective(trial: optuna.Trial) -> float:
        for epoch in range(n):
            trial.report(epoch * 0.5, epoch)
        return n * 0.5

    return objective


def steps(n: int, workers: int, folder: Path, kind: str) -> int:
    one = study_of(kind, folder, workers, workers, random_sampler, stepping(n // workers))
    return sum(len(each.intermediate_values) for each in one.get_trials(False, ENDED))


def before_page(n: int, folder: Path, kind: str) -> None:
    prepared.append(with_trials(kind, folder, n))


def page(n: int, folder: Path, kind: str) -> int:
    (one,) = prepared
    figure = optuna.visualization.plot_parallel_coordinate(one, params=[*curves.NAMES])
    figure.write_html(folder / pages.NAME)
    return len(one.get_trials(False, ENDED))


def after_page(value: int, n: int, folder: Path, kind: str) -> dict[str, Any]:
    return pages.looked_at(folder, value, "document.querySelector('.scatterlayer .trace')")
