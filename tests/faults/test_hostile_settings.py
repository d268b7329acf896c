"""Settings that harm their parent, their files or their channel: FAULTS row 60."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from superparams.declare.experiment_place import Place
from superparams.executor import Processes
from superparams.executor.engines.processes import protocol
from superparams.executor.engines.registry import find
from tests.contracts.programs import Rows, run, wait_for
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")
SIZE = 12


def with_acts(
    acts: dict[int, Callable[[], Any]],
    size: int = SIZE,
    *,
    start_method: Any = None,
    **options: Any,
) -> Rows:
    """Run settings of which some act; each prints a line."""

    def function(index: int, place: Place) -> dict[str, Any]:
        print(f"setting {index}")
        if index in acts:
            acts[index]()
        time.sleep(0.01)
        print(f"error {index}", file=sys.stderr)
        return {"y": index}

    return run(Processes(start_method), function, size, **{"num_proc": 2, **options})


def assert_ends(found: Rows, ended: dict[int, str], error: str = "") -> None:
    """Those ended in that way and with that error, and all others are done."""
    statuses = {index: row["status"] for index, row in found.items() if row["status"] != "done"}
    assert statuses == ended, [row["error"] for row in found.values()]
    assert len(found) >= SIZE
    assert all(error in found[index]["error"] for index in ended)


def kill_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def kill_parent_and_wait() -> None:
    kill_parent()
    time.sleep(60)


def kill_parents_group() -> None:
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)


TEMPLATE = "the template process, the parent of all workers, died while this setting ran alone"


@pytest.mark.parametrize(
    ("method", "act"),
    [("forkserver", kill_parent), ("spawn", kill_parent_and_wait), ("fork", kill_parents_group)],
)
def test_60_a_setting_that_kills_the_template_is_named(
    method: str, act: Callable[[], None]
) -> None:
    found = with_acts({5: act}, start_method=method)
    assert_ends(found, {5: "killed"}, TEMPLATE)


def test_60_two_settings_that_kill_the_template_at_once() -> None:
    found = with_acts({0: kill_parent_and_wait, 1: kill_parent}, retries=1)
    assert_ends(found, {0: "killed", 1: "killed"}, TEMPLATE)
    assert [found[index]["attempt"] for index in range(3)] == [2, 2, 1]


def test_60_what_was_in_flight_runs_alone_afterwards(tmp_path: Path) -> None:
    """One at a time, each in a worker of its own, after all the others."""

    def function(index: int, place: Place) -> dict[str, Any]:
        begun = time.monotonic()
        if index == 0 and not (tmp_path / "begun").exists():
            (tmp_path / "begun").touch()
            time.sleep(60)  # ended when the template is killed
        elif index == 1:
            wait_for((tmp_path / "begun").exists)
            kill_parent()
            time.sleep(60)
        return {"process": os.getpid(), "begun": begun, "ended": time.monotonic()}

    found = run(find("processes"), function, SIZE, num_proc=2)
    assert_ends(found, {1: "killed"}, TEMPLATE)
    innocent = found.pop(0)
    others = [row for index, row in found.items() if index != 1]
    assert all(row["result.process"] != innocent["result.process"] for row in others)
    assert all(row["result.ended"] < innocent["result.begun"] for row in others)


def test_60_a_template_that_is_stopped_goes_on() -> None:
    found = with_acts({3: lambda: os.kill(os.getppid(), signal.SIGSTOP)})
    assert {row["status"] for row in found.values()} == {"done"}


def empty_all() -> None:
    """Make every file that is open here empty, where that is not refused."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            os.ftruncate(int(name), 0)


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_60_a_setting_that_empties_all_open_files(method: str) -> None:
    found = with_acts({4: empty_all, 7: empty_all}, start_method=method)
    assert_ends(found, {})


def sockets() -> list[int]:
    folder = Path("/proc/self/fd")
    found: list[int] = []
    for link in folder.iterdir():
        try:
            if os.readlink(link).startswith("socket:"):
                found.append(int(link.name))
        except OSError:
            continue
    return found


def write(data: bytes) -> Callable[[], None]:
    def act() -> None:
        for number in sockets():
            os.write(number, data)

    return act


