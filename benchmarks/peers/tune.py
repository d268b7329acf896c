"""Ray Tune: one trial a setting, its experiment folder, and what restores it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.variant_generator import generate_variants

from benchmarks.peers import curves, task
from benchmarks.peers.ray_ import close, start

__all__ = [
    "ahead",
    "array",
    "asha",
    "close",
    "cmaes",
    "expand",
    "kill",
    "noop",
    "random_search",
    "read",
    "resume",
    "tpe",
]

NAME = "tuned"


def ahead() -> Any:
    """Import what has the samplers."""
    from benchmarks.peers import optuna_

    return optuna_


def nothing(config: dict[str, int]) -> None:
    tune.report({"x": task.nothing(**config)["x"]})


def part(config: dict[str, int], data: Any) -> None:
    tune.report({"sum": task.part(data, config["place"])["sum"]})


def deadly(config: dict[str, int]) -> None:
    tune.report({"x": task.deadly(config["i"])["x"]})


def tuned(trainable: Any, axes: dict[str, range], workers: int, folder: Path) -> tune.ResultGrid:
    start(workers)
    return tune.Tuner(
        trainable,
        param_space=grid(axes),
        # For trials as short as these its documentation advises it.
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0),
    ).fit()


def grid(axes: dict[str, range]) -> dict[str, Any]:
    return {name: tune.grid_search(list(axis)) for name, axis in axes.items()}


def noop(n: int, workers: int, folder: Path) -> None:
    a, b = task.axes(n)
    assert len(tuned(nothing, {"a": a, "b": b}, workers, folder)) == n


def array(size: int, workers: int, folder: Path) -> float:
    trainable = tune.with_parameters(part, data=task.made(size))
    results = tuned(trainable, {"place": range(task.SLICES)}, workers, folder)
    return task.total([result.metrics for result in results])


def expand(n: int) -> int:
    a, b = task.axes(n)
    return sum(1 for _ in generate_variants(grid({"a": a, "b": b})))


def restored(folder: Path) -> tune.Tuner:
    return tune.Tuner.restore(str(folder / NAME), nothing)


def resume(n: int, workers: int, folder: Path) -> None:
    start(workers)
    assert len(restored(folder).fit()) == n


def read(folder: Path) -> int:
    return len(restored(folder).get_results().get_dataframe())


def kill(workers: int, folder: Path) -> int:
    results = tuned(deadly, {"i": range(task.SETTINGS)}, workers, folder)
    return len(results) - results.num_errors


def distance(config: dict[str, float]) -> None:
    tune.report({"loss": curves.loss(config)})


def searched(name: str, n: int, workers: int, folder: Path) -> int:
    """Trials of a sampler of Optuna, which is what Ray Tune has for these."""
    optuna = ahead()
    space = {name: tune.uniform(curves.LOW, curves.HIGH) for name in curves.NAMES}
    start(workers)
    results = tune.Tuner(
        distance,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=OptunaSearch(sampler=getattr(optuna, f"{name}_sampler")(0)),
            num_samples=n,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0),
    ).fit()
    return len(results) - results.num_errors


def random_search(n: int, workers: int, folder: Path) -> int:
    return searched("random", n, workers, folder)


def tpe(n: int, workers: int, folder: Path) -> int:
    return searched("tpe", n, workers, folder)


def cmaes(n: int, workers: int, folder: Path) -> int:
    return searched("cmaes", n, workers, folder)


def curve(config: dict[str, float]) -> None:
    for epoch in range(1, curves.EPOCHS + 1):
        tune.report({"accuracy": curves.accuracy(config["x"], epoch)})


def asha(n: int, workers: int, folder: Path) -> int:
    start(workers)
    results = tune.Tuner(
        curve,
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            scheduler=ASHAScheduler(
                max_t=curves.EPOCHS, grace_period=1, reduction_factor=curves.FACTOR
            ),
            num_samples=n,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0),
    ).fit()
    return len(results) - results.num_errors
