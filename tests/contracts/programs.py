"""A program of plain functions, for tests of engines alone.

Each setting calls `function(index, place)`. What an experiment adds to it is tested elsewhere.
"""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from superparams.declare.experiment_place import Place
from superparams.executor.engines.contract import Control, Engine, Options
from superparams.executor.engines.feed import Feed
from superparams.outcomes.ipc_streams import decode
from superparams.outcomes.outcome import Outcome, Status
from tests.timing import wait_for as wait_for

Run = Callable[[int, Place], Any]
Rows = dict[int, dict[str, Any]]


@dataclass
class FunctionProgram:
    """What engines ask of a program, without an experiment."""

    function: Run
    size: int
    n_proc: int = 1
    name: str = "tests.Function"
    enter_hook: Callable[[Place], None] | None = None
    close_hook: Callable[[Place], None] | None = None
    needs: Sequence[str] = ()  # modules that it will import

    def prepare(self) -> None:
        """Nothing is made by factories."""

    def libraries(self) -> list[str]:
        return list(self.needs)

    def __len__(self) -> int:
        return self.size

    def row(self, index: int) -> dict[str, int]:
        return {"x": index}

    def enter(self, place: Place) -> FunctionWorker:
        if self.enter_hook is not None:
            self.enter_hook(place)
        return FunctionWorker(self, place)

    def outcome_of_lost(self, index: int, *, status: Status, **known: Any) -> Outcome:
        return Outcome(index, f"{index:032x}", status, {"x": index}, **known)


@dataclass
class FunctionWorker:
    """Runs settings as the worker of an experiment does."""

    program: FunctionProgram
    place: Place

    tasks: Collection[Any] = ()  # in an event loop
    is_to_set_up = False

    def run(self, index: int, attempt: int = 1) -> Outcome:
        started, begun = time.time(), time.perf_counter()
        result: Any = None
        error: BaseException | None = None
        try:
            result = self.program.function(index, self.place)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            error = raised
        return self._outcome(index, attempt, result, error, started, begun)

    async def run_async(self, index: int, attempt: int = 1) -> Outcome:
        """The same in an event loop; a function that is no coroutine function holds it up."""
        started, begun = time.time(), time.perf_counter()
        result: Any = None
        error: BaseException | None = None
        try:
            result = self.program.function(index, self.place)
            if inspect.isawaitable(result):
                result = await result
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            error = raised
        return self._outcome(index, attempt, result, error, started, begun)

    def _outcome(
        self,
        index: int,
        attempt: int,
        result: Any,
        error: BaseException | None,
        started: float,
        begun: float,
    ) -> Outcome:
        return Outcome(
            index,
            f"{index:032x}",
            "done" if error is None else "failed",
            {"x": index},
            result,
            None if error is None else f"{type(error).__name__}: {error}",
            None if error is None else "".join(traceback.format_exception(error)),
            started,
            time.perf_counter() - begun,
            self.place.rank,
            attempt,
        )

    def move_to(self, place: Place) -> None:
        self.place = place

    async def close_async(self) -> None:
        self.close()

    def close(self) -> None:
        if self.program.close_hook is not None:
            self.program.close_hook(self.place)


def rows(batches: Iterable[bytes]) -> list[dict[str, Any]]:
    """The rows of encoded outcomes, in the order in which they came."""
    return [row for data in batches for batch in decode(data) for row in batch.to_pylist()]


def rows_as_they_come(batches: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The rows of encoded outcomes, each batch read as it arrives."""
    for data in batches:
        yield from rows([data])


def execute(
    engine: Engine,
    function: Run,
    todo: int | Sequence[range] | Feed,
    control: Control | None = None,
    program: FunctionProgram | None = None,
    **options: Any,
) -> Iterator[bytes]:
    """What `engine` yields for `function`."""
    ranges = [range(todo)] if isinstance(todo, int) else todo
    asked = Options(**options)
    known = ranges.first if isinstance(ranges, Feed) else ranges
    size = max((one.stop for one in known), default=0)
    if program is None:
        program = FunctionProgram(function, size, asked.num_proc)
    return engine.execute(cast("Any", program), ranges, asked, control or Control())


def run(engine: Engine, function: Run, todo: int | Sequence[range], **options: Any) -> Rows:
    """The rows of all outcomes by index; every index has exactly one row."""
    found = rows(execute(engine, function, todo, **options))
    by_index = {row["index"]: row for row in found}
    assert len(by_index) == len(found), "an index has more than one outcome"
    return by_index
