"""What a script did before the run means the same with one worker and with many.

FAULTS rows 43 and 44.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from superparams.executor.code_names import generators_of
from superparams.run.job import prepare
from superparams.run.options import RunOptions
from tests.runs import environment, tables

pytestmark = pytest.mark.usefixtures("no_leaks")

RUNS = """
import concurrent.futures as futures, json, multiprocessing
from superparams.executor import Processes
def run(space, **how):
    table = space.run_all(resume=False, progress=False, **how)
    print(json.dumps([dict(row) for row in table], default=str))
    return table
def everywhere(space):
    run(space)
    for method in "forkserver", "spawn", "fork":
        run(space, num_proc=2, engine=Processes(start_method=method))
    with futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
        run(space, num_proc=2, engine=executor)
"""


def rows(folder: Path, text: str, *names: str, **files: str) -> list[list[dict[str, Any]]]:
    """The rows of each run of a script, without what differs from run to run."""
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)
    (folder / "script.py").write_text(text)
    found = tables(folder, "script.py")
    for table in found:
        assert {row["status"] for row in table} == {"done"}, table
    return [[{name: row[name] for name in names} for row in table] for table in found]


SET_UP = (
    RUNS
    + """
import decimal, locale, logging, os, sys, warnings
import numpy as np, pandas as pd
from superparams import Experiment, search

class Mine(UserWarning): pass

decimal.getcontext().prec = 5
decimal.getcontext().rounding = decimal.ROUND_UP
decimal.getcontext().traps[decimal.Inexact] = False
decimal.getcontext().traps[decimal.DivisionByZero] = False
decimal.DefaultContext.prec = 7
np.seterr(divide="raise", over="ignore")
np.set_printoptions(precision=2, suppress=True)
warnings.simplefilter("error", Mine)
warnings.filterwarnings("ignore", "of no use")
logging.basicConfig(level=logging.INFO)
logging.getLogger("mine").setLevel(logging.DEBUG)
logging.getLogger("quiet").disabled = True
logging.disable(5)
pd.set_option("display.precision", 3, "display.float_format", "{:.1f}".format)
locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
logging.addLevelName(7, "TRACE")
logging.addLevelName(20, "NOTE")
sys.setrecursionlimit(4000)
limit_digits = getattr(sys, "set_int_max_str_digits", lambda _: None)
limit_digits(6000)
def depth(n): return 1 + depth(n - 1) if n else 0

class Told(Experiment):
    x: int = search([1, 2, 7])
    def run(self):
        try:
            quotient = str(np.float64(self.x) / np.float64(0))
        except FloatingPointError:
            quotient = "raises"
        try:
            warnings.warn("x", Mine)
            warned = "nothing"
        except Mine:
            warned = "raised"
        with futures.ThreadPoolExecutor(1) as threads:
            new = threads.submit(lambda: str(decimal.Decimal(self.x) / 3)).result()
        levels = [logging.getLogger(name).isEnabledFor(level) for name in ("mine", "other")
                  for level in (logging.DEBUG, logging.INFO)]
        return {"told": str([
            str(decimal.Decimal(self.x) / 3), str(decimal.Decimal(1) / 0), new, quotient, warned,
            str(np.array([self.x / 3, 1e-9])), levels, logging.getLogger("quiet").disabled,
            logging.root.manager.disable, pd.DataFrame({"a": [self.x / 3]}).to_string(),
            pd.get_option("display.precision"), locale.setlocale(locale.LC_NUMERIC),
            logging.getLevelName(7), logging.getLevelName("TRACE"), logging.getLevelName(20),
            depth(2000), len(str(10**5000)), sys.getrecursionlimit(),
            os.path.basename(os.getcwd()), [str(one[:2]) for one in warnings.filters],
        ])}
