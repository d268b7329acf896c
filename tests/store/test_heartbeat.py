"""A run on another host is in progress as long as its driver sends a heartbeat, and no longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams.store.runs import heartbeat
from superparams.store.runs.concurrent_runs import runs_in_progress
from superparams.store.runs.driver_process import is_alive, this_process
from superparams.store.runs.folder import RunFolder, run_folders
from superparams.store.runs.run_records import runs
from superparams.views.board.record_stamp import RecordStamps
from tests.cli.command import EXPERIMENT, Project, environment
from tests.runs import alive, family
from tests.small_cluster import OTHER_HOST, needs_namespaces
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

WAITS = """
import time
from pathlib import Path
from superparams import Experiment, search

class Waits(Experiment):
    x: int = search(range(3))

    def run(self):
        while self.x and Path("hold").exists():
            time.sleep(0.01)
        return {"y": self.x}
"""


def signs(run: RunFolder) -> list[Path]:
    return [run.path / "run.json", *run.path.glob("ledger/*"), *run.path.glob("running.json")]


def age(run: RunFolder, seconds: float) -> None:
    """Have all signs of a driver be so old."""
    then = time.time() - seconds
    for path in signs(run):
        os.utime(path, (then, then))


def left(root: Path, **process: Any) -> RunFolder:
    """A run of a driver that is as this process but for some facts."""
    run = RunFolder.create(root)
    run.update(process={**this_process(), **process})
    return run


# ---- which processes can be seen


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ({}, True),
        ({"host": "renamed"}, True),  # the host has another name by now
        ({"started": "1"}, False),
        ({"host": "renamed", "started": "1"}, False),
        ({"pid": 2**22 + 1}, False),
        ({"pid": "1"}, False),
        ({"pid": True}, False),
        ({"pid": -1}, False),
        ({"boot": "another"}, None),  # a machine of the same name, or this one before it started
        ({"space": "pid:[1]"}, None),  # a container with the name of its host
        ({"host": "other", "boot": "another"}, None),
        ({"host": "other", "boot": None}, None),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="ids of boots are those of Linux")
def test_a_process_is_seen_in_its_namespace_alone(
    process: dict[str, Any], expected: object
) -> None:
    assert is_alive({**this_process(), **process}) is expected


def test_a_run_without_a_process_has_crashed(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    for nobody in ({}, [], None, "a"):
        run.update(process=nobody)
        assert run.state() == "crashed"


# ---- signs


ELSEWHERE: list[dict[str, Any]] = [
    {"host": "other", "boot": "another"},
    {"boot": "another"},
    {"space": "pid:[1]"},
]


@pytest.mark.parametrize("process", ELSEWHERE)
def test_three_minutes_without_a_sign_end_a_run(tmp_path: Path, process: dict[str, Any]) -> None:
    run = left(tmp_path, **process)
    assert run.state() == "running"
    age(run, 170)
    assert run.state() == "running"
    age(run, 190)
    assert run.state() == "crashed"
    (run.ledger / "0.arrows").touch()  # a record is a sign as well
    assert run.state() == "running"
    age(run, 190)
    (run.path / "running.json").touch()
    assert run.state() == "running"


def test_a_sign_from_the_future_is_none(tmp_path: Path) -> None:
    """The clock was wrong. A driver that lives soon sends another one."""
    run = left(tmp_path, boot="another")
    age(run, -86400)
    assert run.state() == "crashed"
    os.utime(run.path / "run.json")
    assert run.state() == "running"


def test_a_driver_that_was_suspended_is_looked_at_again(tmp_path: Path) -> None:
    suspended, ended = left(tmp_path, boot="another"), left(tmp_path, started="1")
    mine = RunFolder.create(tmp_path)
    age(suspended, 200)
    stamps = RecordStamps(tmp_path)
    before = stamps.stamp()
    assert list(runs_in_progress(tmp_path, mine)) == []
    assert (suspended.is_over(), ended.is_over()) == (False, True)
    os.utime(suspended.path / "run.json")
    assert stamps.stamp() != before
    (other,) = runs_in_progress(tmp_path, mine)
    assert other.run.name == suspended.name
    suspended.finish()
    assert suspended.is_over()


def test_a_run_without_heartbeats_has_a_day_between_two_records(tmp_path: Path) -> None:
    """Older versions sent none, and a setting may take hours."""
    run = left(tmp_path, boot="another")
    manifest = run.manifest()
    del manifest["heartbeat"]
    (run.path / "run.json").write_text(json.dumps(manifest))
    (run.ledger / "0.arrows").touch()
    for seconds, state in ((190, "running"), (80000, "running"), (90000, "crashed")):
        age(run, seconds)
        assert run.state() == state


def test_the_clock_of_the_file_system_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of this host may be wrong by hours."""
    one, dead = left(tmp_path, boot="another"), left(tmp_path, boot="another")
    age(dead, 190)
    for wrong in (-7200, 7200):
        now = time.time() + wrong
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert (one.state(), dead.state()) == ("running", "crashed")
    assert sorted(os.listdir(one.path)) == ["ledger", "logs", "run.json", "source"]


