"""The report of an experiment: made after its last setting, and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from superparams import Experiment, Results, search
from superparams.errors import StoreError
from superparams.store.runs.report import save_report


class Figure:
    """Draws as a figure of matplotlib does."""

    def savefig(self, target: Any, format: str) -> None:
        target.write(format.encode())


class Squares(Experiment):
    x: int = search([1, 2, 3])

    def run(self) -> dict[str, int]:
        return {"square": self.x**2}

    def report(self, results: Results) -> dict[str, Any]:
        return {"largest": results.best("square")["x"], "settings": len(results)}


class Failing(Squares):
    def report(self, results: Results) -> dict[str, Any]:
        raise RuntimeError("no figure today")


def test_it_sees_the_results_and_is_kept(tmp_path: Path) -> None:
    results = Squares().run_all(results=tmp_path, progress=False)
    assert results.report is not None
    assert json.loads(results.report.read_text()) == {"largest": 3, "settings": 3}


def test_it_is_made_anew_when_all_is_done(tmp_path: Path) -> None:
    Squares(x=search([1, 2])).run_all(results=tmp_path, progress=False)
    results = Squares(x=search([1])).run_all(results=tmp_path, progress=False)
    assert results.report is not None
    assert json.loads(results.report.read_text())["largest"] == 1


def test_one_that_fails_costs_no_results(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"(?s)Failing\.report\(\) failed.*no figure today"):
        results = Failing().run_all(results=tmp_path, progress=False)
    assert len(results) == 3
    assert results.report is None


def test_without_one_nothing_is_kept(tmp_path: Path) -> None:
    class Silent(Experiment):
        x: int = search([1])

        def run(self) -> dict[str, int]:
            return {}

    results = Silent().run_all(results=tmp_path, progress=False)
    assert results.report is None
    assert not list(tmp_path.glob("*/report.*"))


@pytest.mark.parametrize(
    ("made", "name", "content"),
    [
        ("# Findings\n", "report.md", b"# Findings\n"),
        (Figure(), "report.png", b"png"),
        ({"a": np.float32(0.5)}, "report.json", b'{\n "a": 0.5\n}'),
    ],
)
def test_each_kind_has_its_form(tmp_path: Path, made: Any, name: str, content: bytes) -> None:
    path = save_report(tmp_path, made)
    assert path == tmp_path / name
    assert path.read_bytes() == content


def test_a_frame_becomes_parquet_and_a_path_stays(tmp_path: Path) -> None:
    path = save_report(tmp_path, pa.table({"a": [1, 2]}))
    assert path is not None
    assert pq.read_table(path).to_pydict() == {"a": [1, 2]}
    assert save_report(tmp_path, Path("mine.svg")) == Path("mine.svg")
    assert save_report(tmp_path, None) is None


def test_what_has_no_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"report\(\) returned a dict.*return text, a figure"):
        save_report(tmp_path, {"a": object()})
