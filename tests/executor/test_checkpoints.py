"""Checkpoints: what `checkpoint`, `save` and `load` do, under every engine."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import random
import resource
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from carriers import ENGINES, options

from superparams import Experiment, Params, Results, search, value
from superparams.errors import RunError, StoreError
from superparams.executor import Processes
from superparams.executor.checkpoint_file import Damaged, SavedFile, Saver, write_checkpoint
from superparams.executor.process_state.random_generators import seed_of_text
from superparams.strategies import ASHA, Threshold
from tests.recorded_steps import curves
from tests.sweeps import sweep
from tests.timing import scaled

pytestmark = pytest.mark.usefixtures("no_leaks")

EPOCHS = 5
TIMES = ("started", "seconds", "rank", "attempt", "run", "log_start", "log_end", "peak_memory")


def table(found: Results, *left_out: str) -> list[dict[str, Any]]:
    """What two equal tables have in common."""
    skipped = {*TIMES, "index", *left_out}
    rows = found.to_arrow().to_pylist()
    return [{name: x for name, x in row.items() if name not in skipped} for row in rows]


def steps(found: Results, *left_out: str) -> list[dict[str, Any]]:
    skipped = {"seconds", "attempt", "run", *left_out}
    return [{n: x for n, x in row.items() if n not in skipped} for row in found.steps]


def saved_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/checkpoints/*/*/saved"))


def dies(how: str) -> None:
    if how == "error":
        raise ValueError("no")
    if how == "exit":
        os._exit(3)
    if how == "timeout":
        time.sleep(10_000)
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly:
    """Kills the process that pickles it."""

    def __reduce__(self) -> Any:
        dies("kill")
        return Deadly, ()


class Train(Experiment):
    """A training that ends badly in its first attempt, at a certain point."""

    how: str = search(["never", "kill", "exit", "error", "timeout"])
    when: str = search(["at first", "after step", "saving", "after save", "at last"])

    def valid(self) -> bool:
        return self.when != "saving" or self.how in ("never", "kill")

    def run(self) -> Iterator[dict[str, Any]]:
        is_first = not (self.folder / "tried").exists()
        with (self.folder / "tried").open("a", encoding="ascii") as file:
            file.write("x")
        state = self.load({"epoch": 0, "w": np.zeros(2)})
        if is_first and self.when == "at first" and self.how != "never":
            dies(self.how)
        w = state["w"]
        for epoch in range(state["epoch"], EPOCHS):
            w = w + random.random()
            yield {"epoch": epoch, "w": w, "drawn": np.random.rand()}
            is_now = is_first and self.how != "never" and epoch == 2
            if is_now and self.when == "after step":
                dies(self.how)
            more = {"deadly": Deadly()} if is_now and self.when == "saving" else {}
            self.save(epoch=epoch + 1, w=w, **more)
            if is_now and self.when == "after save":
                dies(self.how)
        if is_first and self.when == "at last" and self.how != "never":
            dies(self.how)


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_a_training_that_is_killed_gives_the_row_of_an_unbroken_one(
    method: Any, tmp_path: Path
) -> None:
    engine = Processes(start_method=method)
    asked: dict[str, Any] = {"retries": 1, "retry_on": ["killed", "timeout", "failed"]}
    space = Train() if method == "forkserver" else Train(how=search(["kill", "error"]))
    found = space.run_all(2, engine=engine, results=tmp_path, progress=False, timeout=5.0, **asked)
    assert found.counts == {"done": len(space)}, found.column("error").to_pylist()
    for row in found:
        assert row["n_steps"] == EPOCHS
        n_tries = (found.root / "settings" / row["key"] / "tried").stat().st_size
        # An error is forgotten if its worker dies within 20 ms, before it is sent.
        is_forgotten = row["how"] == "error" and row["attempt"] == 1
        assert is_forgotten or row["attempt"] == (1 if row["how"] == "never" else 2), row["how"]
        assert n_tries >= (1 if row["how"] == "never" else 2), "it did not die"
        expected = _unbroken(Train(how=row["how"], when=row["when"]))
        told = [(one["epoch"], one["w"], one["drawn"]) for one in found.steps(row)]
        assert told == expected, (row["how"], row["when"])
        assert (row["epoch"], row["w"], row["drawn"]) == expected[-1]
    assert not list(tmp_path.glob("*/checkpoints"))


def _unbroken(setting: Experiment) -> list[tuple[int, list[float], float]]:
    """The steps of a training, computed here."""
    plain, numpy = random.Random(), np.random.RandomState()
    plain.seed(seed_of_text(f"{setting.place.seed} random"))
    seed = seed_of_text(f"{setting.place.seed} numpy.random")
    numpy.seed([seed & 0xFFFFFFFF, seed >> 32])
    rows: list[tuple[int, list[float], float]] = []
    w = 0.0
    for epoch in range(EPOCHS):
        w += plain.random()
        rows.append((epoch, [w, w], numpy.rand()))
    return rows


class Fails(Experiment):
    """Fails in its first attempt, and tells what it has taken up."""

    a: int = search(range(3))
    is_own: bool = False  # by files of its own

    def run(self) -> Iterator[dict[str, Any]]:
        is_first = not (self.folder / "tried").exists()
        (self.folder / "tried").touch()
        path = self.checkpoint / "epoch.txt" if self.is_own else None
        if path is not None:
            epoch = int(path.read_text()) if path.exists() else 0
        else:
            epoch = self.load(0)
        for now in range(epoch, EPOCHS):
            yield {"step": 10 * now, "a10": self.a * 10 + now}
            if path is None:
                self.save(now + 1)
            elif now % 2:  # not as often as it tells steps
                path.write_text(str(now + 1))
            if is_first and now == 2 + self.a % 2:
                raise ValueError("no")


@pytest.mark.parametrize("is_own", [False, True], ids=["saved", "own files"])
@sweep(2, "name", ENGINES)
@pytest.mark.parametrize("again", ["retry", "another run"])
def test_a_setting_that_failed_goes_on(name: str, is_own: bool, again: str, tmp_path: Path) -> None:
    space = Fails(is_own=is_own)
    retry: dict[str, Any] = {"retries": 1, "retry_on": ["failed"]} if again == "retry" else {}
    with options(name) as asked:
        found = space.run_all(results=tmp_path, progress=False, **asked, **retry)
    if again == "another run":
        assert found.counts == {"failed": 3}
        assert found.column("n_steps").to_pylist() == [3, 4, 3]
        assert len(list(tmp_path.glob("*/checkpoints/*/*"))) == 3
        with options(name) as asked:
            found = space.run_all(results=tmp_path, progress=False, **asked)
    assert found.counts == {"done": 3}, found.column("error").to_pylist()
    for row in found:
        told = [(one["step"], one["step.step"], one["a10"]) for one in found.steps(row)]
        assert told == [(n + 1, 10 * n, row["a"] * 10 + n) for n in range(EPOCHS)]
        assert (row["n_steps"], row["a10"], row["step"]) == (EPOCHS, row["a"] * 10 + 4, 40)
        seconds = [one["seconds"] for one in found.steps(row)]
        assert seconds == sorted(seconds)
        assert seconds[-1] <= row["seconds"]
    assert not list(tmp_path.glob("*/checkpoints"))
    for run in tmp_path.glob("*/runs/*"):
        curves(run, "steps/*.arrows")  # no number is left out


class OwnKilled(Experiment):
    """Saves files of its own; the steps of the killed attempt go on beyond the last file."""

    when: str = search(["step", "file", "end", "unknown"])

    def run(self) -> Iterator[dict[str, Any]]:
        is_first = not (self.folder / "tried").exists()
        (self.folder / "tried").touch()
        path = self.checkpoint / "epoch"
        epoch = int(path.read_text()) if path.exists() else 0
        for now in range(epoch, EPOCHS):
            row = {"epoch": now, "is_first": is_first}
            yield row if self.when == "unknown" else {"step": now, **row}
            if is_first and now == 3 and self.when == "step":
                dies("kill")
            if now % 2 == 0:
                path.write_text(str(now + 1))
            if is_first and now == 2 and self.when in ("file", "unknown"):
                dies("kill")
        if is_first and self.when == "end":
            dies("kill")


def test_own_files_go_on_at_the_step_that_is_told(tmp_path: Path) -> None:
    found = OwnKilled().run_all(2, results=tmp_path, progress=False, retries=1)
    told = {
        row["when"]: [(one["epoch"], one["is_first"]) for one in found.steps(row)] for row in found
    }
    made = [(n, True) for n in range(3)]
    later = [(n, False) for n in (3, 4)]
    assert told == {
        "step": made + later,  # step 3 of the first attempt is superseded
        "file": made + later,
        "end": [(n, True) for n in range(5)],  # nothing was left to do
        "unknown": later,  # nobody told where it went on
    }
    assert found.column("n_steps").to_pylist() == [5, 5, 5, 2]
    assert not list(tmp_path.glob("*/checkpoints"))


class Coroutine(Experiment):
    a: int = search(range(4))

    async def run(self) -> AsyncIterator[dict[str, Any]]:
        is_first = not (self.folder / "tried").exists()
        (self.folder / "tried").touch()
        for epoch in range(self.load(0), EPOCHS):
            await asyncio.sleep(0)
            yield {"epoch": epoch, "loss": self.a * epoch}
            self.save(epoch + 1)
            if is_first and epoch == 2:
                raise ValueError("no")


@pytest.mark.parametrize("engine", ["asyncio", "processes", "serial"])
def test_a_coroutine_goes_on(engine: Any, tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "engine": engine,
        "progress": False,
        "stop": Threshold("loss", upper=5),
    }
    n = 1 if engine == "serial" else 2
    found = Coroutine().run_all(n, results=tmp_path, retries=1, retry_on=["failed"], **asked)
    # The third one was stopped before it failed.
    assert [row["status"] for row in found] == ["done", "done", "stopped", "stopped"]
    assert found.column("n_steps").to_pylist() == [5, 5, 4, 3]
    for row in found:
        assert [one["epoch"] for one in found.steps(row)] == list(range(row["n_steps"]))
    again = Coroutine().run_all(n, results=tmp_path, engine=engine, progress=False)
    assert again.counts == {"done": 4}
    assert again.column("n_steps").to_pylist() == [5] * 4


# -- what is saved --------------------------------------------------------------------------------


class Group(Params):
    token: str = value(secret="TOKEN_OF_CHECKPOINTS")


class Saves(Experiment):
    what: str = search(["one", "none", "names", "both", "self", "method", "group", "lock", "order"])
    group: Group = Group()

    def run(self) -> dict[str, Any]:
        assert self.load() is None
        assert self.load("x") == "x"
        self.save({"kept": 1})
        if self.what == "one":
            self.save([1, {"a": np.arange(3)}])
            assert self.load()[1]["a"].tolist() == [0, 1, 2]
        elif self.what == "none":
            self.save(None)
            assert self.load("x") is None
        elif self.what == "names":
            self.save(a=1, state=2, self_=3)
            assert self.load() == {"a": 1, "state": 2, "self_": 3}
        elif self.what == "order":
            self.save(a=lambda: 3)
            assert self.load()["a"]() == 3
        elif self.what == "both":
            self.save({"a": 1}, b=2)
        elif self.what == "self":
            self.save(model=[self])
        elif self.what == "method":
            self.save(callback=self.run)
        elif self.what == "group":
            self.save(group=self.group)
        else:
            self.save(lock=threading.Lock())
        return {"kept": None}


@pytest.mark.parametrize("n", [0, 1, 2], ids=["by hand", "serial", "processes"])
def test_what_can_be_saved(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_CHECKPOINTS", "a token that is secret")
    errors: dict[str, str] = {}
    if n == 0:
        for setting in Saves():
            try:
                setting.run()
            except (RunError, TypeError) as error:
                errors[setting.what] = str(error)
                assert setting.load() == {"kept": 1}
        assert not list(tmp_path.iterdir())
    else:
        found = Saves().run_all(n, results=tmp_path, progress=False)
        errors = {row["what"]: row["error"] for row in found if row["status"] != "done"}
        assert len(saved_in(tmp_path)) == 5
        for path in saved_in(tmp_path):
            with SavedFile(path, path.parents[1].name) as file:
                assert pickle.load(file.state()) == {"kept": 1}  # the old one is whole
            assert [x.name for x in path.parent.iterdir() if x.suffix == ".part"] == []
            assert b"a token that is secret" not in path.read_bytes()
    assert errors.keys() == {"both", "self", "method", "group", "lock"}
    assert "one object, or names" in errors["both"]
    for what in ("self", "method"):
        assert "Saves.save(): the object to save contains a setting of Saves" in errors[what]
        assert "no object or method that refers to self" in errors[what]
    assert "contains Group, which has a secret" in errors["group"]
    assert "state_dict()" in errors["lock"]
    assert "lock" in errors["lock"]


class Late(Experiment):
    n: int = search([10, 100_000])
    array: int = search([1, 1_000_000])

    def valid(self) -> bool:
        return self.n * self.array < 20_000_000

    def run(self) -> None:
        row = np.zeros(self.array, np.uint8)
        for _ in range(self.n):
            self.log(row=row[:1] if self.array == 1 else row)
        self.save(1)


def test_a_checkpoint_is_used_before_many_steps(tmp_path: Path) -> None:
    found = Late().run_all(results=tmp_path, progress=False)
    assert [row["status"] for row in found] == ["done", "done", "failed"]
    assert "call self.load() at the beginning of run()" in list(found)[-1]["error"]


class LoadsLate(Experiment):
    """Tells steps before it loads, and loads again after an accident."""

    is_framed: bool = search([False, True])

    def run(self) -> Iterator[dict[str, Any]]:
        tried = len(list(self.folder.iterdir()))
        (self.folder / str(tried)).touch()
        yield {"epoch": -1}
        epoch = self.load(0)
        for now in range(epoch, EPOCHS):
            if self.is_framed:
                self.log(pd.DataFrame({"epoch": [now, now + 0.5]}))
            else:
                yield {"epoch": now}
                yield {"epoch": now + 0.5}
            self.save(now + 1)
            if tried == 0 and now == 2:
                raise ValueError("no")
        if tried == 1:
            assert self.load() == EPOCHS  # nothing is recorded twice
            yield {"epoch": 9}


def test_steps_before_loading_count_once(tmp_path: Path) -> None:
    found = LoadsLate().run_all(results=tmp_path, progress=False, retries=1, retry_on=["failed"])
    expected = [-1, *(n / 2 for n in range(2 * EPOCHS)), 9]
    for row in found:
        assert [one["epoch"] for one in found.steps(row)] == expected
        assert row["n_steps"] == len(expected)


def test_many_steps_are_carried(tmp_path: Path) -> None:
    class Many(Experiment):
        n: int = 5000

        def run(self) -> None:
            epoch = self.load(0)
            for now in range(epoch, self.n):
                self.log(epoch=now)
                if now % 700 == 0:
                    self.save(now + 1)
            if epoch == 0:
                raise ValueError("no")

    found = Many().run_all(results=tmp_path, progress=False, retries=1, retry_on=["failed"])
    assert found.counts == {"done": 1}
    assert found.steps.column("epoch").to_pylist() == list(range(5000))
    assert found.steps.column("step").to_pylist() == list(range(1, 5001))


# -- where it may be used -------------------------------------------------------------------------


def _in_child(setting: Experiment) -> list[str]:
    told: list[str] = []
    for use in (lambda: setting.checkpoint, lambda: setting.save(1), setting.load):
        try:
            use()
        except RunError as error:
            told.append(str(error))
    return told


class Elsewhere(Experiment):
    a: int = 1

    def setup(self) -> None:
        self.told: list[str] = _in_child(self)

    def run(self) -> dict[str, Any]:
        for context in ("fork", "spawn"):
            with get_context(context).Pool(1) as pool:
                self.told += pool.apply(_in_child, (self,))
        threads = [threading.Thread(target=self.save, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.load() in range(8)
        assert self.checkpoint.is_dir()
        return {"told": self.told}


def test_only_the_process_that_runs_the_setting_has_its_checkpoint(tmp_path: Path) -> None:
    found = Elsewhere().run_all(results=tmp_path, progress=False, engine="processes")
    (row,) = found
    assert row["status"] == "done", row["error"]
    assert len(row["told"]) == 9
    assert all("while its setting does not run; use it only in run()" in x for x in row["told"][:3])
    assert all("in a child process" in text for text in row["told"][3:])
    assert all("has its checkpoint: hand the values" in text for text in row["told"][3:])
    for name, text in zip(["checkpoint", "save()", "load()"] * 3, row["told"], strict=True):
        assert text.startswith(f"Elsewhere.{name}")


def test_by_hand_there_is_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Hand(Experiment):
        a: int = search([1, 2])

        def run(self) -> dict[str, Any]:
            first = self.load(0)
            self.save(first + self.a)
            (self.checkpoint / "file").write_text("x")
            return {"sum": first + self.a, "folder": str(self.checkpoint)}

    setting = Hand()[1]
    rows = [setting.run(), setting.run()]
    assert [row["sum"] for row in rows] == [2, 4]
    assert Hand()[1].run()["sum"] == 2
    folder = Path(rows[0]["folder"])
    assert (folder / "file").exists()
    assert not list(tmp_path.iterdir())
    copied = cloudpickle.loads(cloudpickle.dumps(setting))
    assert copied.load(7) == 7
    assert [row["sum"] for row in setting.run_all(results="r", progress=False)] == [2]
    del setting, copied
    gc.collect()
    assert not folder.exists()


def test_fields_of_these_names(tmp_path: Path) -> None:
    class Named(Experiment):
        checkpoint: str = search(["a", "b"])
        save: int = 1
        load: float = 0.5
        keep_checkpoints: bool = True

        def run(self) -> dict[str, Any]:
            place = self.place
            place.save(x=self.save)
            (place.checkpoint / "file").write_text(self.checkpoint)
            assert place.keep_checkpoints is False
            return {"loaded": place.load()["x"] + self.load}

    found = Named().run_all(results=tmp_path, progress=False)
    assert found.column("loaded").to_pylist() == [1.5, 1.5]
    assert not list(tmp_path.glob("*/checkpoints"))
    (note,) = (x for x in found.notes if "keep_checkpoints" in x)
    assert "Named.keep_checkpoints is a parameter, so checkpoints are removed all the same" in note


# -- which checkpoint -----------------------------------------------------------------------------


class Counts(Experiment):
    """Tells how often it was tried, by its checkpoint, and fails on request."""

    a: int = search(range(2))

    def run(self) -> dict[str, Any]:
        n = self.load(0) + 1
        self.save(n)
        (self.checkpoint / str(n)).touch()
        assert len(list(self.checkpoint.iterdir())) == n
        if (Path(os.environ["FOLDER_OF_COUNTS"]) / "fail").exists():
            raise ValueError(f"try {n}")
        return {"n": n}


class Keeps(Counts):
    keep_checkpoints = True


@pytest.fixture
def fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file; while it is there, settings of `Counts` fail."""
    monkeypatch.setenv("FOLDER_OF_COUNTS", str(tmp_path))
    (tmp_path / "fail").touch()
    return tmp_path / "fail"


