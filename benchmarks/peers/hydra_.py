"""Hydra: an app under --multirun, each job with an output folder that it writes its result to."""

from __future__ import annotations

import functools
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from benchmarks.peers import task

store = ConfigStore.instance()
store.store(name="nothing", node={"a": 0, "b": 0})
store.store(name="sum", node={"place": 0, "size": 0})
store.store(name="deadly", node={"i": 0})


def keep(row: dict[str, Any]) -> None:
    """A job's result, in the output folder that Hydra makes for it."""
    folder = HydraConfig.get().runtime.output_dir
    (Path(folder) / "result.json").write_text(json.dumps(row))


@hydra.main(version_base=None, config_name="nothing")
def nothing(config: DictConfig) -> None:
    keep(task.nothing(config.a, config.b))


@functools.cache
def data(size: int) -> Any:
    """What each process that runs jobs makes for itself: a configuration holds no arrays."""
    return task.made(size)


@hydra.main(version_base=None, config_name="sum")
def summed(config: DictConfig) -> None:
    keep(task.part(data(config.size), config.place))


@hydra.main(version_base=None, config_name="deadly")
def deadly(config: DictConfig) -> None:
    keep(task.deadly(config.i))


def multirun(
    app: Callable[[], None], folder: Path, launcher: str, workers: int, *overrides: str
) -> None:
    words = ["app", "--multirun", f"hydra.sweep.dir={folder}/multirun", *overrides]
    if launcher == "joblib":
        words += ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={workers}"]
    sys.argv = words
    app()


def swept(axis: range) -> str:
    return f"range({axis.start},{axis.stop})"


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in folder.glob("multirun/*/result.json")]


def noop(n: int, workers: int, folder: Path, launcher: str) -> None:
    a, b = task.axes(n)
    multirun(nothing, folder, launcher, workers, f"a={swept(a)}", f"b={swept(b)}")
    assert len(rows(folder)) == n


def array(size: int, workers: int, folder: Path, launcher: str) -> float:
    places = swept(range(task.SLICES))
    multirun(summed, folder, launcher, workers, f"place={places}", f"size={size}")
    return task.total(rows(folder))


def read(folder: Path, launcher: str) -> int:
    return len(rows(folder))


def kill(workers: int, folder: Path, launcher: str) -> int:
    try:
        multirun(deadly, folder, launcher, workers, f"i={swept(range(task.SETTINGS))}")
    except SystemExit:
        print("the app ended with an error")
    return len(rows(folder))


def kept(folder: Path, launcher: str) -> int:
    return len(rows(folder))


def expand(n: int, launcher: str) -> int:
    """Into lists of overrides, as the sweeper does it before anything is composed."""
    return len(overrides(n))


def overrides(n: int) -> list[list[str]]:
    a, b = task.axes(n)
    parsed = OverridesParser.create().parse_overrides([f"a={swept(a)}", f"b={swept(b)}"])
    return list(itertools.chain.from_iterable(BasicSweeper.split_arguments(parsed, None)))


def expand_composed(n: int, launcher: str) -> int:
    """Into configurations, which is what a job is given."""
    with hydra.initialize(version_base=None):
        return sum(1 for each in overrides(n) if hydra.compose("nothing", overrides=each))


if __name__ == "__main__":
    nothing()