def send(*frames: protocol.Frame) -> Callable[[], None]:
    def act() -> None:
        for number in sockets():
            channel = socket.socket(fileno=os.dup(number))
            for frame in frames:
                protocol.send(channel, frame)
            channel.close()

    return act


def shut(how: int) -> Callable[[], None]:
    def act() -> None:
        for number in sockets():
            channel = socket.socket(fileno=os.dup(number))
            channel.shutdown(how)
            channel.close()

    return act


def put_a_socket_over() -> None:
    kept = socket.socketpair()
    channels = [number for number in sockets() if number not in map(socket.socket.fileno, kept)]
    for number in channels:
        os.dup2(kept[0].fileno(), number)
    globals()["_kept"] = kept


def put_a_file_over() -> None:
    with open(os.devnull, "wb") as nothing:
        for number in sockets():
            os.dup2(nothing.fileno(), number)


def write_from_a_thread_later() -> None:
    threading.Timer(0.005, write(b"later")).start()


ACTS: dict[str, Callable[[], None]] = {
    "a byte": write(b"x"),
    "garbage": write(os.urandom(5000)),
    "zeros": write(bytes(400)),
    "a huge size": write(struct.pack("<BqqqII", 9, 1, 0, 1 << 60, 0, 0)),
    "an end": send(protocol.Frame(protocol.Kind.END, 1, 5)),
    "outcomes": send(protocol.Frame(protocol.Kind.DATA, 1, 5, b"\\xff\\xff\\xff\\xff")),
    "ready, broken and left": send(*map(protocol.Frame, (protocol.Kind.READY, 8, 11))),  # type: ignore[arg-type]
    "closed": lambda: [os.close(number) for number in sockets()] and None,
    "shut for writing": shut(socket.SHUT_WR),
    "shut for reading": shut(socket.SHUT_RD),
    "shut": shut(socket.SHUT_RDWR),
    "another socket": put_a_socket_over,
    "a file": put_a_file_over,
    "all closed": lambda: os.closerange(3, 256),
    "all and the standard files closed": lambda: os.closerange(0, 256),
}


