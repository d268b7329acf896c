"""Row 68: a word means the same in `--where` as at a run, and is refused with the same sentence."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import numpy
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from superparams import Experiment, Params, search
from superparams.cli.conditions import matching
from superparams.declare.class_schema import schema_of
from superparams.declare.words.recorded_schema import class_of_schema
from superparams.errors import FieldError
from superparams.store.results import Results
from tests.cli.command import Project
from tests.sweeps import sweep

pytestmark = pytest.mark.usefixtures("no_leaks")


class Color(enum.Enum):
    RED = 1
    BLUE = "blue, or so"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class May(enum.Flag):
    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    size: int
    name: str = "p"


class Options(TypedDict, total=False):
    depth: int
    name: str


class Optimizer(Params):
    rate: float = 0.1


class Adam(Optimizer):
    beta: float | None = 0.9
    layers: list[int] = [1]


class SGD(Optimizer):
    momentum: int = 0
    mode: Literal["fast", "exact"] = "fast"


class Nested(Params):
    opt: Adam | SGD = search([Adam(), SGD()])
    flag: bool = False


def relu() -> None: ...


def tanh() -> None: ...


AB = [Adam(), SGD()]
# A name, the annotation and what is declared of its field, and words for it.
FACES: dict[str, tuple[str, Any, Any, list[str]]] = {
    "int": ("x", int, 1, ["1", "0x10", "1..5", "9..1..2", "1e3", "-4", "1_000", "1.5", "None"]),
    "big": ("x", int, 1, ["1", str(2**70), "1..3", str(2**70 + 1), "-1"]),
    "float": ("x", float, 0.5, ["1e-3", "0.001", "1", "nan", "inf", "-0.5", "1_0.5"]),
    "bool": ("x", bool, False, ["on", "off", "yes", "No", "true", "1", "0", "2"]),
    "str": (
        *("x", str, "a"),
        [*("it's", "a", '"a,b"', "'a, b'", "0x10", "1..2", "None", "on", "", "[a,b]", "x=1", "é")],
    ),
    "maybe": ("x", "int | None", None, ["None", "none", "null", "3", "1..2", "abc"]),
    "maybe text": ("x", "str | None", None, ["None", '"None"', "none", "abc"]),
    "either": ("x", "int | bool | str", 1, ["1", "true", "yes", '"1"', "True", "abc", "'it, s'"]),
    "number": ("x", "int | float", 1, ["1..3", "2.5", "7", "1e-3"]),
    "any": ("x", Any, None, ["1", "1.5", "text", "'1'", "[1, a]", "None", "True", "true"]),
    "color": ("x", Color, Color.RED, ["RED", "blue", "Color.BLUE", "'blue, or so'", "1", "GREEN"]),
    "level": ("x", Level, Level.LOW, ["LOW", "2", "high"]),
    "flag": ("x", May, May.READ, ["READ", "READ|WRITE", "2", "3"]),
    "literal": ("x", 'Literal["fast", "1", 1, None]', "fast", ["fast", "FAST", "1", "'1'", "None"]),
    "decimal": ("x", Decimal, Decimal(1), ["0.10", "2", "1e-3"]),
    "fraction": ("x", Fraction, Fraction(1), ["1/3", "2/6", "0.5", "x"]),
    "date": ("x", dt.date, dt.date(2024, 1, 1), ["2024-05-01", "2024-01-01", "yesterday"]),
    "moment": (
        *("x", dt.datetime, dt.datetime(2024, 1, 1)),
        ["2024-05-01T12:30", "2024-05-01 12:30:00.5", "2024-05-01"],
    ),
    "zone": ("x", dt.datetime, dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), ["2024-05-01T12Z"]),
    "clock": ("x", dt.time, dt.time(1), ["12:30", "12:30:01.5"]),
    "span": ("x", dt.timedelta, dt.timedelta(1), ["90s", "1m30s", "1:30:00", "1h30m", "x"]),
    "path": ("x", Path, Path("a"), ["a/b.csv", "'a b'", "./c", "a"]),
    "bytes": ("x", bytes, b"", ["b'\\xff'", "ab", "'a b'"]),
    "uuid": ("x", uuid.UUID, uuid.UUID(int=0), ["12345678123456781234567812345678"]),
    "complex": ("x", complex, 1j, ["1+2j", "2j", "3"]),
    "numpy": ("x", numpy.float32, numpy.float32(1), ["0.1", "2", "1e-3"]),
    "ints": ("x", "list[int]", [1], ["[1,2]", "[3]", "[]", "(1,2)", "1"]),
    "tuple": ("x", "tuple[int, str]", (1, "a"), ["(1,a)", "(2,'b,c')"]),
    "set": ("x", "set[str]", {"a"}, ["{a,b}", "{c}"]),
    "dict": ("x", "dict[str, int]", {"a": 1}, ["{a:1}", "{a:1,b:2}", "{b:2}"]),
    "named tuple": ("x", Pair, Pair(1), ["(2,q)", "(1,p)"]),
    "typed dict": ("x", Options, {"depth": 1}, ["{depth:1}", "{depth:2,name:a}"]),
    "named": (
        "x",
        int,
        search({"small": 8, "large, or so": 64}),
        ["small", "8", "64", "1..9", "5"],
    ),
    "named texts": ("x", str, search({"a": "b", "c": "d"}), ["a", "b", "d", "c", "other", "'a'"]),
    "named group": ("x", Optimizer, search({"one": Adam(), "two": SGD()}), ["one", "SGD", "Adam"]),
    "group": ("x", "Adam | SGD", search(AB), ["Adam", "SGD", "adam", "Optimizer"]),
    "alternative": ("x", "Adam | SGD | None", None, ["Adam", "None", "SGD"]),
    "only group": ("x", SGD, SGD(), ["SGD", "Adam"]),
    "function": ("x", Callable, search([relu, tanh]), ["relu", "tanh", "len"]),
    "rate": ("x.rate", "Adam | SGD", search(AB), ["1e-3", "0.5", "abc"]),
    "momentum": ("x.momentum", "Adam | SGD", search(AB), ["1..3", "0x10", "9"]),
    "mode": ("x.mode", "Adam | SGD", search(AB), ["exact", "FAST"]),
    "layers": ("x.layers", "Adam | SGD", search(AB), ["[1,2]", "[4]"]),
    "beta": ("x.beta", "Adam | SGD", search(AB), ["None", "0.5", "null"]),
    "made": ("x.momentum", "SGD | None", None, ["3", "4..5"]),
    "deep": ("x.opt.rate", Nested, Nested(), ["1e-3", "0.1"]),
    "deep group": ("x.opt", Nested, Nested(), ["Adam", "SGD"]),
    "deep flag": ("x.flag", Nested, Nested(), ["on", "no"]),
    "dashed": ("x-y", int, 1, ["2", "3..4"]),
}


def declared(name: str, annotation: Any, default: Any) -> type[Experiment]:
    """An experiment with a field of this name, and a second axis."""
    field = name.partition(".")[0].replace("-", "_")
    body = {
        "__module__": __name__,
        "__qualname__": "Made",
        "__annotations__": {field: annotation, "a": int},
        field: default,
        "a": search([1, 2]),
        "run": lambda self: {"y": self.a},
    }
    return type(Experiment)("Made", (Experiment,), body)


class Recorded:
    """The results of an experiment, to which runs are added as they are asked for."""

    def __init__(self, cls: type[Experiment], root: Path, name: str, words: list[str]) -> None:
        self.cls, self.root = cls, root
        self.keys: set[str] = set()
        self.schema = class_of_schema(json.loads(json.dumps(schema_of(cls))))
        assert self.schema is not None
        together = ""  # most words in one run, which is quicker
        for text in words:
            with contextlib.suppress(FieldError):
                more = f"{together},{text}" if together else f"{name}={text}"
                cls.from_cli([more])
                together = more
        self.run(cls())
        self.run(cls.from_cli([together]))

    def planned(self, name: str, text: str) -> set[str]:
        """The keys of the settings with the field that a run with this word makes; it is made."""
        space = self.cls.from_cli([f"{name}={text}"])
        if not {one.key for one in space} <= self.keys:
            self.run(space)
        return {one.key for one in space if name.replace("-", "_") in one}

    def run(self, space: Experiment) -> None:
        root = space.run_all(results=self.root, progress=False).root
        self.table = Results.load(root, of=self.cls).to_arrow()
        self.keys = set(self.table.column("key").to_pylist())

    def selected(self, condition: str) -> set[str]:
        """The settings by the class, and by the schema that a run recorded of it."""
        found = [
            matching(self.table, [condition], self.cls),
            matching(self.table, [condition], schema=self.schema),
        ]
        by_class, by_schema = (set(table.column("key").to_pylist()) for table in found)
        assert by_class == by_schema, condition
        return by_class

    def without(self, name: str) -> set[str]:
        """The settings that do not have a field, to which ``!=None`` does not apply."""
        if name not in self.table.column_names:
            return set()
        return set(self.table.filter(pc.is_null(self.table[name]))["key"].to_pylist())

    def check(self, name: str, text: str) -> None:
        """A run with a word, and a condition with it, select the same settings or say the same."""
        try:
            wanted = self.planned(name, text)
        except FieldError as refusal:
            said = str(refusal)
        else:
            assert self.selected(f"{name}={text}") == wanted
            without = self.without(name)
            open_too = without if without & wanted else set()  # None is among the values
            assert self.selected(f"{name} != {text}") == self.keys - wanted - open_too
            return
        if " twice in " not in said:  # an axis has each point once; a condition need not
            ways: tuple[dict[str, Any], ...] = ({"of": self.cls}, {"schema": self.schema})
            for way in ways:
                with pytest.raises(FieldError) as caught:
                    matching(self.table, [f"{name}={text}"], **way)
                assert str(caught.value) == said


@pytest.fixture
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Recorded:
    name, annotation, default, words = FACES[request.param]
    return Recorded(declared(name, annotation, default), tmp_path, name, words)


few = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@sweep(16, ("recorded", "face"), [(n, n) for n in FACES], indirect=["recorded"])
def test_68_a_word_selects_the_settings_that_such_a_run_makes(
    recorded: Recorded, face: str
) -> None:
    name, _, _, words = FACES[face]
    for text in words:
        recorded.check(name, text)

    @few
    @given(st.lists(st.sampled_from(words), max_size=3).map(",".join))
    def several(text: str) -> None:
        recorded.check(name, text)

    several()


DRAWN: dict[str, st.SearchStrategy[str]] = {
    "int": st.integers(-(2**64), 2**64).map(str)
    | st.builds("{}..{}".format, *[st.integers(-9, 9)] * 2),
    "float": st.floats().filter(lambda x: x == x and x != 0).map(repr),
    "str": st.text(max_size=6).map(repr) | st.sampled_from(["it's", "'", 'a"b', "(", "a=b", "-"]),
    "bytes": st.binary(max_size=4).map(repr),
    "decimal": st.decimals(-99, 99, places=3).map(str),
    "ints": st.lists(st.integers(-3, 3), max_size=3).map(repr),
}


@sweep(3, ("recorded", "face"), [(n, n) for n in DRAWN], indirect=["recorded"])
def test_68_drawn_words_select_what_they_make(recorded: Recorded, face: str) -> None:
    @few
    @given(st.lists(DRAWN[face], min_size=1, max_size=2).map(",".join))
    def check(text: str) -> None:
        recorded.check("x", text)

    check()


OLD = {
    **{n: FACES[n] for n in ("bool", "date", "moment", "clock", "span", "bytes", "path", "uuid")},
    "int": ("x", int, 1, ["1", "0x10", "1..5", "9..1..2", "1e3", "-4", "1..2,7"]),
    "big": ("x", int, 1, ["1", str(2**70), "1..3"]),
    "float": ("x", float, 0.5, ["1e-3", "0.001", "1", "nan", "inf", "-0.5"]),
    "str": ("x", str, "a", ["it's", '"a,b"', "'a, b'", "0x10", "1..2", "on", "", "x=1", "a,é"]),
    "maybe": ("x", "int | None", None, ["None", "none", "3", "1..2"]),
    "color": ("x", Color, Color.RED, ["RED", "BLUE"]),
    "decimal": ("x", Decimal, Decimal(1), ["0.10", "2"]),
    "ints": ("x", "list[int]", [1], ["[1,2]", "[3]"]),
    "named": ("x", int, search({"small": 8, "large, or so": 64}), ["small", "8", "64"]),
    "group": ("x", "Adam | SGD", search(AB), ["Adam", "SGD"]),
    "beta": ("x.beta", "Adam | SGD", search(AB), ["None", "0.5"]),
}


class Gone(Experiment):
    """The same experiment after its field was removed."""

    a: int = search([1, 2])

    def run(self) -> dict[str, int]:
        return {"y": self.a}


@pytest.mark.parametrize("face", OLD)
def test_68_without_the_class_or_the_field_the_type_of_the_column_says(
    tmp_path: Path, face: str
) -> None:
    name, annotation, default, words = OLD[face]
    recorded = Recorded(declared(name, annotation, default), tmp_path, name, words)
    right = {}
    for text in words:
        try:
            right[text] = recorded.planned(name, text)
        except FieldError:
            assert face in ("bool", "date", "span")
    for of in (None, Gone):
        for text, wanted in right.items():
            found = matching(recorded.table, [f"{name}={text}"], of).column("key").to_pylist()
            assert set(found) == wanted, text
        for text in words:
            if text not in right:
                with pytest.raises(
                    FieldError, match=f"{name} takes .*not '{text}'.*; write {name}="
                ):
                    matching(recorded.table, [f"{name}={text}"], of)


FILE = """
from superparams import Experiment, search


