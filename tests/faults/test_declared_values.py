"""Rows 45 and 54: a class is not taken for an instance, and value() means the same everywhere."""

from __future__ import annotations

import collections
import dataclasses
import enum
import pickle
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NewType,
    Optional,
    Protocol,
    TypeVar,
    runtime_checkable,
)

import numpy as np
import pytest

from superparams import Experiment, Params, search, value
from superparams.cli.conditions import matching
from superparams.errors import FieldError, StoreError

pytestmark = pytest.mark.usefixtures("no_leaks")

T = TypeVar("T")


class Net(Params):
    width: int = search([64, 128])


class Sgd(Params):
    rate: float = 0.1


class Box(Params, Generic[T]):
    width: int = 1


@dataclasses.dataclass
class Config:
    net: Any = None


class Fit(Experiment):
    net: Net = Net()
    some: Any = None
    nets: list[Sgd] = [Sgd()]
    made: type[Net] = Net
    makers: dict[str, type[Params]] = {"net": Net, "sgd": Sgd}
    make: Callable[[], Params] = Sgd

    def run(self) -> dict[str, float]:
        return {"y": self.net.width}


CLASSES: list[Any] = [
    Net,
    value(Net),
    search([Net(), Net]),
    search(Net, Net()),
    search({"a": Net}),
    Box[int],
    [Net],
    (Net(width=1), Net),
    {"a": {"b": [Net]}},
    collections.deque([Net]),
    Config(Net),
    SimpleNamespace(net=Net),
    search([[Sgd], [Sgd()]]),
]


def test_45_a_class_where_an_instance_is_meant_is_refused() -> None:
    remedy = r"(Net|Sgd|Box\[int\]) is a class, where an instance .* write (Net|Sgd|Box\[int\])\(\)"
    for given in CLASSES:
        with pytest.raises(FieldError, match=rf"Fit\.some: {remedy}"):
            Fit(some=given)
        with pytest.raises(FieldError, match=rf"Fit\.some: {remedy}"):
            Fit(net=Net(width=1)).replace(some=given)
        with pytest.raises(FieldError, match=rf"Bad\.net: {remedy}"):
            type(Params)("Bad", (Params,), {"__annotations__": {"net": Net}, "net": given})


def test_45_a_class_that_the_annotation_asks_for_is_a_value() -> None:
    setting = Fit(net=Net(width=1), made=Net, makers={"sgd": Sgd}, make=Net)
    assert setting.made is Net
    assert setting.makers == {"sgd": Sgd}
    assert Fit(made=search([Net]))[0].made is Net
    assert setting.replace(some=Path)["some"] is Path  # a class that is no group
    assert Fit.from_cli(["net=Net", "net.width=64"]).net == Net(width=64)


class Color(enum.Enum):
    RED = 1


class Plain:
    pass


class Special(Plain):
    pass


class Holds(Plain, Generic[T]):
    pass


@runtime_checkable
class HasFit(Protocol):
    def fit(self) -> None: ...


class Fits:
    def fit(self) -> None:
        pass


class Meta(type):
    pass


Bound = TypeVar("Bound", bound=Plain)
Size = NewType("Size", int)

