"""`run_all` as a user sees it: what it runs, refuses, leaves out and gives back."""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from superparams import Experiment, Results, search, value
from superparams.adapters.processors import cores
from superparams.errors import (
    EngineError,
    RunError,
    SettingFailed,
    StoreError,
    SuperparamsError,
)
from superparams.executor import Processes
from superparams.store.ledger.reader import read
from tests.runs import environment, output
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks", "in_tmp_path")


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Toy(Experiment):
    a: int = search([1, 2, 3])
    b: float = search([0.5, 1.5])
    unit: str = "m"

    def run(self) -> dict[str, Any]:
        if self.a == 2 and self.b == 0.5:
            raise ValueError("not this one")
        return {"y": self.a * self.b, "place": f"{self.rank}/{self.n_proc}"}


def table(results: Results, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in results]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def run_count(name: str = "test_loop.Toy") -> int:
    (root,) = Path("results").glob(f"*{name}")
    return len(list((root / "runs").iterdir()))


# ---- what comes back


@pytest.mark.parametrize("num_proc", [1, 2, 4])
def test_equal_tables_for_any_number_of_workers(num_proc: int) -> None:
    found = Toy().run_all(num_proc, progress=False)
    assert table(found, "a", "b", "unit", "y", "status", "error") == [
        (1, 0.5, "m", 0.5, "done", None),
        (1, 1.5, "m", 1.5, "done", None),
        (2, 0.5, "m", None, "failed", "ValueError: not this one"),
        (2, 1.5, "m", 3.0, "done", None),
        (3, 0.5, "m", 1.5, "done", None),
        (3, 1.5, "m", 4.5, "done", None),
    ]
    assert {place and place.split("/")[1] for (place,) in table(found, "place")} == {
        str(num_proc),
        None,
    }
    ranks = {int(place.split("/")[0]) for (place,) in table(found, "place") if place}
    assert ranks <= set(range(num_proc))
    assert [row["a"] for row in found.failures] == [2]
    assert "in run" in next(iter(found.failures))["traceback"]


@pytest.mark.parametrize("engine", ["serial", "threads", "processes"])
def test_engines_by_name(engine: str) -> None:
    found = Toy().run_all(1, engine=engine, progress=False)
    assert found.counts == {"done": 5, "failed": 1}


def test_an_executor_is_an_engine() -> None:
    finders = list(sys.meta_path)
    with ThreadPoolExecutor(2) as executor:
        found = Toy().run_all(2, engine=executor, progress=False)
    assert sys.meta_path == finders, "this process imports as before"
    assert found.counts == {"done": 5, "failed": 1}


def test_the_traceback_names_the_users_file_and_line() -> None:
    class Local(Experiment):
        a: int = search([1, 2])

        def run(self) -> None:
            raise ValueError("here")

    for num_proc in (1, 2):
        for row in Local().run_all(num_proc, results=f"r{num_proc}", progress=False):
            lines = row["traceback"].splitlines()
            assert f'File "{__file__}", line' in lines[1], lines
            assert lines[2].strip() == 'raise ValueError("here")'


def test_a_single_setting_runs_too() -> None:
    found = Toy(a=3, b=1.5).run_all(progress=False)
    assert table(found, "a", "y") == [(3, 4.5)]
    assert table(Toy(a=3, b=1.5).run_all(2, progress=False), "a", "y") == [(3, 4.5)]
    assert run_count() == 1


def test_run_is_what_a_setting_does() -> None:
    assert Toy(a=1, b=0.5).run() == {"y": 0.5, "place": "0/1"}
    with pytest.raises(SuperparamsError):
        Toy().run()


def test_a_space_without_settings_gives_a_table_without_rows() -> None:
    class Empty(Toy):
        def valid(self) -> bool:
            return self.a > 10

    for _ in range(2):
        found = Empty().run_all(2, progress=False)
        assert len(found) == 0
        assert found.counts == {}
        assert len(found.failures) == 0
        assert "0 settings" in repr(found)
        assert found.to_pandas().empty


def test_two_spaces_of_one_experiment_share_a_table() -> None:
    first = Toy(b=1.5).run_all(progress=False)
    second = Toy(a=search([3, 1, 4])).run_all(progress=False)
    assert table(first, "a", "b") == [(1, 1.5), (2, 1.5), (3, 1.5)]
    assert table(second, "a", "b") == [(3, 0.5), (3, 1.5), (1, 0.5), (1, 1.5), (4, 0.5), (4, 1.5)]
    everything = sorted(table(Toy.results(), "a", "b"))
    assert everything == sorted({*table(first, "a", "b"), *table(second, "a", "b")})
    assert first.path == second.path