def test_a_run_that_begins_anew_takes_up_nothing_of_earlier_runs(
    tmp_path: Path, fail: Path
) -> None:
    asked: dict[str, Any] = {"results": tmp_path, "progress": False}
    assert {x["error"] for x in Counts().run_all(**asked)} == {"ValueError: try 1"}
    assert {x["error"] for x in Counts().run_all(**asked)} == {"ValueError: try 2"}
    anew = Counts().run_all(2, resume=False, retries=1, retry_on=["failed"], **asked)
    assert {(x["attempt"], x["error"]) for x in anew} == {(2, "ValueError: try 2")}
    assert {x["error"] for x in Counts().run_all(only="failed", **asked)} == {"ValueError: try 3"}
    fail.unlink()
    assert Counts().run_all(**asked).column("n").to_pylist() == [4, 4]
    assert Counts().run_all(resume=False, **asked).column("n").to_pylist() == [1, 1]


def test_checkpoints_stay_on_request(tmp_path: Path, fail: Path) -> None:
    fail.unlink()
    asked: dict[str, Any] = {"results": tmp_path, "progress": False}
    assert Keeps().run_all(2, **asked).column("n").to_pylist() == [1, 1]
    assert len(saved_in(tmp_path)) == 2
    assert Keeps.place.keep_checkpoints is True
    assert Keeps().run_all(resume=False, **asked).column("n").to_pylist() == [1, 1]


