"""What holds for every word: a value or an error of ours, and values come back from their text."""

from __future__ import annotations

import datetime as dt
import enum
import math
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from superparams import Experiment, Params, search
from superparams.declare.words import parse
from superparams.errors import FieldError
from superparams.space.axis import Axis


def many(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,  # the same examples in every run
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class Color(enum.Enum):
    RED = 1
    BLUE = "blue, or so"


class May(enum.Flag):
    READ = 1
    WRITE = 2


class Adam(Params):
    rate: float = search([0.1, 0.2])
    layers: list[int] = [1]


class SGD(Params):
    momentum: float


class Node(Params):
    child: Node | None = None
    depth: int = 0


class Everything(Experiment):
    i: int = 1
    f: float = 0.5
    c: complex = 1j
    b: bool = False
    s: str = "a"
    y: bytes = b""
    p: Path = Path("a")
    any: Any = None
    maybe: int | None = None
    either: int | float | bool | str | None = None
    color: Color = search()
    may: May = May.READ
    mode: Literal["fast", "1", 1, None] = "fast"
    dec: Decimal = Decimal(1)
    frac: Fraction = Fraction(1)
    day: dt.date = dt.date(2024, 1, 1)
    at: dt.datetime = dt.datetime(2024, 1, 1)
    clock: dt.time = dt.time(1)
    span: dt.timedelta = dt.timedelta(1)
    id: uuid.UUID = uuid.UUID(int=0)
    ints: list[int] = search([[1], [2]])
    nested: list[list[str]] = []
    pair: tuple[int, str] = (1, "a")
    many: tuple[float, ...] = ()
    tags: set[str] = set()
    table: dict[str, list[int | None]] = {}
    free: dict = {}
    named: int = search({"small": 8, "large, or so": 64})
    opt: Adam | SGD = search([Adam(), SGD(momentum=0.5)])
    none: SGD | None = None
    tree: Node = Node()
    call: Callable[[], None] = len


FIELDS = list(Everything.keys(Everything()))
NAMES = [
    *FIELDS,
    *("opt.rate", "opt.layers", "opt.momentum", "none.momentum", "tree.child.depth", "tree.child"),
    *("no-such", "", ".", "opt.", ".opt", "opt.rate.x", "--i", "tree" + ".child" * 25, "\uff49"),
]
PIECES = [
    *"""[](){},:='"\\.-+_eEjJ0123456789 \t\n|/#~;\0\udcff""",
    *("..", "0..9", "9..0..2", "None", "true", "nan", "inf", "1e999", "b'", "0x", "RED", "READ"),
    *("Adam", "SGD", "Node", "small", "large, or so", "fast", "2024-05-01", "12:30", "90s", "1/3"),
    *("9" * 50, "9" * 5000, "[" * 50, "é", "介绍", "\\N{BULLET}", "\\x41", "\\U00110000", "set()"),
]
texts = st.text(max_size=12) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
names = st.sampled_from(NAMES) | st.text(max_size=5)
words = st.builds("{}={}".format, names, texts) | texts


def made_of(words: list[str]) -> Everything | None:
    """What words make of the class, None for an error of ours; anything else is raised."""
    try:
        return Everything.from_cli(words)
    except FieldError as error:
        message = str(error)
    message.encode()
    assert message.startswith(("Everything", "Adam", "SGD", "Node"))
    assert len(message) < 2000
    return None


@many(3000)
@given(st.lists(words, max_size=3))
@example(["any=" + "[" * 100_000])
@example(["any=" + "[" * 40 + "]" * 40])
@example(["nested=" + "[" * 5000 + "]" * 5000])
def test_words_are_a_value_or_an_error_of_ours(words: list[str]) -> None:
    found = made_of(words)
    if found is not None:
        assert repr(found)
        assert found.n_settings >= 1
        assert found[0].as_row()


@pytest.mark.parametrize("name", NAMES)
def test_every_field_takes_any_text_or_says_why_not(name: str) -> None:
    @many(150)
    @given(texts)
    def check(text: str) -> None:
        made_of([f"{name}={text}"])

    check()


def test_no_text_takes_long() -> None:
    """Nothing grows faster than the text: neither an expression that tries over, nor brackets."""
    started = time.process_time()
    for piece in ["[", "]", "'", "\\", ",", ":", "-", "0", "1", "_", ".", "e", "j", " ", "|", "[,"]:
        for name in FIELDS:
            made_of([f"{name}={piece * 20_000}"])
            made_of([f"{name}='{piece * 2_000}'"])
            made_of([f"{name}=[{piece * 2_000}]"])
    for start, end in [("[", "]"), ("{1:", "}"), ("(", ",)"), ("[[", "],1]")]:
        for name in FIELDS:
            made_of([f"{name}={start * 30}1{end * 30}"])
    assert time.process_time() - started < 60


# -- values come back from their text --------------------------------------------------------------


def made(annotation: Any) -> Any:
    namespace = {
        "__module__": __name__,
        "__qualname__": "Made",
        "__annotations__": {"x": annotation},
        "x": None,
    }
    return type(Params)("Made", (Params,), namespace)


def read(annotation: Any, text: str) -> Any:
    return parse(made(annotation), [f"x={text}"])["x"]


def is_same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(is_same, a.values(), b.values()))
    return bool(a == b)


