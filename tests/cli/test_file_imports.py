"""How files become modules: what they can import, what goes wrong in them, and their names."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import EXPERIMENT, Project, environment
from tests.sweeps import sweep
from tests.timing import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

# A driver that finds experiments as the command does, for what the command has no option for.
DRIVER = """
import sys
from pathlib import Path
from superparams.cli.file_imports import load
from superparams.cli.name_lookup import find_root, resolve
from superparams.executor import Processes

root = find_root(Path.cwd())
{body}
"""


# ---- one name, however it is started

NAMED = """
from pathlib import Path
from superparams import Experiment, search
from experiments.shared import Scale, double

class RQ1(Experiment):
    a: int = search([1, 2])
    scale: Scale = Scale(3)

    def run(self):
        return {"y": double(self.a) * self.scale.factor}

if __name__ == "__main__":
    RQ1().run_all(2, results=Path(__file__).parents[2] / "results")
"""
SHARED = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Scale:
    factor: int

def double(x):
    return 2 * x
"""
IMPORTING = """
from pathlib import Path
from experiments.a.RQ1 import RQ1
if __name__ == "__main__":
    RQ1().run_all(results=Path(__file__).parent / "results")
"""
MAIN = "from superparams import entrypoint\nentrypoint()\n"


def test_one_identity_however_it_is_started(project: Project) -> None:
    project.write(
        {
            "experiments/a/RQ1.py": NAMED,
            "experiments/shared.py": SHARED,
            "experiments/__main__.py": MAIN,
            "script.py": IMPORTING,
        }
    )
    here = {"env": {"PYTHONPATH": str(project.folder)}}
    ways = {
        "a script": lambda: project.python("experiments/a/RQ1.py", **here),
        "the command": lambda: project.run("a.RQ1"),
        "a script, from inside": lambda: project.python("RQ1.py", inside="experiments/a", **here),
        "a module": lambda: project.python("-m", "experiments.a.RQ1"),
        "an import": lambda: project.python("script.py"),
        "the command, from inside": lambda: project.run("a.RQ1", "-n2", inside="experiments/a"),
        "the folder as a module": lambda: project.python("-m", "experiments", "a.RQ1"),
        "the folder as a script": lambda: project.python("../experiments", "a", inside="results"),
        "its main file": lambda: project.python("experiments/__main__.py", "a/RQ1.py"),
    }
    for way, start in ways.items():
        done = start()
        assert done.code == 0, f"{way}: {done.err}"
        assert project.recorded() == {"a.RQ1.RQ1": 1}, way
        if way != "a script":
            assert "2 settings: 2 done by the same code: skipped" in done.err, f"{way}: {done.err}"
    project.write({"experiments/shared.py": SHARED.replace("2 * x", "x * 2")})
    assert "2 made by other code: run again" in project.run("a.RQ1").err


@pytest.mark.parametrize("marked", ["by its main file", "by pyproject.toml"])
def test_one_identity_in_a_folder_of_another_name(project: Project, marked: str) -> None:
    text = NAMED.replace("from experiments.shared", "from shared").replace(
        "parents[2]", "parents[3]"
    )
    project.write({"src/trials/a/RQ1.py": text, "src/trials/shared.py": SHARED})
    project.write({"src/trials/__main__.py": MAIN if marked == "by its main file" else ""})
    if marked == "by pyproject.toml":
        project.write({"pyproject.toml": '[tool.superparams]\nexperiments = "src/trials"\n'})
    path = {"PYTHONPATH": str(project.folder / "src/trials")}
    ways = [
        project.run("a.RQ1", inside="src/trials/a"),
        project.python("src/trials/a/RQ1.py", env=path),
        project.python("-m", "trials.a.RQ1", inside="src", env=path),
        project.python("-m", "a.RQ1", inside="src/trials"),
    ]
    if marked == "by its main file":
        ways.append(project.python("src/trials", "a.RQ1"))
    assert [done.code for done in ways] == [0] * len(ways), [done.err for done in ways]
    assert project.recorded() == {"a.RQ1.RQ1": 1}