class Slow(Experiment):
    n: int = search([1, 2])
    nap: float = 0.2

    def run(self) -> dict[str, Any]:
        n = self.load(0)
        time.sleep(self.nap)
        self.save(n + 1)
        if n < self.n:
            dies("kill")
        time.sleep(self.nap)
        return {"n": n + 1}


@pytest.mark.timed
def test_seconds_are_those_of_all_attempts_but_the_limit_is_for_one(tmp_path: Path) -> None:
    nap = scaled(0.2)
    found = Slow(nap=nap).run_all(2, results=tmp_path, progress=False, retries=2, timeout=nap * 2.9)
    assert found.counts == {"done": 2}, found.column("error").to_pylist()
    assert found.column("attempt").to_pylist() == [2, 3]
    for row, naps in zip(found, (3, 4), strict=True):
        assert row["seconds"] >= naps * nap
        assert row["seconds"] > nap * 2.9


# -- stoppers -------------------------------------------------------------------------------------


class Curve(Experiment):
    width: int = search(range(1, 13))
    is_broken: bool = False

    def run(self) -> Iterator[dict[str, Any]]:
        tried = len(list(self.folder.iterdir()))
        (self.folder / str(tried)).touch()
        for epoch in range(self.load(0), 12):
            yield {"epoch": epoch, "accuracy": 1 - 1 / (1 + (epoch + 1) * (self.width % 7))}
            self.save(epoch + 1)
            if self.is_broken and tried == 0 and epoch == self.width % 5:
                dies("kill")


