"""Digests of values, keys of settings and seeds: what is the same setting, and what is not."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import os
import pathlib
import re
import subprocess
import sys
import threading
import types
import typing
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional, Union

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from superparams.errors import IdentityError
from superparams.identity.digests.buffers import LEAF, buffer_digest
from superparams.identity.digests.canonical import canonical
from superparams.identity.digests.digest import (
    column_digests,
    combine,
    digest,
    field_digest,
    key_of_text,
    key_text,
    seed_of,
)
from tests.timing import within

ROOT = Path(__file__).parents[2]


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Number(enum.IntEnum):
    ONE = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Config:
    rate: float = 0.1
    layers: tuple[int, ...] = (1, 2)


@dataclasses.dataclass
class Swapped:
    layers: tuple[int, ...] = (1, 2)
    rate: float = 0.1


class Point(NamedTuple):
    x: float
    y: float


class Plain:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


class Group:
    """Looks like a group of fields, without the machinery of one."""

    __superparams_fields__: typing.ClassVar = {
        "rate": types.SimpleNamespace(annotation=float),
        "name": types.SimpleNamespace(annotation=str),
    }

    def __init__(self, **values: Any) -> None:
        self.values = values

    def items(self) -> Iterator[tuple[str, Any]]:
        yield from self.values.items()


class Words(list[str]):
    pass


def function() -> int:
    return 1


def twin() -> int:
    return 1


@functools.lru_cache
def remembered() -> int:
    return 1


def distinct_values() -> list[Any]:
    """Values of which no two may be taken for one another."""
    return [
        None, False, True, 0, 1, -1, 10**30, -(10**30), 2**63, "1", "True", "None", "", b"", b"1",
        0.5, 1.0, math.nan, math.inf, -math.inf, 1j, complex(0.5, 0), "\ud800", "\udfff", "\u00e9",
        "e\u0301",
        [], {}, (), set(), [[]], [()], [{}], ([],), [None], (None,), {None}, {None: None},
        ["ab", "c"], ["a", "bc"], ["abc"], ["a", ["b", "c"]], ["a", "b", "c"], ("a", "b", "c"),
        {"a": "b"}, {"b": "a"}, {"a": {"b": 1}}, {1: 2}, {"1": 2}, {1: "2"}, {(1,): 2}, {1, 2}, {3},
        range(3), range(4), range(1, 3), slice(3), slice(0, 3), ..., NotImplemented,
        Color.RED, Color.GREEN, Number.ONE, Access.READ, Access.READ | Access.WRITE,
        Path("a/b"), Path("a"), "a/b", datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2),
        datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), datetime.time(1, 2),
        datetime.datetime(2020, 1, 2, fold=1), datetime.timedelta(1), datetime.timedelta(seconds=1),
        datetime.timezone.utc, zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Asia/Tokyo"),
        decimal.Decimal("1.5"), decimal.Decimal("NaN"), fractions.Fraction(3, 2), uuid.UUID(int=1),
        re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a"),
        types.SimpleNamespace(a=1),
        function, twin, remembered, len, max, np.sin, np.cos, np.mean, Color, Config, int, float,
        math, os.path, "abc".upper, "abc".lower, "abd".upper, str.upper, Config().__eq__,
        functools.partial(function), functools.partial(function, 1),
        functools.partial(function, a=1),
        Config(), Config(0.2), Swapped(), Point(1, 2), Point(2, 1), Plain(), Plain(a=1), Plain(b=1),
        Slotted(1, 2), Slotted(2, 1), Words(["a"]), collections.OrderedDict(a=1, b=2),
        collections.OrderedDict(b=2, a=1), collections.Counter("ab"), collections.deque([1]),
        collections.defaultdict(int), collections.defaultdict(list), collections.deque([1], 3),
        array.array("i", [1]), array.array("d", [1]), list[int], list[float], int | None, int | str,
        Any, typing.Literal[1], Group(rate=1), Group(rate=2), Group(name="1"), Group(),
        np.dtype("f4"), np.dtype("f8"), np.float32, np.float64, np.datetime64("2020-01-02"),
        np.datetime64("2020-01-02", "ns"), np.timedelta64(1, "s"), np.array(1), np.array([1]),
        np.array([[1]]), np.array([1], "i4"), np.array([1], "u8"), np.array([1.0]), np.array(["a"]),
        np.array([b"a"]), np.array([1, "a"], object), np.array([True]), np.zeros(2),
        np.zeros((1, 2)),
        np.zeros((2, 1)), np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [1, 0]),
        np.zeros(2, [("a", "f4")]), np.zeros(2, [("b", "f4")]), np.zeros(0), np.zeros((0, 2)),
        np.array(["2020"], "M8[D]"), np.array(["2020"], "M8[s]"), np.rec.array([(1.0,)]),
        np.array([1], np.longdouble), np.array([1 + 2j]), np.random.default_rng(0),
        np.random.default_rng(1), pd.Timestamp("2020-01-02 00:00:00.000000001"), pd.NaT, pd.NA,
        pd.Timedelta(1, "ns"), pd.Series([1, 2]), pd.Series([1, 2], name="a"), pd.Index([1, 2]),
        pd.Series([1, 2], index=[1, 0]), pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [2, 1]}), pd.DataFrame({0: [1, 2]}),
        pd.DataFrame({"a": ["1", None]}), pd.DataFrame({"a": [1, "x"]}), pd.Categorical(["a", "b"]),
        pd.Categorical(["a", "b"], ordered=True), pd.Series([1, None], dtype="Int64"),
        pd.Series(pd.date_range("2020", periods=2)),
        pd.Series(pd.date_range("2020", periods=2, tz="UTC")),
        pd.Series(pd.period_range("2020", periods=2, freq="M")), pd.Series(pd.interval_range(0, 2)),
        pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, None]}),
        pl.DataFrame({"a": [[1], [2]]}),
        pl.Series([1, 2]), pl.Series("a", [1, 2]), pl.DataFrame({"a": [{"q": 1}, {"q": None}]}),
        pl.DataFrame({"a": [None, {"q": None}]}), pl.Series([Config()], dtype=pl.Object),
        pa.table({"a": [1, 2]}), pa.table({"a": [1, None]}), pa.table({"a": ["1", "2"]}),
        pa.array([1, 2]), pa.array([b"1", b"2"]), pa.array(["12", ""]), pa.array(["1", "2"]),
        pa.array([[1], [2]]), pa.array([[1, 2], []]), pa.array([[1, 2], None]),
        pa.array([None, None]),
        pa.array([True, None]), pa.array([True, False]), pa.scalar(1), pa.int64(), pa.string(),
        scipy.sparse.csr_array(np.eye(2)), scipy.sparse.csc_array(np.eye(2)),
        scipy.sparse.csr_array(2 * np.eye(2)), scipy.sparse.csr_array(np.eye(3)),
    ]  # fmt: skip


def test_no_two_distinct_values_collide() -> None:
    values = distinct_values()
    seen: dict[int, Any] = {}
    for value in values:
        found = digest(value)
        assert found not in seen, (value, seen.get(found))
        seen[found] = value
    assert [digest(value) for value in distinct_values()] == list(seen)


SAME: list[tuple[Any, Any]] = [
    (0.0, -0.0),
    (math.nan, -math.nan),
    ([math.nan], [float("nan")]),
    (1.5, np.float64(1.5)),
    (1.5, np.float32(1.5)),
    (3, np.int16(3)),
    (True, np.bool_(True)),
    ("a", np.str_("a")),
    (1j, np.complex64(1j)),
    (b"ab", bytearray(b"ab")),
    (b"ab", memoryview(b"ab")),
    (b"ab", memoryview(b"aXb")[::2]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": 1}, types.MappingProxyType({"a": 1})),
    ({1, 2}, frozenset({2, 1})),
    (range(0), range(5, 5)),
    (range(1, 2), range(1, 2, 7)),
    (pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a\\b")),
    (datetime.datetime(2020, 1, 2), pd.Timestamp("2020-01-02")),
    (datetime.timedelta(1), pd.Timedelta(1, "D")),
    (int | None, Optional[int]),  # noqa: UP045
    (int | str, Union[str, int]),  # noqa: UP007
    (list[int], typing.List[int]),  # noqa: UP006
    (Group(rate=1, name="a"), Group(name="a", rate=1.0)),
    (Config(rate=1), Config(rate=1.0)),
    (Point(1, 2), Point(1.0, 2.0)),
    (np.arange(3), np.arange(3).astype(">i8")),
    (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
    (np.arange(3), np.arange(6)[::2] // 2),
    (np.arange(1000.0), np.arange(2000.0)[::2] / 2),
    (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 99], [0, 1])),
    (np.dtype("<f4"), np.dtype(">f4")),
    (pa.array(["a", "bc"]), pa.array(["a", "bc"], pa.large_string())),
    (pa.array([1, 2]), pa.array([0, 1, 2])[1:]),
    (pa.array(["b", "c"]), pa.array(["a", "b", "c"])[1:]),
    (pa.array([True, False]), pa.array([None, True, False])[1:]),
    (pa.array([[2], None]), pa.array([[1], [2], None])[1:]),
    (pa.array([1, 2]), pa.chunked_array([[1], [2]])),
    (pa.array([], pa.int64()), pa.chunked_array([], pa.int64())),
    (pa.table({"a": [1, 2]}), pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})])),
    (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [0, 1, 2]})[1:].reset_index(drop=True)),
    (pl.Series([1, 2, 3]), pl.Series([1]).append(pl.Series([2, 3]))),
]


@pytest.mark.parametrize(("left", "right"), SAME, ids=lambda value: type(value).__name__)
def test_one_value_in_two_guises_is_one(left: Any, right: Any) -> None:
    assert digest(left) == digest(right)


def test_what_lies_under_a_null_does_not_count() -> None:
    data = pa.py_buffer(np.array([7, 8], "i8"))
    valid = pa.py_buffer(b"\x01")
    array = pa.Array.from_buffers(pa.int64(), 2, [valid, data])
    assert digest(array) == digest(pa.array([7, None]))


def test_padding_of_a_structured_array_does_not_count() -> None:
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    left, right = (np.frombuffer(bytes([fill]) * 32, dtype).copy() for fill in (0, 255))
    for each in (left, right):
        each["a"], each["b"] = 1, 2.0
    assert digest(left) == digest(right)


def test_a_memmap_counts_by_its_content(tmp_path: Path) -> None:
    content = np.arange(1000.0)
    content.tofile(tmp_path / "data")
    assert digest(np.memmap(tmp_path / "data", "f8", "r")) == digest(content)


def test_a_sparse_matrix_counts_by_its_elements() -> None:
    place = ([0, 0, 1], [1, 1, 0])
    doubled = scipy.sparse.coo_array(([1.0, 2.0, 5.0], place), shape=(2, 2))
    summed = scipy.sparse.coo_array(([5.0, 3.0], ([1, 0], [0, 1])), shape=(2, 2))
    assert digest(doubled) == digest(summed)
    assert doubled.nnz == 3  # it was not changed in place


def test_estimators_count_by_their_parameters() -> None:
    svm = pytest.importorskip("sklearn.svm")
    assert digest(svm.SVC(C=2)) == digest(svm.SVC(C=2))
    assert digest(svm.SVC(C=2)) != digest(svm.SVC(C=3))


def test_tensors_count_by_their_content() -> None:
    torch = pytest.importorskip("torch")
    ones = torch.ones(3, 4)
    assert digest(ones) == digest(torch.ones(4, 3).T)
    assert digest(ones) == digest(torch.ones(3, 4, requires_grad=True))
    others = [ones.reshape(4, 3), ones.double(), ones.bfloat16(), torch.zeros(3, 4), ones.numpy()]
    assert len({digest(ones), *map(digest, others)}) == 6
    assert digest(torch.nn.Parameter(ones)) != digest(ones)
    assert digest(torch.tensor(1.0)) != digest(torch.tensor([1.0]))


@pytest.mark.parametrize("size", [0, 1, LEAF - 1, LEAF, LEAF + 1, 3 * LEAF + 5])
def test_large_arrays_count_the_same_however_they_lie(size: int) -> None:
    wide = np.arange(2 * size, dtype="u2")
    strided, contiguous = wide[::2], wide[::2].copy()
    assert digest(strided) == digest(contiguous)
    if size:
        contiguous[-1] += 1
        assert digest(strided) != digest(contiguous)


def test_the_hash_of_a_buffer_does_not_depend_on_the_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = os.urandom(1000) * (5 * LEAF // 1000)
    found = set()
    for cores in (1, 2, 5):
        monkeypatch.setattr("superparams.identity.digests.buffers.cores", lambda n=cores: n)
        found.add(buffer_digest(data))
    assert len(found) == 1


def opened() -> Any:
    with open(os.devnull) as file:
        return file


def local_class() -> Any:
    class Local:
        pass

    return Local()


def cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def cyclic_object() -> Any:
    value = Plain()
    value.me = value
    return value


def deep() -> Any:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


UNSTABLE: dict[str, Callable[[], Any]] = {
    "lambda": lambda: lambda: 0,
    "nested function": lambda: opened.__get__(local_class()),
    "wrapper": lambda: functools.wraps(function)(lambda: 2),
    "partial": lambda: functools.partial(lambda: 0),
    "open file": opened,
    "generator": lambda: (i for i in ()),
    "iterator": lambda: iter([1]),
    "map": lambda: map(str, [1]),
    "lock": threading.Lock,
    "thread": threading.Thread,
    "object": object,
    "local class": lambda: type(local_class()),
    "object of a local class": local_class,
    "cycle": cyclic,
    "object in a cycle": cyclic_object,
    "deep": deep,
    "environment": lambda: os.environ,
    "module state": lambda: sys._getframe(),
}


@pytest.mark.parametrize("make", UNSTABLE.values(), ids=UNSTABLE.keys())
def test_what_has_no_stable_content_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(IdentityError, match=r'^Digits\.data.*value\(x, key="v1"\)'):
        digest(make(), where="Digits.data")


def test_the_refusal_names_the_part_at_fault() -> None:
    value = {"model": [1, Plain(hook=Config(rate=lambda: 0))]}  # type: ignore[arg-type]
    with pytest.raises(IdentityError) as caught:
        field_digest("data", value, where="Digits.data")
    message = str(caught.value)
    assert message.startswith("Digits.data['model'][1].hook.rate: <function")
    assert "lambda" in message


def test_a_value_that_cannot_show_itself_is_refused_with_the_same_words() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(IdentityError, match=r"D\.x: <.*Broken instance"):
        digest(Broken(), where="D.x")


@pytest.mark.timed
def test_a_part_that_is_held_many_times_costs_its_time_once() -> None:
    value: Any = list(range(100))
    for _ in range(60):
        value = [value, value]
    with within(1):
        digest(value)


SAME_FIELD: list[tuple[Any, Any, Any]] = [
    (float, 1, 1.0),
    (float, np.float64(1), 1),
    (float, np.int8(1), 1.0),
    (complex, 1, 1 + 0j),
    (float | None, 1, 1.0),
    (Optional[float], 1, 1.0),  # noqa: UP045
    (float | str, 1, 1.0),
    ("float | None", 1, 1.0),
    ("list[float]", [1], [1.0]),
    (typing.Annotated[float, "unit"], 1, 1.0),
    (typing.NewType("Rate", float), 1, 1.0),
    (list[float], [1, 2], [1.0, 2.0]),
    (list[float] | None, [1, 2], [1.0, 2.0]),
    (tuple[float, ...], (1, 2), (1.0, 2.0)),
    (tuple[float, int], (1, 2), (1.0, 2)),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (dict[str, list[float]], {"a": [1]}, {"a": [1.0]}),
    (typing.Mapping[str, float], {"a": 1}, {"a": 1.0}),
    (typing.Sequence[float], [1], [1.0]),
    (set[float], {1}, {1.0}),
    (list[int], [1, 2], (1, 2)),
    (list, [1, 2], (1, 2)),
    (tuple[int, ...], (1, 2), [1, 2]),
    (tuple[int, int], (1, 2), [1, 2]),
    (list[list[float]], [[1]], ((1.0,),)),
]


@pytest.mark.parametrize(("annotation", "left", "right"), SAME_FIELD)
def test_a_value_enters_as_its_field_is_annotated(annotation: Any, left: Any, right: Any) -> None:
    assert field_digest("x", left, annotation) == field_digest("x", right, annotation)


@pytest.mark.parametrize(
    ("annotation", "left", "right"),
    [
        (Any, 1, 1.0),
        (int, 1, 1.0),
        (int | float, 1, 1.0),
        (float, 1, True),
        (float, 1, "1"),
        (float, 1, Number.ONE),
        (float, 2**53, 2**53 + 1),
        (float, 10**400, 10**401),
        (float | str, 1, "1"),
        (list[int] | tuple[int, ...], [1], (1,)),
        (typing.Sequence[int], [1], (1,)),
        (Any, [1], (1,)),
        (list[Any], [1], [1.0]),
        (tuple[int, int], (1, 2), [1]),
    ],
)
def test_an_annotation_takes_nothing_else_together(annotation: Any, left: Any, right: Any) -> None:
    assert field_digest("x", left, annotation) != field_digest("x", right, annotation)


def test_canonical_changes_no_value_in_place() -> None:
    value = {"a": [1, 2]}
    assert canonical(value, dict[str, list[float]]) == {"a": [1.0, 2.0]}
    assert value == {"a": [1, 2]}
    assert type(value["a"][0]) is int
    assert canonical(value, Any) is value


plain_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=8,
)


def content(value: Any) -> Any:
    """`value` such that `==` and `hash` tell apart exactly what digests must tell apart."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value + 0.0)
    if isinstance(value, list | tuple):
        return (type(value), *map(content, value))
    if isinstance(value, dict):
        return ("dict", frozenset((content(key), content(item)) for key, item in value.items()))
    return (type(value), value)


