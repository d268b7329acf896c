"""What a run can be asked, looked through before anything is done."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import superparams
from superparams import Experiment, search
from superparams.adapters.processors import cores
from superparams.errors import EngineError, RunError, SuperparamsError
from superparams.executor.engines.contract import Options
from superparams.executor.engines.processes.engine import Processes
from superparams.executor.engines.registry import EngineName, find
from superparams.run.options import NEW_NAMES, OldOptions, RunOptions, in_new_words

KEYS = [f"{number:032x}" for number in (1, 2)]


def test_nothing_asked_is_one_worker_here() -> None:
    found = RunOptions()
    assert (found.carrier, found.of_engine) == ("serial", Options())
    assert (found.resume, found.only, found.progress) == (True, None, True)


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        ({"num_proc": 2}, "processes"),
        ({"timeout": 1}, "processes"),
        ({"setup_timeout": 1}, "processes"),
        ({"engine": Processes(gpus=1)}, Processes(gpus=1)),
        ({"retries": 3, "retry_on": ["failed"]}, "serial"),
        ({"num_proc": 2, "engine": "threads"}, "threads"),
    ],
)
def test_the_engine_follows_from_what_is_asked(options: dict[str, Any], engine: object) -> None:
    assert RunOptions(**options).carrier == engine


def test_as_many_workers_as_processors() -> None:
    assert RunOptions("auto").of_engine.num_proc == cores() >= 1


@pytest.mark.parametrize(
    "keys",
    [
        KEYS,
        tuple(KEYS),
        dict.fromkeys(KEYS),
        iter(KEYS),
        [key.upper() for key in KEYS],
        [*KEYS, *KEYS],
        np.array(KEYS),
        pd.Series(KEYS),
        pa.chunked_array([KEYS]),
    ],
)
def test_keys_come_from_wherever(keys: Any) -> None:
    assert RunOptions(only=keys).only == tuple(KEYS)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"only": "done"}, 'only=\'done\': give "failed", "stopped", "new", or a list of keys'),
        ({"only": KEYS[0]}, "only='0"),
        ({"only": 5}, "only=5: give"),
        ({"only": b"failed"}, "only=b'failed'"),
        ({"only": ["abc"]}, "only: 'abc' is not a key: a key has 32 hexadecimal digits"),
        ({"only": [None]}, "only: 'None' is not a key"),
        ({"on_error": "explode"}, "on_error='explode'"),
        ({"max_failures": 0}, "max_failures=0: give a whole number, 1 or more, or None"),
        ({"max_failures": True}, "max_failures=True"),
        ({"max_failures": 1.5}, "max_failures=1.5"),
        ({"max_failures": "3"}, "max_failures='3'"),
        ({"max_failures": np.array([3])}, "max_failures=array"),
        (
            {"num_proc": "all"},
            "num_proc='all': give a whole number of workers, 1 or more, or \"auto\"",
        ),
        ({"num_proc": "4"}, "num_proc='4'"),
        ({"num_proc": 10**30}, "that is more than 100,000"),
        ({"retry_on": "failed"}, "retry_on='failed'"),
        ({"retry_on": ["done", 5]}, "retry_on="),
        ({"retry_on": None}, "retry_on=None: give some of"),
        ({"retry_on": [["failed"]]}, "retry_on=[['failed']]: give some of"),
        ({"engine": "carts"}, "engine='carts' is unknown"),
        ({"engine": "serial", "num_proc": 2}, "num_proc=2 cannot be used with engine='serial'"),
        ({"engine": "threads", "timeout": 1}, "timeout=1 cannot be used with"),
        ({"debug": True, "engine": "processes"}, "engine='processes' cannot be used with debug"),
    ],
)
def test_what_means_nothing_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises((RunError, EngineError)) as refused:
        RunOptions(**options)
    assert told in str(refused.value)
    assert isinstance(refused.value, SuperparamsError)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert RunOptions(max_failures=np.int64(3)).max_failures == 3  # type: ignore[arg-type]


def test_a_debugger_takes_one_worker_here_whatever_is_asked_of_workers() -> None:
    found = RunOptions(8, timeout=1, debug=True)
    assert (found.carrier, found.of_engine) == ("serial", Options())
    assert RunOptions(debug=True, engine="serial").carrier == "serial"
    for engine in ("processes", Processes(gpus=2)):
        with pytest.raises(RunError, match="debug=True"):
            RunOptions(debug=True, engine=engine)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RunError, match="debug=True"):
        RunOptions(debug=True, engine=pool)


# ---- one home for options: the signature, its docstring, and the pages


def sentence_of(text: str) -> str:
    """A text without marks of code."""
    return " ".join(text.replace("`", "").split())


class Small:
    """An engine that knows how many workers it can have."""

    name = "small"

    def most_at_once(self) -> int:
        return 5

    def execute(self, *_: object) -> None:
        """Nothing runs."""


@pytest.mark.parametrize(
    ("num_proc", "count", "may_grow"),
    [(None, 5, True), ("auto", 5, True), (1, 1, False), (3, 3, False)],
)
def test_a_cluster_gives_all_that_it_has(num_proc: Any, count: int, may_grow: bool) -> None:
    engine: Any = Small()
    asked = RunOptions(num_proc, engine=engine).of_engine
    assert (asked.num_proc, asked.may_grow) == (count, may_grow)
    assert RunOptions(num_proc).of_engine.may_grow is False


def test_at_most_twenty_options() -> None:
    assert len(fields(RunOptions)) <= 20


def test_run_all_has_the_options_with_their_types_and_defaults() -> None:
    _, *signature, old = inspect.signature(Experiment.run_all).parameters.values()
    assert [(one.name, one.annotation, one.default) for one in signature] == [
        (one.name, one.type, one.default) for one in fields(RunOptions)
    ]
    kinds = [one.kind for one in signature]
    assert kinds == [old.POSITIONAL_OR_KEYWORD, *[old.KEYWORD_ONLY] * (len(kinds) - 1)]
    assert old.kind is old.VAR_KEYWORD


def test_what_an_engine_gets_has_the_same_defaults() -> None:
    run, engine = RunOptions(), Options()
    filled_in = {"folder", "decides_steps", "may_grow", "num_proc"}  # by the run and the engine
    assert run.of_engine == engine
    names = [one.name for one in fields(Options) if one.name not in filled_in]
    assert {name: getattr(run, name) for name in names} == {
        name: getattr(engine, name) for name in names
    }
    given = RunOptions(
        3, timeout=4, setup_timeout=5, retries=6, retry_on=["failed"], retry_wait=7, debug=False
    )
    assert given.of_engine == Options(3, 4, 5, 6, frozenset({"failed"}), 7)


@pytest.mark.parametrize(
    ("text", "owner"),
    [(Experiment.run_all.__doc__, RunOptions), (Processes.__doc__, Processes)],
    ids=["run_all", "Processes"],
)
def test_a_docstring_has_the_sentence_of_each_option(text: str, owner: type) -> None:
    arguments = inspect.cleandoc(text).partition("Args:")[2].partition("Raises:")[0]
    told = re.findall(r"^    (\w+): ((?:.+\n(?: {8}.+\n)*))", arguments, re.MULTILINE)
    options = [one for one in fields(owner) if one.init]
    assert [name for name, _ in told] == [one.name for one in options]
    for one, (_, words) in zip(options, told, strict=True):
        assert sentence_of(words).startswith(sentence_of(one.metadata["text"]))


@pytest.mark.parametrize(("page", "owner"), [("running.md", RunOptions), ("engines.md", Processes)])
def test_a_page_has_each_option_with_its_default(page: str, owner: type) -> None:
    text = (Path(superparams.__file__).parents[1] / "docs" / page).read_text("utf-8")
    table = text.partition("| option | default | meaning |\n| --- | --- | --- |\n")[2]
    rows = [row.strip("| ").split(" | ") for row in table.partition("\n\n")[0].splitlines()]
    options = [one for one in fields(owner) if one.init]
    assert [row[0] for row in rows] == [f"`{one.name}`" for one in options]
    for one, (_, default, meaning) in zip(options, rows, strict=True):
        shown = str(one.default) if not isinstance(one.default, str) else f'"{one.default}"'
        assert default.replace("`", "") == shown.replace("'", '"')
        assert sentence_of(meaning).startswith(sentence_of(one.metadata["text"]))


# ---- deprecated options


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"start_method": "spawn"}, Processes("spawn"), "Processes(start_method='spawn')"),
        ({"threads_per_worker": 2}, Processes(threads=2), "Processes(threads=2)"),
        ({"gpus": ["a", 1]}, Processes(gpus=["a", 1]), "Processes(gpus=['a', 1])"),
        (
            {"start_method": "fork", "threads_per_worker": 1, "gpus": 2},
            Processes("fork", 1, 2),
            "Processes(start_method='fork', threads=1, gpus=2)",
        ),
        ({"gpus": None}, None, "Processes(gpus=None)"),
    ],
)
def test_an_old_option_works_and_says_how_to_write_it_now(
    old: dict[str, Any], new: object, said: str
) -> None:
    with pytest.warns(DeprecationWarning, match="is deprecated") as warned:
        assert in_new_words({"engine": None, "debug": False}, old)["engine"] == new
    (one,) = warned
    names = ", ".join(f"{name}=" for name in old)
    assert str(one.message) == (
        f"run_all({names}) is deprecated: write run_all(engine={said}), with Processes from "
        "superparams.executor"
    )
    assert one.filename == __file__


@pytest.mark.filterwarnings("ignore:run_all:DeprecationWarning")
def test_an_old_option_of_another_engine_is_refused() -> None:
    with ThreadPoolExecutor(1) as pool:
        for engine in ("serial", "threads", pool, Processes(gpus=1)):
            with pytest.raises(EngineError, match=r"^gpus=2 .*; give engine=Processes\(gpus=2\)"):
                in_new_words({"engine": engine, "debug": False}, {"gpus": 2})
    assert in_new_words({"engine": None, "debug": True}, {"gpus": 2})["engine"] is None
    with pytest.raises(EngineError, match=r"^Processes\.gpus='a': give the devices"):
        in_new_words({"engine": "processes", "debug": False}, {"gpus": "a"})


def test_an_option_that_never_existed_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'nproc'"):
        in_new_words({}, {"nproc": 2})


def test_an_unknown_option_is_told_with_what_is_meant() -> None:
    class Fit(Experiment):
        rate: float = search([0.1, 0.2])

        def run(self) -> None: ...

    run_all: Any = Fit().run_all
    for options, remedy in (
        ({"n_jobs": 2}, r"the number of workers is num_proc=\.\.\."),
        ({"max_workers": 2}, r"the number of workers is num_proc=\.\.\."),
        ({"num_procs": 2}, "did you mean num_proc"),
        ({"time_out": 2}, "did you mean timeout"),
        ({"rate": 0.1}, r"rate is a field: write Fit\(rate=\.\.\.\)\.run_all\(\)"),
        ({"quux": 1}, "its options: num_proc, engine, resume"),
    ):
        with pytest.raises(TypeError, match=remedy):
            run_all(**options)
    of_class: Any = Fit.run_all
    for words, named in ((), {}), ((), {"num_proc": 2}), ((2,), {}):
        with pytest.raises(TypeError, match=r"called on a class.*MyExperiment\(\)\.run_all\(\)"):
            of_class(*words, **named)


def test_the_old_options_of_a_type_checker_are_those_that_work() -> None:
    assert list(NEW_NAMES) == list(OldOptions.__annotations__)
    assert list(NEW_NAMES.values()) == [one.name for one in fields(Processes) if one.init]


class Toy(Experiment):
    a: int = search([1, 2])

    def run(self) -> dict[str, str | None]:
        return {"threads": os.environ.get("OMP_NUM_THREADS")}


@pytest.mark.usefixtures("no_leaks")
def test_old_and_new_options_run_alike(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match=r"^run_all\(threads_per_worker=\) is deprecated"):
        old = Toy().run_all(2, threads_per_worker=3, results=tmp_path / "old", progress=False)
    engine = Processes(threads=3)
    new = Toy().run_all(2, engine=engine, results=tmp_path / "new", progress=False)
    assert [row["threads"] for row in old] == [row["threads"] for row in new] == ["3", "3"]


# ---- engines


def test_each_name_of_an_engine_finds_one() -> None:
    for name in get_args(EngineName):
        assert find(name).name == name


def test_the_engine_of_processes_is_light_to_import() -> None:
    text = "import sys, superparams.executor as e; e.Processes(gpus=1); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pyarrow", "rich", "cloudpickle", "multiprocessing", "concurrent.futures"}
    assert heavy.isdisjoint(told.stdout.split())
