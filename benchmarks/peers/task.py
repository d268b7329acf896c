"""The work itself, the same for every tool: what one setting does, and what is made for it.

Settings have two axes: `a` of n / 100 points and `b` of 100, or of n where n is less.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SLICES = 64  # settings that sum a slice each
SETTINGS = 20  # settings of which one kills its worker
KILLER = 6  # and which one it is
PAUSE = 0.02  # seconds that each of these takes
NAP = 0.05  # seconds that a trial takes which is compared with what is ideal
NOTES = "notes"  # a file with a line for each trial: when it began


def axes(n: int) -> tuple[range, range]:
    """The points of `a` and of `b`."""
    return range(max(1, n // 100)), range(min(n, 100))


def points(n: int) -> Iterator[dict[str, int]]:
    """All settings as dicts, as one would write it by hand."""
    a, b = axes(n)
    return ({"a": a, "b": b} for a, b in itertools.product(a, b))


def nothing(a: int, b: int) -> dict[str, int]:
    """A setting that does nothing: its parameters and its result."""
    return {"a": a, "b": b, "x": a * 100 + b}


def nothing_of(point: dict[str, int]) -> dict[str, int]:
    return nothing(**point)


def deadly(i: int) -> dict[str, int]:
    """A setting of a moment's work, one of which kills the process that it runs in."""
    time.sleep(PAUSE)
    if i == KILLER:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"i": i, "x": i}


def made(size: int) -> Any:
    """An array of `size` bytes."""
    import numpy as np

    array = np.empty(size // 8)
    array[:] = 1.0
    return array


def part(array: Any, place: int) -> dict[str, float]:
    """The sum of one slice."""
    step = len(array) // SLICES
    return {"place": place, "sum": float(array[place * step : (place + 1) * step].sum())}


def total(rows: list[dict[str, Any]]) -> float:
    """What the sums of all slices come to."""
    return sum(row["sum"] for row in rows)


def noted(folder: Path | str) -> None:
    """Note that a trial begins; any number of processes do so at once."""
    file = os.open(Path(folder, NOTES), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{time.time():.6f}\n".encode())
    os.close(file)


def nap(folder: Path | str) -> None:
    noted(folder)
    time.sleep(NAP)


def begun(folder: Path) -> list[float]:
    """When trials began, in order."""
    return sorted(map(float, (folder / NOTES).read_text().split()))


def rested(count: int, n: int, workers: int, folder: Path) -> dict[str, float]:
    """How many trials ended, and the time from the first one on as a ratio to what is ideal."""
    began = begun(folder)
    steady = (began[-1] + NAP - began[0]) / (n * NAP / workers)
    return {"count": count, "steady": steady}


def until_new(called: float, folder: Path) -> dict[str, float]:
    """Seconds from a call until the first trial that began after it."""
    return {"seconds": min(began for began in begun(folder) if began > called) - called}


def gone_on(
    keep: Callable[[int, int, Path], object], workers: int, folder: Path
) -> dict[str, float]:
    """Seconds until a search goes on that gets one more trial for each worker."""
    more, called = len(begun(folder)) + workers, time.time()
    keep(more, workers, folder)
    return until_new(called, folder)


def equal(
    rows: Callable[[int, int, Path], list[Any]], n: int, workers: int, folder: Path
) -> dict[str, bool]:
    """Whether one worker and several make the same rows."""
    tables = []
    for count in (1, workers):
        place = folder / str(count)
        place.mkdir()
        tables.append(rows(n, count, place))
    assert len(tables[0]) == n, f"{len(tables[0])} rows, not {n}"
    return {"equal": tables[0] == tables[1]}
