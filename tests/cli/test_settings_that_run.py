"""Settings that run now: `experiment logs -f KEY`, and what `experiment status` says of them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from superparams.store.runs.folder import run_folders
from superparams.store.runs.running_settings import running_settings
from tests.cli.command import Project
from tests.sweeps import sweep
from tests.timing import PATIENCE, wait_for

# Each setting prints its lines one by one, as the test makes files that allow them to go on.
TALK = """
import asyncio, pathlib, time
from superparams import Experiment, Params, search

class Small(Params):
    width: int = 3

class Large(Params):
    width: int = 30
    depth: int = 2

class Talk(Experiment):
    a: int = search([1, 2, 3])
    net: Small | Large = search({"small": Small()})
    unused: float = 1.5

    def run(self) -> dict[str, int]:
        print(f"begin {self.a}", flush=True)
        for n in (1, 2):
            while not pathlib.Path(f"go-{self.a}-{n}").exists():
                time.sleep(0.01)
            print(f"line {n} of {self.a}", flush=True)
        if self.a == 2:
            raise ValueError("two is bad")
        return {"y": self.a}

class AsyncTalk(Talk):
    async def run(self) -> dict[str, int]:
        print(f"begin {self.a}")
        for n in (1, 2):
            while not pathlib.Path(f"go-{self.a}-{n}").exists():
                await asyncio.sleep(0.01)
            print(f"line {n} of {self.a}")
        if self.a == 2:
            raise ValueError("two is bad")
        return {"y": self.a}
"""
ENGINES = {
    "processes": ("Talk", "-n", "2"),
    "threads": ("Talk", "-n", "2", "--engine", "threads"),
    "asyncio": ("AsyncTalk", "-n", "2", "--engine", "asyncio"),
    "serial": ("Talk", "-n", "1"),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project").write({"experiments/talk.py": TALK})


@contextmanager
def driver(project: Project, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run, which is killed if the test fails."""
    running = project.begin("run", *words)
    try:
        yield running
    finally:
        for n in (1, 2):
            go(project, *((a, n) for a in (1, 2, 3)))
        running.kill()
        running.communicate()


def go(project: Project, *pairs: tuple[int, int]) -> None:
    for a, n in pairs:
        (project.folder / f"go-{a}-{n}").touch()


def listed(project: Project, name: str = "talk") -> list[dict[str, Any]]:
    (document,) = project.run("status", name, "--json").document
    found: list[dict[str, Any]] = document["running_settings"]
    return found


def until_listed(project: Project, name: str, *values: int) -> list[dict[str, Any]]:
    """What `status` says of the settings that run, once these do."""

    def found() -> list[dict[str, Any]] | None:
        now = listed(project, name)
        return now if {one["params"]["a"] for one in now} >= set(values) else None

    return list(wait_for(found))


