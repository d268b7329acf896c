"""Steps: what `yield` and `log` record, under every engine."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import os
import pickle
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from carriers import ENGINES, options

from superparams import Experiment, search
from superparams.errors import RunError
from superparams.executor import Processes
from superparams.executor.run_steps import RunSteps
from superparams.executor.step_outbox import StepOutbox
from superparams.executor.steps import StepLog
from superparams.outcomes.step import Step
from superparams.outcomes.step_batches import encode_steps
from superparams.run.loop import run_all
from superparams.run.options import RunOptions
from superparams.store.ledger.reader import streams_of
from superparams.strategies import Threshold
from tests.recorded_steps import curves, fields, recorded_steps
from tests.runs import output
from tests.sweeps import sweep
from tests.timing import slowness, wait_for, within

pytestmark = pytest.mark.usefixtures("no_leaks")


class Callback:
    """As frameworks have them."""

    def __init__(self, log: Any) -> None:
        self.log = log

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.log(epoch=epoch, **logs)


class Yields(Experiment):
    a: int = search(range(3))

    def run(self) -> Iterator[dict[str, Any]]:
        buffer, history, state = np.zeros(2), [], {"n": 0}
        for epoch in range(4):
            buffer[:] = epoch
            history.append(epoch)
            state["n"] = epoch
            row = {"epoch": epoch, "loss": self.a / (epoch + 1), "buffer": buffer}
            row |= {"history": history, "state": state, "small": np.float32(0.5)}
            yield row
            row.clear()


class Logs(Experiment):
    """From a callback, from a thread, and from a copy of the setting."""

    log: str = "mine"
    a: int = search(range(3))

    def run(self) -> dict[str, Any]:
        callback = Callback(self.place.log)
        callback.on_epoch_end(0, {"val/loss": 0.5})
        thread = threading.Thread(target=callback.on_epoch_end, args=(1, {"val/loss": 0.25}))
        thread.start()
        thread.join()
        copy.deepcopy(self).place.log({"epoch": 2, "val/loss": None})
        self.place.log(pd.DataFrame({"epoch": [3, 4], "val/loss": [0.1, 0.05]}))
        return {"log": self.log, "a2": self.a * 2}


@sweep(3, "name", ENGINES)
def test_every_engine_records_the_same_steps(name: str, tmp_path: Path) -> None:
    with options(name) as asked:
        found = Yields().run_all(**asked, results=tmp_path / "1", progress=False)
        logged = Logs().run_all(**asked, results=tmp_path / "2", progress=False)
    assert found.counts == {"done": 3}, found.failures.to_pandas().error.tolist()
    assert logged.counts == {"done": 3}, logged.failures.to_pandas().error.tolist()
    for (a, attempt), rows in curves(tmp_path / "1").items():
        assert attempt == 1
        assert rows == [
            {
                "epoch": n,
                "loss": a / (n + 1),
                "buffer": [n, n],
                "history": list(range(n + 1)),
                "state.n": n,
                "small": 0.5,
            }
            for n in range(4)
        ]
    losses = [0.5, 0.25, None, 0.1, 0.05]
    expected = [{"epoch": n, "val/loss": loss} for n, loss in enumerate(losses)]
    assert curves(tmp_path / "2") == {(a, 1): expected for a in range(3)}
    keys = {row["index"]: row["key"] for row in recorded_steps(tmp_path / "1")}
    assert keys == {setting.a: setting.key for setting in Yields()}
    # The last step is the row, where `run` returns nothing.
    table = found.to_pandas()
    assert table.epoch.tolist() == [3] * 3
    assert table.n_steps.tolist() == [4] * 3
    assert table["state.n"].tolist() == [3] * 3
    assert logged.to_pandas()["result.log"].tolist() == ["mine"] * 3
    assert logged.to_pandas()[["a2", "n_steps"]].to_numpy().tolist() == [[0, 5], [2, 5], [4, 5]]
    assert "epoch" not in logged.columns


class AsyncYields(Experiment):
    a: int = search(range(3))

    async def run(self) -> AsyncIterator[dict[str, int]]:
        for epoch in range(3):
            await asyncio.sleep(0.001)
            yield {"epoch": epoch, "a": self.a}


class AsyncLogs(Experiment):
    a: int = search(range(3))

    async def run(self) -> dict[str, int]:
        for epoch in range(3):
            await asyncio.sleep(0.001)
            self.log(epoch=epoch, a=self.a)
        return {"y": self.a}


@pytest.mark.parametrize("engine", [None, "serial", "threads", Processes()], ids=str)
def test_async_run_records_steps(engine: Any, tmp_path: Path) -> None:
    num_proc = 1 if engine == "serial" else 2
    expected = {(a, 1): [{"epoch": n, "a": a} for n in range(3)] for a in range(3)}
    for cls in (AsyncYields, AsyncLogs):
        root = tmp_path / cls.__name__
        found = cls().run_all(num_proc, engine=engine, results=root, progress=False)
        assert found.counts == {"done": 3}, found.failures.to_pandas().error.tolist()
        assert curves(root) == expected
        assert found.to_pandas().n_steps.tolist() == [3] * 3


class Returns(Experiment):
    how: str = search(["none", "dict", "empty", "frame", "no steps", "bare", "by name"])

    def run(self) -> Any:
        return self.plain() if self.how == "by name" else self.steps()

    def plain(self) -> None:
        self.log(y=1)
        self.log(y=2)

    def steps(self) -> Iterator[Any]:
        if self.how == "no steps":
            return {"y": 0}
        if self.how == "bare":
            yield
            return None
        yield {"y": 1}
        if self.how == "frame":
            yield pd.DataFrame({"y": []})
            yield pd.DataFrame({"y": [2, 3], "z": ["a", None]})
        if self.how == "dict":
            return {"total": 9}
        return {} if self.how == "empty" else None


def test_the_row_is_what_run_returns_or_else_the_last_step(tmp_path: Path) -> None:
    found = Returns().run_all(results=tmp_path, progress=False).to_pandas().set_index("how")
    assert found.status.tolist() == ["done"] * 7, found.error.tolist()
    assert found.n_steps.to_dict() == {
        "none": 1,
        "dict": 1,
        "empty": 1,
        "frame": 3,
        "no steps": 0,
        "bare": 1,
        "by name": 2,
    }
    rows = found[["y", "z", "total"]].astype(object).where(lambda x: x.notna(), None)
    assert rows.loc["none"].tolist() == [1, None, None]
    assert rows.loc["dict"].tolist() == [None, None, 9]
    assert rows.loc["empty"].tolist() == [None, None, None]
    assert rows.loc["frame"].tolist() == [3, None, None]
    assert rows.loc["no steps"].tolist() == [0, None, None]
    assert rows.loc["by name"].tolist() == [2, None, None]


class Wrong(Experiment):
    how: str = search(["a number", "a lock", "caught", "a name", "nested"])

    def run(self) -> Iterator[Any]:
        yield {"epoch": 0}
        if self.how == "a number":
            yield 3
        if self.how == "a lock":
            yield {"lock": threading.Lock()}
        if self.how == "nested":
            self.log(deep={"lock": threading.Lock()})
        if self.how == "caught":
            try:
                yield [1]
            except TypeError:
                yield {"epoch": 1}
        if self.how == "a name":
            yield {7: "seven", "x": 2**70, "t": "\ud800"}


def test_what_is_no_step_fails_at_the_line_that_yields(tmp_path: Path) -> None:
    found = Wrong().run_all(results=tmp_path, progress=False).to_pandas().set_index("how")
    assert found.status.to_dict() == {
        "a number": "failed",
        "a lock": "failed",
        "caught": "done",
        "a name": "done",
        "nested": "failed",
    }
    assert "Wrong.run() was given 3, an int" in found.error["a number"]
    assert "yield 3" in found.traceback["a number"]
    assert "Wrong.run(): the field 'lock' of a step" in found.error["a lock"]
    assert "Wrong.log(): the field 'deep.lock' of a step" in found.error["nested"]
    assert found.n_steps.to_dict() == {
        "a number": 1,
        "a lock": 1,
        "caught": 2,
        "a name": 2,
        "nested": 1,
    }
    last = fields(recorded_steps(tmp_path)[-2])
    assert (last["7"], last["x"], last["t"]) == ("seven", str(2**70), "\\ud800")


class Flaky(Experiment):
    a: int = search(range(2))

    def run(self) -> Iterator[dict[str, int]]:
        tries = len(list(self.folder.iterdir()))
        (self.folder / str(tries)).touch()
        for n in range(tries + 1):
            yield {"tries": tries, "n": n}
        if tries < 2:
            raise OSError("again")


@pytest.mark.parametrize("asked", [{}, {"num_proc": 2}, {"engine": "threads"}], ids=str)
def test_attempts_are_told_apart(asked: dict[str, Any], tmp_path: Path) -> None:
    retries: dict[str, Any] = {"retries": 2, "retry_on": ["failed"], **asked}
    found = Flaky().run_all(**retries, results=tmp_path, progress=False)
    assert found.to_pandas().n_steps.tolist() == [3, 3]
    assert curves(tmp_path) == {
        (a, tries + 1): [{"tries": tries, "n": n} for n in range(tries + 1)]
        for a in range(2)
        for tries in range(3)
    }


# ---- where no step is recorded


def log_in_child(setting: Any) -> str:
    try:
        setting.log(x=1)
    except RunError as error:
        return str(error)
    return "recorded"


class InChildren(Experiment):
    def run(self) -> dict[str, Any]:
        self.log(x=0)
        read, write = os.pipe()
        pid = os.fork()  # warns from Python 3.12 on, if there is a thread
        if not pid:
            os.write(write, log_in_child(self).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        self.log(x=1)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pooled = pool.submit(log_in_child, self).result()
        answer = os.read(read, 10_000).decode()
        os.close(read)
        os.close(write)
        return {"forked": answer, "pooled": pooled}


def test_the_newest_step_is_the_last_one_that_came_of_the_last_attempt() -> None:
    steps = RunSteps()
    steps.record_by(lambda data: [batch for one in streams_of(data) for batch in one.batches])
    for attempt, numbers, newest in (
        (1, [1, 2, 3], (1, 3)),
        (1, [1, 2], (1, 2)),  # the setting ran again, since its outcome was lost
        (2, [1], (2, 1)),
        (1, [4], (2, 1)),
    ):
        made = [Step(0, "0" * 32, attempt, at, 0.0, {"x": at}) for at in numbers]
        steps.record(encode_steps(made))
        step = steps.newest(0)
        assert step is not None
        assert (step.attempt, step.step) == newest
    assert (steps.count(0, 1), steps.count(0, 2)) == (0, 1)


def test_a_child_process_is_told_that_it_cannot(tmp_path: Path) -> None:
    found = InChildren().run_all(2, engine=Processes(), results=tmp_path, progress=False)
    row = found.to_pandas().iloc[0]
    assert row.status == "done", row.error
    for answer in (row.forked, row.pooled):
        assert "InChildren.log() was called in a child process" in answer
    assert curves(tmp_path) == {(0, 1): [{"x": 0}, {"x": 1}]}


LATE: list[Any] = []


class Leaves(Experiment):
    a: int = search(range(2))

    def setup(self) -> None:
        try:
            self.log(x=0)
        except RunError as error:
            LATE.append(str(error))

    def run(self) -> dict[str, Any]:
        self.log(x=self.a)
        if LATE[1:]:
            with pytest.raises(RunError, match="while its setting does not run"):
                LATE[1](x=7)
        LATE.append(self.log)
        return {}


def test_a_setting_that_has_ended_records_nothing(tmp_path: Path) -> None:
    LATE.clear()
    found = Leaves().run_all(results=tmp_path, progress=False)
    assert found.counts == {"done": 2}, found.failures.to_pandas().error.tolist()
    assert "Leaves.log(): a step was recorded while its setting does not run" in LATE[0]
    for log in LATE[1:]:
        with pytest.raises(RunError, match="does not run"):
            log(x=9)
    assert curves(tmp_path) == {(a, 1): [{"x": a}] for a in range(2)}


def test_by_hand_and_in_the_debugger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = list(Yields(a=1).run())
    assert len(steps) == 4
    assert Logs(a=1).run() == {"log": "mine", "a2": 2}
    assert not list(tmp_path.iterdir())
    setting = pickle.loads(pickle.dumps(Logs(a=1)))
    setting.place.log(x=1)
    found = Yields().run_all(debug=True, results=tmp_path / "r", progress=False)
    assert found.to_pandas().n_steps.tolist() == [4] * 3
    assert len(recorded_steps(tmp_path / "r")) == 12


class Inner(Experiment):
    b: int = search(range(2))
    where: str = ""

    def run(self) -> Iterator[dict[str, int]]:
        yield {"inner": self.b}


class Outer(Experiment):
    a: int = search(range(2))
    engine: str = ""

    def run(self) -> Iterator[dict[str, int]]:
        yield {"outer": 1}
        Inner(b=5).log(x=1)
        list(Inner(b=7).run())
        if self.engine == "pool":
            with ThreadPoolExecutor(1) as pool:
                Inner().run_all(engine=pool, results=self.folder / "inner", progress=False)
        else:
            Inner().run_all(engine=self.engine, results=self.folder / "inner", progress=False)
        yield {"outer": 2}


@pytest.mark.parametrize("engine", ["serial", "threads", "pool"])
def test_settings_within_a_setting_have_steps_of_their_own(engine: str, tmp_path: Path) -> None:
    found = Outer(engine=engine).run_all(results=tmp_path, progress=False)
    assert found.counts == {"done": 2}, found.failures.to_pandas().error.tolist()
    outer = {(a, 1): [{"outer": 1}, {"outer": 2}] for a in range(2)}
    (root,) = tmp_path.iterdir()
    for path in (root / "settings").iterdir():
        assert curves(path) == {(b, 1): [{"inner": b}] for b in range(2)}
    assert curves(root, "runs/*/steps/*.arrows") == outer


class Stops(Experiment):
    folder_of_ends: str
    how: str = search(["yield", "log"])

    def run(self) -> Any:
        return self.yields() if self.how == "yield" else self.logs()

    def yields(self) -> Iterator[dict[str, int]]:
        try:
            for n in range(5):
                yield {"n": n, "array": np.arange(2), "when": dt.date(2026, 1, 1), "z": {"a": 1j}}
        finally:
            (Path(self.folder_of_ends) / self.how).touch()

    def logs(self) -> None:
        try:
            for n in range(5):
                try:
                    self.log(n=n)
                except Exception:  # which Stopped is not
                    raise AssertionError from None
        finally:
            (Path(self.folder_of_ends) / self.how).touch()


@pytest.mark.parametrize("engine", ["serial", "threads", "processes"])
def test_a_setting_that_is_not_to_go_on_unwinds(engine: Any, tmp_path: Path) -> None:
    stop = Threshold(maximize="n", upper=1)
    asked = RunOptions(engine=engine, results=tmp_path / "r", progress=False, stop=stop)
    space = Stops(folder_of_ends=str(tmp_path))
    table = run_all(space, asked).to_pandas()
    assert table.n_steps.tolist() == [3, 3]
    assert table.status.tolist() == ["stopped", "stopped"]
    assert (tmp_path / "yield").exists()
    assert (tmp_path / "log").exists()
    found = curves(tmp_path)
    assert {at: [row["n"] for row in rows] for at, rows in found.items()} == {
        (a, 1): [0, 1, 2] for a in range(2)
    }


# ---- when they are recorded


class Silent(Experiment):
    flag: str
    a: int = search(range(2))

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(3):
            yield {"n": n, "at": time.time()}
        wait_for(Path(self.flag).exists)


@pytest.mark.timed
@pytest.mark.parametrize("engine", ["serial", "threads", "processes"])
def test_steps_are_there_while_their_setting_is_silent(engine: Any, tmp_path: Path) -> None:
    flag, late = tmp_path / "flag", list[float]()
    num_proc = 1 if engine == "serial" else 2
    slow = slowness()

    def watch() -> None:
        try:
            wait_for(lambda: len(recorded_steps(tmp_path)) >= 3 * num_proc)
            now = time.time()
            late.append(now - max(row["step.at"] for row in recorded_steps(tmp_path)))
        finally:
            flag.touch()

    thread = threading.Thread(target=watch)
    thread.start()
    Silent(flag=str(flag)).run_all(num_proc, engine=engine, results=tmp_path, progress=False)
    thread.join()
    assert late, "no step was recorded before its setting ended"
    assert late[0] < 0.2 * slow * slowness()
    assert [len(rows) for rows in curves(tmp_path).values()] == [3, 3]


@pytest.mark.timed
def test_a_step_waits_a_moment_for_company_and_no_longer() -> None:
    sent: list[tuple[float, int]] = []
    outbox = StepOutbox(lambda steps: sent.append((time.monotonic(), len(steps))))
    step = Step(0, "0" * 32, 1, 1, 0.0, {})
    with within(0.02):
        outbox.add(step)
        assert [count for _, count in sent] == [1]  # at once
        for _ in range(9):
            outbox.add(step)
        assert [count for _, count in sent] == [1] * 10
    with within(0.2):
        for _ in range(1_000):
            outbox.add(step)
        wait_for(lambda: sum(count for _, count in sent) == 1_010)
    assert len(sent) <= 30
    wait_for(lambda: not [one for one in threading.enumerate() if one.name == "superparams-steps"])
    for _ in range(20_000):
        outbox.add(step)
    outbox.pause()
    assert sum(count for _, count in sent) == 21_010
    assert not [one for one in threading.enumerate() if one.name == "superparams-steps"]


NO_THREADS = """
import resource, threading
from superparams.executor.run_steps import RunSteps
from superparams.executor.step_outbox import StepOutbox
from superparams.outcomes.step import Step
from superparams.outcomes.step_batches import encode_steps