os.mkdir("elsewhere")
os.chdir("elsewhere")
"""
)


def test_43_what_is_set_up_holds_in_every_worker(tmp_path: Path) -> None:
    serial, *others = rows(tmp_path, SET_UP + "everywhere(Told())", "x", "told")
    first = serial[0]["told"]
    for part in (
        "0.33334",
        "Infinity",
        "0.3333333'",
        "raises",
        "raised",
        "0.33",
        "elsewhere",
        "'TRACE', 7, 'NOTE', 2000, 5001, 4000",
    ):
        assert part in first
    assert others == [serial] * 4


def test_43_in_threads(tmp_path: Path) -> None:
    act = """
run(Told())
run(Told(), num_proc=2, engine="threads")
with futures.ThreadPoolExecutor(2) as executor:
    executor.submit(decimal.getcontext).result()
    run(Told(), num_proc=2, engine=executor)
"""
    serial, *others = rows(tmp_path, SET_UP + act, "x", "told")
    assert others == [serial] * 2


def test_43_a_library_is_set_up_when_it_is_loaded(tmp_path: Path) -> None:
    """It is not loaded for that; where nothing differs from the defaults, nothing is changed."""
    module = """
from superparams import Experiment, search
class Late(Experiment):
    x: int = search([1, 2])
    def run(self):
        import sys
        had = "numpy" in sys.modules
        import numpy as np
        precision = np.get_printoptions()["precision"]
        return {"had": had, "precision": precision, "errors": str(np.geterr())}
"""
    script = (
        RUNS
        + """
import numpy as np
from late import Late
np.set_printoptions(precision=3)
np.seterr(all="raise")
run(Late(), num_proc=2)
np.set_printoptions(precision=8)
np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
run(Late(), num_proc=2)
"""
    )
    changed, usual = rows(tmp_path, script, "had", "precision", "errors", late=module)
    assert not changed[0]["had"]
    assert not usual[0]["had"]
    assert {row["precision"] for row in changed} == {3}
    assert all("'divide': 'raise'" in row["errors"] for row in changed)
    assert {row["precision"] for row in usual} == {8}
    assert all("'divide': 'warn'" in row["errors"] for row in usual)


def test_43_the_set_up_is_recorded_and_a_difference_is_noted(tmp_path: Path) -> None:
    script = """
import decimal, json, logging, pathlib, sys
import numpy as np
from superparams import Experiment, search
class Third(Experiment):
    x: int = search([1, 2])
    def run(self): return {"third": str(decimal.Decimal(self.x) / 3)}
notes = []
decimal.getcontext().prec = 5
notes.append(Third().run_all(2, progress=False).notes)
notes.append(Third().run_all(2, progress=False).notes)
decimal.getcontext().prec = 6
np.seterr(divide="call")
sys.setrecursionlimit(3000)
logging.addLevelName(7, "TRACE")
notes.append(Third(x=search([1, 2, 3])).run_all(2, progress=False).notes)
paths = sorted(pathlib.Path("results").glob("*/runs/*/run.json"))
told = [json.loads(path.read_text()) for path in paths]
print(json.dumps([notes, [one["surroundings"] for one in told], told[-1]["notes"]]))
"""
    (tmp_path / "script.py").write_text(script)
    process = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    (first, again, other), recorded, kept = json.loads(process.stdout)
    assert first == again == []
    assert [one["decimal"] for one in recorded] == [{"prec": 5}, {"prec": 6}]
    assert recorded[0]["working directory"] == {"path": "."}
    assert str(tmp_path) not in json.dumps(recorded)
    assert other == kept
    assert any("seterrcall() does not reach workers" in note for note in other)
    (differs,) = [note for note in other if "a different set-up" in note]
    assert "decimal: prec was 5, is 6" in differs
    assert "limits: recursion was 1000, is 3000" in differs
    assert recorded[1]["limits"] == {"recursion": 3000}
    assert recorded[1]["logging levels"] == {"level 7": "TRACE"}


TIMEOUT = """
import socket, time
from superparams import Experiment, search
socket.setdefaulttimeout(0.05)

