"""A run notes at its start that another run of the same experiment is in progress (row 63)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from superparams.store.runs.driver_process import this_process
from superparams.store.runs.folder import RunFolder, run_folders
from tests.contracts.programs import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

FILE = """
import sys, time
from pathlib import Path
from superparams import Experiment, search

class Waits(Experiment):
    x: int = search(range(6))

    def run(self):
        while self.x and self.x < 3 and Path("hold").exists():
            time.sleep(0.01)
        time.sleep(0.05)  # so that it is recorded before the next one
        return {"y": self.x}

if __name__ == "__main__":
    Waits(x=search([int(word) for word in sys.argv[1:]])).run_all(resume=False)
"""
ROOT = Path("results/waits.Waits")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("waits.py").write_text(FILE)


def begin(*values: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "waits.py", *map(str, values)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def notes(*values: int) -> list[str]:
    """What a run of these values says of others."""
    _, told = begin(*values).communicate(timeout=60)
    assert "Traceback" not in told, told
    return [line for line in told.splitlines() if "another run" in line]


@contextmanager
def runs_in_progress(*values: int) -> Iterator[subprocess.Popen[str]]:
    """A run that has recorded its first setting and hangs at the next."""
    Path("hold").touch()
    before = len(run_folders(ROOT))
    process = begin(*values)

    def has_begun() -> bool:
        folders = run_folders(ROOT)[before:]
        return bool(folders) and (folders[0].path / "todo.keys").exists() and recorded(folders[0])

    try:
        wait_for(has_begun, 60)
        yield process
    finally:
        Path("hold").unlink(missing_ok=True)
        process.communicate(timeout=60)


def recorded(run: RunFolder) -> bool:
    return any(path.stat().st_size for path in run.ledger.glob("*.arrows"))


def test_63_another_run_is_noted_while_it_lives() -> None:
    assert notes(5) == []
    with runs_in_progress(0, 1, 2) as other:
        name = run_folders(ROOT)[-1].name
        said = f"note: another run of waits.Waits is in progress: {name} (process {other.pid}; "
        assert notes(4, 5) == [f"{said}1 of 3 settings recorded); they have no settings in common"]
        both = "both run 2 settings, and use the same self.folder for each"
        (note,) = [line for line in shown(0, 2, 5) if "another run" in line]
        assert note == f"{said}1 of 3 settings recorded); {both}"
        other.kill()
        other.wait()
        assert notes(4, 5) == []  # its run.json still says that it runs
    with runs_in_progress(0, 1, 2), runs_in_progress(0, 1):
        assert len(notes(5)) == 2
    assert notes(5) == []


def test_63_a_run_without_progress_has_the_note_in_its_results() -> None:
    quiet = (
        "import sys; sys.path.insert(0, '')\n"
        "from waits import Waits, search\n"
        "found = Waits(x=search([4, 5])).run_all(resume=False, progress=False)\n"
        "print(*found.notes, sep='\\n')\n"
        "kept = found.provenance(next(iter(found))).run / 'run.json'\n"
        "print(__import__('json').loads(kept.read_text())['notes'])\n"
    )
    with runs_in_progress(0, 1, 2) as other:
        ended = subprocess.run(
            [sys.executable, "-c", quiet],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        said, kept = ended.stdout.splitlines()
        assert said.startswith("another run of waits.Waits is in progress: ")
        assert f"(process {other.pid}; 1 of 3" in said
        assert kept == repr([said])


def shown(*values: int) -> list[str]:
    """What a run says until it hangs too; it is ended then."""
    process = begin(*values)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if "another run" in line:
            break
    process.kill()
    process.communicate()
    return [line.strip() for line in lines]


def left(process: dict[str, Any], seconds: float = 0) -> RunFolder:
    """A run folder that says that `process` runs it, and gave its last sign so long ago."""
    run = RunFolder.create(ROOT, {"todo": 7})
    run.update(process=process)
    then = time.time() - seconds
    os.utime(run.path / "run.json", (then, then))
    return run


def test_63_heartbeats_count_if_the_process_is_not_visible() -> None:
    me = this_process()
    elsewhere = {**me, "host": "elsewhere", "pid": 77, "boot": "x"}
    contained = {**me, "space": "pid:[1]", "pid": 1}
    of_same_name = {**me, "boot": "x"}
    places = ((elsewhere, "elsewhere"), (contained, me["host"]), (of_same_name, me["host"]))
    for stranger, where in places:
        run = left(stranger, 10)
        (note,) = notes(5)
        assert f"{run.name} (process {stranger['pid']} on {where}, its last heartbeat was" in note
        assert "0 of 7 settings recorded" in note
        os.utime(run.path / "run.json", (time.time() - 500,) * 2)
        assert notes(5) == []
        run.finish()


@pytest.mark.parametrize(
    "change",
    [
        lambda me: {**me, "started": "1"},  # another process has its number by now
        lambda me: {**me, "pid": 2**22 + 1},
        lambda me: {},
        lambda me: "nonsense",
    ],
)
def test_63_a_run_that_is_over_is_not_noted(change: Callable[[Any], Any]) -> None:
    run = left(change(this_process()))
    Path(run.path.parent / "20200101T000000000000Z-abcdef").mkdir()  # killed as it began
    (run.path.parent / "20200101T000000000000Z-abcdef" / "run.json").write_text("{")
    assert notes(5) == []


def test_63_a_driver_sends_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    from superparams.store.runs import concurrent_runs, heartbeat

    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    n_threads = threading.active_count()
    over, mine = left(this_process()), left(this_process())
    assert (
        list(concurrent_runs.runs_in_progress(ROOT, mine)) == []
    )  # of this process, which lives, but over
    over.finish()
    run = left(this_process(), 500)
    with heartbeat.Heartbeat(run.path):
        wait_for(lambda: time.time() - (run.path / "run.json").stat().st_mtime < 100)
        (other,) = concurrent_runs.runs_in_progress(ROOT, left(this_process()))
        assert "(in this process; 0 of 7" in other.note("x", None)
    assert threading.active_count() == n_threads
    assert json.loads((run.path / "run.json").read_text())["state"] == "running"