# An annotation, what is given, and what the error names beside Class.field.
NO_INSTANCES: list[tuple[Any, Any, str]] = [
    (Config, Config, r"Config is a class.*write Config\(\), or .* type\[Config\]"),
    (int, int, r"int is a class.* write 0, or .* type\[int\]"),
    (int, bool, "bool is a class.* write False"),
    (float, int, "int is a class.* write 0"),
    (str, str, "str is a class.* write ''"),
    (Color, Color, r"Color is a class.* write Color\.RED"),
    (Color, search([Color.RED, Color]), r"Color\.RED"),
    (Path, Path, r"write Path\(\)"),
    (Plain, Special, r"write Special\(\)"),
    (Plain, value(Special), r"write Special\(\)"),
    (Plain, search([Special(), Special]), r"write Special\(\)"),
    (Plain, search(Plain, Special()), r"write Plain\(\)"),
    (Plain, search({"a": Plain(), "b": Special}), r"write Special\(\)"),
    (Plain, Holds[int], r"write Holds\[int\]\(\)"),
    (Holds[int], Holds, r"write Holds\(\)"),
    (Plain | None, Plain, r"write Plain\(\)"),
    (Optional[int], int, "write 0"),  # noqa: UP045
    (int | Plain | Literal["a"], Special, r"write Special\(\)"),
    (Annotated[Plain, "a note"], Plain, r"write Plain\(\)"),
    (Final[Plain], Plain, r"write Plain\(\)"),
    (Bound, Special, r"write Special\(\)"),
    (Size, int, "write 0"),
    (list[int], list, r"write list\(\)"),
    (list[Plain], [Plain(), Special], r"write Special\(\)"),
    (dict[str, Plain | int], {"a": 1, "b": Plain}, r"write Plain\(\)"),
    (Mapping[str, Sequence[Plain]], {"a": [Plain]}, r"write Plain\(\)"),
    (tuple[int, ...], (1, int), "write 0"),
    (list[int] | None, search([[1], [int]]), "write 0"),
    ("Plain | Missing", Special, r"write Special\(\)"),
]
# Annotations under which a class is a value.
CLASS_VALUES: list[tuple[Any, Any]] = [
    (type[Plain], Special),
    (type, int),
    (type[Plain] | Plain, Plain),
    (Meta, Meta("Made", (), {})),
    (Any, Plain),
    (object, int),
    (Hashable, int),
    (HasFit, Fits),
    (Plain | HasFit, Fits),
    (T, Plain),
    ("Missing", Plain),
    (Callable[..., Plain], Plain),
    (list, [Plain]),
    (list[Any], [Plain]),
    (dict[str, type[Plain]], {"a": Plain}),
    (Iterable[Color], Color),  # a class of an Enum is an iterable of its members
    (int, Plain),  # another slip, of which the annotation says nothing
]


def test_45_a_plain_class_where_an_instance_is_meant_is_refused() -> None:
    for annotation, given, told in NO_INSTANCES:
        with pytest.raises(FieldError, match=rf"Bad\.x: .*{told}"):
            type(Params)("Bad", (Params,), {"__annotations__": {"x": annotation}, "x": given})
        late: Any = type(Params)("Bad", (Params,), {"__annotations__": {"x": annotation}})
        with pytest.raises(FieldError, match=rf"Bad\.x: .*{told}"):
            late(x=given)


def test_45_a_plain_class_is_a_value_where_the_annotation_allows_one() -> None:
    for annotation, given in CLASS_VALUES:
        made: Any = type(Params)("Good", (Params,), {"__annotations__": {"x": annotation}})
        assert made(x=given).x == given, annotation
        assert made(x=search([given, given]) if isinstance(given, type) else given)


