"""Outcomes are recorded while a strategy thinks, however long that takes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from superparams.store.ledger.reader import read
from tests.runs import alive, command_line, family, output, script, start
from tests.sweeps import sweep
from tests.timing import wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")

N_PROC = {"serial": 1, "processes": 2, "threads": 2}
TEXT = """
import random, time
from pathlib import Path
from superparams import Experiment, search, minimize

class Slow:
    trials, ahead = 12, 6

    def begin(self, space, seed):
        self.space = space

    def ask(self, trial):
        while trial >= 7 and not Path("go").exists():
            Path("thinks").touch()
            time.sleep(0.01)
        lot = random.Random(trial)
        return self.space.made(lambda one: one.at(lot.getrandbits(64)))

    def tell(self, trial, outcome):
        pass

class Fit(Experiment):
    x: float = search(low=0.0, high=1.0)
    goal = minimize("loss")

    def run(self):
        with open("ran", "a") as file:
            file.write("x\\n")
        return {"loss": self.x}

if __name__ == "__main__":
    rows = Fit().run_all(2, strategy=Slow(), progress=False, engine="ENGINE")
    print(sorted(row["loss"] for row in rows))
"""


def n_recorded(folder: Path) -> int:
    ledgers = folder.glob("results/*/runs/*/ledger")
    return sum(batch.num_rows for one in ledgers for batch in read(one, growing=True))


N_BEFORE = {"processes": 6, "serial": 2, "threads": 6}  # outcomes until the strategy thinks


@sweep(1, "engine", N_BEFORE)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_that_has_ended_is_lost(engine: str, end: int, tmp_path: Path) -> None:
    text = TEXT.replace("ENGINE", engine).replace("run_all(2", f"run_all({N_PROC[engine]}")
    script(tmp_path, text)
    driver = start(tmp_path, "script.py", start_new_session=True)
    try:
        wait_for((tmp_path / "thinks").exists)
        wait_for(lambda: n_recorded(tmp_path) >= N_BEFORE[engine])
        os.kill(driver.pid, end)
        _, said = driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.communicate()
    assert driver.returncode != 0
    assert "StrategyError" not in said
    assert ("run it again for the rest" in said) == (end == signal.SIGINT)
    (tmp_path / "go").touch()
    losses = output(tmp_path, text)
    assert losses.count(",") == 11
    assert len((tmp_path / "ran").read_text().split()) <= 12 + 2


@pytest.mark.timed
@pytest.mark.parametrize("engine", N_BEFORE)
def test_ctrl_c_does_not_wait_for_a_strategy(engine: str, tmp_path: Path) -> None:
    text = TEXT.replace("ENGINE", engine).replace("run_all(2", f"run_all({N_PROC[engine]}")
    script(tmp_path, text)
    driver = start(tmp_path, "script.py", start_new_session=True)
    try:
        wait_for((tmp_path / "thinks").exists)
        wait_for(lambda: n_recorded(tmp_path) >= N_BEFORE[engine])
        with within(3.0):
            os.kill(driver.pid, signal.SIGINT)
            driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.communicate()


SOON = """
import superparams.run.proposal_watch
superparams.run.proposal_watch.SLOW = 0.3
"""


@sweep(1, "engine", N_BEFORE)
@pytest.mark.parametrize("method", ["begin", "ask", "tell"])
def test_a_strategy_that_takes_long_is_reported(engine: str, method: str, tmp_path: Path) -> None:
    text = SOON + TEXT.replace("ENGINE", engine).replace("progress=False", "progress=True")
    text = text.replace("run_all(2", f"run_all({N_PROC[engine]}")
    waits = 'while not Path("go").exists(): time.sleep(0.01)'
    text = text.replace("while trial >= 7 and not", "while False and not")
    if method == "begin":
        text = text.replace("self.space = space", f"self.space = space\n        {waits}")
    elif method == "ask":
        text = text.replace(
            "lot = random", f"if trial == 7:\n            {waits}\n        lot = random"
        )
    else:
        text = text.replace("pass", f"if trial == 3:\n            {waits}")
    script(tmp_path, text)
    driver = start(tmp_path, "script.py", start_new_session=True)
    said = ""
    try:
        assert driver.stderr is not None
        wanted = f"{method}()" + {"begin": "", "ask": " at trial 7", "tell": " at trial 3"}[method]
        for line in driver.stderr:
            said += line
            if f"note: Slow is in {wanted}" in line:  # on a busy machine, others come before
                break
        assert f"note: Slow is in {wanted} and has not returned for 0.3 s" in said
        (tmp_path / "go").touch()
        losses, rest = driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.communicate()
    assert driver.returncode == 0, said + rest
    assert losses.count(",") == 11
    assert "has not returned" not in rest  # once


HANGS = """
from superparams import Experiment, minimize, search
from superparams.strategies import Optuna
from tests.strategies.odd_samplers import HangingSampler

class Fit(Experiment):
    x: float = search(low=0.0, high=1.0)
    goal = minimize("loss")

    def run(self):
        return {"loss": self.x}

if __name__ == "__main__":
    strategy = Optuna(HangingSampler, trials=12, ahead=6)
    Fit().run_all(NUM_PROC, strategy=strategy, progress=False, engine="ENGINE")
"""


@sweep(1, "engine", N_BEFORE)
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_sampler_that_hangs_ends_with_ctrl_c(engine: str, end: int, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    text = HANGS.replace("ENGINE", engine).replace("NUM_PROC", str(N_PROC[engine]))
    script(tmp_path, text)
    driver = start(tmp_path, "script.py", start_new_session=True)
    try:
        wait_for(lambda: n_recorded(tmp_path) >= N_BEFORE[engine])
        others = family(driver.pid)
        assert any("optuna_helper" in command_line(process) for process in others)
        os.kill(driver.pid, end)
        _, said = driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.communicate()
    wait_for(lambda: not any(map(alive, others)))
    assert "StrategyError" not in said
    if end == signal.SIGINT:
        assert "run it again for the rest" in said
    else:
        assert driver.returncode == 143