@given(plain_values, plain_values)
def test_digests_are_equal_exactly_for_equal_content(left: Any, right: Any) -> None:
    assert (digest(left) == digest(right)) == (content(left) == content(right))


FLOATS = [0.0, -0.0, 1.0, math.nan, -math.nan, math.inf, 5e-324, 0.1, 1e300, -1.5]


@pytest.mark.parametrize("annotation", [float, Any, int, float | None, complex | str, list[float]])
@pytest.mark.parametrize(
    "values",
    [
        FLOATS,
        [*FLOATS, 1, True, "1", None, 10**400, b"1"],
        ["a", "b", "a", 1, "a", 1.0, True, 1],
        [[1], [1.0], (1,), {"a": 1}],
        range(5),
        [],
    ],
    ids=repr,
)
def test_the_digests_of_a_column_are_those_of_its_values(values: Any, annotation: Any) -> None:
    expected = [field_digest("x", value, annotation) for value in values]
    assert column_digests("x", values, annotation) == expected


@given(st.dictionaries(st.text(), plain_values), st.randoms())
def test_a_key_does_not_depend_on_the_order_of_the_fields(
    fields: dict[str, Any], random: Any
) -> None:
    items = list(fields.items())
    before = combine(field_digest(name, value) for name, value in items)
    random.shuffle(items)
    assert combine(field_digest(name, value) for name, value in items) == before