class Slow(Experiment):
    x: int = search([1, 2, 3])
    def setup(self): time.sleep(0.3)
    def run(self):
        time.sleep(0.3)
        return {"timeout": socket.getdefaulttimeout()}
"""


@pytest.mark.parametrize("place", ["script", "module"])
def test_43_a_default_timeout_of_sockets_is_not_that_of_workers(tmp_path: Path, place: str) -> None:
    start = "\neverywhere(Slow())\n"
    if place == "script":
        found = rows(tmp_path, RUNS + TIMEOUT + start, "x")
    else:
        found = rows(tmp_path, f"{RUNS}from slow import Slow{start}", "x", slow=TIMEOUT)
    assert found == [[{"x": 1}, {"x": 2}, {"x": 3}]] * 5


NOISE = """
import random, time
from random import random as draw
import numpy as np
from superparams import Experiment, search

np.random.seed(0)
random.seed(0)
rng = np.random.default_rng(0)
old = np.random.RandomState(0)
own = random.Random(0)

class Draw(Experiment):
    repeat: int = search(range(6))
    kept = np.random.default_rng(1)
    def setup(self):
        self.made = np.random.default_rng(2)
        self.start = np.random.rand()
    def run(self):
        time.sleep(0.02)
        drawn = [np.random.rand(), draw(), random.random(), rng.random(), old.rand(), own.random(),
                 self.kept.random(), self.made.random()]
        return {"drawn": str(drawn), "start": self.start}
class Fails(Draw):
    def run(self):
        drawn = super().run()
        if not (self.folder / "tried").exists():
            (self.folder / "tried").touch()
            raise ValueError
        return drawn
class Free(Draw):
    seed_globals = False
"""


def test_44_settings_draw_their_own_numbers_the_same_for_all_workers(tmp_path: Path) -> None:
    script = RUNS + "from noise import *\neverywhere(Draw())\n"
    serial, *others = rows(tmp_path, script, "repeat", "drawn", "start", noise=NOISE)
    assert others == [serial] * 4
    assert len({row["drawn"] for row in serial}) == 6
    columns = zip(*(json.loads(row["drawn"]) for row in serial), strict=True)
    assert [len(set(column)) for column in columns] == [6] * 8


LOADING = """
import time
from superparams import Experiment, search
import random
import numpy as np

class Draw(Experiment):
    repeat: int = search(range(6))
    def run(self):
        time.sleep(0.02)
        first = [random.random(), np.random.rand()]
        import drawing  # the first setting of a process alone loads it
        drawn = [*first, random.random(), np.random.rand()]
        return {"drawn": str(drawn)}
"""
DRAWING = """
import random, numpy
random.random(); numpy.random.rand(); numpy.random.seed(3)
import deeper
"""


def test_44_a_module_that_draws_when_it_is_loaded_changes_no_number(tmp_path: Path) -> None:
    (tmp_path / "drawing.py").write_text(DRAWING)
    (tmp_path / "deeper.py").write_text("import random\nrandom.seed(1)\n")
    script = RUNS + "from noise import *\neverywhere(Draw())\n"
    serial, *others = rows(tmp_path, script, "repeat", "drawn", noise=LOADING)
    assert others == [serial] * 4
    columns = zip(*(json.loads(row["drawn"]) for row in serial), strict=True)
    assert [len(set(column)) for column in columns] == [6] * 4


def test_44_no_two_generators_draw_the_same_numbers(tmp_path: Path) -> None:
    script = RUNS + "from noise import *\neverywhere(Draw())\n"
    for row in rows(tmp_path, script, "drawn", noise=NOISE)[0]:
        # `draw` is random.random, and two take turns at one generator: all others stand alone.
        drawn = json.loads(row["drawn"])
        assert len(set(drawn)) == len(drawn)


HELD = """
import collections, dataclasses, functools, random, time
import numpy as np
from superparams import Experiment, search

def drawing_by_default(rng=np.random.default_rng(0)): return rng.random()
def drawing_by_keyword(*, rng=random.Random(0)): return rng.random()
def closure():
    rng = np.random.default_rng(0)
    return lambda: rng.random()
