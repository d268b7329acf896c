"""MLflow's tracking in local files, without a server: a run in each process.

This store is asked for by an environment variable: its documentation advises a database, for which
a larger package than mlflow-skinny is needed.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import mlflow


def record(folder: Path, n: int) -> None:
    mlflow.set_tracking_uri(folder.as_uri())
    with mlflow.start_run():
        for epoch in range(n):
            mlflow.log_metric("loss", epoch * 0.5, step=epoch)


def steps(n: int, workers: int, folder: Path) -> None:
    mlflow.set_tracking_uri(folder.as_uri())
    mlflow.set_experiment("steps")
    with multiprocessing.Pool(workers) as pool:
        pool.starmap(record, [(folder, n // workers)] * workers)


def after_steps(value: None, n: int, workers: int, folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.glob("*/*/metrics/loss"))
