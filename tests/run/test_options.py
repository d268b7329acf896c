"""What a run can be asked, looked through before anything is done."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from superparams import Experiment
from superparams.adapters.processors import cores
from superparams.errors import EngineError, RunError, SuperparamsError
from superparams.executor.engines.contract import Options
from superparams.run.options import Policy, asked

ELSEWHERE = ("self", "engine", "results")  # parameters of run_all that no dataclass has
KEYS = [f"{number:032x}" for number in (1, 2)]


def test_nothing_asked_is_one_worker_here() -> None:
    found = asked()
    assert (found.engine, found.options) == ("serial", Options())
    assert (found.policy.resume, found.policy.only, found.policy.progress) == (True, None, True)


@pytest.mark.parametrize(
    ("options", "engine"),
    [
        ({"num_proc": 2}, "processes"),
        ({"timeout": 1}, "processes"),
        ({"start_method": "spawn"}, "processes"),
        ({"gpus": 1}, "processes"),
        ({"threads_per_worker": 1}, "processes"),
        ({"retries": 3, "retry_on": ["failed"]}, "serial"),
        ({"num_proc": 2, "engine": "threads"}, "threads"),
    ],
)
def test_the_engine_follows_from_what_is_asked(options: dict[str, Any], engine: str) -> None:
    assert asked(**options).engine == engine


def test_as_many_workers_as_processors() -> None:
    assert asked("auto").options.num_proc == cores() >= 1


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
    assert asked(only=keys).policy.only == tuple(KEYS)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"only": "done"}, 'only=\'done\': give "failed", "new", or a list of keys'),
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
        ({"num_proc": "all"}, "num_proc='all': give a number of workers, or \"auto\""),
        ({"num_proc": "4"}, "num_proc='4'"),
        ({"num_proc": 10**30}, "that is more than 100,000"),
        ({"gpus": 10**12}, "that is more than 100,000"),
        ({"retry_on": "failed"}, "retry_on='failed'"),
        ({"retry_on": ["done", 5]}, "retry_on="),
        ({"retry_on": None}, "retry_on=None: give some of"),
        ({"retry_on": [["failed"]]}, "retry_on=[['failed']]: give some of"),
        ({"engine": "carts"}, "engine='carts' is unknown"),
        ({"engine": "serial", "num_proc": 2}, "num_proc=2 cannot be used with engine='serial'"),
        ({"engine": "threads", "timeout": 1}, "timeout=1 cannot be used with"),
        ({"start_method": "vfork"}, "start_method='vfork' is unknown"),
        ({"debug": True, "engine": "processes"}, "engine='processes' cannot be used with debug"),
    ],
)
def test_what_means_nothing_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises((RunError, EngineError)) as refused:
        asked(**options)
    assert told in str(refused.value)
    assert isinstance(refused.value, SuperparamsError)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert asked(max_failures=np.int64(3)).policy.max_failures == 3  # type: ignore[arg-type]


def test_a_debugger_takes_one_worker_here_whatever_is_asked_of_workers() -> None:
    found = asked(8, timeout=1, gpus=2, start_method="spawn", threads_per_worker=2, debug=True)
    assert (found.engine, found.options) == ("serial", Options())
    assert asked(debug=True, engine="serial").engine == "serial"
    with ThreadPoolExecutor(1) as pool, pytest.raises(RunError, match="debug=True"):
        asked(debug=True, engine=pool)


def test_run_all_declares_each_option_with_the_default_of_its_dataclass() -> None:
    parameters = inspect.signature(Experiment.run_all).parameters
    given = {name: one.default for name, one in parameters.items() if name not in ELSEWHERE}
    declared = {one.name: one.default for kind in (Policy, Options) for one in fields(kind)}
    del declared["folder"]  # the run fills it in
    given["retry_on"] = frozenset(given["retry_on"])
    assert given == declared


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="num_procs"):
        asked(num_procs=4)