def ended(follower: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = follower.communicate(timeout=PATIENCE)
    return follower.returncode, out, err


@sweep(1, "engine", ENGINES)
def test_a_running_setting_is_followed_until_it_ends(project: Project, engine: str) -> None:
    name, *words = ENGINES[engine]
    name = f"talk.{name}"
    with driver(project, name, *words) as running:
        now = until_listed(project, name, *((1,) if engine == "serial" else (1, 2)))
        assert [one["index"] for one in now] == [one["params"]["a"] - 1 for one in now]
        key = now[0]["key"]
        first = project.begin("logs", name, key[:8], "-f")
        assert first.stdout is not None
        assert first.stdout.readline() == "begin 1\n"
        assert first.poll() is None
        go(project, (1, 1))
        assert first.stdout.readline() == "line 1 of 1\n"
        assert first.poll() is None
        # The worker goes on to print what another setting has to say, in the same log.
        go(project, (1, 2))
        code, out, err = ended(first)
        assert (code, out) == (0, "line 2 of 1\n")
        assert err.startswith("done after ")
        now = until_listed(project, name, 2)
        second = project.begin("logs", name, "a=2", "-f")
        assert second.stdout is not None
        assert second.stdout.readline() == "begin 2\n"
        go(project, (2, 1), (2, 2), (3, 1), (3, 2))
        code, out, err = ended(second)
        assert (code, out) == (1, "line 1 of 2\nline 2 of 2\n")
        assert err.startswith("failed after ")
        assert err.endswith(": ValueError: two is bad\n")
        running.communicate(timeout=PATIENCE)
        assert running.returncode == 1
    assert listed(project, name) == []
    (folder,) = run_folders(project.folder / "results" / name)
    assert not (folder.path / "running.json").exists()
    # Once more, of a setting that has ended.
    again = project.run("logs", name, "-f", "a=2")
    assert (again.code, again.out) == (1, "begin 2\nline 1 of 2\nline 2 of 2\n")
    assert again.err.startswith("failed after ")


def test_the_status_names_what_runs(project: Project) -> None:
    with driver(project, "talk.Talk", "-n", "2", "net=small,Large"):
        now = until_listed(project, "talk.Talk", 1)
        assert len(wait_for(lambda: len(x := listed(project, "talk.Talk")) == 2 and x)) == 2
        (status,) = project.run("status", "talk.Talk", "--json").document
        now = status["running_settings"]
        assert {one["run"] for one in now} == {status["running"][0]["name"]}
        assert [(one["params"]["a"], one["params"]["net"]) for one in now] == [
            (1, "small"),
            (1, "Large"),
        ]
        assert [one["params"].get("net.depth") for one in now] == [None, 2]
        assert sorted(one["rank"] for one in now) == [0, 1]
        assert all(one["seconds"] > 0.5 and one["attempt"] == 1 for one in now)
        lines = project.run("status", "talk.Talk").out.splitlines()
        (line,) = [line for line in lines if now[1]["key"][:8] in line]
        assert "a=1, net=Large" in line
        assert f"worker {now[1]['rank']}" in line
        assert "unused" not in line
        # Without -f, what is certain so far; conditions on groups as in every other verb.
        so_far = project.run("logs", "talk.Talk", "net=Large")
        assert (so_far.code, so_far.out) == (0, "begin 1\n")
        assert project.run("logs", "talk.Talk", "net.depth=2").out == "begin 1\n"
        several = project.run("logs", "talk.Talk", "-f", "a=1")
        assert (several.code, several.out) == (2, "")
        assert "2 running settings" in several.err
        assert now[0]["key"] in several.err
        nothing = project.run("logs", "talk.Talk", "-f", "a=3")
        assert (nothing.code, nothing.out) == (2, "")


def test_a_killed_driver_is_not_believed(project: Project) -> None:
    with driver(project, "talk.Talk", "-n", "2") as running:
        (one, _) = until_listed(project, "talk.Talk", 1, 2)
        follower = project.begin("logs", "talk.Talk", "-f", one["key"])
        assert follower.stdout is not None
        assert follower.stdout.readline() == "begin 1\n"
        running.send_signal(signal.SIGKILL)
        running.wait(PATIENCE)
        code, out, err = ended(follower)
        assert (code, out) == (1, "")
        assert err == "The run has ended (crashed), and the setting has no outcome.\n"
    (folder,) = run_folders(project.folder / "results" / "talk.Talk")
    assert (folder.path / "running.json").exists()
    assert running_settings(folder) == []
    assert listed(project, "talk.Talk") == []
    assert project.run("logs", "talk.Talk", "-f", one["key"]).code == 2


AGAIN = """
import os, pathlib, signal, time
from superparams import Experiment, search

class Again(Experiment):
    a: int = search([1, 2])

    def run(self) -> dict[str, int]:
        if self.a == 2:
            return {"y": 2}
        number = len(list(pathlib.Path().glob("began-*"))) + 1
        print(f"attempt {number} begins", flush=True)
        pathlib.Path(f"began-{number}").touch()
        while not pathlib.Path(f"go-{number}").exists():
            time.sleep(0.01)
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        print("the end")
        return {"y": number}
"""


def test_a_setting_that_runs_again_is_followed_to_its_last_attempt(project: Project) -> None:
    project.write({"experiments/again.py": AGAIN})
    with driver(project, "again", "-n", "2", "--retries", "1") as running:
        (one,) = until_listed(project, "again", 1)
        follower = project.begin("logs", "again", "-f", one["key"][:6])
        assert follower.stdout is not None
        assert follower.stdout.readline() == "attempt 1 begins\n"
        (project.folder / "go-1").touch()
        assert follower.stdout.readline() == "attempt 2 begins\n"
        (project.folder / "go-2").touch()
        code, out, err = ended(follower)
        assert (code, out) == (0, "the end\n")
        assert err.splitlines()[0] == "attempt 2:"
        assert err.splitlines()[1].startswith("done after ")
        assert running.wait(PATIENCE) == 0


def test_the_end_of_the_output_is_that_of_the_setting(project: Project) -> None:
    """The worker begins the next setting at once, whose output is in the same log."""
    go(project, *((a, n) for a in (2, 3) for n in (1, 2)))
    with driver(project, "talk.Talk", "-n", "1", "a=1,3") as running:
        (one,) = until_listed(project, "talk.Talk", 1)
        followers = [project.begin("logs", "talk.Talk", "-f", one["key"]) for _ in range(3)]
        for follower in followers:
            assert follower.stdout is not None
            assert follower.stdout.readline() == "begin 1\n"
        go(project, (1, 1), (1, 2))
        for follower in followers:
            code, out, _ = ended(follower)
            assert (code, out) == (0, "line 1 of 1\nline 2 of 1\n")
        assert running.wait(PATIENCE) == 0


def test_the_last_lines_of_what_runs(project: Project) -> None:
    go(project, (1, 1))
    with driver(project, "talk.Talk", "-n", "2"):
        until_listed(project, "talk.Talk", 1)

        def tail() -> str:
            return project.run("logs", "talk.Talk", "a=1", "--tail", "1").out

        wait_for(lambda: tail() == "line 1 of 1\n")
        follower = project.begin("logs", "talk.Talk", "-f", "a=1", "--tail", "1")
        assert follower.stdout is not None
        assert follower.stdout.readline() == "line 1 of 1\n"
        go(project, (1, 2))
        assert ended(follower)[:2] == (0, "line 2 of 1\n")