anything = st.text() | st.text(st.sampled_from(PIECES[:40]))
floats = st.floats()
moments = st.datetimes(timezones=st.none() | st.just(dt.timezone.utc))
SCALARS: list[tuple[Any, st.SearchStrategy[Any], list[Callable[[Any], str]]]] = [
    (int, st.integers(), [str, hex, "{:_}".format]),
    (float, floats | st.integers(-5, 5).map(float), [str, repr]),
    (complex, st.complex_numbers(allow_nan=False), [str, repr]),
    (bool, st.booleans(), [str, lambda x: str(x).lower(), lambda x: str(int(x))]),
    (str, anything, [repr]),
    (bytes, st.binary(), [repr]),
    (Path, anything.filter(lambda x: x and "\0" not in x).map(Path), [lambda x: repr(str(x))]),
    (Decimal, st.decimals(allow_nan=False), [str]),
    (Fraction, st.fractions(), [str]),
    (dt.date, st.dates(), [str, dt.date.isoformat]),
    (dt.datetime, moments, [str, dt.datetime.isoformat]),
    (dt.time, st.times(), [str, dt.time.isoformat]),
    (dt.timedelta, st.timedeltas(), [lambda x: repr(str(x))]),
    (uuid.UUID, st.uuids(), [str, lambda x: x.hex]),
    (Color, st.sampled_from(Color), [str, lambda x: x.name, lambda x: repr(str(x.value))]),
    (May, st.sampled_from([May.READ, May.WRITE, May.READ | May.WRITE]), [str]),
    (Literal["a, b", 1, None], st.sampled_from(["a, b", 1, None]), [repr]),
    (int | None, st.none() | st.integers(), [repr]),
    (str | None, st.none() | anything, [repr]),
    (int | float | str | None, st.none() | st.integers() | floats | anything, [repr]),
]


@pytest.mark.parametrize(
    ("annotation", "values", "writers"), SCALARS, ids=[str(s[0]) for s in SCALARS]
)
def test_values_come_back(
    annotation: Any, values: Any, writers: list[Callable[[Any], str]]
) -> None:
    @many(300)
    @given(values, st.sampled_from(writers))
    def check(x: Any, write: Callable[[Any], str]) -> None:
        assert is_same(read(annotation, write(x)), x)

    check()


@many(1000)
@given(anything)
def test_text_stands_for_itself_unless_it_looks_like_more(text: str) -> None:
    assume(not set(text) & set(",") and not text.startswith(("'", '"')) and text == text.strip())
    assert read(str, text) == text


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.complex_numbers(allow_nan=False, allow_infinity=False)
    | anything
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | anything, inner, max_size=3)
        | st.sets(st.integers() | anything, max_size=3)
    ),
    max_leaves=8,
)


@many(1000)
@given(literals)
def test_literals_of_python_come_back(x: Any) -> None:
    assert is_same(read(Any, repr(x)), x)


def typed(depth: int) -> st.SearchStrategy[tuple[Any, Any]]:
    """An annotation and a value of it."""
    leaves = [
        st.tuples(st.just(int), st.integers()),
        st.tuples(st.just(float), st.floats(allow_nan=False)),
        st.tuples(st.just(bool), st.booleans()),
        st.tuples(st.just(str), anything),
        st.tuples(st.just(bytes), st.binary(max_size=5)),
        st.tuples(st.just(complex), st.complex_numbers(allow_nan=False)),
    ]
    leaf = st.one_of(leaves)
    return leaf if depth == 0 else leaf | typed(depth - 1).flatmap(wrapped)


def wrapped(inner: tuple[Any, Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    annotation, x = inner
    size = st.integers(0, 3)
    ways = [
        size.map(lambda n: (list[annotation], [x] * n)),  # type: ignore[valid-type]
        size.map(lambda n: (tuple[annotation, ...], (x,) * n)),
        st.just((tuple[annotation, int], (x, 7))),
        st.just((annotation | None, x)),
        st.just((annotation | None, None)),
        anything.map(lambda key: (dict[str, annotation], {key: x})),  # type: ignore[valid-type]
        st.integers().map(lambda key: (dict[int, annotation], {key: x})),  # type: ignore[valid-type]
    ]
    if x.__hash__ is not None and not isinstance(x, tuple):
        ways.append(st.just((set[annotation], {x})))  # type: ignore[valid-type]
        ways.append(st.just((frozenset[annotation], frozenset([x]))))  # type: ignore[valid-type]
    return st.one_of(ways)


@many(800)
@given(typed(3))
def test_typed_values_come_back(both: tuple[Any, Any]) -> None:
    annotation, x = both
    assert is_same(read(annotation, repr(x)), x)


@many(600)
@given(st.lists(typed(0), min_size=1, max_size=1), st.integers(2, 6), st.data())
def test_points_come_back(kinds: list[tuple[Any, Any]], size: int, data: st.DataObject) -> None:
    (annotation, _), *_ = kinds
    values = {
        int: st.integers(),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        str: anything,
        bytes: st.binary(max_size=5),
        complex: st.complex_numbers(allow_nan=False),
    }[annotation]
    points = data.draw(st.lists(values, min_size=2, max_size=size, unique=True))
    axis = vars(made(annotation)(x=read(annotation, ",".join(map(repr, points)))))["x"]
    assert isinstance(axis, Axis)
    assert is_same(list(axis.points), points)


@many(500)
@given(st.integers(), st.integers(), st.integers(1, 10**6))
def test_ranges_hold_both_ends(first: int, last: int, step: int) -> None:
    assume(abs(last - first) < 10**15)
    axis = vars(made(int)(x=read(int, f"{first}..{last}..{step}")))["x"]
    points = axis.points
    assert isinstance(points, range)
    assert points[0] == first
    assert abs(points[-1] - last) < step
    assert min(first, last) <= points[-1] <= max(first, last)
    assert len(points) == abs(last - first) // step + 1
    assert step != 1 or points[-1] == last
