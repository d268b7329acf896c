"""Runs with a stopper: the same table for any number of workers, and after any crash."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from superparams import Experiment, Results, maximize, search
from superparams.errors import EngineError, RunError, Stopped, StrategyError
from superparams.strategies import ASHA, Hyperband, Median, Patience, Random, Reached, Threshold
from tests.runs import output, recorded, script, start, tables
from tests.sweeps import sweep
from tests.timing import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")

STOPPERS = [
    ASHA(),
    ASHA(reduction_factor=2, resource="epoch"),
    Hyperband(),
    Median(min_settings=2, warmup=1),
    Threshold(lower=0.05, warmup=2),
    Patience(patience=3, min_delta=0.03),
]
WAYS: dict[str, dict[str, Any]] = {
    "threads": {"num_proc": 4, "engine": "threads"},
    "2 processes": {"num_proc": 2},
    "4 processes": {"num_proc": 4},
}


def curve(a: int) -> list[float]:
    best, rate = random.Random(a).random(), random.Random(a + 1000).uniform(0.1, 0.5)
    return [best * (1 - (1 - rate) ** n) for n in range(1, 13)]


class Fit(Experiment):
    a: int = search(range(40))
    goal = maximize("y")

    def run(self) -> Iterator[dict[str, Any]]:
        for epoch, y in enumerate(curve(self.a), 1):
            time.sleep(random.SystemRandom().uniform(0, 0.002))
            yield {"epoch": epoch, "y": y}


class AsyncFit(Fit):
    async def run(self) -> Any:
        for epoch, y in enumerate(curve(self.a), 1):
            await asyncio.sleep(random.SystemRandom().uniform(0, 0.002))
            yield {"epoch": epoch, "y": y}


def table(found: Results) -> list[tuple[Any, ...]]:
    names = ("a", "epoch", "y", "status", "n_steps", "stopped_by")
    return [tuple(row[name] for name in names) for row in found]


@sweep(1, "stopper", STOPPERS, ids=str)
def test_the_table_is_that_of_one_worker(stopper: Any, tmp_path: Path) -> None:
    alone = Fit().run_all(stop=stopper, results=tmp_path / "1", progress=False)
    assert set(alone.counts) == {"done", "stopped"}
    for name, options in WAYS.items():
        found = Fit().run_all(**options, stop=stopper, results=tmp_path / name, progress=False)
        assert table(found) == table(alone), name
    found = AsyncFit().run_all(8, stop=stopper, results=tmp_path / "async", progress=False)
    assert table(found) == table(alone)
    (by,) = {row["stopped_by"] for row in alone} - {None}
    assert by == repr(stopper.for_goal(Fit.goal, "Fit"))


def test_a_stopped_row_has_the_last_values(tmp_path: Path) -> None:
    found = Fit().run_all(2, stop=ASHA(), results=tmp_path, progress=False)
    for row in found:
        values = curve(row["a"])
        assert (row["y"], row["epoch"]) == (values[row["n_steps"] - 1], row["n_steps"])
        assert row["error"] is None
    assert len(found.failures) == 0
    assert found.best()["status"] == "done"


def test_stopped_is_finished_for_the_same_stopper_alone(tmp_path: Path) -> None:
    first = Fit().run_all(2, stop=ASHA(), results=tmp_path, progress=False)
    n_stopped, n_done = first.counts["stopped"], first.counts["done"]

    def ran(space: Any = None, **options: Any) -> int:
        """How many settings the next run would take up."""
        before = set(first.root.glob("runs/*"))
        space = Fit() if space is None else space
        space.run_all(2, results=tmp_path, progress=False, **options)
        new = [
            json.loads((path / "run.json").read_text())
            for path in set(first.root.glob("runs/*")) - before
        ]
        return sum(one["todo"] for one in new)

    assert ran(stop=ASHA()) == 0
    assert ran(stop=ASHA(maximize="y")) == 0, "the same goal, given by name"
    assert ran(stop=ASHA(), only="failed") == 0
    assert ran(stop=ASHA(), only="new") == 0
    assert ran(Fit()[:30], stop=ASHA()) == sum(r["status"] == "stopped" for r in list(first)[:30])
    assert ran(stop=ASHA(reduction_factor=4)) == n_stopped
    assert ran() > 0, "without a stopper, all is to do"
    assert Fit().results(tmp_path).counts == {"done": 40}
    assert ran(stop=ASHA()) == 0, "what is done is done"
    assert n_done + n_stopped == 40


class Silent(Experiment):
    a: int = search(range(3))
    goal = maximize("y")

    def run(self) -> dict[str, int]:
        if self.a == 2:
            raise ValueError("nothing")
        return {"y": self.a}


@pytest.mark.parametrize("first", [None, ASHA()], ids=str)
def test_earlier_settings_may_have_recorded_no_step(first: Any, tmp_path: Path) -> None:
    Silent().run_all(stop=first, results=tmp_path, progress=False)
    more: list[dict[str, Any]] = [
        {},
        {"only": "new"},
        {"only": "failed"},
        {"strategy": Random(trials=9)},
    ]
    for options in more:
        wider = Silent(a=search(range(5 + len(options))))
        found = wider.run_all(stop=ASHA(), results=tmp_path, progress=False, **options)
        assert {row["n_steps"] for row in found} == {0}
        assert found.counts["failed"] == 1


def test_only_what_was_stopped_runs_to_its_end(tmp_path: Path) -> None:
    first = Fit().run_all(2, stop=ASHA(), results=tmp_path, progress=False)
    n_stopped = first.counts["stopped"]
    assert Fit().run_all(only="stopped", stop=ASHA(), results=tmp_path, progress=False).counts == (
        first.counts
    )
    some = Fit()[:20].run_all(2, only="stopped", results=tmp_path, progress=False)
    assert some.counts == {"done": 20}
    rest = Fit().run_all(2, only="stopped", results=tmp_path, progress=False)
    assert rest.counts == {"done": 40}
    todo = [
        json.loads(path.read_text())["todo"] for path in sorted(first.root.glob("runs/*/run.json"))
    ]
    assert todo[0] == 40
    assert sum(todo[1:]) == n_stopped
    assert len(Fit().run_all(only="stopped", results=tmp_path / "no", progress=False)) == 0


def test_slices_samples_and_lists(tmp_path: Path) -> None:
    alone = Fit()[5:25].run_all(stop=ASHA(), results=tmp_path / "1", progress=False)
    found = Fit()[5:25].run_all(3, stop=ASHA(), results=tmp_path / "2", progress=False)
    assert table(found) == table(alone)
    assert found.counts["stopped"] > 10
    drawn = Fit().sample(20).run_all(2, stop=ASHA(), results=tmp_path / "3", progress=False)
    assert drawn.counts["stopped"] > 0


class Mean:
    """A stopper of one's own: two methods."""

    def __repr__(self) -> str:
        return "Mean()"

    def reached(self, index: int, steps: Sequence[Any]) -> Reached | None:
        return Reached(len(steps), steps[-1]["y"]) if len(steps) in (2, 5) else None

    def goes_on(self, reached: Reached, others: Sequence[Any]) -> bool:
        return not others or bool(reached.score >= sum(others) / len(others))


