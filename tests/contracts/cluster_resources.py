"""What every engine of a cluster keeps of the resources that settings declare.

The cluster has two nodes. The large one has two processors, the devices `GPU-a` and `7`, and 900 MB
of memory; the small one has one processor and 600 MB. The variable `NODE_NAME` tells a setting
where it is. The experiments are in this module, so that agents import them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Resources, search
from superparams.adapters.visible_devices import CUDA
from superparams.errors import EngineError
from superparams.executor.engines.contract import Engine
from superparams.strategies import ASHA, Evolution
from tests.timing import wait_for

LARGE, SMALL = "large", "small"
MB = 10**6
THREADS = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"
NAMES = CUDA, *THREADS, "NODE_NAME"


def seen(setting: Any) -> dict[str, Any]:
    """What a setting sees of its machine, and when it ran."""
    begun = time.monotonic()
    time.sleep(0.05)
    about = {name.lower(): os.environ.get(name) for name in NAMES}
    return {**about, "worker": setting.rank, "begun": begun, "ended": time.monotonic()}


class Trained(Experiment):
    a: int = search(range(6))

    def run(self) -> dict[str, Any]:
        return seen(self)


class OneOrTwo(Trained):
    def resources(self) -> Resources:
        return Resources(cpus=1 + self.a % 2)


class Two(Trained):
    resources = Resources(cpus=2)


class OneDevice(Trained):
    resources = Resources(gpus=1)


class Mixed(Trained):
    a: int = search(range(16))

    def resources(self) -> Resources:
        return [
            Resources(gpus=1),
            Resources(gpus=0),
            Resources(gpus=0.5, cpus=1),
            Resources(gpus=2),
            Resources(cpus=1),
            Resources(memory="300MB"),
            Resources(timeout=60),
            Resources(cpus=2, memory="400MB"),
        ][self.a % 8]

    def run(self) -> dict[str, Any]:
        if self.a == 8:  # it has one device
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run()


class Together(Trained):
    """So many settings have to run at the same time."""

    resources = Resources(gpus=0.5)
    a: int = search(range(2))
    folder_of_marks: str = ""

    def run(self) -> dict[str, Any]:
        folder = Path(self.folder_of_marks)
        (folder / str(self.a)).touch()
        wait_for(lambda: len(list(folder.iterdir())) == 2)
        return super().run()


class Greedy(Experiment):
    megabytes: int = search([10, 20, 500, 30])
    resources = Resources(memory="250MB")

    def run(self) -> dict[str, Any]:
        data = bytearray(b"x") * (self.megabytes * MB)
        if self.megabytes > 250:
            time.sleep(600)
        return {"size": len(data)}


class Late(Trained):
    def resources(self) -> Resources:
        return Resources(timeout=1 if self.a == 2 else None)

    def run(self) -> dict[str, Any]:
        if self.a == 2:
            time.sleep(600)
        return super().run()


class Searched(Experiment):
    lr: float = search(low=0.0, high=1.0)
    fold: int = search(range(2), repeat=True)

    def resources(self) -> Resources:
        return Resources(gpus=2 if self.fold else 1)

    def run(self) -> Any:
        for step in range(3):
            yield {"step": step, "loss": self.lr + step}
        return {**seen(self), "loss": self.lr}


class TooLarge(Trained):
    resources = Resources(cpus=3)


class TooManyDevices(Trained):
    def resources(self) -> Resources:
        return Resources(gpus=3 if self.a == 5 else 1)


class TooMuchMemory(Trained):
    resources = Resources(memory="900TB")


class TwoNodes(Trained):
    resources = Resources(nodes=2)


TOO_MUCH: dict[type[Trained], str] = {
    TooLarge: r"TooLarge\.resources: cpus=3: no node of .* the most is 2 processors; declare",
    TooManyDevices: r"resources: gpus=3 for .*a=5.*: no node .* the most is 2 devices \(as",
    TooMuchMemory: r"\.resources: memory='900TB': no node .* the most is .*B of memory",
    TwoNodes: r"TwoNodes\.resources: nodes=2: each setting runs in one process on one node; g",
}


def rows_of(results: Any) -> list[dict[str, Any]]:
    return [row for row in results if row["status"] == "done"]


def check_devices(rows: list[dict[str, Any]], need_of: Callable[[int], Resources]) -> None:
    """No device is given out twice, and each setting has as many as it needs."""
    for row in rows:
        gpus = need_of(row["a"]).gpus
        names = (row["cuda_visible_devices"] or "").split(",")
        own = [name for name in names if name]
        if gpus is None:
            continue
        assert len(own) == (1 if 0 < gpus < 1 else gpus), row
        assert not own or (row["node_name"], set(own) <= {"GPU-a", "7"}) == (LARGE, True)
        load = dict.fromkeys(own, 0.0)
        for other in (one for one in rows if one["begun"] <= row["begun"] < one["ended"]):
            share = need_of(other["a"]).gpus
            for name in (other["cuda_visible_devices"] or "").split(",") if share else ():
                if name in load:
                    load[name] += min(1, share or 0)
        assert all(part <= 1.001 for part in load.values()), row


class ResourceContract:
    """The tests."""

    @pytest.fixture
    def engine(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def run(self, engine: Engine, tmp_path: Path) -> Callable[..., Any]:
        def run(space: Any, **options: Any) -> Any:
            options = {"progress": False, "results": tmp_path / "results", **options}
            return space.run_all(engine=engine, **options)

        return run

    def test_a_setting_with_all_processors_of_a_node_runs_there_alone(
        self, run: Callable[..., Any]
    ) -> None:
        results = run(OneOrTwo())
        assert results.counts == {"done": 6}
        rows = rows_of(results)
        for row in rows:
            n_cpus = 1 + row["a"] % 2
            assert row["omp_num_threads"] == str(n_cpus)
            if n_cpus == 2:
                assert row["node_name"] == LARGE
                others = [x for x in rows if x is not row and x["node_name"] == LARGE]
                overlap = [
                    x for x in others if x["begun"] < row["ended"] and row["begun"] < x["ended"]
                ]
                assert overlap == []

    def test_one_need_of_all_settings(self, run: Callable[..., Any]) -> None:
        rows = rows_of(run(Two()))
        assert len(rows) == 6
        assert {(one["node_name"], one["omp_num_threads"]) for one in rows} == {(LARGE, "2")}

    def test_each_setting_has_a_device_of_the_node(self, run: Callable[..., Any]) -> None:
        results = run(OneDevice())
        assert results.counts == {"done": 6}
        check_devices(rows_of(results), lambda a: OneDevice.resources)

    def test_two_settings_share_a_device(self, run: Callable[..., Any], tmp_path: Path) -> None:
        marks = tmp_path / "marks"
        marks.mkdir()
        rows = rows_of(run(Together(folder_of_marks=str(marks))))
        assert len(rows) == 2
        assert len({one["cuda_visible_devices"] for one in rows}) == 1

    def test_many_needs_and_a_death(self, run: Callable[..., Any]) -> None:
        results = run(Mixed())
        assert results.counts == {"done": 15, "killed": 1}
        check_devices(rows_of(results), lambda a: Mixed(a=a).resources())

    def test_memory_above_the_limit_costs_that_setting_alone(self, run: Callable[..., Any]) -> None:
        results = run(Greedy())
        assert results.counts == {"done": 3, "killed": 1}
        (row,) = results.failures
        assert row["megabytes"] == 500
        assert "of memory, and Greedy.resources grants memory='250MB'" in row["error"]

    def test_each_setting_has_its_own_limit_of_time(self, run: Callable[..., Any]) -> None:
        results = run(Late())
        assert results.counts == {"done": 5, "timeout": 1}
        (row,) = results.failures
        assert (row["a"], "timeout=1 second" in row["error"]) == (2, True)

    @pytest.mark.parametrize("cls", TOO_MUCH)
    def test_what_no_node_has_is_refused_before_anything_runs(
        self, run: Callable[..., Any], tmp_path: Path, cls: type[Trained]
    ) -> None:
        with pytest.raises(EngineError, match=TOO_MUCH[cls]):
            run(cls())
        assert not (tmp_path / "results").exists()

    def test_trials_of_a_search_get_what_they_need(self, run: Callable[..., Any]) -> None:
        check_trials(run)


def check_trials(run: Callable[..., Any], num_proc: int | None = None) -> None:
    """Settings that a strategy proposes have as many devices as each of them needs."""
    options: dict[str, Any] = {"stop": ASHA(minimize="loss"), "num_proc": num_proc}
    results = run(Searched(), strategy=Evolution(minimize="loss", trials=4), **options)
    rows = results.to_arrow().to_pylist()
    assert len(rows) == 8
    assert {row["status"] for row in rows} <= {"done", "stopped"}
    for row in rows_of(results):
        names = (row["cuda_visible_devices"] or "").split(",")
        assert len(names) == (2 if row["fold"] else 1)
        assert set(names) <= {"GPU-a", "7"}