@given(st.integers(0, 2**128 - 1))
def test_the_text_of_a_key_gives_the_key(key: int) -> None:
    assert len(key_text(key)) == 32
    assert key_of_text(key_text(key)) == key


@pytest.mark.parametrize(
    "text", ["", "xyz", "0" * 31, "0" * 33, "g" * 32, "0x" + "0" * 30, "-" * 32]
)
def test_what_is_not_a_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|base 16"):
        key_of_text(text)


def test_the_name_of_a_field_counts() -> None:
    assert field_digest("a", 1) != field_digest("b", 1)
    swapped = [(("a", 1), ("b", 2)), (("a", 2), ("b", 1))]
    keys = {combine(field_digest(*field) for field in fields) for fields in swapped}
    assert len(keys) == 2


def test_keys_of_a_product_are_all_different() -> None:
    axes = [[field_digest(name, point) for point in range(60)] for name in "abc"]
    keys = {combine((a, b, c)) for a in axes[0] for b in axes[1] for c in axes[2]}
    assert len(keys) == 60**3


@given(st.integers(0, 2**128 - 1))
def test_seeds_fit_what_takes_them(key: int) -> None:
    seed, small = seed_of(key), seed_of(key, bits=32)
    assert seed == seed_of(key)
    assert 0 <= seed < 2**63
    assert small == seed % 2**32
    np.random.default_rng(seed)
    np.random.RandomState(small)


