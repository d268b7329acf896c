"""The verb `run`: what it tells people and programs, and its exit codes."""

from __future__ import annotations

import re
import signal

import pytest

from tests.cli.command import EXPERIMENT, Project, environment
from tests.cli.noting_experiment import FIT, LACKS, bad, column, run
from tests.runs import recorded, start
from tests.timing import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")


# ---- JSON


LOUD = """
import atexit, ctypes, os, subprocess, sys
from superparams import Experiment, search, value

C = ctypes.CDLL(None)

def shout(text):
    print(text)
    print(text, file=sys.__stdout__)
    os.write(1, f"{text}\\n".encode())
    os.system(f"echo {text}")
    subprocess.run(["echo", text])
    C.puts(text.encode())
    C.printf(b"%s and no end of line", text.encode())

shout("imported")

def load():
    shout("loaded")
    return 1

class Loud(Experiment):
    a: int = search([1, 2])
    data: int = value(factory=load)
    more: int = value(derive=lambda s: shout("derived") or s.a)

    def valid(self):
        shout("valid")
        return True

    def setup(self):
        shout("set up")

    def run(self):
        shout("running")
        return {"y": self.a}

    def teardown(self):
        shout("torn down")

    def report(self, results):
        shout("reported")
        return "text"
"""


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-n", "2"],
        ["-n", "2", "--engine", "threads"],
        ["--plan"],
        ["-n2", "--start-method", "fork"],
    ],
)
def test_one_document_and_nothing_else(project: Project, words: list[str]) -> None:
    project.write({"experiments/L.py": LOUD})
    for _ in range(2):
        ended = run(project, "L", "--json", *words)
        (told,) = ended.document
        assert told["experiment"] == "L.Loud"
        assert "imported and no end of line" in ended.err


def test_the_document_tells_what_became_of_each(fit: Project) -> None:
    fit.write({"experiments/RQ1.py": FIT + LACKS})
    bad(fit, 2)
    one, other = run(fit, "RQ1", "--json", code=1).document
    (failure,) = one.pop("failures")
    (alike,) = one.pop("failures_alike")
    assert (alike["settings"], alike["common"]) == (1, {"a": "2"})
    assert 0 < one.pop("seconds") < 600
    assert one == {
        "experiment": "RQ1.Fit",
        "settings": 4,
        "counts": {"done": 3, "failed": 1},
        "failed": 1,
        "table": str(fit.folder / "results/RQ1.Fit/results.parquet"),
        "report": None,
    }
    assert (failure["status"], failure["error"]) == ("failed", "ValueError: not 2")
    assert failure["key"] in column(fit, "key")
    assert (other["experiment"], other["counts"], other["failures"]) == (
        "RQ1.Lacks",
        {"done": 2},
        [],
    )


def test_a_document_of_a_run_that_ended_early(fit: Project) -> None:
    bad(fit, 1)
    (told,) = run(fit, "RQ1", "--json", "--max-failures", "1", code=1).document
    assert (told["settings"], told["counts"]) == (4, {"failed": 1})


def test_a_report_is_told(project: Project) -> None:
    project.write({"experiments/L.py": LOUD})
    assert "report: results/L.Loud/report.md" in run(project, "L").out.splitlines()
    (told,) = run(project, "L", "--json").document
    assert told["report"] == str(project.folder / "results/L.Loud/report.md")


# ---- how it ends


def test_some_failed(fit: Project) -> None:
    bad(fit, 1, 2, 3, 4, 5, 6, 7)
    ended = run(fit, "RQ1", "a=1..8", "-n", "2", code=1)
    lines = ended.out.splitlines()
    assert lines[0].startswith("8 settings: 1 done, 7 failed")
    assert lines[1] == "  7 failed: ValueError: not 1, and others like it"
    found = re.search("`experiment show RQ1.Fit ([0-9a-f]{8})` has the traceback", lines[2])
    assert found is not None
    key = found[1]
    assert f"`experiment logs RQ1.Fit {key}` what it printed" in lines[2]
    assert "ValueError" in run(fit, "show", "RQ1.Fit", key).out
    run(fit, "logs", "RQ1.Fit", key)


def test_a_long_error_is_told_in_a_line(project: Project) -> None:
    project.write(
        {
            "experiments/RQ1.py": """
                from superparams import Experiment
                class Long(Experiment):
                    def run(self):
                        raise ValueError("\\nAll fits failed.\\n" + 300 * "why ")
            """
        }
    )
    line = project.run("RQ1").out.splitlines()[1]
    assert "ValueError: All fits failed. why" in line
    assert line.endswith(" …")
    assert len(line) < 150


