"""Pools that `run` starts, and code that looks names up by a text, see what the driver has.

FAULTS rows 43 and 46.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runs import environment

pytestmark = pytest.mark.usefixtures("no_leaks")

SCRIPT = """
import concurrent.futures as futures, dataclasses, datetime, enum, json, multiprocessing, os, sys
import typing
import numpy as np
from superparams import Experiment, search
from superparams.executor import Processes

class Color(enum.Enum):
    RED = 1
    BLUE = 2
@dataclasses.dataclass
class Config:
    rate: float = 0.1
class Pair(typing.NamedTuple):
    a: int
class Odd:  # neither data nor code
    x = 1
RATE = 1
RATES = {"a": [1]}
CONFIG, COLOR, PAIR = Config(), Color.RED, Pair(1)
DAY = datetime.date(2020, 1, 1)
ARRAY = np.zeros(3)
LARGE = list(range(10))
ODD = Odd()
OTHER = 1

def by_name(): return RATE, RATES["a"]
def by_text(names):
    return [text(globals()[name]) for name in names]
def text(x): return str(getattr(x, "tolist", lambda: x)())
def both(names): return json.dumps([by_name(), by_text(names)])
NAMES = "CONFIG COLOR PAIR DAY ARRAY OTHER".split()

class Look(Experiment):
    how: str = search(json.loads(sys.argv[1]))
    def run(self):
        kind, _, method = self.how.partition(" ")
        context = multiprocessing.get_context(method or None)
        if kind == "here":
            return {"found": both(NAMES)}
        if kind == "pool":
            with context.Pool(1) as pool:
                return {"found": pool.apply(both, (NAMES,))}
        with futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            return {"found": pool.submit(both, NAMES).result()}

def run(**how):
    table = Look().run_all(resume=False, progress=False, **how)
    print(json.dumps([[row["how"], row["found"], row["error"]] for row in table]))
    return table

def change():
    global RATE, CONFIG, COLOR, PAIR, DAY, OTHER
    CONFIG, COLOR, PAIR, DAY = Config(0.5), Color.BLUE, Pair(2), datetime.date(2021, 1, 1)
    ARRAY[1] = OTHER = 2
    RATES["a"].append(2)
    RATE = 2
"""
HOW = ["here", "futures fork", "pool spawn", "futures forkserver"]
RIGHT = [
    [2, [1, 2]],
    ["Config(rate=0.5)", "Color.BLUE", "Pair(a=2)", "2021-01-01", "[0.0, 2.0, 0.0]", "2"],
]


def lines(folder: Path, text: str, how: list[str], *words: str) -> list[Any]:
    """What the script printed, line by line."""
    (folder / "looking.py").write_text(text)
    process = subprocess.run(
        [sys.executable, "-W", "error", *(words or ("looking.py",)), json.dumps(how)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def found(line: Any) -> dict[str, Any]:
    return {how: json.loads(text) if text else error for how, text, error in line}


def test_43_pools_see_what_the_driver_has_under_every_engine(tmp_path: Path) -> None:
    act = """
if __name__ == "__main__":
    change()
    run()
    run(num_proc=2, engine="threads")
    for method in "forkserver", "spawn", "fork":
        run(num_proc=2, engine=Processes(method))
    for method in "fork", "spawn":
        with futures.ProcessPoolExecutor(2, multiprocessing.get_context(method)) as executor:
            run(num_proc=2, engine=executor)
    with futures.ThreadPoolExecutor(2) as executor:
        run(num_proc=2, engine=executor)
"""
    runs = [found(line) for line in lines(tmp_path, SCRIPT + act, HOW)]
    assert runs == [dict.fromkeys(HOW, RIGHT)] * 8


def test_46_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    """By one worker as by many; a fork server that is older than the run has the names too."""
    act = """
print(json.dumps("begun"))
change()
with multiprocessing.get_context("forkserver").Pool(1) as pool:
    pool.apply(len, ("it starts the fork server before the run",))
""".replace(
        "with multiprocessing",
        """
spec = __spec__
__file__, file = None, __file__  # this pool of its own would run the script again
del __file__
with multiprocessing""",
    )
    act += """
__file__ = file
run()
run(num_proc=2, engine="threads")
assert __spec__ is spec
"""
    how = ["pool spawn", "futures forkserver"]
    begun, *runs = lines(tmp_path, SCRIPT + act, how)
    assert begun == "begun"
    assert [found(line) for line in runs] == [dict.fromkeys(how, RIGHT)] * 2


def test_46_pools_outside_of_a_run_are_as_ever(tmp_path: Path) -> None:
    """Before it, after it, after one that failed, and in `report`; also the executor of a run."""
    act = """