def test_seeds_of_neighbours_are_unrelated() -> None:
    seeds = [seed_of(key) for key in range(2000)]
    assert len(set(seeds)) == 2000
    ones = sum(f"{seed:063b}".count("1") for seed in seeds) / (63 * 2000)
    assert abs(ones - 0.5) < 0.01


PROGRAM = """
import collections, dataclasses, datetime, decimal, enum, pathlib, re, sys
from superparams.identity.digests.digest import combine, digest, field_digest, key_text, seed_of

class Color(enum.Enum):
    RED = 1

class Access(enum.Flag):
    READ = 1
    WRITE = 2

@dataclasses.dataclass
class Config:
    names: frozenset = frozenset("abcdef")
    rate: float = 1

class Plain:
    def __init__(self):
        self.a, self.b = 1, {"x", "y", "z"}

def function(): ...

value = [
    None, True, 10**40, 0.1, 1j, "text", b"bytes", {"a", "b", "c", "d"}, {"k": {1, "1"}}, range(3),
    Color.RED, Access.READ | Access.WRITE, Config(), Plain(), function, len, pathlib.Path("a/b"),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc), decimal.Decimal("1.50"),
    re.compile("a"), collections.OrderedDict(a=1), collections.Counter("abc"), int | None,
    collections.deque("ab"), list[int], {frozenset({"p", "q"}): 1}, collections.defaultdict(int),
]
print([f"{i}:{digest(x):x}" for i, x in enumerate(value)])
key = combine([field_digest("a", value), field_digest("rate", 1, float)])
print(key_text(key), seed_of(key))
"""


