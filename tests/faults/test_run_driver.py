"""A driver that is killed or meets a full disk, and what a run leaves on it.

FAULTS rows 11, 12, 24, 25, 30, 33, 35 and 36, over a whole run.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from tests.conftest import MARK, new_processes, new_segments
from tests.runs import alive, environment, family, output, recorded, script, start
from tests.sweeps import sweep
from tests.timing import PATIENCE, slowness, wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")

QUICK = """
import sys, time
import numpy
from superparams import Experiment, search, value
class Quick(Experiment):
    a: int = search(range(int(sys.argv[2])))
    shared: numpy.ndarray = value(numpy.ones(2**17))
    def run(self):
        with open("ran.txt", "a") as file:
            file.write(f"{self.a}\\n")
        time.sleep(0.004)
        return {"y": self.a * 2}
if __name__ == "__main__":
    found = Quick().run_all(int(sys.argv[1]), progress=False)
    print(found.counts, found.to_pandas().y.tolist() == [a * 2 for a in range(len(found))])
"""


def killed(folder: Path, dice: random.Random, *words: str, is_group: bool = False) -> None:
    """Start a driver, and kill it or its whole group: while it starts, or while it works.

    A second later no process is alive and nothing is in /dev/shm.
    """
    mark = os.environ[MARK]
    left_shared, left_processes = new_segments(mark), new_processes(mark)
    ran = folder / "ran.txt"
    process = start(folder, *words, start_new_session=is_group)
    if dice.random() < 0.3:
        time.sleep(dice.uniform(0.0, 0.8) * slowness())
    else:  # some 20 ms after its first setting: its workers send what they have every 20 ms
        wait_for(lambda: ran.exists() or process.poll() is not None)
        time.sleep(dice.uniform(0.0, 0.04) * slowness())
    with within(1.0):
        if is_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
        wait_for(lambda: not left_processes())
    assert left_shared() == []


def killed_and_resumed(
    folder: Path, times: int, seed: int, size: int = 1000, is_group: bool = False
) -> None:
    """Kill a driver at random times, resume it each time, and let it end at last.

    Then each setting has one row, which is done, and what was recorded was never run again: every
    run of a setting leaves a line in a file.
    """
    path = script(folder, QUICK)
    dice = random.Random(seed)
    ran = folder / "ran.txt"

    def run_by_now() -> list[int]:
        return list(map(int, ran.read_text().split())) if ran.exists() else []

    n_recorded = []
    for _ in range(times):
        before = recorded(folder)
        n_recorded.append(len(before))
        ran.unlink(missing_ok=True)
        killed(folder, dice, str(path), "2", str(size), is_group=is_group)
        assert not set(run_by_now()) & before, "what was recorded ran once more"
    before = recorded(folder)
    ran.unlink(missing_ok=True)
    assert output(folder, QUICK, "2", str(size)) == f"{{'done': {size}}} True\n"
    assert Counter(run_by_now()) == Counter(set(range(size)) - before)
    (table,) = folder.glob("results/*/results.parquet")
    rows = parquet.read_table(table, columns=["a", "status", "y"]).to_pylist()
    assert sorted(row["a"] for row in rows) == list(range(size))
    assert all(row["status"] == "done" and row["y"] == 2 * row["a"] for row in rows)
    assert {one.name for one in folder.iterdir()} <= {"script.py", "ran.txt", "results"}
    steps = sum(after > before for before, after in itertools.pairwise(n_recorded))
    assert steps > times // 4, f"most of them died before they recorded anything: {n_recorded}"


LONG = pytest.mark.skipif("SUPERPARAMS_SLOW" not in os.environ, reason="set SUPERPARAMS_SLOW")


@pytest.mark.timed
def test_11_killed_at_random_times(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, times=10, seed=11)


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@LONG
def test_11_killed_at_200_random_times(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, times=200, seed=12)


@pytest.mark.timed
def test_12_the_whole_group_killed(tmp_path: Path) -> None:
    path = script(tmp_path, QUICK)
    process = start(tmp_path, str(path), "2", "2000", start_new_session=True)
    wait_for(lambda: recorded(tmp_path))
    group = family(process.pid)
    with within(1.0):
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        wait_for(lambda: not any(alive(one) for one in group))
    assert {one.name for one in tmp_path.iterdir()} == {"script.py", "ran.txt", "results"}
    (run,) = (tmp_path / "results").glob("*/runs/*")
    kept = {"run.json", "source", "todo.keys", "ledger", "logs"}
    assert {one.name for one in run.iterdir()} == kept


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@LONG
def test_12_the_whole_group_killed_at_100_random_times(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, times=100, seed=13, is_group=True)


DRIVER = """
import sys, threading, time
from pathlib import Path
from module import Changes
from superparams.executor import Processes
def edit():
    while not list(Path("results").glob("*/runs/*")):
        time.sleep(0.0005)
    for name in ("part.py", "later.py", "module.py"):
        path = Path(name)
        path.write_text(path.read_text().replace("old", "new"))
    Path("edited").touch()
