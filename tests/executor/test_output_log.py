"""What settings print in this process is shown as ever, and is in the log of the run as well."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search, value
from superparams.executor.engines.output_log import OutputLog
from tests.runs import Terminal, script, start

pytestmark = pytest.mark.usefixtures("no_leaks")


class Does(Experiment):
    a: int = search([1, 2, 3])
    act: Any = value(None, key="act")

    def run(self) -> dict[str, int]:
        self.act(self.a)
        return {"y": self.a}


def logs(act: Callable[[int], None], folder: Path, num_proc: int = 1) -> list[str | None]:
    space = Does(act=value(act, key="act"))
    found = space.run_all(num_proc, results=folder, progress=False, resume=False)
    assert [row["y"] for row in found] == [1, 2, 3]
    return [found.log(row["key"]) for row in found]


def prints(a: int) -> None:
    print(f"out {a}")
    print(f"err {a}", file=sys.stderr)
    print("no end of line", end="")


def prints_nothing(a: int) -> None:
    pass


def prints_sometimes(a: int) -> None:
    if a == 2:
        sys.stdout.writelines(["one\n", "two\n", "\ud800 and \xe9\n"])


def lends_its_output(a: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        print("for itself")
    print(a)


def replaces_its_output(a: int) -> None:
    if a == 2:
        sys.stdout = Upper(sys.stdout)
    print(f"x{a}")


class Upper:
    """A stream of a user, which writes to another one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return int(self._stream.write(text.upper()))

    def flush(self) -> None:
        self._stream.flush()


def starts_a_thread(a: int) -> None:
    thread = threading.Thread(target=print, args=(f"thread {a}",))
    thread.start()
    thread.join()