class Fit(Experiment):
    name: str = search(["it's", "b"])
    flag: bool = search([True, False])
    x: int = search([1, 2, 3])
    n: int = 16

    def run(self):
        print(self.name, self.flag, self.x)
        return {"y": self.x, "on": self.flag, "took": 0.5}
"""


def test_68_where_show_and_logs_read_words_as_a_run_does(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.write({"experiments/fit.py": FILE})
    assert project.run("run", "fit", "--no-progress").code == 0
    words = {"name=it's": 6, "flag=on": 6, "x=1..2": 8, "n=0x10": 12, "y=1..2": 8, "on=yes": 6}
    for word, rows in words.items():
        for one in project.run("results", "fit", "--where", word, "--json").document:
            assert len(one["rows"]) == rows, word
    shown = project.run("show", "fit", "name=it's", "flag=on", "x=3..4", "--json")
    assert shown.document["params"] == {"name": "it's", "flag": True, "x": 3, "n": 16}
    printed = project.run("logs", "fit", "name=it's", "flag=off", "x=0x2", "--json")
    assert printed.document["key"] != shown.document["key"]
    for word in ("flag=maybe", "x=1..", "n=1,,2", "name='a"):
        refused = {
            project.run(*verb, word).err
            for verb in (["run", "fit"], ["results", "fit", "--where"], ["show", "fit"])
        }
        assert len(refused) == 1, refused
        assert refused.pop().startswith("Error: Fit.")
