"""The engine of agents, on a small cluster of real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest

from superparams import Experiment, Resources, executor, search, value
from superparams.adapters.entry_points import loaded
from superparams.errors import EngineError
from superparams.executor.engines.clusters.cluster import ClusterNode
from superparams.executor.engines.contract import Engine
from superparams.executor.engines.registry import find
from superparams.strategies import ASHA
from tests.contracts.cluster import ClusterContract, Waits, agent_pid, attempts
from tests.contracts.engine import EngineContract
from tests.small_agents import OWN_HOST, SmallAgents
from tests.small_cluster import ROOT, needs_namespaces
from tests.timing import wait_for

ARRAY = np.arange(4_000_000)
TOTAL = int(ARRAY.sum())


class Sums(Experiment):
    """Settings need data, and print much."""

    x: int = search(range(20))
    data: np.ndarray = value(ARRAY, key="1")

    def run(self) -> dict[str, int]:
        print(f"{self.x}: " + "long line " * 1000)
        return {"sum": int(self.data.sum())}


def hiding(folder: Path) -> list[str]:
    """A command for a host that has another file system at a folder."""
    hide = f'mount -t tmpfs none {folder} && exec "$@"'
    return [*OWN_HOST, "unshare", "-m", "sh", "-c", hide, "sh"]


@contextmanager
def running(
    cls: type[Waits], engine: SmallAgents, folder: Path, num_proc: int | None
) -> Generator[list[Any]]:
    """A context in which a run goes on in a thread; it may end when the context does."""
    results: list[Any] = []

    def run() -> None:
        options: dict[str, Any] = {"engine": engine, "progress": False}
        space = cls(folder_of_marks=str(folder))
        results.append(space.run_all(num_proc, results=folder / "results", **options))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        (folder / "go").touch()
        thread.join()


@pytest.mark.thorough
class TestAgents(EngineContract):
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Engine:
        return SmallAgents(1, 1)


@pytest.mark.thorough
class TestOneAgent(EngineContract):
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Engine:
        return SmallAgents(2)


class TestSmallCluster(ClusterContract):
    @pytest.fixture
    def engine(self) -> SmallAgents:
        return SmallAgents(1, 1)


# ---- hosts that share nothing but files, or not even those


@needs_namespaces
@pytest.mark.thorough
class TestOtherHosts(ClusterContract):
    """Nodes in namespaces of process numbers of their own."""

    @pytest.fixture
    def engine(self) -> SmallAgents:
        return SmallAgents(1, 1, command=OWN_HOST)


@needs_namespaces
def test_logs_and_data_reach_nodes_that_see_no_folder_of_the_run(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    engine = SmallAgents(1, 1, command=hiding(results))
    found = Sums().run_all(engine=engine, progress=False, results=results)
    assert [row["sum"] for row in found] == [TOTAL] * 20
    for row in found.to_arrow().to_pylist():
        assert found.log(row["key"]) == f"{row['x']}: " + "long line " * 1000 + "\n"
    for node in engine.started:
        assert ARRAY.nbytes <= node.n_bytes < 1.05 * ARRAY.nbytes


@needs_namespaces
def test_data_goes_through_a_file_where_nodes_see_the_folder(tmp_path: Path) -> None:
    engine = SmallAgents(1, 1, command=OWN_HOST)
    found = Sums().run_all(engine=engine, progress=False, results=tmp_path)
    assert [row["sum"] for row in found] == [TOTAL] * 20
    assert sum(node.n_bytes for node in engine.started) < ARRAY.nbytes / 10
    assert not list(tmp_path.glob("*/runs/*/payload"))


def test_an_agent_with_another_version_is_refused(tmp_path: Path) -> None:
    about = tmp_path / "cloudpickle-0.0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cloudpickle\nVersion: 0.0.1\n")
    engine = SmallAgents(1, 1, python_path=[tmp_path, ROOT])
    with pytest.raises(EngineError, match=r"node \d: .* have cloudpickle 0\.0\.1, and this"):
        Sums().run_all(engine=engine, progress=False, results=tmp_path / "results")


def test_a_node_without_superparams_is_refused(tmp_path: Path) -> None:
    (tmp_path / "superparams").mkdir()
    (tmp_path / "superparams" / "__init__.py").write_text("")
    engine = SmallAgents(1, python_path=[tmp_path])
    with pytest.raises(EngineError, match=r"No module named.*install this superparams there"):
        Sums().run_all(engine=engine, progress=False, results=tmp_path / "results")


# ---- nodes come and go


@pytest.mark.parametrize(("num_proc", "n_ranks"), [(None, 4), (2, 2)])
def test_nodes_that_come_later_get_settings(
    tmp_path: Path, num_proc: int | None, n_ranks: int
) -> None:
    """With a number of workers there are no more; without one, as many as there are processors."""
    engine = SmallAgents(1)
    with running(Waits, engine, tmp_path, num_proc) as results:
        wait_for(lambda: len(attempts(tmp_path)) == 1)
        engine.cpus.append(3)
        wait_for(lambda: len(attempts(tmp_path)) == n_ranks)
    assert results[0].counts == {"done": 20}
    assert {row["y"] for row in results[0]} <= set(range(n_ranks))


def test_a_node_that_leaves_for_good_costs_nobody(tmp_path: Path) -> None:
    engine = SmallAgents(1, 1)
    with running(Waits, engine, tmp_path, None) as results:
        wait_for(lambda: len(attempts(tmp_path)) == 2)
        engine.cpus.pop()
        engine.started[-1].process.kill()
    assert results[0].counts == {"done": 20}


def test_activity_tells_what_runs(tmp_path: Path) -> None:
    engine = SmallAgents(2)
    with running(Waits, engine, tmp_path, None):
        wait_for(lambda: sum(one.index is not None for one in engine.activity()) == 2)
        first = {one.rank: one.seconds for one in engine.activity()}
        wait_for(lambda: all(one.seconds > first[one.rank] for one in engine.activity()))
        assert set(first) == {0, 1}


def test_agents_that_end_before_they_begin_end_the_run(tmp_path: Path) -> None:
    engine = SmallAgents(1, command=["sh", "-c", "exit 3"])
    with pytest.raises(EngineError, match=r"3 agents in a row have ended .* on node 0"):
        Sums().run_all(engine=engine, progress=False, results=tmp_path)


# ---- how the clusters of others are found


ENTRY_POINTS = re.findall(
    r'^(\w+) = "(superparams\.executor\.engines\.clusters\.\w+:\w+)"$',
    (ROOT / "pyproject.toml").read_text("utf-8"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("name", "target"), ENTRY_POINTS)
def test_each_cluster_has_an_entry_point_and_a_public_name(name: str, target: str) -> None:
    engine = loaded(target)
    assert engine.name == name
    assert getattr(executor, engine.__name__) is engine


def test_an_address_names_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more-1.0.dist-info").mkdir()
    lines = [f"{name} = {target}" for name, target in ENTRY_POINTS]
    text = "\n".join(["[superparams.engines]", *lines])
    (tmp_path / "more-1.0.dist-info" / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert repr(find("dask://host:8786")) == "Dask('dask://host:8786')"
    assert repr(find("dask")) == "Dask()"
    assert repr(find("ray://host:10001")) == "Ray('ray://host:10001')"
    with pytest.raises(EngineError, match="'warp://host' is unknown"):
        find("warp://host")


@pytest.mark.parametrize("name", ["Dask", "Ray"])
def test_a_library_that_is_missing_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("distributed", "ray"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineError, match=rf"pip install 'superparams\[{name.lower()}\]'"):
        Sums().run_all(engine=getattr(executor, name)(), progress=False)


# ---- the driver ends


DRIVER = """
import sys
root, marks, results = sys.argv[1:]
sys.path[:0] = [root]
from tests.contracts.cluster import Waits
from tests.small_agents import OWN_HOST, SmallAgents
found = Waits(folder_of_marks=marks).run_all(
    engine=SmallAgents(1, 1), progress=False, results=results
)
print(found.counts)
"""


def test_a_run_whose_driver_was_killed_goes_on(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-c", DRIVER, str(ROOT), str(marks), str(tmp_path / "results")]
    driver = subprocess.Popen(command)
    wait_for(lambda: len(attempts(marks)) == 2)
    workers = {one.pid for one in psutil.Process(driver.pid).children(recursive=True)}
    driver.kill()
    driver.wait()
    wait_for(lambda: not any(map(psutil.pid_exists, workers)))
    (marks / "go").touch()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("{'done': 20}\n", 0), ended.stderr
    assert sorted(attempts(marks).values()) == [1] * 18 + [2] * 2


class KillsFirstNode(Experiment):
    """The first setting ends its node while the other one waits for it at a step."""

    a: int = search(range(3))
    marks: str = ""

    def run(self) -> Any:
        marks = Path(self.marks)
        if self.a == 0 and not (marks / "gone").exists():
            wait_for((marks / "1").exists)
            (marks / "gone").write_text(os.environ["NODE_NAME"])
            os.kill(agent_pid(), signal.SIGKILL)
            time.sleep(60)
        (marks / str(self.a)).touch()
        for step in range(3):
            yield {"step": step, "loss": float(self.a)}


class KillsWithResources(KillsFirstNode):
    resources = Resources(cpus=1)


class Leaving(SmallAgents):
    """The node that a file names has left."""

    gone: Path

    def nodes(self) -> Sequence[ClusterNode]:
        gone = self.gone.read_text() if self.gone.exists() else ""
        return [one for one in super().nodes() if one.name != gone]


@pytest.mark.parametrize("cls", [KillsFirstNode, KillsWithResources])
def test_a_stopped_run_goes_on_when_the_node_of_the_first_setting_leaves(
    tmp_path: Path, cls: type[KillsFirstNode]
) -> None:
    engine = Leaving(1, 1)
    engine.gone = tmp_path / "gone"
    space, stop = cls(marks=str(tmp_path)), ASHA(minimize="loss")
    results = space.run_all(engine=engine, stop=stop, progress=False, results=tmp_path / "results")
    assert results.counts == {"done": 1, "stopped": 2}
    assert engine.gone.exists()
