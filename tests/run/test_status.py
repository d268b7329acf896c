"""One status of an experiment, whichever verb of the command tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

SPACES = """
import os
from pathlib import Path
from superparams import Experiment, Params, search, value

def load():
    print("printed by a factory")
    os.write(1, b"written by a factory")
    Path("loaded").touch()
    return [1]

def broken():
    if Path("is_broken").exists():
        raise OSError("no such data")
    return [1]

class Base(Experiment):
    def run(self):
        if getattr(self, "a", 0) == 2:
            raise ValueError("two")
        return {"y": 1}

class Plain(Base):
    a: int = search([1, 2, 3])

class Keyed(Base):
    a: int = search([1, 2, 3])
    data: list = value(factory=load, key="v1")

class Keyless(Base):
    a: int = search([1, 2, 3])
    data: list = value(factory=load)

class Broken(Base):
    a: int = search([1, 2, 3])
    data: list = value(factory=broken)

class BrokenKeyed(Base):
    a: int = search([1, 2, 3])
    data: list = value(factory=broken, key="v1")

class Data(Params):
    rows: list = value(factory=load)

class Group(Base):
    a: int = search([1, 2, 3])
    data: Data = Data()

class Alternatives(Base):
    a: int = search([1, 2, 3])
    data: Data | None = search([None, Data()])

class Needs(Base):
    x: int
    a: int = search([1, 2])

class Twice(Base):
    a: int = search([1, 3, 1])

class Large(Base):
    b: int = search(range(1000))
    c: int = search(range(10**6))

class Filtered(Base):
    b: int = search(range(1000))
    c: int = search(range(1000))
    def valid(self):
        Path("asked").touch()
        return self.b < self.c

class Printing(Base):
    a: int = search([1, 3])
    def __post_init__(self):
        print("printed by a setting")
"""
RUNS = """
from experiments.s import *
if __name__ == "__main__":
    for cls in (Plain, Keyed, Keyless, Broken, BrokenKeyed, Group, Alternatives, Twice, Printing):
        cls().run_all(progress=False)
    Plain(a=7).run_all(progress=False)
    Keyless(a=7).run_all(progress=False)
    Needs(x=1).run_all(progress=False)
    Large(b=1, c=search([1, 2, 3])).run_all(progress=False)
    Filtered(b=1, c=search([1, 2, 3])).run_all(progress=False)