STOPPERS = [ASHA("accuracy"), Threshold("accuracy", lower=0.6)]


@pytest.mark.parametrize("stop", STOPPERS, ids=["asha", "threshold"])
def test_a_stopper_decides_as_if_nothing_was_killed(stop: Any, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"progress": False, "stop": stop}
    unbroken = Curve().run_all(2, results=tmp_path / "a", **asked)
    broken = Curve(is_broken=True).run_all(2, results=tmp_path / "b", retries=1, **asked)
    assert {"stopped"} < unbroken.counts.keys() | {"x"}
    left_out = ("key", "is_broken", "code")
    if isinstance(stop, Threshold):
        assert table(broken, *left_out) == table(unbroken, *left_out)
        assert steps(broken, *left_out) == steps(unbroken, *left_out)
    assert not [x for x in broken if x["status"] not in ("done", "stopped")]
    for row in broken:
        assert [one["epoch"] for one in broken.steps(row)] == list(range(row["n_steps"]))


def test_another_stopper_looks_at_the_steps_that_were_made(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"results": tmp_path, "progress": False}
    found = Curve(is_broken=True).run_all(2, **asked)
    assert found.counts == {"killed": 12}
    found = Curve(is_broken=True).run_all(2, stop=STOPPERS[1], **asked)
    unbroken = Curve().run_all(2, results=tmp_path / "a", progress=False, stop=STOPPERS[1])
    left_out = ("key", "is_broken", "code")
    assert table(found, *left_out) == table(unbroken, *left_out)
    assert steps(found, *left_out) == steps(unbroken, *left_out)
    # Without a stopper, those that were stopped go on.
    assert Curve(is_broken=True).run_all(2, **asked).counts == {"done": 12}


