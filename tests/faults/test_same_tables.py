"""Every engine makes the same table of an experiment, whatever the experiment does.

Experiments are made up: small programs that `interpreted.Interpreted` runs, 50 settings each. The
tests make up 20. `make same-tables` makes up as many as 20,000 runs take, others every time.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, find, given, seed, settings
from hypothesis import strategies as st
from interpreted import (
    BUFFERS,
    DRAWS,
    ERRORS,
    FIELDS,
    LITERALS,
    Interpreted,
    InterpretedLater,
    State,
)

import superparams.executor.worker
from superparams import search, value
from superparams.declare.experiment_place import Place
from superparams.executor import Processes
from superparams.executor.engines.contract import Control, Options
from superparams.executor.engines.feed import Todo
from superparams.executor.program import Program
from superparams.outcomes.batches import encode

# Set by `make same-tables`.
RUNS = int(os.environ.get("SUPERPARAMS_RUNS", 0))
SEED = int(os.environ.get("SUPERPARAMS_SEED", 0))
SETTINGS = 50  # of one experiment
WORKERS = 2 if RUNS else 1  # where each takes long to start
# What need not be equal: times, and where a setting ran.
LEFT_OUT = {"seconds", "started", "rank", "attempt", "run", "log_start", "log_end", "traceback"}
LEFT_OUT.add("peak_memory")


class OneAtATime:
    """The reference: each setting has a worker of its own, and is encoded before the next runs."""

    name = "one at a time"

    def execute(
        self, program: Program, todo: Todo, options: Options, control: Control
    ) -> Iterator[bytes]:
        encoded: list[bytes] = []
        for index in (index for one in todo for index in one):
            worker = program.enter(Place(0, 1, options.folder))
            encoded.append(encode([worker.run(index)]))
            worker.close()
        yield b"".join(encoded)

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


REFERENCE: dict[str, Any] = {"engine": OneAtATime()}
# Every experiment is run by these. The pools live as long as the test: so each start method has
# its say about each experiment, though a fresh interpreter takes long to start.
ENGINES: dict[str, dict[str, Any]] = {
    "serial": {"engine": "serial"},
    "threads": {"engine": "threads", "num_proc": 1},
    "asyncio": {"engine": "asyncio", "num_proc": 3},
    "fork": {"num_proc": WORKERS, "engine": Processes(start_method="fork")},
}
POOLS = ("forkserver", "spawn")
# An experiment of the tests is run by one of these or by none; in `make same-tables` by all.
IN_TURN: dict[str, dict[str, Any]] = {
    "forkserver": {"num_proc": 2, "engine": Processes(start_method="forkserver")},
    "spawn": {"num_proc": WORKERS, "engine": Processes(start_method="spawn")},
    "all at once": {"engine": AllAtOnce()},
    "pool of threads": {},
}
N_ENGINES = 1 + len(ENGINES) + len(POOLS) + len(IN_TURN)
# Their settings share one process and run at the same time, so that none can be given a seed.
UNSEEDED = ("threads", "asyncio", "pool of threads")

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
    st.tuples(st.just("draw"), names, st.sampled_from(sorted(DRAWS))),
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


def space_of(experiment: Experiments, cls: type[Interpreted] = Interpreted) -> Interpreted:
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
    return cls(program=search(listed), x=search(range(length)), state=state, **fixed, **more)


def rows_of(experiment: Experiments, folder: Path, how: dict[str, Any]) -> list[str]:
    """What a table says about each row; see `texts_of`."""
    return texts_of(table_of(experiment, folder, how), is_async=is_async(how))


def texts_of(rows: list[dict[str, Any]], *, is_async: bool = False) -> list[str]:
    """Rows as text, so that NaN is equal to NaN. Coroutines are other code, of another class."""
    left_out = {"code"} if is_async else set[str]()
    texts = [repr(sorted((n, x) for n, x in row.items() if n not in left_out)) for row in rows]
    return [one.replace(InterpretedLater.__name__, Interpreted.__name__) for one in texts]


def is_async(how: dict[str, Any]) -> bool:
    return bool(how["engine"] == "asyncio")


def table_of(experiment: Experiments, folder: Path, how: dict[str, Any]) -> list[dict[str, Any]]:
    folder.mkdir()
    try:
        space = space_of(experiment, InterpretedLater if is_async(how) else Interpreted)
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


def draws(experiment: Experiments) -> bool:
    return any(step[0] == "draw" for one in experiment[0] for step in one)


def generators() -> int:
    """Where the global random generators of this process are, as a number."""
    return hash(pickle.dumps((random.getstate(), np.random.get_state())))


def not_synced(_: int) -> None:
    """Nothing is killed here, so nothing has to be on the disk."""


@pytest.fixture
def engines(no_leaks: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, Any]]]:
    """All engines, by their names."""
    monkeypatch.setattr(os, "fsync", not_synced)
    pools: dict[str, Executor] = {"pool of threads": ThreadPoolExecutor(1)}
    for method in POOLS:
        context = multiprocessing.get_context(method)
        pools[f"pool by {method}"] = ProcessPoolExecutor(1, context)
    yield {**ENGINES, **IN_TURN, **{name: {"engine": pool} for name, pool in pools.items()}}
    for pool in pools.values():
        pool.shutdown()
    # It would serve this interpreter until that ends.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # pyright: ignore


def check(experiment: Experiments, folder: Path, engines: dict[str, dict[str, Any]]) -> None:
    """Assert that the tables of these engines are equal, and hold what was declared."""
    numbers = itertools.count()
    rows = table_of(experiment, folder / f"{next(numbers)}", REFERENCE)
    check_declared(experiment, rows)
    for name, how in engines.items():
        if name not in UNSEEDED or not draws(experiment):
            random.seed(1)  # not where the engine before has left them
            np.random.seed(1)
            before = generators()
            found = rows_of(experiment, folder / f"{next(numbers)}", how)
            wanted = texts_of(rows, is_async=is_async(how))
            assert differences(found, wanted)[:1] == [], name
            is_ours = isinstance(how["engine"], AllAtOnce)
            assert is_ours or generators() == before, (
                f"{name} left other random numbers to its caller"
            )


ALIASED: Experiments = ([(("buffer", "a", "floats"), ("buffer", "b", "list"))], {}, set())
CHANGING: Experiments = (
    [(("change", "layers"), ("empty", "options"), ("read", "a", "first"))],
    {},
    {"layers"},
)
DIFFERENT: Experiments = (
    [(("change", "tags"), ("depth", "a")), (("frame", 1),), (("draw", "a", "numpy"),)],
    {},
    set(),
)
# A busy machine takes longer than a run waits for git.
pytestmark = pytest.mark.filterwarnings(
    "ignore:the record of the code .* is incomplete:UserWarning"
)


@pytest.mark.timeout(7 * 86_400 if RUNS else 1800)
def test_41_42_every_engine_makes_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, engines: dict[str, dict[str, Any]]
) -> None:
    @settings(
        max_examples=max(1, RUNS // N_ENGINES) if RUNS else 10,
        # Fewer steps make a failure easier to read. That takes minutes: the tests tell it at once.
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if RUNS else [])],
        derandomize=not RUNS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @example(ALIASED, "all at once")
    @example(CHANGING, "forkserver")
    @example(DIFFERENT, "spawn")
    @given(experiments, st.sampled_from([*IN_TURN, *["none"] * 4]))
    def made_up(experiment: Experiments, turn: str) -> None:
        out = set[str]() if RUNS else {*IN_TURN} - {turn}
        due = {name: how for name, how in engines.items() if name not in out}
        check(experiment, tmp_path_factory.mktemp("same"), due)

    (seed(SEED)(made_up) if RUNS else made_up)()


def as_it_is(result: Any) -> Any:
    return result


def test_41_42_a_planted_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results that are kept as they are, which is what the suite is there to find."""
    count = itertools.count()

    def differs(experiment: Experiments) -> bool:
        one, other = (
            rows_of(experiment, tmp_path / f"{next(count)}", how)
            for how in (REFERENCE, IN_TURN["all at once"])
        )
        return one != other

    assert not differs(ALIASED)
    monkeypatch.setattr(superparams.executor.worker, "frozen", as_it_is)
    assert differs(ALIASED)
    few = settings(max_examples=30, deadline=None, database=None, phases=[Phase.generate])
    find(experiments, differs, settings=few)  # raises where no example differs
