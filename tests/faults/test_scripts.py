"""What a script defines can be pickled in workers, and pools of every kind work inside `run`.

FAULTS row 46.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runs import environment
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

# No `if __name__ == "__main__"`: a process that ran this again would start another run.
SCRIPT = '''
"""The words of the script."""
import concurrent.futures as futures, dataclasses, enum, functools, io, json, multiprocessing, os
import pickle, sys, typing
from superparams import Experiment, search
from superparams.executor import Processes

if os.environ.get("BEGUN"):
    os.write(2, b"the script ran again\\n")
os.environ["BEGUN"] = "yes"
FACTOR = 7

class Model:
    weight = 3
    def scaled(self, by): return self.weight * by * FACTOR
class Outer:
    class Inner:
        def __init__(self, x): self.x = x
@dataclasses.dataclass
class Point:
    x: int
    y: "int" = 2
class Color(enum.Enum):
    RED = 1
    BLUE = 2
class Pair(typing.NamedTuple):
    a: int
class Base: pass
class First(Base): pass
class Second(Base): pass
class Hidden:
    "Nothing but a file names it."
    def value(self): return even(FACTOR)
class Child(Hidden):
    class Deep: pass
def even(x): return x == 0 or odd(x - 1)
def odd(x): return x != 0 and even(x - 1)
def unused(): return DATA
DATA = [multiprocessing.Lock(), sys.stderr]  # what nobody reaches need not travel
@functools.lru_cache(maxsize=None)
def slow(x): return x + 1
def square(x): return x * x
def other(color): return Color.BLUE if color is Color.RED else Color.RED
def build(x): return Model(), Outer.Inner(x), Point(x), Color(1), Pair(x)
def same(one, two): return [type(x) for x in one] == [type(x) for x in two] and two[3] is Color.RED

if not os.path.exists("hidden"):
    with open("hidden", "wb") as file:
        pickle.dump([Hidden(), Child(), Child.Deep(), odd], file)

class Save(Experiment):
    what: str = search(json.loads(sys.argv[1]))

    def run(self):
        return {"right": getattr(self, self.what.partition(" ")[0])(*self.what.split()[1:])}

    def pickle(self):
        things = *build(4), square, slow, Base, Outer.Inner
        back = pickle.loads(pickle.dumps(things))
        return same(build(4), back[:5]) and back[5:] == things[5:] and back[5] is square

    def names(self):
        main = sys.modules["__main__"]
        is_file = getattr(main, "__file__", None) == globals().get("__file__")
        is_doc = __doc__ == main.__doc__ == "The words of the script."
        return is_file and is_doc and main.square is square

    def file(self):
        with open("hidden", "rb") as file:
            hidden, child, deep, function = pickle.load(file)
        return hidden.value() is False and isinstance(child, type(hidden)) and function(3)

    def subclasses(self):
        return [one.__name__ for one in Base.__subclasses__()] == ["First", "Second"]

    def joblib(self):
        import joblib
        joblib.dump(build(1), file := io.BytesIO())
        file.seek(0)
        return same(build(1), joblib.load(file))

    def loky(self):
        import joblib
        from joblib.externals.loky import get_reusable_executor
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(build)(x) for x in (1, 2))
        get_reusable_executor().shutdown(wait=True)
        return all(same(build(x), one) for x, one in zip((1, 2), found))

    def pool(self, method):
        with multiprocessing.get_context(method).Pool(2) as pool:
            return self.works(pool) and pool.apply(Model.scaled, (Model(), 2)) == 42

    def futures(self, method):
        context = multiprocessing.get_context(method)
        with futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            return self.works(pool) and pool.submit(Model().scaled, 2).result() == 42

    def works(self, pool):
        built = [same(build(x), one) for x, one in zip((1, 2), pool.map(build, (1, 2)))]
        others = list(pool.map(other, [Color.RED, Color.BLUE]))
        squares = list(pool.map(square, range(3)))
        return all(built) and squares == [0, 1, 4] and others[0] is Color.BLUE

def run(**how):
    table = Save().run_all(resume=False, progress=False, **how)
    print(json.dumps([[row["what"], row["right"], row["error"]] for row in table]))

exec(sys.argv[2])
'''
EASY = ["pickle", "names", "file", "subclasses", "joblib"]
METHODS = ("fork", "spawn", "forkserver")
POOLS = [f"{kind} {method}" for kind in ("pool", "futures") for method in METHODS]


def faces(folder: Path, what: list[str], act: str, *how: str, text: str | None = None) -> Any:
    """What each setting found, by its name; None for a setting that failed."""
    (folder / "saving.py").write_text(SCRIPT)
    process = subprocess.run(
        [sys.executable, *(how or ("saving.py",)), json.dumps(what), act],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        input=text,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr
    assert "ran again" not in process.stderr, process.stderr
    lines = map(json.loads, process.stdout.splitlines())
    return [{name: right or error for name, right, error in line} for line in lines]


def test_46_what_a_script_defines_is_pickled_and_pools_work(tmp_path: Path) -> None:
    what = [*EASY, "loky", *POOLS]
    assert faces(tmp_path, what, "run(num_proc=2)") == [dict.fromkeys(what, True)]


def test_46_with_every_start_method(tmp_path: Path) -> None:
    what = ["pickle", "file", "pool spawn"]
    act = "; ".join(f"run(num_proc=2, engine=Processes({x!r}))" for x in ("spawn", "fork"))
    assert faces(tmp_path, what, act) == [dict.fromkeys(what, True)] * 2


@sweep(1, "how", [("-m", "saving"), ("-c", SCRIPT), ("-",)], ids=lambda x: x[0])
def test_46_with_every_way_to_run_the_script(tmp_path: Path, how: tuple[str, ...]) -> None:
    what = ["pickle", "names", "futures spawn"]
    found = faces(tmp_path, what, "run(num_proc=2)", *how, text=SCRIPT if how == ("-",) else None)
    assert found == [dict.fromkeys(what, True)]


EXECUTORS = """
for method in ("fork", "spawn"):
    if __name__ == "__main__":
        with futures.ProcessPoolExecutor(2, multiprocessing.get_context(method)) as executor:
            executor.submit(square, 2).result()
            run(num_proc=2, engine=executor)
if __name__ == "__main__":
    with futures.ThreadPoolExecutor(2) as executor:
        run(num_proc=2, engine=executor)
"""


def test_46_in_the_workers_of_an_executor(tmp_path: Path) -> None:
    """Those of a pool that starts fresh interpreters run the script again, as everywhere."""
    what = ["pickle", "file", "subclasses", "futures fork"]
    text = SCRIPT.replace('os.environ["BEGUN"] = "yes"', "")
    (tmp_path / "guarded.py").write_text(text)
    found = faces(tmp_path, what, EXECUTORS, "guarded.py")
    assert found == [dict.fromkeys(what, True)] * 3
