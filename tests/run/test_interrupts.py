"""Ctrl-C and SIGTERM during a run, at a real terminal: rows 13 and 14."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as parquet
import pytest

from superparams import Experiment, search
from superparams.executor.engines.contract import Control
from superparams.run.interrupts import Interrupts
from tests.runs import BY_INTERRUPT, Terminal, alive, family, recorded, script, start
from tests.sweeps import sweep
from tests.timing import PATIENCE, scaled, wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")

NAPS = """
import os, sys, time
from superparams import Experiment, search
from superparams.executor import Processes
class Naps(Experiment):
    a: int = search(range(int(sys.argv[2])))
    def run(self):
        open(f"began-{self.a}", "w").close()
        while sys.argv[3] == "pressed" and not os.path.exists("pressed"):
            time.sleep(0.01)
        if sys.argv[3] != "pressed":
            time.sleep(float(sys.argv[3]))
        open(f"ended-{self.a}", "w").close()
        return {"y": self.a}
if __name__ == "__main__":
    engine = sys.argv[4] if len(sys.argv) > 4 else None
    found = Naps().run_all(int(sys.argv[1]), engine=engine)
    print(found.counts)
"""


def count(folder: Path, what: str) -> int:
    return len(list(folder.glob(f"{what}-*")))


def began(terminal: Terminal, folder: Path, least: int = 1) -> None:
    def look() -> bool:
        terminal.read()
        assert terminal.process.poll() is None, terminal.seen
        return count(folder, "began") >= least

    wait_for(look)


WAYS = [("1", "serial"), ("2", "processes"), ("2", "threads")]


@pytest.mark.parametrize(("num_proc", "engine"), WAYS)
def test_13_once_finishes_what_runs(num_proc: str, engine: str, tmp_path: Path) -> None:
    path = script(tmp_path, NAPS)
    with Terminal(tmp_path, str(path), num_proc, "1000", "pressed", engine) as terminal:
        began(terminal, tmp_path)
        terminal.interrupt()
        terminal.expect("Ctrl-C again to stop now")
        (tmp_path / "pressed").touch()
        assert terminal.end() == BY_INTERRUPT
        assert "of 1,000 settings ran; run it again for the rest" in terminal.seen
    assert 1 <= count(tmp_path, "began") == count(tmp_path, "ended") <= 4
    done = count(tmp_path, "ended")
    (table,) = (tmp_path / "results").glob("*/results.parquet")
    assert parquet.read_table(table).num_rows == done
    again = start(tmp_path, str(path), num_proc, str(done + 2), "0", engine)
    out, err = again.communicate(timeout=PATIENCE)
    assert out == f"{{'done': {done + 2}}}\n", err
    assert f"{done:,} done by the same code: skipped" in err


@pytest.mark.timed
@pytest.mark.parametrize(("num_proc", "engine"), WAYS)
def test_13_twice_stops_at_once(num_proc: str, engine: str, tmp_path: Path) -> None:
    path = script(tmp_path, NAPS)
    with Terminal(tmp_path, str(path), num_proc, "9", "30", engine) as terminal:
        began(terminal, tmp_path)
        workers = family(terminal.process.pid)
        terminal.interrupt()
        terminal.expect("Ctrl-C again")
        # A thread cannot be ended, so that the engine of threads waits half a second for it.
        with within(1.5 if engine == "threads" else 1.0):
            terminal.interrupt()
            assert terminal.end() == BY_INTERRUPT
        assert not any(alive(one) for one in workers)
    assert count(tmp_path, "ended") == 0


@sweep(1, "method", ["forkserver", "spawn"])
def test_13_once_while_workers_start(method: str, tmp_path: Path) -> None:
    """The whole group gets it, and what starts workers must not mind."""
    text = NAPS.replace("engine=engine", f"engine=Processes({method!r})")

    def starts() -> bool:
        terminal.read()
        if not any(tmp_path.glob("results/*/runs/*/run.json")):  # before, it is no run's Ctrl-C
            return False
        with suppress(psutil.Error):  # one that lived for a moment
            for one in family(terminal.process.pid):
                is_ours = any("engines.processes" in word for word in one.cmdline())
                if is_ours and one.memory_info().rss > 12e6:  # a bare Python has 9
                    return True
        return False

    with Terminal(tmp_path, str(script(tmp_path, text)), "2", "999", f"{scaled(0.2)}") as terminal:
        wait_for(starts)
        terminal.interrupt()
        terminal.expect("Ctrl-C again")
        assert terminal.end() == BY_INTERRUPT
    assert terminal.seen.count("Traceback") == 1, "that of the KeyboardInterrupt"
    assert re.search(r"\d of 999 settings ran", terminal.seen)


MAKES = """
import sys, time
from superparams import Experiment, search, value
from superparams.executor import Processes
def made():
    open("began-0", "w").close()
    time.sleep(60)
