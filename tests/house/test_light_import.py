"""`import superparams` is cheap: what is heavy comes in when a run needs it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from source import PACKAGE

from tests.timing import PATIENCE

HEAVY = {
    "asyncio",
    "click",
    "cloudpickle",
    "concurrent.futures",
    "multiprocessing",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "sqlite3",
    "subprocess",
    "unittest",
}
if sys.version_info >= (3, 11):
    HEAVY.add("typing_extensions")


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement and did not hold before."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*sorted(set(sys.modules) - before), sep='\\n')"
    )
    # A coverage that follows into subprocesses would load what is looked for here.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.skipif(not (PACKAGE / "__init__.py").exists(), reason="no superparams yet")
def test_import_loads_nothing_heavy() -> None:
    assert loaded_by("import superparams") & HEAVY == set()


@pytest.mark.skipif(not (PACKAGE / "__init__.py").exists(), reason="no superparams yet")
def test_declaring_and_iterating_loads_nothing_heavy() -> None:
    statement = (
        "from superparams import Experiment, search\n"
        "class Digits(Experiment):\n"
        "    C: float = search([0.1, 1.0])\n"
        "    folds: int = 5\n"
        "assert len(list(Digits())) == 2"
    )
    assert loaded_by(statement) & HEAVY == set()


def test_what_is_heavy_would_be_seen() -> None:
    assert {"numpy", "subprocess"} <= loaded_by("import numpy, subprocess") & HEAVY
