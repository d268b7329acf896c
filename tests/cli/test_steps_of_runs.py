"""`experiment results --steps`, and what `status` and the line of progress show of a run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from superparams import maximize
from superparams.executor.engines.contract import Activity, Control
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.step import Step
from superparams.outcomes.step_batches import encode_steps
from superparams.views.progress import Progress
from tests.cli.command import EXPERIMENT, Project, environment
from tests.timing import PATIENCE, wait_for

TRAIN = """
import time
from pathlib import Path
from superparams import Experiment, search, maximize

class Train(Experiment):
    goal = maximize("accuracy")
    lr: float = search([0.1, 0.5])
    def run(self):
        for epoch in range(3):
            yield {"epoch": epoch, "accuracy": self.lr * epoch}
        while Path("wait").exists():
            time.sleep(0.01)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_steps_of_results(project: Project) -> None:
    project.write({"experiments/train.py": TRAIN})
    project.run("train")
    out = project.run("results", "train", "--steps").out
    assert "6 steps\n" in out
    header = next(line for line in out.splitlines() if line.startswith("key"))
    assert header.split() == ["key", "lr", "step", "epoch", "accuracy", "seconds"]
    (document,) = project.run("results", "train", "--steps", "--json").document
    rows = document["rows"]
    assert [(row["lr"], row["step"], row["epoch"]) for row in rows] == [
        (lr, n + 1, n) for lr in (0.1, 0.5) for n in range(3)
    ]
    first = rows[0]["key"][:8]
    csv = ("--format", "csv", "--columns", "epoch,accuracy")
    asked = ("results", "train", "--steps", "--key", first, "--where", "epoch>0", "--sort=-epoch")
    assert project.run(*asked, *csv).out == "epoch,accuracy\n2,0.2\n1,0.1\n"
    assert project.run("results", "train", "--key", first, *csv).out == "epoch,accuracy\n2,0.2\n"


def test_no_steps_at_all_and_none_that_meet_a_condition(project: Project) -> None:
    project.write({"experiments/train.py": TRAIN.replace("yield", "no_step =")})
    project.run("train")
    out = project.run("results", "train", "--steps").out
    assert "\n0 steps: yield {...} in run(), or self.log(...), records one\n" in out
    project.write({"experiments/train.py": TRAIN})
    project.run("train")
    out = project.run("results", "train", "--steps", "--where", "epoch>99").out
    assert "\n0 of 6 steps\n" in out


def test_status_shows_the_last_steps_of_what_runs(project: Project) -> None:
    project.write({"experiments/train.py": TRAIN})
    (project.folder / "wait").touch()
    running = subprocess.Popen(
        [EXPERIMENT, "train", "-n", "2"],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def found() -> list[dict[str, Any]]:
            (document,) = project.run("status", "train", "--json").document
            return [one for one in document["steps"] if one["step"] == 3]

        steps = wait_for(lambda: len(found()) == 2 and found())
        assert [one["row"] for one in steps] == [
            {"epoch": 2, "accuracy": 0.2},
            {"epoch": 2, "accuracy": 1.0},
        ]
        out = project.run("status", "train").out
        assert f"{steps[0]['key'][:8]} at step 3: epoch=2, accuracy=0.2" in out
        (project.folder / "wait").unlink()
        assert running.wait(PATIENCE) == 0
    finally:
        running.kill()
        running.wait()
    assert "at step" not in project.run("status", "train").out


def test_the_line_of_progress_has_the_newest_value_of_the_goal() -> None:
    control = Control()
    control.steps.record_by(decode)
    activity = [Activity(0, 5, 7.0), Activity(1, 6, 90.0), Activity(2, 7, 100.0)]
    shown = Progress(
        "Train",
        9,
        0,
        activity=lambda: activity,
        label=lambda index: f"a={index}",
        style="none",
        goal=maximize("accuracy"),
        control=control,
    )
    assert "now" not in shown.line()

    def record(index: int, step: int, **row: Any) -> None:
        control.steps.record(encode_steps([Step(index, "0" * 32, 1, step, 0.0, row)]))

    record(5, 1, accuracy=0.5)
    assert "now accuracy 0.5" in shown.line()
    record(6, 1, accuracy=0.25, epoch=3)
    record(6, 2, accuracy=0.75, epoch=4)
    assert "now accuracy 0.75" in shown.line()
    lines = shown.lines(100)
    assert any("a=6 | step 2: accuracy 0.75, epoch 4" in line for line in lines), lines
    assert any(line.endswith("a=7") for line in lines), lines
