"""The verb `run`: what it runs, and with which options."""

from __future__ import annotations

import json
import os

import pytest

from superparams.adapters.processors import cores
from tests.cli.command import Project
from tests.cli.noting_experiment import FIT, LACKS, bad, column, ran, rows, run
from tests.sweeps import sweep
from tests.timing import scaled

pytestmark = pytest.mark.usefixtures("no_leaks")


# ---- what runs, and where


@pytest.mark.parametrize("inside", [".", "experiments"])
def test_one_command_runs_all_and_once(fit: Project, inside: str) -> None:
    ended = run(fit, "RQ1", inside=inside)
    assert ran(fit) == [1, 2, 3, 4]
    assert column(fit, "y") == [10, 20, 30, 40]
    path = "results" if inside == "." else str(fit.folder / "results")
    assert ended.out == f"4 settings: 4 done · {path}/RQ1.Fit/results.parquet\n"
    assert ended.err == ""
    again = run(fit, "RQ1", inside=inside)
    assert again.err == "4 settings: 4 done by the same code: skipped\n"
    assert (again.out, ran(fit)) == (ended.out, [])


def test_nothing_runs_twice_however_it_is_started(fit: Project) -> None:
    script = f"{FIT}\nif __name__ == '__main__':\n    Fit().run_all(results=HERE / 'results')\n"
    fit.write({"experiments/RQ1.py": script})
    env = {"TESTS": str(os.getpid())}
    run(fit, "RQ1", "a=1")
    assert ran(fit) == [1]
    assert fit.python("experiments/RQ1.py", env=env).code == 0
    assert ran(fit) == [2, 3, 4]
    run(fit, "RQ1.Fit", "a=1,5", "-n", "2", inside="experiments")
    assert ran(fit) == [5]
    run(fit, "experiments/RQ1.py", "a=1..5", "--results", "../results", inside="experiments")
    assert ran(fit) == []
    assert fit.recorded() == {"RQ1.Fit": 3}


def test_overrides_change_the_space(fit: Project) -> None:
    run(fit, "RQ1", "a=7", "kind=other,another")
    assert ran(fit) == [7, 7]
    assert column(fit, "kind") == ["other", "another"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a=x"], "Fit.a takes int, not 'x'"),
        (["a=1", "aa=1"], "Fit has no field 'aa'; did you mean a?"),
        (["a"], "Fit: 'a' gives no field a value"),
        (["a=1", "a=2"], "Fit.a is given twice"),
        (["--aa", "1"], "No such option '--aa'"),
    ],
)
def test_a_wrong_override_runs_nothing(fit: Project, words: list[str], told: str) -> None:
    for more in ([], ["--plan"], ["--json"]):
        ended = run(fit, "RQ1", *words, *more, code=2)
        assert told in ended.err
        assert (ended.out, ran(fit)) == ("", [])
    assert not (fit.folder / "results").exists()


def test_overrides_are_for_all_experiments_that_are_named(fit: Project) -> None:
    fit.write({"experiments/RQ1.py": FIT + LACKS})
    ended = run(fit, "RQ1", "a=1", "kind=x", code=2)
    assert ended.err == "Error: Lacks has no field 'kind'; its fields: a\n"
    assert ran(fit) == []
    run(fit, "RQ1", "a=1")
    assert ran(fit) == [-1, 1]
    run(fit, "RQ1.Fit", "a=2", "kind=x")
    assert ran(fit) == [2]


# ---- options


@pytest.mark.parametrize(
    ("words", "n_proc", "is_here"),
    [
        ([], 1, True),
        (["-n", "2"], 2, False),
        (["--num-proc=auto"], cores(), cores() == 1),
        (["-n1", "--engine", "serial"], 1, True),
        (["-n", "3", "--engine", "threads"], 3, True),
        (["-n", "1", "--engine", "processes"], 1, False),
        (["-n", "1000"], 1000, False),
        (["-n", "1000", "--start-method", "spawn", "a=1,2"], 1000, False),
        (["-n", "1000", "--start-method", "fork"], 1000, False),
    ],
)
def test_workers_and_engines(fit: Project, words: list[str], n_proc: int, is_here: bool) -> None:
    run(fit, "RQ1", *words)
    assert set(column(fit, "workers")) == {n_proc}
    assert set(column(fit, "is_here")) == {is_here}
    assert max(column(fit, "rank")) < n_proc


