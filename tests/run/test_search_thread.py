"""Outcomes are recorded while a strategy thinks, however long that takes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from superparams.store.ledger.reader import read
from tests.runs import output, script, start
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

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


@pytest.mark.parametrize("engine", ["processes", "threads"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_that_has_ended_is_lost(engine: str, end: int, tmp_path: Path) -> None:
    text = TEXT.replace("ENGINE", engine)
    script(tmp_path, text)
    driver = start(tmp_path, "script.py", start_new_session=True)
    try:
        wait_for((tmp_path / "thinks").exists)
        wait_for(lambda: n_recorded(tmp_path) >= 6)  # all that may run ahead
        os.kill(driver.pid, end)
        driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.communicate()
    assert driver.returncode != 0
    (tmp_path / "go").touch()
    losses = output(tmp_path, text)
    assert losses.count(",") == 11
    assert len((tmp_path / "ran").read_text().split()) <= 12 + 2
