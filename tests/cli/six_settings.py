"""A project with an experiment of six settings, one of which fails."""

from __future__ import annotations

import shutil
from pathlib import Path

from superparams.store.results import Results
from tests.cli.command import Project

FITS = '''
from superparams import Experiment, search

class Fit(Experiment):
    """How well does it fit?"""
    kernel: str = search(["linear", "rbf"])
    C: float = search([0.1, 1.0, 10.0])

    def run(self):
        print("fitting", self.kernel, self.C)
        if self.kernel == "linear" and self.C > 1:
            raise ValueError("it does not converge")
        return {"accuracy": score(self.C), "loss": {"train": 1.0, "test": 2.0}}

def score(C):
    return 0.9 + 0.01 * C
'''


def fits(folder: Path) -> Project:
    """The project, where the experiment has run in two processes."""
    made = Project(folder).write({"experiments/RQ1.py": FITS})
    record(made)
    return made


def record(project: Project, *words: str) -> None:
    """Run the experiment."""
    ended = project.run("run", "RQ1", "-n", "2", *words)
    assert ended.code == 1, ended.err


def edit(project: Project, old: str, new: str) -> None:
    """Change the text of the experiment."""
    file = project.folder / "experiments/RQ1.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)  # written within one second


def root(project: Project) -> Path:
    """Where its results are kept."""
    return project.folder / "results" / "RQ1.Fit"


def key(project: Project, kernel: str, C: float) -> str:
    """The key of a setting."""
    (row,) = Results.load(root(project)).where(kernel=kernel, C=C)
    return str(row["key"])
