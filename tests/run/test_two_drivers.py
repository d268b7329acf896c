"""Two drivers that run one space at the same time make the table of an unbroken run."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from superparams import Results
from tests.runs import environment, script
from tests.sharding import rows_of_file
from tests.timing import wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

# Trains with checkpoints and steps, so that both drivers write to the same folders of settings.
TRAINS = """
import sys, time
from pathlib import Path
from superparams import Experiment, search

class Trains(Experiment):
    a: int = search(range(12))

    def run(self):
        state = self.load({"epoch": 0, "total": 0})
        with open("ran.txt", "a") as file:
            file.write(f"{self.a}\\n")
        for epoch in range(state["epoch"], 6):
            state = {"epoch": epoch + 1, "total": state["total"] + self.a}
            (self.folder / "last.txt").write_text(str(epoch))
            self.log(epoch=epoch, total=state["total"])
            self.save(state)
            time.sleep(0.005)
        if self.a == 5:
            raise ValueError("five")
        return {"total": state["total"]}

if __name__ == "__main__":
    Path("ready" + sys.argv[1]).touch()
    while Path("wait").exists():
        time.sleep(0.001)
    found = Trains().run_all(int(sys.argv[2]), progress=False, results=sys.argv[3])
    print(len(found), found.counts)
"""


def begin(folder: Path, name: str, workers: int, results: str = "results") -> Any:
    return subprocess.Popen(
        [sys.executable, "trains.py", name, str(workers), results],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps(root: Path) -> list[tuple[Any, ...]]:
    table = Results.load(root).steps.to_arrow().select(["key", "step", "epoch", "total"])
    return sorted(tuple(row.values()) for row in table.to_pylist())


@pytest.mark.parametrize("workers", [(1, 1), (2, 3)])
def test_two_drivers_at_once_lose_no_row(tmp_path: Path, workers: tuple[int, int]) -> None:
    script(tmp_path, TRAINS, "trains.py")
    (tmp_path / "wait").touch()
    drivers = [begin(tmp_path, str(at), n) for at, n in enumerate(workers)]
    wait_for(lambda: len([*tmp_path.glob("ready*")]) == 2)
    (tmp_path / "wait").unlink()
    ended = [one.communicate(timeout=240) for one in drivers]
    counts = "{'done': 11, 'failed': 1}"
    assert [(out.strip(), err) for out, err in ended] == [(f"12 {counts}", "")] * 2
    ran = Counter((tmp_path / "ran.txt").read_text().split())
    assert set(ran) == {str(a) for a in range(12)}
    assert max(ran.values()) <= 2
    on_disk = rows_of_file(tmp_path / "results" / "trains.Trains")
    unbroken = begin(tmp_path, "alone", 1, "unbroken")
    assert unbroken.communicate(timeout=240) == (f"12 {counts}\n", "")
    expected = tmp_path / "unbroken" / "trains.Trains"
    assert on_disk == rows_of_file(expected)
    assert steps(tmp_path / "results" / "trains.Trains") == steps(expected)


def test_one_of_two_drivers_is_killed(tmp_path: Path) -> None:
    script(tmp_path, TRAINS, "trains.py")
    first, second = begin(tmp_path, "0", 2), begin(tmp_path, "1", 2)
    wait_for(lambda: (tmp_path / "ran.txt").exists())
    wait_for(lambda: len((tmp_path / "ran.txt").read_text().split()) >= 8)
    first.kill()
    first.communicate()
    out, err = second.communicate(timeout=240)
    assert (out, err) == ("12 {'done': 11, 'failed': 1}\n", "")
    unbroken = begin(tmp_path, "alone", 1, "unbroken")
    unbroken.communicate(timeout=240)
    expected = tmp_path / "unbroken" / "trains.Trains"
    assert rows_of_file(tmp_path / "results" / "trains.Trains") == rows_of_file(expected)
    assert steps(tmp_path / "results" / "trains.Trains") == steps(expected)
