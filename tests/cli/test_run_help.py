"""The help of the verb `run`, and of experiments."""

from __future__ import annotations

import pytest

from tests.cli.command import Project
from tests.cli.noting_experiment import run

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_the_help_of_an_experiment_tells_its_fields(project: Project) -> None:
    project.write(
        {
            "experiments/H.py": '''
                from enum import Enum
                from typing import Annotated, Literal
                from superparams import Experiment, Params, search, value

                class Kind(Enum):
                    A = 1
                    B = 2

                class Optimizer(Params):
                    lr: float = search([0.1, 0.01])
                    """The step."""

                class First(Experiment):
                    """What it is about.

                    And more.
                    """
                    kernel: str = search(["linear", "rbf"])
                    """The kernel."""
                    kind: Kind = Kind.A
                    mode: Literal["fast", "slow"] = search()
                    needed: int
                    opt: Optimizer = Optimizer()
                    data: list = value(factory=list)
                    long: str = "x" * 200

                    def run(self): ...

                class Bare(Experiment):
                    def run(self): ...
            '''
        }
    )
    wide = run(project, "H", "--help", inside="experiments")
    assert wide.err == ""
    lines = wide.out.splitlines()
    assert lines[0] == "Usage: experiment H [OPTIONS] [FIELD=VALUES]..."
    fields = [
        line.split(maxsplit=2) for line in lines[lines.index("H.First: What it is about.") + 1 :]
    ]
    told = {words[0]: words[1:] for words in fields if words}
    assert told["kernel:"] == ["str", "['linear', 'rbf']  The kernel."]
    assert " ".join(told["kind:"]).split() == ["A", "|", "B", "A"]
    assert told["needed:"] == ["int", "required"]
    assert told["opt.lr:"][1].startswith("[0.1, 0.01]  The step.")
    assert told["data:"][-1].startswith("made by list")
    assert "x" * 100 not in wide.out
    assert "H.Bare" in wide.out
    assert "It has no fields." in wide.out
    assert "--num-proc" in wide.out, "and the options"
    for width in (40, 20, 300):
        narrow = run(project, "H", "--help", env={"COLUMNS": str(width)})
        assert "".join(narrow.out.split()) == "".join(wide.out.split())
        if width == 40:
            assert max(map(len, narrow.out.splitlines())) <= 60
    assert run(project, "run", "H", "-h").out == wide.out
    assert run(project, "-n", "2", "H", "--help").out == wide.out


def test_the_help_of_the_verb_and_of_all(fit: Project) -> None:
    verb = run(fit, "run", "--help").out
    assert "experiment RQ1 --plan" in verb
    assert "Exit codes:" in verb
    assert "RQ1.Fit" not in verb
    assert "--num-proc" in verb
    everything = run(fit, "--help").out
    assert "status" in everything
    assert run(fit, "-h").out == everything


def test_the_help_of_a_file_that_is_broken(project: Project) -> None:
    project.write({"experiments/W.py": "import nothing_here"})
    ended = run(project, "W", "--help", code=2)
    assert "--num-proc" in ended.out, "what can be told is told"
    assert "No module named 'nothing_here'" in ended.err


def test_the_help_of_what_has_evil_texts(project: Project) -> None:
    project.write(
        {
            "experiments/E.py": r"""
                from superparams import Experiment, search

                class Odd:
                    def __repr__(self):
                        raise ValueError("no repr")

                class A(Experiment):
                    "\x1b[31mred\x07"
                    a: str = search(["\x1b[2J", "b"])
                    "\x1b]0;title\x07 \ud800"
                    b: object = Odd()

                    def run(self): ...

                class B(Experiment):
                    __doc__ = 5

                    def run(self): ...
            """
        }
    )
    ended = run(project, "E", "--help")
    assert "\x1b" not in ended.out
    assert r"\x1b[31mred\x07" in ended.out
