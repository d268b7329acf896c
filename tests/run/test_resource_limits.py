"""Settings run as far as the machine has room for what they need, and see what they were given."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Params, Resources, Results, Settings, search
from superparams.adapters.machine_memory import machine_memory
from superparams.adapters.processors import cores
from superparams.adapters.visible_devices import CUDA, visible_devices
from superparams.declare.resources import shown_in_unit_of
from superparams.errors import EngineError, RunError
from superparams.executor import Processes
from superparams.executor.engines.processes.worker_environ import devices as worker_devices
from superparams.executor.engines.processes.worker_environ import named_devices
from superparams.strategies import ASHA, Evolution, Random
from tests.contracts.cluster_resources import THREADS, OneDevice, Trained, seen
from tests.sweeps import sweep
from tests.timing import wait_for

N_CPUS = cores()


class BySetting(Trained):
    def resources(self) -> Resources:  # type: ignore[override]
        return Resources(gpus=self.a % 3)


class WaitingForEachOther(Experiment):
    """So many of these settings have to run at the same time."""

    marks: Path
    n_marks: int

    def run(self) -> dict[str, Any]:
        (self.marks / self.key).touch()
        wait_for(lambda: len(list(self.marks.iterdir())) == self.n_marks)
        return {CUDA.lower(): os.environ[CUDA]}


def column(found: Results, name: str) -> list[Any]:
    return list(found.column(name).to_pylist())


def most_at_once(found: Results) -> int:
    """The most settings that ran at the same time."""
    begun, ended = column(found, "begun"), column(found, "ended")
    return max(sum(b <= at < e for b, e in zip(begun, ended, strict=True)) for at in begun)


def most_on_a_device(found: Results) -> int:
    """The most settings that had the same device at the same time."""
    spans = list(zip(column(found, "begun"), column(found, "ended"), strict=True))
    names = [set(filter(None, (text or "").split(","))) for text in column(found, CUDA.lower())]
    return max(
        sum(b <= at < e and name in own for (b, e), own in zip(spans, names, strict=True))
        for at, _ in spans
        for name in set().union(*names)
    )


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CUDA, "GPU-a,7,9")


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run(space: Experiment, num_proc: int = 4, **options: Any) -> Results:
        return space.run_all(num_proc, results=tmp_path, progress=False, **options)

    return run


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_each_setting_has_a_device_of_its_own(
    run: Any, devices: None, marks: Path, method: Any
) -> None:
    class Together(WaitingForEachOther):
        a: int = search(range(3))
        resources = Resources(gpus=1)

    engine = Processes(start_method=method)
    found = run(Together(marks=marks, n_marks=3), engine=engine)
    assert sorted(column(found, CUDA.lower())) == ["7", "9", "GPU-a"]
    found = run(OneDevice(), engine=engine)
    assert most_on_a_device(found) == 1
    assert set(column(found, "worker")) <= {0, 1, 2}, "as many workers as devices"


def test_settings_with_several_devices_none_and_all(run: Any, devices: None) -> None:
    found = run(BySetting())
    n_devices = [len(list(filter(None, text.split(",")))) for text in column(found, CUDA.lower())]
    assert n_devices == [0, 1, 2, 0, 1, 2]
    assert most_on_a_device(found) == 1


class HalfADevice(WaitingForEachOther):
    a: int = search(range(4))
    resources = Resources(gpus=0.5)


def test_two_settings_share_a_device(run: Any, marks: Path) -> None:
    space = HalfADevice(marks=marks, n_marks=4)
    found = run(space, 8, engine=Processes(gpus=["x", "y"]))
    assert sorted(column(found, CUDA.lower())) == ["x", "x", "y", "y"]


def test_resources_need_no_engine_and_hold_with_one_worker(run: Any, devices: None) -> None:
    """A run with resources is one in worker processes, which can hold them."""
    found = run(OneDevice(), 1)
    assert set(column(found, CUDA.lower())) == {"GPU-a"}
    assert os.environ[CUDA] == "GPU-a,7,9"
    assert set(column(found, "worker")) == {0}


class AllProcessors(Trained):
    resources = Resources(cpus=N_CPUS)


class OneProcessor(Trained):
    resources = Resources(cpus=1)


class OneOrAll(Trained):
    def resources(self) -> Resources:  # type: ignore[override]
        return Resources(cpus=N_CPUS if self.a % 2 else 1)


def test_places_that_retire_and_start_again_leave_the_streams_as_they_were(run: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        found = run(OneOrAll(), 2 * N_CPUS, engine="threads")
    assert found.counts == {"done": 6}
    assert vars(stream) == {}


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_processors_are_counted(run: Any, engine: Any) -> None:
    assert most_at_once(run(AllProcessors(), 2 * N_CPUS, engine=engine)) == 1
    assert most_at_once(run(OneProcessor(), 2 * N_CPUS, engine=engine)) <= N_CPUS
    found = run(OneOrAll(), 2 * N_CPUS, engine=engine)
    begun, ended = column(found, "begun"), column(found, "ended")
    for at in (1, 3, 5) if N_CPUS > 1 else ():
        others = [i for i in range(6) if i != at and begun[i] < ended[at] and begun[at] < ended[i]]
        assert others == [], "it has all processors"


def test_libraries_get_as_many_threads(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    for space in (AllProcessors(), OneOrAll()):
        found = run(space, 2)
        expected = [
            str(N_CPUS if space.resources is AllProcessors.resources or a % 2 else 1)
            for a in range(6)
        ]
        for name in THREADS:
            assert column(found, name.lower()) == expected
    own = run(AllProcessors(), 2, engine=Processes(threads=3), resume=False)
    assert set(column(own, "omp_num_threads")) == {"3"}, "an option of the engine wins"


def test_a_class_without_resources_sees_what_it_saw(run: Any, devices: None) -> None:
    found = run(Trained(), 2)
    assert set(column(found, CUDA.lower())) == {"GPU-a,7,9"}
    assert set(column(found, "loky_max_cpu_count")) == {os.environ.get("LOKY_MAX_CPU_COUNT")}


TOO_MUCH: dict[str, tuple[dict[str, Any], str]] = {
    "processors": ({"cpus": 10**6}, rf"cpus=1000000: this process may use {N_CPUS} processor"),
    "devices": ({"gpus": 4}, r"gpus=4: this process may use 3 devices \(CUDA_VISIBLE_DEVICES"),
    "memory": ({"memory": "900TB"}, r"memory='900TB': this process may use .* of memory; declare"),
    "nodes": ({"nodes": 2}, r"nodes=2: each setting runs in one process on one machine; give n"),
    "tasks": ({"tasks": 3}, r"tasks=3: each setting runs in one process on one machine; give t"),
}


@pytest.mark.parametrize(("amounts", "error"), TOO_MUCH.values(), ids=TOO_MUCH)
@pytest.mark.parametrize("engine", ["processes", "serial"])
def test_more_than_there_is_is_refused_before_anything_runs(
    run: Any, devices: None, tmp_path: Path, amounts: Any, error: str, engine: Any
) -> None:
    class Large(Trained):
        resources = Resources(**amounts)

    class LargeAtTheEnd(Trained):
        def resources(self) -> Resources:  # type: ignore[override]
            return Resources(**amounts) if self.a == 5 else Resources()

    num_proc = 1 if engine == "serial" else 2
    with pytest.raises(EngineError, match=rf"^Large\.resources: {error}"):
        run(Large(), num_proc, engine=engine)
    name, _, rest = error.partition(":")
    with pytest.raises(EngineError, match=rf"^LargeAtTheEnd\.resources: {name} for .*a=5.*:{rest}"):
        run(LargeAtTheEnd(), num_proc, engine=engine)
    assert list(tmp_path.iterdir()) == []


NOT_HELD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "serial, a time": ("serial", {"timeout": 9}, r"timeout=9: a setting in this process cannot be"),
    "threads, a time": ("threads", {"timeout": 9}, r"timeout=9: a thread cannot be ended; give en"),
    "threads, a device": (
        "threads",
        {"gpus": 1},
        r"gpus=1: all settings share one process; give",
    ),
    "no device": ("threads", {"gpus": 0}, r"gpus=0: all settings share one process; give"),
    "an executor": (ThreadPoolExecutor(1), {"cpus": 1}, "which divides no resources; give engine="),
}


@pytest.mark.parametrize(("engine", "amounts", "error"), NOT_HELD.values(), ids=NOT_HELD)
def test_what_an_engine_does_not_hold_is_refused(
    run: Any, devices: None, engine: Any, amounts: Any, error: str
) -> None:
    class Needy(Trained):
        resources = Resources(**amounts)

    with pytest.raises(EngineError, match=rf"^Needy\.resources.*{error}"):
        run(Needy(), 1, engine=engine)


def test_done_settings_need_nothing(run: Any) -> None:
    class Later(Trained):
        resources = Resources(timeout=60)

    first = run(Later())
    Later.resources = Resources(gpus=64, nodes=2)
    again = run(Later())
    assert column(again, "begun") == column(first, "begun")


def test_the_debugger_ignores_resources(run: Any) -> None:
    class Large(Trained):
        resources = Resources(gpus=64, timeout=1)

    assert len(run(Large(), 1, debug=True)) == 6


def test_a_method_that_fails_names_the_setting(run: Any, tmp_path: Path) -> None:
    class Failing(Trained):
        a: int = search([0, 1, 3])

        def resources(self) -> Resources:  # type: ignore[override]
            return Resources(cpus=6 // (3 - self.a))

    error = r"^Failing\.resources\(\) failed for .*a=3.*: ZeroDivisionError: integer division"
    with pytest.raises(RunError, match=error):
        run(Failing())
    assert list(tmp_path.iterdir()) == []


class Waiting(Experiment):
    a: int = search(range(4))

    def resources(self) -> Resources:
        return Resources(timeout=1 if self.a == 2 else None)

    def run(self) -> dict[str, Any]:
        time.sleep(600 if self.a > 2 else 60 if self.a == 2 else 0)
        return {"y": self.a}


def test_each_setting_has_its_own_limit_of_time(run: Any) -> None:
    """The smaller one of two limits holds."""
    found = run(Waiting()[:3], 2)
    assert column(found, "status") == ["done", "done", "timeout"]
    assert column(found, "error")[2] == "TimeoutError: it ran longer than timeout=1 second"
    longer = run(Waiting()[2:3], 2, timeout=1000)
    assert "timeout=1 second" in column(longer, "error")[0]
    shorter = run(Waiting()[3:], 2, timeout=0.5)
    assert "timeout=0.5 seconds" in column(shorter, "error")[0]


class WaitingForOthers(Experiment):
    a: int = search(range(3))

    def resources(self) -> Resources:
        return Resources(cpus=1, timeout=1 if self.a == 1 else 1000)

    async def run(self) -> dict[str, Any]:
        import asyncio

        await asyncio.sleep(600 if self.a == 1 else 0)
        return {"y": self.a}


def test_an_event_loop_holds_limits_of_time(run: Any) -> None:
    found = run(WaitingForOthers(), 8)
    assert column(found, "status") == ["done", "timeout", "done"]


class Searched(Experiment):
    lr: float = search(low=0.0, high=1.0)
    fold: int = search(range(2), repeat=True)

    def resources(self) -> Resources:
        return Resources(gpus=2 if self.fold else 1)

    def run(self) -> Any:
        for step in range(3):
            yield {"step": step, "loss": self.lr + step}
        return {**seen(self), "loss": self.lr}


@pytest.mark.parametrize(
    "strategy",
    [Random(minimize="loss", trials=5), Evolution(minimize="loss", trials=12)],
    ids=["known beforehand", "proposed"],
)
def test_trials_of_a_search_get_what_they_need(run: Any, devices: None, strategy: Any) -> None:
    found = run(Searched(), strategy=strategy)
    assert most_on_a_device(found) == 1
    n_devices = [len(text.split(",")) for text in column(found, CUDA.lower())]
    assert n_devices == [2 if fold else 1 for fold in column(found, "fold")]


@pytest.mark.parametrize("num_proc", [1, 4])
def test_a_stopper_decides_on_settings_of_different_needs(
    run: Any, devices: None, num_proc: int
) -> None:
    found = run(Searched().sample(6), num_proc, stop=ASHA(minimize="loss"))
    assert len(found) == 12
    assert set(column(found, "status")) <= {"done", "stopped"}


@pytest.mark.parametrize("engine", ["processes", "serial"])
def test_a_proposal_that_needs_too_much_ends_the_run(run: Any, devices: None, engine: Any) -> None:
    class Greedy(Searched):
        def resources(self) -> Resources:
            return Resources(gpus=9)

    with pytest.raises(
        EngineError, match=r"^Greedy\.resources: gpus=9 for .*: this process may use 3"
    ):
        run(Greedy(), 1, strategy=Evolution(minimize="loss", trials=5), engine=engine)


def test_a_worker_that_dies_gives_its_devices_back(run: Any, devices: None) -> None:
    class Dying(OneDevice):
        def run(self) -> dict[str, Any]:
            if self.a % 2:
                os.kill(os.getpid(), 9)
            return seen(self)

    found = run(Dying())
    assert column(found, "status") == ["done", "killed"] * 3


class ChangesItsMind(Experiment):
    """Asked once more for a setting, it would need what no machine has, or fail."""

    a: int = search(range(40))
    fails: bool = False

    def resources(self) -> Resources:
        if (_asked := ASKED.setdefault((self.fails, self.a), [])) and self.fails:
            raise OSError("busy")
        _asked.append(self.a)
        return Resources(cpus=1 if len(_asked) == 1 else 10**6)

    def run(self) -> dict[str, Any]:
        tries = self.folder / "tries"
        with tries.open("a", encoding="ascii") as file:
            file.write("x")
        if self.a % 10 == 3 and tries.stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"b": self.a}


ASKED: dict[tuple[bool, int], list[int]] = {}


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("retries", [0, 1])
def test_a_method_is_asked_once_for_each_setting_whatever_dies(
    run: Any, fails: bool, retries: int
) -> None:
    ASKED.clear()
    found = run(ChangesItsMind(fails=fails), 2, retries=retries)
    assert found.counts == ({"done": 40} if retries else {"done": 36, "killed": 4})
    assert {len(asked) for asked in ASKED.values()} == {1}


class Kept(BySetting):
    """Only odd settings, so that indices are not values."""

    def valid(self) -> bool:
        return self.a % 2 == 1


class Inner(Params):
    width: int = search([1, 3])


class Outer(Trained):
    a: int = 0
    inner: Inner = search([Inner(width=2), Inner()])

    def resources(self) -> Resources:
        return Resources(gpus=self.inner.width)


SELECTIONS: dict[str, Any] = {
    "one setting": lambda: BySetting(a=2),
    "a slice": lambda: BySetting()[2:5],
    "a list": lambda: Settings([BySetting(a=5), BySetting(a=1), BySetting(a=3)]),
    "what is valid": Kept,
    "nested groups": Outer,
}


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
def test_every_selection_of_settings_gets_what_it_needs(
    run: Any, devices: None, select: Any
) -> None:
    selected = select()
    found = run(selected)
    every = [selected] if len(selected) == 1 else list(selected)
    expected = {one.key: one.resources().gpus for one in every}
    names = [list(filter(None, text.split(","))) for text in column(found, CUDA.lower())]
    assert dict(zip(column(found, "key"), map(len, names), strict=True)) == expected


class Mixed(Experiment):
    """Settings of many needs, some of which kill their worker or take too long."""

    a: int = search(range(60))

    def resources(self) -> Resources:
        return [
            Resources(),
            Resources(gpus=1),
            Resources(gpus=2, cpus=1),
            Resources(gpus=0.5),
            Resources(gpus=0.25, memory="300MB"),
            Resources(gpus=0),
            Resources(cpus=N_CPUS, gpus=3),
            Resources(gpus=1, timeout=3),
        ][self.a * 7 % 8]

    def run(self) -> dict[str, Any]:
        if self.a % 13 == 5:
            os.kill(os.getpid(), 9)
        if self.resources().timeout:
            time.sleep(60)
        return seen(self)


@pytest.mark.thorough
def test_many_settings_of_many_needs_with_deaths(run: Any, devices: None) -> None:
    found = run(Mixed(), 6)
    late = [Mixed(a=a).resources().timeout is not None for a in range(60)]
    expected = ["killed" if a % 13 == 5 else "timeout" if late[a] else "done" for a in range(60)]
    assert column(found, "status") == expected
    rows = [row for row in found if row["status"] == "done"]
    for row in rows:
        load, cpus = dict.fromkeys(("GPU-a", "7", "9"), 0.0), 0
        for other in (one for one in rows if one["begun"] <= row["begun"] < one["ended"]):
            need = Mixed(a=other["a"]).resources()
            cpus += need.cpus or 0
            for name in (other[CUDA.lower()] or "").split(",") if need.gpus else ():
                load[name] += min(1, need.gpus or 0)
        assert max(load.values()) <= 1.001
        assert cpus <= N_CPUS


def test_devices_are_found_without_loading_anything() -> None:
    assert visible_devices({CUDA: "1, 0,-1,3"}).names == ("1", "0")
    assert visible_devices({CUDA: ""}).names == ()
    assert visible_devices({"HIP_VISIBLE_DEVICES": "2"})[:2] == (("2",), "HIP_VISIBLE_DEVICES")
    names, variable, source = visible_devices({})
    assert names == tuple(map(str, range(len(names))))
    assert variable.endswith("_VISIBLE_DEVICES")
    assert source


@pytest.mark.parametrize(
    ("variable", "text", "gpus", "expected"),
    [
        (CUDA, "3, 3,5", 2, ("3", "5")),
        (CUDA, "", 2, ()),
        (CUDA, "-1", 1, ()),
        (CUDA, "2,3", 1, ("2",)),
        (CUDA, "2,3", ["0", "0", 7], ("0", "7")),
        ("HIP_VISIBLE_DEVICES", "2,3", 2, ("2", "3")),
        ("ROCR_VISIBLE_DEVICES", "1", ["0"], ("0",)),
    ],
)
def test_devices_of_the_engine_are_among_those_of_the_variable(
    variable: str, text: str, gpus: Any, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in (CUDA, "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(variable, text)
    chosen = named_devices(gpus)
    assert chosen is not None
    assert (chosen.names, chosen.variable) == (expected, variable)
    values = [one[variable] for one in worker_devices(2, gpus, os.environ)]
    assert [name for value in dict.fromkeys(values) for name in value.split(",") if name] == list(
        expected
    )


@pytest.mark.parametrize(
    ("used", "limit", "text"),
    [
        (160_000_000, 150_000_000, "160MB"),
        (153_250_000, 150_000_000, "153.2MB"),
        (300 << 20, 256 << 20, "300MiB"),
        (17 * 10**9, 16 * 10**9, "17GB"),
        (5000, 4001, "4.88 KiB"),
    ],
)
def test_memory_beside_a_limit_has_its_unit(used: int, limit: int, text: str) -> None:
    assert shown_in_unit_of(used, limit) == text


def test_the_memory_of_the_machine_is_known() -> None:
    import psutil

    assert 2**26 < machine_memory() <= psutil.virtual_memory().total