def forks(a: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=print, args=(f"child {a}",))
    process.start()
    process.join()


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (prints, "out {0}\nerr {0}\nno end of line"),
        (prints_nothing, ""),
        (lends_its_output, "{0}\n"),
        (starts_a_thread, "thread {0}\n"),
        (forks, "child {0}\n"),
    ],
)
@pytest.mark.parametrize("num_proc", [1, 2])
def test_every_row_has_its_log(
    tmp_path: Path,
    act: Callable[[int], None],
    found: str,
    num_proc: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    expected = [found.format(a) for a in (1, 2, 3)]
    assert logs(act, tmp_path, num_proc) == expected
    shown = "".join(capfd.readouterr())
    is_here = num_proc == 1
    assert all((text in shown) == is_here for text in "".join(expected).splitlines())


def test_a_row_that_prints_beside_others_that_do_not(tmp_path: Path) -> None:
    assert logs(prints_sometimes, tmp_path) == ["", "one\ntwo\n\\ud800 and \xe9\n", ""]


def test_a_stream_that_a_setting_puts_in_place(tmp_path: Path) -> None:
    before = sys.stdout
    try:
        assert logs(replaces_its_output, tmp_path) == ["x1\n", "X2\n", "x3\n"]
    finally:
        sys.stdout = before


def test_handlers_of_logging_that_were_made_before(tmp_path: Path) -> None:
    """They hold the stream, and write to that and not to `sys.stderr`."""
    logger, handler = logging.getLogger("of a setting"), logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    try:
        assert logs(lambda a: logger.warning("said %d", a), tmp_path) == [
            f"said {a}\n" for a in (1, 2, 3)
        ]
    finally:
        logger.removeHandler(handler)


def test_streams_are_left_as_they_were(tmp_path: Path) -> None:
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        logs(prints, tmp_path)
        print("after")
    assert vars(stream) == {}
    assert stream.getvalue().endswith("no end of lineafter\n")
    assert "after" not in (next(tmp_path.glob("*/runs/*/logs/0.log"))).read_text()


def test_a_stream_that_takes_no_attributes(tmp_path: Path) -> None:
    class Slots(io.StringIO):
        def __setattr__(self, name: str, x: object) -> None:
            raise AttributeError(name)

    with contextlib.redirect_stdout(Slots()) as stream:
        assert logs(prints, tmp_path) == [f"err {a}\n" for a in (1, 2, 3)]
    assert stream.getvalue().startswith("out 1")


def test_a_stream_without_flush(tmp_path: Path) -> None:
    class WritesAlone:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def write(self, text: str) -> None:
            self.seen.append(text)

    stream: Any = WritesAlone()
    with contextlib.redirect_stdout(stream):
        assert logs(lends_its_output, tmp_path) == [f"{a}\n" for a in (1, 2, 3)]
    assert vars(stream).keys() == {"seen"}


class Waits(Experiment):
    a: int = search([1, 2])

    async def run(self) -> dict[str, int]:
        print(f"hello {self.a}")
        return {"y": self.a}


def test_coroutines_in_a_thread_beside_a_loop_that_runs(tmp_path: Path) -> None:
    """As in a notebook, whose own loop runs."""

    async def main() -> list[str | None]:
        found = Waits().run_all(engine="serial", results=tmp_path, progress=False)
        return [found.log(row["key"]) for row in found]

    assert asyncio.run(main()) == ["hello 1\n", "hello 2\n"]


def test_a_fork_beside_a_thread_that_prints(tmp_path: Path) -> None:
    """The fork has a lock of its own, whoever held that of its parent."""
    log = OutputLog(tmp_path / "0.log")
    try:
        with log._lock:
            pid = os.fork()
            if pid == 0:
                print("from the fork")
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        log.close()
    assert (tmp_path / "0.log").read_text() == "from the fork\n"


def test_runs_in_two_threads_are_told_apart(tmp_path: Path) -> None:
    """Each prints while the other one runs a setting."""
    both = threading.Barrier(2)
    found: dict[str, list[str | None]] = {}

    def go(name: str) -> None:
        def act(a: int) -> None:
            both.wait()
            print(f"{name} {a}")
            both.wait()

        found[name] = logs(act, tmp_path / name)

    before = vars(sys.stdout).get("write")

    threads = [threading.Thread(target=go, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: [f"{name} {a}\n" for a in (1, 2, 3)] for name in ("left", "right")}
    assert vars(sys.stdout).get("write") is before


def test_a_run_within_a_setting(tmp_path: Path) -> None:
    """What the inner settings print is output of the outer one as well."""

    def outer(a: int) -> None:
        assert logs(prints_sometimes, tmp_path / f"inner {a}")[1] is not None

    found = logs(outer, tmp_path / "outer")
    assert found == ["one\ntwo\n\\ud800 and \xe9\n"] * 3


def test_a_setting_that_closes_all_files(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "logs" / "0.log")
    try:
        print("before")
        log.mark()
        os.close(log._fd)
        with open(tmp_path / "another", "w") as another:
            print("after")
            end = log.mark()
            another.write("x")
    finally:
        log.close()
    assert (tmp_path / "another").read_text() == "x"
    assert (tmp_path / "logs" / "0.log").read_text() == "before\nafter\n"
    assert end == len("before\nafter\n")


def test_output_is_there_while_the_setting_runs(tmp_path: Path) -> None:
    """A line at its end, and the beginning of one before the setting ends."""
    path = tmp_path / "0.log"
    log = OutputLog(path)
    try:
        print("a line")
        assert path.read_bytes() == b"a line\n"
        print("10 %\r", end="")
        assert path.read_bytes() == b"a line\n10 %\r"
        print("x", end="")
        assert log.mark() == len("a line\n10 %\rx")
    finally:
        log.close()


PROGRESS = """
import sys, time
from superparams import Experiment, search
class Slow(Experiment):
    a: int = search([1, 2])
    def run(self):
        print(f"begin {self.a}")
        print("partial", end="")
        time.sleep(1)
        print(f" end {self.a}")
        return {"y": self.a}
found = Slow().run_all()
print([found.log(row["key"]) for row in found])
"""


def test_the_line_of_progress_is_not_in_it(tmp_path: Path) -> None:
    """At a terminal rich takes the streams over while settings run."""
    with Terminal(tmp_path, str(script(tmp_path, PROGRESS))) as terminal:
        terminal.expect(r"\['begin 1\\npartial end 1\\n', 'begin 2\\npartial end 2\\n'\]")
        assert terminal.end() == 0


# ---- settings side by side


class Beside(Experiment):
    """Each setting prints before and after all others have printed."""

    a: int = search([1, 2, 3])
    both: Any = value(None, key="both")

    def run(self) -> dict[str, int]:
        print(f"begin {self.a}")
        self.both.wait()
        print(f"err {self.a}", file=sys.stderr)
        self.both.wait()
        print(f"no end {self.a}", end="")
        return {"y": self.a}


class BesideInLoop(Experiment):
    a: int = search(range(40))

    async def run(self) -> dict[str, int]:
        print(f"begin {self.a}")
        await asyncio.sleep(0.01)
        await asyncio.gather(self.told("task"), asyncio.to_thread(print, f"thread {self.a}"))
        print(f"no end {self.a}", end="")
        return {"y": self.a}

    async def told(self, what: str) -> None:
        await asyncio.sleep(0.01)
        print(f"{what} {self.a}")


def test_threads_have_logs_of_their_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    space = Beside(both=value(threading.Barrier(3, timeout=60), key="both"))
    found = space.run_all(3, engine="threads", results=tmp_path, progress=False)
    texts = [f"begin {a}\nerr {a}\nno end {a}" for a in (1, 2, 3)]
    assert [found.log(row["key"]) for row in found] == texts
    shown = "".join(capfd.readouterr())
    assert all(word in shown for text in texts for word in text.split("\n"))
    assert "write" not in vars(sys.stdout)


def test_one_thread_runs_many_settings(tmp_path: Path) -> None:
    """Also attempts that failed, and settings that print nothing."""
    attempts: dict[int, int] = {}

    def act(a: int) -> None:
        attempts[a] = attempts.get(a, 0) + 1
        if a != 2:
            print(f"{a} at {attempts[a]}")
        if a == 3 and attempts[a] == 1:
            raise ValueError

    space = Does(act=value(act, key="act"))
    found = space.run_all(
        1, engine="threads", retries=1, retry_on=["failed"], results=tmp_path, progress=False
    )
    assert [found.log(row["key"]) for row in found] == ["1 at 1\n", "", "3 at 1\n3 at 2\n"]


def test_coroutines_have_logs_of_their_own(tmp_path: Path) -> None:
    found = BesideInLoop().run_all(40, results=tmp_path, progress=False)
    for row in found:
        a, log = row["a"], found.log(row["key"])
        assert log is not None
        assert sorted(log.split("\n")) == sorted(
            [f"begin {a}", f"task {a}", f"thread {a}", f"no end {a}"]
        )


class Stops(Experiment):
    a: int = search([1, 2, 3])

    async def run(self) -> dict[str, int]:
        print(f"begin {self.a}")
        if self.a == 2:
            await asyncio.sleep(60)
        return {"y": self.a}


def test_the_log_of_a_coroutine_that_took_too_long(tmp_path: Path) -> None:
    found = Stops().run_all(3, timeout=3, results=tmp_path, progress=False)
    assert [row["status"] for row in found] == ["done", "timeout", "done"]
    assert [found.log(row["key"]) for row in found] == [f"begin {a}\n" for a in (1, 2, 3)]


def test_what_nobody_knows_is_in_no_log_of_settings_side_by_side(tmp_path: Path) -> None:
    """A thread has a context of its own, unless it is given that of the setting."""

    def act(a: int) -> None:
        in_context = contextvars.copy_context()
        for target in (partial(print, "alone"), partial(in_context.run, print, f"known {a}")):
            thread = threading.Thread(target=target)
            if sys.version_info >= (3, 14) and target.func is print:
                thread = threading.Thread(target=target, context=contextvars.Context())
            thread.start()
            thread.join()

    space = Does(act=value(act, key="act"))
    found = space.run_all(2, engine="threads", results=tmp_path, progress=False)
    assert [found.log(row["key"]) for row in found] == [f"known {a}\n" for a in (1, 2, 3)]


@pytest.mark.parametrize("engine", ["serial", "threads"])
def test_a_run_of_threads_within_a_setting(tmp_path: Path, engine: Any) -> None:
    """What the inner settings print is output of the outer one as well."""

    def outer(a: int) -> None:
        space = Does(act=value(prints, key="act"))
        space.run_all(1, engine="threads", results=tmp_path / f"inner {a}", progress=False)

    space = Does(act=value(outer, key="act"))
    found = space.run_all(1, engine=engine, results=tmp_path / "outer", progress=False)
    inner = "".join(f"out {a}\nerr {a}\nno end of line" for a in (1, 2, 3))
    assert [found.log(row["key"]) for row in found] == [inner] * 3


INTERRUPTED = """
import contextlib, signal, sys
from superparams import Experiment, search

def tick(*_):
    with contextlib.suppress(RuntimeError):  # in the middle of another print to the same stream
        print("tick", file=sys.stderr)

class Fit(Experiment):
    at: int = search(range(4000))

    def run(self):
        print(f"setting {self.at}")
        return {}

signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
results = Fit().run_all(1, progress=False, results="kept")
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(results), file=sys.stderr)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX")
def test_a_handler_of_a_signal_may_print_at_any_time(tmp_path: Path) -> None:
    """Ctrl-C says what happens now: with a lock that is not reentrant, it waited for itself."""
    driver = start(tmp_path, str(script(tmp_path, INTERRUPTED)))
    try:
        printed, said = driver.communicate(timeout=120)
    finally:
        driver.kill()
        driver.communicate()
    assert said.splitlines()[-1] == "4000"
    expected = [f"setting {at}" for at in range(4000)]
    assert printed.split("\n")[:-1] == expected
    (log,) = tmp_path.glob("kept/*/runs/*/logs/0.log")
    kept = log.read_text()
    assert "tick" in kept
    assert kept.replace("tick", "").split() == " ".join(expected).split()
