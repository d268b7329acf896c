"""What a script set before the run holds in the workers of an executor, which ran it again.

FAULTS rows 43 and 46.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runs import tables
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

DEFINED = """
import concurrent.futures as futures, functools, json, logging, multiprocessing
from joblib.externals.loky import get_reusable_executor
from superparams import Experiment, search

FACTOR = 1
LIMITS = [1]
TABLE = {"a": 1}
GONE = 1
MISSING = object()
COUNT = 0
CACHE = {}
MODEL = None
STATE = {}
class Model:
    weight = 1
    def scaled(self): return self.weight * FACTOR
class Config:
    level = 1
CONFIG = Config()
def redefined(): return 1
def later(): return None
def helper(): return [redefined(), FACTOR, MISSING is Save.missing, isinstance(Model(), Model)]
def default(x=MISSING): return x is MISSING
def squared(x):
    if x not in CACHE:
        CACHE[x] = x * x
    return CACHE[x]
def counted():
    global COUNT
    COUNT += 1
    return COUNT
def prepare(value):
    global MODEL
    MODEL = value
    fill()
def fill(): STATE["own"] = FACTOR
def prepared(): return [MODEL, STATE]

class Save(Experiment):
    x: int = search([1, 2])
    missing = MISSING

    def run(self):
        try:
            gone = GONE
        except NameError as error:
            gone = str(error)
        found = {
            "plain": [FACTOR, gone, LIMITS, TABLE, squared(3), __name__],
            "classes": [Model.weight, Model().scaled(), CONFIG.level, Added().value],
            "functions": [redefined(), later(), helper(), default()],
        }
        before = COUNT
        found["counts"] = counted() - before == COUNT - before == 1
        return {"found": json.dumps(found), "prepared": json.dumps(prepared())}

def run(**how):
    table = Save().run_all(resume=False, progress=False, **how)
    rows = [[row["found"] or row["error"], row["prepared"]] for row in table]
    print(json.dumps([list(map(json.loads, row)) for row in rows]), flush=True)

def started(method, **how):
    context = multiprocessing.get_context(method)
    return futures.ProcessPoolExecutor(2, mp_context=context, **how)
"""
REBOUND = """
FACTOR = 7
LIMITS.append(2)
TABLE["b"] = FACTOR
del GONE
CACHE[3] = 10
Model.weight = 3
CONFIG.level = 4
def redefined(): return FACTOR * 10
def later(): return counted() > 0
class Added:
    @property
    def value(self): return FACTOR + CONFIG.level
run()
for method in METHODS:
    with started(method) as executor:
        run(num_proc=2, engine=executor)
        FACTOR, Model.weight = 8, 5
        LIMITS.append(3)
        run(num_proc=2, engine=executor)
        FACTOR, Model.weight = 7, 3
        LIMITS.pop()
executor = get_reusable_executor(2)
run(num_proc=2, engine=executor)
FACTOR, Model.weight = 8, 5
LIMITS.append(3)
run(num_proc=2, engine=executor)
executor.shutdown(wait=True)
"""
NOTEBOOK = """
import sys, types
main = sys.modules["__main__"] = types.ModuleType("__main__", "Made by a notebook.")
for name in "defined.txt", "rebound.txt":
    with open(name) as file:
        exec(compile(file.read(), f"<{name}>", "exec"), vars(main))
"""


def guarded(text: str) -> str:
    return "if __name__ == '__main__':\n" + "".join(f"    {x}\n" for x in text.splitlines())


def expected(factor: int, weight: int, limits: list[int]) -> dict[str, Any]:
    return {
        "plain": [
            factor,
            "name 'GONE' is not defined",
            limits,
            {"a": 1, "b": 7},
            10,
            "__main__",
        ],
        "classes": [weight, weight * factor, 4, factor + 4],
        "functions": [factor * 10, True, [factor * 10, factor, True, True], True],
        "counts": True,
    }


@sweep(1, "how", ["script", "module", "notebook"])
def test_43_executors_see_what_a_script_set_before_the_run(tmp_path: Path, how: str) -> None:
    methods = ["spawn", "forkserver", "fork"] if how == "script" else ["spawn"]
    rebound = REBOUND.replace("METHODS", repr(methods))
    (tmp_path / "script.py").write_text(DEFINED + guarded(rebound))
    (tmp_path / "defined.txt").write_text(DEFINED)
    (tmp_path / "rebound.txt").write_text(rebound)
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    call = {"script": ["script.py"], "module": ["-m", "script"], "notebook": ["notebook.py"]}
    serial, *others = tables(tmp_path, *call[how])
    first = [[expected(7, 3, [1, 2]), [None, {}]]] * 2
    second = [[expected(8, 5, [1, 2, 3]), [None, {}]]] * 2
    assert serial == first
    assert others == [first, second] * (len(methods) + 1)


INITIALIZED = """
FACTOR, GONE, CACHE[3] = 7, "name 'GONE' is not defined", 10
class Added: value = 0
begin = functools.partial(prepare, "ready")
for method in "spawn", "fork":
    with started(method, initializer=begin) as executor:
        for _ in range(2):
            run(num_proc=2, engine=executor)
with started("spawn", initializer=prepare, initargs=("other",)) as executor:
    run(num_proc=2, engine=executor)
"""


def test_43_what_the_initializer_of_an_executor_made_stays(tmp_path: Path) -> None:
    """It has run in the worker, before the driver's values came."""
    (tmp_path / "script.py").write_text(DEFINED + guarded(INITIALIZED))
    found = tables(tmp_path, "script.py")
    assert len(found) == 5
    assert {row[0]["plain"][0] for table in found for row in table} == {7}
    prepared = [row[1] for table in found for row in table]
    # A fresh interpreter made it before the run; a fork knew the driver's value.
    assert prepared[:4] == [["ready", {"own": 1}]] * 4
    assert prepared[4:8] == [["ready", {"own": 7}]] * 4
    assert prepared[8:] == [["other", {"own": 1}]] * 2
