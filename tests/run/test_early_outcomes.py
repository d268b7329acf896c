"""Outcomes of quick settings are in the ledger while a long one runs in the same process."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from superparams import Results
from superparams.store.ledger.reader import read
from tests.runs import output, script, start
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

TEXT = """
import sys, time
from pathlib import Path
from superparams import Experiment, search

class Fit(Experiment):
    at: int = search(range(12))

    def run(self):
        with open("ran", "a") as file:
            file.write(f"{self.at}\\n")
        while self.at == 9 and not Path("go").exists():
            Path("runs").touch()
            time.sleep(0.01)
        if self.at == 4:
            yield {"step": 1}
        if self.at == 5:
            raise ValueError("on purpose")
        return {"y": self.at}

if __name__ == "__main__":
    table = Fit().run_all(1, progress=False, retries=int(sys.argv[1]), retry_on=["failed"])
    print(len(table))
"""


def recorded(folder: Path) -> Counter[int]:
    """How many outcomes of each setting are in the ledgers."""
    ledgers = folder.glob("results/*/runs/*/ledger")
    batches = [batch for one in ledgers for batch in read(one, growing=True)]
    return Counter(index for batch in batches for index in batch.column("index").to_pylist())


@pytest.mark.parametrize("retries", ["0", "2"])
def test_no_outcome_is_lost_with_the_driver_while_a_long_setting_runs(
    retries: str, tmp_path: Path
) -> None:
    script(tmp_path, TEXT)
    driver = start(tmp_path, "script.py", retries, start_new_session=True)
    try:
        wait_for((tmp_path / "runs").exists)
        wait_for(lambda: set(recorded(tmp_path)) >= set(range(9)))
        os.kill(driver.pid, signal.SIGKILL)
    finally:
        driver.kill()
        driver.communicate()
    ran = Counter(map(int, (tmp_path / "ran").read_text().split()))
    (tmp_path / "go").touch()
    assert output(tmp_path, TEXT, retries).strip() == "12"
    again = Counter(map(int, (tmp_path / "ran").read_text().split())) - ran
    assert set(again) == {5, 9, 10, 11}  # the one that failed, the killed one, and the others


def test_what_was_recorded_early_is_recorded_once(tmp_path: Path) -> None:
    script(tmp_path, TEXT)
    driver = start(tmp_path, "script.py", "0", start_new_session=True)
    try:
        wait_for((tmp_path / "runs").exists)
        wait_for(lambda: set(recorded(tmp_path)) >= set(range(9)))
        (tmp_path / "go").touch()
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
        driver.communicate()
    assert said.strip() == "12"
    assert recorded(tmp_path) == Counter(range(12))
    (folder,) = tmp_path.glob("results/*")
    results = Results.load(folder)
    assert [row["y"] for row in sorted(results, key=lambda row: row["at"]) if row["at"] != 5] == [
        at for at in range(12) if at != 5
    ]
    assert len(results.steps) == 1