def test_a_stopper_of_ones_own(tmp_path: Path) -> None:
    alone = Fit().run_all(stop=Mean(), results=tmp_path / "1", progress=False)
    found = Fit().run_all(4, stop=Mean(), results=tmp_path / "2", progress=False)
    assert table(found) == table(alone)
    assert {row["n_steps"] for row in found} == {2, 5, 12}


class Mistaken:
    """A stopper that fails at the third step of a setting."""

    def __repr__(self) -> str:
        return "Mistaken()"

    def reached(self, index: int, steps: Sequence[Any]) -> Reached | None:
        if index == 4 and len(steps) == 3:
            raise LookupError("a mistake of the stopper")
        return None

    def goes_on(self, reached: Reached, others: Sequence[Any]) -> bool:
        return True


@pytest.mark.parametrize("engine", ["serial", "threads", "processes", "asyncio"])
def test_a_mistake_of_a_stopper_ends_the_run_and_is_no_setting_s(
    engine: str, tmp_path: Path
) -> None:
    cls: Any = AsyncFit if engine == "asyncio" else Fit
    engine_given: Any = {} if engine == "asyncio" else {"engine": engine}
    with pytest.raises(LookupError, match="a mistake of the stopper"):
        cls().run_all(1, stop=Mistaken(), results=tmp_path, progress=False, **engine_given)
    found = cls().results(tmp_path)
    assert {row["status"] for row in found} == {"done"}
    assert {row["a"] for row in found} == set(range(4))


