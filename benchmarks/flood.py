"""Settings that do nothing: what one costs, recorded, compared with joblib and a bare pool.

    python benchmarks/flood.py [SETTINGS] [REPEATS]

Every way runs the same points on two workers, each time in a new process, as a script would, in
turns; imports are not counted, starting the workers is. superparams leaves each outcome in its
ledger as it comes and the table at the end; joblib's rows are written to parquet once at the end;
the bare pool keeps nothing. The settings stand in a file that imports superparams alone. If a file
imports other packages, the global random generators are seeded for each of its settings.
"""

from __future__ import annotations

import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import pyarrow as pa
import pyarrow.parquet as pq
from tiny_settings import Nothing, nothing

import superparams.run.loop  # noqa: F401  # imports are counted on no side
from superparams import search

WORKERS = 2
JOBLIB = "joblib + parquet"


class Seeded(Nothing):
    """The same in a file that imports packages, so that random generators are seeded."""


def ours(n: int, folder: Path, cls: type[Nothing] = Nothing) -> None:
    results = cls(i=search(range(n))).run_all(WORKERS, results=folder, progress=False)
    assert len(results) == n


def with_joblib(n: int, folder: Path) -> None:
    rows = joblib.Parallel(WORKERS)(joblib.delayed(nothing)(i) for i in range(n))
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")


def bare_pool(n: int, folder: Path) -> None:
    with multiprocessing.Pool(WORKERS) as pool:
        assert sum(1 for _ in pool.imap_unordered(nothing, range(n), chunksize=64)) == n


WAYS: dict[str, Callable[[int, Path], None]] = {
    "superparams": ours,
    "the same, seeded": lambda n, folder: ours(n, folder, Seeded),
    JOBLIB: with_joblib,
    "Pool.imap_unordered": bare_pool,
}


def microseconds(way: str, n: int) -> float:
    """What one setting costs this way."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        WAYS[way](n, Path(folder))
        return (time.perf_counter() - began) / n * 1e6


def in_new_process(way: str, n: int) -> float:
    command = [sys.executable, __file__, "--way", way, str(n)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    if sys.argv[1:2] == ["--way"]:
        print(microseconds(sys.argv[2], int(sys.argv[3])))
        return
    given = [int(number) for number in sys.argv[1:]]
    n, repeats = [*given, *(100_000, 5)[len(given) :]]
    runs = [{way: in_new_process(way, n) for way in WAYS} for _ in range(repeats)]
    print(f"{n:,} settings, {WORKERS} workers, median of {repeats}")
    for way in WAYS:
        cost = statistics.median(run[way] for run in runs)
        ratio = statistics.median(run[way] / run[JOBLIB] for run in runs)
        print(f"{way:<22}{cost:8.1f} us a setting{ratio:8.2f} of joblib")


if __name__ == "__main__":
    main()
