"""Row 69: a column is added to outcomes; what was written without it is read, and never misread.

Another version of superparams is a copy of this one in a folder of its own, with one more column.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import superparams
from superparams import Results
from superparams.errors import StoreError
from superparams.outcomes.columns import FORMAT
from superparams.outcomes.ipc_streams import FORMAT_KEY
from tests.sweeps import sweep
from tests.timing import PATIENCE

pytestmark = pytest.mark.usefixtures("no_leaks")

NEW = FORMAT + 1
# What a developer adds for a new column: an entry of the list, and an attribute.
COLUMN = (
    f'    OutcomeColumn("energy", "double", "joules", since={NEW}, default=-1.0),\n'
    ")\n\nLEDGER_COLUMNS"
)
ATTRIBUTE = "    peak_memory: int | None = None\n    energy: float | None = 7.5\n"

EXPERIMENT = """
from __future__ import annotations

import sys

from superparams import Experiment, search


class Fit(Experiment):
    x: int = search([1, 2, 3])

    def run(self) -> dict[str, object]:
        return {"y": self.x / 2, "last": -5}


class Same(Fit):
    def run(self) -> dict[str, object]:
        return {"energy": f"of {self.x}", "last": -5}


class Frames(Fit):
    def run(self) -> object:
        import pyarrow as pa

        return pa.table({"y": [0.5, 1.5]})


class Failing(Fit):
    def run(self) -> dict[str, object]:
        if self.x == 2:
            raise ValueError("no")
        return {"y": 1.0}


if __name__ == "__main__":
    name, num_proc = sys.argv[1:]
    globals()[name]().run_all(int(num_proc), progress=False)
"""
READ = """
import json, sys
from superparams import Results
print(json.dumps([list(Results.load(path)) for path in sys.argv[1:]], default=str))
"""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the superparams of a later version."""
    folder = tmp_path_factory.mktemp("newer") / "site-packages"
    package = folder / "superparams"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(superparams.__file__).parent, package, ignore=ignore)
    replace(package / "outcomes/columns.py", ")\n\nLEDGER_COLUMNS", COLUMN)
    replace(package / "outcomes/outcome.py", ATTRIBUTE.partition("\n")[0] + "\n", ATTRIBUTE)
    info = folder / "superparams-99.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: superparams\nVersion: 99.1\n")
    return folder


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    Path("pyproject.toml").touch()
    Path("fit.py").write_text(EXPERIMENT)
    return project


