"""Every engine makes the same table of an experiment, whatever the experiment does.

Experiments are made up: small programs that `interpreted.Interpreted` runs, 50 settings each. With
SUPERPARAMS_SLOW=1 there are 20,000 runs of them, which takes some hours.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st
from interpreted import BUFFERS, ERRORS, FIELDS, LITERALS, Interpreted, State

import superparams.worker
from superparams import search, value
from superparams.batches import encode
from superparams.engines import Control, Options, Todo
from superparams.worker import Place, Program

SLOW = "SUPERPARAMS_SLOW" in os.environ
SETTINGS = 50  # of one experiment
# Fresh interpreters take long to start: every eighth experiment has them, unless time is no matter.
SLOW_TO_START = ("forkserver", "spawn", "pool of processes")
TURNS = itertools.count()
# What need not be equal: times, and where a setting ran.
LEFT_OUT = {"seconds", "started", "rank", "attempt", "run", "log_start", "log_end", "traceback"}
LEFT_OUT.add("peak_memory")


class OneAtATime:
    """The reference: each setting has a worker of its own, and is encoded before the next runs."""

    name = "one at a time"

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        for index in (index for one in todo for index in one):
            worker = program.enter(Place(0, 1, options.folder))
            outcome = worker.run(index)
            yield encode([outcome])
            worker.close()

    def activity(self) -> list[Any]:
        return []


class AllAtOnce(OneAtATime):
    """The other extreme: one worker runs all settings before the first outcome is encoded."""

    name = "all at once"

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        worker = program.enter(Place(0, 1, options.folder))
        outcomes = [worker.run(index) for one in todo for index in one]
        worker.close()
        yield encode(outcomes)


ENGINES: dict[str, dict[str, Any]] = {
    "one at a time": {"engine": OneAtATime()},
    "all at once": {"engine": AllAtOnce()},
    "serial": {"engine": "serial"},
    "threads": {"engine": "threads", "num_proc": 1},
    "fork": {"num_proc": 2, "start_method": "fork"},
    "forkserver": {"num_proc": 2, "start_method": "forkserver"},
    "spawn": {"num_proc": 2, "start_method": "spawn"},
}
POOLS: dict[str, type[Any]] = {
    "pool of threads": ThreadPoolExecutor,
    "pool of processes": ProcessPoolExecutor,
}

# ---- experiments as data

names = st.sampled_from("abc")
steps = st.one_of(
    st.tuples(st.just("buffer"), names, st.sampled_from(sorted(BUFFERS))),
    st.tuples(st.just("put"), names, st.sampled_from(sorted(LITERALS))),
    st.tuples(st.just("count"), names, st.sampled_from([1, 0.5, 2**60])),
    st.tuples(st.just("history"), names),
    st.tuples(st.just("read"), names, st.sampled_from(FIELDS)),
    st.tuples(st.just("depth"), names),
    st.tuples(st.just("change"), st.sampled_from(FIELDS)),
    st.tuples(st.just("empty"), st.sampled_from(FIELDS)),
    st.tuples(st.just("print"), st.sampled_from(["", "a\n", "ä"])),
    st.tuples(st.just("raise"), st.sampled_from(sorted(ERRORS)), st.integers(1, 3)),
    st.tuples(st.just("whole"), st.sampled_from(["dict", "names", "scores", "list"])),
    st.tuples(st.just("nothing")),
    st.tuples(st.just("frame"), st.integers(0, 3)),
)
programs = st.lists(st.lists(steps, max_size=5).map(tuple), min_size=1, max_size=6, unique=True)
fields = st.fixed_dictionaries(
    {},
    optional={
        "number": st.sampled_from([2, "text", None, 0.1, b"b"]),
        "layers": st.sampled_from([[], [3], [1, 2, 3]]),
        "options": st.sampled_from([{}, {"name": "adam"}, {"deep": {"list": [1]}}]),
        "tags": st.sampled_from([set[str](), {"b", "c"}]),
        "inner.rate": st.sampled_from([1.0, 2]),
        "inner.sizes": st.sampled_from([[], [5, 6]]),
    },
)
axes = st.sets(st.sampled_from(["layers", "options"]))
experiments = st.tuples(programs, fields, axes)
Experiments = tuple[list[tuple[Any, ...]], dict[str, Any], set[str]]


def space_of(experiment: Experiments) -> Interpreted:
    """The space: programs, fields that are given, and fields that are searched."""
    listed, given_fields, searched = experiment
    opened: dict[str, Any] = {
        "layers": search([[1], [2, 2]]),
        "options": search([{"name": "sgd", "rate": 0.1}, {"name": "adam"}]),
    }
    fixed = {name: x for name, x in given_fields.items() if name not in searched}
    more = {name: opened[name] for name in sorted(searched)}
    length = max(1, SETTINGS // (len(listed) * 2 ** len(more)))
    state = value(State())  # which settings share, and change
    return Interpreted(
        program=search(listed), x=search(range(length)), state=state, **fixed, **more
    )


def rows_of(experiment: Experiments, folder: Path, how: dict[str, Any]) -> list[str]:
    """What a table says about each row, as text, so that NaN is equal to NaN."""
    return [repr(sorted(row.items())) for row in table_of(experiment, folder, how)]


def table_of(experiment: Experiments, folder: Path, how: dict[str, Any]) -> list[dict[str, Any]]:
    folder.mkdir()
    try:
        space = space_of(experiment)
        table = space.run_all(results=folder / "results", resume=False, progress=False, **how)
        return [{n: x for n, x in row.items() if n not in LEFT_OUT} for row in table]
    finally:
        shutil.rmtree(folder)


def check_declared(experiment: Experiments, rows: list[dict[str, Any]]) -> None:
    """The parameters in the rows are those of the settings of the space."""
    wanted = {setting.key: setting.as_row() for setting in space_of(experiment)}
    assert list(dict.fromkeys(row["key"] for row in rows)) == list(wanted)
    for row in rows:
        for name in ("number", "layers", "inner.sizes", "first", "depth", "state"):
            assert row.get(f"param.{name}", row.get(name)) == wanted[row["key"]][name], name


def differences(one: list[str], other: list[str]) -> list[tuple[str, str]]:
    if len(one) != len(other):
        return [(f"{len(one)} rows", f"{len(other)} rows")]
    return [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]


@pytest.fixture
def engines() -> Iterator[dict[str, dict[str, Any]]]:
    pools: dict[str, Executor] = {name: made(1) for name, made in POOLS.items()}
    yield {**ENGINES, **{name: {"engine": pool} for name, pool in pools.items()}}
    for pool in pools.values():
        pool.shutdown()


def check(experiment: Experiments, folder: Path, engines: dict[str, dict[str, Any]]) -> None:
    """Whether the tables of all engines are equal, and hold what was declared."""
    rows = table_of(experiment, folder / "first", engines["one at a time"])
    check_declared(experiment, rows)
    wanted = [repr(sorted(row.items())) for row in rows]
    for name, how in engines.items():
        is_due = SLOW or name not in SLOW_TO_START or next(TURNS) % 24 < 3
        if name != "one at a time" and is_due:
            found = rows_of(experiment, folder / "found", how)
            assert differences(found, wanted)[:1] == [], name


ALIASED: Experiments = ([(("buffer", "a", "floats"), ("buffer", "b", "list"))], {}, set())


@settings(
    max_examples=20_000 // (len(ENGINES) + len(POOLS)) if SLOW else 17,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@example(ALIASED)
@example(([(("change", "layers"), ("empty", "options"), ("read", "a", "first"))], {}, {"layers"}))
@example(([(("change", "tags"), ("depth", "a")), (("frame", 1),)], {}, set()))
@given(experiments)
def test_41_42_every_engine_makes_the_same_table(
    tmp_path_factory: pytest.TempPathFactory,
    engines: dict[str, dict[str, Any]],
    experiment: Experiments,
) -> None:
    check(experiment, tmp_path_factory.mktemp("same"), engines)


def as_it_is(result: Any) -> Any:
    return result


def test_41_42_a_planted_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that are kept as they are, which is what the suite is there to find."""
    count = itertools.count()

    def differs(experiment: Experiments) -> bool:
        one, other = (
            rows_of(experiment, tmp_path / f"{next(count)}", ENGINES[name])
            for name in ("one at a time", "all at once")
        )
        return one != other

    assert not differs(ALIASED)
    monkeypatch.setattr(superparams.worker, "frozen", as_it_is)
    assert differs(ALIASED)
    few = settings(max_examples=30, deadline=None, database=None, phases=[Phase.generate])
    find(experiments, differs, settings=few)  # raises where no example differs
