"""Packing and attaching a large array, against one plain copy of it into shared memory.

    python benchmarks/payload.py [--gib 1.0]

Prints ratios within this run. To hold: packing takes under 1.15 plain copies, holds no second copy
of the array, and an array built in place is not copied at all.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Callable

import numpy as np
from peers.memory import of_tree

from superparams.executor.payload import pack, shared_empty

ROUNDS = 5


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        begun = time.perf_counter()
        made = work()
        best = min(best, time.perf_counter() - begun)
        del made
    return best


def plain_copy(data: np.ndarray) -> None:
    """What a person would write by hand: all of it into a memfd."""
    fd = os.memfd_create("copy")
    view, done = memoryview(data).cast("B"), 0
    while done < view.nbytes:
        done += os.write(fd, view[done:])
    os.close(fd)


def memory() -> int:
    """Bytes that this process holds, its memfds included."""
    return of_tree(os.getpid())


def row(name: str, value: float, unit: str, ratio: str = "") -> None:
    print(f"{name:<52} {value:>9.2f} {unit:<4} {ratio}")


def large(gib: float) -> None:
    data = np.random.default_rng(0).random(int(gib * 2**27))
    copy = seconds(lambda: plain_copy(data))
    row("a plain copy into a memfd", copy * 1e3, "ms")
    packed = seconds(lambda: pack({"data": data}).close())
    row("pack()", packed * 1e3, "ms", f"{packed / copy:.2f} copies (bar: 1.15)")
    strided = seconds(lambda: pack(data[::2]).close(), 3)
    row("pack() of every other item", strided * 1e3, "ms", f"{strided / copy:.2f} copies")

    before = memory()
    with pack({"data": data}) as payload:
        held = (memory() - before) / data.nbytes
        row("memory held by the payload", held, "x", "the array (bar: 1.05)")
        print(f"{payload.report}")
        attach = seconds(lambda: payload.attach().load(), 100)
        row("attach() and load()", attach * 1e6, "us")
        with payload.attach() as attached:
            loaded = attached.load()["data"]
            first, again = seconds(loaded.sum, 1), seconds(loaded.sum)
            own = seconds(data.sum)
            row("sum of the attached array, first and later", first * 1e3, "ms")
            row("", again * 1e3, "ms", f"{again / own:.2f} sums of the original")
            took = seconds(lambda: [attached.refresh() for _ in range(1000)])
            row("refresh() with no library that could write", took * 1e3, "us")
            refresh_all(attached)


def refresh_all(attached: object) -> None:
    import sys
    import types

    sys.modules["torch"] = types.ModuleType("torch")  # as if it had been imported

    def after_a_fault() -> None:
        attached._faults = -1  # type: ignore[attr-defined]
        attached.refresh()  # type: ignore[attr-defined]

    row("refresh() with torch, all pages looked at", seconds(after_a_fault) * 1e3, "ms")
    del sys.modules["torch"]


def in_place(gib: float) -> None:
    shared = shared_empty(int(gib * 2**27))
    shared[:] = 1
    time_ = seconds(lambda: pack({"data": shared[1:]}).close())
    row("pack() of an array of shared_empty()", time_ * 1e3, "ms")


def small() -> None:
    import pickle

    import cloudpickle

    obj = {"name": "x", "rates": [0.1, 0.2], "function": small}
    base = seconds(lambda: cloudpickle.dumps(obj, protocol=pickle.HIGHEST_PROTOCOL), 1000)
    row("cloudpickle.dumps() of an object without data", base * 1e6, "us")
    packed = seconds(lambda: pack(obj).close(), 1000)
    row("pack() of it", packed * 1e6, "us", f"{packed / base:.2f} dumps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=1.0)
    size = parser.parse_args().gib
    small()
    large(size)
    in_place(size)