def test_rerun_failed_and_new(fit: Project) -> None:
    bad(fit, 2, 3)
    run(fit, "RQ1", "a=1,2,3", code=1)
    ran(fit)
    bad(fit, 3)
    run(fit, "RQ1", "--failed", code=1)
    assert ran(fit) == [2, 3]
    ended = run(fit, "RQ1", "--new", code=1)
    assert ran(fit) == [4]
    assert "3 not selected: left out" in ended.err
    assert "4 settings: 3 done, 1 failed" in ended.out, "those of before are told, too"
    bad(fit)
    run(fit, "RQ1", "--rerun")
    assert ran(fit) == [1, 2, 3, 4]
    run(fit, "RQ1", "--failed")
    assert ran(fit) == []
    run(fit, "RQ1", "a=9", "--failed")
    assert ran(fit) == []


def test_changed_code_runs_again_but_not_as_new(fit: Project) -> None:
    run(fit, "RQ1", "a=1,2")
    fit.write({"experiments/RQ1.py": FIT.replace("10 * self.a", "20 * self.a")})
    ran(fit)
    run(fit, "RQ1", "a=1,2,3", "--new")
    assert ran(fit) == [3]
    assert "2 made by other code: run again" in run(fit, "RQ1", "a=1,2").err
    assert column(fit, "y") == [60, 20, 40]


LONG = """
import time
from superparams import Experiment, search

class Long(Experiment):
    a: int = search([1, 2, 3])

    def run(self):
        time.sleep(60 if self.a == 2 else 0)
        return {"y": self.a}
"""


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_timeout(project: Project, num_proc: str) -> None:
    project.write({"experiments/L.py": LONG})
    limit = 3.5
    ended = run(project, "L", "--timeout", f"{limit}", "-n", num_proc, code=1)
    assert "3 settings: 2 done, 1 timeout" in ended.out
    assert f"TimeoutError: it ran longer than timeout={limit:g} seconds" in ended.out
    assert column(project, "status", name="L.Long") == ["done", "timeout", "done"]


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_retries(fit: Project, num_proc: str) -> None:
    bad(fit, 2)
    run(fit, "RQ1", "-n", num_proc, "--retries", "2", code=1)
    assert ran(fit) == [1, 2, 3, 4], "a failure is not tried again unasked"
    run(fit, "RQ1", "-n", num_proc, "--retries", "2", "--retry-on", "failed, killed", code=1)
    assert ran(fit) == [2, 2, 2]


