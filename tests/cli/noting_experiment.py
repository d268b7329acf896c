"""An experiment that notes what ran, and fails where it is told to, at the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from superparams.store.results import Results
from tests.cli.command import Done, Project, parents

# Notes in the project's file `ran` what ran; the settings that its file `bad` names fail.
FIT = '''
import os
from pathlib import Path
from superparams import Experiment, search

HERE = Path(__file__).parents[1]

def note(text):
    with open(HERE / "ran", "a") as file:
        file.write(f"{text}\\n")

class Fit(Experiment):
    """How well does it fit?"""
    a: int = search([1, 2, 3, 4])
    """A number."""
    kind: str = "plain"

    def run(self):
        note(self.a)
        if str(self.a) in (HERE / "bad").read_text():
            raise ValueError(f"not {self.a}")
        return {
            "y": 10 * self.a,
            "workers": self.n_proc,
            "is_here": str(os.getppid()) in os.environ["TESTS"].split(),
        }
'''


def run(project: Project, *words: str, code: int = 0, **more: Any) -> Done:
    """The command, which must end so."""
    env = {"TESTS": parents(), **more.pop("env", {})}
    ended = project.run(*words, env=env, **more)
    assert ended.code == code, f"{ended.code}\n{ended.out}\n{ended.err}"
    return ended


def ran(project: Project) -> list[int]:
    """What has run since this was asked last, in order."""
    file = project.folder / "ran"
    found = sorted(map(int, file.read_text().split())) if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def bad(project: Project, *settings: int) -> None:
    """Let these settings fail from now on, without any change of code."""
    (project.folder / "bad").write_text(" ".join(map(str, settings)))


def rows(project: Project, name: str = "RQ1.Fit", results: str = "results") -> list[dict[str, Any]]:
    """The rows of an experiment."""
    return list(Results.load(project.folder / results / name))


def column(project: Project, which: str, **more: str) -> list[Any]:
    """What the rows of an experiment have there, in the order of the table."""
    return [row[which] for row in rows(project, **more)]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files below, with their times and contents, but for what Python compiles."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and path.name != "experiments"
    }


# Another one for the end of the file, which lacks a field.
LACKS = """
class Lacks(Experiment):
    a: int = search([1, 2])

    def run(self):
        note(-self.a)
"""
