"""One experiment that runs small programs: what `test_same_tables` makes its experiments of.

A program is a tuple of steps, each a tuple of plain data: (kind of step, name, ...). So an example
prints and shrinks well.
"""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from superparams import Experiment, Params, search, value


class Color(enum.Enum):
    RED = 1


class Record(NamedTuple):
    x: int
    seen: list[int]


@dataclasses.dataclass
class Point:
    x: int = 0
    path: list[int] = dataclasses.field(default_factory=list[int])


class Scores(dict[str, Any]):
    """A subclass of dict."""


class State:
    """An object with a repr; settings share it, and change it."""

    def __init__(self) -> None:
        self.count = 0

    def __repr__(self) -> str:
        return f"State({self.count})"


class Inner(Params):
    rate: float = 0.5
    sizes: list[int] = [1]
    modes: dict[str, int] = {"a": 1}


def vocabulary() -> dict[str, Any]:
    return {"words": ["a"], "ids": collections.OrderedDict(a=1)}


# ---- buffers: each is one object of a process, which every step fills anew

_LIST: list[Any] = []
_DICT: dict[str, Any] = {}
_SET: set[int] = set()
_SCORES = Scores()
_POINT = Point()
_RECORD = Record(0, [])
_STATE = State()
_BYTES = bytearray(3)
_CODES = array.array("q", [0, 0])
_FLOATS = np.zeros(3)
_GRID = np.zeros((2, 2), np.int16)
_RECORDS = np.zeros(2, [("a", "i8"), ("b", "f8")])
_OBJECTS = np.array([None, None], object)
_MASKED: Any = np.ma.masked_array(np.zeros(2), [False, True])


def _list(x: int) -> Any:
    _LIST[:] = [x] * (x % 4)
    return _LIST


def _mixed(x: int) -> Any:
    _LIST[:] = [x, "a", [x, {"x": x}]]
    return _LIST


def _dict(x: int) -> Any:
    _DICT.clear()
    _DICT.update({"x": x, "deep": {"list": [x]}})
    return _DICT


def _names(x: int) -> Any:
    _DICT.clear()
    _DICT[f"n{x % 3}"] = x
    return _DICT


def _set(x: int) -> Any:
    _SET.clear()
    _SET.update({x, x + 1})
    return _SET


def _scores(x: int) -> Any:
    _SCORES["x"] = x
    return _SCORES


def _point(x: int) -> Any:
    _POINT.x, _POINT.path[:] = x, [x]
    return _POINT


def _record(x: int) -> Any:
    _RECORD.seen[:] = [x]
    return _RECORD


def _state(x: int) -> Any:
    _STATE.count = x
    return _STATE


def _bytes(x: int) -> Any:
    _BYTES[0] = x % 256
    return _BYTES


def _view(x: int) -> Any:
    return memoryview(_bytes(x))


def _codes(x: int) -> Any:
    _CODES[0] = x
    return _CODES


def _floats(x: int) -> Any:
    _FLOATS[:] = x / 2
    return _FLOATS


def _part(x: int) -> Any:
    return _floats(x)[::2]


def _grid(x: int) -> Any:
    _GRID[:] = x
    return _GRID


def _records(x: int) -> Any:
    _RECORDS["a"] = x
    return _RECORDS


def _objects(x: int) -> Any:
    _OBJECTS[:] = [x, f"{x}"]
    return _OBJECTS


def _masked(x: int) -> Any:
    _MASKED.data[:] = x
    return _MASKED


def _arrays(x: int) -> Any:
    return [_floats(x), _FLOATS[1:]]


BUFFERS: dict[str, Callable[[int], Any]] = {
    made.__name__.strip("_"): made
    for made in (
        *(_list, _mixed, _dict, _names, _set, _scores, _point, _record, _state, _bytes, _view),
        *(_codes, _floats, _part, _grid, _records, _objects, _masked, _arrays),
    )
}
LITERALS: dict[str, Any] = {
    "none": None,
    "true": True,
    "big": 2**70,
    "nan": float("nan"),
    "infinite": float("-inf"),
    "text": "ä\n",
    "surrogate": "\udcff",
    "bytes": b"\0a",
    "complex": 1 + 2j,
    "decimal": decimal.Decimal("1.50"),
    "date": dt.date(2024, 2, 29),
    "time": dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc),
    "color": Color.RED,
    "path": Path("a/b"),
    "class": Color,
    "float32": np.float32(0.1),
    "int8": np.int8(3),
    "moment": np.datetime64("2024-02-29"),
    "empty list": [],
    "empty dict": {},
    "nested": {"a": {"b": [1, 2.5, None]}},
    "module": sys,  # no table can hold it
}
ERRORS: dict[str, type[BaseException]] = {
    "value": ValueError,
    "key": KeyError,
    "exit": SystemExit,
}
# From the global generators, which each setting finds seeded with a seed of its own.
DRAWS: dict[str, Callable[[], float]] = {"random": random.random, "numpy": np.random.random}
FIELDS = ("layers", "options", "tags", "sizes", "modes", "words", "mask", "first")