# -- files ----------------------------------------------------------------------------------------

BOMB = b"cos\nsystem\n(S'touch %s'\ntR."


def _damaged(data: bytes, how: str, bomb: bytes) -> bytes:
    if how == "flipped":
        return data[:40] + bytes([data[40] ^ 1]) + data[41:]
    return {
        "torn": data[: len(data) // 2],
        "short": data[:-1],
        "empty": b"",
        "foreign": bomb,
        "headed": b"superparams checkpoint 1\n" + bomb + (3).to_bytes(8, "little"),
        "newer": b"superparams checkpoint 2\n" + data[25:],
    }[how]


@pytest.mark.parametrize(
    "how", ["flipped", "torn", "short", "empty", "foreign", "headed", "newer", "another's"]
)
def test_a_damaged_file_is_said_and_the_setting_begins_anew(
    how: str, tmp_path: Path, fail: Path
) -> None:
    asked: dict[str, Any] = {"results": tmp_path, "progress": False}
    Counts().run_all(**asked)
    one, other = saved_in(tmp_path)
    bomb = BOMB.replace(b"%s", os.fsencode(tmp_path / "executed"))
    data = other.read_bytes() if how == "another's" else _damaged(one.read_bytes(), how, bomb)
    one.write_bytes(data)
    for name in one.parent.glob("files/*"):
        name.unlink()
    fail.unlink()
    with pytest.warns(RuntimeWarning, match=r"Counts\.load\(\): .*saved is damaged: .*anew"):
        found = Counts().run_all(**asked)
    assert sorted(found.column("n").to_pylist()) == [1, 2]
    assert not (tmp_path / "executed").exists()


def test_what_cannot_be_read_back_is_an_error(tmp_path: Path, fail: Path) -> None:
    Counts().run_all(results=tmp_path, progress=False)
    for path in saved_in(tmp_path):
        saver = Saver(path.parents[1].name, "run", 1, "token", 0, 0.0)
        write_checkpoint(path, saver, [], b"", lambda out: out.write(b"cno_module\nx\n."))
    found = Counts().run_all(results=tmp_path, progress=False)
    for row in found:
        assert "Counts.load(): what was saved cannot be read: ModuleNotFoundError" in row["error"]
        assert "resume=False" in row["error"]


class Full(Experiment):
    """Saves on a disk that is full for a while."""

    where: str = search(["saved", "journal", "folder"])

    def run(self) -> Iterator[dict[str, Any]]:
        self.save(1)
        path = self.checkpoint
        yield {"step": 1}
        told = ""
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if self.where == "folder":
            path.parent.rename(path.parent.with_name("away"))
            path.parent.write_text("a file")
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (150, limit[1]))
        try:
            if self.where == "journal":
                self.log(step=2, text="x" * 10_000)
            else:
                self.save(np.zeros(10_000))
        except StoreError as error:
            told = str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        if self.where == "folder":
            path.parent.unlink()
            path.parent.with_name("away").rename(path.parent)
        assert self.load() == 1
        self.save(2)
        yield {"step": 3, "told": told}


