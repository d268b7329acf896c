"""Row 57: results of notebooks in one folder, each with a class of the same name, do not mix."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernels import Cell, Kernel
from tests.runs import environment

pytestmark = pytest.mark.usefixtures("no_leaks")

FIT = """
from superparams import Experiment, search

class Fit(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {{"y": self.x * {factor}}}
"""
RUN = """
found = Fit().run_all(progress=False)
print(found.root.name, found.provenance(next(iter(found))).run.name)
print([row["y"] for row in found], len(Fit.results()), Fit.results().root == found.root)
print("NOTES", [note for note in found.notes if "notebook" in note])
"""
KNOWN = "import os; os.environ['JPY_SESSION_NAME'] = {path!r}"
VSCODE = "import os; del os.environ['JPY_SESSION_NAME']; __vsc_ipynb_file__ = {path!r}"


@pytest.fixture(scope="module", autouse=True)
def loop(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the client of a kernel opens once a process is no leak of a test."""
    with notebook(tmp_path_factory.mktemp("kernel")):
        pass


@contextmanager
def notebook(folder: Path) -> Iterator[Kernel]:
    kernel = Kernel(folder)
    try:
        yield kernel
    finally:
        kernel.close()


def told(kernel: Kernel, factor: int) -> list[str]:
    """The folder of results, the run of its first row, the rest, and the notes."""
    ran: Cell = kernel.run(FIT.format(factor=factor) + RUN)
    assert ran.error is None, ran.error
    first, values, notes = "".join(ran.of("stdout")).splitlines()
    return [*first.split(), values, notes]


def test_57_notebooks_do_not_share_the_results_of_a_class_of_the_same_name(tmp_path: Path) -> None:
    with notebook(tmp_path) as kernel:
        one = told(kernel, 1)
        assert [one[0], *one[2:]] == ["__main__.Fit", "[1, 2] 2 True", "NOTES []"]
        edited = told(kernel, 3)  # the cell is edited: it is the same notebook
        assert [edited[0], *edited[2:]] == ["__main__.Fit", "[3, 6] 2 True", "NOTES []"]
    with notebook(tmp_path) as kernel:
        other = told(kernel, 2)
        assert [other[0], other[2]] == ["__main__.Fit~2", "[2, 4] 2 True"]
        assert "kept in __main__.Fit~2" in other[3]
    with notebook(tmp_path) as kernel:  # each finds its own again, and runs nothing
        assert told(kernel, 3) == edited
    with notebook(tmp_path) as kernel:
        assert told(kernel, 2)[:3] == other[:3]
        assert [told(kernel, 2)[3]] == ["NOTES []"]
        # Where the name is known, it is the folder's.
        assert kernel.run(KNOWN.format(path=str(tmp_path / "lab" / "a.ipynb"))).error is None
        assert told(kernel, 5)[::2] == ["a.ipynb.Fit", "[5, 10] 2 True"]
        assert told(kernel, 6)[::2] == ["a.ipynb.Fit", "[6, 12] 2 True"]
        assert kernel.run(VSCODE.format(path="C:\\\\work\\\\b.ipynb")).error is None
        assert told(kernel, 6)[::2] == ["b.ipynb.Fit", "[6, 12] 2 True"]
        # Results of before it was known are found by their code.
        assert told(kernel, 3)[:3] != edited[:3], "b.ipynb.Fit is there by now"
        assert (
            kernel.run(
                VSCODE.replace("del os.environ['JPY_SESSION_NAME'];", "").format(path="c.ipynb")
            ).error
            is None
        )
        assert told(kernel, 3) == edited
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"__main__.Fit", "__main__.Fit~2", "a.ipynb.Fit", "b.ipynb.Fit"}


def test_57_notebooks_of_one_name_in_different_folders(tmp_path: Path) -> None:
    """They keep results in one folder: each has its own part of it, and finds that again."""
    files = [tmp_path / name / "fit.ipynb" for name in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.write_text("{}")

    def run(kernel: Kernel, file: Path, factor: int) -> list[str]:
        assert kernel.run(KNOWN.format(path=str(file))).error is None
        return told(kernel, factor)

    with notebook(tmp_path) as kernel:
        first = run(kernel, files[0], 1)
        assert [first[0], *first[2:]] == ["fit.ipynb.Fit", "[1, 2] 2 True", "NOTES []"]
        other = run(kernel, files[1], 2)
        assert [other[0], other[2]] == ["fit.ipynb.Fit~2", "[2, 4] 2 True"]
        assert "another notebook of this name, one/fit.ipynb" in other[3]
        assert "kept in fit.ipynb.Fit~2" in other[3]
        # Each finds its own again and runs nothing, also when its code has changed.
        assert run(kernel, files[0], 1) == first
        assert run(kernel, files[1], 2)[:3] == other[:3]
        edited = run(kernel, files[0], 3)
        assert [edited[0], *edited[2:]] == ["fit.ipynb.Fit", "[3, 6] 2 True", "NOTES []"]
        assert run(kernel, files[1], 4)[::2] == ["fit.ipynb.Fit~2", "[4, 8] 2 True"]
        # One that was moved finds its results by its code.
        moved = tmp_path / "three" / "fit.ipynb"
        files[0].parent.rename(moved.parent)
        assert run(kernel, moved, 3) == edited


SCRIPT = """
from superparams import Experiment, search

class Fit(Experiment):
    x: int = search([1, 2])
    def run(self):
        return {{"y": self.x * {factor}}}

found = Fit().run_all(progress=False, results={results!r})
print([row["y"] for row in found], [note for note in found.notes if "another file" in note])
"""


def test_57_scripts_of_one_name_are_told_that_they_share_results(tmp_path: Path) -> None:
    def run(name: str, factor: int) -> str:
        (tmp_path / name).mkdir(exist_ok=True)
        text = SCRIPT.format(factor=factor, results="results")
        (tmp_path / name / "fitting.py").write_text(text)
        command = [sys.executable, f"{name}/fitting.py"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run("one", 1) == "[1, 2] []"
    assert run("one", 3) == "[3, 6] []"  # it is edited
    other = run("two", 2)
    assert other.startswith("[2, 4] ['the last run in fitting.Fit was of another file, one/fitt")
    assert run("two", 2) == "[2, 4] []"
    assert "another file, two/fitting.py" in run("one", 3)
    shutil.rmtree(tmp_path / "one")  # the script has moved
    assert run("three", 5) == "[5, 10] []"
    assert run("four", 5) == "[5, 10] []"  # a copy, such as a worktree, has the same code
    manifests = [
        json.loads(x.read_text()) for x in (tmp_path / "results").glob("*/runs/*/run.json")
    ]
    assert {one["file"] for one in manifests} == {
        f"../{x}/fitting.py" for x in ("one", "two", "three")
    }
