"""What holds on a real cluster of two nodes of one processor each, whatever system it is of."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from superparams import Experiment, search, value
from superparams.executor.engines.contract import Engine
from tests.cluster.hosts import lo_bytes
from tests.contracts.cluster import ClusterContract, N, Waits, attempts
from tests.small_cluster import ROOT
from tests.timing import wait_for

BYTES = 200_000_000


class Data(Experiment):
    """Settings read all of a large array, and tell how much memory is theirs alone then."""

    x: int = search(range(10))
    data: Any = None

    def run(self) -> dict[str, float]:
        before = own_bytes()
        total = float(self.data.sum())
        print("read")
        return {"sum": total, "own": own_bytes() - before}


def own_bytes() -> int:
    """The memory of this process that is of no file, also of none in memory."""
    text = Path("/proc/self/smaps_rollup").read_text("utf-8")
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if "Anonymous:" in line)


def with_data() -> Data:
    """The experiment with an array that the driver has made."""
    return Data(data=value(np.ones(BYTES // 8), key="ones"))


DRIVER = """
import sys
sys.path[:0] = [{root!r}]
from tests.contracts.cluster import Waits
found = Waits(folder_of_marks={marks!r}).run_all(
    engine={engine!r}, progress=False, results={results!r}
)
print(found.counts)
"""
PROJECT = {
    "experiments/helpers.py": "def times(x):\n    return 3 * x\n",
    "experiments/parts/lazily.py": "def plus(x):\n    return x + 1\n",
    "experiments/mine.py": """
from superparams import Experiment, search
from experiments.helpers import times
from experiments.parts.lazily import plus

class Mine(Experiment):
    x: int = search(range(4))

    def run(self):
        print("from a project")
        return {"y": plus(times(self.x))}
""",
}


class RealCluster(ClusterContract):
    """The tests, beside those of every cluster. `scheme`: of addresses on the command line."""

    scheme: ClassVar[str]

    @pytest.fixture
    def address(self) -> str:
        """The cluster, as its own library names it."""
        raise NotImplementedError

    @pytest.fixture
    def later(self) -> Any:
        """A function that adds one more node."""
        raise NotImplementedError

    @pytest.fixture
    def engine_word(self, address: str) -> str:
        """The cluster on the command line."""
        return f"{self.scheme}://{address.rpartition('://')[2]}"

    def test_data_goes_through_a_file_once_a_node(self, engine: Engine, tmp_path: Path) -> None:
        before = lo_bytes()
        results = with_data().run_all(engine=engine, progress=False, results=tmp_path)
        assert lo_bytes() - before < BYTES / 10
        _check(results)

    def test_without_a_common_folder_it_travels_once_to_each_node(
        self, engine: Engine, hidden: Path
    ) -> None:
        before = lo_bytes()
        results = with_data().run_all(engine=engine, progress=False, results=hidden / "data")
        assert lo_bytes() - before < 1.05 * 2 * BYTES
        _check(results)

    def test_a_project_that_nodes_do_not_see_travels(
        self, engine_word: str, hidden: Path, tmp_path: Path
    ) -> None:
        project = hidden / f"project-{self.scheme}"
        (project / "experiments" / "parts").mkdir(parents=True)
        for name, text in PROJECT.items():
            (project / name).write_text(text)
        command = [str(Path(sys.executable).with_name("experiment")), "mine"]
        command += ["--engine", engine_word]
        ran = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "4 done" in ran.stdout
        logs = [path.read_text("utf-8") for path in project.glob("results/*/runs/*/logs/[0-9]*")]
        assert "".join(logs) == 4 * "from a project\n"

    def test_a_node_that_comes_later_gets_settings(
        self, engine: Engine, later: Callable[[], object], tmp_path: Path
    ) -> None:
        found: list[Any] = []
        space = Waits(folder_of_marks=str(tmp_path))
        options: dict[str, Any] = {"progress": False, "results": tmp_path / "results"}
        thread = threading.Thread(
            target=lambda: found.append(space.run_all(engine=engine, **options))
        )
        thread.start()
        try:
            wait_for(lambda: len(attempts(tmp_path)) == 2)
            later()
            wait_for(lambda: len(attempts(tmp_path)) == 3)
        finally:
            (tmp_path / "go").touch()
            thread.join()
        assert found[0].counts == {"done": N}
        assert {row["y"] for row in found[0]} == {0, 1, 2}

    def test_a_run_whose_driver_was_killed_goes_on(
        self, engine: Engine, engine_word: str, marks: Path, tmp_path: Path
    ) -> None:
        text = DRIVER.format(
            root=str(ROOT), marks=str(marks), engine=engine_word, results=str(tmp_path / "results")
        )
        driver = subprocess.Popen([sys.executable, "-c", text])
        wait_for(lambda: len(attempts(marks)) == 2)
        driver.kill()
        driver.wait()
        (marks / "go").touch()
        ended = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=False
        )
        assert (ended.stdout, ended.returncode) == (f"{{'done': {N}}}\n", 0), ended.stderr
        assert sum(attempts(marks).values()) <= N + 2


def _check(results: Any) -> None:
    assert results.counts == {"done": 10}
    assert {row["sum"] for row in results} == {BYTES / 8}
    assert max(row["own"] for row in results) < 0.05 * BYTES
    assert {results.log(key) for key in results.column("key").to_pylist()} == {"read\n"}
