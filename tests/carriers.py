"""Every engine that can run a setting, for tests that compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from superparams.executor import Processes

ENGINES: dict[str, Callable[[], dict[str, Any]]] = {
    "serial": dict,
    "forkserver": lambda: {"num_proc": 2, "engine": Processes(start_method="forkserver")},
    "threads": lambda: {"num_proc": 1, "engine": "threads"},
    "spawn": lambda: {"num_proc": 2, "engine": Processes(start_method="spawn")},
    "fork": lambda: {"num_proc": 2, "engine": Processes(start_method="fork")},
    "a pool of threads": lambda: {"engine": ThreadPoolExecutor(1)},
    "a pool of processes": lambda: {"engine": ProcessPoolExecutor(1)},
}


@contextmanager
def options(name: str) -> Iterator[dict[str, Any]]:
    """What `run_all` takes for an engine; an executor is shut down at the end."""
    made = ENGINES[name]()
    try:
        yield made
    finally:
        engine = made.get("engine")
        if isinstance(engine, Executor):
            engine.shutdown()
