"""A process that user code forks and that comes back from it ends there: FAULTS row 60."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")

# Every way is an experiment of its own, and all run in one driver, whose atexit must run once.
DRIVER = """
import atexit, os, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from superparams import Experiment, search, value
from superparams.declare.instance_state import place_on

def note(word):
    number = os.open("notes.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(number, f"{word}\\n".encode())
    os.close(number)

def act(what):
    if what == "fork":
        os.fork()
    elif what == "twice":
        os.fork(), os.fork()
    elif what == "thread":
        thread = threading.Thread(target=os.fork)
        thread.start()
        thread.join()
    elif what == "terminal":
        pid, number = os.forkpty()
        if pid:
            os.close(number)
    elif what in ("late", "later"):
        if os.fork() == 0:
            time.sleep(0.3)  # its worker is at its end before
            raise ValueError(what)
    elif os.fork() == 0:
        raise {"raise": ValueError, "exit": SystemExit, "interrupt": KeyboardInterrupt}[what]("x")

class Forks(Experiment):
    x: int = search(range(4))
    where: str = "run"
    what: str = "fork"
    wide: int = value(derive=lambda self: self.at("derive") or self.x)

    def at(self, where, is_there=True):
        if where == self.where and is_there:
            act(self.what)

    def setup(self): self.at("setup")
    def teardown(self): self.at("teardown")
    def report(self, results): self.at("report")
    def __post_init__(self): self.at("post", place_on(self) is None and is_run)
    def valid(self):
        self.at("valid", self.x == 2)
        return True
    def run(self):
        note(f"{self.where}-{self.what} run {self.x}")
        self.at("run", self.x == 2)
        return {"y": self.x}

if sys.argv[1] == "asyncio":
    Plain = Forks
    class Forks(Plain):
        async def run(self):
            return Plain.run(self)

is_run = False
atexit.register(note, "atexit")
ways = [tuple(word.split("-")) for word in sys.argv[2:]]
engines = {
    "serial": lambda: "serial", "threads": lambda: "threads", "processes": lambda: "processes",
    "asyncio": lambda: "asyncio",
    "pool": lambda: ProcessPoolExecutor(2), "crowd": lambda: ThreadPoolExecutor(2),
}
sys.stdout.write("held back ")
for where, what in ways:
    name = f"{where}-{what}"
    engine = engines[sys.argv[1]]()
    n = 1 if sys.argv[1] == "serial" else 2
    found = Forks(where=where, what=what).run_all(n, engine=engine, results=name, progress=False)
    assert [row["y"] for row in found] == [0, 1, 2, 3], found
    note(f"{name} over")
"""
WAYS = [
    *("run-fork", "run-twice", "run-raise", "run-exit", "run-interrupt", "run-thread"),
    *("run-terminal", "setup-fork", "setup-raise", "teardown-fork", "derive-fork", "valid-fork"),
    *("report-fork", "run-late", "teardown-later"),
]


@sweep(2, "engine", ["processes", "serial", "threads", "asyncio", "pool", "crowd"])
def test_60_a_forked_child_that_returns_from_run_ends(engine: str, tmp_path: Path) -> None:
    script = tmp_path / "forks.py"
    script.write_text(DRIVER)
    ended = subprocess.run(
        [sys.executable, str(script), engine, *WAYS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "held back "  # nobody else wrote what the driver held back
    notes = Counter((tmp_path / "notes.txt").read_text().splitlines())
    expected = [f"{way} run {x}" for way in WAYS for x in range(4)]
    assert notes == Counter(["atexit", *expected, *(f"{way} over" for way in WAYS)])
    assert all(len(list((tmp_path / way).glob("*/runs/*"))) == 1 for way in WAYS)
    told = ended.stderr + "".join(one.read_text() for one in tmp_path.glob("*/*/runs/*/logs/*"))
    for where in ("run", "setup", "teardown"):
        assert f"was forked in Forks.{where}() and came back from there" in told
    for error in ("x", "late", "later"):
        assert f"ValueError: {error}\n" in told  # what the child raised is not lost
