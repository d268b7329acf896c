"""Ray Tune: one trial a setting, its experiment folder, and what restores it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search.variant_generator import generate_variants

from benchmarks.peers import task
from benchmarks.peers.ray_ import close, start

__all__ = ["array", "close", "expand", "kill", "noop", "read", "resume"]

NAME = "tuned"


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
