"""Experiments whose `run` is a coroutine function, in one event loop and under other engines."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from superparams import Experiment, Settings, search
from superparams.errors import EngineError, SettingFailed
from superparams.store.results import Results
from tests.kernels import Kernel
from tests.runs import script, start
from tests.timing import PATIENCE, stretch, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks", "in_tmp_path")


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What abandoned settings wait for: they end with the test."""
    before = threading.active_count()
    Free.event.clear()
    yield Free.event
    Free.event.set()
    wait_for(lambda: threading.active_count() <= before)


class Free:
    event: ClassVar[threading.Event] = threading.Event()


def errors(found: Results) -> dict[Any, str]:
    return {row["i"]: row["error"] for row in found.failures}


class Waits(Experiment):
    """Settings that wait as for a service; one kind waits for ever."""

    i: int = search(range(50))
    hangs_at: int = -1
    seconds: float = 0.2

    async def run(self) -> dict[str, Any]:
        if self.i == self.hangs_at:
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds)
        return {"y": 2 * self.i, "thread": threading.current_thread().name, "rank": self.rank}


@pytest.mark.timed
def test_fifty_settings_wait_at_once() -> None:
    Waits(i=search([100])).run_all(1, progress=False)  # loads what a first run loads
    with stretch() as measured:
        begun = time.monotonic()
        found = Waits().run_all(50, progress=False)
        seconds = time.monotonic() - begun
    assert found.counts == {"done": 50}
    assert [row["y"] for row in found] == [2 * i for i in range(50)]
    assert {row["thread"] for row in found} == {"superparams-event-loop"}
    assert {row["rank"] for row in found} == set(range(50))
    assert measured.allows(seconds, 1.0)


def test_some_settings_of_a_space() -> None:
    space = Waits(seconds=0.0)
    for some, expected in ((space[3:6], [6, 8, 10]), (Settings([space[9], space[4]]), [18, 8])):
        found = some.run_all(2, progress=False)
        assert [row["y"] for row in found] == expected
        assert {row["thread"] for row in found} == {"superparams-event-loop"}


def test_no_more_settings_run_at_once_than_there_are_workers() -> None:
    class Counts(Experiment):
        i: int = search(range(12))
        now: ClassVar[list[int]] = []

        async def run(self) -> dict[str, int]:
            self.now.append(self.i)
            most = len(self.now)
            await asyncio.sleep(0.02)
            self.now.remove(self.i)
            return {"most": most}

    assert max(row["most"] for row in Counts().run_all(3, progress=False)) == 3
    assert max(row["most"] for row in Counts().run_all(1, progress=False, results="one")) == 1


def test_one_that_waits_for_ever_is_a_timeout() -> None:
    found = Waits(hangs_at=7).run_all(
        50, timeout=4, retries=1, retry_on=("failed",), progress=False
    )
    assert found.counts == {"done": 49, "timeout": 1}
    (row,) = found.failures
    assert row["error"] == "TimeoutError: it ran longer than timeout=4 seconds"
    assert row["traceback"].splitlines()[1].strip().startswith(f'File "{__file__}"'), "where it was"
    assert 4 <= row["seconds"] < 60
    again = Waits(hangs_at=7).run_all(2, timeout=0.1, progress=False)
    assert again.counts == {"done": 49, "timeout": 1}
    assert len({one["run"] for one in again}) == 2, "what is done is not run again"


def test_a_result_after_the_time_is_up_is_none(released: threading.Event) -> None:
    class Late(Experiment):
        i: int = search(range(3))

        async def run(self) -> dict[str, int]:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60 if self.i == 1 else 0)
            return {"y": 1}

    found = Late().run_all(2, timeout=0.2, retries=1, progress=False)
    assert found.counts == {"done": 2, "timeout": 1}
    assert [(row["y"], row["attempt"]) for row in found.failures] == [(None, 2)]