def test_a_full_disk_leaves_what_was_saved(tmp_path: Path) -> None:
    found = Full().run_all(results=tmp_path, progress=False, engine="processes")
    assert found.counts == {"done": 3}, found.column("error").to_pylist()
    told = {row["where"]: row["told"] for row in found}
    assert "cannot write the checkpoint" in told["saved"]
    assert "File too large" in told["saved"]
    assert "what was saved before is intact" in told["saved"]
    assert "File too large" in told["journal"]
    assert "cannot write the checkpoint" in told["folder"]
    assert "File exists" in told["folder"] or "Not a directory" in told["folder"]


def _save_often(path: Path, number: int) -> int:
    for n in range(60):
        saver = Saver("key", "run", number, f"{number} {n}", n, 0.0)
        write_checkpoint(path, saver, [b""], b"", lambda out: pickle.dump([n] * 5000, out))  # type: ignore[arg-type]  # noqa: B023
    return number


def test_of_writers_at_once_each_file_is_whole(tmp_path: Path) -> None:
    path, n_read = tmp_path / "saved", 0
    with ProcessPoolExecutor(3, get_context("spawn")) as pool:
        writers = [pool.submit(_save_often, path, number) for number in range(3)]
        while not all(writer.done() for writer in writers):
            try:
                with SavedFile(path, "key") as file:
                    assert len(set(pickle.load(file.state()))) == 1
                n_read += 1
            except FileNotFoundError:
                continue
        assert [writer.result() for writer in writers] == [0, 1, 2]
    assert n_read > 10
    assert [x.name for x in tmp_path.iterdir()] == ["saved"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged):
        SavedFile(path, "key")


