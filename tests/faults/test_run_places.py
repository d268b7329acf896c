"""Where a class may stand, and what else may be going on: FAULTS rows 15, 22, 23 and 39."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import environment, output, script, start
from tests.sweeps import sweep
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

CLASS = """
import sys
from superparams import Experiment, Params, search
from superparams.executor import Processes
FACTOR = 10
class Model(Params):
    depth: int = search([1, 2])
def scaled(x):
    return x * FACTOR
class Placed(Experiment):
    model: Model = search([Model()])
    a: int = search([1, 2])
    def run(self):
        return {"y": scaled(self.a) + self.model.depth}
"""
RUN = """
print([row["y"] for row in Placed().run_all(int(sys.argv[1]), engine=METHOD, progress=False)])
"""
GUARDED = f"""
if __name__ == "__main__":
    {RUN.strip().replace("METHOD", "None")}
"""
EXPECTED = "[11, 21, 12, 22]\n"


@sweep(
    4,
    ("how", "method"),
    [
        *((how, None) for how in ("script", "stdin", "-c", "-m")),
        *((how, method) for how in ("script", "stdin") for method in ("spawn", "fork")),
    ],
)
def test_22_no_main_guard(how: str, method: str | None, tmp_path: Path) -> None:
    text = CLASS + RUN.replace("METHOD", (method and f"Processes({method!r})") or "None")
    path = script(tmp_path, text)
    words = {"script": [str(path)], "stdin": ["-"], "-c": ["-c", text], "-m": ["-m", "script"]}[how]
    with open(path) as source:
        process = start(tmp_path, *words, "2", stdin=source if how == "stdin" else None)
        out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == (EXPECTED, "")


def test_22_a_script_has_one_name_also_when_it_is_imported(tmp_path: Path) -> None:
    """What was done by the script is not done again by whoever imports it."""
    script(tmp_path, CLASS + GUARDED, "exp.py")
    process = start(tmp_path, "exp.py", "2")
    assert process.communicate(timeout=PATIENCE) == (EXPECTED, "")
    text = "import exp\nexp.Placed().run_all(2)\nprint(len(exp.Placed.results()))"
    process = start(tmp_path, "-c", text)
    out, err = process.communicate(timeout=PATIENCE)
    assert out == "4\n"
    assert "4 settings: 4 done by the same code: skipped" in err


def test_22_in_an_imported_module_of_a_package(tmp_path: Path) -> None:
    package = tmp_path / "project"
    package.mkdir()
    (package / "__init__.py").touch()
    script(package, CLASS.replace("def scaled", "from project.more import two\ndef scaled"), "e.py")
    script(package, "def two():\n    return 2\n", "more.py")
    text = "import sys\nfrom project.e import Placed" + RUN.replace("METHOD", "None")
    assert output(tmp_path, text, "2") == EXPECTED


def test_22_in_a_function_and_closing_over_its_variables(tmp_path: Path) -> None:
    text = f"""
def main(offset):
{CLASS.replace(chr(10), chr(10) + "    ")}
    class Closing(Placed):
        def run(self):
            return {{"y": super().run()["y"] + offset}}
    return Closing
import sys
Placed = main(0)
""" + RUN.replace("METHOD", "None")
    assert output(tmp_path, text, "2") == EXPECTED


CELLS = """
import linecache, sys
from pathlib import Path
main = sys.modules["__main__"]
for name in ("__file__", "__spec__"):
    main.__dict__.pop(name, None)
for number, text in enumerate(Path("cells.txt").read_text().split("# next cell")):
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), main.__dict__)
"""


def test_22_in_a_notebook_as_its_cells_run(tmp_path: Path) -> None:
    cells = CLASS + "# next cell" + RUN.replace("METHOD", "None")
    again = "# next cell\nFACTOR = 20" + cells[cells.index("# next cell") :]
    script(tmp_path, cells + again, "cells.txt")
    process = start(tmp_path, "-c", CELLS, "2")
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == (EXPECTED + "[21, 41, 22, 42]\n", ""), "another FACTOR is other code"


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not here")
def test_22_in_ipython(tmp_path: Path) -> None:
    text = CLASS.replace("import sys", "") + RUN.replace("METHOD", "None").replace(
        "int(sys.argv[1])", "2"
    )
    script(tmp_path, text, "cell.ipy")
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--quick", "--colors=NoColor", "cell.ipy"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert EXPECTED in done.stdout, done.stderr


THREADED = """
import numpy, polars, sys
polars.DataFrame({"a": list(range(10000))}).group_by(polars.col("a") % 7).len()
numpy.ones((600, 600)) @ numpy.ones((600, 600))
from superparams import Experiment, search
class Threaded(Experiment):
    a: int = search(range(6))
    def run(self):
        rows = polars.DataFrame({"a": list(range(1000))}).group_by(polars.col("a") % 7).len()
        return {"y": rows.height, "z": float((numpy.ones((9, 300)) @ numpy.ones((300, 9)))[0, 0])}
