"""Ray Tune: one trial a setting, its experiment folder, and what restores it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.variant_generator import generate_variants

from benchmarks.peers import curves, task
from benchmarks.peers.ray_ import close as close
from benchmarks.peers.ray_ import start as start

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


def searched(
    name: str, n: int, workers: int, folder: Path, trainable: Any = distance, *, kept: str = ""
) -> tune.ResultGrid:
    """Trials of a sampler of Optuna, which is what Ray Tune has for these.

    kept: the name of an experiment in the folder whose searcher is restored, and goes on.
    """
    optuna = ahead()
    searcher = OptunaSearch(sampler=getattr(optuna, f"{name}_sampler")(0))
    space = {name: tune.uniform(curves.LOW, curves.HIGH) for name in curves.NAMES}
    if kept:  # a searcher that is restored has its space
        searcher.restore_from_dir(str(folder / kept))
    start(workers)
    return tune.Tuner(
        trainable,
        param_space=None if kept else space,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=searcher,
            num_samples=n,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=f"{NAME} on" if kept else NAME, storage_path=str(folder), verbose=0
        ),
    ).fit()


def ended(results: tune.ResultGrid) -> int:
    return len(results) - results.num_errors


def random_search(n: int, workers: int, folder: Path) -> int:
    return ended(searched("random", n, workers, folder))


def tpe(n: int, workers: int, folder: Path) -> int:
    return ended(searched("tpe", n, workers, folder))


def cmaes(n: int, workers: int, folder: Path) -> int:
    return ended(searched("cmaes", n, workers, folder))


def curve(config: dict[str, float]) -> None:
    for epoch in range(1, curves.EPOCHS + 1):
        tune.report({"accuracy": curves.accuracy(config["x"], epoch)})


def raced(trainable: Any, n: int, workers: int, folder: Path) -> tune.ResultGrid:
    start(workers)
    return tune.Tuner(
        trainable,
        param_space={"x": tune.uniform(0.0, 1.0)},
        tune_config=tune.TuneConfig(
            metric="accuracy",
            mode="max",
            scheduler=ASHAScheduler(
                max_t=curves.EPOCHS, grace_period=1, reduction_factor=curves.FACTOR
            ),
            search_alg=BasicVariantGenerator(random_state=0),
            num_samples=n,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0),
    ).fit()


def asha(n: int, workers: int, folder: Path) -> int:
    return ended(raced(curve, n, workers, folder))


def napping(folder: Path) -> Callable[[dict[str, float]], None]:
    def trainable(config: dict[str, float]) -> None:
        task.nap(folder)
        distance(config)

    return trainable


def noting(folder: Path) -> Callable[[dict[str, float]], None]:
    def trainable(config: dict[str, float]) -> None:
        task.noted(folder)
        distance(config)

    return trainable


def naps(n: int, workers: int, folder: Path) -> int:
    return ended(searched("tpe", n, workers, folder, napping(folder)))


after_naps = task.rested


def keep_random(n: int, workers: int, folder: Path) -> int:
    return ended(searched("random", n, workers, folder))


def keep_tpe(n: int, workers: int, folder: Path) -> int:
    return ended(searched("tpe", n, workers, folder))


def go_on_random(n: int, workers: int, folder: Path) -> dict[str, float]:
    called = time.time()
    searched("random", workers, workers, folder, noting(folder), kept=NAME)
    return task.until_new(called, folder)


def go_on_tpe(n: int, workers: int, folder: Path) -> dict[str, float]:
    called = time.time()
    searched("tpe", workers, workers, folder, noting(folder), kept=NAME)
    return task.until_new(called, folder)


def slow_curve(config: dict[str, float]) -> None:
    for epoch in range(1, curves.EPOCHS + 1):
        tune.report({"accuracy": curves.slow_accuracy(config["x"], epoch)})


def slow_distance(config: dict[str, float]) -> None:
    tune.report({"loss": curves.slow_loss(config)})


def rows(results: tune.ResultGrid, goal: str) -> list[Any]:
    """Parameters, steps and result of all trials."""
    close()
    return sorted(
        (
            *(result.config or {}).values(),
            result.metrics["training_iteration"],
            result.metrics[goal],
        )
        for result in results
        if result.metrics
    )


def asha_rows(n: int, workers: int, folder: Path) -> list[Any]:
    return rows(raced(slow_curve, n, workers, folder), "accuracy")


def tpe_rows(n: int, workers: int, folder: Path) -> list[Any]:
    return rows(searched("tpe", n, workers, folder, slow_distance), "loss")


def equal_asha(n: int, workers: int, folder: Path) -> dict[str, bool]:
    return task.equal(asha_rows, n, workers, folder)


def equal_tpe(n: int, workers: int, folder: Path) -> dict[str, bool]:
    return task.equal(tpe_rows, n, workers, folder)


def stepping(config: dict[str, int]) -> None:
    for epoch in range(config["n"]):
        tune.report({"loss": epoch * 0.5})


def steps(n: int, workers: int, folder: Path) -> None:
    start(workers)
    results = tune.Tuner(
        stepping,
        param_space={"place": tune.grid_search(list(range(workers))), "n": n // workers},
        run_config=tune.RunConfig(name=NAME, storage_path=str(folder), verbose=0),
    ).fit()
    assert len(results) == workers


def after_steps(value: None, n: int, workers: int, folder: Path) -> int:
    """A line for each step in the folder of a trial."""
    paths = (folder / NAME).glob("*/result.json")
    return sum(len(path.read_text().splitlines()) for path in paths)
