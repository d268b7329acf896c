"""The engine around an executor that replaces its workers, as those of clusters do.

One death costs one setting, what has ended is kept, and nothing runs on an executor that cannot.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import pytest

from superparams import Experiment, search
from superparams.declare.experiment_place import Place
from superparams.errors import EngineError
from superparams.executor.engines.contract import Control, Engine
from superparams.executor.engines.registry import find
from superparams.run.options import RunOptions
from tests.contracts.engine import EngineContract
from tests.contracts.programs import execute, rows, run, wait_for
from tests.small_cluster import ROOT, SmallCluster

N = 20
CULPRIT = 7


@pytest.mark.thorough
class TestSmallCluster(EngineContract):
    carries_steps = False
    options: ClassVar[dict[str, Any]] = {"num_proc": 2}

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with SmallCluster(2) as executor:
            yield find(executor)


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    with SmallCluster(2) as executor:
        yield executor


class Deadly(Experiment):
    """Setting 7 kills its worker, whatever runs beside it."""

    x: int = search(range(N))
    folder_of_marks: str = ""

    def run(self) -> dict[str, int]:
        with open(Path(self.folder_of_marks) / str(self.x), "a", encoding="utf-8") as file:
            file.write(".")
        if self.x == CULPRIT:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"y": self.x}


@pytest.mark.parametrize("num_proc", [1, 2, 5])
def test_one_death_costs_one_setting(cluster: SmallCluster, tmp_path: Path, num_proc: int) -> None:
    space = Deadly(folder_of_marks=str(tmp_path))
    options: dict[str, Any] = {"engine": cluster, "progress": False, "results": tmp_path / "r"}
    results = space.run_all(num_proc, **options)
    assert results.counts == {"done": N - 1, "killed": 1}
    (row,) = results.failures
    assert row["x"] == CULPRIT
    assert row["error"] == "WorkerDied: the worker has died"

    attempts = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("[0-9]*")}
    again = space.run_all(num_proc, only="new", **options)
    assert again.counts == {"done": N - 1, "killed": 1}
    assert attempts == {p.name: p.read_text(encoding="utf-8") for p in tmp_path.glob("[0-9]*")}


def test_retries_count_deaths(cluster: SmallCluster) -> None:
    def kill(index: int, place: Place) -> dict[str, int]:
        if index == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    found = run(find(cluster), kill, 6, num_proc=2, retries=1)
    assert {i: (row["status"], row["attempt"]) for i, row in found.items() if i == 3} == {
        3: ("killed", 2)
    }


def test_many_deaths_are_all_told(cluster: SmallCluster) -> None:
    def kill(index: int, place: Place) -> dict[str, int]:
        if index % 4 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    found = run(find(cluster), kill, 8, num_proc=2)
    assert {i for i, row in found.items() if row["status"] == "killed"} == {0, 4}


def test_an_executor_that_cannot_run_anything_blames_no_setting(tmp_path: Path) -> None:
    """Its workers find another superparams, which lacks what a task needs."""
    package = tmp_path / "superparams"
    package.mkdir()
    (package / "__init__.py").write_text("")
    batches: list[bytes] = []

    def nothing(index: int, place: Place) -> dict[str, int]:
        return {}

    with (
        SmallCluster(2, python_path=[tmp_path]) as executor,
        pytest.raises(EngineError, match=r"ModuleNotFoundError.*20 settings not run"),
    ):
        batches.extend(execute(find(executor), nothing, N, num_proc=2))
    assert rows(batches) == []


@pytest.mark.parametrize("package", ["superparams", "cloudpickle", "pyarrow"])
def test_workers_with_another_version_are_refused(tmp_path: Path, package: str) -> None:
    about = tmp_path / f"{package}-0.0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
    batches: list[bytes] = []

    def nothing(index: int, place: Place) -> dict[str, int]:
        return {}

    with (
        SmallCluster(2, python_path=[tmp_path, ROOT]) as executor,
        pytest.raises(EngineError, match=rf"have {package} 0\.0\.1, and this process has \d"),
    ):
        batches.extend(execute(find(executor), nothing, N, num_proc=2))
    assert batches == []


class Cancelling(ThreadPoolExecutor):
    """An executor that a colleague has shut down: everything is cancelled."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_an_executor_that_cancels_everything_blames_no_setting() -> None:
    with (
        Cancelling(1) as executor,
        pytest.raises(EngineError, match=r"cancels what is submitted.*5 settings not run"),
    ):
        run(find(executor), lambda index, place: {}, 5, num_proc=2)


# ---- a stop


class SeenStop(Control):
    """Calls a function as soon as the engine has seen that the run is to end."""

    def __init__(self, on_seen: Callable[[], object]) -> None:
        self._is_stopping = False
        self._on_seen = on_seen
        super().__init__()

    @property
    def stopping(self) -> bool:  # type: ignore[override]
        if self._is_stopping:
            self._on_seen()
        return self._is_stopping

    @stopping.setter
    def stopping(self, is_stopping: bool) -> None:
        self._is_stopping = is_stopping