"""
COUNTS = ("done", "stale", "failed", "killed", "timeout", "stopped", "new", "todo", "others", "why")
TOLD = (*COUNTS, "code_unknown")


def listed(project: Project, *words: str) -> dict[str, Any]:
    found = project.run("list", "--json", *words)
    assert (found.code, found.err) == (0, "") or "printed by a setting" in found.err
    return {one["name"][2:]: one for one in found.document["experiments"]}


def told(project: Project, *words: str) -> dict[str, Any]:
    found = project.run("status", "s", "--json", *words).document
    return {one["experiment"][2:]: one for one in found}


def agreed(project: Project) -> dict[str, Any]:
    """The status of each experiment, when `list` and `status` tell the same of all."""
    by_status: dict[str, Any] = {}
    for words in ([], ["--import"]):
        by_list, by_status = listed(project, *words), told(project, *words)
        assert by_list.keys() == by_status.keys()
        for name, entry in by_list.items():
            status = by_status[name]
            size = status["size"], status["is_exact"]
            # Without an import, the list also takes the size of a space that is written out.
            if words or status["size"] is not None:
                assert (entry["settings"], entry["is_exact"]) == size, name
            if entry["state"] is None:
                assert status["runs"] == 0, "only what never ran has no counts in the list"
            else:
                assert entry["state"] == {count: status[count] for count in TOLD}, name
    return by_status


@pytest.fixture
def recorded(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project").write({"experiments/s.py": SPACES, "drive.py": RUNS})
    ended = project.python("drive.py", env={"PYTHONWARNINGS": "ignore"})
    assert ended.code == 0, ended.err
    for name in ("loaded", "asked"):
        (project.folder / name).unlink()
    project.write({"is_broken": ""})
    return project


def test_67_list_and_status_agree(recorded: Project) -> None:
    found = agreed(recorded)
    exact = {"Plain": 1, "Keyed": 0, "BrokenKeyed": 0}
    for name, others in exact.items():
        one = found[name]
        assert (one["done"], one["failed"], one["todo"], one["others"]) == (2, 1, 1, others), name
    assert (found["Twice"]["done"], found["Twice"]["todo"], found["Twice"]["size"]) == (2, 0, 3)
    assert (found["Large"]["done"], found["Large"]["todo"]) == (2 + 1, 10**9 - 3)
    assert (found["Printing"]["done"], found["Printing"]["todo"]) == (2, 0)
    # What is not known: all records are counted, and the reason is given.
    unknown = {
        "Keyless": (3, 1, "Keyless.data has a factory"),
        "Broken": (2, 1, "Broken.data has a factory"),
        "Group": (2, 1, "data.rows has a factory"),
        "Alternatives": (4, 2, "data.rows has a factory"),
        "Needs": (1, 1, "Needs.x is required"),
        "Filtered": (2, 0, "valid() is not called for 1,000,000 settings"),
    }
    for name, (done, failed, why) in unknown.items():
        one = found[name]
        assert (one["done"], one["failed"], one["todo"]) == (done, failed, None), name
        assert why in one["why"], name
    assert not (recorded.folder / "loaded").exists(), "no factory is called"
    assert not (recorded.folder / "asked").exists(), "valid is not called for a large space"
    out = recorded.run("list", "--import").out
    assert "recorded 3 done, 1 failed; the rest is not known" in out
    assert "printed by" not in out


def test_67_they_agree_after_an_edit(recorded: Project) -> None:
    recorded.write({"experiments/s.py": SPACES.replace('{"y": 1}', '{"y": 2}')})
    found = agreed(recorded)
    assert (found["Plain"]["stale"], found["Plain"]["todo"]) == (2, 3)
    assert (found["Keyless"]["stale"], found["Keyless"]["done"]) == (3, 0)
    assert recorded.run("accept", "s.Plain", "--yes").code == 0
    found = agreed(recorded)
    assert (found["Plain"]["stale"], found["Plain"]["done"], found["Plain"]["todo"]) == (0, 2, 1)


def test_67_rerun_and_clean_know_the_keys_that_a_factory_makes(recorded: Project) -> None:
    (document,) = recorded.run("results", "s.Keyless", "--json").document
    rows = document["rows"]
    key = next(row["key"] for row in rows if row["a"] == 1)
    ended = recorded.run("rerun", "s.Keyless", key[:12], "--json")
    assert ended.code == 0, ended.err
    assert (recorded.folder / "loaded").exists()
    folders = recorded.folder / "results/s.Keyless/settings"
    folders.mkdir(exist_ok=True)
    (folders / ("0" * 32)).mkdir()
    (found,) = recorded.run("clean", "s.Keyless", "--dry-run", "--json").document
    assert found["settings"] == ["0" * 32]


def test_67_what_never_ran_is_listed_without_its_keys(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write({"experiments/s.py": SPACES})
    by_list, by_status = listed(project, "--import"), told(project, "--import")
    assert {one["state"] for one in by_list.values()} == {None}
    assert {one["done"] for one in by_status.values()} == {0}
    for name, entry in by_list.items():
        assert entry["settings"] == by_status[name]["size"], name
    assert by_status["Plain"]["new"] == 3
    by_text = listed(project)
    assert by_text["Plain"]["settings"] == by_status["Plain"]["size"]
    for name, entry in by_text.items():
        if entry["settings"] is not None and entry["is_exact"]:
            assert entry["settings"] == by_status[name]["size"], name
    assert not (project.folder / "loaded").exists()


RUDE = """
from superparams import Experiment, search

class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Fit(Experiment):
    a: int = search([1, 2])

    def valid(self):
        raise Rude

    def run(self):
        return {"y": 1}
"""


def test_67_an_error_that_has_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write({"experiments/fit.py": RUDE})
    told = "Rude: <its message raised RuntimeError>"
    status = ["status", "fit", "--import"]
    listing = ["list", "--import"]
    for words in (listing, status, [*listing, "--json"], [*status, "--json"]):
        ended = project.run(*words)
        assert (ended.code, ended.err) == (0, "")
        assert sum(told in line for line in ended.out.splitlines()) == 1