def test_another_results_folder(tmp_path: Path) -> None:
    found = Toy().run_all(results=tmp_path / "elsewhere", progress=False)
    assert found.path.is_relative_to(tmp_path / "elsewhere")
    assert not Path("results").exists()
    assert len(Toy.results(tmp_path / "elsewhere")) == 6


def test_a_folder_of_results_is_a_path() -> None:
    with pytest.raises(StoreError, match="results=5: give the path of a folder"):
        Toy().run_all(results=5, progress=False)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="results=None: give"):
        Toy.results(None)  # type: ignore[arg-type]


# ---- what it refuses before anything starts


class Bare(Experiment):
    a: int = search([1, 2])


@pytest.mark.parametrize(
    ("space", "options", "says"),
    [
        (Bare(), {}, "Bare has no run"),
        (Toy(), {"on_error": "explode"}, "on_error='explode'"),
        (Toy(), {"only": "done"}, "only='done'"),
        (Toy(), {"retry_on": ["lost"]}, "retry_on="),
        (Toy(), {"retry_on": ["done"]}, "retry_on="),
        (Toy(), {"retry_on": "failed"}, r'retry_on=\("failed",\)'),
        (Toy(), {"retries": -1}, "retries=-1"),
        (Toy(), {"num_proc": 0}, "num_proc=0"),
        (Toy(), {"timeout": 0}, "timeout=0"),
        (Toy(), {"timeout": 1.0, "engine": "serial"}, "timeout=1.0"),
        (Toy(), {"num_proc": 2, "engine": "serial"}, "num_proc=2"),
        (Toy(), {"engine": "process"}, "engine='process'"),
        (Toy(), {"engine": "carts"}, "engine='carts'"),
        (Toy(), {"engine": 42}, "engine=42"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    space: Experiment, options: dict[str, Any], says: str
) -> None:
    with pytest.raises((RunError, EngineError), match=says):
        space.run_all(**{"progress": False, **options})
    assert not Path("results").exists()


def test_refused_also_when_all_is_done() -> None:
    Toy(a=1).run_all(progress=False)
    with pytest.raises(EngineError):
        Toy(a=1).run_all(progress=False, engine="serial", timeout=3.0)


def test_a_failing_valid_is_told_before_anything_starts() -> None:
    class Broken(Toy):
        def valid(self) -> bool:
            raise ZeroDivisionError("in valid")

    with pytest.raises(ZeroDivisionError, match="in valid"):
        Broken().run_all(progress=False)
    assert not Path("results").exists()


def test_a_value_that_cannot_travel_is_named() -> None:
    class Locked(Experiment):
        a: int = search([1, 2])
        lock: Any = value(threading.Lock(), key="lock")

        def run(self) -> dict[str, Any]:
            return {"y": self.lock.locked()}

    with pytest.raises(SuperparamsError, match=r"Locked\.lock"):
        Locked().run_all(2, progress=False)
    assert [row["y"] for row in Locked().run_all(1, progress=False)] == [False, False]


# ---- failures


def test_on_error_raise_stops_at_the_first_failure() -> None:
    for num_proc in (1, 2):
        with pytest.raises(SettingFailed, match="not this one"):
            Toy().run_all(num_proc, on_error="raise", results=f"r{num_proc}", progress=False)
        assert "failed" in Toy.results(f"r{num_proc}").counts, "what failed is recorded"


@pytest.mark.parametrize("num_proc", [1, 2])
def test_retries_of_what_failed(num_proc: int, tmp_path: Path) -> None:
    class Flaky(Experiment):
        a: int = search([1, 2, 3])
        folder_name: str = str(tmp_path)

        def run(self) -> dict[str, int]:
            seen = Path(self.folder_name, f"{num_proc}-{self.a}")
            count = len(seen.read_text()) if seen.exists() else 0
            seen.write_text("x" * (count + 1))
            if count < self.a - 1:
                raise OSError("again")
            return {"count": count}

    found = Flaky().run_all(
        num_proc, retries=1, retry_on=iter(["failed"]), results=f"r{num_proc}", progress=False
    )
    assert table(found, "a", "status", "attempt") == [
        (1, "done", 1),
        (2, "done", 2),
        (3, "failed", 2),
    ]


def test_a_timeout_needs_no_other_option() -> None:
    class Slow(Experiment):
        a: int = search([0, 1, 2])

        def run(self) -> None:
            time.sleep(60 if self.a == 1 else 0)

    found = Slow().run_all(timeout=4, progress=False)
    assert table(found, "a", "status") == [(0, "done"), (1, "timeout"), (2, "done")]


def test_a_failing_post_init_and_derive_fail_their_settings_alone() -> None:
    class Fragile(Experiment):
        a: int = search([0, 1, 2])

        def __post_init__(self) -> None:
            if self.a == 1:
                raise ValueError("in post init")

        def run(self) -> dict[str, int]:
            return {"y": self.a}

    for num_proc in (1, 2):
        found = Fragile().run_all(num_proc, results=f"r{num_proc}", progress=False)
        assert table(found, "a", "status", "y") == [
            (0, "done", 0),
            (1, "failed", None),
            (2, "done", 2),
        ]
        assert "in post init" in next(iter(found.failures))["error"]


def test_a_failing_derive_fails_its_settings_alone() -> None:
    class Derived(Experiment):
        a: int = search([0, 1, 2])
        inverse: float = value(derive=lambda s: 1 / s.a)

        def run(self) -> dict[str, float]:
            return {"y": self.inverse}

    for num_proc in (1, 2):
        found = Derived().run_all(num_proc, results=f"r{num_proc}", progress=False)
        assert table(found, "status", "y") == [("failed", None), ("done", 1.0), ("done", 0.5)]
        (row,) = found.failures
        where = "Derived.inverse: value(derive=Derived.<lambda>) failed"
        assert row["error"] == f"ZeroDivisionError: division by zero ({where})"
        assert row["a"] == 0
        again = Derived().run_all(num_proc, results=f"r{num_proc}", progress=False)
        assert again.counts == {"done": 2, "failed": 1}


def raise_value() -> None:
    raise ValueError("text\nmore")


def raise_base() -> None:
    class Odd(BaseException):
        pass

    raise Odd("base")


def raise_broken() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise Broken


def raise_broken_value() -> None:
    class BrokenValue(ValueError):
        def __str__(self) -> str:
            raise RuntimeError

    raise BrokenValue


def raise_unpicklable() -> None:
    class Held(Exception):
        def __init__(self) -> None:
            super().__init__("held")
            self.lock = threading.Lock()

    raise Held


def raise_exit() -> None:
    raise SystemExit(0)


def raise_recursion() -> None:
    raise_recursion()


def raise_surrogate() -> None:
    raise ValueError("\ud800")


def raise_chained() -> None:
    try:
        raise_value()
    except ValueError as error:
        raise KeyError("outer") from error


RAISES: dict[str, tuple[Callable[[], None], str, str]] = {
    "value": (raise_value, "ValueError: text\nmore", "in raise_value"),
    "base": (raise_base, "Odd: base", "in raise_base"),
    "broken": (raise_broken, "Broken: <its message raised RuntimeError>", "in raise_broken"),
    "broken value": (raise_broken_value, "BrokenValue: <its message", "in raise_broken_value"),
    "unpicklable": (raise_unpicklable, "Held: held", "in raise_unpicklable"),
    "exit": (raise_exit, "SystemExit: 0", "in raise_exit"),
    "recursion": (raise_recursion, "RecursionError: maximum recursion", "more times"),
    "surrogate": (raise_surrogate, "ValueError: \\ud800", "in raise_surrogate"),
    "chained": (raise_chained, "KeyError: 'outer'", "direct cause"),
}


class Raises(Experiment):
    kind: str = search(list(RAISES))

    def run(self) -> None:
        RAISES[self.kind][0]()


@pytest.mark.parametrize("num_proc", [1, 2])
def test_whatever_is_raised_is_recorded(num_proc: int) -> None:
    found = Raises().run_all(num_proc, progress=False)
    assert len(found) == len(RAISES)
    for row in found:
        _, error, trace = RAISES[row["kind"]]
        assert row["status"] == "failed"
        assert row["error"].startswith(error)
        assert trace in row["traceback"]


def test_a_keyboard_interrupt_of_the_settings_own_is_a_failure_in_a_worker() -> None:
    class Interrupts(Experiment):
        a: int = search([1, 2, 3])

        def run(self) -> None:
            if self.a == 2:
                raise KeyboardInterrupt

    found = Interrupts().run_all(2, progress=False)
    assert table(found, "status", "error") == [
        ("done", None),
        ("failed", "KeyboardInterrupt"),
        ("done", None),
    ]


class Returns(Experiment):
    kind: str = search(["int", "list", "text", "async", "lock", "mapping", "none"])

    def run(self) -> Any:
        return RETURNS[self.kind]()


async def _later() -> dict[str, int]:
    return {}


RETURNS: dict[str, Callable[[], Any]] = {
    "int": lambda: 5,
    "list": lambda: [1],
    "text": lambda: "abc",
    "async": _later,
    "lock": lambda: {"held": threading.Lock()},
    "mapping": lambda: os.environ.__class__({}, str, str, str, str),
    "none": lambda: None,
}


@pytest.mark.parametrize("num_proc", [1, 2])
def test_what_run_may_not_return(num_proc: int) -> None:
    rows = {row["kind"]: row for row in Returns().run_all(num_proc, progress=False)}
    assert {kind for kind, row in rows.items() if row["status"] == "done"} == {"mapping", "none"}
    assert "returned 5, a" in rows["int"]["error"]
    assert "returned a coroutine" in rows["async"]["error"]
    assert "'held'" in rows["lock"]["error"]
    assert rows["lock"]["key"] in rows["lock"]["error"]
    for kind in ("int", "list", "text", "async"):
        assert "worker.py" not in rows[kind]["traceback"], "our frames are not the user's"


# ---- resume


class Counted(Experiment):
    a: int = search([1, 2, 3])
    log: str = "ran.txt"
    fails: bool = value(False)

    def run(self) -> dict[str, int]:
        with open(self.log, "a") as file:
            file.write(f"{self.a} ")
        if self.a == 2 and not Path("mended").exists():
            raise ValueError("broken")
        return {"y": self.a}


def ran() -> list[int]:
    path = Path("ran.txt")
    told = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return [int(one) for one in told]


def test_what_is_done_is_not_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    Counted().run_all(progress=False)
    assert ran() == [1, 2, 3]
    Path("mended").touch()
    capsys.readouterr()
    found = Counted().run_all()
    assert ran() == [2]
    assert "2 done by the same code: skipped; 1 failed before: run again" in capsys.readouterr().err
    assert found.counts == {"done": 3}
    again = Counted().run_all(progress=False)
    assert ran() == []
    assert table(again, "a", "y") == [(1, 1), (2, 2), (3, 3)]
    assert run_count("Counted") == 2, "nothing to do makes no run"


def test_added_points_alone_run() -> None:
    Counted().run_all(progress=False)
    ran()
    Counted(a=search([0, 1, 3, 4])).run_all(progress=False)
    assert ran() == [0, 4]


EDITED = """
import sys
from pathlib import Path
from superparams import Experiment, search
from superparams.store.staleness.acceptances import accept
class Edited(Experiment):
    a: int = search([1, 2])
    def run(self):
        with open("ran.txt", "a") as file:
            file.write(f"{self.a} ")
        y = self.a * FACTOR
        return {"y": y}
if __name__ == "__main__":
    if "accept" in sys.argv:
        accept(Edited.results().root, *sys.argv[2:])
    found = Edited().run_all(progress=False)
    print(*{row["code"] for row in found}, len(found.stale))
"""


def test_what_other_code_made_runs_again_unless_it_is_accepted(tmp_path: Path) -> None:
    old, stale = output(tmp_path, EDITED.replace("FACTOR", "1")).split()
    assert (ran(), stale) == ([1, 2], "0")
    assert output(tmp_path, EDITED.replace("FACTOR", "1  # a comment")).split() == [old, "0"]
    assert ran() == []
    new, stale = output(tmp_path, EDITED.replace("FACTOR", "2")).split()
    assert (ran(), stale) == ([1, 2], "0")
    # Back to the old text: what the new one made is the newest, and accepted in its place.
    out = output(tmp_path, EDITED.replace("FACTOR", "1"), "accept", new, old)
    assert (out.split(), ran()) == ([new, "0"], [])


def test_all_again_when_asked() -> None:
    Counted(a=search([1, 3])).run_all(progress=False)
    Counted(a=search([1, 3])).run_all(resume=False, progress=False)
    assert ran() == [1, 3, 1, 3]
    assert len(Counted.results()) == 2


def test_only_what_failed() -> None:
    Counted().run_all(progress=False)
    ran()
    found = Counted(a=search([1, 2, 3, 4])).run_all(only="failed", progress=False)
    assert ran() == [2]
    assert table(found, "a") == [(1,), (2,), (3,)]


def test_only_what_failed_of_nothing_is_nothing() -> None:
    found = Counted().run_all(only="failed", progress=False)
    assert ran() == []
    assert len(found) == 0


def test_only_what_is_new() -> None:
    Counted(a=search([1, 2])).run_all(progress=False)
    ran()
    found = Counted(a=search([1, 2, 3, 4])).run_all(only="new", progress=False)
    assert ran() == [3, 4]
    assert found.counts == {"done": 3, "failed": 1}, "what is recorded of the others is there"


def test_only_these_keys() -> None:
    found = Counted().run_all(progress=False)
    ran()
    keys = [row["key"] for row in found]
    Counted().run_all(only=[keys[0]], progress=False)
    assert ran() == []
    Counted().run_all(only=keys[:2], resume=False, progress=False)
    assert ran() == [1, 2]
    Counted().run_all(2, only=found.failures.to_arrow()["key"], progress=False)
    assert ran() == [2]
    Counted().run_all(only=[], progress=False)
    assert ran() == []
    with pytest.raises(RunError, match=r"no setting .* has that key .it has 1 setting"):
        Counted(a=1).run_all(only=keys[1:2], progress=False)
    assert ran() == []


def test_as_many_workers_as_there_are_processors() -> None:
    found = Toy().run_all("auto", progress=False)
    assert {place and place.split("/")[1] for (place,) in table(found, "place")} == {
        str(cores()),
        None,
    }


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_many_more_workers_than_settings(method: str) -> None:
    """As on a machine of many processors; each worker has a cell of memory."""
    found = Toy(a=1).run_all(2000, engine=Processes(start_method=method), progress=False)
    assert table(found, "y") == [(0.5,), (1.5,)]
    assert {place.split("/")[1] for (place,) in table(found, "place")} == {"2000"}


class Failing(Experiment):
    a: int = search(range(30))

    def run(self) -> None:
        with open("ran.txt", "a") as file:
            file.write(f"{self.a} ")
        if not Path("mended").exists():
            time.sleep(0.1)
            raise ValueError(self.a)


def state() -> str:
    """How the last run of `Failing` ended."""
    (root,) = Path("results").glob("*test_loop.Failing")
    *_, last = sorted((root / "runs").iterdir())
    return str(json.loads((last / "run.json").read_text())["state"])


@pytest.mark.parametrize(
    ("num_proc", "engine", "most"), [(1, "serial", 4), (2, "threads", 8), (2, "processes", 10)]
)
def test_so_many_failures_are_enough(
    num_proc: int, engine: str, most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Failing().run_all(num_proc, engine=engine, max_failures=4)
    begun = ran()
    assert 4 <= len(begun) <= most
    assert found.counts == {"failed": len(begun)}, "what was begun is finished, and recorded"
    assert state() == "interrupted"
    told = "(max_failures=4): finishing what runs"
    assert told in capsys.readouterr().err
    again = Failing().run_all(num_proc, engine=engine, max_failures=4, progress=False)
    assert min(ran()) == 0, "from the first one on"
    assert again.counts["failed"] >= 4
    Path("mended").touch()
    assert Failing().run_all(num_proc, engine=engine, max_failures=1).counts == {"done": 30}
    assert sorted(ran()) == list(range(30))
    assert state() == "finished"
    assert told not in capsys.readouterr().err


def test_as_many_failures_as_settings_are_no_early_end() -> None:
    Failing(a=search([1, 2])).run_all(max_failures=2, progress=False)
    assert state() == "finished"


def test_what_is_tried_again_fails_once() -> None:
    found = Failing(a=search([1, 2, 3])).run_all(
        max_failures=2, retries=2, retry_on=["failed"], progress=False
    )
    assert ran() == [1, 1, 1, 2, 2, 2]
    assert found.counts == {"failed": 2}


def test_on_error_raise_runs_nothing_more() -> None:
    with pytest.raises(SettingFailed, match=r"\(a=0\) failed: ValueError: 0"):
        Failing().run_all(on_error="raise", progress=False)
    assert ran() == [0]


ENDS_EARLY = """
import json, threading
from pathlib import Path
from superparams import Experiment, search
from superparams.errors import SettingFailed
from superparams.store.provenance import git_state
class Fails(Experiment):
    a: int = search([1, 2])
    def run(self):
        raise ValueError
git_state._SECONDS = 1.0
try:
    Fails().run_all(on_error="raise", progress=False)
except SettingFailed:
    (run,) = Path("results").glob("*/runs/*/run.json")
    print(json.loads(run.read_text())["state"])
for thread in threading.enumerate():
    if thread.name == "superparams-provenance":
        thread.join()
"""


def test_how_it_ended_is_told_where_warnings_are_errors(tmp_path: Path) -> None:
    """git takes longer than a run that ends early waits for it, which is warned of."""
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    env = environment(PATH=f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    assert output(tmp_path, ENDS_EARLY, env=env) == "interrupted\n"


def test_failures_beyond_the_first_ones_are_not_told_one_by_one() -> None:
    """Each is written at once, as long as they are few; many would take long."""
    count = 3000

    class Quick(Experiment):
        a: int = search(range(count))

        def run(self) -> None:
            raise ValueError

    found = Quick().run_all(progress=False, max_failures=count + 1)
    (ledger,) = found.root.glob("runs/*/ledger")
    batches = [batch.num_rows for batch in read(ledger)]
    assert batches[:50] == [1] * 50
    assert len(batches) < 100 + (count - 100) / 2
    assert sum(batches) == count


def test_a_point_given_twice_runs_once() -> None:
    found = Counted(a=search([1, 3, 1])).run_all(progress=False)
    assert ran() == [1, 3]
    assert table(found, "a") == [(1,), (3,)]


def test_settings_know_their_key_and_folder() -> None:
    class Keeps(Experiment):
        a: int = search([1, 2])

        def run(self) -> dict[str, str]:
            (self.folder / "kept.txt").write_text("x" * self.a)
            return {"own": self.key, "where": str(self.folder)}

    one = Keeps().run_all(progress=False)
    two = Keeps().run_all(2, resume=False, progress=False)
    for found in (one, two):
        for row in found:
            folder = Path(row["where"])
            assert row["own"] == row["key"]
            assert folder.is_relative_to(found.root)
            assert (folder / "kept.txt").read_text() == "x" * row["a"]
            assert Keeps(a=row["a"]).folder == folder
    assert table(one, "where") == table(two, "where")


def test_a_worker_that_dies_costs_one_setting() -> None:
    class Deadly(Experiment):
        a: int = search(range(20))

        def run(self) -> dict[str, int]:
            if self.a == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"y": self.a}

    found = Deadly().run_all(2, progress=False)
    assert found.counts == {"done": 19, "killed": 1}
    assert table(found.failures, "a", "error") == [(7, "killed by SIGKILL")]


def test_a_run_in_a_thread() -> None:
    """Row 15: workers live as long as the run, also when the thread that began it is no more."""
    found: list[Results] = []
    thread = threading.Thread(target=lambda: found.append(Toy().run_all(2, progress=False)))
    thread.start()
    thread.join()
    assert found[0].counts == {"done": 5, "failed": 1}


def test_nothing_is_said_when_not_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    Toy().run_all(2, progress=False)
    assert capfd.readouterr() == ("", "")


def test_two_runs_at_once_in_threads() -> None:
    """Row 30, within one process: each returns its own settings, the table holds all."""

    class Naps(Experiment):
        a: int = search(range(20))

        def run(self) -> dict[str, int]:
            time.sleep(0.02)
            return {"y": self.a}

    found: dict[int, Results] = {}

    def work(start: int) -> None:
        space = Naps(a=search(range(start, start + 20)))
        found[start] = space.run_all(2, progress=False)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for start, results in found.items():
        assert table(results, "a", "y") == [(a, a) for a in range(start, start + 20)]
    assert sorted(table(Naps.results(), "a")) == [(a,) for a in range(30)]


class Drawn(Experiment):
    at: int = search(range(4))

    def run(self) -> dict[str, Any]:
        return {"drawn": random.Random(self.seed).random(), "seed": self.seed, "mine": self.key}


class Seeded(Experiment):
    seed: int = search([7, 8])

    def run(self) -> dict[str, Any]:
        return {"twice": 2 * self.seed}


def test_the_seed_is_that_of_the_setting_whoever_runs_it(tmp_path: Path) -> None:
    tables = [
        list(Drawn().run_all(n, results=tmp_path / str(n), progress=False)) for n in (1, 2, 3)
    ]
    found = [[(row["drawn"], row["seed"], row["mine"]) for row in table] for table in tables]
    assert found[0] == found[1] == found[2]
    assert len({seed for _, seed, _ in found[0]}) == 4
    assert [Drawn()[i].seed for i in range(4)] == [seed for _, seed, _ in found[0]]
    assert [row["key"] for row in tables[0]] == [mine for _, _, mine in found[0]]


def test_a_declared_seed_is_a_field_like_any_other(tmp_path: Path) -> None:
    rows = list(Seeded().run_all(results=tmp_path, progress=False))
    assert [(row["seed"], row["twice"]) for row in rows] == [(7, 14), (8, 16)]


class Named(Experiment):
    width: int = search({"small": 64, "large": 128})
    word: str = search({"a": "b", "b": "c"})

    def run(self) -> dict[str, int]:
        return {"twice": 2 * self.width}


def test_a_named_point_can_be_given_by_its_name(tmp_path: Path) -> None:
    fixed: Any = {"width": "small"}
    rows = list(Named(**fixed, word="a").run_all(results=tmp_path, progress=False))
    assert [(row["width"], row["twice"], row["word"]) for row in rows] == [("small", 128, "a")]
    assert Named(word="b").word == "b"  # a point comes before a name
    assert Named(width=7).width == 7


class Leaves(Experiment):
    at: int = search(range(3))

    def run(self) -> dict[str, int]:
        left = ctypes.CDLL(None).sleep(60) if self.at == 1 else 0  # ends early at a signal
        return {"left": left}


def test_what_returns_after_its_time_is_no_result(tmp_path: Path) -> None:
    limit = 4
    results = Leaves().run_all(2, timeout=limit, results=tmp_path, progress=False)
    assert [row["status"] for row in results] == ["done", "timeout", "done"]
    assert f"timeout={limit:g}" in results.failures.row(list(results)[1]["key"])["error"]


class Closing(Experiment):
    at: int = search(range(6))

    def run(self) -> dict[str, int]:
        print("printed by", self.at)
        if self.at == 0:
            sys.stdout.close()
        return {}


def test_a_setting_that_closes_its_output_costs_no_other(tmp_path: Path) -> None:
    results = Closing().run_all(1, engine="processes", results=tmp_path, progress=False)
    assert results.counts == {"done": 6}
    assert [results.log(row["key"]) for row in results][1] == "printed by 1\n"


def test_a_global_that_cannot_travel_is_named_by_who_uses_it(tmp_path: Path) -> None:
    program = (
        "import threading\nfrom superparams import Experiment, search\n"
        "LOCK = threading.Lock()\n"
        "class Locked(Experiment):\n"
        "    x: int = search([1, 2])\n"
        "    def run(self):\n"
        "        with LOCK: return {}\n"
        "try: Locked().run_all(2, progress=False)\n"
        "except Exception as error: print(error)\n"
    )
    text = output(tmp_path, program)
    assert "global LOCK of Locked.run" in text


def test_where_workers_cannot_be_made_those_of_python_itself_run(tmp_path: Path) -> None:
    program = (
        "import os\ndel os.posix_spawn  # as on Windows\n"
        "import multiprocessing\nfrom superparams import Experiment, search\n"
        "class Squares(Experiment):\n"
        "    x: int = search([1, 2, 3])\n"
        "    def run(self):\n"
        "        return {'y': self.x**2, 'here': os.getpid()}\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method('spawn')\n"
        "    rows = list(Squares().run_all(2, progress=False))\n"
        "    print([row['y'] for row in rows], os.getpid() in {row['here'] for row in rows})\n"
        "    try: Squares().run_all(2, engine='processes')\n"
        "    except Exception as error: print(error)\n"
        "    try: Squares().run_all(2, timeout=1)\n"
        "    except Exception as error: print(error)\n"
    )
    lines = output(tmp_path, program).splitlines()
    assert lines[0] == "[1, 4, 9] False"
    assert "ProcessPoolExecutor" in lines[1]
    assert lines[2].endswith("an executor cannot end a setting"), "and nothing else can, here"
