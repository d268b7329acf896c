"""What uses more memory than it declared is killed; what all workers share does not count."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Resources, Results, search, value
from superparams.executor import Processes
from tests.sweeps import sweep

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process"),
]

MB = 10**6
IN_CHILD = "import time; data = bytearray(b'x') * 300_000_000; time.sleep(600)"


class Large(Experiment):
    """Setting 1 uses 300 MB and waits to be killed, by itself or in other processes."""

    how: str = "itself"
    a: int = search(range(4))
    resources = Resources(memory="120MB")

    def run(self) -> dict[str, Any]:
        if self.a != 1:
            return {"y": len(bytearray(b"x") * (30 * MB))}
        if self.how == "a child":
            subprocess.run([sys.executable, "-c", IN_CHILD], check=False)
        elif self.how == "slowly":
            kept = []
            while True:
                kept.append(bytearray(b"x") * (5 * MB))
                time.sleep(0.01)
        else:
            kept = [bytearray(b"x") * (300 * MB)]
        time.sleep(600)
        return {"y": len(kept)}


def run(space: Experiment, folder: Path, **options: Any) -> Results:
    return space.run_all(2, results=folder, progress=False, **options)


def column(found: Results, name: str) -> list[Any]:
    return list(found.column(name).to_pylist())


@pytest.mark.parametrize("how", ["itself", "a child", "slowly"])
def test_a_setting_beyond_its_memory_is_killed_and_no_other(tmp_path: Path, how: str) -> None:
    found = run(Large(how=how), tmp_path)
    assert column(found, "status") == ["done", "killed", "done", "done"]
    error = column(found, "error")[1]
    assert error.startswith("killed: it used ")
    assert error.endswith(" of memory, and Large.resources grants memory='120MB'")


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_every_start_method_holds_the_limit(tmp_path: Path, method: Any) -> None:
    found = run(Large(), tmp_path, engine=Processes(start_method=method))
    assert column(found, "status") == ["done", "killed", "done", "done"]


def test_a_killed_setting_is_tried_again_as_any_other(tmp_path: Path) -> None:
    found = run(Large(a=1), tmp_path, retries=1)
    assert column(found, "attempt") == [2]
    assert column(found, "status") == ["killed"]


class BySetting(Large):
    def resources(self) -> Resources:  # type: ignore[override]
        return Resources(memory="2GB" if self.a == 1 else "100MB")

    def run(self) -> dict[str, Any]:
        kept = bytearray(b"x") * (300 * MB) if self.a < 2 else b""
        if self.a == 0:
            time.sleep(600)
        time.sleep(0.5)
        return {"y": len(kept)}


def test_each_setting_has_its_own_limit(tmp_path: Path) -> None:
    assert column(run(BySetting(), tmp_path), "status") == ["killed", "done", "done", "done"]


def load() -> bytes:
    return b"x" * (300 * MB)


class Shared(Experiment):
    a: int = search(range(4))
    data: bytes = value(factory=load, key="v1")
    resources = Resources(memory="120MB")

    def run(self) -> dict[str, Any]:
        time.sleep(0.4)
        return {"y": self.data.count(b"x")}


@sweep(1, "method", ["forkserver", "fork"])
def test_data_that_workers_share_does_not_count(tmp_path: Path, method: Any) -> None:
    found = run(Shared(), tmp_path, engine=Processes(start_method=method))
    assert column(found, "y") == [300 * MB] * 4


class Forking(Experiment):
    """Two children have the same 80 MB as their parent: 80 MB of the machine, not 240."""

    a: int = search(range(2))
    resources = Resources(memory="150MB")

    def run(self) -> dict[str, Any]:
        from multiprocessing import get_context

        kept = bytearray(b"x") * (80 * MB)
        context = get_context("fork")
        children = [context.Process(target=time.sleep, args=(0.6,)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        return {"y": len(kept)}


def test_pages_that_forks_have_in_common_count_once(tmp_path: Path) -> None:
    found = run(Forking(), tmp_path)
    assert column(found, "status") == ["done", "done"]
