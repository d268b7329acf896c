"""Settings that die, hang, flood or write where they must not.

FAULTS 1 to 3, 5 to 10, 18 to 21, 37 and 40.

The engines have these tests for themselves; here it is the table of a whole run that counts.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from scipy import sparse

from superparams import Experiment, Results, search, value
from superparams.executor import Processes
from tests.conftest import MARK, marked
from tests.runs import BY_INTERRUPT, Terminal, environment, script, start
from tests.sweeps import sweep
from tests.timing import PATIENCE, stretch, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks", "in_tmp_path")


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Bad(Experiment):
    """One bad setting among good ones."""

    way: str = "ok"
    a: int = search(range(20))

    def run(self) -> dict[str, Any]:
        if self.a == 7:
            with open("tried.txt", "a") as file:
                file.write(".")
            print("last words", flush=True)
            result: dict[str, Any] = WAYS[self.way]()
            return result
        return {"y": self.a}


def segfault() -> Any:
    import faulthandler

    vars(faulthandler)["_sigsegv"]()


def exit_softly() -> Any:
    raise SystemExit(0)


def endless() -> Any:
    while True:
        pass


def backtrack() -> Any:
    re.match(r"(a+)+$", "a" * 60 + "b")


def ignore_sigterm() -> Any:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


class Hostile(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


def raise_hostile() -> Any:
    raise Hostile("cannot be pickled")


def allocate() -> Any:
    bytearray(1 << 60)


WAYS: dict[str, Any] = {
    "kill": lambda: os.kill(os.getpid(), 9),
    "segfault": segfault,
    "os._exit": lambda: os._exit(0),
    "sys.exit": exit_softly,
    "endless": endless,
    "backtrack": backtrack,
    "ignore_sigterm": ignore_sigterm,
    "raise_hostile": raise_hostile,
    "allocate": allocate,
    "lock": lambda: {"held": threading.Lock()},
}


def one_bad(way: str, **options: Any) -> tuple[dict[str, Any], Results]:
    found = Bad(way=way).run_all(2, **{"progress": False, **options})
    assert found.counts["done"] == 19
    assert [row["y"] for row in found if row["a"] != 7] == [a for a in range(20) if a != 7]
    (row,) = found.failures
    assert row["a"] == 7
    again = Bad(way=way).run_all(2, only="failed", **{"progress": False, **options})
    assert [one["a"] for one in again] == list(range(20)), "what is done stays in the table"
    return row, found


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_1_one_of_20_settings_kills_its_worker(method: str) -> None:
    row, found = one_bad("kill", engine=Processes(start_method=method))
    assert found.counts == {"done": 19, "killed": 1}
    assert (row["status"], row["error"]) == ("killed", "killed by SIGKILL")


@pytest.mark.parametrize(
    ("way", "status", "error"),
    [
        ("kill", "killed", "killed by SIGKILL"),
        ("segfault", "killed", "killed by SIGSEGV"),
        ("os._exit", "failed", "exited with code 0"),
        ("sys.exit", "failed", "SystemExit: 0"),
        ("allocate", "failed", "MemoryError"),
        ("lock", "failed", "result 'held'"),
        ("raise_hostile", "failed", "Hostile: cannot be pickled"),
    ],
)
def test_1_2_3_5_20_21_one_bad_setting_of_many(way: str, status: str, error: str) -> None:
    row, found = one_bad(way)
    assert (row["status"], row["attempt"]) == (status, 1)
    assert error in row["error"]
    assert found.log(row["key"]) == "last words\n" or way == "segfault"
    if way == "lock":
        assert row["key"] in row["error"]
    if way in ("segfault", "raise_hostile"):
        assert f"in {way}" in row["traceback"]


@pytest.mark.timed
@sweep(1, "way", ["endless", "backtrack", "ignore_sigterm"])
def test_7_8_9_a_timeout_comes_within_a_fifth_of_a_second(way: str) -> None:
    """Whether it runs Python, holds the GIL in C code, or does not listen to signals."""
    with stretch() as measured:
        limit = 0.4 * measured.slowness
        row, _ = one_bad(way, timeout=limit)
    assert row["status"] == "timeout"
    assert row["seconds"] >= limit
    assert measured.allows(row["seconds"] - limit, 0.2)
    assert way in row["traceback"]


def test_6_a_poison_setting_is_tried_as_often_as_asked() -> None:
    row, _ = one_bad("kill", retries=2)
    assert (row["status"], row["attempt"]) == ("killed", 3)
    assert Path("tried.txt").read_text() == "." * 6  # with the run of `only="failed"`


SLEEPER = ["sleep", "2718.25"]


class Leaves(Experiment):
    a: int = search([1, 2, 3])
    dies: bool = False

    def run(self) -> dict[str, int]:
        left = subprocess.Popen(SLEEPER, start_new_session=self.a > 1)
        if self.dies:
            os.kill(os.getpid(), 9)
        return {"pid": left.pid}


@pytest.mark.parametrize("dies", [False, True])
def test_10_what_a_setting_leaves_running_ends_with_its_worker(dies: bool) -> None:
    found = Leaves(dies=dies).run_all(2, progress=False)
    assert found.counts == {"killed" if dies else "done": 3}
    for one in psutil.process_iter(["cmdline"]):
        ours = one.info["cmdline"] == SLEEPER and marked(one.pid, os.environ[MARK])
        assert not ours, "another suite may run on this machine, but this one is ours"


def write_array(shared: dict[str, Any]) -> None:
    shared["array"][:] = 2.0


def write_frame(shared: dict[str, Any]) -> None:
    shared["frame"].loc[3, "x"] = 2.0


def write_sparse(shared: dict[str, Any]) -> None:
    shared["sparse"].sort_indices()


WRITES = {"array": write_array, "frame": write_frame, "sparse": write_sparse}


def sums(shared: dict[str, Any]) -> list[float]:
    frame, sparse = shared["frame"]["x"], shared["sparse"].indices[:3]
    return [float(shared["array"].sum()), float(frame.sum()), *map(float, sparse)]


def data() -> dict[str, Any]:
    """Large enough to be shared, with columns of a matrix out of order."""
    ones = np.ones(30_000)
    columns = np.tile(np.arange(100)[::-1], len(ones) // 100)
    return {
        "array": ones,
        "frame": pd.DataFrame({"x": ones}),
        "sparse": sparse.csr_array((ones, columns, np.arange(0, len(ones) + 1, 100))),
    }


class Writes(Experiment):
    way: str = search(["", *WRITES, "", ""])
    shared: dict[str, Any] = value(factory=data)

    def run(self) -> dict[str, Any]:
        if self.way:
            WRITES[self.way](self.shared)
        return {"sums": sums(self.shared)}


class Untouched(Writes):
    """Each of its settings comes after one that has tried."""

    way: str = search(list(WRITES))

    def run(self) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            WRITES[self.way](self.shared)
        return {"sums": sums(self.shared)}


@sweep(1, "method", ["forkserver", "spawn"])
def test_18_a_write_into_shared_data_is_refused_with_the_remedy(method: str) -> None:
    found = Writes().run_all(2, engine=Processes(start_method=method), progress=False)
    told = {row["way"]: row["error"] for row in found}
    assert told.pop("") is None
    assert set(told) == set(WRITES)
    # pandas copies what is written to, so that a frame is each setting's own.
    assert told.pop("frame") is None
    for error in told.values():
        assert "is shared and read-only: copy it first" in error
    rows = Untouched().run_all(2, engine=Processes(start_method=method))
    seen = {row["way"]: list(row["sums"]) for row in rows}
    assert seen.pop("frame") == [30_000.0, 30_001.0, 99.0, 98.0, 97.0]
    assert list(seen.values()) == [sums(data())] * 2


class Frames(Experiment):
    """Every other setting writes into a frame that all of them have."""

    a: int = search(range(6))
    given: Any = value(pd.DataFrame({"x": np.ones(30_000)}))
    made: Any = value(factory=lambda: pd.DataFrame({"x": np.ones(30_000)}))
    column: Any = value(factory=lambda: pd.Series(np.ones(30_000)))

    def run(self) -> dict[str, Any]:
        if self.a % 2:
            self.given.loc[3, "x"] = self.made.loc[3, "x"] = self.column[3] = 2.0
            self.made["new"] = 1.0
        frames = (self.given["x"], self.made["x"], self.column)
        return {"sums": [float(each.sum()) for each in frames], "columns": self.made.shape[1]}


@pytest.mark.parametrize(
    ("num_proc", "method"), [(1, None), (2, "forkserver"), (2, "spawn"), (2, "fork")]
)
def test_18_a_frame_is_each_settings_own(num_proc: int, method: str | None) -> None:
    engine = Processes(start_method=method) if method else None
    found = Frames().run_all(num_proc, engine=engine, progress=False)
    clean, written = ([30_000.0] * 3, 1), ([30_001.0] * 3, 2)
    assert [(list(row["sums"]), row["columns"]) for row in found] == [clean, written] * 3


class Adds(Experiment):
    a: int = search(range(6))
    array: Any = value(np.zeros(30_000))

    def run(self) -> dict[str, float]:
        import torch

        return {"y": float(torch.from_numpy(self.array).add_(self.a + 1).mean())}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_19_a_torch_write_into_shared_data_is_private() -> None:
    pytest.importorskip("torch")
    found = Adds().run_all(2, progress=False)
    assert [row["y"] for row in found] == [1, 2, 3, 4, 5, 6]


class AddsAgain(Experiment):
    a: int = search([1, 2])
    array: Any = value(factory=lambda: np.zeros(30_000))

    def run(self) -> dict[str, float]:
        import torch

        mean = float(torch.from_numpy(self.array).add_(1).mean())
        tried = Path(f"tried-{self.a}")
        if not tried.exists():
            tried.touch()
            raise OSError("try again")
        return {"y": mean}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@sweep(1, "method", ["forkserver", "spawn"])
def test_19_another_attempt_does_not_see_what_the_first_wrote(method: str) -> None:
    pytest.importorskip("torch")
    again: dict[str, Any] = {"retries": 1, "retry_on": ["failed"]}
    found = AddsAgain().run_all(1, engine=Processes(method), progress=False, **again)
    assert [(row["y"], row["attempt"]) for row in found] == [(1.0, 2)] * 2


class Floods(Experiment):
    a: int = search([0, 1])

    def run(self) -> dict[str, Any]:
        import ctypes

        libc, line = ctypes.CDLL(None), f"{self.a}".encode() * 999
        for _ in range(5000):
            libc.puts(line)
        subprocess.run(["head", "-c", "5000000", "/dev/zero"], check=True)
        print("the end", flush=True)
        return {}


def test_37_ten_megabytes_are_kept_and_belong_to_their_setting() -> None:
    found = Floods().run_all(2, progress=False)
    for row in found:
        text = found.log(row["key"])
        assert len(text) == 10_000_008
        assert text.startswith(str(row["a"]) * 999 + "\n")
        assert text.endswith("\0the end\n")


class Nothing(Experiment):
    a: int = search(range(1000))

    def run(self) -> None: ...


MANY = int((os.environ.get("SUPERPARAMS_SLOW") and 1_000_000) or 100_000)


def test_40_many_settings_in_bounded_memory() -> None:
    """The peak grows by the table that is returned, and by little more."""
    Nothing().run_all(2, progress=False)
    process = psutil.Process()
    before, peak = process.memory_info().rss, [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        found = Nothing(a=search(range(MANY))).run_all(2, resume=False, progress=False)
    finally:
        ended.set()
        watcher.join()
    assert found.counts == {"done": MANY}
    assert peak[0] - before < 60e6 + 340 * MANY


HUGE = """
import sys
from superparams import Experiment, search
class Huge(Experiment):
    a: int = search(range(10**6))
    b: int = search(range(10**6))
    def run(self):
        return {"y": self.b}