class Kinds(Experiment):
    a: int = search(range(12))
    kind: str = "float"
    goal = maximize("y")

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(1, 10):
            y = Fraction((self.a * 7) % 12 * n, 4)
            kinds: dict[str, Any] = {
                "float": float(y),
                "decimal": Decimal(y.numerator) / Decimal(y.denominator),
                "fraction": y,
                "float64": np.float64(y),
                "int64": np.int64(4 * y),
            }
            yield {"y": kinds[self.kind]}


@sweep(1, "kind", ["decimal", "float64", "int64"])
def test_values_of_any_number_type_mean_the_same_to_every_engine(kind: str, tmp_path: Path) -> None:
    def fates(space: Any, folder: str, *options: Any, **more: Any) -> list[Any]:
        found = space.run_all(
            *options, stop=ASHA(), results=tmp_path / folder, progress=False, **more
        )
        return [(row["status"], row["n_steps"]) for row in found]

    wanted = fates(Kinds(), "plain")
    assert {status for status, _ in wanted} == {"done", "stopped"}
    assert fates(Kinds(kind=kind), "serial") == wanted
    assert fates(Kinds(kind=kind), "processes", 2) == wanted
    assert fates(Kinds(kind=kind), "threads", 2, engine="threads") == wanted
    assert fates(Kinds(kind=kind)[:6], "resumed", 2) == wanted[:6]
    assert fates(Kinds(kind=kind), "resumed", 2) == wanted


def test_a_fraction_is_recorded_as_text_and_no_stopper_reads_it(tmp_path: Path) -> None:
    for n in (1, 2):
        found = Kinds(kind="fraction").run_all(
            n, stop=ASHA(), results=tmp_path / str(n), progress=False
        )
        assert found.counts == {"done": 12}
        assert any("no step has a number in the column" in note for note in found.notes)


class Cleans(Experiment):
    a: int = search(["log", "caught", "error", "finally", "except"])

    def run(self) -> Any:
        try:
            for n in range(9):
                try:
                    self.log(n=n, y=-n)
                except Exception:  # does not catch it
                    return {"y": "caught"}
        except Stopped:
            if self.a == "error":
                raise ValueError("while it ended") from None
            if self.a == "caught":
                return {"y": 7, "n": 99}
            raise
        finally:
            if self.a == "finally":
                (Path(self.folder) / "closed").touch()
        return {"y": "not stopped"}


@pytest.mark.parametrize("num_proc", [1, 2])
def test_what_a_setting_does_when_it_is_stopped(num_proc: int, tmp_path: Path) -> None:
    stop = Threshold(maximize="y", lower=-2)
    found = Cleans().run_all(num_proc, stop=stop, results=tmp_path, progress=False)
    by_name = {row["a"]: row for row in found}
    failed = by_name.pop("error")
    assert (failed["status"], failed["error"]) == ("failed", "ValueError: while it ended")
    for row in by_name.values():
        assert (row["status"], row["n"], row["y"], row["n_steps"]) == ("stopped", 3, -3, 4)
    assert (tmp_path.rglob("closed").__next__()).is_file()


KILLED = """
import json, random, sys, time
from superparams import Experiment, maximize, search
from superparams.strategies import ASHA
class Fit(Experiment):
    a: int = search(range(60))
    goal = maximize("y")
    def run(self):
        best = random.Random(self.a).random()
        for epoch in range(1, 13):
            time.sleep(random.SystemRandom().uniform(0, 2 * float(sys.argv[2])))
            # Names that the table of steps and the parameters have, too.
            yield {"step": epoch, "a": -1, "key": "none", "y": best * epoch}
if __name__ == "__main__":
    stop = ASHA(resource="step")
    found = Fit().run_all(int(sys.argv[1]), stop=stop, progress=False, results=sys.argv[3])
    names = ("a", "y", "status", "n_steps", "stopped_by")
    print(json.dumps([[row[name] for name in names] for row in found]))
"""