class Sampler:
    rng = np.random.default_rng(0)
    def __init__(self): self.own = random.Random(0)
@dataclasses.dataclass
class Slotted:
    __slots__ = ("rng",)
    rng: object
def logged(function):
    @functools.wraps(function)
    def wrapper(): return function()
    return wrapper
@logged
def decorated(rng=np.random.default_rng(0)): return rng.random()
closure.rng = random.Random(0)

drawing = closure()
method = random.Random(0).random
normal = np.random.default_rng(0).normal
part = functools.partial(np.random.default_rng(0).integers, 10**12)
sampler, slotted = Sampler(), Slotted(np.random.default_rng(0))
by_name = {"a": {"b": np.random.default_rng(0)}, ("x", 1): random.Random(0)}
several = [random.Random(0), (np.random.RandomState(0),), collections.deque([random.Random(0)])]
spawning, sequence = np.random.default_rng(0), np.random.SeedSequence(0)
system = random.SystemRandom()
fixed = np.random.SeedSequence(7)

class Draw(Experiment):
    repeat: int = search(range(6))
    def setup(self):
        self.made = Slotted([np.random.default_rng(0)])
    def run(self):
        time.sleep(0.02)
        drawn = [
            drawing_by_default(), drawing_by_keyword(), drawing(), method(), normal(), part(),
            Sampler.rng.random(), sampler.own.random(), slotted.rng.random(), decorated(),
            by_name["a"]["b"].random(), by_name["x", 1].random(), several[0].random(),
            several[1][0].rand(), several[2][0].random(), closure.rng.random(),
            self.made.rng[0].random(), spawning.spawn(1)[0].random(),
            np.random.default_rng(sequence.spawn(1)[0]).random(),
        ]
        return {
            "drawn": str([float(x) for x in drawn]),
            "fixed": np.random.default_rng(fixed).random(),
            "secure": 0 <= system.random() < 1,
        }
"""


@pytest.mark.parametrize("place", ["module", "script"])
def test_44_generators_that_other_objects_hold(tmp_path: Path, place: str) -> None:
    start = "everywhere(Draw())\n"
    if place == "module":
        serial, *others = rows(
            tmp_path, f"{RUNS}from noise import *\n{start}", "repeat", "drawn", "fixed", noise=HELD
        )
    else:
        serial, *others = rows(tmp_path, f"{RUNS}{HELD}\n{start}", "repeat", "drawn", "fixed")
    assert others == [serial] * len(others)
    assert len(others) >= 3
    columns = [*zip(*(json.loads(row["drawn"]) for row in serial), strict=True)]
    assert [len(set(column)) for column in columns] == [6] * 19
    assert len({x for column in columns for x in column}) == 6 * 19
    assert len({row["fixed"] for row in serial}) == 1  # numbers that nothing draws stay


def test_44_generators_of_a_script_in_workers_that_do_not_run_it(tmp_path: Path) -> None:
    runs = """
from joblib.externals.loky import get_reusable_executor
if __name__ == "__main__":
    run(Draw())
    for start in "spawn", "forkserver":
        with futures.ProcessPoolExecutor(2, multiprocessing.get_context(start)) as executor:
            run(Draw(), num_proc=2, engine=executor)
    for size in 1, 2:
        executor = get_reusable_executor(size)
        run(Draw(), num_proc=size, engine=executor)
        executor.shutdown(wait=True, kill_workers=True)
"""
    for held in (HELD, NOISE):
        serial, *others = rows(tmp_path, f"{RUNS}{held}{runs}", "repeat", "drawn")
        assert len({row["drawn"] for row in serial}) == 6
        assert others == [serial] * 4


def test_44_generators_that_other_objects_hold_are_restored(tmp_path: Path) -> None:
    script = f"""{RUNS}{HELD}
def states():
    return [method.__self__.getstate(), by_name["a"]["b"].bit_generator.state, sequence.state]
