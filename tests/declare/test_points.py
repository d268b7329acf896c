"""Points that hold lists of different kinds: a table shows each, and finds it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from superparams import Experiment, search

POINTS: list[Any] = [(("a", "b"),), (("c", 1),), ((),), (("d", None), ("e", 2))]


class Nested(Experiment):
    steps: tuple[Any, ...] = search(POINTS)
    x: int = search([1, 2])

    def run(self) -> dict[str, Any]:
        return {"y": [1, "a"] if self.x == 1 else [["b"]], "z": [[1, "a"]]}


def test_lists_whose_elements_became_text_share_a_column_with_others(tmp_path: Path) -> None:
    table = Nested().run_all(progress=False, results=tmp_path)
    shown = [row["steps"] for row in table]
    assert shown[::2] == ['[["a", "b"]]', '[["c", 1]]', "[[]]", '[["d", null], ["e", 2]]']
    assert [row["y"] for row in table] == ['[1, "a"]', '[["b"]]'] * 4
    assert [len(table.where(steps=point)) for point in POINTS] == [2, 2, 2, 2]


def test_lists_whose_elements_became_text_are_found_where_they_are_alone(tmp_path: Path) -> None:
    table = Nested(steps=POINTS[1]).run_all(progress=False, results=tmp_path)
    assert [row["steps"] for row in table] == [['["c", 1]']] * 2
    assert len(table.where(steps=POINTS[1])) == len(table.where(z=[[1, "a"]])) == 2
    assert len(table.where(steps=POINTS[0])) == 0


class Frames(Experiment):
    x: int = search([1, 2, 3])

    def run(self) -> Any:
        if self.x == 1:
            return pa.table({"y": pa.array(["a"], pa.large_string())})
        return {"y": [1, [2]] if self.x == 2 else [1, "a"]}


def test_text_of_a_frame_shares_a_column_with_text_that_lists_became(tmp_path: Path) -> None:
    table = Frames().run_all(progress=False, results=tmp_path)
    assert [row["y"] for row in table] == ['"a"', "[1, [2]]", '[1, "a"]']
    assert [len(table.where(y=one)) for one in ("a", [1, [2]], [1, "a"], "b")] == [1, 1, 1, 0]
    both = Frames(x=search([1, 2])).run_all(progress=False, results=tmp_path / "both")
    assert [row["y"] for row in both] == ['"a"', "[1, [2]]"]
