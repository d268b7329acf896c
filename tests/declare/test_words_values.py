"""One value from a text, as the annotation of its field says."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
import numbers
import sys
import typing
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal, NamedTuple, NewType, Optional, TypeVar, Union

import numpy as np
import pytest
from one_field import made, meant

from superparams import Params
from superparams.errors import FieldError


class Color(enum.Enum):
    RED = 1
    BLUE = "azure"
    GREEN = "RED"  # the name of another


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Twice(enum.Enum):
    WORD = "1"
    NUMBER = 1


class May(enum.Flag):
    READ = 1
    WRITE = 2


class Size(NamedTuple):
    width: int
    name: str


class Options(typing.TypedDict):
    a: int
    b: list[str]


class Seed(int):
    """A number of a class of its own."""


class Name(str):
    """Text of a class of its own."""


class Even(int):
    def __new__(cls, x: int) -> Even:
        if x % 2:
            raise RuntimeError("odd")
        return super().__new__(cls, x)


class Clamped(int):
    def __new__(cls, x: int) -> Clamped:
        return super().__new__(cls, min(x, 5))


UserId = NewType("UserId", int)
Inner = NewType("Inner", UserId)
Bound = TypeVar("Bound", bound=float)
Either = TypeVar("Either", int, bool)
Free = TypeVar("Free")

UTC_MOMENT = dt.datetime(2024, 5, 1, 12, 30, 5, 123456, tzinfo=dt.timezone.utc)
VALUES: list[tuple[Any, str, Any]] = [
    # numbers
    (int, "5", 5),
    (int, "-5", -5),
    (int, "+5", 5),
    (int, " 5 ", 5),
    (int, "007", 7),
    (int, "1_000", 1000),
    (int, "0x10", 16),
    (int, "-0b11", -3),
    (int, "1e6", 10**6),
    (int, "9" * 4000, int("9" * 4000)),
    (float, "0.1", 0.1),
    (float, "5", 5.0),
    (float, "1e-5", 1e-5),
    (float, ".5", 0.5),
    (float, "inf", math.inf),
    (float, "-Infinity", -math.inf),
    (float, "nan", math.nan),
    (complex, "1+2j", 1 + 2j),
    (complex, "(1+2j)", 1 + 2j),
    (complex, "3", 3 + 0j),
    (Decimal, "0.10", Decimal("0.10")),
    (Decimal, "1e999999", Decimal("1e999999")),
    (Fraction, "1/3", Fraction(1, 3)),
    (Fraction, "0.25", Fraction(1, 4)),
    (np.float64, "0.5", np.float64(0.5)),
    (np.float32, "0.5", np.float32(0.5)),
    (np.int8, "100", np.int8(100)),
    (np.bool_, "true", np.True_),
    # truth, in any case
    *[(bool, text, True) for text in ("true", "True", "TRUE", "yes", "on", "1", "On")],
    *[(bool, text, False) for text in ("false", "False", "no", "off", "0", "OFF")],
    # text
    (str, "a", "a"),
    (str, "", ""),
    (str, "''", ""),
    (str, "  a b  ", "a b"),
    (str, '" a "', " a "),
    (str, '"a,b"', "a,b"),
    (str, "'a,b'", "a,b"),
    (str, "it's", "it's"),
    (str, "a=b=c", "a=b=c"),
    (str, "5", "5"),
    (str, "None", "None"),
    (str, "true", "true"),
    (str, "[]", "[]"),
    (str, "f(a,b)", "f(a,b)"),
    (str, ":(", ":("),
    (str, "a)", "a)"),
    (str, "C:\\new", "C:\\new"),
    (str, "#|~/.*", "#|~/.*"),
    (str, "913264e", "913264e"),
    (str, "0..9", "0..9"),
    (str, "介绍", "介绍"),
    (str, "a\0b", "a\0b"),
    (str, "\udcff", "\udcff"),
    (str, r"'a\'b\n\x41\u00e9\101\\\d\N{BULLET}'", "a'b\nAéA\\\\d•"),
    (str, "'a\\\nb'", "ab"),
    (bytes, "b'a,\\xff'", b"a,\xff"),
    (bytes, "é", "é".encode()),
    (bytes, "\udcff", b"\xff"),
    (Path, "data/a.csv", Path("data/a.csv")),
    (Path, '"a,b.csv"', Path("a,b.csv")),
    (PurePosixPath, "/a", PurePosixPath("/a")),
    # times
    (dt.date, "2024-05-01", dt.date(2024, 5, 1)),
    (dt.datetime, "2024-05-01T12:30:05.25", dt.datetime(2024, 5, 1, 12, 30, 5, 250000)),
    (dt.datetime, "2024-05-01T12:30:05.123456Z", UTC_MOMENT),
    (dt.datetime, "2024-05-01 12:30", dt.datetime(2024, 5, 1, 12, 30)),
    (dt.datetime, "2024-05-01", dt.datetime(2024, 5, 1)),
    (dt.datetime, "2024-05-01T12:30Z", dt.datetime(2024, 5, 1, 12, 30, tzinfo=dt.timezone.utc)),
    (dt.time, "12:30", dt.time(12, 30)),
    (dt.timedelta, "90s", dt.timedelta(seconds=90)),
    (dt.timedelta, "1h30m", dt.timedelta(minutes=90)),
    (dt.timedelta, "1.5d", dt.timedelta(hours=36)),
    (dt.timedelta, "250ms", dt.timedelta(milliseconds=250)),
    (dt.timedelta, "-2m", dt.timedelta(minutes=-2)),
    (dt.timedelta, "1:30:00", dt.timedelta(minutes=90)),
    (dt.timedelta, '"2 days, 0:00:01"', dt.timedelta(days=2, seconds=1)),
    (dt.timedelta, '"-1 day, 23:59:59"', dt.timedelta(seconds=-1)),
    (uuid.UUID, "1" * 32, uuid.UUID("1" * 32)),
    # enums and literals
    (Color, "RED", Color.RED),
    (Color, "Color.RED", Color.RED),
    (Color, "azure", Color.BLUE),
    (Color, "1", Color.RED),
    (Color, "blue", Color.BLUE),
    (Level, "HIGH", Level.HIGH),
    (Level, "2", Level.HIGH),
    (May, "READ|WRITE", May.READ | May.WRITE),
    (May, str(May.READ | May.WRITE), May.READ | May.WRITE),
    (May, "3", May.READ | May.WRITE),
    (May, "0", May(0)),
    (Literal["a", "b"], "b", "b"),
    (Literal["a", "b"], "'b'", "b"),
    (Literal["Fast", "exact"], "fast", "Fast"),
    (Literal[1, "1"], "1", 1),
    (Literal[1, "1"], "'1'", "1"),
    (Literal[True, 0, None], "true", True),
    (Literal[True, 0, None], "0", 0),
    (Literal[True, 0, None], "None", None),
    (Literal[Color.RED, b"x"], "RED", Color.RED),
    (Literal[Color.RED, b"x"], "b'x'", b"x"),
    # containers
    (list[int], "[64,64]", [64, 64]),
    (list[int], "[ 64 , 64 , ]", [64, 64]),
    (list[int], "[]", []),
    (list[int], "(1,2)", [1, 2]),
    (list[str], "[a, b]", ["a", "b"]),
    (list[str], "['a,b', \"it's\", c]", ["a,b", "it's", "c"]),
    (list[str], "[x, \"a,b\",  'c,d']", ["x", "a,b", "c,d"]),
    (dict[str, str], '{k: "a,b", l:"c,d"}', {"k": "a,b", "l": "c,d"}),
    (list[list[int]], "[[1],[2,3],[]]", [[1], [2, 3], []]),
    (list, "[1, a, 2.5, None]", [1, "a", 2.5, None]),
    (list[int | None], "[1,None]", [1, None]),
    (list[float], "[1,nan]", [1.0, math.nan]),
    (Sequence[int], "[1]", [1]),
    (Iterable[int], "[1]", [1]),
    (typing.List[int], "[1]", [1]),  # noqa: UP006
    (collections.deque[int], "[1,2]", collections.deque([1, 2])),
    (tuple[int, int], "(3,3)", (3, 3)),
    (tuple[int, int], "[3,3]", (3, 3)),
    (tuple[int, str], "(3,a)", (3, "a")),
    (tuple[int, ...], "(3,)", (3,)),
    (tuple[int, ...], "(3)", (3,)),
    (tuple[int, ...], "()", ()),
    (tuple, "(1,a)", (1, "a")),
    (Size, "(3,big)", Size(3, "big")),
    (set[int], "{1,2}", {1, 2}),
    (set[int], "[1,2]", {1, 2}),
    (set[int], "{}", set()),
    (set[int], "set()", set()),
    (frozenset[str], "frozenset({'a'})", frozenset({"a"})),
    (dict[str, int], "{a: 1, 'b:c': 2}", {"a": 1, "b:c": 2}),
    (dict[str, int], '{"a":1}', {"a": 1}),
    (dict[str, int], "{}", {}),
    (dict[int, list[str]], "{1: [a,b]}", {1: ["a", "b"]}),
    (dict[str, str], "{url: http://x}", {"url": "http://x"}),
    (Mapping[str, float], "{a: 1}", {"a": 1.0}),
    (dict, "{1: a, b: [2]}", {1: "a", "b": [2]}),
    (Options, "{a: 1, b: [x]}", {"a": 1, "b": ["x"]}),
    # unions: the least doubtful member, text last
    (int | None, "None", None),
    (int | None, "none", None),
    (int | None, "3", 3),
    (Optional[str], "None", None),  # noqa: UP045
    (str | None, "none", "none"),
    (str | None, "'None'", "None"),
    (str | None, "", ""),
    (Union[str, int], "1", 1),  # noqa: UP007
    (str | int, "'1'", "1"),
    (str | int, "1.5", "1.5"),
    (float | int, "1", 1),
    (float | int, "1.0", 1.0),
    (int | float, "1e3", 1000.0),
    (bool | int, "1", 1),
    (bool | int, "true", True),
    (bool | str, "true", True),
    (bool | str, "no", "no"),
    (bool | float, "yes", True),
    (str | Path, "a", "a"),
    (Path | str, "a", Path("a")),
    (str | list[str], "a", "a"),
    (str | list[str], "[a]", ["a"]),
    (list[str] | list[int], "[1,2]", [1, 2]),
    (list[int] | tuple[int, ...], "(1,)", (1,)),
    (dt.datetime | dt.date, "2024-05-01", dt.date(2024, 5, 1)),
    (Color | int, "1", 1),
    (Literal["auto"] | int, "auto", "auto"),
    (str | bytes, "b'x'", b"x"),
    # anything: as Python reads it, else text
    *[
        (Any, text, eval(text))
        for text in ("1", "-2.5", "0x1f", "1e3", "2j", "None", "True", "'a'")
    ],
    *[(Any, text, eval(text)) for text in ("[1, [2]]", "(1,)", "()", "(1)", "(1+2j)", "{1, 2}")],
    *[(Any, text, eval(text)) for text in ("{}", "{'a': (1, 2)}", "b'x'", "set()", "1_0", "007.5")],
    (Any, "", ""),
    (Any, "abc", "abc"),
    (Any, "true", "true"),
    (Any, "007", "007"),
    (Any, "1.2.3", "1.2.3"),
    (Any, "2024-05-01", "2024-05-01"),
    (Any, "[a, {b: c}]", ["a", {"b": "c"}]),
    (Any, "(a b)", "(a b)"),
    (object, "1", 1),
    # wrappers
    (Annotated[int, "doc"], "1", 1),
    (Annotated[int | None, "doc"], "None", None),
    (Final[int], "1", 1),
    (Final, "1", 1),
    (numbers.Real, "1", 1),
    (numbers.Number, "2j", 2j),
    (UserId, "1", 1),
    (Inner, "1", 1),
    (list[UserId], "[1]", [1]),
    (Bound, "1", 1.0),
    (Either, "true", True),
    (Free, "1", 1),
    ("int | None", "None", None),
    ("list['int'] | None", "[1]", [1]),
    (list["int"], "[1]", [1]),  # type: ignore[name-defined]
    (Seed, "3", Seed(3)),
    (Name, "a", Name("a")),
    (Even, "4", Even(4)),
]


def is_same(a: Any, b: Any) -> bool:
    if isinstance(b, float) and math.isnan(b):
        return isinstance(a, float) and math.isnan(a)
    if isinstance(b, list | tuple) and len(a) == len(b):
        return type(a) is type(b) and all(map(is_same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(("annotation", "text", "expected"), VALUES)
def test_a_value(annotation: Any, text: str, expected: Any) -> None:
    found = meant(annotation, text)
    assert is_same(found, expected), f"{found!r} is a {type(found).__name__}"


WRONG: list[tuple[Any, str, str]] = [
    (int, "1.5", "Made.x takes int, not '1.5'; write x=1, or x=1,2 to search"),
    (int, "abc", "Made.x takes int, not 'abc'; write x=1, or x=1,2 to search"),
    (int, "", "Made.x takes int, not ''; write x=1"),
    (int, "'5'", "Made.x takes int, not \"'5'\""),
    (int, "1e-3", "takes int"),
    (int, "True", "takes int"),
    (int, "9" * 5000, "Python reads no number with so many digits"),
    (int, "1e99999", "takes int"),
    (float, "1/3", "Made.x takes float, not '1/3'; write x=0.1, or x=0.1,0.01 to search"),
    (float, "1e400", "it is too large for a float"),
    (float, "", "takes float, not ''"),
    (bool, "0..9", "a range is for int and float fields"),
    (complex, "1e400", "too large"),
    (Decimal, "x", "takes Decimal, not 'x'"),
    (Decimal, "sNaN", "a signalling NaN cannot be compared"),
    (Fraction, "1e999999999", "takes Fraction"),
    (Fraction, "1/0", "takes Fraction"),
    (np.int8, "300", "int8"),
    (bool, "maybe", "Made.x takes bool, not 'maybe'; write x=true, or x=true,false to search"),
    (bool, "", "takes bool"),
    (bool, "2", "takes bool"),
    (str, "'a", "the quote is never closed"),
    (str, "'a'b", "the quote is closed before the end"),
    (str, r"'\U00110000'", "is not a character"),
    (str, r"'\N{no such name}'", "is not a character"),
    (bytes, "b'é'", "ASCII"),
    (bytes, r"b'\777'", "an escape does not fit into a byte"),
    (bytes, "", "takes bytes"),
    (bytes, "\ud800", "cannot be encoded"),
    (Path, "", "takes Path, not ''; write x=a.csv"),
    (Path, "a\0b", "a path holds no NUL"),
    (dt.date, "2024-13-01", "takes date, not '2024-13-01'; write x=2024-05-01"),
    (dt.datetime, "now", "takes datetime"),
    (dt.timedelta, "90", "takes timedelta, not '90'; write x=90s, or x=90s,1h30m to search"),
    (dt.timedelta, "1h30", "takes timedelta"),
    (dt.timedelta, "9" * 30 + "d", "takes timedelta"),
    (dt.timedelta, "9" * 400 + "d", "takes timedelta"),
    (dt.timedelta, "9" * 30 + ":00:00", "takes timedelta"),
    (uuid.UUID, "x", "takes UUID, not 'x'; write x=12345678-1234-5678-1234-567812345678"),
    (Color, "pink", "takes RED | BLUE | GREEN, not 'pink'; write x=RED, or x=RED,BLUE to search"),
    (Twice, "1", "it may be any of WORD, NUMBER; write the name of one"),
    (May, "8", "takes READ | WRITE, not '8'"),
    (May, "READ|EAT", "takes READ | WRITE"),
    (Literal["a", "b"], "c", "Made.x takes a | b, not 'c'; write x=a, or x=a,b to search"),
    (Literal["a,b", 1], "c", "write x='a,b', or x='a,b',1 to search"),
    (Literal["a", "A"], "'b'", "takes a | A"),
    (list[int], "64", "takes list[int], not '64'; write x=[1,2], or x=[1,2],[2] to search"),
    (list[int], "[64,x]", "'x' in it is not of type int"),
    (list[int], f"[{'x' * 9999}]", "in it is not of type int"),
    (str, "'\\N{" + "x" * 9999 + "}'", "is not a character"),
    (Literal["\udcff", "", "a b"], "c", r"takes '\udcff' | '' | 'a b', not 'c'; write x='\udcff'"),
    (list[int], "[1,,2]", "there is nothing between two commas"),
    (list[int], "[1", "[ must be closed by ] at its end"),
    (list[int], "[1)", "[ must be closed by ] at its end"),
    (list[int], "[1][2]", "[ must be closed by ] at its end"),
    (list[list[int]], "[[1],[x]]", "'x' in it is not of type int"),
    (tuple[int, int], "(1,2,3)", "it needs 2 parts, not 3; write x=(1,1), or x=(1,1),(2,2)"),
    (Size, "(1)", "it needs 2 parts, not 1"),
    (set[list[int]], "{[1]}", "takes set[list[int]]"),
    (
        dict[str, int],
        "{a}",
        "'a' in it is not of the form key: value; write x={a:1}, or x={a:1},{b:2}",
    ),
    (dict[str, int], "{a: 1, a: 2}", "'a' is in it twice"),
    (dict[str, int], "{a: x}", "'x' in it is not of type int"),
    (dict[list[int], int], "{[1]: 1}", "[1] cannot be a key"),
    (Options, "{a: 1}", "the key 'b' is missing"),
    (Options, "{a: 1, b: [], c: 2}", "it has no key 'c'; its keys: a, b"),
    (int | None, "x", "Made.x takes int | None, not 'x'; write x=1, or x=1,2 to search"),
    (int | list[int], "[x]", "'x' in it is not of type int"),
    (Any, "[1", "[ must be closed by ] at its end"),
    (Any, "'a", "the quote is never closed"),
    (Any, "{1, [2]}", "takes Any"),
    (Any, "{[1]: 2}", "cannot be a key"),
    (Any, "1e999", "too large"),
    (Any, "[" * 100 + "]" * 100, "it is nested too deeply"),
    (Any, "[" * 100_000, "[ must be closed by ]"),
    (Even, "3", "Even does not accept it: RuntimeError('odd')"),
    (Seed, "x", "takes Seed, not 'x'"),
    (Clamped, "9", "it does not fit into Clamped"),
    # what no text is a value of
    (
        np.ndarray,
        "1",
        "Made.x takes ndarray, not '1': ndarray cannot be given as text; give it in ",
    ),
    (Callable[[int], int], "f", "Callable cannot be given as text; give it in Python, as in Made("),
    (type[int], "int", "cannot be given as text"),
    (np.ndarray | None, "1", "takes ndarray | None, not '1': ndarray cannot be given as text"),
    (list[np.ndarray], "[1]", "ndarray cannot be given as text"),
    ("Nowhere", "1", "takes Nowhere, not '1': its annotation names nothing that can be found"),
    ("flaot", "1", "nothing that can be found; did you mean float? Correct it, or import flaot"),
    (5, "1", "cannot be given as text"),
]


@pytest.mark.parametrize(("annotation", "text", "message"), WRONG)
def test_what_is_no_value(annotation: Any, text: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        made(annotation).from_cli([f"x={text}"])
    assert message in str(caught.value)
    assert str(caught.value).startswith("Made.x takes ")
    assert len(str(caught.value)) < 1000


def test_the_times_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    for annotation, text, expected in [
        (pd.Timestamp, "2024-05-01T12:30", pd.Timestamp("2024-05-01 12:30")),
        (pd.Timedelta, "1h30m", pd.Timedelta("90min")),
        (pd.Timedelta, "-1:30:00", pd.Timedelta("-90min")),
    ]:
        assert is_same(meant(annotation, text), expected)


def test_none_of_a_type_without_text_can_be_given() -> None:
    assert meant(np.ndarray | None, "None") is None


def test_the_examples_of_an_error_are_right() -> None:
    """What an error says to write is taken, for every annotation that is known."""
    annotations = {repr(each[0]): each[0] for each in VALUES if each[0] is not Even}
    for annotation in annotations.values():
        with pytest.raises(FieldError) as caught:
            made(annotation).from_cli(["x='"])  # a quote that is never closed is wrong everywhere
        message = str(caught.value)
        remedy = message.partition("; write ")[2].removesuffix(" to search")
        assert remedy, message
        for word in remedy.split(", or "):
            assert made(annotation).from_cli([word]) is not None, word


def test_a_tuple_of_the_wrong_size_names_the_class_that_was_called() -> None:
    class Sub(made(tuple[int, int])):
        pass

    with pytest.raises(FieldError, match=r"^Sub\.x takes tuple\[int, int\]"):
        Sub.from_cli(["x=(1)"])


if sys.version_info >= (3, 12):
    # As text: the syntax is that of Python 3.12.
    exec(
        "type Alias = int | None\n"
        "type Json = dict[str, Json] | list[Json] | str | int | None\n"
        "type Pair[T] = tuple[T, T]\n"
        "type Endless = Endless\n"
        "type Selfish = Selfish | int\n"
    )

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("Alias", "None", None),
            ("Json", "{a: [1, {b: None}]}", {"a": [1, {"b": None}]}),
            ("Pair[int]", "(1,2)", (1, 2)),
            ("Selfish", "1", 1),
        ],
    )
    def test_aliases(name: str, text: str, expected: Any) -> None:
        assert is_same(meant(eval(name), text), expected)

    @pytest.mark.parametrize("name", ["Endless", "Json"])
    def test_aliases_without_an_end(name: str) -> None:
        with pytest.raises(FieldError):
            meant(eval(name), "[" * 500 + "1" + "]" * 500)


class Later(Params):
    """Annotations of names that are there for type checkers, or come later."""

    x: Soon = None  # type: ignore[assignment]
    y: list[Soon] = []


Soon = int


def test_names_that_come_later_are_found() -> None:
    assert Later.from_cli(["x=1", "y=[2]"]).values() == [1, [2]]


T = TypeVar("T")
U = TypeVar("U")


class Base(Params, typing.Generic[T, U]):
    first: T
    second: list[U]


class Half(Base[int, U]):
    pass


class Whole(Half[str]):
    pass


def test_type_variables_are_filled_in_by_subclasses() -> None:
    assert Whole.from_cli(["first=1", "second=[1]"]).values() == [1, ["1"]]
    assert Half.from_cli(["first=1", "second=[1]"]).values() == [1, [1]]
    with pytest.raises(FieldError, match=r"Whole\.first takes int, not 'a'"):
        Whole.from_cli(["first=a", "second=[]"])