sent = []
outbox = StepOutbox(lambda steps: sent.extend(steps))
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
threading.stack_size(2**30)  # so no further thread can start
try:
    threading.Thread(target=print).start()
except RuntimeError:
    for n in range(100):
        outbox.add(Step(0, "0" * 32, 1, n, 0.0, {}))
        assert len(sent) == n + 1, (n, len(sent))
    print("all sent")
"""


def test_steps_are_sent_where_no_thread_can_start(tmp_path: Path) -> None:
    assert output(tmp_path, NO_THREADS) == "all sent\n"


class Fast(Experiment):
    a: int = search(range(2))
    n: int = 20_000

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(self.n):
            yield {"n": n, "loss": n * 0.5}


@pytest.mark.timed
def test_two_workers_record_many_steps_a_second(tmp_path: Path) -> None:
    """The bar is 20,000 a second; on an idle machine it is several times as many."""
    Fast(n=1).run_all(2, engine="processes", results=tmp_path / "0", progress=False)
    with within(2.0):
        found = Fast().run_all(2, engine="processes", results=tmp_path / "1", progress=False)
    assert found.to_pandas().n_steps.tolist() == [20_000] * 2
    assert len(recorded_steps(tmp_path / "1")) == 40_000


def test_the_log_of_no_setting_costs_nothing_but_says_so() -> None:
    log = StepLog("Fit")
    assert log.end("failed", None, 1.0) == ("failed", None, 1.0, 0, None, 0.0)
    with pytest.raises(RunError, match=r"Fit\.log\(\)"):
        log.log(Yields(a=1), {"x": 1})


class OneColumn(Experiment):
    how: str = search(["yielded", "logged", "returned", "polars", "array"])

    def run(self) -> Any:
        series = pd.Series({"loss": 1.0, "epoch": 3})
        if self.how == "logged":
            self.log(series)
        if self.how == "yielded":
            yield series
        yield series.to_dict()
        others = {"polars": pl.Series("loss", [1.0]), "array": pa.chunked_array([[1.0]])}
        return others.get(self.how, series)


def test_a_series_is_no_row_and_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    found = OneColumn().run_all(results=tmp_path, progress=False)
    errors = {row["how"]: row["error"] for row in found}
    for how, method in (("yielded", "run"), ("logged", "log"), ("returned", "run")):
        assert f"OneColumn.{method}() gave a Series, which is a single column" in errors[how]
        assert "give series.to_dict() for a row" in errors[how]
    assert "give series.to_frame() for a row of each value" in errors["polars"]
    assert "gave a ChunkedArray" in errors["array"]
    assert {x["epoch"] for x in found.steps.to_arrow().to_pylist()} == {3.0}


def test_several_objects_by_place_are_refused_with_the_remedy() -> None:
    setting = OneColumn(how="logged")
    with pytest.raises(TypeError, match=r"OneColumn\.save\(\) takes one object.*given 2 objects"):
        setting.save(1, 2)
    with pytest.raises(TypeError, match=r"OneColumn\.log\(\) .*log\(epoch=3, loss=0\.2\)"):
        setting.place.log({"a": 1}, {"b": 2})
