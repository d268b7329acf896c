"""Applications that are no Python: `sys.executable` is the application itself. FAULTS row 65."""

from __future__ import annotations

import os
import pkgutil
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import superparams

pytestmark = pytest.mark.usefixtures("no_leaks")

# As the loader of PyInstaller or cx_Freeze leaves it for the main module of an application.
FREEZE = """
import os, sys
sys.frozen, sys.executable = True, {executable!r}
with open({starts!r}, "a") as file:
    file.write("started\\n")
"""
APPLICATION = """
import threading, time
from part import Base
from superparams import search, value
from superparams.executor import Processes

class Squares(Base):
    x: int = search(range(6))

    def run(self):
        thread = threading.Thread(target=__import__, args=("superparams.errors",))
        thread.start()
        thread.join()
        open(f"{os.getpid()}.process", "w").close()
        while sum(name.endswith(".process") for name in os.listdir()) < 2:
            time.sleep(0.001)  # one worker could run all of them before the other has begun
        return {"y": self.squared(), "process": os.getpid()}

print("main", flush=True)
found = Squares().run_all(2, engine=Processes(start_method=METHOD), progress=False)
print(found.counts, [row["y"] for row in found], len({row["process"] for row in found}))
"""
PART = """
from superparams import Experiment

class Base(Experiment):
    def squared(self):
        return self.x ** 2
"""


def application(folder: Path, text: str, method: str | None = None) -> Path:
    """A program that starts `text` anew whatever it is started with, as a frozen one does."""
    program, starts = folder / "application", folder / "starts"
    freeze = FREEZE.format(executable=str(program), starts=str(starts))
    (folder / "main.py").write_text(freeze + f"METHOD = {method!r}\n" + text)
    (folder / "part.py").write_text(PART)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/main.py" "$@"\n')
    program.chmod(0o755)
    return program


def started(program: Path, **more: Any) -> tuple[subprocess.CompletedProcess[str], int]:
    """How it ended, and how often it was started in all."""
    ended = subprocess.run(
        [str(program)],
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        **more,
    )
    return ended, len((program.parent / "starts").read_text().splitlines())


@pytest.mark.parametrize(("method", "starts"), [(None, 2), ("spawn", 4), ("fork", 1)])
def test_65_a_frozen_application_works(method: str | None, starts: int, tmp_path: Path) -> None:
    ended, count = started(application(tmp_path, APPLICATION, method))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "main\n{'done': 6} [0, 1, 4, 9, 16, 25] 2\n"
    assert count == starts  # itself, the template, and with spawn two workers


LATE = """
print("main", flush=True)
if not os.environ.get("SUPERPARAMS_PROCESS"):
    from superparams import Experiment, search
    class Squares(Experiment):
        x: int = search(range(6))
        def run(self):
            return {"y": self.x ** 2}
    Squares().run_all(2, progress=False)
"""


def test_65_an_application_without_superparams_is_a_clear_error(tmp_path: Path) -> None:
    ended, count = started(application(tmp_path, LATE))
    assert ended.returncode == 1
    assert count == 2
    assert "EngineError: workers cannot be started" in ended.stderr
    assert "import superparams at the top of its main module" in ended.stderr


EMBEDDED = """
import sys
from superparams import Experiment, search
class Squares(Experiment):
    x: int = search(range(6))
    def run(self):
        return {"y": self.x ** 2}
sys.executable = sys.argv[1]
Squares().run_all(2, progress=False)
"""


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo"])
def test_65_a_program_that_is_no_python_is_a_clear_error(program: str, tmp_path: Path) -> None:
    """As where Python is embedded."""
    ended = subprocess.run(
        [sys.executable, "-c", EMBEDDED, program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1
    assert f"of the Python '{program}'" in ended.stderr
    assert "set sys.executable to the Python that is to run them" in ended.stderr


def test_65_pyinstaller_is_told_of_all_modules() -> None:
    """Most of them are imported by name when a run needs them, which PyInstaller cannot see."""
    project = Path(__file__).parents[2] / "pyproject.toml"
    (place,) = re.findall(r'pyinstaller40\]\nhook-dirs = "(.+)"', project.read_text())
    (folder,) = pkgutil.resolve_name(place)()
    hook = runpy.run_path(str(Path(folder) / "hook-superparams.py"))
    told = hook["hiddenimports"]
    walked = pkgutil.walk_packages(superparams.__path__, "superparams.")
    names = [one.name for one in walked if "-" not in one.name]  # a hook is no module
    assert sorted(told) == sorted(["superparams", *names])
    assert "superparams.executor.engines.processes.engine" in told
    kept = list(Path(superparams.__file__).parent.rglob("*.html"))
    assert [Path(file) for file, _ in hook["datas"]] == kept
    assert [Path(place, "page.html") for _, place in hook["datas"]] == [
        Path("superparams", "views", "page", "page.html")
    ]
