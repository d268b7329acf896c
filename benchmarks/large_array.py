"""A gibibyte shared among workers: how long, and how much memory, for each way to give it.

    python benchmarks/large_array.py [--gib 1.0] [--repeats 3]

64 settings each sum their slice. Every way runs in a process of its own, in turns: once for its
time, and once while the memory of its process tree is sampled, private and file pages by PSS and
shared memory once.
By hand: one copy into a memfd and the sums in forked workers; or a forked global, no copy at all.
"given" and "built in place" start with the array ready, "factory" with nothing. The arrays have
``key=`` but for one row, which shows what the digest of the content costs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.memory import of_tree

from superparams import Experiment, search, shared_empty, value
from superparams.executor import Processes

SLICES = 64
# A virtual machine is slow to touch memory that nobody has used lately, by a factor of ten: every
# way finds its memory touched.
TOUCH = "import numpy; numpy.ones({bytes} // 8)"
ITEM = 8  # bytes of a float
# Imports are counted on no side, also those that a first run on processes brings.
IMPORTED = (
    "superparams.run.loop",
    "superparams.executor.engines.processes.engine",
    "superparams.executor.payload.packer",
    "superparams.executor.payload.reducers",
)


def size_of(gib: float) -> int:
    """Bytes of so many gibibytes, in slices of whole floats."""
    return int(gib * 2**30) // (SLICES * ITEM) * SLICES * ITEM


BYTES = size_of(float(os.environ.get("ARRAY_GIB", "1.0")))


def filled(array: Any) -> Any:
    array[:] = 1.0
    return array


def made() -> Any:
    return filled(np.empty(BYTES // ITEM))


def part(array: Any, place: int) -> float:
    step = len(array) // SLICES
    return float(array[place * step : (place + 1) * step].sum())


class Sums(Experiment):
    """The sum of one slice."""

    at: int = search(range(SLICES))
    data: Any = value(factory=made, key="ones")

    def run(self) -> dict[str, float]:
        return {"sum": part(self.data, self.at)}


def ours(workers: int, **given: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        start_method = given.pop("start_method", None)
        results = Sums(**given).run_all(
            workers, engine=Processes(start_method=start_method), results=folder, progress=False
        )
        seconds = time.perf_counter() - began
    assert sum(results.to_arrow()["sum"].to_pylist()) == BYTES // ITEM
    return seconds


def in_forks(array: Any, workers: int) -> None:
    children = []
    for rank in range(workers):
        child = os.fork()
        if child == 0:
            for place in range(rank, SLICES, workers):
                part(array, place)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def copy_by_hand(workers: int) -> float:
    array = made()
    began = time.perf_counter()
    fd = os.memfd_create("by-hand")
    view = memoryview(array).cast("B")
    done = 0
    while done < BYTES:
        done += os.write(fd, view[done : done + 2**30])
    shared = np.frombuffer(mmap.mmap(fd, BYTES, prot=mmap.PROT_READ), float)
    in_forks(shared, workers)
    return time.perf_counter() - began


def fork_by_hand(workers: int) -> float:
    array = made()
    began = time.perf_counter()
    in_forks(array, workers)
    return time.perf_counter() - began


def make_and_fork_by_hand(workers: int) -> float:
    began = time.perf_counter()
    in_forks(made(), workers)
    return time.perf_counter() - began


class Small(Experiment):
    """The same settings without data, and with the same library."""

    at: int = search(range(SLICES))

    def run(self) -> dict[str, float]:
        return {"sum": float(np.zeros(1).sum())}


def start_up(workers: int) -> float:
    """A run of as many settings without data."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        Small().run_all(workers, engine="processes", results=folder, progress=False)
        return time.perf_counter() - began


WAYS: dict[str, Callable[[int], float]] = {
    "copy by hand": copy_by_hand,
    "given": lambda workers: ours(workers, data=value(made(), key="ones")),
    "given, no key": lambda workers: ours(workers, data=value(made())),
    "built in place": lambda workers: ours(
        workers, data=value(filled(shared_empty(BYTES // ITEM)), key="ones")
    ),
    "fork by hand": fork_by_hand,
    "make, fork": make_and_fork_by_hand,
    "start-up": start_up,
    "factory": lambda workers: ours(workers),
    "fork": lambda workers: ours(workers, data=value(made(), key="ones"), start_method="fork"),
}


def measure(way: str, workers: int) -> tuple[float, float]:
    """Seconds, and the most memory held, as a multiple of the array.

    Of a run each: to look at the memory of processes holds them up.
    """
    with started(way, workers) as child:
        seconds = json.loads(child.communicate()[0])
    most = 0
    with started(way, workers) as child:
        while child.poll() is None:
            most = max(most, of_tree(child.pid))
            time.sleep(0.01)
    return seconds, most / BYTES


def started(way: str, workers: int) -> subprocess.Popen[bytes]:
    """A process of its own at its work, that will say how long it took."""
    subprocess.run([sys.executable, "-c", TOUCH.format(bytes=3 * BYTES)], check=True)
    command = [sys.executable, __file__, "--way", way, "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    if asked.way:
        for name in IMPORTED:
            importlib.import_module(name)
        print(json.dumps(WAYS[asked.way](asked.workers)))
        return
    global BYTES
    os.environ["ARRAY_GIB"] = str(asked.gib)
    BYTES = size_of(asked.gib)
    for workers in (2, 4):
        runs = [{way: measure(way, workers) for way in WAYS} for _ in range(asked.repeats)]
        table(workers, runs)


def table(workers: int, runs: list[dict[str, tuple[float, float]]]) -> None:
    print(f"\n{BYTES / 2**30:.3g} GiB, {SLICES} settings, {workers} workers, median of {len(runs)}")
    for way in WAYS:
        seconds = statistics.median(run[way][0] for run in runs)
        memory = statistics.median(run[way][1] for run in runs)
        print(f"{way:<16}{seconds:7.2f} s{memory:7.2f} arrays{compared(way, runs)}")


def compared(way: str, runs: list[dict[str, tuple[float, float]]]) -> str:
    if way in ("given", "given, no key", "built in place"):
        ratio = statistics.median(run[way][0] / run["copy by hand"][0] for run in runs)
        return f"   {ratio:.2f} of a copy by hand"
    by_hand = {"factory": "make, fork", "fork": "fork by hand"}.get(way)
    if by_hand is not None:
        base = [run[by_hand][0] + run["start-up"][0] for run in runs]
        ratio = statistics.median(run[way][0] / b for run, b in zip(runs, base, strict=True))
        return f"   {ratio:.2f} of {by_hand} + start-up"
    return ""


if __name__ == "__main__":
    main()
