"""The goal of an experiment: `goal = maximize("accuracy")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Goal, Params, Results, maximize, minimize, search
from superparams.errors import FieldError, StoreError
from superparams.identity.code.fingerprint import fingerprint
from superparams.strategies import ASHA, Evolution
from tests.runs import script, tables

WRONG_GOALS: dict[str, Any] = {"a text": "loss", "a number": 3, "a function": maximize}


class Fit(Experiment):
    a: int = search([1, 2, 3, 4])
    goal = minimize("loss")

    def run(self) -> dict[str, Any]:
        return {"x": self.a, "loss": (self.a - 3) ** 2, "deep": {"y": -self.a}}


def test_a_goal_has_a_column_and_a_mode() -> None:
    assert maximize("accuracy") == Goal("accuracy", "max")
    assert repr(minimize("deep.y")) == "minimize('deep.y')"
    assert maximize("y").is_better(2, 1)
    assert not maximize("y").is_better(1, 1)
    assert minimize("y").is_better(1, 2)
    assert not minimize("y").is_better(float("nan"), 2)


@pytest.mark.parametrize("column", ["", " ", 3, None, ["loss"]])
def test_a_column_is_a_name(column: Any) -> None:
    with pytest.raises(FieldError, match=r"^maximize\(.*\): give the name of a result"):
        maximize(column)


@pytest.mark.parametrize("goal", WRONG_GOALS.values(), ids=WRONG_GOALS)
def test_what_is_no_goal_is_refused(goal: Any) -> None:
    with pytest.raises(FieldError, match=r"^Wrong\.goal is .*: write goal = maximize\('"):
        type("Wrong", (Experiment,), {"goal": goal})
    with pytest.raises(FieldError, match=r"^Sub\.goal is .*: write goal = maximize\('"):
        type("Sub", (Fit,), {}).goal = goal


def test_a_goal_is_no_field() -> None:
    body = {"__annotations__": {"goal": str}, "goal": maximize("loss")}
    with pytest.raises(FieldError, match=r"^Wrong\.goal: a goal is not a field; write it without"):
        type("Wrong", (Experiment,), body)


def test_groups_may_have_a_field_of_the_name() -> None:
    class Group(Params):
        goal: str = "loss"

    assert Group().goal == "loss"


def test_a_subclass_has_the_goal_another_or_none(tmp_path: Path) -> None:
    class Same(Fit):
        b: int = 1

    class Other(Fit):
        goal = maximize("x")

    class Without(Fit):
        goal = None

    assert (Same.goal, Other.goal, Without.goal) == (Fit.goal, maximize("x"), None)
    assert Same().run_all(results=tmp_path, progress=False).best()["a"] == 3
    assert Other().run_all(results=tmp_path, progress=False).best()["a"] == 4
    found = Without().run_all(results=tmp_path, progress=False)
    with pytest.raises(
        StoreError, match=r"best\(\) of .*Without, which has no goal: name a column"
    ):
        found.best()


def test_the_best_row_is_that_of_the_goal(tmp_path: Path) -> None:
    found = Fit().run_all(results=tmp_path, progress=False)
    assert found.best()["a"] == found.best("loss")["a"] == 3
    assert found.best("loss", "max")["a"] == found.best(mode="max")["a"] == 1
    assert found.best("x")["a"] == 4, "another column is as ever"
    assert found.where(x=1).goal == found.goal == Fit.goal
    assert "best loss 0 ·" in found.summary
    assert "best loss" not in found.where(a=1).summary, "one row is no choice"


def test_results_know_the_goal_without_the_class(tmp_path: Path) -> None:
    found = Fit().run_all(results=tmp_path, progress=False)
    assert Results.load(found.root).goal == Fit.goal
    assert Results.load(found.root).best()["a"] == 3


def test_the_goal_is_the_last_result_to_be_left_out_of_a_table(tmp_path: Path) -> None:
    class Wide(Experiment):
        a: int = search([1, 2])
        goal = maximize("r9")

        def run(self) -> dict[str, Any]:
            return {f"r{n}": 1000 * n + self.a for n in range(10)}

    lines = Wide().run_all(results=tmp_path, progress=False)._text(30).splitlines()
    (head,) = [line for line in lines if line.startswith("a ")]
    assert "r9" in head.split()
    assert "r8" not in head.split()


def test_a_goal_that_no_row_has_is_a_note(tmp_path: Path) -> None:
    class Mistyped(Fit):
        goal = maximize("lost")

    found = Mistyped().run_all(results=tmp_path, progress=False)
    note = "Mistyped.goal is maximize('lost'), and the results have no column 'lost'; did you mean"
    assert [one for one in found.notes if note in one]
    with pytest.raises(StoreError, match=r"Mistyped\.goal is maximize\('lost'\): no column 'lost'"):
        found.best()


EDITED = """
import json, sys
from superparams import Experiment, maximize, minimize, search
class Fit(Experiment):
    a: int = search([1, 2, 3])
    {goal}
    def run(self):
        return {{"y": self.a, "used": {used}}}
if __name__ == "__main__":
    found = Fit().run_all(progress=False)
    print(json.dumps([found.best("y")["a"], sorted(set(found.column("run").to_pylist()))]))
"""


def _ran(folder: Path, goal: str, used: str = "1") -> Any:
    (row,) = tables(folder, str(script(folder, EDITED.format(goal=goal, used=used), "fit.py")))
    return row


def test_another_goal_is_no_other_code(tmp_path: Path) -> None:
    goals = ["# none", 'goal = maximize("y")', 'goal = minimize("y")', "goal = None"]
    ran = [_ran(tmp_path, goal) for goal in goals]
    assert [a for a, _ in ran] == [3, 3, 1, 3]
    assert len({str(runs) for _, runs in ran}) == 1, "nothing ran again"


def test_a_goal_that_run_reads_is_code(tmp_path: Path) -> None:
    ran = [_ran(tmp_path, f'goal = maximize("{column}")', "self.goal.column") for column in "yx"]
    assert ran[0][1] != ran[1][1]


def test_a_goal_counts_in_no_key() -> None:
    class Other(Fit):
        goal = maximize("x")

    class Without(Fit):
        goal = None

    keys = [[one.key for one in cls()] for cls in (Other, Without)]
    assert keys[0] == keys[1]
    assert fingerprint(Other).parts.keys() >= {"tests.declare.test_goal.Fit.run"}


class Named(Experiment):
    """A parameter has the name of the goal, as the losses of a library have."""

    lr: float = search([0.3, 0.1, 0.2])
    loss: float = 7.0
    goal = minimize("loss")

    def run(self) -> Any:
        for epoch in range(1, 10):
            yield {"epoch": epoch, "loss": self.lr / epoch}


class ByColumn(Named):
    goal = minimize("result.loss")


@pytest.mark.parametrize("cls", [Named, ByColumn])
def test_a_goal_is_a_result_also_where_a_parameter_has_its_name(cls: Any, tmp_path: Path) -> None:
    found = cls().run_all(stop=ASHA(), results=tmp_path, progress=False)
    assert found.goal == Goal("result.loss", "min")
    assert found.best()["lr"] == 0.1
    assert f"best result.loss {0.1 / 9:.6g}" in found.summary
    assert [row["status"] for row in found] == ["done", "done", "stopped"]
    assert found.importance().to_arrow().num_rows == 1
    searched = cls().run_all(strategy=Evolution(trials=3), results=tmp_path, progress=False)
    assert searched.best()["lr"] == 0.1
    assert not [note for note in searched.notes if "could learn nothing" in note]
    assert Results.load(found.root).best()["lr"] == 0.1
