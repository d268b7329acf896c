"""The Pareto front: what no other row beats in all goals at once."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams import Experiment, search
from superparams.declare.goal import Goal
from superparams.errors import StoreError
from superparams.store.table.pareto_front import front_places


def front(rows: list[tuple[Any, ...]], *modes: Any) -> list[int]:
    columns = [pa.chunked_array([pa.array(column)]) for column in zip(*rows, strict=True)]
    goals = [Goal(f"g{at}", mode) for at, mode in enumerate(modes)]
    return front_places(columns, goals)


def test_what_another_row_beats_is_not_in_the_front() -> None:
    rows = [(1.0, 5.0), (2.0, 4.0), (2.0, 6.0), (3.0, 9.0), (3.0, 9.0), (0.5, 7.0)]
    assert front(rows, "max", "min") == [1, 3, 4]
    assert front(rows, "max", "max") == [3, 4]
    assert front(rows, "min", "min") == [0, 1, 5]


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_that_of_all_comparisons(seed: int) -> None:
    draw = random.Random(seed)
    n_goals = draw.randint(2, 4)
    rows = [tuple(draw.randint(0, 6) for _ in range(n_goals)) for _ in range(60)]
    modes = [draw.choice(["max", "min"]) for _ in range(n_goals)]
    signs = [1 if mode == "max" else -1 for mode in modes]

    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        pairs = [(s * x, s * y) for s, x, y in zip(signs, one, other, strict=True)]
        return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)

    expected = [at for at, row in enumerate(rows) if not any(beats(one, row) for one in rows)]
    assert front(rows, *modes) == expected


def test_rows_without_a_number_do_not_count() -> None:
    assert front([(1.0, None), (math.nan, 9.0), (0.5, 0.5)], "max", "max") == [2]
    assert front([(math.inf, 1.0), (1.0, 2.0)], "max", "max") == [0, 1]
    assert front([(None, None), (None, 1.0)], "max", "max") == []


class Shape(Experiment):
    width: int = search(range(1, 7))
    depth: int = search(range(1, 4))

    def run(self) -> dict[str, float]:
        if self.width == 5:
            raise ValueError("too wide")
        return {"accuracy": min(self.width * self.depth, 8) / 8, "size": self.width + self.depth}


def test_the_front_of_results(tmp_path: Path) -> None:
    found = Shape().run_all(results=tmp_path, progress=False)
    best = found.pareto(maximize="accuracy", minimize="size")
    pairs = [(row["accuracy"], row["size"]) for row in best]
    every = [(row["accuracy"], row["size"]) for row in found if row["status"] == "done"]
    assert {(1.0, 6), (1 / 8, 2)} <= set(pairs)
    for one, other in itertools.product(pairs, every):
        assert not (other[0] >= one[0] and other[1] <= one[1] and other != one)
    assert [row["index"] for row in best] == sorted(row["index"] for row in best)
    with pytest.raises(StoreError, match=r"pareto\(\) of Shape needs two goals: name the columns"):
        found.pareto(maximize="accuracy")
    with pytest.raises(StoreError, match="acuracy"):
        found.pareto(maximize="acuracy", minimize="size")
