"""Settings that die, hang, flood or cannot be told: FAULTS 1, 2, 3, 6, 7, 8, 20, 37 and 40.

The engines have these tests for themselves; here it is the table of a whole run that counts.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams import Experiment, Results, search
from tests.runs import BY_INTERRUPT, Terminal, environment, script, start

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
            return WAYS[self.way]()
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


WAYS: dict[str, Any] = {
    "kill": lambda: os.kill(os.getpid(), 9),
    "segfault": segfault,
    "os._exit": lambda: os._exit(0),
    "sys.exit": exit_softly,
    "endless": endless,
    "backtrack": backtrack,
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


@pytest.mark.parametrize(
    ("way", "status", "error"),
    [
        ("kill", "killed", "killed by SIGKILL"),
        ("segfault", "killed", "killed by SIGSEGV"),
        ("os._exit", "failed", "exited with code 0"),
        ("sys.exit", "failed", "SystemExit: 0"),
        ("lock", "failed", "result 'held'"),
    ],
)
def test_1_2_3_20_one_bad_setting_of_many(way: str, status: str, error: str) -> None:
    row, found = one_bad(way)
    assert (row["status"], row["attempt"]) == (status, 1)
    assert error in row["error"]
    assert found.log(row["key"]) == "last words\n" or way == "segfault"
    if way == "lock":
        assert row["key"] in row["error"]
    if way == "segfault":
        assert "in segfault" in row["traceback"]


@pytest.mark.parametrize("way", ["endless", "backtrack"])
def test_7_8_a_setting_that_never_ends(way: str) -> None:
    row, _ = one_bad(way, timeout=0.4)
    assert row["status"] == "timeout"
    assert 0.4 <= row["seconds"] < 0.65
    assert way in row["traceback"]


def test_6_a_poison_setting_is_tried_as_often_as_asked() -> None:
    row, _ = one_bad("kill", retries=2)
    assert (row["status"], row["attempt"]) == ("killed", 3)
    assert Path("tried.txt").read_text() == "." * 6  # with the run of `only="failed"`


class Floods(Experiment):
    a: int = search([0, 1])

    def run(self) -> dict[str, Any]:
        import ctypes
        import subprocess

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


def test_40_a_huge_space_starts_at_once_and_is_drained(tmp_path: Path) -> None:
    path = script(tmp_path, HUGE)
    begun = time.monotonic()
    with Terminal(tmp_path, str(path)) as terminal:
        terminal.expect(r"[1-9][\d,]*/1,000,000,000,000")
        assert time.monotonic() - begun < 5
        terminal.interrupt()
        assert terminal.end() == BY_INTERRUPT
    ran = re.findall(r"([\d,]+) of 1,000,000,000,000 settings ran", terminal.seen)[-1]
    process = start(tmp_path, str(path))
    _, err = process.communicate(timeout=60)
    assert "RunError: a space of 1,000,000,000,000 settings is too large to be compared" in err
    assert "resume=False" in err
    text = "import script\nprint(len(script.Huge(a=0).run_all(2, only='failed', progress=False)))"
    process = start(tmp_path, "-c", text)
    out, err = process.communicate(timeout=60)
    assert int(out) == min(int(ran.replace(",", "")), 10**6), err
    with Terminal(tmp_path, str(path), "again") as terminal:
        terminal.expect(r"[1-9][\d,]*/1,000,000,000,000")
        terminal.interrupt()
        assert terminal.end() == BY_INTERRUPT


def test_40_a_huge_space_in_this_process(tmp_path: Path) -> None:
    text = HUGE.replace("run_all(2", "run_all(1")
    process = start(tmp_path, str(script(tmp_path, text)), env=environment())
    time.sleep(1.5)
    process.send_signal(2)
    _, err = process.communicate(timeout=60)
    assert "settings ran; run it again for the rest" in err