print({(row["y"], row["z"]) for row in Threaded().run_all(2, progress=False)})
"""


def test_23_threads_of_libraries_in_the_driver(tmp_path: Path) -> None:
    assert output(tmp_path, THREADED) == "{(7, 300.0)}\n"


THREAD = """
import threading, time
from superparams import Experiment, search
class Long(Experiment):
    a: int = search(range(6))
    def run(self):
        time.sleep(0.1)
        return {"y": self.a}
def work():
    found = Long().run_all(2, progress=False)
    threads.append(threading.Thread(target=second, args=(found,)))
    threads[-1].start()
def second(found):
    print(found.counts, Long(a=search(range(10))).run_all(2, progress=False).counts)
threads = [threading.Thread(target=work)]
threads[0].start()
for thread in threads:
    thread.join()
"""


def test_15_from_threads_that_end(tmp_path: Path) -> None:
    assert output(tmp_path, THREAD) == "{'done': 6} {'done': 10}\n"


POOLS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from superparams import Experiment, search
class Inner(Experiment):
    b: int = search([1, 2])
    def run(self):
        return {"y": self.b}
class Pools(Experiment):
    a: int = search([1, 2])
    def run(self):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            forked = sum(pool.map(abs, [-1, -2]))
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
            spawned = sum(executor.map(abs, [-3, -4]))
        inner = Inner().run_all(2, results=self.folder, progress=False)
        return {"y": forked + spawned + sum(row["y"] for row in inner)}
if __name__ == "__main__":
    for num_proc in (1, 2):
        found = Pools().run_all(num_proc, resume=False, progress=False)
        print([(row["y"], row["error"]) for row in found])
"""


def test_39_pools_and_runs_within_a_setting(tmp_path: Path) -> None:
    out = output(tmp_path, POOLS)
    assert out.splitlines() == ["[(13, None), (13, None)]"] * 2


ENDED = """
import os, signal, sys, time, warnings
from superparams import Experiment, search
def own(number, frame):
    os._exit(7)
class Ended(Experiment):
    a: str = search(["usual", "own", "ignored", "set in run"])
    def run(self):
        before = signal.getsignal(signal.SIGTERM)
        if self.a == "set in run":
            signal.signal(signal.SIGTERM, own)
        statuses = set()
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        for _ in range(30):
            if (child := os.fork()) == 0:
                time.sleep(0.2 if self.a == "ignored" else 100)
                os._exit(1)
            os.kill(child, signal.SIGTERM)
            statuses.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            if self.a == "ignored":
                break
        signal.signal(signal.SIGTERM, before)
        return {"y": str(statuses), "masked": str(signal.pthread_sigmask(signal.SIG_BLOCK, []))}
if __name__ == "__main__":
    for a, handler in (
        ("usual", signal.SIG_DFL), ("own", own), ("ignored", signal.SIG_IGN),
        ("set in run", signal.SIG_DFL),
    ):
        signal.signal(signal.SIGTERM, handler)
        (row,) = Ended(a=a).run_all(1, progress=False)
        print(row["y"], row["masked"], row["error"])
"""


def test_39_a_fork_ends_by_a_signal_that_comes_before_its_first_step(tmp_path: Path) -> None:
    statuses = ["{-15}", "{7}", "{1}", "{7}"]
    assert output(tmp_path, ENDED).splitlines() == [f"{each} set() None" for each in statuses]


FORKED = """
import os, threading, warnings
from pathlib import Path
from superparams.store.runs.folder import RunFolder
class Slow:
    def __str__(self):
        begun.set()
        go_on.wait()
        return "slow"
begun, go_on = threading.Event(), threading.Event()
run = RunFolder.create(Path("a"))
thread = threading.Thread(target=run.update, kwargs={"what": Slow()})
thread.start()
begun.wait()
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
if (child := os.fork()) == 0:
    RunFolder.create(Path("b"))
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
go_on.set()
thread.join()
print(run.manifest()["what"])
"""


def test_39_a_run_in_a_fork_made_while_a_run_is_described(tmp_path: Path) -> None:
    assert output(tmp_path, FORKED) == "7\nslow\n"


CLOSED = """
import sys
from superparams import Experiment, search
class Closed(Experiment):
    a: int = search([1, 2])
    def run(self):
        import os
        os.write(2, b"by C code")  # were it the ledger, that would be damaged
        return {"y": 10 * self.a}
if __name__ == "__main__":
    found = Closed().run_all(int(sys.argv[1]))
    with open("told.txt", "w") as file:
        print([row["y"] for row in found], list(found.notes), file=file)
"""


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_a_daemon_that_has_closed_its_standard_files(num_proc: str, tmp_path: Path) -> None:
    """What a run opens must not get their numbers."""
    path = script(tmp_path, CLOSED)
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, str(path), num_proc]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert (tmp_path / "told.txt").read_text() == "[10, 20] []\n"