def test_what_ignores_its_cancellation_is_abandoned(released: threading.Event) -> None:
    """Two runs at once, since each takes more than five seconds."""

    class Stubborn(Experiment):
        i: int = search(range(6))

        async def run(self) -> dict[str, int]:
            while self.i == 3 and not released.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.1)
            return {"y": self.i}

    class Blocks(Experiment):
        i: int = search(range(6))

        async def run(self) -> dict[str, int]:
            async def block() -> None:
                released.wait()

            if self.i == 3:
                await asyncio.gather(block())
            await asyncio.sleep(0.01 * self.i)
            return {"y": self.i}

    with ThreadPoolExecutor(2) as pool:
        stubborn, blocks = pool.map(
            lambda space: space.run_all(4, timeout=3, progress=False), (Stubborn(), Blocks())
        )
    for found, word in ((stubborn, "ignored its cancellation"), (blocks, "blocked the event loop")):
        assert found.counts == {"done": 5, "timeout": 1}
        (row,) = found.failures
        assert row["i"] == 3
        assert row["error"].startswith("TimeoutError: it ran longer than timeout=3 seconds; it ")
        assert word in row["error"]
        assert f'File "{__file__}"' in row["traceback"].splitlines()[1]
        assert row["seconds"] > 5
        assert [note for note in found.notes if word in note and "may go on" in note]


class SetsUpSlowly(Experiment):
    """`setup` blocks the loop for longer than a cancelled setting is waited for."""

    i: int = search([1, 2])

    def setup(self) -> None:
        time.sleep(6.5)

    async def run(self) -> dict[str, int]:
        return {"y": self.i}


class LeavesATask(Experiment):
    """What `run` leaves takes longer to end than `run` may take."""

    i: int = search([1, 2])

    async def run(self) -> dict[str, int]:
        async def linger() -> None:
            try:
                await asyncio.sleep(600)
            finally:
                await asyncio.sleep(4.5)

        self.task = asyncio.create_task(linger())
        await asyncio.sleep(0.01)
        return {"y": self.i}


def test_only_the_time_of_run_counts_for_timeout() -> None:
    with ThreadPoolExecutor(2) as pool:
        slow, late = pool.map(
            lambda space: space.run_all(2, timeout=4, setup_timeout=60, progress=False),
            (SetsUpSlowly(), LeavesATask()),
        )
    assert slow.counts == late.counts == {"done": 2}


def test_a_setup_that_blocks_the_loop_has_its_own_limit() -> None:
    found = SetsUpSlowly().run_all(2, setup_timeout=0.5, progress=False)
    assert found.counts == {"timeout": 2}
    for row in found.failures:
        assert "SetsUpSlowly.setup() ran longer than 0.5 seconds" in row["error"]


