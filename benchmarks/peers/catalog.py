"""The sides that are compared: each tool, in each way of using it that has results of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ENVIRONMENT = Path(sys.prefix)
PUBLISHED = ENVIRONMENT / "superparams-0.1.0"
REASONS = ENVIRONMENT / "not-installed.json"  # written by `install`
PLAIN = "plain"


@dataclass(frozen=True)
class Side:
    """A tool in one way of using it.

    file: its file in this folder, without `.py`; `given` is what its functions are called with.
    needs: what pip is asked for; the first is whose version is told.
    statement, command: what is timed for importing it, and for the help of its command.
    """

    name: str
    title: str
    file: str
    needs: tuple[str, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)
    statement: str = ""
    command: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def tool(self) -> str:
        """Its title without what does not matter for all kinds of work."""
        return self.title.split(",")[0]

    @property
    def distribution(self) -> str:
        return self.needs[0].split("[")[0].split("=")[0] if self.needs else ""

    @property
    def version(self) -> str:
        """The version that is installed, or nothing."""
        paths = [str(self.path)] if self.path else sys.path
        found = next(iter(metadata.distributions(name=self.distribution, path=paths)), None)
        return found.version if found else ""

    @property
    def missing(self) -> str:
        """Why it cannot be measured here, or nothing."""
        if not self.needs or all(installed(need, self.path) for need in self.needs):
            return ""
        reasons = json.loads(REASONS.read_text()) if REASONS.exists() else {}
        return str(reasons.get(self.name, "not in this environment"))


def installed(need: str, path: Path | None) -> bool:
    name = need.split("[")[0].split("=")[0]
    paths = [str(path)] if path and "==" in need else sys.path
    return any(True for _ in metadata.distributions(name=name, path=paths))


def script(name: str) -> tuple[str, ...]:
    """A command of this environment, without the cost of finding its interpreter."""
    return (sys.executable, str(ENVIRONMENT / "bin" / name), "--help")


SIDES = (
    Side(
        "superparams",
        "superparams",
        "superparams_",
        ("superparams",),
        statement="import superparams",
        command=script("experiment"),
    ),
    Side(
        "superparams-0.1.0",
        "superparams 0.1.0",
        "superparams_010",
        ("superparams==0.1.0", "multiprocess", "filelock", "polars"),
        statement="import superparams",
        command=(sys.executable, str(PUBLISHED / "bin" / "experiment"), "--help"),
        path=PUBLISHED,
    ),
    Side("joblib", "joblib", "joblib_", ("joblib",), statement="import joblib"),
    Side("joblib-memory", "joblib + Memory", "joblib_memory", ("joblib",)),
    Side(
        "pool",
        "multiprocessing.Pool",
        "pool",
        statement="import multiprocessing.pool",
    ),
    Side(
        "futures",
        "concurrent.futures",
        "futures",
        statement="from concurrent.futures import ProcessPoolExecutor",
    ),
    Side(
        "ray",
        "Ray",
        "ray_",
        ("ray[tune]",),
        statement="import ray",
        command=script("ray"),
    ),
    Side(
        "tune",
        "Ray Tune",
        "tune",
        ("ray[tune]", "optuna", "cmaes"),
        statement="from ray import tune",
    ),
    Side(
        "dask",
        "Dask",
        "dask_",
        ("distributed", "dask"),
        statement="from dask.distributed import Client",
        command=script("dask"),
    ),
    Side(
        "optuna-memory",
        "Optuna, memory",
        "optuna_",
        ("optuna", "cmaes"),
        {"kind": "memory"},
        statement="import optuna",
        command=script("optuna"),
    ),
    Side("optuna-journal", "Optuna, journal", "optuna_", ("optuna", "cmaes"), {"kind": "journal"}),
    Side("optuna-sqlite", "Optuna, SQLite", "optuna_", ("optuna",), {"kind": "sqlite"}),
    Side(
        "hydra",
        "Hydra, basic launcher",
        "hydra_",
        ("hydra-core",),
        {"launcher": "basic"},
        statement="import hydra",
        command=(sys.executable, "-m", "benchmarks.peers.hydra_", "--help"),
    ),
    Side(
        "hydra-joblib",
        "Hydra, joblib launcher",
        "hydra_",
        ("hydra-joblib-launcher", "hydra-core"),
        {"launcher": "joblib"},
    ),
    Side("labtech", "labtech", "labtech_", ("labtech",), statement="import labtech"),
    Side("sklearn", "scikit-learn ParameterGrid", "sklearn_", ("scikit-learn",)),
    Side(
        "hyperopt",
        "Hyperopt",
        "hyperopt_",
        ("hyperopt",),
        statement="import hyperopt",
    ),
    Side("orion", "Orion", "orion_", ("orion",), statement="import orion.client"),
    Side("mlflow", "MLflow, files", "mlflow_", ("mlflow-skinny",), statement="import mlflow"),
    Side("wandb", "Weights & Biases, offline", "wandb_", ("wandb",), statement="import wandb"),
    Side(
        "tensorboardx",
        "TensorBoard",
        "tensorboard_",
        ("tensorboardX",),
        statement="import tensorboardX",
    ),
    Side("jsonl", "lines of JSON by hand", "jsonl"),
    Side("plotly", "Plotly", "plotly_", ("plotly", "pandas"), statement="import plotly.express"),
    Side("hiplot", "HiPlot", "hiplot_", ("hiplot", "pandas"), statement="import hiplot"),
    Side(
        "superparams-dask",
        "superparams, on Dask",
        "running_cluster",
        ("distributed", "dask"),
        {"kind": "dask", "is_bare": False},
    ),
    Side(
        "dask-tasks",
        "Dask, bare tasks",
        "running_cluster",
        ("distributed", "dask"),
        {"kind": "dask", "is_bare": True},
    ),
    Side(
        "superparams-ray",
        "superparams, on Ray",
        "running_cluster",
        ("ray[tune]",),
        {"kind": "ray", "is_bare": False},
    ),
    Side(
        "ray-tasks",
        "Ray, bare tasks",
        "running_cluster",
        ("ray[tune]",),
        {"kind": "ray", "is_bare": True},
    ),
    Side(
        PLAIN,
        "no tool",
        "plain",
        statement="pass",
        command=(sys.executable, "-c", "import click; click.command()(lambda: None)(['--help'])"),
    ),
)


def side(name: str) -> Side:
    return next(one for one in SIDES if one.name == name)