def test_the_same_file_name_in_two_folders(project: Project) -> None:
    project.experiments("a/RQ1", "b/RQ1")
    assert project.run("experiments").code == 0
    assert project.recorded() == {"a.RQ1.RQ1": 1, "b.RQ1.RQ1": 1}


def test_files_outside_are_called_as_before(project: Project) -> None:
    text = NAMED.replace("from experiments.shared", "from shared").replace(
        "parents[2]", "parents[0]"
    )
    project.write({"lib/__init__.py": "", "lib/RQ1.py": text, "shared.py": SHARED, "RQ2.py": text})
    here = {"env": {"PYTHONPATH": str(project.folder)}}
    for words in (["lib/RQ1.py"], ["-m", "lib.RQ1"], ["RQ2.py"]):
        assert project.python(*words, **here).code == 0
    assert project.recorded("lib/results") == {"lib.RQ1.RQ1": 1}
    assert project.recorded() == {"RQ2.RQ1": 1}


# ---- what a file can import


def test_imports_of_the_project_and_of_neighbours(project: Project) -> None:
    project.write(
        {
            "mylib.py": "here = 'mylib'",
            "experiments/shared.py": "here = 'shared'",
            "experiments/deep/near.py": "here = 'near'",
            "experiments/deep/pack/__init__.py": "here = 'pack'",
            "experiments/deep/RQ1.py": """
            from superparams import Experiment
            from mylib import here as a
            from shared import here as b
            from experiments.shared import here as c
            from .. import shared
            from ..shared import here as d
            from . import near
            from .near import here as e
            from .pack import here as f
            import experiments.deep.near

            class RQ1(Experiment):
                def run(self):
                    print(a, b, c, d, e, f, shared.here, near.here, __name__)
            """,
        }
    )
    expected = "mylib shared shared shared near pack shared near experiments.deep.RQ1"
    for inside in (".", "experiments/deep"):
        done = project.run("deep.RQ1", "--results", inside, inside=inside)
        assert (done.code, done.out.splitlines()[0]) == (0, expected), done.err


HIDING = ("random", "json", "click", "string", "numpy", "pyarrow", "rich", "superparams", "queue")


def test_a_file_hides_no_module_of_its_name(project: Project) -> None:
    project.experiments(*(f"{name}:A" for name in HIDING))
    for name in ("random", "superparams"):
        text = (project.folder / f"experiments/{name}.py").read_text("utf-8")
        project.write({f"experiments/{name}.py": f"import random, json\nrandom.random()\n{text}"})
    listed = project.run("list", "--import", "--json")
    assert listed.document["broken"] == []
    assert len(listed.document["experiments"]) == len(HIDING)
    done = project.run("experiments", "-n", "2")
    assert done.code == 0, done.err
    assert set(project.recorded()) == {f"{name}.A" for name in HIDING}


def test_packages_run_their_init_once(project: Project) -> None:
    project.write({"experiments/pack/__init__.py": "print('init')", "experiments/__init__.py": ""})
    project.experiments("pack/a", "pack/b")
    done = project.run("pack")
    assert done.code == 0
    assert done.err.count("init") == 1


# ---- workers


WITH_VALUES = """
import enum
from dataclasses import dataclass
from superparams import Experiment, search, value
from . import beside
from ..index import Kind

@dataclass(frozen=True)
class Own:
    x: int

class RQ1(Experiment):
    kind: Kind = search()
    own: Own = search([Own(1), Own(2)])
    made: dict = value(factory=lambda: {"x": beside.X}, key="one")

    def run(self):
        assert type(self).__module__ == __name__ == "experiments.index.RQ1"
        assert type(self.own) is Own and type(self.kind) is Kind
        return {"y": self.own.x * self.made["x"], "place": self.rank}
"""
BESIDE_A_FOLDER = {
    "experiments/index.py": "from .base import Kind",
    "experiments/base.py": "import enum\nclass Kind(enum.Enum):\n    A = 1\n    B = 2\n",
    "experiments/index/RQ1.py": WITH_VALUES,
    "experiments/index/beside.py": "X = 10",
}