def python(version: Path | None, *words: str) -> subprocess.CompletedProcess[str]:
    """A Python at work here, with the superparams of a folder, or with this one."""
    folder = Path(superparams.__file__).parents[1] if version is None else version
    return subprocess.run(
        [sys.executable, "-W", "error", *words],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def run(version: Path | None, *words: str) -> str:
    ended = python(version, *words)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def read(version: Path | None, *names: str) -> list[list[dict[str, Any]]]:
    roots = [str(root_of(name)) for name in names]
    found: list[list[dict[str, Any]]] = json.loads(run(version, "-c", READ, *roots))
    return found


def root_of(name: str) -> Path:
    return Path("results", f"fit.{name}").absolute()


def ledgers(name: str) -> Iterator[pa.Schema]:
    for path in sorted(root_of(name).glob("runs/*/ledger/*.arrows")):
        yield pa.ipc.open_stream(path).schema


@sweep(2, "source", ["table", "ledger", "both", "read-only"])
def test_69_what_was_written_without_a_column_has_its_default(
    here: Path, newer: Path, source: str
) -> None:
    names = ("Fit", "Same", "Frames", "Failing")
    for name in names:
        run(None, "fit.py", name, "1" if name == "Same" else "2")
        root = root_of(name)
        if source == "ledger":
            (root / "results.parquet").unlink()
        elif source == "table":
            shutil.rmtree(root / "runs")
        elif source == "read-only":  # the table cannot be replaced: rows are made in memory
            (root / "results.parquet").unlink()
            (root / "results.parquet").mkdir()
    if source in ("table", "read-only"):  # which warns of what it found
        ended = [python(newer, "-W", "ignore", "-c", READ, str(root_of(name))) for name in names]
        assert [one.returncode for one in ended] == [0] * 4, ended
        fit, same, frames, failing = [json.loads(one.stdout)[0] for one in ended]
    else:
        fit, same, frames, failing = read(newer, *names)
    for rows, size in ((fit, 3), (frames, 6), (failing, 3)):
        assert [row["energy"] for row in rows] == [-1.0] * size
    assert [(row["x"], row["y"], row["last"]) for row in fit] == [
        (1, 0.5, -5),
        (2, 1.0, -5),
        (3, 1.5, -5),
    ]
    assert [row["energy"] for row in same] == [-1.0] * 3
    assert [row["result.energy"] for row in same] == ["of 1", "of 2", "of 3"]
    assert [row["status"] for row in failing] == ["done", "failed", "done"]
    assert all(row["peak_memory"] is None for row in fit)


@pytest.mark.parametrize("num_proc", ["1", "2"])
def test_69_old_and_new_rows_stand_in_one_table(here: Path, newer: Path, num_proc: str) -> None:
    run(None, "fit.py", "Fit", num_proc)
    replace(here / "fit.py", "x: int = search([1, 2, 3])", "x: int = search([1, 2, 3, 4, 5])")
    run(newer, "fit.py", "Fit", num_proc)
    (rows,) = read(newer, "Fit")
    assert [(row["x"], row["energy"]) for row in rows] == [
        (1, -1.0),
        (2, -1.0),
        (3, -1.0),
        (4, 7.5),
        (5, 7.5),
    ]
    assert [schema.metadata[FORMAT_KEY] for schema in ledgers("Fit")] == [
        b"%d" % FORMAT,
        b"%d" % NEW,
    ]
    schema = parquet.read_schema(root_of("Fit") / "results.parquet")
    head = json.loads(schema.metadata[b"superparams"])
    assert (head["version"], head["superparams"]) == (NEW, "99.1")


def test_69_failures_are_removed_from_an_old_ledger(here: Path, newer: Path) -> None:
    run(None, "fit.py", "Failing", "1")
    clean = "from superparams.store.ledger.exclusions import Exclusions, remove_excluded\n"
    clean += "from superparams.store.runs.folder import run_folders\nimport sys, pathlib\n"
    clean += "failures = Exclusions(failures=True)\n"
    clean += "for one in run_folders(pathlib.Path(sys.argv[1])): remove_excluded(one, failures)"
    run(newer, "-c", clean, str(root_of("Failing")))
    (root_of("Failing") / "results.parquet").unlink()
    (rows,) = read(newer, "Failing")
    assert [(row["x"], row["energy"]) for row in rows] == [(1, -1.0), (3, -1.0)]


@pytest.mark.parametrize("source", ["table", "ledger", "both"])
def test_69_a_newer_format_is_refused_and_left_alone(here: Path, newer: Path, source: str) -> None:
    run(newer, "fit.py", "Fit", "2")
    root = root_of("Fit")
    if source == "ledger":
        (root / "results.parquet").unlink()
    elif source == "table":
        shutil.rmtree(root / "runs")
    before = files(root)
    told = rf"superparams 99\.1, in version {NEW} of .* up to {FORMAT}\. Upgrade superparams"
    with pytest.raises(StoreError, match=told):
        Results.load(root)
    ended = python(None, "fit.py", "Fit", "2")
    assert ended.returncode == 1
    assert "Upgrade superparams" in ended.stderr
    left = files(root)
    assert {path: left[path] for path in before} == before
    if source != "table":  # which warns that it has rows of no ledger
        assert [row["energy"] for row in read(newer, "Fit")[0]] == [7.5] * 3


def test_69_a_newer_format_without_a_manifest_is_refused_too(here: Path, newer: Path) -> None:
    run(newer, "fit.py", "Fit", "1")
    (root_of("Fit") / "results.parquet").unlink()
    for path in root_of("Fit").glob("runs/*/run.json"):
        path.unlink()
    with pytest.raises(StoreError, match="written by a newer superparams, in version"):
        Results.load(root_of("Fit"))


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