def test_a_remedy_names_the_log_under_threads_too(fit: Project) -> None:
    bad(fit, 1)
    ended = run(fit, "RQ1", "--engine", "threads", code=1)
    assert "has the traceback" in ended.out
    assert "experiment logs RQ1.Fit " in ended.out


SEVERAL = """
from superparams import Experiment, search, value

def fails():
    raise OSError("no such data")

class Z(Experiment):
    a: int = search([1, 2])
    def run(self):
        print("Z", self.a)
        if self.a == 2:
            raise ValueError("two")

class Broken(Z):
    data: object = value(factory=fails)

class A(Z):
    def run(self):
        print("A", self.a)
"""


def test_several_run_in_the_order_of_the_file_whatever_becomes_of_one(project: Project) -> None:
    project.write({"experiments/S.py": SEVERAL.replace("= value(factory=fails)", "= 1")})
    ended = run(project, "S", code=1)
    lines = [line for line in ended.out.splitlines() if line[0] in "ZA2"]
    assert [line[:3] for line in lines] == [
        "Z 1",
        "Z 2",
        "2 s",
        "Z 1",
        "Z 2",
        "2 s",
        "A 1",
        "A 2",
        "2 s",
    ]
    assert ended.err.splitlines() == ["S.Z", "S.Broken", "S.A"]


def test_one_that_cannot_run_does_not_keep_the_others(project: Project) -> None:
    project.write({"experiments/S.py": SEVERAL})
    ended = run(project, "S", code=2)
    assert "2 settings: 1 done, 1 failed" in ended.out
    assert "2 settings: 2 done" in ended.out
    assert "OSError: no such data\nBroken.data: value(factory=fails) failed\n" in ended.err
    assert project.recorded() == {"S.Z": 1, "S.A": 1}
    told = run(project, "S", "--json", code=2).document
    assert [one["experiment"] for one in told] == ["S.Z", "S.Broken", "S.A"]
    assert "no such data" in told[1]["error"]
    assert run(project, "S", "--plan", code=2).out.count("to run") == 2


NAPS = """
import time
from superparams import Experiment, search

class First(Experiment):
    a: int = search(range(200))

    def run(self):
        time.sleep(0.05)
        return {"y": self.a}

class Second(First):
    pass
"""


@pytest.mark.parametrize("num_proc", ["1", "2"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_terminated_keeps_what_has_run(
    project: Project, num_proc: str, how: signal.Signals
) -> None:
    project.write({"experiments/N.py": NAPS})
    process = start(project.folder, EXPERIMENT, "N", "-n", num_proc, "--json", env=environment())
    wait_for(lambda: len(recorded(project.folder)) > 3)
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE)
    code = 143 if how == signal.SIGTERM else 130
    assert (process.returncode, out) == (code, ""), err
    assert "Traceback" not in err
    by = "ended by SIGTERM: " if how == signal.SIGTERM else ""
    assert re.search(rf"{by}\d+ of 200 settings ran; run it again for the rest\n", err), err
    assert list(project.recorded()) == ["N.First"], "and the next one does not begin"
    done = len(recorded(project.folder))
    (first, second) = run(project, "N", "--plan", "--json").document
    assert (first["done"], first["new"], second["new"]) == (done, 200 - done, 200)


@pytest.mark.parametrize("more", [["--shard", "1/2"], []])
def test_a_run_that_is_terminated_says_so_without_progress(
    project: Project, more: list[str]
) -> None:
    project.write({"experiments/N.py": NAPS})
    words = ["N.First", "--no-progress", *more]
    process = start(project.folder, EXPERIMENT, *words, env=environment())
    wait_for(lambda: len(recorded(project.folder)) > 3)
    process.terminate()
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (143, ""), err
    shard, count = ("shard 1/2: ", 100) if more else ("", 200)
    end = rf"^{shard}ended by SIGTERM: \d+ of {count} settings ran; run it again for the rest$"
    assert re.search(end, err.strip()), err


def test_what_is_not_known(fit: Project) -> None:
    ended = run(fit, "RQ2", code=2)
    assert "did you mean RQ1" in ended.err
    assert run(fit, "run", code=2).err.endswith(
        "Error: Missing NAME: `experiment list` lists all experiments.\n"
    )
    run(fit, "-n", "2", code=2)
    run(fit, "RQ1.Fix", code=2)


def test_an_experiment_of_the_name_of_a_verb(project: Project) -> None:
    project.experiments("status:S", "run:R")
    assert run(project, "run", "status").out.startswith("2 settings: 2 done")
    assert run(project, "run", "run").out.startswith("2 settings: 2 done")
