"""How long a search takes to go on, and what it costs beside its settings."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.drawn_space import Drawn
from superparams import Results
from superparams.strategies import TPE, Random
from tests.timing import stretch

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.timed]
LONG = pytest.mark.skipif("SUPERPARAMS_SLOW" not in os.environ, reason="set SUPERPARAMS_SLOW")


def seconds_to_go_on(strategy: Any, results: Path) -> float:
    """Until the first setting that was not recorded begins."""
    begun = time.time()
    found = Drawn().run_all(2, strategy=strategy, results=results, progress=False)
    new = found.of_runs(max(found.runs))
    assert len(new) < 20
    return float(min(row["started"].timestamp() for row in new) - begun)


@LONG
def test_ten_thousand_random_trials_go_on_at_once(tmp_path: Path) -> None:
    Drawn().run_all(2, strategy=Random(trials=10_000), results=tmp_path, progress=False)
    with stretch() as machine:
        seconds = seconds_to_go_on(Random(trials=10_010), tmp_path)
    assert machine.allows(seconds, 0.3), f"{seconds:.2f} s: {machine}"


@LONG
def test_a_thousand_trials_of_tpe_go_on_soon(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    Drawn().run_all(2, strategy=TPE(trials=1000), results=tmp_path, progress=False)
    with stretch() as machine:
        seconds = seconds_to_go_on(TPE(trials=1002), tmp_path)
    assert machine.allows(seconds, 2.0), f"{seconds:.2f} s: {machine}"


def span(found: Results) -> float:
    """From the beginning of the first setting to the end of the last one."""
    begun = [row["started"].timestamp() for row in found]
    ended = [row["started"].timestamp() + row["seconds"] for row in found]
    return float(max(ended) - min(begun))


@LONG
def test_the_next_proposal_is_ready_before_it_is_needed(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    with stretch() as machine:
        found = Drawn(seconds=0.05).run_all(
            2, strategy=TPE(trials=200), results=tmp_path, progress=False
        )
    ideal = len(found) * 0.05 / 2
    assert machine.allows(span(found), 1.05 * ideal), f"{span(found):.2f} s: {machine}"
