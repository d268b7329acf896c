"""`results --average`: means over repetitions."""

from __future__ import annotations

import pytest

from tests.cli.command import Project

pytestmark = pytest.mark.usefixtures("no_leaks")

REPEATED = """
from superparams import Experiment, search

class Fit(Experiment):
    lr: float = search([1.0, 2.0])
    seed: int = search(range(3), repeat=True)

    def run(self):
        if self.seed == 2 and self.lr == 2.0:
            raise ValueError("fails")
        return {"loss": FACTOR * self.lr * self.seed}

class Other(Experiment):
    a: int = search([1, 2])

    def run(self):
        return {"y": self.a}
"""


def test_the_command_averages(project: Project) -> None:
    file = "experiments/RQ1.py"
    project.write({file: REPEATED.replace("FACTOR", "1")})
    project.run("RQ1")
    done = project.run("results", "RQ1.Fit", "--average", "--json")
    (document,) = done.document
    assert [(x["lr"], x["loss"], x["failed"]) for x in document["rows"]] == [(1, 1, 0), (2, 1, 1)]
    text = project.run("results", "RQ1.Fit", "--average", "--sort", "-loss_max").out
    assert "2 averages over seed" in text
    lines = text.splitlines()
    head = next(n for n, line in enumerate(lines) if line.split()[:2] == ["lr", "loss"])
    assert [line.split()[0] for line in lines[head + 1 : head + 3]] in (["1", "2"], ["2", "1"])
    csv = project.run("results", "RQ1.Fit", "--average", "--columns", "lr,loss", "--format", "csv")
    assert csv.out.splitlines() == ["lr,loss", "1.0,1.0", "2.0,1.0"]
    some = project.run("results", "RQ1.Fit", "--average", "--where", "seed<2", "--json").document
    assert [row["done"] for row in some[0]["rows"]] == [2, 2]
    words = ("results", "RQ1.Fit", "--average", "--json", "--where")
    for condition, lrs in (("loss>1", []), ("loss_max>1.5", [1, 2]), ("loss_std<0.9", [2.0])):
        rows = project.run(*words, condition).document[0]["rows"]
        expected = [row for row in document["rows"] if row["lr"] in lrs]
        if condition == "loss_std<0.9":
            expected = [row for row in document["rows"] if row["loss_std"] < 0.9]
        elif condition == "loss_max>1.5":
            expected = [row for row in document["rows"] if row["loss_max"] > 1.5]
        assert rows == expected, condition
    both = project.run("results", "RQ1.Fit", "--average", "--failed")
    assert both.code == 2
    assert "--average and --failed exclude each other" in both.err
    none = project.run("results", "RQ1.Other", "--average")
    assert none.code == 2
    assert "no axis is a repetition" in none.err
    project.write({file: REPEATED.replace("FACTOR", "10")})  # rows of other code are left out
    assert project.run("results", "RQ1.Fit", "--average", "--json").document[0]["rows"] == []
    stale = project.run("results", "RQ1.Fit", "--average", "--stale", "--json").document
    assert [row["loss"] for row in stale[0]["rows"]] == [1, 1]
    project.run("RQ1.Fit", "lr=1")
    (row,) = project.run("results", "RQ1.Fit", "--average", "--json").document[0]["rows"]
    assert (row["lr"], row["loss"], row["done"]) == (1, 10, 3)
