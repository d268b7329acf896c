"""Ledgers that are shorter than the table, and folders that can only be read: rows 51 and 53."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from superparams.errors import StoreError
from superparams.outcomes.batches import encode
from superparams.store.cleanup import plan_cleaning
from superparams.store.ledger.reader import LedgerWarning, ledger_files
from superparams.store.ledger.writer import Ledger
from superparams.store.results import Results
from superparams.store.runs.folder import run_folders
from superparams.store.table.index import read_index
from superparams.store.table.merge import compact
from tests.recording import begun, done, failed, key, keys_of, run

pytestmark = pytest.mark.usefixtures("no_leaks")

ROOT = Path(__file__).resolve().parents[2]


def recorded(root: Path) -> Path:
    """A table of two runs: 0 to 39, where 3 failed at first, and 30 to 59."""
    first = [failed(3), *(done(n, {"x": n}, attempt=2 if n == 3 else 1) for n in range(40))]
    run(root, first)
    run(root, [done(n, {"x": -n}) for n in range(30, 60)], code="c2")
    compact(root)
    return root


EXPECTED = {n: n for n in range(30)} | {n: -n for n in range(30, 60)}


def rows(root: Path) -> dict[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        return {row["a"]: row["x"] for row in Results.load(root) if row["status"] == "done"}


# ---- what happens to a ledger. Each gives the number of rows that the table alone has then.


def truncated(root: Path, size: int = 100) -> int:
    for path in ledger_files(run_folders(root)[0].ledger):
        os.truncate(path, size)
    return 30


def cut_in_the_middle(root: Path) -> int:
    """The first attempt of 3, which failed, is there; the second is not."""
    others = [
        path
        for path in ledger_files(run_folders(root)[0].ledger)
        if b"ValueError" not in path.read_bytes()
    ]
    assert len(others) == 1
    others[0].unlink()
    return 30


def without_ledger(root: Path) -> int:
    shutil.rmtree(run_folders(root)[0].ledger)
    return 30


def without_run(root: Path) -> int:
    shutil.rmtree(run_folders(root)[0].path)
    return 30


def without_runs(root: Path) -> int:
    shutil.rmtree(root / "runs")
    return 60


def overwritten(root: Path) -> int:
    """Damaged in the middle, and longer than it was."""
    for path in ledger_files(run_folders(root)[0].ledger):
        data = bytearray(path.read_bytes())
        data[len(data) // 4 : len(data) // 2] = b"\x07" * (len(data) // 2 - len(data) // 4)
        path.write_bytes(data + b"more")
    return -1  # some


def zeroed(root: Path) -> int:
    """Zeros of the same length, as after a power cut."""
    for path in ledger_files(run_folders(root)[0].ledger):
        path.write_bytes(bytes(path.stat().st_size))
    return 30


def replaced_by_noise(root: Path) -> int:
    for path in ledger_files(run_folders(root)[0].ledger):
        path.write_bytes(b"\x01" + os.urandom(path.stat().st_size - 1))
    return 30


def emptied(root: Path) -> int:
    return truncated(root, 0)


def replaced_by_folders(root: Path) -> int:
    for path in ledger_files(run_folders(root)[0].ledger):
        path.unlink()
        path.mkdir()
    return 30


def replaced_by_pipes(root: Path) -> int:
    for path in ledger_files(run_folders(root)[0].ledger):
        path.unlink()
        os.mkfifo(path)
    return 30


def without_manifest(root: Path) -> int:
    (run_folders(root)[0].path / "run.json").write_text("{")
    return truncated(root)


FAULTS = (
    truncated,
    cut_in_the_middle,
    without_ledger,
    without_run,
    without_runs,
    overwritten,
    zeroed,
    replaced_by_noise,
    emptied,
    replaced_by_folders,
    replaced_by_pipes,
    without_manifest,
)


@pytest.mark.parametrize("fault", FAULTS)
def test_51_no_row_is_dropped_and_a_warning_says_so(
    tmp_path: Path, fault: Callable[[Path], int]
) -> None:
    root = recorded(tmp_path / "x")
    name = run_folders(root)[0].name
    number = fault(root)
    for _ in range(2):  # also when it is read again
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = Results.load(root)
        assert {row["a"]: row["x"] for row in found} == EXPECTED
        texts = [str(one.message) for one in told]
        (note,) = [one for one in texts if "in results.parquet alone" in one]
        assert name in note
        assert number < 0 or f": {number} rows stand" in note
        assert any(name in one for one in found.notes)
    # They count as done, by the code that made them; a run and a clean keep them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        index = read_index(root)
        assert keys_of(index, "done", by=["c1"]) == {key(n) for n in range(30)}
        assert keys_of(index, "done", by=["c2"]) == {key(n) for n in range(30, 60)}
        run(root, [done(0, {"x": 1000}), done(60, {"x": 60})])
        assert rows(root) == EXPECTED | {0: 1000, 60: 60}
        plan_cleaning(root, codes=["c1"], in_space=lambda _: set()).carry_out()
        assert rows(root) == EXPECTED | {0: 1000, 60: 60}
        # What is forgotten on purpose goes.
        plan_cleaning(root, codes=["c2"], in_space=lambda _: set(), stale=True).carry_out()
        assert rows(root) == {n: -n for n in range(30, 60)}


def test_51_an_older_copy_of_a_ledger_and_of_a_table(tmp_path: Path) -> None:
    root = tmp_path / "x"
    folder = begun(root, [done(0, {"x": 0})])
    folder.finish()
    compact(root)
    (path,) = ledger_files(folder.ledger)
    early, early_table = path.read_bytes(), (root / "results.parquet").read_bytes()
    for n in range(1, 5):
        with Ledger(folder.ledger) as ledger:
            ledger.append(encode([done(n, {"x": n})]))
    compact(root)
    whole = {n: n for n in range(5)}
    late = {each: each.read_bytes() for each in ledger_files(folder.ledger)}
    # The ledger goes back, and comes again.
    for each in late:
        each.unlink()
    path.write_bytes(early)
    assert rows(root) == whole
    run(root, [done(9, {"x": 9})])
    assert rows(root) == whole | {9: 9}
    for each, data in late.items():
        each.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {row["a"]: row["x"] for row in Results.load(root)} == whole | {9: 9}
    # The table goes back.
    (root / "results.parquet").write_bytes(early_table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert {row["a"]: row["x"] for row in Results.load(root)} == whole | {9: 9}


def test_51_a_row_whose_run_is_gone_says_so(tmp_path: Path) -> None:
    root = recorded(tmp_path / "x")
    name = run_folders(root)[0].name
    without_run(root)
    with pytest.warns(LedgerWarning, match=name):
        found = Results.load(root)
    row = found.row(key(0))
    with pytest.raises(StoreError, match=f"folder of run {name} is gone"):
        found.provenance(row)
    assert found.provenance(key(59)).run.is_dir()


def test_51_frames_stay_whole(tmp_path: Path) -> None:
    root = tmp_path / "x"
    run(root, [done(0, pa.table({"x": [1, 2, 3]})), done(1, {"x": 9})])
    compact(root)
    truncated(root)
    assert told_of(root) == ([1, 2, 3, 9], ["4 rows stand"])
    run(root, [done(0, pa.table({"x": [5, 6]}))])
    assert told_of(root) == ([5, 6, 9], ["1 row stands"])


def told_of(root: Path) -> tuple[list[int], list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        found = Results.load(root)
    return sorted(row["x"] for row in found), [note.partition(" in ")[0] for note in found.lost]


# ---- 53: folders that can only be read

EXPERIMENT = """
from superparams import Experiment, search
class Use(Experiment):
    x: int = search([1, 2, 3])
    def run(self):
        print("said", self.x)
        return {"y": self.x}