editor = threading.Thread(target=edit)
editor.start()
found = Changes().run_all(2, engine=Processes(start_method=sys.argv[1]), progress=False)
editor.join()
print(sorted({(row["part"], row["later"], row["own"]) for row in found if row["status"] == "done"}))
print(len(Changes.results()), found.counts)
"""
MODULE = """
import os, time
from pathlib import Path
import part
from superparams import Experiment, search
class Changes(Experiment):
    a: int = search(range(6))
    def run(self):
        import later
        while not Path("edited").exists():
            time.sleep(0.001)
        if self.a in (1, 4):
            os._exit(1)  # whoever replaces this worker loads the code once more
        return {"part": part.word(), "later": later.WORD, "own": "old"}
"""


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_24_the_code_is_the_one_that_the_run_started_with(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The new texts have the length of the old ones, and are written within the same second.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    script(tmp_path, MODULE, "module.py")
    script(tmp_path, "def word():\n    return 'old'\n", "part.py")
    script(tmp_path, "WORD = 'old'\n", "later.py")
    out = output(tmp_path, DRIVER, method)
    assert out.splitlines() == ["[('old', 'old', 'old')]", "6 {'done': 4, 'failed': 2}"]
    assert "new" in (tmp_path / "part.py").read_text()
    (source,) = (tmp_path / "results").glob("*/runs/*/source/project")
    for name in ("module.py", "part.py", "later.py"):
        assert "new" not in (source / name).read_text(), "the snapshot is of what ran"
    rerun = "from module import Changes\nprint(Changes().run_all(progress=True).counts)\n"
    process = start(tmp_path, str(script(tmp_path, rerun.replace("run_all(", "run_all(2, "))))
    out, err = process.communicate(timeout=PATIENCE)
    assert "4 made by other code: run again" in err


LARGE = """
from superparams import Experiment, search
class Large(Experiment):
    a: int = search(range(60))
    def run(self):
        import random
        return {"y": random.Random(self.a).randbytes(40_000)}
"""
FILLS = """
import sys
from large import Large
try:
    Large().run_all(2, results=sys.argv[1], progress=False)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_25_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        script(tmp_path, LARGE, "large.py")
        told = output(tmp_path, FILLS, str(disk))
        assert told.startswith("StoreError"), told
        assert str(disk) in told
        assert "bytes" in told
        subprocess.run(["mount", "-o", "remount,size=40M", str(disk)], check=True)
        before = output(
            tmp_path,
            f"from superparams.store.ledger.reader import read\nfrom pathlib import Path\n"
            f"print(sum(b.num_rows for p in Path({str(disk)!r}).glob('*/runs/*/ledger') "
            "for b in read(p)))",
        )
        assert 5 < int(before) < 40
        text = "from large import Large\nprint(Large().run_all(2, results='disk').counts)"
        process = start(tmp_path, str(script(tmp_path, text)))
        out, err = process.communicate(timeout=PATIENCE)
        assert out == "{'done': 60}\n", err
        assert f"{int(before)} done by the same code" in err
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Where there is a file `meet`, the later settings wait until both drivers have begun their runs.
MEETING = QUICK.replace(
    "time.sleep(0.004)",
    """while self.a >= 100 and Path("meet").exists() and len([*Path().glob(RUNS)]) < 2:
            time.sleep(0.01)
        time.sleep(0.004)""",
).replace("import numpy\n", 'import numpy\nfrom pathlib import Path\nRUNS = "results/*/runs/*"\n')


def two_at_once(folder: Path, size: int, seed: int) -> None:
    """Two drivers of one space, that begin within a twentieth of a second."""
    path = script(folder, MEETING)
    both = [start(folder, str(path), "2", str(size))]
    time.sleep(random.Random(seed).uniform(0.0, 0.05))
    both.append(start(folder, str(path), "2", str(size)))
    for process in both:
        out, err = process.communicate(timeout=PATIENCE)
        assert (out, err) == (f"{{'done': {size}}} True\n", "")


def test_30_two_drivers_at_once(tmp_path: Path) -> None:
    (tmp_path / "meet").touch()
    two_at_once(tmp_path, 150, seed=30)
    assert output(tmp_path, MEETING, "1", "150") == "{'done': 150} True\n"
    assert len(list((tmp_path / "results").glob("*/runs/*"))) == 2


