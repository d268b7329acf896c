"""Parts of a results folder that may not be read: nothing of them is lost. FAULTS row 53."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from superparams.store.ledger.reader import LedgerWarning
from superparams.store.results import Results

pytestmark = pytest.mark.usefixtures("no_leaks")

EXPERIMENT = """
from superparams import Experiment, search

class Use(Experiment):
    x: int = search([1, 2, 3])

    def run(self):
        return {"y": self.x}
"""
COMMAND = str(Path(sys.executable).parent / "experiment")
# Root reads everything, unless it lacks the capability to.
PLAIN_USER = (
    ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if os.geteuid() == 0 and shutil.which("setpriv")
    else []
)
needs_user = pytest.mark.skipif(
    os.geteuid() == 0
    and (
        not PLAIN_USER
        or subprocess.run([*PLAIN_USER, "true"], capture_output=True, check=False).returncode != 0
    ),
    reason="root reads everything",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two runs, all of which the table holds."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "experiments").mkdir()
    (folder / "pyproject.toml").write_text("")
    (folder / "experiments" / "use.py").write_text(EXPERIMENT)
    for words in (["x=1,2"], ["x=3"]):
        assert experiment(folder, "use", *words).returncode == 0
    return folder


@pytest.fixture
def root(project: Path, tmp_path: Path) -> Path:
    shutil.copytree(project, tmp_path / "copy")
    return tmp_path / "copy" / "results" / "use.Use"


def experiment(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PLAIN_USER, COMMAND, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@needs_user
def test_53_a_table_that_may_not_be_read_is_not_replaced(root: Path) -> None:
    table = root / "results.parquet"
    first = min((root / "runs").iterdir())
    shutil.rmtree(first)  # the table alone has its rows
    before = table.read_bytes()
    table.chmod(0)
    project = root.parent.parent
    for words in (["list"], ["status", "use"], ["show", "use", "x=3"]):
        ended = experiment(project, *words)
        assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
        assert "results.parquet cannot be read" in ended.stderr
        assert "damaged" not in ended.stderr
    assert "1 setting: 1 done" in experiment(project, "results", "use").stdout
    ran = experiment(project, "use", "x=9")
    assert ran.returncode == 2
    assert "is not replaced, since it cannot be read and may hold rows that no ledger" in ran.stderr
    table.chmod(0o644)
    assert table.read_bytes() == before
    assert {path.name for path in root.iterdir()} == {"results.parquet", "runs"}
    assert rows(root) == [1, 2, 3, 9]


def rows(root: Path) -> list[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        return sorted(row["y"] for row in Results.load(root))


@pytest.mark.parametrize("is_gone", [False, True])
def test_53_a_limit_of_open_files_does_not_cost_rows(root: Path, is_gone: bool) -> None:
    runs = sorted((root / "runs").iterdir())
    if is_gone:
        shutil.rmtree(runs[0])
    assert rows(root) == [1, 2, 3]
    before = (root / "results.parquet").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = len(os.listdir("/proc/self/fd")) + 1 if Path("/proc/self/fd").exists() else 64
    for most in range(free - 2, free + 6):  # at some of them the table cannot be opened
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
        try:
            found = [row["y"] for row in results_or_none(root)]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert set(found) <= {1, 2, 3}
    assert (root / "results.parquet").read_bytes() == before
    assert rows(root) == [1, 2, 3]


def results_or_none(root: Path) -> list[dict[str, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        try:
            return list(Results.load(root))
        except Exception:
            return []


@needs_user
@pytest.mark.parametrize(
    ("part", "verbs"),
    [
        ("source", ["show use x=3", "show use x=3 --json", "diff use"]),
        ("logs", ["show use x=3", "logs use x=3"]),
        ("run.json", ["show use x=3", "runs use"]),
    ],
)
def test_53_what_is_left_is_shown_of_a_run_that_may_be_read_in_part(
    part: str, verbs: list[str], root: Path
) -> None:
    taken = [path / part for path in (root / "runs").iterdir()]
    for path in taken:
        path.chmod(0)
    try:
        ended = [experiment(root.parent.parent, *verb.split()) for verb in verbs]
    finally:
        for path in taken:
            path.chmod(0o755)
    for one in ended:
        assert (one.returncode, "Error" in one.stderr) == (0, False), one.stderr
    if part == "source":
        assert "/source, which cannot be read (Permission denied)" in ended[0].stdout
        assert "to run it again" not in ended[0].stdout
        assert '"back": []' in ended[1].stdout


@needs_user
@pytest.mark.parametrize("lock", [lambda path: path.chmod(0), lambda path: path.parent.chmod(0)])
def test_53_a_ledger_that_may_be_read_again_is_read(
    lock: Callable[[Path], None], root: Path
) -> None:
    (root / "results.parquet").unlink()
    ledger = max((root / "runs").iterdir()) / "ledger" / "0.arrows"
    lock(ledger)
    project = root.parent.parent
    ended = experiment(project, "results", "use")
    assert ended.returncode == 0
    assert "2 settings: 2 done" in ended.stdout
    assert "Permission denied" in ended.stderr
    ledger.parent.chmod(0o755)
    ledger.chmod(0o644)
    assert "3 settings: 3 done" in experiment(project, "results", "use").stdout