def test_the_clock_is_read_from_a_new_file_at_most_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_clocks", {})
    run = left(tmp_path, boot="another")
    before = run.path.stat().st_mtime_ns
    assert run.state() == "running"
    assert len(heartbeat._clocks) == 1
    first = dict(heartbeat._clocks)
    for _ in range(20):
        assert run.state() == "running"
    assert heartbeat._clocks == first
    assert run.path.stat().st_mtime_ns >= before


def test_what_a_run_calls_half_a_second_apart_does_not_end_its_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    run = RunFolder.create(tmp_path)
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise ValueError("no")

    with heartbeat.Heartbeat(run.path, fails):
        for _ in range(2):
            age(run, 500)
            wait_for(lambda: heartbeat.seconds_silent(run.path) < 100)
    assert len(calls) >= 2


# ---- a driver in a namespace of processes of its own


@contextmanager
def driver_elsewhere(project: Project) -> Iterator[tuple[RunFolder, psutil.Process]]:
    """A driver that cannot be seen from here, and the folder of its run; a setting runs."""
    (project.folder / "hold").touch()
    root = project.folder / "results" / "waits.Waits"
    unshared = subprocess.Popen(
        [*OTHER_HOST, EXPERIMENT, "waits", "-n", "2"],
        cwd=project.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: [*root.glob("runs/*/running.json")])
        (driver,) = psutil.Process(unshared.pid).children()
        yield run_folders(root)[-1], driver
    finally:
        (project.folder / "hold").unlink(missing_ok=True)
        for one in family(unshared.pid):
            one.resume()
            one.kill()
        unshared.wait()


@needs_namespaces
def test_a_driver_that_is_killed_elsewhere_does_not_run_for_ever(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write({"experiments/waits.py": WAITS})
    with driver_elsewhere(project) as (run, driver):
        name = this_process()["host"]
        told = f"{run.name}: running now for "
        assert told in project.run("status", "waits").out
        assert f"on {name} (its last heartbeat was " in project.run("status", "waits").out
        # A driver that is stopped counts as crashed, until it goes on.
        driver.suspend()
        age(run, 200)
        assert run.state() == "crashed"
        driver.resume()
        wait_for(lambda: run.state() == "running")
        driver.kill()
        wait_for(lambda: not alive(driver))
        age(run, 200)
        status = project.run("status", "waits").out
        assert told not in status
        assert f"{run.name}: crashed after " in status
        assert "worker" not in status
        (row,) = json.loads(project.run("runs", "waits", "--json").out)[0]["runs"]
        assert row["state"] == "crashed"
        assert "running" not in project.run("list").out
    ended = project.run("waits")
    assert "another run" not in ended.err
    assert "3 done" in ended.out
    assert [one.state for one in runs(run.path.parents[1])] == ["crashed", "finished"]
    assert project.run("clean", "waits", "--all", "--yes").code == 0


HIDDEN = """
import json, os, sys
from pathlib import Path
from superparams.store.runs.driver_process import is_alive, this_process
me = this_process()
print(is_alive(me), flush=True)
pid = os.fork()
if not pid:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    print(is_alive(me), is_alive({**me, "pid": 999}), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


@needs_namespaces
def test_a_process_that_is_hidden_from_this_user_is_not_dead() -> None:
    """As on clusters whose /proc shows each user the own processes alone."""
    mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$0" -c "$1"'
    found = subprocess.run(
        ["unshare", "-m", "-p", "-f", "sh", "-c", mount, sys.executable, HIDDEN],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.splitlines() == ["True", "None False"], found.stderr


@needs_namespaces
def test_numbers_of_another_namespace_are_not_looked_up() -> None:
    """Without a /proc of its own, a container would find other processes by these numbers."""
    text = (
        "import os\n"
        "from superparams.store.runs.driver_process import is_alive, this_process\n"
        "print(os.getpid(), is_alive(this_process()))"
    )
    found = subprocess.run(
        ["unshare", "-p", "-f", sys.executable, "-c", text],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["1", "None"]


@needs_namespaces
def test_a_folder_that_may_only_be_read_has_the_clock_of_this_host(tmp_path: Path) -> None:
    one, dead = left(tmp_path, boot="another"), left(tmp_path, boot="another")
    age(dead, 1000)
    text = (
        "import sys\n"
        "from pathlib import Path\n"
        "from superparams.store.runs.folder import RunFolder\n"
        "print(*(RunFolder(Path(x)).state() for x in sys.argv[1:]))"
    )
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    command = [sys.executable, "-c", text, one.path, dead.path]
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, tmp_path, *command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.split() == ["running", "crashed"], found.stderr
