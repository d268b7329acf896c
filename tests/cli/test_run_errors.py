"""The verb `run` and errors of the user's code."""

from __future__ import annotations

import os

import pytest

from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.noting_experiment import FIT, LACKS, ran, run

pytestmark = pytest.mark.usefixtures("no_leaks")


WRONG = {
    "valid": (
        "    def valid(self):\n        return 1 / 0\n",
        "line 11, in valid\n    return 1 / 0",
        "ZeroDivisionError: division by zero\nA.valid() failed for A(a=1)",
    ),
    "factory": (
        "    data: object = value(factory=load)\n",
        'line 5, in load\n    raise OSError("no such data")',
        "OSError: no such data\nA.data: value(factory=load) failed",
    ),
    "builtin factory": (
        "    data: object = value(factory=partial(open, 'nothing'))\n",
        "FileNotFoundError",
        "A.data: value(factory=",
    ),
    "new": (
        "    def __new__(cls, *_, **__):\n        raise SystemExit(7)\n",
        "line 11, in __new__",
        "SystemExit: 7",
    ),
}


@pytest.mark.parametrize("where", WRONG)
@pytest.mark.parametrize("more", [[], ["--plan"], ["-n", "2"], ["--json"]])
def test_errors_of_the_users_code_show_his_lines(
    project: Project, where: str, more: list[str]
) -> None:
    wrong, *told = WRONG[where]
    text = "from functools import partial\nfrom superparams import Experiment, search, value\n\n"
    text += 'def load():\n    raise OSError("no such data")\n\n'
    text += (
        f"class A(Experiment):\n    a: int = search([1, 2])\n\n{wrong}\n    def run(self): ...\n"
    )
    project.write({"experiments/W.py": text})
    ended = run(project, "W", *more, code=2)
    assert ended.err.startswith("Error: W.A cannot run\n")
    for part in told:
        assert part in ended.err
    assert "superparams/" not in ended.err
    assert "click" not in ended.err
    if "--json" in more:
        assert ended.out == "" or ended.document[0]["error"] in ended.err
    else:
        assert ended.out == ""
    assert not (project.folder / "results").exists()


def test_a_space_that_cannot_be_counted_keeps_all_from_running(fit: Project) -> None:
    wrong = "    def valid(self):\n        return 1 / 0\n"
    fit.write({"experiments/RQ1.py": FIT + LACKS + wrong})
    ended = run(fit, "RQ1", code=2)
    assert "ZeroDivisionError: division by zero\nLacks.valid() failed for Lacks(a=1)" in ended.err
    assert ran(fit) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_here", "ModuleNotFoundError: No module named 'nothing_here'"),
        ("import sys\nsys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class A(", "SyntaxError"),
        (
            "from superparams import *\nclass A(Experiment):\n    a: int = search([])\n",
            "A.a: search([]) has no points",
        ),
        (
            "from superparams import *\nclass B(Experiment):\n    def __init_subclass__(cls):\n"
            "        raise ValueError('not today')\nclass A(B):\n    pass\n",
            "ValueError: not today",
        ),
        ("x = 1", "W.py; write one: class Name(Experiment), with fields and a method run"),
        (
            "from superparams import *\nclass A(Experiment):\n    a: int = search([1])\n",
            "there is no experiment in",
        ),
    ],
)
def test_a_file_that_is_wrong(project: Project, text: str, told: str) -> None:
    project.write({"experiments/W.py": text})
    for more in ([], ["--plan"], ["--help"]):
        ended = run(project, "W", *more, code=2)
        assert told in ended.err, ended.err
        assert "superparams/" not in ended.err
        assert ended.out == "" or more == ["--help"]


def test_a_class_without_run(project: Project) -> None:
    project.write(
        {
            "experiments/W.py": "from superparams import *\nclass A(Experiment):\n    a: int = 1\n",
        }
    )
    ended = run(project, "W.A", code=2)
    assert "A has no run() method" in ended.err
    for verb in ("run", "results", "status"):  # all of the file: there is nothing in it
        ended = project.run(verb, "W")
        assert (ended.code, ended.out) == (2, "")
        assert "W.py that can run: A has no run(); write one" in ended.err
    assert not (project.folder / "results").exists()


def test_a_field_that_must_be_given(project: Project) -> None:
    project.write(
        {
            "experiments/W.py": """
                from superparams import Experiment

                class A(Experiment):
                    a: int

                    def run(self):
                        return {"y": self.a}
            """
        }
    )
    assert "A.a is required" in run(project, "W", code=2).err
    run(project, "W", "a=3")


def test_a_report_that_fails_costs_no_result(project: Project) -> None:
    project.write(
        {
            "experiments/W.py": """
                from superparams import Experiment

                class A(Experiment):
                    def run(self):
                        return {"y": 1}

                    def report(self, results):
                        raise ValueError("no report")
            """
        }
    )
    ended = run(project, "W", env={"PYTHONWARNINGS": "default"})
    assert "1 setting: 1 done" in ended.out
    assert "warning: A.report() failed: Traceback" in ended.err
    assert 'raise ValueError("no report")\nValueError: no report\n' in ended.err
    assert "superparams/" not in ended.err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_streams_that_are_closed_or_full(fit: Project, unbuffered: str) -> None:
    env = environment(TESTS=str(os.getpid()), PYTHONUNBUFFERED=unbuffered)
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        done = fit.start("sh", "-c", f"exec {EXPERIMENT} RQ1 --rerun -n 2 {closed}", env=env)
        assert (done.code, ran(fit)) == (0, [1, 2, 3, 4]), closed
        assert "Traceback" not in done.err
    for words in ("RQ1", "RQ1 --json", "RQ1 --plan"):
        done = fit.start("sh", "-c", f"exec {EXPERIMENT} {words} > /dev/full", env=env)
        assert done.code == 2
        assert done.err.endswith("Error: [Errno 28] No space left on device\n")