def test_unfinished_files_of_killed_processes_go(tmp_path: Path) -> None:
    class Parts(Experiment):
        a: int = 1

        def run(self) -> None:
            tried = len(list(self.folder.iterdir()))
            (self.folder / str(tried)).touch()
            self.save(tried)
            if tried < 4:
                self.save(Deadly())
            parts = list(self.checkpoint.parent.glob(".*.part"))
            assert parts == [], parts

    found = Parts().run_all(results=tmp_path, progress=False, retries=4, engine="processes")
    assert found.counts == {"done": 1}, found.column("error").to_pylist()


def test_a_pool_of_threads_saves_side_by_side(tmp_path: Path) -> None:
    class Beside(Experiment):
        a: int = search(range(24))

        def run(self) -> Iterator[dict[str, Any]]:
            for epoch in range(self.load(0), 6):
                yield {"epoch": epoch, "a": self.a}
                self.save(epoch + 1)
                if epoch == 3 and not (self.folder / "tried").exists():
                    (self.folder / "tried").touch()
                    raise ValueError("no")

    asked: dict[str, Any] = {"retries": 1, "retry_on": ["failed"], "progress": False}
    with ThreadPoolExecutor(4) as pool:
        found = Beside().run_all(engine=pool, results=tmp_path, **asked)
    assert found.counts == {"done": 24}
    for row in found:
        told = [(one["epoch"], one["step.a"]) for one in found.steps(row)]
        assert told == [(n, row["a"]) for n in range(6)]
