"""A file that is written twice within a second: Python takes the compiled copy of the first text.

FAULTS row 47. The times of files are set, so that no test depends on when it runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import Project
from tests.runs import environment, script

pytestmark = pytest.mark.usefixtures("no_leaks")

FILE = """
from superparams import Experiment, search

class Fit(Experiment):
    a: float = search({{"low": {low}, "high": 2.0}})

    def run(self) -> dict[str, float]:
        return {{"y": self.a}}
"""
SECOND = 10**9
MAKES_COPIES = {"PYTHONDONTWRITEBYTECODE": ""}


def write(file: Path, low: str, begun: int, tenths: int) -> None:
    """Write a text, so many tenths after a second began."""
    file.write_text(FILE.format(low=low))
    os.utime(file, ns=(begun * SECOND + tenths * SECOND // 10,) * 2)


def age_copies(folder: Path) -> None:
    copies = list(folder.glob("__pycache__/fit.*.pyc"))
    assert copies, "nothing is tried without a compiled copy"
    for copy in copies:
        begun = int((folder / "fit.py").stat().st_mtime)
        os.utime(copy, ns=(begun * SECOND + 3 * SECOND // 10,) * 2)


def test_47_the_command_runs_the_file_as_it_is(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").write({"experiments/fit.py": ""})
    file = project.folder / "experiments" / "fit.py"
    begun = int(time.time()) - 100
    for low, tenths in (("1.0", 1), ("1.5", 6)):
        write(file, low, begun, tenths)
        done = project.run("run", "fit", "--no-progress", env=MAKES_COPIES)
        assert (done.code, done.err) == (0, "")
        age_copies(file.parent)
    found = project.run("results", "fit", "--json").document[0]["rows"]
    rows = {row["a"]: row["y"] for row in found}
    assert rows == {"low (1.0)": 1.0, "low": 1.5, "high": 2.0}


def test_47_a_script_is_told_that_its_module_is_outdated(tmp_path: Path) -> None:
    """What differs is in the body of a class: no function and no constant of the module."""
    file = tmp_path / "fit.py"
    driver = script(tmp_path, "from fit import Fit\nprint(Fit().run_all(progress=False).counts)\n")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(driver)],
            cwd=tmp_path,
            env=environment(**MAKES_COPIES),
            capture_output=True,
            text=True,
            check=False,
        )

    begun = int(time.time()) - 100
    write(file, "1.0", begun, 1)
    ended = run()
    assert ended.returncode == 0, ended.stderr
    age_copies(tmp_path)
    write(file, "1.5", begun, 6)
    ended = run()
    assert ended.returncode != 0
    assert "has loaded an outdated compiled copy" in ended.stderr
    assert run().returncode == 0, "the copy was deleted"


def test_47_a_copy_that_python_does_not_take_is_no_matter(tmp_path: Path) -> None:
    """It stays where nobody may write another one, and is older than the file."""
    file = tmp_path / "fit.py"
    driver = script(
        tmp_path, "from fit import Fit\nprint(Fit().run_all(progress=False).best('y'))\n"
    )
    begun = int(time.time()) - 100
    for low, second, more in (("1.0", 0, MAKES_COPIES), ("7.5", 5, {})):
        write(file, low, begun + second, 1)
        ended = subprocess.run(
            [sys.executable, str(driver)],
            cwd=tmp_path,
            env=environment(**{"PYTHONDONTWRITEBYTECODE": "1", **more}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        age_copies(tmp_path)
    assert "7.5" in ended.stdout
