"""A row has the parameters that were declared, whatever `run` does to its copies of them."""

from __future__ import annotations

import collections
import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from carriers import ENGINES, options

from superparams import Experiment, Params, search, value
from tests.sweeps import swept

pytestmark = pytest.mark.usefixtures("no_leaks")


class State:
    """An object with a repr, which settings share and change."""

    def __init__(self) -> None:
        self.count = 0

    def __repr__(self) -> str:
        return f"State({self.count})"


class Plan:
    """A point of an axis that is an object; each setting has a copy of its own."""

    def __init__(self, steps: int) -> None:
        self.steps = [steps]

    def __repr__(self) -> str:
        return f"Plan({self.steps})"


class Adam(Params):
    betas: list[float] = [0.9]
    steps: list[int] = search([[1], [2]])
    last: int = value(derive=lambda s: s.steps[-1])

    def __post_init__(self) -> None:
        self.steps.append(7)


def vocabulary() -> dict[str, Any]:
    return {"words": ["a"], "ids": collections.Counter({"a": 1})}


LAYERS = [[64], [64, 64]]
STATE = State()


class Changing(Experiment):
    """Its `run` changes whatever it can reach."""

    options: dict[str, Any] = search([{"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.01}])
    layers: list[int] = search(LAYERS)
    plan: Plan = search([Plan(1), Plan(2)])
    opt: Adam = Adam()
    tags: set[str] = {"a"}
    nested: dict[str, Any] = {"deep": [[1]]}
    state: State = value(STATE)
    words: dict[str, Any] = value(factory=vocabulary)
    depth: int = value(derive=lambda s: len(s.layers))
    first: list[int] = value(derive=lambda s: list(s.layers))
    mask: Any = value(derive=lambda s: np.zeros(s.depth))
    total: int = value(derive=lambda s: len(s.words["words"]) + sum(s.first))
    fails: bool = search([False, True])

    def __post_init__(self) -> None:
        self.layers.append(10)
        self.nested["deep"].append("post")

    def run(self) -> dict[str, Any]:
        name = self.options.pop("name")
        self.options["momentum"] = 0.9
        self.layers.append(1)
        LAYERS[0].append(-1)
        self.plan.steps.append(self.plan.steps[0])
        self.opt.betas.clear()
        self.opt.steps.append(8)
        self.tags.add("b")
        self.nested["deep"][0].append(2)
        self.state.count += 1
        self.words["words"].append("b")
        self.words["ids"]["b"] += 1
        used = [self.depth, sum(self.first), len(self.mask), self.total]
        self.first.append(5)
        self.mask[:] = 1
        vars(self)["fails"] = not self.fails
        if not self.fails:  # it has been turned round
            raise ValueError(f"{used}")
        return {
            "used": used,
            "layers": self.layers,
            "steps": self.opt.steps,
            "words": len(self.words["words"]) + len(self.words["ids"]),
            "name": name,
        }


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    STATE.count = 0


@pytest.fixture(params=swept(3, ENGINES))
def how(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    with options(request.param) as made:
        yield {**made, "progress": False}


def declared(layers: list[int], steps: int, plan: int) -> dict[str, Any]:
    """The columns of the fields whose declaration the tests know by heart."""
    return {
        "layers": layers,
        "plan": f"Plan([{plan}])",
        "opt.betas": [0.9],
        "opt.steps": [steps],
        "opt.last": steps,
        "tags": ["a"],
        "nested.deep": "[[1]]",
        "state": "State(0)",
        "depth": len(layers),
        "first": layers,
        "mask": "array([0.])" if len(layers) == 1 else "array([0., 0.])",
        "total": 1 + sum(layers),
    }


def test_42_a_row_has_what_was_declared(how: dict[str, Any]) -> None:
    space = Changing()
    keys = [setting.key for setting in space]
    table = space.run_all(**how, retries=1, retry_on=["failed"])
    rows = list(table)
    assert [row["key"] for row in rows] == keys
    assert table.counts == {"done": 16, "failed": 16}
    for row, key in zip(rows, keys, strict=True):
        layers = [64] * (1 if row["depth"] == 1 else 2)
        steps, plan = row["opt.last"], int(row["plan"][6])
        wanted = declared(layers, steps, plan)
        found = table.row(key)
        columns = {name: found.get(f"param.{name}", found.get(name)) for name in wanted}
        columns["tags"] = list(columns["tags"])
        columns["nested.deep"] = str(columns["nested.deep"])
        assert columns == wanted
        assert {row["options.name"]: row["options.lr"]} in ({"sgd": 0.1}, {"adam": 0.01})
        used = [len(layers), sum(layers), len(layers), 1 + sum(layers)]
        if row["fails"]:
            assert (row["error"], row["attempt"]) == (f"ValueError: {used}", 2)
        else:
            assert (row["used"], row["words"], row["name"]) == (used, 4, row["options.name"])
            assert (row["result.layers"], row["steps"]) == ([*layers, 10, 1], [steps, 7, 8])
    assert len({(row["depth"], row["opt.last"], row["plan"], row["name"]) for row in rows}) == 24
    assert len(table.where(layers=[64])) == len(table.where(layers=[64, 64])) == 16
    assert len(table.where(**{"opt.steps": [1]})) == 16
    assert len(table.where(fails=True, state="State(0)")) == 16
    again = space.run_all(**how, only="new")
    assert len(again) == 32


def test_42_a_setting_in_hand_keeps_what_was_declared() -> None:
    LAYERS[0][:] = [64]
    for setting in (
        Changing()[-1],
        Changing()[-1].replace(),
        pickle.loads(pickle.dumps(Changing()[-1])),
    ):
        key, row = Changing()[-1].key, Changing()[-1].as_row()
        same = copy.copy(setting)
        with pytest.raises(ValueError, match=r"\[2, 128, 2, 129\]"):
            setting.run()
        vars(setting)["fails"] = True
        STATE.count = 0
        assert setting.layers == [64, 64, 10, 1]
        assert (setting.key, setting.as_row()) == (key, row)
        assert (setting.replace().layers, setting.replace().depth) == ([64, 64, 10], 2)
        assert setting == Changing()[-1] == same
        assert Changing().index(setting) == len(Changing()) - 1
        setting.as_row()["layers"].append(0)
        assert setting.as_row() == row


def test_42_a_derived_field_follows_from_what_was_declared_when_it_is_read_late() -> None:
    class Late(Experiment):
        layers: list[int] = search([[1], [2, 2]])
        fixed: list[int] = [1]
        depth: int = value(derive=lambda s: len(s.layers) + len(s.fixed))
        twice: int = value(derive=lambda s: 2 * s.depth)

        def run(self) -> dict[str, int]:
            self.layers.extend([0] * 10)
            self.fixed.clear()
            return {"seen": self.twice}

    assert [setting.run()["seen"] for setting in Late()] == [4, 6]
    rows = list(Late().run_all(progress=False))
    assert [(row["seen"], row["twice"], row["fixed"]) for row in rows] == [(4, 4, [1]), (6, 6, [1])]
    assert [Late(layers=[1] * 3, fixed=[]).run()["seen"]] == [6]


def test_42_what_run_itself_makes_may_be_derived_from() -> None:
    class Own(Experiment):
        x: int = search([1, 2])
        layers: list[int] = [1]
        late: int = value(derive=lambda s: s.made + len(s.layers))

        def run(self) -> dict[str, int]:
            self.made = self.x
            self.layers.append(1)
            return {"y": self.late}

    rows = list(Own().run_all(progress=False))
    assert [(row["late"], row["y"], row["layers"]) for row in rows] == [(2, 2, [1]), (3, 3, [1])]


def test_42_a_group_is_changed_once_by_its_post_init() -> None:
    class Outer(Experiment):
        opt: Adam = search([Adam(steps=[3]), Adam()])

        def run(self) -> dict[str, Any]:
            return {"steps": self.opt.steps}

    table = Outer().run_all(progress=False)
    assert [row["steps"] for row in table] == [[3, 7], [1, 7], [2, 7]]
    assert [row["opt.steps"] for row in table] == [[3], [1], [2]]
    assert [table.row(setting.key)["steps"] for setting in Outer()] == [[3, 7], [1, 7], [2, 7]]


def test_42_a_space_of_one_and_its_user_do_not_share() -> None:
    mine = Changing(
        layers=[64], options={"name": "x", "lr": 1}, plan=Plan(1), fails=True, opt=Adam(steps=[1])
    )
    mine.layers.append(99)
    mine.first.append(99)
    (row,) = mine.run_all(progress=False)
    assert (row["error"], row["layers"], row["first"]) == ("ValueError: [1, 64, 1, 65]", [64], [64])
    assert (mine.layers, mine.first, mine.fails) == ([64, 10, 99], [64, 99], True)
