"""`start_method="fork"` never hangs, whatever threads the driver has: FAULTS row 46."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runs import output

pytestmark = pytest.mark.usefixtures("no_leaks")

# Each face leaves threads in the driver, of which forks would miss something that settings use.
DRIVER = """
import concurrent.futures as futures, contextlib, json, logging, os, queue, threading, warnings
from superparams import Experiment, search
from superparams.errors import EngineError
from superparams.executor import Processes

LOCK = threading.Lock()
LOG = logging.getLogger("log")
HELD = {}

class Uses(Experiment):
    x: int = search(range(3))
    what: str = "nothing"

    def run(self):
        if self.what == "loky":
            import joblib
            from joblib.externals.loky import get_reusable_executor
            found = joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(x) for x in (1, 2))
            get_reusable_executor().shutdown(wait=True)
            return {"y": sum(found)}
        if self.what == "polars":
            import polars as pl
            return {"y": pl.DataFrame({"a": [1, 2], "b": [1, 1]}).group_by("b").sum()["a"][0]}
        if self.what == "server":
            import multiprocessing
            with multiprocessing.get_context("forkserver").Pool(1) as pool:
                return {"y": sum(pool.map(abs, [1, 2]))}
        if self.what == "logging":
            LOG.warning("x")
        elif self.what == "lock":
            import held_lock
            with held_lock.LOCK:
                pass
        elif self.what in HELD:
            return {"y": sum(HELD[self.what].map(abs, [1, 2]))}
        return {"y": 3}

@contextlib.contextmanager
def held(lock):
    begun, done = threading.Event(), threading.Event()
    def hold():
        with lock:
            begun.set()
            done.wait()
    thread = threading.Thread(target=hold, name="holder")
    thread.start()
    begun.wait()
    yield
    done.set()
    thread.join()

def used(pool):
    assert list(pool.map(abs, [1])) == [1]
    return pool

@contextlib.contextmanager
def loky():
    import joblib
    from joblib.externals.loky import get_reusable_executor
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(x) for x in (1, 2)) == [1, 2]
    yield
    get_reusable_executor().shutdown(wait=True)

@contextlib.contextmanager
def pool(what, made):
    HELD[what] = made
    with made:
        used(made)
        yield
    del HELD[what]

@contextlib.contextmanager
def server():
    import multiprocessing
    with multiprocessing.get_context("forkserver").Pool(1) as started:
        used(started)
    yield

def face(what, around):
    with around:
        try:
            found = Uses(what=what).run_all(
                2, engine=Processes(start_method="fork"), progress=False, resume=False, results=what
            )
        except EngineError as error:
            return [None, str(error)]
        return [[row["y"] for row in found], *(n for n in found.notes if "fork" in n)]

if __name__ == "__main__":
    import held_lock
    faces = {
        "nothing": contextlib.nullcontext(),
        "lock": held(held_lock.LOCK),
        "logging": held(logging.getLogger().handlers[0].lock if logging.basicConfig() else LOCK),
        "threads": pool("threads", futures.ThreadPoolExecutor(2)),
        "processes": pool("processes", futures.ProcessPoolExecutor(2)),
        "loky": loky(),
        "server": server(),
        "again": contextlib.nullcontext(),
    }
    print(json.dumps({what: face(what, around) for what, around in faces.items()}))
    import polars as pl
    pl.DataFrame({"a": [1, 2], "b": [1, 1]}).group_by("b").sum()
    print(json.dumps(face("polars", contextlib.nullcontext())))
"""


def test_46_fork_takes_a_clean_process_where_the_driver_has_threads(tmp_path: Path) -> None:
    (tmp_path / "held_lock.py").write_text("import threading\nLOCK = threading.Lock()\n")
    said = output(tmp_path, DRIVER)
    found, with_polars = map(json.loads, said.splitlines())
    rows = [3, 3, 3]
    for what in ("nothing", "server", "again"):
        assert found[what] == [rows]
    for what, thread in (("lock", "holder"), ("logging", "holder"), ("loky", "Executor")):
        assert found[what][0] == rows
        assert "start_method='fork' is not used" in found[what][1]
        assert thread in found[what][1]
    for what in ("threads", "processes"):  # such a pool cannot be sent to workers
        assert found[what][0] is None
        assert "cannot be sent to workers" in found[what][1]
        assert "end these threads before run_all" in found[what][1]
    assert with_polars[0] == rows
    assert "'polars-" in with_polars[1]
