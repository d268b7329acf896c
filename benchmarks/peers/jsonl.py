"""Steps by hand: each process appends lines of JSON to a file of its own."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path


def record(path: Path, n: int) -> None:
    with open(path, "w") as file:
        for epoch in range(n):
            file.write(json.dumps({"epoch": epoch, "loss": epoch * 0.5}) + "\n")
            file.flush()


def steps(n: int, workers: int, folder: Path) -> None:
    with multiprocessing.Pool(workers) as pool:
        pool.starmap(
            record, [(folder / f"{place}.jsonl", n // workers) for place in range(workers)]
        )


def after_steps(value: None, n: int, workers: int, folder: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in folder.glob("*.jsonl"))
