"""Steps are kept, whatever becomes of their setting, its worker, or the driver.

FAULTS rows 1, 2, 3, 7, 11, 14, 25 and 28, for steps.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search
from superparams.errors import StoreError
from superparams.executor import Processes
from tests.recorded_steps import curves, recorded_steps
from tests.runs import script, start
from tests.sweeps import sweep
from tests.timing import PATIENCE, slowness, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")


class Ends(Experiment):
    how: str = search(["well", "SIGKILL", "SIGSEGV", "exit", "error", "timeout", "in C", "child"])
    root: str

    def run(self) -> Iterator[dict[str, Any]]:
        before = self.n_recorded()
        for n in range(3):
            yield {"n": n, "how": self.how}
        if self.how == "well":
            return
        if self.how == "error":
            raise ValueError("no")
        wait_for(lambda: self.n_recorded() == before + 3)  # at the latest until its time is up
        if self.how == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "SIGSEGV":
            faulthandler._sigsegv()  # type: ignore[attr-defined]
        if self.how == "exit":
            os._exit(0)
        if self.how == "child" and os.fork():
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "in C":
            sum(range(10**12))
        time.sleep(10_000)

    def n_recorded(self) -> int:
        """How many steps are in the results folder, of this attempt and the one before it."""
        return sum(row["key"] == self.key for row in recorded_steps(Path(self.root)))


EXPECTED = {
    "well": "done",
    "SIGKILL": "killed",
    "SIGSEGV": "killed",
    "exit": "failed",
    "error": "failed",
    "timeout": "timeout",
    "in C": "timeout",
    "child": "killed",
}


@sweep(1, "method", ["forkserver", "spawn"])
def test_1_2_3_7_a_setting_that_ends_badly_keeps_its_steps(method: Any, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"timeout": 5, "retries": 1, "retry_on": ["killed"]}
    engine = Processes(start_method=method)
    space = Ends(root=str(tmp_path))
    found = space.run_all(2, engine=engine, results=tmp_path, progress=False, **asked)
    table = found.to_pandas().set_index("how")
    assert table.status.to_dict() == EXPECTED, table.error.tolist()
    assert table.n_steps.tolist() == [3] * 8
    # The last step is no row of a setting that did not end well.
    assert table.n.isna().tolist() == [how != "well" for how in EXPECTED]
    for (index, attempt), rows in curves(tmp_path).items():
        how = list(EXPECTED)[index]
        assert rows == [{"n": n, "how": how} for n in range(3)], (how, attempt)
        assert attempt <= (2 if EXPECTED[how] == "killed" else 1)
    assert len(curves(tmp_path)) == 8 + 3


TRAINS = """
import sys, time
from pathlib import Path
from superparams import Experiment, search
class Train(Experiment):
    a: int = search(range(2))
    def run(self):
        is_first = not Path("go").exists()
        with open(f"made-{self.a}", "w") as made:
            for n in range(100_000 if is_first else 3):
                time.sleep(0.01)
                yield {"n": n, "loss": None if n % 2 else 0.5}
                print(n, time.time(), file=made, flush=True)
        return {"y": self.a}
if __name__ == "__main__":
    found = Train().run_all(2, engine=sys.argv[1], progress=False)
    print(found.counts, found.to_pandas().n_steps.tolist())
"""


@pytest.mark.timed
@sweep(
    1,
    ("engine", "how"),
    [("processes", signal.SIGKILL), ("threads", signal.SIGKILL), ("processes", signal.SIGTERM)],
)
def test_11_14_the_driver_is_killed(engine: str, how: int, tmp_path: Path) -> None:
    """No step is lost that is older than a second; the next run starts over."""
    script(tmp_path, TRAINS)
    process = start(tmp_path, "script.py", engine)
    wait_for(lambda: len(recorded_steps(tmp_path)) >= 50 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    slow = slowness()
    killed = time.time()
    process.send_signal(how)
    process.communicate(timeout=PATIENCE)
    found = curves(tmp_path)
    assert set(found) == {(0, 1), (1, 1)}
    for (index, _), rows in found.items():
        assert [row["n"] for row in rows] == list(range(len(rows)))
        # What the setting knows to be made, which may have stood still on a busy machine.
        made = (tmp_path / f"made-{index}").read_text().splitlines()[:-1]
        old = [line for line in made if float(line.split()[1]) < killed - 1.0 * slow]
        assert len(rows) >= len(old)
    (tmp_path / "go").touch()
    out, err = start(tmp_path, "script.py", engine).communicate(timeout=PATIENCE)
    assert out == "{'done': 2} [3, 3]\n", err


HOLDS_THE_GIL = """
import sys
from pathlib import Path
from superparams import Experiment
class Train(Experiment):
    def run(self):
        for n in range(15):
            yield {"n": n}
        Path("made").touch()
        sum(range(10**12))  # C code that holds the GIL, so that no thread of Python runs
if __name__ == "__main__":
    Train().run_all(1, engine=sys.argv[1], progress=False)
"""


@sweep(1, "engine", ["processes", "threads", "serial"])
def test_11_steps_before_code_that_lets_no_thread_run(engine: str, tmp_path: Path) -> None:
    """The driver is killed once they are recorded; since the last of them no thread has run."""
    script(tmp_path, HOLDS_THE_GIL)
    process = start(tmp_path, "script.py", engine)
    made = tmp_path / "made"
    wait_for(lambda: made.exists() or process.poll() is not None)
    wait_for(lambda: len(recorded_steps(tmp_path)) >= 15)  # the setting does not end before
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert [row["n"] for row in curves(tmp_path)[0, 1]] == list(range(15))


class Blocked(Experiment):
    """Puts a file where the folder of steps would be, the first time."""

    a: int = search(range(4))

    def run(self) -> Iterator[dict[str, int]]:
        if self.a == 2:
            runs = list((self.folder.parents[1] / "runs").iterdir())
            if len(runs) == 1:
                (runs[0] / "steps").touch()
            yield {"n": 1}
            time.sleep(0.3)
            yield {"n": 2}


@pytest.mark.parametrize("asked", [{}, {"num_proc": 2}, {"num_proc": 2, "engine": "threads"}])
def test_25_26_steps_that_cannot_be_written_end_the_run(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="steps"):
        Blocked().run_all(**asked, results=tmp_path, progress=False)
    found = Blocked().run_all(**asked, results=tmp_path, progress=False)
    assert found.to_pandas().n_steps.tolist() == [0, 0, 2, 0]