def out(where):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps([where, pool.apply(by_name)]))

class Fails(Look):
    def run(self):
        run()
        print(json.dumps([Look.results().root.name, sys.modules["__main__"].__spec__.name]))
        raise ValueError("x")

def asked(name): return globals()[name] if "asked" in globals() else None
def first():
    global OTHER
    OTHER = "of the initializer"

class Asks(Experiment):
    x: int = search([1, 2])
    def run(self): return {"other": asked("OTHER")}

if __name__ == "__main__":
    change()
    out("before")
    try:
        Fails().run_all(progress=False, on_error="raise")
    except Exception as error:
        print(json.dumps(type(error).__name__))
    out("after")
    assert __spec__ is None
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(1, context, first) as executor:
        table = Asks().run_all(1, engine=executor, progress=False)
        print(json.dumps([str(row["other"]) for row in table]))
        print(json.dumps(executor.submit(os.getenv, "SUPERPARAMS_POOL_MAIN").result()))
"""
    before, inner, names, failed, after, kept, left = lines(tmp_path, SCRIPT + act, ["pool spawn"])
    assert before == ["before", [1, [1]]]
    assert found(inner) == {"pool spawn": RIGHT}
    assert names == ["looking.Look", "__main__"]
    assert failed == "SettingFailed"
    assert after == ["after", [1, [1]]]
    assert kept == ["of the initializer"] * 2
    assert left is None


def test_46_the_module_is_the_same_to_others_while_it_runs(tmp_path: Path) -> None:
    """Relative imports and the name of ``python -m`` go on working."""
    act = """
class Names(Look):
    def run(self):
        from . import beside
        from .beside import NUMBER
        right = super().run()
        return {"found": json.dumps([__spec__.name, __package__, NUMBER, right["found"]])}
if __name__ == "__main__":
    change()
    table = Names().run_all(progress=False)
    print(json.dumps([[row["how"], row["found"], row["error"]] for row in table]))
    print(json.dumps(__spec__.name))
"""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "beside.py").write_text("NUMBER = 4")
    (tmp_path / "inner" / "__init__.py").touch()
    (tmp_path / "inner" / "looking.py").write_text(SCRIPT + act)
    line, name = lines(tmp_path, "", ["pool spawn"], "-m", "inner.looking")
    (row,) = found(line).values()
    assert row[:3] == ["inner.looking", "inner", 4]
    assert json.loads(row[3]) == RIGHT
    assert name == "inner.looking"


def test_46_what_cannot_be_packed_leaves_pools_as_they_were(tmp_path: Path) -> None:
    act = """
import threading
LOCK = threading.Lock()
class Locks(Look):
    def run(self):
        with LOCK:
            return super().run()
if __name__ == "__main__":
    change()
    for engine in "serial", "threads":
        table = Locks().run_all(resume=False, progress=False, engine=engine)
        print(json.dumps([[row["how"], row["found"], row["error"]] for row in table]))
"""
    runs = lines(tmp_path, SCRIPT + act, ["pool spawn"])
    assert [found(line)["pool spawn"][0] for line in runs] == [[1, [1]]] * 2


def test_43_what_is_large_or_no_data_is_noted_where_a_text_may_name_it(tmp_path: Path) -> None:
    act = """
if __name__ == "__main__":
    change()
    LARGE, UNNAMED = list(range(100_000)), list(range(100_000))
    notes = [run().notes, run(num_proc=2, engine=Processes("forkserver")).notes]
    notes += [run(num_proc=2, engine=Processes("fork")).notes]
    with futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        notes += [run(engine=executor).notes]
    print(json.dumps([list(one) for one in notes]))
"""
    text = SCRIPT + 'WORDS = "LARGE", "ODD"\n' + act
    *runs, notes = lines(tmp_path, text, ["here"])
    assert [found(line) for line in runs] == [{"here": RIGHT}] * 4
    serial, forkserver, fork, spawn = notes
    assert serial == fork == []
    for (note,) in (forkserver, spawn):
        assert note.startswith("LARGE, ODD of the script may be missing in worker processes")
        assert 'globals()["LARGE"]' in note.replace("'", '"')
        assert "write the name itself in run()" in note