@pytest.mark.parametrize("logged", [False, True])
def test_60_what_a_setting_does_to_the_channel_costs_it_alone(logged: bool, tmp_path: Path) -> None:
    """All of them in one run; where it matters how workers start, in three."""
    names = list(ACTS)
    size = 3 * len(names)
    acts = {3 * place + 1: act for place, act in enumerate(ACTS.values())}
    folder = tmp_path if logged else None
    found = with_acts(acts, size, folder=folder)
    bad = {names[index // 3]: row for index, row in found.items() if row["status"] != "done"}
    assert all(index in acts for index, row in found.items() if row["status"] != "done")
    # What was still to be said was said, and the worker ended by itself.
    assert set(bad) == set(names) - {"shut for reading"}
    for name, row in bad.items():
        assert "a setting may close and use only files of its own" in row["error"] or (
            "closes files that are not its own" in row["error"]
        ), (name, row["error"])


def test_60_a_setting_that_closes_standard_files(tmp_path: Path) -> None:
    """What others print still comes into the log, and into no file that they open."""
    acts: dict[int, Callable[[], Any]] = {
        1: lambda: os.close(1),
        3: lambda: os.close(2),
        5: lambda: os.closerange(0, 3),
        7: lambda: os.dup2(os.open(tmp_path / "mine", os.O_WRONLY | os.O_CREAT), 1),
    }

    def function(index: int, place: Place) -> dict[str, Any]:
        if index in acts:
            acts[index]()
        else:
            with open(tmp_path / f"own-{index}", "w") as file:
                print(f"out {index}", flush=True)
                print(f"err {index}", file=sys.stderr, flush=True)
                file.write("own")
        return {"y": index}

    for size in (10, 2000):  # alone in a chunk, and among many quick ones
        found = run(find("processes"), function, size, num_proc=1, folder=tmp_path / str(size))
        assert {row["status"] for row in found.values()} == {"done"}
        log = (tmp_path / str(size) / "logs" / "0.log").read_text()
        for index in set(range(10)) - acts.keys():
            assert (tmp_path / f"own-{index}").read_text() == "own"
            assert f"out {index}\n" in log
            assert f"err {index}\n" in log
            row = found[index]
            part = log.encode()[row["log_start"] : row["log_end"]].decode()
            assert part.endswith(f"out {index}\nerr {index}\n")


SERIAL = """
import os, sys
from superparams import Experiment, search

class Closes(Experiment):
    x: int = search(range(8))

    def run(self):
        if self.x == 1: os.close(1)
        if self.x == 2: os.close(2)
        if self.x == 4: os.closerange(3, 256)
        if self.x == 6: os.closerange(0, 3)
        with open(f"own-{self.x}", "w") as file:
            os.write(file.fileno(), b"own")
            return {"y": self.x} if self.x % 2 else {"z": str(self.x)}

found = Closes().run_all(1, engine=sys.argv[1])
again = Closes.results()
with open("counts", "w") as file:
    print(found.counts, sorted(row["x"] for row in again), file=file)
"""


@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_60_a_setting_in_this_process_that_closes_files(engine: str, tmp_path: Path) -> None:
    """The ledger is written to its own file, and to no file of a setting."""
    script = tmp_path / "closes.py"
    script.write_text(SERIAL)
    subprocess.run([sys.executable, str(script), engine], cwd=tmp_path, timeout=100, check=True)
    assert (tmp_path / "counts").read_text() == "{'done': 8} [0, 1, 2, 3, 4, 5, 6, 7]\n"
    assert {(tmp_path / f"own-{x}").read_text() for x in range(8)} == {"own"}


WRITER = """
import os, sys, threading
from pathlib import Path
from superparams.outcomes.batches import encode
from superparams.outcomes.outcome import Outcome
from superparams.store.ledger.reader import read
from superparams.store.ledger.writer import Ledger

folder, ended, closed, index = Path("ledger"), threading.Event(), 0, 0

def close_files():
    global closed
    last = -1
    while not ended.is_set():
        if index == last:  # one close for each outcome
            continue
        for number in range(3, 64):
            try:
                if os.readlink(f"/proc/self/fd/{number}").endswith(".arrows"):
                    os.close(number)
                    closed += 1
                    last = index
                    break
            except OSError:
                pass

sys.setswitchinterval(1e-5)
with Ledger(folder) as ledger:
    thread = threading.Thread(target=close_files, daemon=True)
    thread.start()
    while closed < 100:
        result = {"x": index} if index % 2 else {"y": str(index)}
        ledger.append(encode([Outcome(index, f"{index:032x}", "done", {}, result)]))
        index += 1
    ended.set()
    thread.join()
rows = [row for batch in read(folder) for row in batch.to_pylist()]
assert sorted(row["index"] for row in rows) == list(range(index)), (index, len(rows))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it finds the files in /proc")
def test_60_a_thread_that_closes_the_ledger_while_it_is_written(tmp_path: Path) -> None:
    """At whatever moment it is closed, each outcome is recorded once."""
    subprocess.run([sys.executable, "-c", WRITER], cwd=tmp_path, timeout=100, check=True)


IN_LOOP = (
    SERIAL.split("found =")[0].replace("def run", "async def run")
    + """
from superparams.errors import EngineError
try:
    Closes().run_all(1, progress=False)
except EngineError as error:
    told = str(error)
found = Closes.results()
with open("counts", "w") as file:
    print(told, found.counts, sorted(row["x"] for row in found), file=file)
"""
)


def test_60_a_coroutine_that_closes_the_files_of_its_loop(tmp_path: Path) -> None:
    """The run ends with an error, and what ended before is recorded."""
    script = tmp_path / "closes.py"
    script.write_text(IN_LOOP)
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, timeout=100, check=True)
    told = (tmp_path / "counts").read_text()
    assert told.startswith("the event loop of the settings cannot go on: [Errno ")
    assert told.endswith("give engine=\"processes\" {'done': 4} [0, 1, 2, 3]\n")
    assert {one.read_text() for one in tmp_path.glob("own-*")} == {"own"}
