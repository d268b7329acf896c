"""What the command says of runs on other hosts and of axes; warnings that quote names are safe."""

from __future__ import annotations

import datetime as dt
import json
import os
import warnings
from pathlib import Path

import pytest

from superparams import Experiment, Results, search
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import runs
from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

AXES = """
from superparams import Experiment, Params, search

class Adam(Params):
    rate: float = search([0.1, 0.2, 0.3])
    momentum_of_the_first_kind: float = search([0.9, 0.99])

class Sgd(Params):
    rate_of_the_gradient_descent: float = search([0.1, 0.2, 0.3])

class Axes(Experiment):
    optimizer: Adam | Sgd = search([Adam(), Sgd(), Adam(rate=0.7)])
    x: int = 1

    def run(self):
        return {"y": 1}
"""


def elsewhere(run: RunFolder, age: dt.timedelta) -> None:
    """Have a run look as if it were driven on another host, and gave its last sign then."""
    process = {**run.manifest()["process"], "host": "node\x1b[31m7", "boot": "another"}
    run.update(process=process, state="running")
    then = (dt.datetime.now() - age).timestamp()
    for path in [run.path / "run.json", *run.ledger.glob("*.arrows")]:
        os.utime(path, (then, then))


def test_a_run_on_another_host_runs_as_long_as_its_heart_beats(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write({"experiments/axes.py": AXES})
    assert project.run("run", "axes").code == 0
    (root,) = [path.parent for path in project.folder.rglob("results.parquet")]
    (run,) = [one.folder for one in runs(root)]
    elsewhere(run, dt.timedelta(seconds=62))
    told = r"on node\x1b[31m7 (its last heartbeat was 1 min "
    assert f"{run.name} is running {told}" in project.run("runs", "axes").out
    status = project.run("status", "axes").out
    assert f"{run.name}: running now for " in status
    assert told in status
    cleaned = project.run("clean", "axes", "--all", "--yes")
    assert (cleaned.code, run.path.exists()) == (2, True)
    assert "is going on (process" in cleaned.err
    assert told in cleaned.err.replace("\n", " ")
    elsewhere(run, dt.timedelta(minutes=4))
    assert "running" not in project.run("runs", "axes").out
    status = project.run("status", "axes").out
    assert f"{run.name}: crashed after " in status
    # All parts of an axis stand behind its name.
    lines = [line for line in status.splitlines() if "search(" in line]
    assert len(lines) == 1
    assert lines[0].strip().startswith("optimizer: [Adam(")
    assert not any(line.strip().startswith(": ") for line in status.splitlines())
    assert project.run("clean", "axes", "--all", "--yes").code == 0
    assert not run.path.exists()


class Small(Experiment):
    x: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": self.x}


@pytest.mark.thorough
def test_warnings_of_a_store_show_no_control_characters(tmp_path: Path) -> None:
    folder = tmp_path / "re\x1b[31msults"
    results = Small().run_all(results=folder, progress=False)
    root = results.root
    (run,) = runs(root)
    (run.folder.ledger / "7.arrows").mkdir()
    kept = run.folder.path.rename(tmp_path / "kept")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert len(Results.load(root)) == 2
        kept.rename(run.folder.path)
        results.path.unlink()
        assert len(Results.load(root)) == 2
    texts = [str(one.message) for one in told]
    assert len(texts) >= 2
    assert any("not a regular file" in text for text in texts), texts
    assert not any("\x1b" in text for text in texts), texts
    assert json.dumps(texts).count("x1b[31msults") >= 2
