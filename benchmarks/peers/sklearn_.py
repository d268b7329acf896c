"""scikit-learn's ParameterGrid: a grid as dicts."""

from __future__ import annotations

from sklearn.model_selection import ParameterGrid

from benchmarks.peers import task


def expand(n: int) -> int:
    a, b = task.axes(n)
    return sum(1 for _ in ParameterGrid({"a": a, "b": b}))
