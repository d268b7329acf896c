"""`experiment init`: a first example, which runs as it is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")


def commands(out: str) -> list[str]:
    """The commands that were told, without what they do."""
    return [line.strip().split("   ")[0] for line in out.splitlines() if line.startswith("  ")]


def test_what_it_writes_runs(project: Project) -> None:
    done = project.run("init")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        "wrote experiments/example.py",
        "wrote experiments/__main__.py",
    ]
    told = commands(done.out)
    assert "experiment example" in told
    for line in told:
        program, *words = shlex.split(line)
        assert program == "experiment"
        ended = project.run(*words)
        assert ended.code == 0, f"{line}: {ended.err}"
        assert "note:" not in ended.err, "nothing is to be explained to a beginner"
    assert project.recorded()["example.Pi"] >= 1
    listed = project.run("--json").document["experiments"]
    assert [one["name"] for one in listed] == ["example.Pi"]
    assert project.python("-m", "experiments", "example").code == 0
    assert project.python("experiments", "example").code == 0


def test_its_own_description_tells_commands_that_run(project: Project) -> None:
    project.run("init")
    text = (project.folder / "experiments/example.py").read_text("utf-8")
    told = [line for line in commands(text) if line.startswith("experiment ")]
    assert len(told) >= 3
    for line in told:
        ended = project.run(*shlex.split(line)[1:])
        assert ended.code == 0, f"{line}: {ended.err}"


def test_a_folder_of_another_name(project: Project) -> None:
    done = project.run("init", "work/trials")
    assert done.code == 0
    told = commands(done.out)
    assert "python work/trials example" in told
    for line in told:
        words = shlex.split(line)
        assert words[0] == "python"
        ended = project.start(sys.executable, *words[1:])
        assert ended.code == 0, f"{line}: {ended.err}"
    assert project.recorded()["example.Pi"] >= 1
    assert project.run("example", inside="work/trials").code == 0, "and from inside"


def test_as_a_document(project: Project) -> None:
    found = project.run("init", "--json").document
    assert found["run"] == "experiment example"
    assert [Path(file).name for file in found["written"]] == ["example.py", "__main__.py"]


@pytest.mark.parametrize("name", ["mine.py", "example.py", "__main__.py", ".hidden"])
def test_nothing_is_overwritten(project: Project, name: str) -> None:
    project.write({f"experiments/{name}": "mine"})
    done = project.run("init")
    assert (done.code, "not empty: nothing was written" in done.err) == (2, True)
    there = list((project.folder / "experiments").iterdir())
    assert [(file.name, file.read_text("utf-8")) for file in there] == [(name, "mine")]


def test_an_empty_folder_is_filled(project: Project) -> None:
    (project.folder / "experiments").mkdir()
    assert project.run("init").code == 0


@pytest.mark.parametrize("folder", ["pyproject.toml", "pyproject.toml/x", "/proc/none", "a" * 300])
def test_a_folder_that_cannot_be(project: Project, folder: str) -> None:
    done = project.run("init", folder)
    assert (done.code, "cannot be made" in done.err) == (2, True), done.err


def test_a_second_time_by_the_entrypoint(project: Project) -> None:
    project.run("init")
    done = project.python("-m", "experiments", "init")
    assert (done.code, "nothing was written" in done.err) == (2, True)