def interpreters() -> list[str]:
    """Other versions of Python on this machine that could run the project."""
    found = sorted(Path.home().glob(".pyenv/versions/3.1[0-9]*/bin/python"))
    return [str(path) for path in found if path.exists()]


def run_program(python: str, path: Path, seed: str) -> str:
    import typing_extensions

    # Python 3.10 needs this one package, which that interpreter may not have.
    text = Path(typing_extensions.__file__).read_text()
    (path.parent / "typing_extensions.py").write_text(text)
    environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{path.parent}", "PYTHONHASHSEED": seed}
    arguments = [python, "-W", "error", str(path)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def test_digests_do_not_depend_on_the_process(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    found = {run_program(sys.executable, program, seed) for seed in ("0", "1", "42")}
    imported = "import program"
    (tmp_path / "other.py").write_text(imported)
    found.add(run_program(sys.executable, tmp_path / "other.py", "7"))
    assert len(found) == 1


def test_a_worker_names_the_main_module_as_its_driver_does(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    worker = tmp_path / "worker.py"
    worker.write_text(
        "from superparams.identity.module_names import set_main_name\n"
        "set_main_name('program')\n"
        f"exec(compile(open({str(program)!r}).read(), '<worker>', 'exec'), globals())\n"
    )
    found = {run_program(sys.executable, path, "3") for path in (program, worker)}
    assert len(found) == 1


def test_digests_do_not_depend_on_the_version_of_python(tmp_path: Path) -> None:
    others = interpreters()
    if not others:
        pytest.skip("no other Python on this machine")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    found = {run_program(python, program, "1") for python in (sys.executable, *others)}
    assert len(found) == 1


def test_digests_never_change() -> None:
    """Keys on disk outlive the process: whoever changes these numbers makes them unreadable."""
    assert key_text(digest({"a": [1, 2.5, None, "x"], "b": {1, 2}})) == (
        "d5f8c32e0eb4cfafe4b23ecb0ecdac7c"
    )
    assert key_text(field_digest("C", 1, float)) == key_text(field_digest("C", 1.0, float))


class Options(typing.TypedDict):
    depth: int


class Runs(typing.Protocol):
    def run(self) -> None: ...


@pytest.mark.parametrize("kind", [Options, Runs])
def test_unions_with_what_isinstance_refuses(kind: Any) -> None:
    annotation: Any = float | kind
    assert field_digest("x", 1, annotation) == field_digest("x", 1.0, annotation)
    assert canonical({"depth": 1}, annotation) == {"depth": 1}


def test_ranges_of_any_length() -> None:
    assert digest(range(10**30)) == digest(range(0, 10**30, 1)) != digest(range(10**30 + 1))
    assert digest(range(5, 5)) == digest(range(0)) == digest(range(9, 0))
    assert digest(range(10, 0, -3)) == digest(range(10, -1, -3)) != digest(range(10, -3, -3))


class Odd:
    def __reduce__(self) -> Any:
        return 5


def test_a_reduce_that_gives_no_tuple() -> None:
    with pytest.raises(IdentityError, match=r"X\.x: .*Odd.*__reduce__ gives no tuple, but 5"):
        digest(Odd(), where="X.x")