@pytest.mark.thorough
@pytest.mark.timeout(1800)
@LONG
def test_30_two_drivers_at_once_100_times(tmp_path: Path) -> None:
    """Each time of ten settings more; all that one of them finds done, neither runs again."""
    for at in range(1, 101):
        (tmp_path / "ran.txt").unlink(missing_ok=True)
        two_at_once(tmp_path, 10 * at, seed=at)
        ran = Counter(map(int, (tmp_path / "ran.txt").read_text().split()))
        assert set(ran) == set(range(10 * at - 10, 10 * at))
        assert set(ran.values()) <= {1, 2}
    assert output(tmp_path, MEETING, "1", "1000") == "{'done': 1000} True\n"
    (table,) = tmp_path.glob("results/*/results.parquet")
    assert sorted(parquet.read_table(table)["a"].to_pylist()) == list(range(1000))


CLOCK = """
import time
steps, real = iter(range(10**9)), time.time
time.time = lambda: real() + 86400 * (-1) ** next(steps)
from superparams import Experiment, search
from superparams.executor import Processes
class Clock(Experiment):
    a: int = search(range(6))
    def run(self):
        time.sleep(0.05)
        return {}
if __name__ == "__main__":
    for num_proc, method in ((1, None), (2, "fork")):
        found = Clock().run_all(
            num_proc,
            engine=Processes(start_method=method) if method else None,
            timeout=5.0 if method else None,
            resume=False,
            progress=False,
        )
        print(found.counts, all(0.04 < row["seconds"] < 60 for row in found))
        print({row["started"].utcoffset().total_seconds() for row in found})
"""


def test_33_the_clock_steps(tmp_path: Path) -> None:
    out = output(tmp_path, CLOCK, env=environment(TZ="America/New_York"))
    assert out.splitlines() == ["{'done': 6} True", "{0.0}"] * 2


HOSTILE = """
import os, pickle, sys
from pathlib import Path
from superparams import Experiment, search
class Hostile(Experiment):
    a: int = search([1, 2])
    def run(self):
        return {"y": self.a}
class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)
if __name__ == "__main__":
    Hostile().run_all(2, progress=False)
    for folder in [path for path in Path("results").rglob("*") if path.is_dir()]:
        for name in ("x.pkl", "0.pkl", "payload", "x.arrows", "value.pickle"):
            (folder / name).write_bytes(pickle.dumps(Bomb()))
    if "settings" in sys.argv:
        Path("results", "x").mkdir()
    print(Hostile().run_all(2, progress=False).counts, len(Hostile.results()))
    print(Hostile(a=search([1, 2, 3])).run_all(2, resume=False, progress=False).counts)
"""


def test_35_nothing_in_a_results_folder_is_unpickled(tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, HOSTILE)))
    process.args = []
    out, err = process.communicate(timeout=PATIENCE)
    assert not (tmp_path / "exploded").exists()
    assert "{'done': 3}" in out or "damaged" in err, f"{out}\n{err}"


SECRET = """
from os import environ
import os
from superparams import Experiment, search, value
from superparams.executor import Processes
class Careful(Experiment):
    a: int = search([1, 2, 3])
    where: object = value(factory=dict, key="x")
    def run(self):
        assert "canary" in environ["TOKEN"]
        if self.a == 2:
            raise ValueError("an error")
        if self.a == 3:
            os._exit(1)
        print("spoken")
        return {"y": len(environ)}
if __name__ == "__main__":
    import sys
    print(Careful().run_all(2, engine=Processes(start_method=sys.argv[1]), progress=False).counts)
"""


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_36_no_secret_of_the_environment_is_kept(method: str, tmp_path: Path) -> None:
    secret = "canary-8d1f60a7"
    env = environment(TOKEN=secret)
    assert output(tmp_path, SECRET, method, env=env) == "{'done': 1, 'failed': 2}\n"
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 4
    for path in kept:
        assert secret.encode() not in path.read_bytes(), path


def test_the_manifest_of_a_killed_run_tells_what_ran(tmp_path: Path) -> None:
    """It is complete long before the end, since there may be none."""
    if shutil.which("git"):
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    process = start(tmp_path, str(script(tmp_path, QUICK)), "2", "5000")

    def manifest() -> dict[str, object]:
        for path in (tmp_path / "results").glob("*/runs/*/run.json"):
            return dict(json.loads(path.read_text()))
        return {}

    wait_for(lambda: "versions" in manifest())
    process.kill()
    process.communicate()
    told = manifest()
    assert told["state"] == "running"
    assert told["argv"] == [str(tmp_path / "script.py"), "2", "5000"]
    (source,) = (tmp_path / "results").glob("*/runs/*/source/project/script.py")
    assert source.read_text() == QUICK