before = states()
run(Draw())
assert states() == before
child = spawning.spawn(1)[0].random()
assert child == np.random.default_rng(0).spawn(1)[0].random(), child
"""
    rows(tmp_path, script, "drawn")


def test_44_the_same_in_another_order_after_a_failure_and_on_resume(tmp_path: Path) -> None:
    script = (
        RUNS
        + """
from noise import *
run(Fails(), retries=1, retry_on=["failed"])
for path in __import__("pathlib").Path("results").glob("*/settings/*/tried"): path.unlink()
run(Fails(repeat=search([5, 3, 1, 0, 2, 4])), num_proc=2, retries=1, retry_on=["failed"])
Draw(repeat=search([4, 1])).run_all(2, progress=False)
print(json.dumps([dict(row) for row in Draw().run_all(progress=False)], default=str))
"""
    )
    one, two, three = rows(tmp_path, script, "repeat", "drawn", noise=NOISE)
    by_repeat = {row["repeat"]: row["drawn"] for row in one}
    assert {row["repeat"]: row["drawn"] for row in two} == by_repeat
    assert len({row["drawn"] for row in three}) == 6


def test_44_classes_of_a_script_and_of_minus_c(tmp_path: Path) -> None:
    act = RUNS + NOISE + "\nrun(Draw())\nrun(Draw(), num_proc=2)\n"
    serial, two = rows(tmp_path, act, "drawn", "start")
    assert serial == two
    process = subprocess.run(
        [sys.executable, "-c", act],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    one, other = ([row["drawn"] for row in json.loads(x)] for x in process.stdout.splitlines())
    assert one == other
    assert len(set(one)) == 6


def test_44_the_generators_of_the_caller_are_restored(tmp_path: Path) -> None:
    script = (
        RUNS
        + NOISE
        + """
def drawn(): return [np.random.rand(), random.random(), rng.random(), old.rand(), own.random()]
states = np.random.get_state(), random.getstate(), rng.bit_generator.state
expected = drawn()
np.random.set_state(states[0]); random.setstate(states[1]); rng.bit_generator.state = states[2]
old = np.random.RandomState(0); own = random.Random(0)
table = run(Draw())
assert drawn() == expected, (drawn(), expected)
assert table.notes == (), table.notes
for engine in "threads", futures.ThreadPoolExecutor(2):
    table = Draw().run_all(2, engine=engine, resume=False, progress=False)
    assert [one for one in table.notes if "cannot be seeded" in one], table.notes
free = Free().run_all(2, engine="threads", resume=False, progress=False)
assert free.notes == () and "seed_globals" not in free.columns, free.notes
np.random.seed(3)
first = np.random.rand(12).tolist()
np.random.seed(3)
Free().run_all(resume=False, progress=False)
assert np.random.rand() != first[0]
"""
    )
    rows(tmp_path, script, "drawn")


@pytest.mark.parametrize(
    ("text", "libraries"),
    [
        ("import os, json", None),
        ("import random", ("random",)),
        ("def f(self):\n        from random import random", ("random",)),
        ("from random import random", ("random",)),
        ("import numpy.linalg", ("random", "numpy.random", "torch")),
        ("import sklearn", ("random", "numpy.random", "torch")),
    ],
)
def test_44_only_code_that_may_draw_is_seeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, libraries: Any
) -> None:
    name = f"drawing_{abs(hash(text))}"
    body = f"    {text}" if text.startswith("def") else ""
    (tmp_path / f"{name}.py").write_text(
        f"{'' if body else text}\nfrom superparams import Experiment, search\n"
        f"class One(Experiment):\n    x: int = search([1])\n{body}\n"
        "    def run(self): return None\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.chdir(tmp_path)
    cls = __import__(name).One
    job = prepare(cls(), RunOptions(results=tmp_path / "results"))
    found = generators_of(cls, job.code.files, job.code.imports)
    assert (None if found is None else found.libraries) == libraries