if __name__ == "__main__":
    found = Huge().run_all(2, resume="again" not in sys.argv)
"""


@pytest.mark.timed
def test_40_a_huge_space_starts_at_once_and_is_drained(tmp_path: Path) -> None:
    path = script(tmp_path, HUGE)
    with stretch() as measured, Terminal(tmp_path, str(path)) as terminal:
        begun = time.monotonic()
        terminal.expect(r"[1-9][\d,]*/1,000,000,000,000")
        seconds = time.monotonic() - begun
        # So many recorded outcomes are not looked up one by one in a space of this size.
        terminal.expect(r"([1-9]\d\d|[1-9],\d{3}),\d{3}/1,000,000,000,000")
        terminal.interrupt()
        assert terminal.end() == BY_INTERRUPT
    assert measured.allows(seconds, 5)
    ran = re.findall(r"([\d,]+) of 1,000,000,000,000 settings ran", terminal.seen)[-1]
    process = start(tmp_path, str(path))
    _, err = process.communicate(timeout=PATIENCE)
    assert "RunError: a space of 1,000,000,000,000 settings is too large to be compared" in err
    assert "resume=False" in err
    text = "import script\nprint(len(script.Huge(a=0).run_all(2, only='failed', progress=False)))"
    process = start(tmp_path, "-c", text)
    out, err = process.communicate(timeout=PATIENCE)
    assert int(out) == min(int(ran.replace(",", "")), 10**6), err
    with Terminal(tmp_path, str(path), "again") as terminal:
        terminal.expect(r"[1-9][\d,]*/1,000,000,000,000")
        terminal.interrupt()
        assert terminal.end() == BY_INTERRUPT


def test_40_a_huge_space_in_this_process(tmp_path: Path) -> None:
    text = HUGE.replace("run_all(2", "run_all(1")
    process = start(tmp_path, str(script(tmp_path, text)), env=environment())
    ledgers = "results/*/runs/*/ledger/*.arrows"
    wait_for(lambda: [path for path in tmp_path.glob(ledgers) if path.stat().st_size])
    process.send_signal(2)
    _, err = process.communicate(timeout=PATIENCE)
    assert "settings ran; run it again for the rest" in err
