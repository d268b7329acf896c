"""The work itself, the same for every tool: what one setting does, and what is made for it.

Settings have two axes: `a` of n / 100 points and `b` of 100, or of n where n is less.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

SLICES = 64  # settings that sum a slice each
SETTINGS = 20  # settings of which one kills its worker
KILLER = 6  # and which one it is
PAUSE = 0.02  # seconds that each of these takes


def axes(n: int) -> tuple[range, range]:
    """The points of `a` and of `b`."""
    return range(max(1, n // 100)), range(min(n, 100))


def points(n: int) -> Iterator[dict[str, int]]:
    """All settings as dicts, as one would write it by hand."""
    a, b = axes(n)
    return ({"a": a, "b": b} for a, b in itertools.product(a, b))


def nothing(a: int, b: int) -> dict[str, int]:
    """A setting that does nothing, with its result beside it."""
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