def test_what_setup_leaves_is_cancelled_in_a_loop_of_the_worker(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Leaves(Experiment):
        i: int = search([1, 2])
        ended: ClassVar[list[str]] = []

        async def setup(self) -> None:
            async def linger() -> None:
                try:
                    await asyncio.sleep(600)
                finally:
                    self.ended.append("cancelled")

            self.task = asyncio.create_task(linger())

        async def run(self) -> dict[str, int]:
            await asyncio.sleep(0)
            return {"y": self.i}

    assert Leaves().run_all(engine="serial", progress=False).counts == {"done": 2}
    assert Leaves.ended == ["cancelled"]
    assert "destroyed" not in capfd.readouterr().err


class Prepared(Experiment):
    """Attributes that belong to the event loop, as a client of a service does."""

    i: int = search(range(8))

    async def setup(self) -> None:
        await asyncio.sleep(0.01)
        self.gate = asyncio.Lock()
        self.loop = asyncio.get_running_loop()
        self.ticker = asyncio.create_task(asyncio.sleep(600))

    async def run(self) -> dict[str, Any]:
        assert self.loop is asyncio.get_running_loop()
        assert not self.ticker.done()
        async with self.gate:
            await asyncio.sleep(0.001)
        return {"y": self.i**2}

    async def teardown(self) -> None:
        assert self.loop is asyncio.get_running_loop()
        self.ticker.cancel()
        Path(f"teardown-{self.rank}").touch()


@pytest.mark.parametrize("engine", [None, "serial", "threads", "processes", "executor"])
def test_setup_and_settings_share_a_loop_under_every_engine(engine: str | None) -> None:
    num_proc = 1 if engine == "serial" else 2
    with ThreadPoolExecutor(2) as pool:
        given: Any = pool if engine == "executor" else engine
        found = Prepared().run_all(num_proc, engine=given, progress=False)
    assert [row["y"] for row in found] == [i**2 for i in range(8)], errors(found)
    assert list(Path().glob("teardown-*"))


def test_a_setup_that_takes_too_long() -> None:
    class Slow(Experiment):
        i: int = search(range(4))

        async def setup(self) -> None:
            if not Path("first").exists():
                Path("first").touch()
                await asyncio.sleep(60)
            self.begun = time.monotonic()

        async def run(self) -> dict[str, Any]:
            return {"ran": time.monotonic() - self.begun}

    found = Slow().run_all(1, setup_timeout=3, progress=False)
    assert found.counts == {"done": 3, "timeout": 1}
    assert list(errors(found).values()) == [
        "TimeoutError: Slow.setup() ran longer than 3 seconds; give more with setup_timeout="
    ]


def test_a_setup_that_fails() -> None:
    class Fails(Experiment):
        i: int = search(range(4))

        async def setup(self) -> None:
            raise ConnectionError("no service")

        async def run(self) -> None:
            return None

    found = Fails().run_all(2, progress=False)
    assert set(errors(found).values()) == {"ConnectionError: no service"}
    assert len(errors(found)) == 4


class Flaky(Experiment):
    i: int = search(range(10))
    tries: ClassVar[dict[int, int]] = {}

    async def run(self) -> dict[str, int]:
        await asyncio.sleep(0.001)
        self.tries[self.i] = self.tries.get(self.i, 0) + 1
        if self.i == 2 and self.tries[self.i] < 3:
            raise OSError("busy")
        if self.i in (5, 6):
            raise SystemExit(self.i)
        if self.i == 7:
            raise asyncio.CancelledError
        if self.i == 8:
            raise KeyboardInterrupt
        return {"y": self.i}


@pytest.mark.parametrize("wait", [0.0, 0.2])
def test_failures_and_retries(wait: float) -> None:
    Flaky.tries.clear()
    again: Any = {"retries": 2, "retry_on": ("failed",), "retry_wait": wait}
    found = Flaky().run_all(3, progress=False, **again)
    assert found.counts == {"done": 6, "failed": 4}
    assert {row["attempt"] for row in found.failures} == {3}
    assert [row["attempt"] for row in found if row["i"] == 2] == [3]
    assert errors(found) == {
        5: "SystemExit: 5",
        6: "SystemExit: 6",
        7: "CancelledError",
        8: "KeyboardInterrupt",
    }


def test_the_first_failure_ends_the_run() -> None:
    Flaky.tries.clear()
    with pytest.raises(SettingFailed, match="OSError: busy"):
        Flaky().run_all(2, on_error="raise", progress=False)


def test_so_many_failures_are_enough() -> None:
    class Failing(Experiment):
        i: int = search(range(200))

        async def run(self) -> None:
            await asyncio.sleep(0.05)
            raise ValueError(self.i)

    found = Failing().run_all(4, max_failures=4, progress=False)
    assert 4 <= found.counts["failed"] <= 12


def test_what_a_setting_leaves_running_ends_with_it() -> None:
    """It would run beside the settings after it; also where an error ends the task."""

    class Leaves(Experiment):
        i: int = search(range(4))
        left: ClassVar[list[asyncio.Task[None]]] = []

        async def run(self) -> dict[str, int]:
            async def fail() -> None:
                await asyncio.sleep(0)
                raise SystemExit(3)

            before = [task.done() for task in self.left]
            self.left.append(asyncio.create_task(asyncio.sleep(600)))
            if self.i == 2:
                await asyncio.gather(fail(), return_exceptions=True)
            await asyncio.sleep(0.001)
            return {"n_running": before.count(False)}

    for engine in (None, "serial"):
        Leaves.left.clear()
        found = Leaves().run_all(1, engine=engine, resume=False, progress=False)
        assert [row["n_running"] for row in found] == [0, 0, 0, 0], errors(found)
        assert all(task.cancelled() for task in Leaves.left)


def test_each_setting_has_a_context_of_its_own() -> None:
    seen: ContextVar[int] = ContextVar("seen", default=-1)

    class Context(Experiment):
        i: int = search(range(6))

        async def run(self) -> dict[str, Any]:
            before = seen.get()
            seen.set(self.i)
            await asyncio.sleep(0.01)
            return {"before": before, "after": seen.get(), "third": str(Decimal(1) / 3)}

    with localcontext() as context:
        context.prec = 5  # what the script sets holds in the loop
        found = Context().run_all(3, progress=False)
    assert {row["before"] for row in found} == {-1}
    assert [row["after"] for row in found] == list(range(6))
    assert {row["third"] for row in found} == {"0.33333"}


def test_a_note_says_that_generators_are_not_seeded() -> None:
    class Draws(Experiment):
        i: int = search(range(3))

        async def run(self) -> dict[str, float]:
            return {"y": np.random.random(), "own": np.random.default_rng(self.seed).random()}

    both = [Draws().run_all(n, progress=False, results=f"r{n}") for n in (1, 3)]
    assert all("cannot be seeded" in " ".join(found.notes) for found in both)
    assert [row["own"] for row in both[0]] == [row["own"] for row in both[1]]


def test_an_event_loop_is_refused_for_a_plain_run() -> None:
    class Plain(Experiment):
        i: int = search([1, 2])

        def run(self) -> None:
            return None

    with pytest.raises(EngineError, match=r"Plain\.run\(\) is none: write async def .*threads"):
        Plain().run_all(2, engine="asyncio", progress=False)
    assert not Path("results").exists()


def test_a_plain_run_that_returns_a_coroutine_fails() -> None:
    class Forgets(Experiment):
        i: int = search([1, 2])

        async def ask(self) -> dict[str, int]:
            return {"y": 1}

        def run(self) -> Any:
            return self.ask()

    found = Forgets().run_all(progress=False)
    assert "write async def run(self)" in errors(found)[1]


def test_one_setting_by_hand() -> None:
    assert asyncio.run(Waits(i=3, seconds=0.0).run())["y"] == 6

    async def several() -> list[Any]:
        return await asyncio.gather(*(one.run() for one in Waits(i=search([1, 2]), seconds=0.0)))

    assert [row["y"] for row in asyncio.run(several())] == [2, 4]


def test_inside_a_loop_that_runs() -> None:
    """As in a notebook: with the default engine, and with engines that make a loop themselves."""

    async def main() -> list[list[int]]:
        space = Waits(i=search(range(4)), seconds=0.01)
        tables = [
            space.run_all(n, resume=False, progress=False, engine=engine)
            for n, engine in ((2, None), (1, "serial"), (2, "threads"), (2, "processes"))
        ]
        return [[row["y"] for row in table] for table in tables]

    assert asyncio.run(main()) == [[0, 2, 4, 6]] * 4


DRIVER = """
import asyncio, sys
from pathlib import Path
from superparams import Experiment, search
class Long(Experiment):
    i: int = search(range(20))
    async def run(self):
        Path(f"begun-{self.i}").touch()
        await asyncio.sleep(0.05 if self.i < 4 else float(sys.argv[1]))
        return {"y": self.i}
if __name__ == "__main__":
    Long().run_all(N_PROC, engine=ENGINE, progress=False)
"""


@pytest.mark.parametrize(("engine", "presses"), [("None", 1), ("None", 2), ("'serial'", 2)])
def test_ctrl_c(engine: str, presses: int, tmp_path: Path) -> None:
    n_proc = "4" if engine == "None" else "1"
    text = DRIVER.replace("ENGINE", engine).replace("N_PROC", n_proc)
    process = start(tmp_path, str(script(tmp_path, text)), "600" if presses == 2 else "1")
    wait_for(lambda: (tmp_path / "begun-4").exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    while presses == 2 and process.poll() is None:  # two that come at once may count as one
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in err.splitlines()[-1]
    assert "never" not in err  # "was never retrieved", "was never awaited"
    assert "Task" not in err
    found = Results.load(next((tmp_path / "results").iterdir()))
    assert found.counts.get("done", 0) >= 4
    assert set(found.counts) == {"done"}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """What its client opens once in this process is no leak of the test."""
    made = Kernel(tmp_path_factory.mktemp("notebook"))
    yield made
    made.close()


def test_in_a_notebook(kernel: Kernel) -> None:
    cell = kernel.run(
        "import asyncio\n"
        "from superparams import Experiment, search\n"
        "class Ask(Experiment):\n"
        "    i: int = search(range(50))\n"
        "    async def run(self):\n"
        "        await asyncio.sleep(600 if self.i == 9 else 0.2)\n"
        "        return {'y': self.i}\n"
        "found = Ask().run_all(50, timeout=4, progress=False)\n"
        "print(found.counts)\n"
        "print(await Ask(i=3).run())\n"
        "print(Ask(i=4).run_all(engine='serial', resume=False, progress=False).counts)\n"
    )
    assert cell.error is None
    assert cell.of("stdout") == ["{'done': 49, 'timeout': 1}\n{'y': 3}\n{'done': 1}\n"], (
        cell.outputs
    )


class Caught(Experiment):
    x: int = search(range(12))

    async def run(self) -> dict[str, int]:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return {"y": 1}
        return {"y": 0}


def test_a_setting_that_catches_its_cancellation_took_too_long(tmp_path: Path) -> None:
    for n in range(4):
        found = Caught().run_all(12, timeout=0.2, results=tmp_path / str(n), progress=False)
        assert found.counts == {"timeout": 12}