"""
LOOK = """
import contextlib, io, json, os, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
import _strptime, importlib, pkgutil, superparams
for one in pkgutil.walk_packages(superparams.__path__, "superparams."):
    if not one.name.endswith("__main__"):
        importlib.import_module(one.name)  # the other user may not see them
root = Path("results/use.Use")
if len(sys.argv) > 1:
    os.seteuid(int(sys.argv[1]))
before = {str(path): path.lstat().st_mtime_ns for path in sorted(Path("results").rglob("*"))}
try:
    (root / "new").write_text("")
    sys.exit("it can be written")
except OSError:
    pass
from superparams import Results
from superparams.cli.command import execute
found = Results.load(root)
assert sorted(row["y"] for row in found) == [1, 2, 3], list(found)
row = found.best("y")
made = found.provenance(row)
assert "use.py" in str(made.files), made.files
then = Path(sys.argv[2] if len(sys.argv) > 2 else "/tmp") / "then"
made.restore(then, git=False)
assert (then / "experiments" / "use.py").exists() or (then / "use.py").exists()
sys.path.insert(0, str(Path("experiments")))
def said(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            execute("experiment", words)
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()
for words in (["list"], ["status", "use"], ["results", "use"], ["results", "use", "--json"],
              ["show", "use", "x=2"], ["runs", "use"], ["diff", "use"],
              ["logs", "use", "x=2", "--json"], ["use", "--plan"], ["clean", "use", "--dry-run"]):
    code, out, err = said(*words)
    assert code == 0 and out, (words, code, out, err)
code, out, err = said("use", "x=7")
assert code == 2 and err.count("Error") == 1 and "cannot make a run folder" in err, err
assert "Traceback" not in err, err
after = {str(path): path.lstat().st_mtime_ns for path in sorted(Path("results").rglob("*"))}
assert before == after
print("well")
"""


def a_project(folder: Path) -> Path:
    (folder / "experiments").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("")
    (folder / "experiments" / "use.py").write_text(EXPERIMENT)
    for words in (["use", "x=1,2"], ["use", "--rerun"]):
        subprocess.run(
            [str(Path(sys.executable).parent / "experiment"), *words, "-n", "2"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            timeout=120,
        )
    return folder / "results" / "use.Use"


def looked(folder: Path, *words: str) -> None:
    ended = subprocess.run(
        [*words] if words[0] == "unshare" else [sys.executable, "-B", "-c", LOOK, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "well\n"), ended.stderr


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that others may look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_53_all_that_reads_works_for_another_user(open_path: Path) -> None:
    root = a_project(open_path / "project")
    for path in (open_path / "project").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (open_path / "beside").mkdir()
    (open_path / "beside").chmod(0o777)
    behind = run_folders(root)[-1]
    for case in ("missing", "behind", "whole"):
        shutil.rmtree(open_path / "beside" / "then", ignore_errors=True)
        table = root / "results.parquet"
        if case == "missing":
            kept = table.read_bytes()
            table.unlink()
        elif case == "behind":  # the newest run is not in it
            shutil.move(behind.path, open_path / "away")
            compact(root)
            shutil.move(open_path / "away", behind.path)
            table.chmod(0o644)
        else:
            table.write_bytes(kept)
        looked(open_path / "project", "65534", str(open_path / "beside"))


SMALL = ["unshare", "-rm", "sh", "-c"]


@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(
        [*SMALL, "mount -t tmpfs x /mnt"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="no mount namespaces here",
)
def test_53_all_that_reads_works_on_a_read_only_file_system(tmp_path: Path) -> None:
    root = a_project(tmp_path / "project")
    (root / "results.parquet").unlink()
    (tmp_path / "look.py").write_text(textwrap.dedent(LOOK).replace('"/tmp"', f'"{tmp_path}"'))
    folder = tmp_path / "project"
    script = (
        f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && "
        f"cd {folder} && exec {sys.executable} -B {tmp_path / 'look.py'}"
    )
    looked(folder, *SMALL, script)
