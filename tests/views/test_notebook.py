"""In the kernel of a notebook: progress, interruptions, cells that are edited, a running loop."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from superparams.views.notebook import in_notebook, in_one_line
from tests.kernels import Cell, Kernel
from tests.runs import recorded
from tests.sweeps import sweep
from tests.timing import scaled, stretch, wait_for

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("notebook"))
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared: Kernel, tmp_path: Path) -> Iterator[Kernel]:
    """One kernel for all, in a folder that no other test has used; it runs on after each."""
    shared.folder = tmp_path
    ok(shared.run(f"%cd -q {tmp_path}\nimport superparams.executor\n{NAPS}"))
    yield shared
    assert ok(shared.run("6 * 7")).outputs == [("execute_result", "42")]
    ok(shared.run("superparams.executor.close()"))
    assert wait_for(lambda: not shared.workers())


def ok(cell: Cell) -> Cell:
    assert cell.error is None, "\n".join(cell.error[2])
    return cell


NAPS = """
import os, time
from superparams import Experiment, search
class Naps(Experiment):
    a: int = search(range(4))
    nap: float = 0.0
    waits: bool = False
    def run(self):
        print("at", self.a)
        open(f"began-{self.a}", "w").close()
        while self.waits and not os.path.exists(f"go-{self.a}"):
            time.sleep(0.01)
        time.sleep(self.nap)
        return {"y": self.a}
"""
SUMMARY = "4 settings: 4 done in (time) · results/__main__.Naps/results.parquet"


def untimed(text: str) -> str:
    """A text without how long the run took."""
    return re.sub(r" in [\d.]+ (?:m?s|min .. s) ", " in (time) ", text)


def test_progress_is_one_output_that_ends_as_the_summary(kernel: Kernel) -> None:
    """Settings last until the progress has been shown that is looked for."""
    long = re.compile(r"─{30} Naps: 0/4\n  0: \d+\.\d of 59 s a=[01], .*\n  1: .* a=[01], .*")
    half = re.compile(r"━{15}─{15} Naps: 2/4, 2 done, .*", re.DOTALL)

    def go_on(until: re.Pattern[str], *settings: int) -> Callable[[Cell], None]:
        def act() -> None:
            for a in settings:
                (kernel.folder / f"go-{a}").touch()

        return once(lambda cell: any(map(until.fullmatch, cell.seen)), act)

    first, second = go_on(long, 0, 1), go_on(half, 2, 3)
    begun = time.monotonic()
    text = "found = Naps(waits=True).run_all(2, timeout=59)"
    cell = ok(kernel.run(text, lambda cell: (first(cell), second(cell))))
    assert [(kind, untimed(text)) for kind, text in cell.outputs] == [("display_data", SUMMARY)]
    assert cell.seen[0] == f"{'─' * 30} Naps: 0/4"
    assert any(map(long.fullmatch, cell.seen))
    assert any(map(half.fullmatch, cell.seen))
    assert len(cell.seen) < 10 + 4 * (time.monotonic() - begun), "four times a second"


def test_progress_stands_above_what_settings_print(kernel: Kernel) -> None:
    cell = ok(kernel.run("Naps().run_all()"))
    shown, printed, table = cell.outputs
    assert (shown[0], untimed(shown[1])) == ("display_data", SUMMARY)
    assert printed == ("stdout", "at 0\nat 1\nat 2\nat 3\n")
    assert table[0] == "execute_result"
    assert ok(kernel.run("Naps().run_all(progress=False);")).outputs == []


def test_progress_of_what_is_skipped(kernel: Kernel) -> None:
    ok(kernel.run("Naps(a=1).run_all(progress=False)"))
    cell = ok(kernel.run("found = Naps().run_all(2)"))
    assert cell.of("stderr") == ["4 settings: 1 done by the same code: skipped\n"]
    assert list(map(untimed, cell.of("display_data"))) == [SUMMARY]
    assert f"{'─' * 30} Naps: 0/3, 1 skipped" in cell.seen
    cell = ok(kernel.run("found = Naps().run_all(2)"))
    assert cell.of("stderr") == ["4 settings: 4 done by the same code: skipped\n"]
    assert cell.of("display_data") == [SUMMARY.replace(" in (time)", "")]


def once(condition: Callable[[Cell], object], act: Callable[[], object]) -> Callable[[Cell], None]:
    """What is to be done during a cell: `act`, as soon as the condition holds."""
    todo = [act]

    def during(cell: Cell) -> None:
        if todo and condition(cell):
            todo.pop()()

    return during


@pytest.mark.parametrize("num_proc", [1, 2])
def test_interrupted_once_it_finishes_what_runs(num_proc: int, kernel: Kernel) -> None:
    during = once(lambda cell: recorded(kernel.folder), kernel.interrupt)
    nap = scaled(0.3)
    cell = kernel.run(f"Naps(a=search(range(999)), nap={nap}).run_all({num_proc})", during)
    assert cell.error is not None
    name, told, traceback = cell.error
    assert name == "KeyboardInterrupt"
    assert re.fullmatch(r"\d+ of 999 settings ran; run it again for the rest", told)
    assert traceback == [f"KeyboardInterrupt: {told}"], "where it was raised says nothing"
    assert "interrupt again to stop now" in "".join(cell.of("stderr"))
    number = told.split()[0]
    assert cell.of("display_data") == [f"Naps: {number}/999, {number} done"]
    ended = len(recorded(kernel.folder))
    assert ended == int(number)
    cell = ok(kernel.run(f"found = Naps(a=search(range({ended + 1})), nap={nap}).run_all(2)"))
    assert f"{ended} done by the same code: skipped" in cell.of("stderr")[0]


@pytest.mark.timed
@pytest.mark.parametrize("num_proc", [1, 2])
def test_interrupted_twice_it_stops_at_once(num_proc: int, kernel: Kernel) -> None:
    times: list[float] = []

    def interrupt() -> None:
        times.append(time.monotonic())
        kernel.interrupt()

    first = once(lambda cell: list(kernel.folder.glob("began-*")), interrupt)
    second = once(lambda cell: "interrupt again" in "".join(cell.of("stderr")), interrupt)
    text = f"Naps(nap=30).run_all({num_proc})"
    with stretch() as measured:
        cell = kernel.run(text, lambda cell: (first(cell), second(cell)))
        ended = time.monotonic()
    assert measured.allows(ended - times[1], 1.0)
    assert cell.error is not None
    told = "0 of 4 settings ran; run it again for the rest"
    assert cell.error[:2] == ("KeyboardInterrupt", told)


def test_a_cell_of_other_things_is_interrupted_as_ever(kernel: Kernel) -> None:
    ok(kernel.run("found = Naps().run_all(2)"))
    during = once(lambda cell: cell.of("stdout"), kernel.interrupt)
    cell = kernel.run("print('here')\ntime.sleep(30)", during)
    assert cell.error is not None
    assert cell.error[0] == "KeyboardInterrupt"


FACTOR = "FACTOR = {}\ndef scaled(x):\n    return x * FACTOR"
SCALED = """
from superparams.executor import Processes
class Scaled(Experiment):
    a: int = search([1, 2])
    def run(self):
        print("at", self.a)
        return {{"y": scaled(self.a) + {}}}
