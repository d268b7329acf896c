"""A row holds what `run` returned at that moment, whatever becomes of the objects afterwards."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import functools
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from carriers import ENGINES, options

from superparams import Experiment, search
from superparams.outcomes.result_copies import Frozen, Refused, frozen
from tests.sweeps import swept

pytestmark = pytest.mark.usefixtures("no_leaks")

# ---- what settings return again and again, each time with other content


class Scores(dict[str, Any]):
    """A subclass of dict, as configuration libraries have them."""


class History(list[int]):
    """A subclass of list."""


@dataclasses.dataclass
class Point:
    x: int = 0
    path: list[int] = dataclasses.field(default_factory=list)


class Pair(NamedTuple):
    x: int
    path: list[int]


class Meter:
    """An object with a repr."""

    def __init__(self) -> None:
        self.count = 0

    def __repr__(self) -> str:
        return f"Meter({self.count})"


class View(Mapping[str, Any]):
    """A mapping that is a view of an object."""

    def __init__(self, of: Point) -> None:
        self.of = of

    def __getitem__(self, name: str) -> Any:
        return vars(self.of)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self.of))

    def __len__(self) -> int:
        return len(vars(self.of))


class Tagged:
    """A name of a result that is an object."""

    def __init__(self) -> None:
        self.x = 0

    def __str__(self) -> str:
        return f"n{self.x}"


class Mode(enum.Enum):
    ON = 1


LIST: list[Any] = []
DICT: dict[str, Any] = {}
SET: set[int] = set()
SCORES = Scores()
HISTORY = History()
POINT = Point()
PAIR = Pair(0, [])
METER = Meter()
TAGGED = Tagged()
COUNTS: collections.Counter[str] = collections.Counter()
BYTES = bytearray(2)
CODES = array.array("q", [0, 0])
FLOATS = np.zeros(3)
GRID = np.zeros((2, 2), np.int32)
RECORDS = np.zeros(2, [("a", "i8"), ("b", "f8")])
OBJECTS = np.array([None, None], object)
MASKED: Any = np.ma.masked_array(np.zeros(2), [False, True])
TIMES = np.zeros(1, "M8[s]")
SERIES = pd.Series(np.zeros(2))
FRAME = pd.DataFrame({"frame": np.zeros(2)})
ARROW = pa.Array.from_buffers(pa.float64(), 3, [None, pa.py_buffer(FLOATS)])


@functools.lru_cache
def cached(name: str) -> dict[str, Any]:
    return {"name": name, "n": 0, "inner": {"deep": []}}


def of_list(x: int) -> tuple[Any, Any]:
    LIST[:] = [x, [x, {"x": x}]]
    return LIST, f'[{x}, [{x}, {{"x": {x}}}]]'


def of_numbers(x: int) -> tuple[Any, Any]:
    HISTORY[:] = [x] * (x + 1)
    return HISTORY, [x] * (x + 1)


def of_tuple(x: int) -> tuple[Any, Any]:
    DICT["t"] = DICT.get("t", ([0], (np.zeros(1),)))
    DICT["t"][0][0] = x
    DICT["t"][1][0][0] = x
    return DICT["t"][0], [x]


def of_arrays_in_a_list(x: int) -> tuple[Any, Any]:
    FLOATS[:] = x
    return [FLOATS, FLOATS[1:]], [[float(x)] * 3, [float(x)] * 2]


def of_arrays_in_objects(x: int) -> tuple[Any, Any]:
    FLOATS[:] = x
    held = np.empty(1, object)
    held[0] = FLOATS
    return held, [[float(x)] * 3]


def of_set(x: int) -> tuple[Any, Any]:
    SET.clear()
    SET.update({x, x + 1})
    return SET, [x, x + 1]


def of_keys(x: int) -> tuple[Any, Any]:
    DICT.clear()
    DICT[f"k{x}"] = x
    return DICT.keys(), [f"k{x}"]


def of_repr(x: int) -> tuple[Any, Any]:
    METER.count = x
    return METER, f"Meter({x})"


def of_reprs(x: int) -> tuple[Any, Any]:
    METER.count = x
    return [METER, METER], [f"Meter({x})"] * 2


def of_bytes(x: int) -> tuple[Any, Any]:
    BYTES[:] = bytes([x, x])
    return BYTES, bytes([x, x])


def of_view_of_bytes(x: int) -> tuple[Any, Any]:
    BYTES[:] = bytes([x, x])
    return memoryview(BYTES), bytes([x, x])


def of_codes(x: int) -> tuple[Any, Any]:
    CODES[0] = x
    return CODES, f"array('q', [{x}, 0])"


def of_array(x: int) -> tuple[Any, Any]:
    np.multiply(np.arange(3.0), x, out=FLOATS)
    return FLOATS, [0.0, float(x), 2.0 * x]


def of_part(x: int) -> tuple[Any, Any]:
    np.multiply(np.arange(3.0), x, out=FLOATS)
    return FLOATS[::2], [0.0, 2.0 * x]


def of_scalar_array(x: int) -> tuple[Any, Any]:
    FLOATS[0] = x
    return FLOATS[:1].reshape(()), float(x)


def of_grid(x: int) -> tuple[Any, Any]:
    GRID[:] = x
    return GRID, [[x, x], [x, x]]


def of_records(x: int) -> tuple[Any, Any]:
    RECORDS["a"] = x
    return RECORDS, [{"a": x, "b": 0.0}] * 2


def of_record(x: int) -> tuple[Any, Any]:
    RECORDS["a"] = x
    return [RECORDS[0]], [{"a": x, "b": 0.0}]


def of_objects(x: int) -> tuple[Any, Any]:
    OBJECTS[:] = [x, x]
    return OBJECTS, [x, x]


def of_masked(x: int) -> tuple[Any, Any]:
    MASKED.data[:] = x
    return MASKED, [float(x), None]


def of_times(x: int) -> tuple[Any, Any]:
    TIMES[0] = np.datetime64(x, "s")
    return TIMES.astype(object)[0].second, x


def of_series(x: int) -> tuple[Any, Any]:
    SERIES[:] = x
    return SERIES, [float(x)] * 2


def of_arrow(x: int) -> tuple[Any, Any]:
    FLOATS[:] = x
    return ARROW, [float(x)] * 3


def of_polars(x: int) -> tuple[Any, Any]:
    FLOATS[:] = x
    return pl.Series(ARROW), [float(x)] * 3


VALUES: dict[str, Callable[[int], tuple[Any, Any]]] = {
    name.removeprefix("of_"): make for name, make in list(globals().items()) if "of_" in name[:3]
}

# ---- whole results, and what stands in their columns


def all_of_cache(x: int) -> tuple[Any, dict[str, Any]]:
    config = cached("a")
    config["n"] = x
    config["inner"]["deep"][:] = [x]
    return config, {"name": "a", "n": x, "inner.deep": [x]}


def all_of_subclass(x: int) -> tuple[Any, dict[str, Any]]:
    SCORES["x"] = x
    SCORES["inner"] = SCORES.get("inner", Scores())
    SCORES["inner"]["y"] = x
    return SCORES, {"x": x, "inner.y": x}


def all_of_view(x: int) -> tuple[Any, dict[str, Any]]:
    POINT.x, POINT.path[:] = x, [x]
    return View(POINT), {"x": x, "path": [x]}


def all_of_proxy(x: int) -> tuple[Any, dict[str, Any]]:
    POINT.x, POINT.path[:] = x, [x]
    return {"inner": types.MappingProxyType(vars(POINT))}, {"inner.x": x, "inner.path": [x]}


def all_of_dataclass(x: int) -> tuple[Any, dict[str, Any]]:
    POINT.x, POINT.path[:] = x, [x]
    return {"p": POINT, "deep": {"p": POINT}}, {
        "p.x": x,
        "p.path": [x],
        "deep.p.x": x,
        "deep.p.path": [x],
    }


def all_of_named_tuple(x: int) -> tuple[Any, dict[str, Any]]:
    PAIR.path[:] = [x]
    return {"p": PAIR}, {"p.x": 0, "p.path": [x]}


def all_of_counter(x: int) -> tuple[Any, dict[str, Any]]:
    COUNTS["seen"] = x
    return {"counts": COUNTS}, {"counts.seen": x}


def all_of_names(x: int) -> tuple[Any, dict[str, Any]]:
    TAGGED.x = x
    return {TAGGED: x}, {f"n{x}": x}


WHOLES: dict[str, Callable[[int], tuple[Any, dict[str, Any]]]] = {
    name: make for name, make in list(globals().items()) if name.startswith("all_of_")
}


FRAMES = ("frame of pandas", "table", "stream", "frame of polars")


def frame(kind: str, x: int) -> Any:
    FRAME.loc[:, "frame"] = float(x)
    FLOATS[:] = x
    table = pa.table({"frame": ARROW})
    if kind == "frame of pandas":
        return FRAME
    if kind == "stream":
        return table.to_reader()
    return table if kind == "table" else pl.DataFrame({"frame": pl.Series(ARROW)})


class Faces(Experiment):
    """Each face returns one object again and again; `setup` makes some that settings share."""

    face: str = search([*VALUES, *WHOLES, *FRAMES, "kept", "left"])
    x: int = search(range(4))

    def setup(self) -> None:
        self.history: list[float] = []
        self.buffer = np.zeros(2)
        self.last: dict[str, Any] = {"steps": []}
        self.writers: list[tuple[threading.Event, threading.Thread]] = []

    def run(self) -> Any:
        self.let_write()
        if self.face in VALUES:
            return {f"{self.face}!": VALUES[self.face](self.x)[0]}
        if self.face in WHOLES:
            return WHOLES[self.face](self.x)[0]
        if self.face in FRAMES:
            return frame(self.face, self.x)
        return self.kept() if self.face == "kept" else self.left()

    def kept(self) -> dict[str, Any]:
        self.history.clear()
        self.history += [self.x, self.x / 2]
        self.buffer[:] = self.x
        self.last["steps"].append(self.x)
        del self.last["steps"][:-1]
        return {"history": self.history, "buffer": self.buffer, "last": self.last}

    def left(self) -> dict[str, Any]:
        """Leave a thread behind that writes while the next setting runs."""
        sizes, seen = {"n": self.x}, [self.x]
        result: dict[str, Any] = {"sizes": sizes, "seen": seen}
        may_write = threading.Event()

        def write_late() -> None:
            may_write.wait()
            sizes["n"] = -1
            sizes["late"] = 1
            seen.append(-1)
            result["late"] = -1

        self.writers.append((may_write, threading.Thread(target=write_late)))
        self.writers[0][1].start()
        return result

    def let_write(self) -> None:
        for may_write, writer in self.writers:
            may_write.set()
            writer.join()
        self.writers.clear()

    def teardown(self) -> None:
        self.let_write()


def expected(face: str, x: int) -> dict[str, Any]:
    if face in VALUES:
        return {f"{face}!": VALUES[face](x)[1]}
    if face in WHOLES:
        return WHOLES[face](x)[1]
    if face == "kept":
        return {"history": [x, x / 2], "buffer": [x, x], "last.steps": [x]}
    return {"sizes.n": x, "seen": [x]} if face == "left" else {"frame": float(x)}


@pytest.fixture(params=swept(3, ENGINES))
def how(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    with options(request.param) as made:
        yield {**made, "progress": False}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_41_a_row_holds_what_run_returned(how: dict[str, Any]) -> None:
    table = Faces().run_all(**how)
    assert [row["error"] for row in table if row["error"]] == []
    assert not {"late", "sizes.late"} & set(table.columns)
    assert len(table) == 4 * (len(VALUES) + len(WHOLES) + 2) + 4 * (2 + 3 * 3)
    for row in table:
        face, wanted = row["face"], expected(row["face"], row["x"])
        found = {name: row.get(f"result.{name}", row.get(name)) for name in wanted}
        assert found == wanted, face


def test_41_a_container_may_grow_while_it_is_copied() -> None:
    is_over = threading.Event()
    grows: dict[str, Any] = {"a": {}, "b": [], "c": set()}

    def grow() -> None:
        number = 0
        while not is_over.is_set():
            number = number % 1000 + 1
            grows["a"][f"{number}"] = number
            grows["b"].append(number)
            grows["c"].add(number)
            if number == 1000:
                grows["a"].clear()
                grows["b"].clear()
                grows["c"].clear()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        made = [frozen({"inner": grows, "x": 1}) for _ in range(500)]
    finally:
        is_over.set()
        writer.join()
    kinds = {type(x) for one in made for x in [one["inner"], *one["inner"].values()]}
    assert kinds == {dict, list, set}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (lambda: [1, [2.0, "a"], (None, {1})], list),
        (lambda: {"a": {"b": [1]}}, dict),
        (lambda: np.arange(3), np.ndarray),
        (lambda: bytearray(b"a"), bytes),
        (lambda: Point(1, [2]), dict),
        (lambda: np.float32(1), np.float32),
        (lambda: Mode.ON, Frozen),
        (lambda: [Meter()], Frozen),
        (lambda: Path("a"), Frozen),
        (lambda: threading.Lock(), Refused),
        (lambda: object(), Refused),
    ],
)
def test_41_what_can_change_is_copied_and_the_rest_is_a_cell(
    value: Callable[[], Any], kind: type
) -> None:
    given = value()
    (made,) = frozen({"a": given}).values()
    assert type(made) is kind
    assert made is not given or kind is np.float32


def test_41_a_failure_names_the_result_whichever_way_it_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)

    class Broken:
        def __repr__(self) -> str:
            raise OSError("gone")

    class Odd(Experiment):
        kind: int = search(range(4))

        def run(self) -> dict[str, Any]:
            values: list[Any] = [threading.Lock(), Broken(), loop, [{"a": [Broken()]}]]
            return {"fine": 1, "inner": {"odd": values[self.kind]}}

    rows = list(Odd().run_all(progress=False))
    assert [row["status"] for row in rows] == ["failed"] * 4
    assert all("result 'inner.odd'" in row["error"] for row in rows)
    told = ["a table cannot hold <unlocked _thread.lock", "gone", "recursion", "gone"]
    assert all(
        part in row["error"].replace("'_thread", "_thread")
        for part, row in zip(told, rows, strict=True)
    )