def test_after_kills_of_the_driver_the_table_is_that_of_an_unbroken_run(tmp_path: Path) -> None:
    path = str(script(tmp_path, KILLED))
    (whole,) = tables(tmp_path, path, "2", "0", "whole")
    for n in range(3):
        process = start(tmp_path, path, "3", "0.01", "results")
        wait_for(lambda n=n, p=process: len(recorded(tmp_path)) > 12 * n or p.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        wait_for(lambda: not [p for p in psutil.process_iter() if _is_of(p, path)])
    (found,) = tables(tmp_path, path, "4", "0", "results")
    assert found == whole


def _is_of(process: psutil.Process, path: str) -> bool:
    try:
        return path in process.cmdline()
    except psutil.Error:
        return False


class Slow(Experiment):
    """The first setting is long at its first step, and all others wait for it there."""

    a: int = search(range(4))
    goal = maximize("y")

    def run(self) -> Iterator[dict[str, Any]]:
        time.sleep(0.6 if self.a == 0 else 0.0)
        yield {"y": 1}
        time.sleep(0.6 if self.a == 0 else 0.0)
        yield {"y": 2}


class AsyncSlow(Slow):
    async def run(self) -> Any:
        await asyncio.sleep(0.6 if self.a == 0 else 0.0)
        yield {"y": 1}
        await asyncio.sleep(0.6 if self.a == 0 else 0.0)
        yield {"y": 2}


@pytest.mark.timed
@pytest.mark.parametrize("cls", [Slow, AsyncSlow])
def test_waiting_at_a_rung_is_neither_time_of_the_setting_nor_of_its_limit(
    cls: Any, tmp_path: Path
) -> None:
    stop = Median(min_settings=1, maximize="y")
    options: dict[str, Any] = {"timeout": 5, "results": tmp_path, "progress": False}
    found = cls().run_all(4, stop=stop, **options)
    seconds = {row["a"]: row["seconds"] for row in found}
    assert found.counts == {"done": 4}
    assert seconds[0] > 1.1
    assert max(seconds[a] for a in (1, 2, 3)) < 0.6
    short = cls()[1:].run_all(3, stop=stop, **(options | {"timeout": 0.5}))
    assert short.counts == {"done": 3}


@pytest.mark.timed
def test_a_limit_that_is_shorter_than_the_wait(tmp_path: Path) -> None:
    """The first setting sleeps 0.6 s before each step, others wait for it longer than 0.9 s."""
    for cls in (Slow, AsyncSlow):
        folder = tmp_path / cls.__name__
        stop = Median(min_settings=1)
        found = cls().run_all(4, stop=stop, timeout=1.9, results=folder, progress=False)
        assert found.counts == {"done": 4}


class Kills(Experiment):
    a: int = search(range(12))
    goal = maximize("y")

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(9):
            if self.a == 3 and n == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            yield {"y": self.a + n}


@pytest.mark.parametrize("retries", [0, 1])
def test_a_setting_that_dies_keeps_nobody_waiting(retries: int, tmp_path: Path) -> None:
    runs = [
        Kills().run_all(
            n, stop=ASHA(), retries=retries, timeout=60, results=tmp_path / str(n), progress=False
        )
        for n in (1, 3)
    ]
    assert [row["status"] for row in runs[0]] == [row["status"] for row in runs[1]]
    assert runs[0].counts["killed"] == 1
    for found in runs:
        (killed,) = found.failures
        assert (killed["a"], killed["attempt"], killed["status"]) == (3, 1 + retries, "killed")


INTERRUPTED = """
import os, signal, sys, threading, time
from superparams import Experiment, maximize, search
from superparams.strategies import Median
class Wait(Experiment):
    a: int = search(range(4))
    goal = maximize("y")
    def run(self):
        if self.a == 0:
            time.sleep(0.3)
            os.kill(os.getppid() if sys.argv[1] == "processes" else os.getpid(), signal.SIGTERM)
            time.sleep(0.5 if sys.argv[1] == "threads" else 60)
        yield {"y": 1}
        time.sleep(0.1)
if __name__ == "__main__":
    stop = Median(min_settings=1)
    try:
        Wait().run_all(4, engine=sys.argv[1], stop=stop, progress=False)
    finally:
        print(Wait.results().counts if os.path.exists("results/script.Wait/runs") else None)
"""


@pytest.mark.parametrize("engine", ["threads"])
def test_what_waits_when_the_run_is_ended_has_no_outcome(engine: str, tmp_path: Path) -> None:
    process = start(tmp_path, str(script(tmp_path, INTERRUPTED)), engine)
    out, err = process.communicate(timeout=PATIENCE)
    assert "stopped" not in out, (out, err)
    assert process.returncode == 143


def mean_with(**attributes: Any) -> Mean:
    made = Mean()
    vars(made).update(attributes)
    return made


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "order": (mean_with(order="x"), StrategyError, "^Mean.order='x': give \"index\" or"),
    "group": (mean_with(group=5), StrategyError, r"^Mean.group=5: write a method, .*self, index"),
    "reads": (mean_with(reads="y"), StrategyError, r"^Mean.reads='y': write a method"),
    "a class": (ASHA, RunError, r"stop=.*: give an instance, ASHA\(\)"),
    "no stopper": ("asha", RunError, "stop='asha': give a stopper of superparams.strategies"),
}