class Odd:
    """No content of its own, no equality, and no way to pickle it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


CONSTANTS: dict[str, tuple[Any, Any]] = {
    "lambdas": (lambda x: x, lambda x: 2 * x),
    "paths": (Path("/a"), Path("/b")),
    "numbers": (1.5, 2.5),
    "ints": (1, 2),
    "texts": ("a", "b"),
    "nones": (None, True),
    "lists": ([1], [2]),
    "arrays": (np.arange(3), np.arange(4)),
    "groups": (Sgd(), Sgd(rate=2.0)),
    "odd": (Odd(), Odd()),
    "factories": (list, dict),
    "derived": (lambda s: 1, lambda s: 2),
}
WAYS: dict[str, Any] = {"lambdas": {}, "factories": "factory", "derived": "derive"}


def keyed(kind: str, x: Any, key: str) -> Any:
    way = WAYS.get(kind)
    return value(x, key=key) if not isinstance(way, str) else value(key=key, **{way: x})


class Holder(Params):
    x: Any = 0


class Keyed(Experiment):
    n: int = search([1, 2])
    x: Any = None
    holder: Holder = Holder()

    def run(self) -> dict[str, int]:
        return {"y": self.n}


@pytest.mark.parametrize("kind", CONSTANTS)
def test_54_a_key_stands_for_the_content_in_every_way(kind: str, tmp_path: Path) -> None:
    first, second = CONSTANTS[kind]
    one, two, other = (keyed(kind, *x) for x in ((first, "1"), (second, "1"), (first, "2")))

    def body(x: Any) -> Any:
        return type(Experiment)("Keyed", (Keyed,), {"x": x})(n=1)

    def ways(x: Any) -> list[str]:
        settings = [Keyed(n=1, x=x), Keyed(x=x)[0], Keyed()[0].replace(x=x), body(x)]
        return [*(one.key for one in settings), Keyed(n=1, x=x).replace(n=1).key]

    assert len(set(ways(one))) == 1
    assert ways(one) == ways(two)
    assert not {*ways(one)} & {*ways(other)}
    assert Keyed(n=1, x=one) != Keyed(n=1, x=other)
    inside = [
        Keyed(n=1, holder=Holder(x=one)),
        Keyed(n=1, **{"holder.x": one}),
        Keyed()[0].replace(**{"holder.x": two}),
    ]
    assert len({each.key for each in inside}) == 1
    table = Keyed(x=one).run_all(results=tmp_path, progress=False)
    assert table.counts == {"done": 2}
    assert Keyed(x=two).run_all(results=tmp_path, progress=False).runs == table.runs
    assert ("x" in table.columns) == (kind != "factories")


def test_54_a_setting_has_its_key_after_pickle_and_in_workers(tmp_path: Path) -> None:
    space = Keyed(x=value(Path("/a"), key="1"))
    assert pickle.loads(pickle.dumps(space))[0].key == space[0].key
    table = space.run_all(2, results=tmp_path, progress=False)
    assert [row["key"] for row in table] == [setting.key for setting in space]
    assert [row["x"] for row in table] == ["/a", "/a"]


class Root(Experiment):
    n: int = search([1, 2])
    root: Path = value(Path("/data"), key="v1")

    def run(self) -> dict[str, str]:
        return {"y": str(self.root)}


def test_54_the_key_of_a_class_stays_with_its_constant(tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(Root()[0]))
    assert again.key == Root()[0].key == again.replace(n=1).key
    assert Root(root=Path("/other"))[0].key != Root()[0].key
    table = Root().run_all(2, results=tmp_path, progress=False)
    assert [(row["root"], row["y"]) for row in table] == [("/data", "/data")] * 2


class Filtered(Experiment):
    n: int = search([1, 2])
    act: Any = value(lambda x: x, key="v1")
    plain: Any = value("text", key="p1")
    number: float = value(2.5, key="n1")
    group: Sgd = value(Sgd(), key="g1")
    size: int = search({"small": 64, "large": 512})
    part: Params = search({"a": Sgd(), "b": Box()})
    kind: Sgd | Box[int] = search([Sgd(), Box()])

    def run(self) -> dict[str, int]:
        return {"y": self.n}


# A field, what it is to have, and of how many rows in 32 that is so.
FILTERS: list[tuple[str, Any, int]] = [
    ("act", "v1", 16),
    ("act", "v2", 16),
    ("act", value(len, key="v2"), 16),
    ("plain", "p1", 32),
    ("plain", "text", 32),
    ("number", 2.5, 32),
    ("group", "g1", 32),
    ("group", Sgd(), 32),
    ("size", "small", 16),
    ("size", 64, 16),
    ("part", "a", 16),
    ("part", Sgd(), 16),
    ("kind", "Box", 16),
]


def test_54_a_filter_on_a_key_or_a_name_matches_or_is_refused(tmp_path: Path) -> None:
    def double(x: int) -> int:
        return 2 * x

    for space in (Filtered(), Filtered(act=value(double, key="v2"))):
        space.run_all(results=tmp_path, progress=False)
    results = Filtered.results(tmp_path)
    assert sorted(results.column("act").unique().to_pylist()) == ["v1", "v2"]
    for name, x, size in FILTERS:
        assert len(results.where(**{name: x})) == size, (name, x)
        words = [f"{name}={x}"]
        if isinstance(x, str | int | float) and name != "group":
            assert matching(results.to_arrow(), words, Filtered).num_rows == size, words
    assert len(results.where(act=Filtered().act)) == 16
    for name, text, told, refused in [
        ("act", "v3", "there are 'v1'", "no row has act='v3'; there are 'v1'"),
        ("size", "medium", "'small', 'large'", "size takes int, not 'medium'; its names: small, l"),
        ("part", "c", "'a', 'b'", "part takes Params, not 'c'; its names: a, b, Sgd, Box"),
        ("kind", "Adam", "'Sgd', 'Box'", "kind takes .*, not 'Adam'; its names: Sgd, Box"),
    ]:
        with pytest.raises(StoreError, match=f"no row has {name}='{text}'; .*{told}"):
            results.where(**{name: text})
        with pytest.raises((StoreError, FieldError), match=refused):
            matching(results.to_arrow(), [f"{name}={text}"], Filtered)
    assert len(results.where(n=3)) == 0  # a value that may well be
    assert len(results.where(size=64).where(size="large")) == 0
