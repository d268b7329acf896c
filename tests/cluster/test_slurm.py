"""Job arrays of Slurm: the lines of docs/schedulers.md, and tasks that are stopped."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from superparams.run.shards import ranges_of_shard
from superparams.store.runs.run_records import runs
from tests.cli.command import Project
from tests.cluster.slurm import Slurm, needs_slurm, started_slurm
from tests.sharding import rows_of_file
from tests.timing import wait_for

pytestmark = [needs_slurm, pytest.mark.thorough]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "schedulers.md").read_text("utf-8")
WAITS = """
import time
from pathlib import Path
from superparams import Experiment, search

class Waits(Experiment):
    a: int = search(range(12))

    def run(self):
        with open("ran.txt", "a") as file:
            file.write(f"{self.a}\\n")
        while self.a >= 6 and Path("hold").exists():
            time.sleep(0.01)
        time.sleep(0.05)  # so that it is recorded before the next one
        return {"b": 2 * self.a}
"""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    with started_slurm() as started:
        started.env["PATH"] = f"{Path(sys.executable).parent}:{started.env['PATH']}"
        yield started


@pytest.fixture
def sweep(tmp_path: Path) -> Project:
    """The project of the page, with an environment that is activated already."""
    found = re.search(r'```python title="experiments/sweep.py"\n(.*?)```', PAGE, re.DOTALL)
    assert found is not None
    files = {"experiments/sweep.py": found[1], ".venv/bin/activate": ""}
    return Project(tmp_path / "project").write(files)


def on_small_node(text: str) -> str:
    """What a page submits, for a node with fewer processors."""
    assert "--cpus-per-task=8" in text
    return text.replace("--cpus-per-task=8", "--cpus-per-task=1")


def test_the_line_of_the_page_makes_the_table_of_one_run(slurm: Slurm, sweep: Project) -> None:
    line = on_small_node(re.findall(r"^\$ (sbatch --array=.*)$", PAGE, re.MULTILINE)[0])
    told = slurm.run("bash", "-c", line, folder=sweep.folder)
    slurm.wait(told.split()[-1])
    root = sweep.folder / "results" / "sweep.Sweep"
    output = [path.read_text() for path in sweep.folder.glob("slurm-*.out")]
    assert len(output) == 16
    line_of_task = re.compile(r"shard \d+/16, [12] settings?: [12] done .*\n")
    assert all(map(line_of_task.fullmatch, output)), output
    assert sorted(one.shard or "" for one in runs(root)) == sorted(f"{i}/16" for i in range(16))
    assert {one.state for one in runs(root)} == {"finished"}
    sharded = rows_of_file(root)
    assert sweep.run("sweep", "--results", "unbroken").code == 0
    assert sharded == rows_of_file(sweep.folder / "unbroken" / "sweep.Sweep")
    assert "30 done" in sweep.run("sweep", "--plan").out


def test_some_tasks_of_the_script_of_the_page_are_submitted_again(
    slurm: Slurm, sweep: Project
) -> None:
    (script,) = re.findall(r"```bash\n(#!/bin/bash\n#SBATCH .*?)```", PAGE, re.DOTALL)
    sweep.write({"sweep.sh": on_small_node(script)})
    told = slurm.run("sbatch", "--array=3,7", "sweep.sh", folder=sweep.folder)
    slurm.wait(told.split()[-1])
    root = sweep.folder / "results" / "sweep.Sweep"
    output = [path.read_text() for path in sweep.folder.glob("slurm-*.txt")]
    assert sorted(one.shard or "" for one in runs(root)) == ["3/16", "7/16"], output
    n = sum(map(len, [*ranges_of_shard((3, 16), 30), *ranges_of_shard((7, 16), 30)]))
    assert len(rows_of_file(root)) == n


@pytest.mark.parametrize("way", ["requeue", "cancel"])
def test_a_task_that_is_stopped_keeps_what_it_recorded(
    slurm: Slurm, tmp_path: Path, way: str
) -> None:
    project = Project(tmp_path / "project").write({"experiments/waits.py": WAITS, "hold": ""})
    command = "exec experiment waits --shard $SLURM_ARRAY_TASK_ID/2 --no-progress"
    submit = ["sbatch", "--parsable", "--array=0-1", "--requeue", "--open-mode=append"]
    submit += ["--wrap", command]
    job = slurm.run(*submit, folder=project.folder).strip()
    ran, root = project.folder / "ran.txt", project.folder / "results" / "waits.Waits"
    wait_for(lambda: ran.exists() and len([x for x in ran.read_text().split() if int(x) >= 6]) == 2)
    wait_for(lambda: [one.state for one in runs(root)] == ["running"] * 2)
    wait_for(lambda: all(sum(one.counts.values()) for one in runs(root)))
    before = Counter(ran.read_text().split())
    if way == "requeue":
        slurm.run("scontrol", "requeue", job)
    else:
        slurm.run("scancel", job)
    wait_for(lambda: "running" not in {one.state for one in runs(root)})
    assert {one.state for one in runs(root)} == {"interrupted"}  # by SIGTERM, and not killed
    (project.folder / "hold").unlink()
    if way == "requeue":
        wait_for(lambda: set(slurm.states(job).values()) == {"PENDING"})
        slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")  # not after two minutes
    else:
        job = slurm.run(*submit, folder=project.folder).strip()
    slurm.wait(job)
    assert len(runs(root)) == 4
    assert sorted(row["b"] for row in rows_of_file(root)) == [*range(0, 24, 2)]
    assert {row["status"] for row in rows_of_file(root)} == {"done"}
    after = Counter(ran.read_text().split())
    assert after - before == Counter(
        [x for x in map(str, range(12)) if x not in before] + [x for x in before if int(x) >= 6]
    )
