"""What runs a setting, and what workers need once."""

from __future__ import annotations

import os
import pickle
from typing import Any

import cloudpickle
import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.declare.experiment_place import Place
from superparams.errors import headline, traceback_text
from superparams.executor.program import Program
from superparams.outcomes.outcome import Outcome
from superparams.outcomes.result_copies import checked

MADE: list[int] = []


def make() -> np.ndarray[Any, Any]:
    MADE.append(os.getpid())
    return np.arange(5.0)


class Inner(Params):
    lr: float = search([0.1, 0.2])


class Toy(Experiment):
    inner: Inner = Inner()
    a: int = search([1, 0])
    data: Any = value(factory=make)
    inverse: float = value(derive=lambda s: 1 / s.a, key="inverse")
    after: str = "z"

    def run(self) -> dict[str, float]:
        return {"y": float(self.data.sum()) * self.inverse, "lr": self.inner.lr}


class Plain(Experiment):
    a: int = search([1, 2])

    def __post_init__(self) -> None:
        self.count = 0

    def run(self) -> dict[str, int]:
        self.count += 1
        return {"count": self.count, "rank": self.rank}


def program(space: Experiment) -> Program:
    return Program(space, 3, "tests.Toy")


def outcomes(made: Program) -> list[Outcome]:
    worker = made.enter(Place(rank=2, n_proc=3))
    return [worker.run(index) for index in range(len(made))]


def test_an_outcome_tells_all_of_a_setting() -> None:
    done, _, failed, _ = sorted(outcomes(program(Toy())), key=lambda one: one.status)
    assert done.params == {"inner.lr": 0.1, "a": 1, "inverse": 1.0, "after": "z"}
    assert (done.status, done.result, done.rank, done.attempt) == (
        "done",
        {"y": 10.0, "lr": 0.1},
        2,
        1,
    )
    assert done.key == Toy(inner=Inner(lr=0.1), a=1).key
    where = "(Toy.inverse: value(derive=Toy.<lambda>) failed)"
    assert failed.error == f"ZeroDivisionError: division by zero {where}"
    assert failed.status == "failed"
    assert failed.params == {"inner.lr": 0.1, "a": 0, "inverse": None, "after": "z"}


def test_a_lost_setting_has_its_columns() -> None:
    lost = program(Toy()).outcome_of_lost(1, status="killed", error="killed by SIGKILL")
    assert (lost.index, lost.status) == (1, "killed")
    assert lost.params == {"inner.lr": 0.1, "a": 0, "inverse": None, "after": "z"}


@pytest.mark.parametrize("load", [pickle.loads, cloudpickle.loads])
def test_a_program_arrives_with_what_its_factories_made(load: Any) -> None:
    made = program(Toy())
    found = load(cloudpickle.dumps(made))
    assert [one.result for one in outcomes(found)] == [one.result for one in outcomes(made)]
    assert found.keys[2] == made.keys[2]
    assert len(MADE) == 1, "made once, in the process that packs"


def test_a_program_of_a_class_by_value_arrives() -> None:
    class Local(Plain):
        b: int = search([5])

    found = pickle.loads(cloudpickle.dumps(program(Local())))
    assert [one.params for one in outcomes(found)] == [{"a": 1, "b": 5}, {"a": 2, "b": 5}]


def test_every_attempt_has_a_setting_of_its_own() -> None:
    for space in (Plain(), Plain(a=1)):
        worker = program(space).enter(Place(rank=1))
        assert [worker.run(0, attempt).result["count"] for attempt in (1, 2)] == [1, 1]
        assert worker.run(0).result["rank"] == 1
    fixed = Plain(a=1)
    program(fixed).enter(Place(rank=1)).run(0)
    assert (fixed.count, fixed.rank) == (0, 0)


def test_ctrl_c_is_not_an_outcome() -> None:
    class Stops(Plain):
        def run(self) -> dict[str, int]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcomes(program(Stops()))


def test_what_run_may_return() -> None:
    frame = __import__("pyarrow").table({"y": [1]})
    for fine in (None, {"y": 1}, frame):
        assert checked(Plain, fine) is fine
    assert checked(Plain, os.environ.__class__({}, str, str, str, str)) == {}
    for wrong in (1, [1], "y", object(), {1}):
        with pytest.raises(TypeError, match=r"Plain\.run\(\) returned .* return a dict"):
            checked(Plain, wrong)


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(), "ValueError"),
        (ValueError("a\nb"), "ValueError: a\nb"),
        (Broken(), "Broken: <its message raised RuntimeError>"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_headline_and_trace_of_any_exception(error: BaseException, told: str) -> None:
    assert headline(error) == told
    try:
        raise error
    except BaseException as raised:
        trace = traceback_text(raised)
    assert "in test_headline_and_trace_of_any_exception" in trace
    assert type(error).__name__ in trace
