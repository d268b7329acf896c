"""`experiment status`: what of a space is done, failed, stale and to do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.six_settings import edit, fits, record, root
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

WAITS = """
    import time
    from pathlib import Path
    from superparams import Experiment, search

    class Wait(Experiment):
        a: int = search([1, 2, 3])

        def run(self):
            while self.a > 1 and not Path("go").exists():
                time.sleep(0.01)
            return {"y": self.a}
"""


def test_before_it_has_run(project: Project) -> None:
    project.experiments("RQ1")
    ended = project.run("status", "RQ1")
    assert (ended.code, ended.err) == (0, "")
    assert "space    not known: it has not run; --import counts its settings" in ended.out
    ended = project.run("status", "RQ1", "--import")
    assert (ended.code, ended.err) == (0, "")
    assert "RQ1.RQ1" in ended.out
    assert "2 settings" in ended.out
    assert "a: [1, 2]" in ended.out
    assert "2 to do" in ended.out
    assert "none yet" in ended.out
    assert not (project.folder / "results").exists()
    (told,) = project.run("status", "RQ1", "--json").document
    assert (told["size"], told["axes"], told["new"], told["todo"]) == (None, {}, None, None)
    (told,) = project.run("status", "RQ1", "--import", "--json").document
    assert (told["size"], told["axes"], told["new"], told["todo"]) == (2, {"a": "[1, 2]"}, 2, 2)
    assert (told["runs"], told["newest_run"], told["running"]) == (0, None, [])


def test_once_it_has_run_and_changed(tmp_path: Path) -> None:
    project = fits(tmp_path / "project")
    ended = project.run("status", "RQ1", inside="experiments")
    assert (ended.code, ended.err) == (0, "")
    assert "5 done, 1 failed, 1 to do" in ended.out
    assert re.search(r"run +\d{8}T\d{12}Z-[0-9a-f]{6}: finished after [\d.]+ s", ended.out)
    assert str(root(project) / "results.parquet") in ended.out
    assert "changed" not in ended.out

    edit(project, "0.9 +", "0.8 +")
    ended = project.run("status", "RQ1")
    assert "6 settings, as in run" in ended.out
    assert "5 stale, 1 failed, 6 to do" in ended.out
    edit(project, "0.8 +", "0.9 +")

    edit(project, "[0.1, 1.0, 10.0]", "[0.1, 1.0, 5.0]")
    ended = project.run("status", "RQ1")
    assert "not known: the space that RQ1.py declares now has not been run; --import" in ended.out
    assert "recorded 5 done, 1 failed" in ended.out
    (told,) = project.run("status", "RQ1", "--import", "--json").document
    assert (told["done"], told["failed"], told["new"], told["others"]) == (4, 0, 2, 2)
    assert "and 2 recorded outside of this space" in project.run("status", "RQ1", "--import").out

    edit(project, "0.9 +", "0.8 +")
    ended = project.run("status", "RQ1", "--import")
    assert "4 stale, 6 to do" in ended.out
    assert "changed experiments.RQ1.score" in ended.out
    (told,) = project.run("status", "RQ1", "--import", "--json").document
    assert (told["done"], told["stale"], told["todo"]) == (0, 4, 6)
    (change,) = told["changes"]
    assert change["parts"] == [{"name": "experiments.RQ1.score", "how": "changed"}]
    record(project)
    (told,) = project.run("status", "RQ1", "--json").document
    assert (told["done"], told["stale"], told["todo"], told["runs"]) == (5, 0, 1, 2)
    assert told["newest_run"]["counts"] == {"done": 5, "failed": 1}


@pytest.fixture
def waiting(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A run in the project that records one setting, and goes on until there is a file `go`."""
    project.write({"experiments/W.py": WAITS})
    process = subprocess.Popen(
        [EXPERIMENT, "run", "W", "-n", "2"],
        cwd=project.folder,
        env=environment(),
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def test_while_it_runs_and_when_that_was_killed(
    project: Project, waiting: subprocess.Popen[str]
) -> None:
    def told() -> dict[str, object]:
        (one,) = project.run("status", "W", "--json").document
        return dict(one)

    wait_for(lambda: told()["done"] == 1)
    (running,) = told()["running"]  # type: ignore[misc, attr-defined]
    assert (running["pid"], running["state"]) == (waiting.pid, "running")
    ended = project.run("status", "W")
    assert re.search(rf"running now for .* \(process {waiting.pid}\)", ended.out)
    wait_for(lambda: told()["todo"] == 2)
    assert "1 done, 2 to do" in project.run("status", "W").out
    os.kill(waiting.pid, signal.SIGKILL)
    waiting.wait()
    assert told()["running"] == []
    assert "crashed after" in project.run("status", "W").out
    (project.folder / "go").touch()
    assert project.run("run", "W", "-n", "2").code == 0
    assert "3 done, nothing to do" in project.run("status", "W").out


def test_of_a_folder_each_has_its_own(project: Project) -> None:
    project.experiments("index/A", "index/B")
    assert project.run("run", "index.A").code == 0
    ended = project.run("status", "index")
    assert ended.out.index("index.A.A") < ended.out.index("index.B.B")
    assert [one["done"] for one in project.run("status", "index", "--json").document] == [2, 0]


def test_a_space_that_is_not_known(project: Project) -> None:
    project.write(
        {
            "experiments/R.py": """
                from superparams import Experiment, search, value

                class Needs(Experiment):
                    a: int
                    b: int = search([1, 2])

                    def run(self):
                        return {"y": self.a}

                def load():
                    print("loading")
                    raise OSError("no such data")

                class Loads(Experiment):
                    data: object = value(factory=load)
                    a: int = search([1, 2])

                    def run(self):
                        return {}

                class Huge(Experiment):
                    a: int = search(range(10**9))
                    b: int = search(range(10**9))

                    def run(self):
                        return {}
            """
        }
    )
    ended = project.run("status", "R", "--import")
    assert ended.code == 0
    assert "Needs.a" in ended.out
    assert "Loads.data has a factory without a key, which only a run calls" in ended.out
    assert "`experiment run R.Loads --plan`" in ended.out
    assert "1,000,000,000,000,000,000 settings" in ended.out
    assert "loading" not in ended.out
    told = project.run("status", "R", "--import", "--json").document
    assert [one["size"] for one in told] == [None, 2, 10**18]
    assert [one["todo"] for one in told] == [None, None, None]
    assert all(one["why"] for one in told)


def test_another_results_folder(project: Project) -> None:
    project.experiments("RQ1")
    assert project.run("run", "RQ1", "--results", "other").code == 0
    assert (
        "2 done" in project.run("status", "RQ1", "--results", "../other", inside="experiments").out
    )
    assert "2 to do" in project.run("status", "RQ1", "--import").out


def test_what_is_not_there(project: Project) -> None:
    project.experiments("RQ1")
    ended = project.run("status", "RQ2")
    assert (ended.code, ended.out) == (2, "")
    assert "RQ1" in ended.err
    assert project.run("status").code == 2
    assert "Example" in project.run("status", "--help").out
