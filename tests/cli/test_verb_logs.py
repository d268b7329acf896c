"""`experiment logs`: what a setting printed, as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from superparams.store.runs.folder import run_folders
from tests.cli.command import EXPERIMENT, Project
from tests.cli.six_settings import fits, key, root
from tests.runs import Terminal, output
from tests.timing import wait_for


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project of six settings, to be looked at only."""
    return fits(tmp_path_factory.mktemp("logs") / "project")


def test_of_a_setting(ran: Project) -> None:
    begun = key(ran, "rbf", 1.0)[:6]
    ended = ran.run("logs", "RQ1", begun)
    assert (ended.code, ended.out, ended.err) == (0, "fitting rbf 1.0\n", "")
    assert ran.run("logs", "RQ1", "kernel=linear", "C=10").out == "fitting linear 10.0\n"
    told = ran.run("logs", "RQ1", begun.upper(), "--json", inside="experiments").document
    assert told["log"] == "fitting rbf 1.0\n"
    assert (told["experiment"], told["key"]) == ("RQ1.Fit", key(ran, "rbf", 1.0))


def test_of_a_run_and_a_worker(ran: Project) -> None:
    (run,) = run_folders(root(ran))
    text = ran.run("logs", "RQ1").out
    assert "payload" in text
    assert ran.run("logs", "RQ1", "-", "--run", run.name[-6:]).out == text
    logs = [ran.run("logs", "RQ1", "--worker", rank).out for rank in "01"]
    assert sorted("".join(logs).splitlines()) == sorted(
        f"fitting {kernel} {C}" for kernel in ("linear", "rbf") for C in (0.1, 1.0, 10.0)
    )
    busy = "0" if logs[0] else "1"  # one worker may have run all settings
    tail = ran.run("logs", "RQ1", "--worker", busy, "--tail", "1").out
    assert tail == logs[int(busy)].splitlines(keepends=True)[-1]
    ended = ran.run("logs", "RQ1", "--worker", "7")
    assert (ended.code, ended.out) == (0, "")
    assert "There is no log" in ended.err


def test_the_log_of_a_run_leads_to_those_of_its_settings(project: Project) -> None:
    project.experiments("RQ1")
    assert project.run("RQ1").code == 0
    ended = project.run("logs", "RQ1")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("The run has no notes. ")
    assert ended.err.endswith("`experiment logs NAME KEY` shows what a setting printed.\n")
    assert project.run("RQ1", "-n", "2", "--rerun").code == 0
    assert project.run("logs", "RQ1").err == "", "into a pipe, only the log is written"
    with Terminal(project.folder, EXPERIMENT, "logs", "RQ1") as at:
        assert at.end() == 0
    assert "payload" in at.seen
    assert "`experiment logs NAME KEY` shows" in at.seen


def test_nothing_was_printed(project: Project) -> None:
    project.experiments("RQ1")
    assert project.run("RQ1", "-n", "2").code == 0
    for more in ([], ["--tail", "3"]):
        ended = project.run("logs", "RQ1", "a=1", *more)
        assert (ended.code, ended.out, ended.err) == (0, "", "It printed nothing.\n")


def test_what_is_no_setting(ran: Project) -> None:
    ended = ran.run("logs", "RQ1", "zz")
    assert (ended.code, ended.out) == (2, "")
    assert "`experiment results RQ1` shows all recorded keys" in ended.err
    ended = ran.run("logs", "RQ1", "kernel=rbf")
    assert (ended.code, ended.out) == (2, "")
    assert "3 settings" in ended.err
    assert key(ran, "rbf", 1.0) in ended.err
    assert ran.run("logs", "RQ1", "zz", "--worker", "0").code == 2