@sweep(
    2,
    "how",
    [
        "1",
        "2, engine=Processes(start_method='forkserver')",
        "2, engine=Processes(start_method='spawn')",
        "2, engine=Processes(start_method='fork')",
        "2, engine='threads'",
        "2, engine=ProcessPoolExecutor(2, multiprocessing.get_context('spawn'))",
    ],
)
def test_workers_have_the_classes(project: Project, how: str) -> None:
    """The file beside a folder of its name is a module that Python itself would not find."""
    body = f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    (cls,) = load(root, resolve(root, "index/RQ1.py"))
    found = cls().run_all({how})
    print(found.counts, sorted(row["y"] for row in found), found.failures)
"""
    project.write({**BESIDE_A_FOLDER, "drive.py": DRIVER.format(body=body)})
    done = project.python("drive.py")
    assert done.code == 0, done.err
    assert done.out.startswith("{'done': 4} [10, 10, 20, 20]"), done.out
    assert project.recorded() == {"index.RQ1.RQ1": 1}


EDITING = """
import os
from superparams import Experiment, search

class RQ1(Experiment):
    a: int = search([1, 2, 3])

    def run(self):
        if self.a == 1:
            open(__file__, "w").write("1 / 0")
            os._exit(1)
        return {"y": self.a}
"""


@sweep(1, "method", ["forkserver", "spawn"])
def test_a_file_that_is_edited_during_the_run(project: Project, method: str) -> None:
    """A worker that starts later runs the code that the run began with."""
    body = f"""
if __name__ == "__main__":
    (cls,) = load(root, resolve(root, "index/RQ1.py"))
    found = cls().run_all(1, engine=Processes(start_method={method!r}), progress=False)
    print(found.counts)
"""
    files = {**BESIDE_A_FOLDER, "experiments/index/RQ1.py": EDITING}
    done = project.write({**files, "drive.py": DRIVER.format(body=body)}).python("drive.py")
    assert (done.code, done.out) == (0, "{'done': 2, 'failed': 1}\n"), done.err


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_a_folder_beside_a_file_that_is_broken(project: Project, num_proc: str) -> None:
    files = {**BESIDE_A_FOLDER, "experiments/index.py": "import nothing_of_that_name"}
    files["experiments/index/RQ1.py"] = WITH_VALUES.replace("..index", "..base")
    project.write(files)
    assert project.run("index.py").code == 2
    done = project.run("index/", "-n", num_proc)
    assert (done.code, project.recorded()) == (0, {"index.RQ1.RQ1": 1}), done.err


# ---- what goes wrong in a file

RAISING = {
    "a_exit": ("print('printed'); import sys; sys.exit(3)", "SystemExit: 3"),
    "b_quit": ("raise SystemExit", "SystemExit"),
    "c_import": ("\nimport os\nimport nothing_of_that_name", "ModuleNotFoundError: No module"),
    "d_syntax": ("x = 1\ndef f(:\n", "SyntaxError: "),
    "e_interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "f_own": ("class Mine(BaseException): pass\nraise Mine('so')", "Mine: so"),
    "g_closed": ("raise GeneratorExit", "GeneratorExit"),
    "h_field": (
        "from superparams import *\nclass A(Experiment):\n    a = search([1])\n",
        "FieldError: A.a",
    ),
    "i_nul": ("x = 1\0", ""),
    "j_encoding": ("# coding: nothing\n", "SyntaxError: "),
    "k_deep": ("def f(): f()\nf()", "RecursionError: "),
}
LINES = {"c_import": 3, "d_syntax": 2, "f_own": 2, "h_field": 2}


def test_a_file_that_fails_hides_no_other(project: Project) -> None:
    project.experiments("RQ1", "z/RQ2")
    project.write({f"experiments/{name}.py": text for name, (text, _) in RAISING.items()})
    done = project.run("list", "--import")
    assert done.code == 0, done.err
    assert "printed" in done.err
    assert "printed" not in done.out
    lines = done.out.splitlines()
    for name, (_, error) in RAISING.items():
        told = lines[lines.index(f"experiments/{name}.py") + 1].strip()
        place = f"experiments/{name}.py:{LINES.get(name, 1)}: {error}"
        assert told.startswith(f"cannot be imported: {place}"), told
    assert any("RQ1.RQ1" in line for line in lines)
    assert any("z.RQ2.RQ2" in line for line in lines)
    document = project.run("list", "--import", "--json").document
    assert len(document["broken"]) == len(RAISING)
    assert [one["name"] for one in document["experiments"]] == ["RQ1.RQ1", "z.RQ2.RQ2"]


@pytest.mark.parametrize("name", RAISING)
def test_a_file_that_fails_runs_nothing(project: Project, name: str) -> None:
    text, error = RAISING[name]
    project.experiments("a/RQ1").write({"experiments/a/z.py": text})
    done = project.run("a")
    assert (done.code, project.recorded()) == (2, {}), done.err
    assert error in done.err
    assert "experiments/a/z.py cannot be imported" in done.err
    assert "superparams/cli" not in done.err, "only the frames of its author"
    assert "importlib" not in done.err


def test_the_frames_between(project: Project) -> None:
    project.write(
        {
            "mylib.py": "def check(x):\n    raise ValueError('not this')\n",
            "experiments/RQ1.py": "from mylib import check\n\ncheck(3)\n",
        }
    )
    done = project.run("RQ1")
    assert done.code == 2
    where = 'experiments/RQ1.py", line 3', 'mylib.py", line 2', "ValueError: not this"
    places = [done.err.index(text) for text in where]
    assert places == sorted(places)
    assert "mylib.py:2: ValueError: not this" in project.run("list", "--import").out


def test_a_package_whose_init_fails(project: Project) -> None:
    project.write({"experiments/pack/__init__.py": "1 / 0"}).experiments("pack/a", "b")
    done = project.run("list", "--import")
    assert "experiments/pack/__init__.py:1: ZeroDivisionError" in done.out
    assert "b.b" in done.out


def test_no_half_module_is_left(project: Project) -> None:
    body = """
