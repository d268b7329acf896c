"""Searches whose driver, or the process that asks a sampler, is killed at random moments.

SUPERPARAMS_SLOW=1 kills each driver 20 times in 200 trials.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from superparams import Results
from tests.runs import alive, command_line, family, output, script, start
from tests.sweeps import swept
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

IS_LONG = bool(os.environ.get("SUPERPARAMS_SLOW"))
N_KILLS, N_TRIALS = (20, 200) if IS_LONG else (3, 40)
NUM_PROC = 2

SCRIPT = """
import json, random, time
from superparams import Experiment, Params, minimize, search
from superparams.strategies import ASHA, CMAES, NSGA2, TPE, Evolution, Median

class Small(Params):
    depth: int = search([1, 2, 3])

class Large(Params):
    width: int = search(low=1, high=512, log=True)

class Fit(Experiment):
    x: float = search(low=-2.0, high=2.0)
    y: float = search(low=1e-4, high=1.0, log=True)
    net: Small | Large = search([Small(), Large()])
    goal = minimize("loss")

    def run(self):
        with open("ran", "a") as file:
            file.write(self.key + "\\n")
        if int(self.key, 16) % 17 == 0:
            raise ValueError("it diverged")
        n_steps = EPOCHS
        for epoch in range(1, n_steps + 1):
            time.sleep(random.SystemRandom().uniform(0, 0.04 / n_steps))
            loss = (self.x - 0.3) ** 2 + abs(self.y - 0.1) + isinstance(self.net, Small) / 5
            yield {"epoch": epoch, "loss": loss + 1 / epoch}

if __name__ == "__main__":
    found = Fit().run_all(NUM_PROC, strategy=STRATEGY, stop=STOP, progress=False)
    names = ("key", "status", "loss", "index", "n_steps", "stopped_by")
    print(json.dumps([[row[name] for name in names] for row in found]))
"""
SEARCHES = {
    "TPE and ASHA": ("TPE(trials=N, startup=6)", "ASHA(reduction_factor=2)"),
    "Evolution": ("Evolution(trials=N, population=8)", "None"),
    "Evolution and Median": ("Evolution(trials=N, population=8)", "Median(min_settings=3)"),
    "TPE": ("TPE(trials=N, startup=6)", "None"),
    "CMAES": ("CMAES(trials=N, population=6)", "None"),
    "NSGA2": ('NSGA2(trials=N, population=8, minimize=["loss", "epoch"])', "None"),
}
HAS_OPTUNA = find_spec("optuna") is not None


def text_of(name: str) -> str:
    strategy, stop = SEARCHES[name]
    if not (HAS_OPTUNA or strategy.startswith("Evolution")):
        pytest.skip("Optuna is not installed")
    words = {
        "STRATEGY": strategy.replace("=N", f"={N_TRIALS}"),
        "STOP": stop,
        "EPOCHS": "1" if stop == "None" else "6",
        "NUM_PROC": str(NUM_PROC),
    }
    text = SCRIPT
    for word, x in words.items():
        text = text.replace(word, x)
    return text


@dataclass
class Kept:
    """Two folders, of which one has the unbroken search.

    Attributes:
        rows: The table of the unbroken search.
        n_ran: How many settings it ran.
    """

    text: str
    broken: Path
    rows: list[Any]
    n_ran: int


@pytest.fixture(params=swept(2, SEARCHES))
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    text = text_of(request.param)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    rows = json.loads(output(whole, text))
    script(broken, text)
    assert len(rows) > N_TRIALS * 0.6
    return Kept(text, broken, rows, n_ran(whole))


def n_ran(folder: Path) -> int:
    """How many settings have begun."""
    file = folder / "ran"
    return file.read_text().count("\n") if file.exists() else 0


def n_recorded(folder: Path) -> int:
    """How many settings have an outcome that is kept."""
    root = folder / "results" / "script.Fit"
    return len(Results.load(root)) if root.exists() else 0


@contextmanager
def driver_in(folder: Path) -> Generator[subprocess.Popen[str]]:
    """A driver that is killed at the end, at first alone, so that its workers have to notice."""
    driver = start(folder, "script.py", start_new_session=True)
    try:
        yield driver
    finally:
        others = family(driver.pid)
        driver.kill()
        driver.communicate()
        wait_for(lambda: not any(map(alive, others)))


def wait_until(folder: Path, driver: subprocess.Popen[str], n_more: int, seconds: float) -> None:
    """Wait for so many more settings that begin, then for a moment."""
    wanted = n_ran(folder) + n_more
    wait_for(lambda: n_ran(folder) >= wanted or driver.poll() is not None)
    time.sleep(seconds)


def helpers_of(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that ask a sampler."""
    return [one for one in family(driver.pid) if "optuna_helper" in command_line(one)]


def test_a_driver_that_is_killed_at_random_moments(kept: Kept) -> None:
    lot = random.Random(len(kept.rows))
    each = kept.n_ran // (N_KILLS + 1)
    for _ in range(N_KILLS):
        with driver_in(kept.broken) as driver:
            # Some are killed before they run anything.
            wait_until(kept.broken, driver, lot.choice([0, each, each, each]), lot.random() / 20)
    n_lost = n_ran(kept.broken) - n_recorded(kept.broken)
    assert json.loads(output(kept.broken, kept.text)) == kept.rows
    assert n_ran(kept.broken) <= kept.n_ran + n_lost  # what was recorded runs once
    # A worker loses what it runs, and what it finished within the last 20 ms; on a busy machine
    # the driver has not read one more.
    assert n_lost <= 3 * N_KILLS * NUM_PROC


def test_a_helper_that_is_killed_at_random_moments(kept: Kept) -> None:
    if "Evolution(" in kept.text.split("strategy=")[1]:
        pytest.skip("it has no process of its own")
    n_killed = [kill_helpers(kept, kept.broken)]
    while n_killed[-1] < max(1, N_KILLS // 2):  # it was over before, as if we stood still
        assert len(n_killed) < 20, n_killed
        folder = kept.broken.with_name(f"broken-{len(n_killed)}")
        folder.mkdir()
        script(folder, kept.text)
        n_killed.append(kill_helpers(kept, folder))


def kill_helpers(kept: Kept, folder: Path) -> int:
    """Search in a folder, while what asks the sampler is killed; gives how often it was."""
    lot = random.Random(len(kept.rows))
    n_killed = 0
    driver = start(folder, "script.py", start_new_session=True)
    try:
        for _ in range(N_KILLS):
            each = max(1, (kept.n_ran - n_ran(folder) - 2) // (N_KILLS - n_killed + 1))
            wait_until(folder, driver, each, lot.random() / 50)
            for one in helpers_of(driver):
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)
                    n_killed += 1
        out, err = driver.communicate(timeout=300)
    finally:
        driver.kill()
        driver.communicate()
    assert err == ""
    assert json.loads(out) == kept.rows
    assert n_ran(folder) == kept.n_ran  # a sampler that dies costs no run
    return n_killed
