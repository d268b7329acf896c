"""Row 31: a result of many containers in containers costs no other row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from superparams import Experiment, search

pytestmark = pytest.mark.usefixtures("no_leaks")

DEPTHS = [1, 29, 31, 64, 70, 100]


def lists(depth: int) -> Any:
    return [lists(depth - 1)] if depth else 1


def mixed(depth: int) -> Any:
    return [mixed(depth - 1), 1] if depth else "x"


def dicts(depth: int) -> Any:
    return {"a": dicts(depth - 1), "b": 1} if depth else 1


def both(depth: int) -> Any:
    return [{"a": both(depth - 2)}] if depth > 0 else 1


def frame(depth: int) -> Any:
    form = pa.int64()
    for _ in range(depth):
        form = pa.list_(form)
    return pa.table({"frame": pa.nulls(1, form)})


class Deep(Experiment):
    depth: int = search(DEPTHS)
    point: Any = search([lists(70), 1])

    def run(self) -> Any:
        yield {"step": lists(self.depth)}
        made = {"lists": lists, "mixed": mixed, "both": both}
        return {name: make(self.depth) for name, make in made.items()} | {"d": dicts(self.depth)}


class Frames(Experiment):
    depth: int = search(DEPTHS)

    def run(self) -> Any:
        return frame(self.depth)


@pytest.mark.parametrize("num_proc", [1, 2])
def test_31_what_is_nested_deeply_is_text_inside(tmp_path: Path, num_proc: int) -> None:
    results = Deep().run_all(num_proc, results=tmp_path, progress=False)
    assert results.counts == {"done": 12}
    assert len(results.steps) == 12
    for name in ("lists", "mixed", "both"):
        shown = [
            json.dumps(x) if not isinstance(x, str) else x for x in results.column(name).to_pylist()
        ]
        sizes = [text.count("[") for text in shown]
        brackets = {"lists": 1, "mixed": 1, "both": 0.5}[name]
        assert sizes == [max(1, round(n * brackets + 0.1)) for n in DEPTHS for _ in (0, 1)], name
    assert any(column.startswith("d.a.a.a") for column in results.columns)


@pytest.mark.parametrize("num_proc", [1, 2])
def test_31_a_frame_that_arrow_cannot_write_fails_alone(tmp_path: Path, num_proc: int) -> None:
    results = Frames().run_all(num_proc, results=tmp_path, progress=False)
    by_depth = dict(zip(DEPTHS, results.column("status").to_pylist(), strict=True))
    assert [by_depth[n] for n in DEPTHS] == ["done"] * 3 + ["failed"] * 3
    assert all("data frame that run() returned" in row["error"] for row in results.failures)