def test_what_ends_soon_after_a_stop_is_kept(cluster: SmallCluster, tmp_path: Path) -> None:
    """`cancel` of a future says True here while its task runs."""
    is_running, may_end = tmp_path / "running", tmp_path / "end"

    def waits(index: int, place: Place) -> dict[str, int]:
        if index == 1:
            is_running.touch()
            while not may_end.exists():
                time.sleep(0.005)
        return {"y": index}

    control = SeenStop(may_end.touch)

    def stop() -> None:
        wait_for(is_running.exists)
        control.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    found = [row["index"] for row in rows(execute(find(cluster), waits, N, control, num_proc=1))]
    thread.join()
    assert found[:2] == [0, 1]
    assert len(found) < N


# ---- ranks


class OneIsLate(ThreadPoolExecutor):
    """An executor whose second worker comes late: the first one has had both ranks until then."""

    def __init__(self, n_first: int) -> None:
        super().__init__(2)
        self._first = ThreadPoolExecutor(1)
        self._n_left = n_first

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._n_left -= 1
        pool = self._first if self._n_left >= 0 else super()
        return pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._first.shutdown()
        super().shutdown()


@pytest.mark.parametrize("n_first", [1, 2, 3, 4])
def test_settings_that_run_together_have_different_ranks(n_first: int) -> None:
    def run_slowly(index: int, place: Place) -> dict[str, float]:
        begun = time.monotonic()
        time.sleep(0.05)
        return {"rank": place.rank, "begun": begun, "ended": time.monotonic()}

    with OneIsLate(n_first) as executor:
        found = run(find(executor), run_slowly, 16, num_proc=2)
    for one, other in combinations(found.values(), 2):
        if one["rank"] == other["rank"]:
            first, second = sorted([one, other], key=lambda row: row["result.begun"])
            assert first["result.ended"] <= second["result.begun"]
    assert all(row["rank"] == row["result.rank"] for row in found.values())


class Ranked(Experiment):
    x: int = search(range(12))

    def setup(self) -> None:
        self.at_first = self.rank

    def teardown(self) -> None:
        assert self.rank == self.at_first

    def run(self) -> dict[str, int]:
        time.sleep(0.02)
        return {"own": self.rank}


def test_the_rank_of_a_row_is_that_of_its_setting(tmp_path: Path) -> None:
    with OneIsLate(3) as executor:
        results = Ranked().run_all(2, engine=executor, progress=False, results=tmp_path)
    assert [row["own"] for row in results] == results.to_arrow()["rank"].to_pylist()


# ---- what is no executor


class Job:
    """Not a future of `concurrent.futures`."""


class Submitting:
    """An object that submits jobs to some queue."""

    def __init__(self) -> None:
        self.n_submitted = 0


class Told(Submitting):
    def submit(self, fn: Any, *args: Any) -> Job:
        self.n_submitted += 1
        return Job()


class ToldInWords(Submitting):
    def submit(self, fn: Any, *args: Any) -> "some_module.Job[Any]":  # type: ignore # noqa
        self.n_submitted += 1
        return Job()


class Client(Submitting):
    def submit(self, fn: Any, *args: Any) -> Any:
        self.n_submitted += 1
        return Job()

    def get_executor(self) -> Executor:
        return ThreadPoolExecutor(1)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Told, r"Told\.submit returns Job, and a concurrent\.futures\.Future is needed"),
        (ToldInWords, r"returns some_module\.Job"),
        (Client, r"give engine=Dask\(client\)"),
    ],
)
def test_what_returns_no_futures_is_refused_before_anything_is_submitted(
    made: type[Submitting], message: str, tmp_path: Path
) -> None:
    executor: Any = made()
    with pytest.raises(EngineError, match=message):
        Ranked().run_all(2, engine=executor, progress=False, results=tmp_path)
    assert executor.n_submitted == 0
    assert not list(tmp_path.iterdir())


class Silent(Submitting):
    def submit(self, fn: Any, *args: Any):  # type: ignore[no-untyped-def]
        self.n_submitted += 1
        return Job()


def test_what_does_not_say_so_is_found_out_by_a_task_without_settings(tmp_path: Path) -> None:
    executor: Any = Silent()
    with pytest.raises(EngineError, match=r"Silent\.submit returns Job"):
        Ranked().run_all(2, engine=executor, progress=False, results=tmp_path)
    assert executor.n_submitted == 1


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_an_executor_that_was_shut_down_is_named(kind: type[Executor], tmp_path: Path) -> None:
    executor: Any = kind()
    executor.shutdown()
    message = (
        rf"engine={kind.__name__}\(\.\.\.\) takes no settings: .*; give an executor that is open"
    )
    with pytest.raises(EngineError, match=message):
        Ranked().run_all(2, engine=executor, progress=False, results=tmp_path)


# ---- the number of workers


def test_auto_is_as_many_as_the_executor_tells(cluster: SmallCluster) -> None:
    with ThreadPoolExecutor(7) as executor:
        assert RunOptions("auto", engine=executor).of_engine.num_proc == 7
        assert RunOptions(3, engine=executor).of_engine.num_proc == 3
    assert RunOptions("auto", engine=cluster).of_engine.num_proc == 2


class OfClient(ThreadPoolExecutor):
    """An executor of a client that knows the cores of its workers, and lives elsewhere."""

    def __init__(self) -> None:
        super().__init__(1)
        self._max_workers = 0
        self._client = self

    def ncores(self) -> dict[str, int]:
        return {"tcp://a": 4, "tcp://b": 2}


def test_auto_is_as_many_as_a_client_has_cores() -> None:
    executor = OfClient()
    assert RunOptions("auto", engine=executor).of_engine.num_proc == 6