class Interpreted(Experiment):
    """Runs `program` for each `x`."""

    program: tuple[Any, ...] = search([((),)])
    x: int = search(range(2))
    number: Any = 1.5
    layers: list[int] = [1, 2]
    options: dict[str, Any] = {"name": "sgd", "rate": 0.1}
    tags: set[str] = {"a"}
    inner: Inner = Inner()
    state: State = value(State())
    words: dict[str, Any] = value(factory=vocabulary)
    mask: Any = value(derive=lambda s: np.zeros(len(s.layers)))
    first: list[int] = value(derive=lambda s: list(s.layers))
    depth: int = value(derive=lambda s: len(s.layers) + len(s.inner.sizes) + len(s.words["words"]))

    def setup(self) -> None:
        self.history: list[float] = []

    def __post_init__(self) -> None:
        if self.number == 2:
            self.layers.append(9)

    def run(self) -> Any:
        return self.interpreted()

    def interpreted(self) -> Any:
        """What the program makes."""
        result: dict[str, Any] = {}
        for kind, *rest in self.program:
            end = getattr(self, f"do_{kind}")(result, *rest)
            if end is not None:
                return end[0]
        return result

    # -- steps; what one returns ends the program

    def do_put(self, result: dict[str, Any], name: str, literal: str) -> None:
        result[name] = LITERALS[literal]

    def do_count(self, result: dict[str, Any], name: str, by: float) -> None:
        result[name] = self.x * by

    def do_buffer(self, result: dict[str, Any], name: str, buffer: str) -> None:
        result[name] = BUFFERS[buffer](self.x)

    def do_history(self, result: dict[str, Any], name: str) -> None:
        self.history.clear()
        self.history.extend([self.x, self.x / 2])
        result[name] = self.history

    def do_read(self, result: dict[str, Any], name: str, field: str) -> None:
        result[name] = self.field(field)

    def do_depth(self, result: dict[str, Any], name: str) -> None:
        result[name] = self.depth

    def do_change(self, _: dict[str, Any], field: str) -> None:
        x = self.field(field)
        kind: type[Any] = type(x)  # pyright: ignore[reportUnknownVariableType]
        if kind is list:
            x.append(self.x)
        elif kind is dict:
            x[f"x{self.x % 3}"] = self.x
        elif kind is set:
            x.add(f"x{self.x % 3}")
        else:
            x[:] = self.x
        self.words["words"].append("b")
        self.state.count += 1

    def do_empty(self, _: dict[str, Any], field: str) -> None:
        x = self.field(field)
        if hasattr(x, "clear"):
            x.clear()

    def do_print(self, _: dict[str, Any], text: str) -> None:
        print(text, self.x)

    def do_draw(self, result: dict[str, Any], name: str, source: str) -> None:
        result[name] = DRAWS[source]()

    def do_raise(self, _: dict[str, Any], error: str, every: int) -> None:
        if self.x % every == 0:
            raise ERRORS[error](f"at {self.x}")

    def do_whole(self, _: dict[str, Any], buffer: str) -> Any:
        return (BUFFERS[buffer](self.x),)

    def do_nothing(self, _: dict[str, Any]) -> Any:
        return (None,)

    def do_frame(self, _: dict[str, Any], rows: int) -> Any:
        import pyarrow as pa

        _FLOATS[:] = self.x
        array = pa.Array.from_buffers(pa.float64(), rows, [None, pa.py_buffer(_FLOATS)])
        return (pa.table({"frame": array}),)

    def field(self, name: str) -> Any:
        return getattr(self.inner if name in ("sizes", "modes") else self, name)


class InterpretedLater(Interpreted):
    """The same as a coroutine: settings take turns in one event loop before they begin."""

    async def run(self) -> Any:
        for _ in range(self.x % 3):
            await asyncio.sleep(0)
        return self.interpreted()