from superparams.cli.file_imports import load_each
before = set(sys.modules)
for target in ("bad", "good", "bad"):
    (one,) = load_each(root, resolve(root, target))
    print(target, one.error and one.error.brief)
print(sorted(name for name in sys.modules if name.startswith("experiments.")))
"""
    project.write(
        {
            "experiments/bad.py": "x = 1\nraise ValueError('late')",
            "experiments/good.py": "from experiments import bad",
            "drive.py": DRIVER.format(body=body),
        }
    )
    done = project.python("drive.py")
    assert done.code == 0, done.err
    late = "experiments/bad.py:2: ValueError: late"
    assert done.out.splitlines() == [f"bad {late}", f"good {late}", f"bad {late}", "[]"]


def test_what_files_print_is_no_output(project: Project) -> None:
    project.experiments("RQ1")
    project.write(
        {
            "experiments/loud.py": """
            import os, subprocess, sys
            from superparams import Experiment, search
            print("from python")
            os.write(1, b"from c\\n")
            subprocess.run([sys.executable, "-c", "print('from a child')"])
            sys.__stdout__.write("past the redirection\\n")

            class Loud(Experiment):
                a: int = search([1, 2])
                def __init_subclass__(cls): print("class")
                def valid(self): print("valid"); return True
                def run(self): pass
            """
        }
    )
    done = project.run("list", "--import", "--json")
    assert [one["name"] for one in done.document["experiments"]] == ["RQ1.RQ1", "loud.Loud"]
    for text in ("from python", "from c", "from a child", "past the redirection", "valid"):
        assert text in done.err


def test_ctrl_c_ends_a_listing(project: Project) -> None:
    project.write(
        {
            "experiments/a.py": "import time\nopen('begun', 'w').close()\ntime.sleep(60)",
            "experiments/b.py": "open('second', 'w').close()",
        }
    )
    process = subprocess.Popen(
        [EXPERIMENT, "list", "--import"],
        cwd=project.folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((project.folder / "begun").exists)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "\nInterrupted.\n")
    assert not Path(project.folder / "second").exists()


def test_ctrl_c_while_a_file_beside_a_folder_is_imported(project: Project) -> None:
    project.experiments("index/RQ1").write(
        {"experiments/index.py": "import time\nopen('begun', 'w').close()\ntime.sleep(60)"}
    )
    process = subprocess.Popen(
        [EXPERIMENT, "index.RQ1"],
        cwd=project.folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((project.folder / "begun").exists)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "\nInterrupted.\n")
    assert project.recorded() == {}