"""


@sweep(1, "method", ["forkserver", "spawn", "fork"])
def test_cells_that_are_edited(method: str, kernel: Kernel) -> None:
    """A class may use what other cells define; whatever is edited, old results are stale."""

    def values(told: str) -> str:
        engine = f"Processes(start_method={method!r})"
        cell = ok(kernel.run(f"found = Scaled().run_all(2, engine={engine})"))
        assert told in "".join(cell.of("stderr"))
        cell = ok(kernel.run("print([found.log(row['key']) for row in found])"))
        assert cell.outputs == [("stdout", r"['at 1\n', 'at 2\n']" + "\n")]
        return ok(kernel.run("[row['y'] for row in found]")).outputs[0][1]

    ok(kernel.run(FACTOR.format(10)))
    ok(kernel.run(SCALED.format(0)))
    assert values("") == "[10, 20]"
    ok(kernel.run(FACTOR.format(20)))
    cell = ok(kernel.run("print(len(Scaled.results().stale), Scaled.results().changes())"))
    assert re.match(r"2 .*FACTOR", cell.of("stdout")[0], re.DOTALL)
    assert values("2 made by other code: run again") == "[20, 40]"
    ok(kernel.run(SCALED.format(1)))
    assert ok(kernel.run("len(Scaled.results().stale)")).outputs == [("execute_result", "2")]
    assert values("2 made by other code: run again") == "[21, 41]"


def test_in_the_loop_that_a_kernel_runs(kernel: Kernel) -> None:
    text = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
async def go():
    await asyncio.sleep(0)
    return Naps().run_all(2)
found = await go()
with ThreadPoolExecutor(1) as pool:
    spaces = Naps(a=search([7, 8]))
    elsewhere = await asyncio.get_running_loop().run_in_executor(pool, spaces.run_all, 2)
print(found.counts, elsewhere.counts, asyncio.get_running_loop().is_running())
"""
    cell = ok(kernel.run(text))
    assert cell.of("stdout") == ["{'done': 4} {'done': 2} True\n"]
    assert list(map(untimed, cell.of("display_data"))) == [SUMMARY, SUMMARY.replace("4", "2")]


NESTED = """
from superparams.executor import Processes
class Nested(Experiment):
    b: int = search([1, 2])
    def run(self):
        return Naps(a=self.b).run_all(1, results=self.folder).counts
found = Nested().run_all(2, engine=Processes(start_method="fork"))
"""


def test_a_fork_of_a_kernel_is_none(kernel: Kernel) -> None:
    cell = ok(kernel.run(NESTED))
    (shown,) = cell.outputs
    assert shown[0] == "display_data"
    assert untimed(shown[1]) == SUMMARY.replace("4", "2").replace("Naps", "Nested")


def test_elsewhere_there_is_no_notebook() -> None:
    assert not in_notebook()


def test_an_error_in_one_line_is_the_same_error() -> None:
    error = KeyboardInterrupt("3 of 4")
    assert in_one_line(error) is error
    assert (type(error), str(error)) == (KeyboardInterrupt, "3 of 4")