SLOW = """
import time
from pathlib import Path
from superparams import Experiment, search

class Slow(Experiment):
    a: int = search(range(20))

    def run(self):
        with open("ran", "a") as file:
            file.write(f"{self.a}\\n")
        time.sleep(0.05)
        if not Path("mended").exists():
            raise ValueError("broken")
        return {"y": self.a}
"""


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_max_failures(project: Project, num_proc: str) -> None:
    slow = SLOW.replace("0.05", f"{scaled(0.05)}")
    project.write({"experiments/S.py": slow, "bin/git": "#!/bin/sh\nsleep 1"})
    (project.folder / "bin/git").chmod(0o755)
    env = {"PATH": f"{project.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    words = ("S", "-n", num_proc, "--max-failures", "3")
    ended = run(project, *words, code=1, env=env)
    begun = len(ran(project))
    assert begun == 3 if num_proc == "1" else 3 <= begun <= 6
    told = f"(max_failures=3): finishing what runs, {20 - begun} left"
    assert told in ended.err or num_proc == "2"
    (manifest,) = (project.folder / "results/S.Slow/runs").glob("*/run.json")
    known = json.loads(manifest.read_text())
    assert known["state"] == "interrupted"
    assert known["host"], "nobody waits for its end: all is kept, however long git takes"
    (project.folder / "mended").touch()
    ended = run(project, *words)
    assert f"{begun} failed before: run again" in ended.err
    assert ran(project) == list(range(20))
    assert column(project, "status", name="S.Slow") == ["done"] * 20


MEETS = """
import os, time
from pathlib import Path
from superparams import Experiment, search

class Meets(Experiment):
    a: int = search([1, 2])

    def run(self):
        Path(f"met-{self.a}").touch()
        limit = time.monotonic() + 100
        while not (Path("met-1").exists() and Path("met-2").exists()):
            assert time.monotonic() < limit
            time.sleep(0.01)
        return {
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "threads": os.environ.get("OMP_NUM_THREADS"),
        }
"""


@sweep(
    2,
    ("words", "gpus"),
    [
        (["--gpus", "2"], ["0", "1"]),
        (["--gpus=4"], ["0,2", "1,3"]),
        (["--gpus", "x, y,z"], ["x,z", "y"]),
        (["--gpus", "3,"], ["3", "3"]),
        (["--gpus", "GPU-8f"], ["GPU-8f", "GPU-8f"]),
        (["--gpus", "2", "--start-method", "spawn"], ["0", "1"]),
    ],
)
def test_gpus_are_divided(project: Project, words: list[str], gpus: list[str]) -> None:
    project.write({"experiments/M.py": MEETS})
    run(project, "M", "-n", "2", *words)
    found = {row["rank"]: row["gpus"] for row in rows(project, "M.Meets")}
    assert [found[rank] for rank in sorted(found)] == gpus


def test_threads_per_worker(project: Project) -> None:
    project.write({"experiments/M.py": MEETS})
    run(project, "M", "-n", "2", "--threads-per-worker", "3")
    assert column(project, "threads", name="M.Meets") == ["3", "3"]


def test_results_are_kept_where_one_says(fit: Project) -> None:
    run(fit, "RQ1", "a=1", "--results", "mine", inside="experiments")
    assert column(fit, "y", results="experiments/mine") == [10]
    run(fit, "RQ1", "a=1", "--results", str(fit.folder / "deep" / "other"))
    assert column(fit, "y", results="deep/other") == [10]
    assert ran(fit) == [1, 1]
    ended = run(fit, "RQ1", "a=1", "--results", "bad", code=2)
    assert "Directory 'bad' is a file" in ended.err
    ended = run(fit, "RQ1", "a=1", "--results", "bad/more", code=2)
    assert "bad is a file; give the folder to keep results in" in ended.err


def test_results_stay_there_when_settings_go_elsewhere(project: Project) -> None:
    project.write(
        {
            "experiments/G.py": """
                import os, tempfile
                from superparams import Experiment, search
                os.chdir("/")

                class A(Experiment):
                    a: int = search([1, 2])

                    def run(self):
                        gone = tempfile.mkdtemp()
                        os.chdir(gone)
                        os.rmdir(gone)

                class B(A):
                    b: int = 1

                    def run(self):
                        return {"y": 1}
            """
        }
    )
    ended = run(
        project,
        *("G", "--results", "mine"),
        inside="experiments",
        env={"PYTHONWARNINGS": "ignore"},  # what git says of the project is not known then
    )
    assert project.recorded("experiments/mine") == {"G.A": 1, "G.B": 1}
    assert ended.out.count("2 done") == 2


def test_no_progress_says_nothing_while_it_runs(fit: Project) -> None:
    fit.write({"experiments/RQ1.py": FIT + LACKS})
    for _ in range(2):
        assert run(fit, "RQ1", "--no-progress").err == ""
    bad(fit, 1)
    ended = run(fit, "RQ1", "--no-progress", "--rerun", "--max-failures", "1", "-n", "2", code=1)
    assert ended.err == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-n", "0"], "'0': give a whole number of workers, 1 or more, or \"auto\""),
        (["-n", "many"], "'many': give a whole number"),
        (["-n", "²"], "'²': give a whole number"),
        (["-n", "9" * 5000], "999…': give a whole number"),
        (["-n", "100001"], "'100001': that is more than 100,000"),
        (["-n", "2", "--engine", "serial"], "num_proc=2 cannot be used with engine='serial'"),
        (
            ["--engine", "carts"],
            "'carts' is not one of 'serial', 'threads', 'asyncio', 'processes'",
        ),
        (["--engine", "threads", "--timeout", "1"], "timeout=1.0 cannot be used with"),
        (["--timeout", "0"], "'0': give seconds above 0"),
        (["--timeout", "nan"], "'nan': give seconds above 0"),
        (["--timeout", "1e999"], "'1e999': give seconds above 0"),
        (["--retries", "-1"], "'-1': give a whole number of extra attempts, 0 or more"),
        (["--retry-on", "done"], '\'done\': give some of "failed", "killed", "timeout"'),
        (["--max-failures", "0"], "'0': give a whole number, 1 or more."),
        (["--gpus", "0"], "'0': give how many devices, 1 or more, or their names as in 0,2"),
        (["--gpus", ","], "',': give how many devices"),
        (["--gpus", "1000000000000"], "'1000000000000': give how many devices"),
        (["--threads-per-worker", "0"], "'0': give a whole number, 1 or more."),
        (["--start-method", "vfork"], "'vfork' is not one of"),
        (["--gpus", "1", "--engine", "threads"], "gpus=1 cannot be used with engine='threads'"),
        (["--rerun", "--failed"], "--rerun and --failed exclude each other"),
        (["--failed", "--new"], "--failed and --new exclude each other"),
        (["--debug", "--engine", "threads"], "engine='threads' cannot be used with debug=True"),
        (["--nwe"], "No such option '--nwe'"),
    ],
)
def test_wrong_options_run_nothing(fit: Project, words: list[str], told: str) -> None:
    for more in ([], ["--plan"]):
        ended = run(fit, "RQ1", *words, *more, code=2)
        assert told in ended.err, ended.err
        assert len(ended.err) < 500
        assert (ended.out, ran(fit)) == ("", [])
    assert not (fit.folder / "results").exists()
