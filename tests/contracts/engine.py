"""What every engine keeps. A test module applies it: a subclass says which engine it is about."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from superparams.declare.experiment_place import Place
from superparams.errors import EngineError, SuperparamsError
from superparams.executor.engines.contract import Control, Engine
from superparams.executor.engines.feed import Feed
from superparams.executor.steps import step_recorder, step_teller
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.step import Step
from superparams.outcomes.step_batches import values_of_steps
from tests.contracts.programs import FunctionProgram, execute, rows, rows_as_they_come, run
from tests.timing import stretch, wait_for


def double(index: int, place: Place) -> dict[str, int]:
    return {"y": 2 * index}


def nap(index: int, place: Place) -> dict[str, int]:
    time.sleep(0.05)
    return {"y": index}


class Hostile(Exception):
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


def fail(index: int, place: Place) -> dict[str, int]:
    if index == 1:
        raise ValueError("no")
    if index == 2:
        raise Hostile("never")
    if index == 3:
        raise SystemExit(0)
    if index == 4:
        raise MemoryError
    return {"y": index}


def age(path: Path) -> float:
    """Seconds since a file was written; none, if it is not there yet."""
    return time.time() - path.stat().st_mtime if path.exists() else 0.0


def tell_steps(index: int, place: Place) -> dict[str, int]:
    """Tells a step after each round, and ends when the answer says so."""
    for n_rounds in range(1, 6):
        tell: Any = step_teller.get()  # None: each setting goes on
        if tell is not None and not tell({"round": n_rounds, "loss": 0.5, "note": "é"}):
            break
    return {"n_rounds": n_rounds}


def record_steps(index: int, place: Place) -> dict[str, bool]:
    """Records steps as the worker of an experiment does; every tenth setting is then silent."""
    record = step_recorder.get()
    for n in range(1, index % 4 + 1):
        if record is not None:
            record(Step(index, f"{index:032x}", 1, n, 0.5, {"round": n, "note": "é"}))
    if index % 10 == 3:
        time.sleep(0.2)
    return {"is_carried": record is not None}


def take_steps(
    data: bytes, recorded: dict[int, list[tuple[int, dict[str, Any]]]]
) -> list[pa.RecordBatch]:
    """Note the number and the fields of encoded steps, by the index of their setting."""
    batches = decode(data)
    for batch in batches:
        for own, row in values_of_steps(batch):
            recorded.setdefault(own["index"], []).append((own["step"], row))
    return batches


class EngineContract:
    """The tests.

    `options` are given to every run; `elsewhere`: workers are other processes; `carries_steps`:
    settings may tell steps while they run.
    """

    options: ClassVar[dict[str, Any]] = {}
    elsewhere: ClassVar[bool] = True
    carries_steps: ClassVar[bool] = True
    tell_steps: Any = staticmethod(tell_steps)

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self, no_leaks: None) -> Iterator[None]:
        before = threading.active_count()
        yield
        wait_for(lambda: threading.active_count() <= before)

    @pytest.fixture
    def engine(self) -> Any:
        raise NotImplementedError

    def run(self, engine: Engine, *args: Any, **more: Any) -> dict[int, dict[str, Any]]:
        return run(engine, *args, **{**self.options, **more})

    def execute(self, engine: Engine, *args: Any, **more: Any) -> Iterator[bytes]:
        return execute(engine, *args, **{**self.options, **more})

    def test_every_setting_has_one_outcome(self, engine: Engine) -> None:
        found = self.run(engine, double, 50)
        assert {i: row["result.y"] for i, row in found.items()} == {i: 2 * i for i in range(50)}
        assert {row["status"] for row in found.values()} == {"done"}
        assert {row["attempt"] for row in found.values()} == {1}

    def test_only_what_is_to_do(self, engine: Engine) -> None:
        todo = [range(3), range(5, 6), range(8, 8), range(9, 20)]
        assert set(self.run(engine, double, todo)) == {0, 1, 2, 5, *range(9, 20)}

    def test_many_single_settings(self, engine: Engine) -> None:
        todo = [range(i, i + 1) for i in range(0, 6000, 2)]
        assert set(self.run(engine, double, todo)) == set(range(0, 6000, 2))

    def test_nothing_to_do(self, engine: Engine) -> None:
        assert list(self.execute(engine, double, 0)) == []
        assert list(self.execute(engine, double, [])) == []

    def test_an_engine_can_run_twice(self, engine: Engine) -> None:
        assert set(self.run(engine, double, 3)) == set(self.run(engine, double, 3)) == {0, 1, 2}

    def test_failures_are_outcomes(self, engine: Engine) -> None:
        found = self.run(engine, fail, 6)
        assert [found[i]["status"] for i in range(6)] == ["done", *["failed"] * 4, "done"]
        assert found[1]["error"] == "ValueError: no"
        assert found[2]["error"] == "Hostile: never"
        assert found[3]["error"].startswith("SystemExit")
        assert "in fail" in found[1]["traceback"]

    def test_failures_are_tried_again_on_request(self, engine: Engine, tmp_path: Path) -> None:
        def flaky(index: int, place: Place) -> dict[str, int]:
            tried = tmp_path / f"{index}-{len(list(tmp_path.glob(f'{index}-*')))}"
            tried.touch()
            if index == 1 and not tried.name.endswith("-2"):
                raise OSError("try again")
            if index == 2:
                raise OSError("never")
            return {"y": index}

        again = frozenset({"failed"})
        found = self.run(engine, flaky, 3, retries=2, retry_on=again)
        assert [found[i]["status"] for i in range(3)] == ["done", "done", "failed"]
        assert [found[i]["attempt"] for i in range(3)] == [1, 3, 3]

    def test_another_attempt_waits_and_holds_up_no_other_setting(self, engine: Engine) -> None:
        def begun(index: int, place: Place) -> dict[str, int]:
            if index == 0:
                raise OSError("not yet")
            return {"y": index}

        retries: dict[str, Any] = {"retries": 1, "retry_on": frozenset({"failed"})}
        found = self.run(engine, begun, 2, **retries, retry_wait=0.1)
        assert found[0]["attempt"] == 2
        control = Control()
        long = {**retries, "retry_wait": 600, "control": control}
        seen: list[int] = []
        for row in rows_as_they_come(self.execute(engine, begun, 6, **long)):
            seen.append(row["index"])
            if len(seen) == 5:  # long before the other attempt
                control.stop()
        assert sorted(seen)[-5:] == [1, 2, 3, 4, 5]

    def test_settings_are_added_while_it_runs(self, engine: Engine) -> None:
        feed = Feed([range(2)], is_open=True)
        found: list[int] = []
        for row in rows_as_they_come(self.execute(engine, double, feed)):
            found.append(row["index"])
            if len(found) == 2:  # all that there was has an outcome
                feed.add([range(10, 13)])
            if len(found) == 5:
                feed.add([range(20, 21), range(30, 31)])
                feed.close()
        assert sorted(found) == [0, 1, 10, 11, 12, 20, 30]

    def test_a_feed_that_stays_empty_ends(self, engine: Engine) -> None:
        feed = Feed(is_open=True)
        closer = threading.Timer(0.2, feed.close)
        closer.start()
        assert list(self.execute(engine, double, feed)) == []
        closer.join()

    def test_a_feed_does_not_hold_up_the_end(self, engine: Engine) -> None:
        control = Control()
        feed = Feed([range(3)], is_open=True)
        found = []
        for row in rows_as_they_come(self.execute(engine, double, feed, control=control)):
            found.append(row["index"])
            if len(found) == 3:
                control.drain()
        assert sorted(found) == [0, 1, 2]

    def test_a_step_has_an_answer_while_its_setting_runs(self, engine: Engine) -> None:
        seen: list[tuple[int, int]] = []

        class Judge:
            notes = ()

            def step(self, index: int, row: Any) -> list[tuple[int, bool]]:
                assert row == {"round": row["round"], "loss": 0.5, "note": "é"}
                seen.append((index, row["round"]))
                return [(index, row["round"] <= index)]

            def ended(self, index: int) -> list[tuple[int, bool]]:
                return []

            lost = ended

        control = Control()
        control.judge = Judge()
        if not self.carries_steps:
            with pytest.raises(EngineError, match="carries no steps"):
                list(self.execute(engine, self.tell_steps, 4, control=control))
            return
        found = rows(self.execute(engine, self.tell_steps, 4, control=control))
        assert {row["index"]: row["result.n_rounds"] for row in found} == {0: 1, 1: 2, 2: 3, 3: 4}
        assert sorted(seen) == [(index, n + 1) for index in range(4) for n in range(index + 1)]

    def test_steps_are_recorded_before_the_outcome(self, engine: Engine) -> None:
        """Those of settings that are quick, and of some that are silent for long."""
        recorded: dict[int, list[tuple[int, dict[str, Any]]]] = {}
        control = Control()
        control.steps.record_by(lambda data: take_steps(data, recorded))
        batches = self.execute(engine, record_steps, 40, control=control)
        for row in rows_as_they_come(batches):
            if (
                self.carries_steps and row["index"] % 4
            ):  # otherwise the worker of an experiment adds them to the outcome
                found = recorded[row["index"]]
                expected = [(n, {"round": n, "note": "é"}) for n in range(1, row["index"] % 4 + 1)]
                assert found == expected, row
            assert row["result.is_carried"] == self.carries_steps
        control.steps.check()

    def test_each_setting_goes_on_where_nobody_decides(self, engine: Engine) -> None:
        found = self.run(engine, self.tell_steps, 3)
        assert {row["result.n_rounds"] for row in found.values()} == {5}

    def test_failures_are_not_tried_again_by_themselves(self, engine: Engine) -> None:
        found = self.run(engine, fail, 3, retries=2)
        assert [found[i]["attempt"] for i in range(3)] == [1, 1, 1]

    def test_large_results(self, engine: Engine) -> None:
        def frame(index: int, place: Place) -> pa.Table:
            return pa.table({"a": range(200_000), "b": [float(index)] * 200_000})

        found = pa.concat_tables(
            pa.Table.from_batches(decode(data)).select(["index", "result.a", "result.b"])
            for data in self.execute(engine, frame, 2)
        )
        assert found.num_rows == 400_000
        second = found.filter(pc.equal(found["index"], 1))
        assert second["result.a"].to_pylist() == list(range(200_000))
        assert second["result.b"].unique().to_pylist() == [1.0]

    def test_places(self, engine: Engine) -> None:
        def place_of(index: int, place: Place) -> dict[str, Any]:
            time.sleep(0.005)
            return {"rank": place.rank, "n_proc": place.n_proc}

        found = self.run(engine, place_of, 40)
        n_proc = self.options.get("num_proc", 1)
        assert {row["result.rank"] for row in found.values()} <= set(range(n_proc))
        assert {row["result.n_proc"] for row in found.values()} == {n_proc}
        assert all(row["rank"] == row["result.rank"] for row in found.values())

    def test_the_folder_is_told(self, engine: Engine, tmp_path: Path) -> None:
        def folder(index: int, place: Place) -> dict[str, str]:
            return {"y": str(place.folder)}

        assert self.run(engine, folder, 1, folder=tmp_path)[0]["result.y"] == str(tmp_path)

    def test_a_worker_that_cannot_start_is_an_error(self, engine: Engine) -> None:
        def refuse(place: Place) -> None:
            raise LookupError("no licence")

        program = FunctionProgram(double, 5, enter_hook=refuse)
        with pytest.raises((LookupError, SuperparamsError), match="no licence"):
            list(self.execute(engine, double, 5, program=program))

    def test_draining_finishes_what_runs(self, engine: Engine) -> None:
        control = Control()
        found = rows(self._drained(engine, control))
        assert 0 < len(found) < 200
        assert len({row["index"] for row in found}) == len(found)
        assert {row["status"] for row in found} == {"done"}

    def _drained(self, engine: Engine, control: Control) -> Iterator[bytes]:
        for data in self.execute(engine, nap, 200, control=control):
            control.drain()
            yield data

    @pytest.mark.timed
    def test_stopping_takes_less_than_a_second(self, engine: Engine) -> None:
        control = Control()
        begun = 0.0
        with stretch() as measured:
            for _ in self.execute(engine, nap, 200, control=control):
                begun = begun or time.monotonic()
                control.stop()
            seconds = time.monotonic() - begun
        assert measured.allows(seconds, 1.0)

    @pytest.mark.timed
    def test_what_ended_before_a_stop_is_recorded(self, engine: Engine, tmp_path: Path) -> None:
        """Also what an engine keeps back for company, while the settings after it are long."""
        quick = [tmp_path / str(index) for index in range(6)]

        def slow_at_last(index: int, place: Place) -> dict[str, int]:
            time.sleep(0.25 if index >= len(quick) else 0)
            (tmp_path / str(index)).touch()
            return {"y": index}

        def stop() -> None:
            wait_for(lambda: all(age(path) > 0.1 for path in quick))
            control.stop()

        control = Control()
        stopper = threading.Thread(target=stop)
        stopper.start()
        found = [row["index"] for row in rows(self.execute(engine, slow_at_last, 200, control))]
        stopper.join()
        assert set(range(len(quick))) <= set(found)
        assert len(set(found)) == len(found) < 200

    def test_stopped_before_it_starts(self, engine: Engine) -> None:
        control = Control()
        control.stop()
        assert rows(self.execute(engine, nap, 20, control=control)) == []

    def test_closing_early_ends_everything(self, engine: Engine) -> None:
        batches = self.execute(engine, nap, 200)
        next(batches)
        batches.close()  # type: ignore[attr-defined]  # they are generators

    def test_an_exception_thrown_in_ends_everything(self, engine: Engine) -> None:
        batches = self.execute(engine, nap, 200)
        next(batches)
        with pytest.raises(ZeroDivisionError):
            batches.throw(ZeroDivisionError())  # type: ignore[attr-defined]

    def test_never_iterated(self, engine: Engine) -> None:
        self.execute(engine, nap, 200)

    def test_activity_tells_what_runs(self, engine: Engine, tmp_path: Path) -> None:
        def seen(index: int, place: Place) -> dict[str, int]:
            wait_for((tmp_path / "seen").exists)
            return {}

        begun = time.monotonic()
        thread = threading.Thread(target=lambda: self.run(engine, seen, [range(7, 8)]))
        thread.start()
        try:
            running = wait_for(lambda: [one for one in engine.activity() if one.index is not None])
        finally:
            (tmp_path / "seen").touch()
        assert [one.index for one in running] == [7]
        assert 0 <= running[0].seconds <= time.monotonic() - begun
        thread.join()

    def test_where_settings_run(self, engine: Engine) -> None:
        def pid(index: int, place: Place) -> dict[str, int]:
            return {"y": os.getpid()}

        found = {row["result.y"] for row in self.run(engine, pid, 20).values()}
        assert (os.getpid() in found) is not self.elsewhere

    def test_called_from_a_thread_that_ends(self, engine: Engine) -> None:
        batches: list[Iterator[bytes]] = []

        def begin() -> None:
            batches.append(self.execute(engine, nap, 4))
            first.append(next(batches[0]))

        first: list[bytes] = []
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
        assert len(rows([*first, *batches[0]])) == 4