@pytest.mark.parametrize(("stop", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_stopper_is_refused(stop: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Fit().run_all(stop=stop)


class Aimless(Experiment):
    a: int = search(range(4))

    def run(self) -> Iterator[dict[str, Any]]:
        yield {"y": self.a}


def test_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match=r"ASHA\(\) does not say .* and Aimless has no goal"):
        Aimless().run_all(stop=ASHA(), results=tmp_path)
    with ThreadPoolExecutor(1) as pool, pytest.raises(EngineError, match=r"stop=ASHA\(\) cannot"):
        Fit().run_all(engine=pool, stop=ASHA(), results=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_stopper_that_reads_nothing_says_so(tmp_path: Path) -> None:
    found = Aimless().run_all(stop=ASHA(maximize="x"), results=tmp_path, progress=False)
    assert found.counts == {"done": 4}
    (note,) = [one for one in found.notes if "decided nothing" in one]
    assert note.endswith("no step has a number in the column that it reads; the first step has 'y'")


def test_debug_stops_nothing_early(tmp_path: Path) -> None:
    found = Fit()[:5].run_all(stop=ASHA(), debug=True, results=tmp_path, progress=False)
    assert found.counts == {"done": 5}


def test_the_command_shows_stopped_settings(tmp_path: Path) -> None:
    text = KILLED.replace("range(60)", "range(9)").replace("float(sys.argv[2])", "0")
    text = text.split("if __name__")[0] + "Fit().run_all(2, stop=ASHA(), progress=False)\n"
    text += "print(Fit().results())\n"
    shown = output(tmp_path, text)
    assert " stopped " in shown.splitlines()[0]
    assert "n_steps" not in shown.splitlines()[1]


class Retried(Experiment):
    """The first attempt at setting 0 fails after three steps."""

    w: int = search(range(3))
    goal = maximize("acc")

    def run(self) -> Iterator[dict[str, Any]]:
        path = self.folder / "tried"
        is_first = not path.exists()
        path.write_text("")
        for n in range(1, 7):
            yield {"acc": 10 - n}
            if n == 3 and self.w == 0 and is_first:
                raise ValueError("the first attempt")


@pytest.mark.parametrize("engine", ["serial", "threads", "processes"])
def test_another_attempt_begins_with_no_steps(engine: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"retries": 1, "retry_on": ["failed"], "progress": False}
    n = 1 if engine == "serial" else 2
    stop = Patience(patience=5)
    found = Retried().run_all(n, engine=engine, stop=stop, results=tmp_path, **options)
    rows = [(row["w"], row["status"], row["attempt"], row["n_steps"]) for row in found]
    assert rows == [(0, "stopped", 2, 6), (1, "stopped", 1, 6), (2, "stopped", 1, 6)]


ODD_STEPS = """
import json, os, signal, sys
from decimal import Decimal
import pyarrow as pa
from superparams import Experiment, maximize, search
from superparams.strategies import ASHA
class Fit(Experiment):
    w: int = search(range(12))
    goal = maximize("acc")
    def run(self):
        kind, is_broken = sys.argv[1:3]
        if self.w == 6 and is_broken == "broken":
            os.kill(os.getpid(), signal.SIGKILL)  # with one worker: the driver
        if self.w == 1 and kind == "text":
            yield {"acc": "n/a"}
        if self.w == 1 and kind == "huge":
            yield {"acc": 2**70}
        for e in range(6):
            values = [(self.w * 7) % 12 + (self.w * (3 * e + k) * 5) % 11 for k in range(3)]
            if kind == "frames":
                yield pa.table({"acc": values})
            else:
                yield from ({"acc": x} for x in values)
if __name__ == "__main__":
    found = Fit().run_all(stop=ASHA(), progress=False, results=sys.argv[3])
    print(json.dumps([[row["w"], row["status"], row["n_steps"]] for row in found]))
"""


@sweep(1, "kind", ["frames", "text", "huge"])
def test_odd_steps_mean_the_same_after_a_crash(kind: str, tmp_path: Path) -> None:
    path = str(script(tmp_path, ODD_STEPS))
    (whole,) = tables(tmp_path, path, kind, "whole", "whole")
    process = start(tmp_path, path, kind, "broken", "results")
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    (found,) = tables(tmp_path, path, kind, "whole", "results")
    assert found == whole


class WithValidation(Experiment):
    w: int = search([9, 3, 4, 1])
    goal = maximize("acc")

    def run(self) -> Iterator[dict[str, Any]]:
        for n in range(1, 4):
            yield {"epoch": n, "acc": self.w * n}
            yield {"acc": 2.0, "validation": True}


def test_steps_without_the_resource_do_not_count(tmp_path: Path) -> None:
    stop = ASHA(resource="epoch")
    found = WithValidation().run_all(stop=stop, results=tmp_path, progress=False)
    assert [row["status"] for row in found] == ["done", "stopped", "stopped", "stopped"]
    stop = ASHA(resource="epochs")
    found = WithValidation().run_all(stop=stop, results=tmp_path / "typo", progress=False)
    assert any("no step has a number in the column" in note for note in found.notes)


class Nonsense:
    def __init__(self, reached: Any, goes_on: Any) -> None:
        self.answers = reached, goes_on

    def reached(self, index: int, steps: Sequence[Any]) -> Any:
        return self.answers[0]

    def goes_on(self, reached: Reached, others: Sequence[Any]) -> Any:
        return self.answers[1]

    def __repr__(self) -> str:
        return "Nonsense()"


@pytest.mark.parametrize(
    ("reached", "goes_on", "message"),
    [
        (True, True, r"Nonsense\(\).reached\(\) returned True: return Reached\(rung, score\)"),
        (Reached("a", 1.0), True, r"Nonsense\(\).reached\(\) returned Reached\(rung='a'"),  # type: ignore[arg-type]
        (Reached(1, 1.0), None, r"Nonsense\(\).goes_on\(\) returned None: return True if"),
    ],
)
def test_what_a_stopper_must_return(
    reached: Any, goes_on: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(StrategyError, match=message):
        Fit().run_all(stop=Nonsense(reached, goes_on), results=tmp_path, progress=False)


class Nested(Fit):
    a: int = search(range(4))

    def run(self) -> Iterator[dict[str, Any]]:
        for epoch in range(3):
            row = {"y": float(self.a + epoch), "deep": {"list": [1, [2]]}, "array": np.zeros(2)}
            yield row
            self.log(row)


class Meddling(Mean):
    """It changes what it is given, in every way."""

    def reads(self, row: Any) -> bool:
        row["read"] = True
        return True

    def reached(self, index: int, steps: Sequence[Any]) -> Reached | None:
        steps[-1]["deep"]["list"][1].append("more")
        assert steps[-1]["array"] == [0.0, 0.0]  # the same under every engine
        steps[-1]["array"][0] = 1.0
        steps[-1]["y"] = -1.0
        steps[-1].pop("deep")
        return Reached(len(steps), 0)

    def goes_on(self, reached: Reached, others: Sequence[Any]) -> bool:
        return True


@pytest.mark.parametrize("engine", ["serial", "threads", "processes"])
def test_what_a_stopper_does_to_steps_is_not_recorded(engine: Any, tmp_path: Path) -> None:
    found = Nested().run_all(engine=engine, stop=Meddling(), results=tmp_path, progress=False)
    columns = ("y", "deep.list", "array")
    assert found.results == found.steps.fields == list(columns)
    for row in found:
        assert json.loads(row["deep.list"]) == [1, [2]]
        assert (row["y"], list(row["array"])) == (row["a"] + 2.0, [0.0, 0.0])
    steps = found.steps.to_arrow().to_pylist()
    assert [step["y"] for step in steps] == [a + n for a in range(4) for n in (0, 0, 1, 1, 2, 2)]
    assert {tuple(step["array"]) for step in steps} == {(0.0, 0.0)}


class Stubborn(Fit):
    a: int = search(range(3))

    def run(self) -> Iterator[dict[str, Any]]:
        try:
            for n in range(9):
                yield {"y": -n}
        except BaseException:
            yield {"y": 100}


def test_a_setting_that_yields_after_it_was_stopped_is_told(tmp_path: Path) -> None:
    found = Stubborn().run_all(stop=Patience(patience=2), results=tmp_path, progress=False)
    for row in found:
        assert row["status"] == "failed"
        assert "Stubborn.run() has yielded a step after it was stopped: let Stopped" in row["error"]