def test_it_is_written_as_it_was_printed(project: Project) -> None:
    project.write(
        {
            "experiments/Odd.py": """
                import os, sys
                from superparams import Experiment, search

                class Odd(Experiment):
                    a: int = search([1, 2])

                    def run(self):
                        os.write(1, b"\\x1b[31mred\\x1b[0m\\xff" * self.a)
            """
        }
    )
    assert project.run("run", "Odd", "-n", "2").code == 0
    odd = "\x1b[31mred\x1b[0m"
    ended = project.run("logs", "Odd", "a=2", errors="surrogateescape")
    assert ended.out == f"{odd}\udcff" * 2
    told = project.run("logs", "Odd", "a=1", "--json")
    assert "\x1b" not in told.out
    assert told.document["log"] == f"{odd}\ufffd"
    shutil.rmtree(project.folder / "results" / "Odd.Odd" / "runs")
    (project.folder / "results" / "Odd.Odd" / "runs").mkdir()
    ended = project.run("logs", "Odd", "a=1", env={"PYTHONWARNINGS": "default"})
    assert (ended.code, ended.out) == (0, "")
    assert "2 rows stand in results.parquet alone, of a run whose folder is gone" in ended.err
    assert "There is no log" in ended.err


def test_what_ran_in_the_process_of_the_run(project: Project, tmp_path: Path) -> None:
    project.experiments("RQ1")
    text = """
import sys
sys.path.insert(0, "experiments")
from concurrent.futures import ThreadPoolExecutor
from RQ1 import RQ1
with ThreadPoolExecutor(1) as pool:
    RQ1().run_all(1, engine=pool, progress=False)
"""
    output(project.folder, text)
    ended = project.run("logs", "RQ1", "a=1")
    assert (ended.code, ended.out) == (0, "")
    assert "in the process of the run itself" in ended.err
    assert project.run("logs", "RQ1", "a=1", "--json").document["log"] is None


SLOW = """
import pathlib, time
from superparams import Experiment, search

class Slow(Experiment):
    a: int = search([1, 2])

    def run(self) -> dict[str, int]:
        print(f"begin {self.a}", flush=True)
        print("half ", end="", flush=True)
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        print(f"a line {self.a}")
        return {"y": self.a}
"""


@pytest.mark.parametrize("num_proc", [1, 2])
def test_output_is_followed_until_the_run_ends(project: Project, num_proc: int) -> None:
    project.write({"experiments/Slow.py": SLOW})
    driver = project.begin("run", "Slow", "-n", str(num_proc))
    wait_for(lambda: any(project.folder.glob("results/*/runs/*/logs/0.log")))
    follower = project.begin("logs", "Slow", "-f")
    assert follower.stdout is not None
    first = sorted(follower.stdout.readline() for _ in range(num_proc))
    if num_proc == 1:
        assert first == ["begin 1\n"]
    else:
        assert [line[:4] for line in first] == ["0 | ", "1 | "]
        assert {line[4:] for line in first} == {"begin 1\n", "begin 2\n"}
    assert follower.poll() is None
    (project.folder / "go").touch()
    rest, err = follower.communicate(timeout=60)
    assert (follower.returncode, err) == (0, "")
    assert driver.wait(60) == 0
    driver.communicate()
    assert sorted(line.partition("half ")[2] for line in rest.splitlines() if "half" in line) == [
        "a line 1",
        "a line 2",
    ]
    # Once more, of a run that has ended.
    again = project.run("logs", "Slow", "--follow", "--tail", "1").out
    assert again.count("half a line") == num_proc


def test_what_cannot_be_followed(ran: Project) -> None:
    ended = ran.run("logs", "RQ1", "-f", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "--follow" in ended.err
    for words in (["zz"], ["C=7"], ["zz", "--worker", "0"]):
        ended = ran.run("logs", "RQ1", "-f", *words)
        assert (ended.code, ended.out) == (2, "")


def test_following_what_has_ended_shows_it_and_how_it_ended(ran: Project) -> None:
    ended = ran.run("logs", "RQ1", "-f", "kernel=rbf", "C=1")
    assert (ended.code, ended.out) == (0, "fitting rbf 1.0\n")
    assert ended.err.startswith("done after ")
