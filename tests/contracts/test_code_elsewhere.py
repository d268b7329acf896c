"""Code of the project reaches the workers of an executor that know nothing of the project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_cluster import ROOT, needs_namespaces

HELPERS = (
    "RATE = 3\n\ndef times(x):\n    from parts.lazily import plus\n    return plus(RATE * x)\n"
)
LAZILY = "def plus(x):\n    return x + 1\n"
EXPERIMENT = """
from superparams import Experiment, search
from helpers import times

class Mine(Experiment):
    x: int = search(range(4))

    def run(self):
        return {"y": times(self.x)}
"""
SCRIPT = """
import json, sys
root, project, folder, *command = sys.argv[1:]
sys.path[:0] = [project, root]
from mine import Mine
from tests.small_cluster import SmallCluster
from pathlib import Path
with SmallCluster(2, command=command, python_path=[Path(root)]) as executor:
    results = Mine().run_all(2, engine=executor, progress=False, results=folder)
print(json.dumps([row["error"] or row["y"] for row in results.to_arrow().to_pylist()]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "parts").mkdir(parents=True)
    for name, text in {"helpers": HELPERS, "parts/lazily": LAZILY, "mine": EXPERIMENT}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def _answers(project: Path, *command: str) -> object:
    """What the settings return, on workers that are started by a command."""
    arguments = [str(ROOT), str(project), str(project.with_name("results")), *command]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_workers_find_modules_in_the_folders_of_the_driver(project: Path) -> None:
    assert _answers(project) == [1, 4, 7, 10]


@needs_namespaces
def test_workers_without_the_folder_import_from_the_texts_that_travel(project: Path) -> None:
    hidden = f'mount -t tmpfs none {project} && exec "$@"'
    assert _answers(project, "unshare", "-m", "sh", "-c", hidden, "sh") == [1, 4, 7, 10]
