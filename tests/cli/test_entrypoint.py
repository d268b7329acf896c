"""`superparams.entrypoint` in a folder's ``__main__.py``: the command, rooted at that folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.command import Project
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

MAIN = "from superparams import entrypoint\nentrypoint()\n"


def with_main(project: Project, folder: str = "experiments") -> Project:
    return project.write({f"{folder}/__main__.py": MAIN})


def test_the_same_powers(project: Project) -> None:
    with_main(project).experiments("RQ1", "index:RQ1", "index/Other")
    python = ["-m", "experiments"]
    assert project.python(*python).out == project.run().out
    assert project.python(*python, "index").err == project.run("index").err
    assert project.python(*python, "RQ1", "-n", "2").code == 0
    assert project.python(*python, "status", "RQ1").out == project.run("status", "RQ1").out
    assert project.python(*python, "RQ2").code == 2
    assert project.python(*python, "--version").out == project.run("--version").out
    assert project.recorded() == {"RQ1.RQ1": 1}


USING = {name: name for name in ("sched", "numpy")}
USING |= {"email": "email.message", "hypothesis": "hypothesis.strategies"}


@sweep(
    6,
    ("folder", "inside", "words"),
    [
        ("experiments", ".", ["-m", "experiments"]),
        ("experiments", ".", ["experiments"]),
        ("experiments", ".", ["experiments/__main__.py"]),
        ("experiments", "experiments", ["."]),
        ("experiments", "experiments/deep", [".."]),
        ("some/path/to/experiments", ".", ["some/path/to/experiments"]),
        ("some/path/to/experiments", "some/path", ["-m", "to.experiments"]),
        ("trials", ".", ["-m", "trials"]),
        ("trials", "trials/deep", ["../__main__.py"]),
        ("my trials.v2", ".", ["my trials.v2"]),
        ("email", ".", ["./email"]),
        ("sched", ".", ["sched"]),
        ("numpy", ".", ["numpy"]),
        ("hypothesis", ".", ["hypothesis"]),
        ("superparams", ".", ["superparams"]),
    ],
)
def test_wherever_it_lies_and_whatever_it_is_called(
    project: Project, folder: str, inside: str, words: list[str]
) -> None:
    with_main(project, folder).experiments("RQ1", "deep/RQ2", folder=folder)
    if folder in USING:  # the library of this name, and no module of the folder
        text = (project.folder / folder / "RQ1.py").read_text("utf-8")
        project.write({f"{folder}/RQ1.py": f"import {USING[folder]}\n{text}"})
    done = project.python(*words, "RQ1", "-n", "2", inside=inside)
    assert (done.code, project.recorded()) == (0, {"RQ1.RQ1": 1}), done.err
    assert project.python(*words, "deep.RQ2", inside=inside).code == 0
    assert project.run("deep.RQ2", inside=folder).code == 0
    assert project.recorded()["deep.RQ2.RQ2"] == 1


def test_from_elsewhere(project: Project, tmp_path: Path) -> None:
    """The results are the project's, wherever the working directory is."""
    with_main(project).experiments("RQ1")
    elsewhere = Project(tmp_path / "elsewhere").experiments("Other")
    path = str(project.folder / "experiments")
    assert elsewhere.python(path, "RQ1").code == 0
    assert project.recorded() == {"RQ1.RQ1": 1}
    assert elsewhere.python(path, "RQ1", "--results", "here").code == 0
    assert elsewhere.recorded("here") == {"RQ1.RQ1": 1}
    assert elsewhere.python(path, "Other").code == 2


@pytest.mark.parametrize(
    "words", [["-m", "experiments"], ["./experiments"], ["experiments/__main__.py"]]
)
def test_the_program_is_called_as_it_was_started(project: Project, words: list[str]) -> None:
    with_main(project).experiments("RQ1")
    started = f"Usage: {Path(sys.executable).name} {' '.join(words)} "
    assert project.python(*words, "--help").out.startswith(started)
    assert project.python(*words, "status").err.startswith(started)


def test_files_that_are_called_as_modules_of_python(project: Project) -> None:
    """Python puts the folder first on the path of modules; that lasts only until our first line."""
    names = ("random", "json", "queue", "click", "tempfile", "pyarrow")
    with_main(project).experiments(*(f"{name}:A" for name in names))
    done = project.python("experiments", "random", "-n", "2")
    assert done.code == 0, done.err
    assert len(project.python("experiments", "--json").document["experiments"]) == len(names)


def test_workers_of_multiprocessing(project: Project) -> None:
    """Those that are spawned run the main file again, under another name."""
    project.write(
        {
            "experiments/RQ1.py": """
            import multiprocessing
            from superparams import Experiment

            class RQ1(Experiment):
                def run(self):
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        return {"y": pool.apply(abs, (-3,))}
            """
        }
    )
    done = with_main(project).python("experiments/__main__.py", "RQ1")
    assert (done.code, project.recorded()) == (0, {"RQ1.RQ1": 1}), done.err


def test_importing_superparams_does_not_load_the_command() -> None:
    import subprocess

    program = (
        "import sys, superparams; print('superparams.cli' in sys.modules, 'click' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
