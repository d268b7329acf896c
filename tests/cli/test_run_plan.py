"""`run --plan`: what would run, and how long that may take."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.cli.command import Project
from tests.cli.noting_experiment import FIT, bad, ran, run, tree
from tests.timing import stretch

pytestmark = pytest.mark.usefixtures("no_leaks")


def plan(project: Project, *words: str, code: int = 0) -> dict[str, Any]:
    """The one plan, which counts every setting, and is the same for people."""
    (told,) = run(project, "RQ1", "--plan", "--json", *words, code=code).document
    assert told["settings"] == sum(
        told[name]
        for name in ("done", "stale", "failed", "killed", "timeout", "stopped", "new", "repeated")
    )
    line = run(project, "RQ1", "--plan", *words).out.splitlines()[0]
    todo = f"{told['todo']:,} to run" if told["todo"] else "nothing to run"
    assert line.startswith(f"RQ1.Fit: {told['settings']:,} setting")
    assert line.endswith(f"; {todo}")
    return dict(told)


def test_a_plan_counts_what_is_recorded_and_writes_nothing(fit: Project) -> None:
    before = tree(fit.folder)
    told = plan(fit)
    assert (told["new"], told["todo"], told["seconds"]) == (4, 4, None)
    assert "the time is not known" in run(fit, "RQ1", "--plan").out
    assert tree(fit.folder) == before
    bad(fit, 2)
    run(fit, "RQ1", "a=1,2,3", code=1)
    fit.write({"experiments/RQ1.py": FIT.replace("10 * self.a", "20 * self.a")})
    run(fit, "RQ1", "a=1")
    ran(fit)
    before = tree(fit.folder)
    expected = {"settings": 4, "done": 1, "stale": 1, "failed": 1, "new": 1}
    for words, todo in [
        ([], 3),
        (["--rerun"], 4),
        (["--failed"], 1),
        (["--new"], 1),
        (["--rerun", "-n", "auto"], 4),
    ]:
        told = plan(fit, *words)
        assert {**told, **expected, "todo": todo} == told, words
    assert (
        "4 settings (1 done, 1 stale, 1 failed, 1 new); 3 to run" in run(fit, "RQ1", "--plan").out
    )
    told = plan(fit, "a=1,3,5")
    assert (told["done"], told["stale"], told["new"], told["todo"]) == (1, 1, 1, 2)
    assert tree(fit.folder) == before
    assert ran(fit) == []


def test_a_plan_of_points_that_are_given_twice_in_the_file(fit: Project) -> None:
    fit.write({"experiments/RQ1.py": FIT.replace("[1, 2, 3, 4]", "[1, 2, 1, 3, 1]")})
    told = plan(fit)
    assert (told["new"], told["repeated"], told["todo"]) == (3, 2, 3)
    run(fit, "RQ1", "a=1")
    told = plan(fit)
    assert (told["done"], told["new"], told["repeated"], told["todo"]) == (1, 2, 2, 2)
    told = plan(fit, "--rerun")
    assert (told["done"], told["new"], told["repeated"], told["todo"]) == (1, 2, 2, 3)


@pytest.mark.timed
def test_a_plan_of_what_was_killed_writes_nothing_either(project: Project) -> None:
    """The table does not hold what a driver recorded that was killed."""
    project.write(
        {
            "experiments/RQ1.py": """
                import os, signal, time
                from superparams import Experiment, search

                class Fit(Experiment):
                    a: int = search([1, 2, 3, 4])

                    def run(self):
                        time.sleep(0.1)
                        if self.a == 3:
                            os.kill(os.getpid(), signal.SIGKILL)
                        return {"y": 1}
            """
        }
    )
    with stretch() as measured:
        run(project, "RQ1", code=-signal.SIGKILL)
    before = tree(project.folder)
    told = plan(project)
    assert (told["done"], told["new"], told["todo"]) == (2, 2, 2)
    assert told["seconds_each"] >= 0.1
    assert measured.allows(told["seconds_each"], 0.5)
    assert told["seconds"] == 2 * told["seconds_each"]
    assert tree(project.folder) == before
    assert not (project.folder / "results/RQ1.Fit/results.parquet").exists()


@pytest.mark.timed
def test_the_expected_time_is_that_of_settings_that_were_done(project: Project) -> None:
    project.write(
        {
            "experiments/RQ1.py": """
                import time
                from superparams import Experiment, search

                class Fit(Experiment):
                    a: int = search([1, 2, 3, 4, 5])

                    def run(self):
                        if self.a == 1:
                            raise ValueError("at once")
                        time.sleep(0.3)
                        return [{"y": 1}] * 1 and {"y": 1}
            """
        }
    )
    with stretch() as measured:
        run(project, "RQ1", "a=1,2,3", "-n", "2", code=1)
    told = plan(project)
    assert told["todo"] == 3
    assert told["seconds_each"] >= 0.3
    assert measured.allows(told["seconds_each"], 0.6)
    assert told["seconds"] == pytest.approx(3 * told["seconds_each"])
    told = plan(project, "-n", "2")
    assert told["seconds"] == pytest.approx(2 * told["seconds_each"]), "one of two runs two"
    told = plan(project, "-n", "50")
    assert (told["num_proc"], told["seconds"]) == (50, told["seconds_each"])
    out = run(project, "RQ1", "--plan", "-n", "50").out
    assert "may take 0.3" in out
    assert "with 3 workers" in out


def test_a_plan_of_a_huge_space_of_which_little_is_recorded(project: Project) -> None:
    project.write(
        {
            "experiments/RQ1.py": """
                from superparams import Experiment, search

                class Fit(Experiment):
                    a: int = search(range(10**6))
                    b: int = search(range(10**6))

                    def run(self):
                        return {"y": 1}
            """
        }
    )
    assert plan(project)["new"] == 10**12
    run(project, "RQ1", "a=1", "b=1")
    (told,) = run(project, "RQ1", "--plan", "--json").document
    assert (told["todo"], told["done"], told["new"]) == (10**12 - 1, 1, 10**12 - 1)
    (told,) = run(project, "RQ1", "--plan", "--rerun", "--json").document
    assert (told["todo"], told["repeated"]) == (10**12, 0)


WITH_RESOURCES = """
from superparams import Experiment, Resources, search
class Fit(Experiment):
    a: int = search(range(5))
    def resources(self):
        return Resources(gpus=2, timeout="1min") if self.a == 4 else Resources(gpus=0.5)
    def run(self):
        return {"y": self.a}
"""


def test_a_plan_has_the_groups_by_resources(fit: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    fit.write({"experiments/RQ1.py": WITH_RESOURCES})
    out = run(fit, "RQ1", "--plan", "-n", "8").out
    assert "\n  4 settings with 0.5 gpus: 6 at once\n" in out
    assert "\n  1 setting with 2 gpus, 60 seconds: 1 at once\n" in out
    told = plan(fit, "-n", "5")
    assert told["num_proc"] == 5
    found = [(one["gpus"], one["settings"], one["at_once"]) for one in told["resources"]]
    assert found == [(0.5, 4, 5), (2, 1, 1)]
    ran(fit)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert plan(fit, "a=1") == {**plan(fit, "a=1"), "todo": 1}
    refused = run(fit, "RQ1", "--plan", code=2)
    assert "Fit.resources: gpus=2 for Fit(a=4): this process may use 1 device" in refused.err
