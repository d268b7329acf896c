"""What every engine of a cluster keeps: a worker, an agent or a node may end, and nothing is lost.

The experiments are in this module, so that agents import them as they do code of a project.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search
from superparams.executor.engines.contract import Engine
from superparams.strategies import ASHA, Random
from tests.timing import wait_for

N = 20
CULPRIT = 7


def agent_pid() -> int:
    """The process of the agent of this worker: the first of its ancestors that is not ours."""
    pid = os.getppid()
    while b"superparams.executor.engines.processes" in _command(pid):
        pid = _parent(pid)
    return pid


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])


class Counted(Experiment):
    """Each attempt of a setting leaves a mark."""

    x: int = search(range(N))
    folder_of_marks: str = ""

    def run(self) -> dict[str, int]:
        with open(Path(self.folder_of_marks) / str(self.x), "a", encoding="utf-8") as file:
            file.write(".")
        print(f"setting {self.x} prints")
        self.act()
        return {"y": self.x}

    def act(self) -> None:
        """What a subclass does beside that."""


class KillsWorker(Counted):
    def act(self) -> None:
        if self.x == CULPRIT:
            os.kill(os.getpid(), signal.SIGKILL)


class KillsAgentOnce(Counted):
    def act(self) -> None:
        mark = Path(self.folder_of_marks) / "killed"
        if self.x == CULPRIT and not mark.exists():
            mark.touch()
            os.kill(agent_pid(), signal.SIGKILL)
            time.sleep(600)


class KillsAgents(Counted):
    def act(self) -> None:
        if self.x == CULPRIT:
            os.kill(agent_pid(), signal.SIGKILL)
            time.sleep(600)


class HangsOnce(Counted):
    def act(self) -> None:
        if self.x == CULPRIT:
            time.sleep(600)


class Waits(Counted):
    """Settings wait until the test lets them go on."""

    def run(self) -> dict[str, int]:
        super().run()
        wait_for((Path(self.folder_of_marks) / "go").exists)
        return {"y": self.rank}


class Stops(Counted):
    def act(self) -> None:
        if self.x == 2 and not (Path(self.folder_of_marks) / "go").exists():
            raise ValueError("stop here")
        time.sleep(0.05)


class Learns(Experiment):
    """Tells steps; the smaller x, the better."""

    x: float = search(low=0.0, high=1.0)

    def run(self) -> Iterator[dict[str, float]]:
        for epoch in range(1, 10):
            yield {"epoch": epoch, "loss": self.x + 1 / epoch}


def attempts(folder: Path) -> dict[int, int]:
    """How many attempts each setting has had."""
    return {int(p.name): len(p.read_text("utf-8")) for p in folder.glob("[0-9]*")}


def table(results: Any, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of results, row by row, in order."""
    rows = results.to_arrow().select(list(names)).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


class ClusterContract:
    """The tests. Another agent takes the place of one that was killed."""

    @pytest.fixture
    def engine(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def marks(self, tmp_path: Path) -> Path:
        folder = tmp_path / "marks"
        folder.mkdir()
        return folder

    @pytest.fixture
    def run(self, engine: Engine, tmp_path: Path, marks: Path) -> Callable[..., Any]:
        """Runs an experiment, by default with all that the cluster has."""

        def run(cls: type[Counted], **options: Any) -> Any:
            results = tmp_path / "results"
            space = cls(folder_of_marks=str(marks))
            return space.run_all(
                **{"progress": False, "results": results, **options}, engine=engine
            )

        return run

    def test_a_worker_that_dies_costs_one_setting(
        self, run: Callable[..., Any], marks: Path
    ) -> None:
        results = run(KillsWorker)
        assert results.counts == {"done": N - 1, "killed": 1}
        (row,) = results.failures
        assert (row["x"], row["error"]) == (CULPRIT, "killed by SIGKILL")
        before = attempts(marks)
        assert run(KillsWorker, only="new").counts == {"done": N - 1, "killed": 1}
        assert attempts(marks) == before

    def test_an_agent_that_dies_costs_nobody(self, run: Callable[..., Any], marks: Path) -> None:
        results = run(KillsAgentOnce)
        assert results.counts == {"done": N}
        assert sum(attempts(marks).values()) < 2 * N

    def test_a_setting_that_ends_three_agents_is_to_blame(
        self, run: Callable[..., Any], marks: Path
    ) -> None:
        results = run(KillsAgents)
        assert results.counts == {"done": N - 1, "killed": 1}
        (row,) = results.failures
        assert row["x"] == CULPRIT
        assert "the agent on" in row["error"]
        assert attempts(marks)[CULPRIT] == 3

    def test_a_setting_that_is_late_is_ended(self, run: Callable[..., Any]) -> None:
        results = run(HangsOnce, timeout=4)
        assert results.counts == {"done": N - 1, "timeout": 1}
        (row,) = results.failures
        assert row["x"] == CULPRIT
        assert "in act" in row["traceback"]

    def test_retries_count_deaths(self, run: Callable[..., Any], marks: Path) -> None:
        results = run(KillsWorker, retries=2)
        (row,) = results.failures
        assert (row["status"], row["attempt"]) == ("killed", 3)
        assert attempts(marks)[CULPRIT] == 3

    def test_each_setting_has_its_own_output(self, run: Callable[..., Any]) -> None:
        results = run(KillsWorker)
        for row in results.to_arrow().to_pylist():
            assert results.log(row["key"]) == f"setting {row['x']} prints\n"

    def test_steps_a_stopper_and_a_strategy(self, engine: Engine, tmp_path: Path) -> None:
        options: dict[str, Any] = {"progress": False}
        options["strategy"] = Random(minimize="loss", trials=12, seed=1)
        options["stop"] = ASHA(minimize="loss")
        here = Learns().run_all(2, results=tmp_path / "here", **options)
        there = Learns().run_all(2, engine=engine, results=tmp_path / "there", **options)
        assert there.counts == here.counts
        assert there.counts["stopped"] > 0
        assert there.counts["done"] > 0
        names = "x", "loss", "status", "n_steps"
        assert table(there, *names) == table(here, *names)

    def test_a_drained_run_goes_on_later(self, run: Callable[..., Any], marks: Path) -> None:
        """One failure ends the run in an orderly way."""
        results = run(Stops, max_failures=1)
        assert results.counts["failed"] == 1
        (marks / "go").touch()
        assert run(Stops).counts == {"done": N}
        assert set(attempts(marks).values()) <= {1, 2}
