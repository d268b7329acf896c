"""Spaces are sequences of settings, and settings are dicts where one is needed."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from typing_extensions import Self, assert_type

from superparams import Experiment, Goal, Params, Settings, maximize, search, value
from superparams.store.results import Results
from superparams.store.staleness.acceptances import Accepted


class Train(Experiment):
    lr: float = search([0.1, 0.2])
    name: str = "a"
    path: str = value(derive=lambda s: s.name)

    def run(self) -> dict[str, float]:
        return {"lr": self.lr}

    def twin(self) -> Self:
        return self.replace(name="b")


def takes(**given: Any) -> int:
    return len(given)


space = Train()
assert_type(Train.from_cli(["lr=0.1"]), Train | Any)
assert_type(Params.from_cli(word for word in ("a=1", "b=2")), Params | Any)
assert_type(len(space), int)
assert_type(space.n_settings, int | Any)
assert_type(space[0], Train)
assert_type(space[-1].lr, float)
assert_type(space[1:2], Settings[Train])
assert_type(space[1:2][0], Train)
assert_type(space[::2][1:], Settings[Train])
assert_type(Settings([space[0], space[1]]), Settings[Train])
assert_type(space[1:2].run_all(2, timeout=3), Results)
assert_type(Settings([space[0]]).results(), Results)
assert_type(space[1:2].as_space(), Train)
assert_type(space.sample(3), Settings[Train] | Any)
assert_type(space.sample(3, seed=1), Settings[Train] | Any)
assert_type(space.sobol(8, 1), Settings[Train] | Any)
assert_type(space.latin_hypercube(8), Settings[Train] | Any)
assert_type(space.grid(3), Settings[Train] | Any)
assert_type(space.one_at_a_time(space[0], points=3), Settings[Train] | Any)
assert_type(space.place.sample(3), Settings[Train])
assert_type(space.place.grid(3)[0], Train)
assert_type(space.place.sobol(4).run_all(2), Results)
assert_type(iter(space), Iterator[Train])
for setting in space:
    assert_type(setting, Train)
    assert_type(setting.run(), dict[str, float])
for part in space[:2]:
    assert_type(part, Train)
assert_type([s.lr for s in space], list[float])

setting = space[0]
assert_type(space.index(setting), int | Any)
assert_type(setting in space, bool)
assert_type("lr" in setting, bool)
assert_type(dict(setting), dict[str, Any])
copied: dict[str, Any] = {**setting, "more": 1}
assert_type(takes(**setting), int)  # error: pyrefly
assert_type(setting["lr"], Any)
assert_type(setting.as_dict(), dict[str, Any] | Any)
assert_type(setting.as_row(), dict[str, Any] | Any)
assert_type(setting.to_json(indent=2), str | Any)
assert_type(setting.replace(lr=1.0), Train)
assert_type(dataclasses.replace(setting, lr=1.0), Train)
assert_type(copy.copy(setting), Train)
assert_type(setting.twin(), Train)
is_one: bool = dataclasses.is_dataclass(Train)


class Noted(Train):
    """Undeclared attributes are free."""

    def run(self) -> dict[str, float]:
        self.model = [self.lr]
        return {"n": len(self.model)}


def run_everything() -> None:
    assert_type(space.run_all(), Results)
    assert_type(space.run_all(2, timeout=3.0, retries=1), Results)
    assert_type(space.run_all(engine="threads", on_error="raise", only="new"), Results)
    assert_type(space.run_all(engine=ThreadPoolExecutor(2), on_error="continue"), Results)
    assert_type(space.run_all("auto", shard=(0, 16)), Results)
    assert_type(space[1:9].run_all(shard=(3, 4)), Results)
    space.run_all(engine="serial", only="failed")
    space.run_all(engine="processes", only=["ab"])
    space.run_all(only=("ab", "cd"))
    space.run_all(only={setting.key for setting in space})
    space.run_all(only={"ab": 1}.keys())
    assert_type(Train(lr=0.1).run(), dict[str, float])
    assert_type(Train.results(), Results | Any)
    assert_type(space.results(results="other"), Results | Any)
    kept = setting.place.results("other").stale.accept_stale("ab", why="the same")
    assert_type(kept.accepted, list[Accepted])
    assert_type(Train.place.results().withdraw(), Results)
    assert_type(Train.place.results().changes()[0].diff, str)
    made = Train.place.results().provenance("ab")
    assert_type(made.restore("then", git=False), Path)


def sizes(groups: list[Params]) -> list[int]:
    return [group.n_settings for group in groups]


def goals() -> None:
    assert_type(maximize("accuracy"), Goal)
    found = space.run_all()
    assert_type(found.goal, Goal | None)
    found.best()
    found.best("loss", "min")
    found.best("loss", mode="max", stale=True)