class Makes(Experiment):
    a: int = search([1, 2])
    data: object = value(factory=made, key="made")
    def run(self):
        return {"y": self.data}
if __name__ == "__main__":
    Makes().run_all(2, engine=Processes(start_method=sys.argv[1]))
"""


@pytest.mark.timed
@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_13_twice_while_a_factory_is_at_work(method: str, tmp_path: Path) -> None:
    """In the template or, where there is none, in the driver."""
    with Terminal(tmp_path, str(script(tmp_path, MAKES)), method) as terminal:
        began(terminal, tmp_path)
        with within(1.5):
            terminal.interrupt()
            terminal.expect("Ctrl-C again")
            if method != "forkserver":  # there the first will do, since no setting runs
                terminal.interrupt()
            assert terminal.end() == BY_INTERRUPT
        assert "0 of 2 settings ran" in terminal.seen


@pytest.mark.timed
@sweep(1, "method", ["forkserver", "spawn"])
def test_14_terminated_while_a_factory_is_at_work(method: str, tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, MAKES)), method)
    wait_for(lambda: count(tmp_path, "began"))
    with within(1.5):
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143, err


def test_13_once_when_nothing_is_left_to_hand_out_is_no_interruption(tmp_path: Path) -> None:
    with Terminal(tmp_path, str(script(tmp_path, NAPS)), "2", "2", "pressed") as terminal:
        began(terminal, tmp_path, 2)
        terminal.interrupt()
        terminal.expect(r"\^C")  # the terminal has sent the signal
        (tmp_path / "pressed").touch()
        assert terminal.end() == 0
        assert "{'done': 2}" in terminal.seen


@pytest.mark.timed
@pytest.mark.parametrize(("num_proc", "engine"), WAYS)
def test_14_terminated_keeps_what_is_done(num_proc: str, engine: str, tmp_path: Path) -> None:
    path = script(tmp_path, NAPS)
    process = start(tmp_path, str(path), num_proc, "1000", "0.05", engine)
    wait_for(lambda: len(recorded(tmp_path)) > 5)
    workers = family(process.pid)
    with within(1.5):
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (143, ""), err
    assert "Traceback" not in err
    assert not any(alive(one) for one in workers)
    (run,) = (tmp_path / "results").glob("*/runs/*")
    assert '"state": "interrupted"' in (run / "run.json").read_text()
    ended = count(tmp_path, "ended")
    out, err = start(tmp_path, str(path), num_proc, str(ended), "0", engine).communicate(
        timeout=PATIENCE
    )
    assert out == f"{{'done': {ended}}}\n", err
    skipped = int(err.split(" settings: ")[1].split(" done by")[0])
    # What ended within the last flush of a worker may not have been told yet.
    assert ended - 2 * int(num_proc) <= skipped <= ended, err


class Signals(Experiment):
    number: int = search([1, 2, 3])

    def run(self) -> dict[str, int]:
        if self.number == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        return {"y": self.number}


def test_14_a_signal_that_is_ignored_stays_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    try:
        assert Signals().run_all(progress=False).counts == {"done": 3}
    finally:
        signal.signal(signal.SIGTERM, before)


def test_handlers_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        Signals().run_all(progress=False)
    assert ended.value.code == 143
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert [row["y"] for row in Signals.results()] == [1]


def interrupt_self() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_second_interrupt_outside_of_settings_raises_nothing() -> None:
    """Engines see `Control` by themselves; raising could tear what is being written."""
    control = Control()
    with Interrupts(control) as interrupts:
        # Another thread may take the signal; then the handler runs a little later.
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: control.draining)
        assert not control.stopping
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: control.stopping)
        assert interrupts.is_interrupted
        with pytest.raises(KeyboardInterrupt):
            wait_for(interrupt_self)


FORKS = """
import os, signal, time
from superparams import Experiment, search
class Forks(Experiment):
    a: int = search([1, 2])
    def run(self):
        ready, tells = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(tells, b".")
            for _ in range(3000):  # one long sleep can begin just after a signal came
                time.sleep(0.01)
            os._exit(0)
        os.read(ready, 1)
        os.close(ready)
        os.close(tells)
        os.kill(child, signal.SIGTERM)
        return {"status": os.waitpid(child, 0)[1]}
if __name__ == "__main__":
    print([row["result.status"] for row in Forks().run_all(progress=False)])
"""


def test_a_child_of_a_setting_ends_by_the_signal_as_it_would_have(tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, FORKS)))
    out, err = process.communicate(timeout=PATIENCE)
    assert out.strip() == f"[{signal.SIGTERM:d}, {signal.SIGTERM:d}]", err
