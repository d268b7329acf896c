"""`setup` and `teardown`: once a worker, before its first setting and after its last."""

from __future__ import annotations

import os
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, search, value

pytestmark = pytest.mark.usefixtures("no_leaks", "in_tmp_path")


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def note(word: str) -> None:
    with open("notes.txt", "a") as file:
        file.write(f"{word} {os.getpid()}-{threading.get_ident()}\n")


def notes(word: str) -> list[str]:
    path = Path("notes.txt")
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1] for line in lines if line.startswith(word)]


class Prepared(Experiment):
    a: int = search(range(12))
    size: int = 7

    def setup(self) -> None:
        note("setup")
        self.model = ["x"] * self.size
        self.lock = threading.Lock()

    def run(self) -> dict[str, Any]:
        note("run")
        time.sleep(0.01)
        with self.lock:
            return {"n": len(self.model), "process": f"{os.getpid()}-{threading.get_ident()}"}

    def teardown(self) -> None:
        assert len(self.model) == self.size
        note("teardown")


ENGINES = [(1, "serial"), (2, "threads"), (2, "processes")]


@pytest.mark.parametrize(("num_proc", "engine"), ENGINES)
def test_once_a_worker(num_proc: int, engine: str) -> None:
    found = Prepared().run_all(num_proc, engine=engine, progress=False)
    assert {row["n"] for row in found} == {7}
    workers = {row["process"] for row in found}
    assert len(workers) == num_proc
    assert sorted(notes("setup")) == sorted(notes("teardown")) == sorted(workers)


def test_a_fixed_setting_is_set_up_too() -> None:
    setting = Prepared(a=1)
    assert [row["n"] for row in setting.run_all(progress=False)] == [7]
    assert not hasattr(setting, "model"), "what a run adds stays out of the user's object"
    assert setting.n_proc == 1


def test_nothing_to_do_sets_up_nothing() -> None:
    Prepared(a=1).run_all(progress=False)
    Prepared(a=1).run_all(2, progress=False)
    assert len(notes("setup")) == 1


def test_a_replaced_worker_is_set_up_anew() -> None:
    class Dies(Prepared):
        def run(self) -> dict[str, Any]:
            if self.a == 5:
                os._exit(1)
            return {"n": len(self.model)}

    found = Dies().run_all(2, progress=False)
    assert found.counts == {"done": 11, "failed": 1}
    assert 2 <= len(notes("setup")) <= 3
    assert len(notes("teardown")) == len(notes("setup")) - 1


class SetupFails(Experiment):
    a: int = search(range(6))

    def setup(self) -> None:
        note("setup")
        self.half = "made"
        raise ConnectionError("no model here")

    def run(self) -> dict[str, Any]:
        note("run")
        return {}

    def teardown(self) -> None:
        note("teardown")


@pytest.mark.parametrize(("num_proc", "engine"), ENGINES)
def test_a_failing_setup_fails_every_setting_of_its_worker(num_proc: int, engine: str) -> None:
    found = SetupFails().run_all(
        num_proc, engine=engine, retries=1, retry_on=["failed"], progress=False
    )
    assert found.counts == {"failed": 6}
    for row in found:
        assert row["error"] == "ConnectionError: no model here"
        assert row["traceback"].count("in setup") == 1
        assert len(row["traceback"].splitlines()) <= 5
    assert 1 <= len(notes("setup")) <= num_proc
    assert notes("run") == notes("teardown") == []


class SetupExits(SetupFails):
    def setup(self) -> None:
        raise SystemExit(3)


class SetupDies(SetupFails):
    a: int = search(range(4))

    def setup(self) -> None:
        os._exit(9)


def test_a_setup_that_exits_or_dies_ends_too() -> None:
    assert {row["error"] for row in SetupExits().run_all(2, progress=False)} == {"SystemExit: 3"}
    found = SetupDies().run_all(2, progress=False)
    assert found.counts == {"failed": 4}
    assert {row["error"] for row in found} == {"SystemExit: the worker exited with code 9"}


class TeardownFails(Prepared):
    def teardown(self) -> None:
        note("teardown")
        raise ValueError("cannot end")


@pytest.mark.parametrize(("num_proc", "engine"), ENGINES)
def test_a_failing_teardown_costs_no_outcome(num_proc: int, engine: str) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = TeardownFails().run_all(num_proc, engine=engine, progress=False)
    assert found.counts == {"done": 12}
    assert len(notes("teardown")) == num_proc
    if engine == "processes":  # it is in the logs of the workers
        (run,) = Path("results").glob("*/runs/*")
        text = "".join(path.read_text() for path in (run / "logs").iterdir())
    else:
        text = "".join(str(one.message) for one in told)
    assert text.count("ValueError: cannot end") == num_proc
    assert "TeardownFails.teardown() failed in worker 0" in text


def test_a_slow_teardown_is_waited_for() -> None:
    class Slow(Prepared):
        a: int = search(range(4))

        def teardown(self) -> None:
            time.sleep(0.7)
            note("teardown")

    Slow().run_all(2, progress=False)
    assert len(notes("teardown")) == 2


def test_setup_sees_fixed_fields_and_its_place_and_is_told_of_open_ones() -> None:
    class Curious(Experiment):
        a: int = search([1, 2])
        b: str = "fixed"

        def setup(self) -> None:
            self.seen = (self.b, self.rank, self.n_proc)
            try:
                self.told = str(self.a)
            except AttributeError as error:
                self.told = str(error)

        def run(self) -> dict[str, Any]:
            return {"seen": str(self.seen), "told": self.told}

    for row in Curious().run_all(2, progress=False):
        assert row["seen"] == f"('fixed', {row['rank']}, 2)"
        assert "a" in row["told"]
        assert "search" not in row["told"]


def test_what_a_setting_changes_does_not_reach_the_next() -> None:
    class Greedy(Prepared):
        def run(self) -> dict[str, Any]:
            before = len(self.model)
            self.model = []
            self.extra = getattr(self, "extra", 0) + 1
            return {"n": before, "extra": self.extra}

    found = Greedy().run_all(progress=False)
    assert {(row["n"], row["extra"]) for row in found} == {(7, 1)}


class Looks(Experiment):
    """Reads in `setup` what each setting has a copy of."""

    a: int = search(range(4))
    sizes: list[int] = [1]
    twice: int = value(derive=lambda s: 2 * s.a)

    def setup(self) -> None:
        self.first = self.sizes[0]

    def run(self) -> dict[str, Any]:
        self.sizes.append(self.a)
        return {"double": self.twice, "count": len(self.sizes), "first": self.first}


@pytest.mark.parametrize(("num_proc", "engine"), ENGINES)
def test_what_setup_reads_is_not_what_settings_hold(num_proc: int, engine: str) -> None:
    found = Looks().run_all(num_proc, engine=engine, progress=False)
    assert [(row["a"], row["twice"]) for row in found] == [(a, 2 * a) for a in range(4)]
    assert [row["double"] for row in found] == [0, 2, 4, 6]
    assert {(row["count"], row["first"]) for row in found} == {(2, 1)}
