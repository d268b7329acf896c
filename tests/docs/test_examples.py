"""The examples run, on less than they are for."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.timing import PATIENCE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "experiments"
pytest.importorskip("sklearn")

# A space of four settings: two of each model.
SMALL = """
from digits import SVM, Digits, Forest, main
from superparams import search

if __name__ == "__main__":
    models = [SVM(C=1.0, gamma=search([0.001, 0.01])), Forest(trees=5, features=0.1)]
    main(Digits(model=search(models), folds=2))
"""


def run_small(folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "small.py"
    script.write_text(SMALL, "utf-8")
    return subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": f"{EXAMPLES}:{EXAMPLES.parents[1]}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )


def test_digits(tmp_path: Path) -> None:
    first = run_small(tmp_path)
    assert "SVM: " in first.stdout
    assert "Forest: " in first.stdout
    path = tmp_path / "results" / "digits.Digits" / "results.parquet"
    assert f"All 4 settings: {path}" in first.stdout

    rows = parquet.read_table(path).to_pylist()
    assert [row["status"] for row in rows] == ["done"] * 4
    assert [row["model"] for row in rows] == ["SVM", "SVM", "Forest", "Forest"]
    assert [row["model.gamma"] for row in rows] == [0.001, 0.01, None, None]
    assert [row["model.depth"] for row in rows] == [None, None, 8, None]
    assert all(0.5 < row["accuracy"] <= 1 for row in rows)
    assert {row["rank"] for row in rows} <= {0, 1}

    again = run_small(tmp_path)
    assert "4 settings: 4 done by the same code: skipped" in again.stderr
    assert again.stdout == first.stdout
    assert parquet.read_table(path).to_pylist() == rows


def test_digits_is_of_a_size_for_a_demo() -> None:
    script = (EXAMPLES / "digits.py").read_text("utf-8")
    assert ast.get_docstring(ast.parse(script))
    counted = "from digits import Digits; print(len(Digits()))"
    done = subprocess.run(
        [sys.executable, "-c", counted],
        env={"PATH": "", "PYTHONPATH": f"{EXAMPLES}:{EXAMPLES.parents[1]}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert int(done.stdout) == 30
