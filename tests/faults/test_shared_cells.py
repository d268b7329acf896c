"""A setting cannot change shared lists in cells of frames or in named tuples: FAULTS row 42."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from superparams import Experiment, search, value

pytestmark = pytest.mark.usefixtures("no_leaks")


class Pair(NamedTuple):
    """A named tuple with a list."""

    path: list[int]


class Changes(Experiment):
    """Every setting changes all that it got, and tells what it found before."""

    x: int = search(range(3))
    frame: pd.DataFrame = value(pd.DataFrame({"n": [1], "a": [[1]], "b": [{"k": [1]}]}))
    series: Any = value(pd.Series([[1], None, "text"], index=["u", "v", "w"]))
    arrays: Any = value(pd.Series([np.zeros(2)]))
    twice: Any = value(pd.DataFrame([[[1], [2]]], columns=["a", "a"]))
    pair: Pair = value(Pair([1]))
    pairs: Any = value([Pair([1])])

    def run(self) -> dict[str, Any]:
        lists: list[list[int]] = [
            self.frame["a"][0],
            self.frame["b"][0]["k"],
            self.series["u"],
            self.twice.iloc[0, 0],
            self.twice.iloc[0, 1],
            self.pair.path,
            self.pairs[0].path,
        ]
        found = {f"list{place}": list(one) for place, one in enumerate(lists)}
        for one in lists:
            one.append(9)
        found["array"] = list(self.arrays[0])
        with pytest.raises(ValueError, match="read-only"):
            self.arrays[0][0] = 9
        assert isinstance(self.pair, Pair)
        return found


class ChangesLater(Changes):
    async def run(self) -> dict[str, Any]:  # type: ignore[override]  # pyright: ignore
        return super().run()


def test_42_cells_of_frames_and_named_tuples_are_a_settings_own(tmp_path: Path) -> None:
    threads, loop = {"num_proc": 2, "engine": "threads"}, {"num_proc": 2, "engine": "asyncio"}
    for how in ({"num_proc": 1}, threads, loop):
        found = (ChangesLater if how is loop else Changes)().run_all(
            **how, results=tmp_path, progress=False, resume=False
        )  # type: ignore[arg-type]
        for row in found:
            lists = [row[f"list{place}"] for place in range(7)]
            assert lists == [[1], [1], [1], [1], [2], [1], [1]], row["error"]
            assert row["array"] == [0.0, 0.0]
