"""What help shows of each field: its name, type, default and doc."""

from __future__ import annotations

import enum
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar

import numpy as np
import pytest
from one_field import ENVIRONMENT, made

from superparams import Experiment, Params, search, value
from superparams.declare.words import Described, describe
from tests.timing import PATIENCE


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Schedule(Params):
    steps: int = 10
    "How many steps."


class Adam(Params):
    rate: float = search([0.1, 0.2])
    """Step size
    of Adam."""
    schedule: Schedule = Schedule()


class SGD(Params):
    rate: float = 0.5
    momentum: float
    """Share of the step before."""


def relu(x: float) -> float:
    return x


def load() -> list[int]:
    return [1]


@dataclass
class Doc:
    documentation: str


class Plain:
    extra: int = search([1, 2])
    """From a class that is no experiment."""


class Base(Experiment):
    """Not the doc of a field."""

    first: int = 1
    """Doc of the base."""
    second: int = 2
    """Replaced."""
    third: Annotated[int, "In the annotation."] = 3
    fourth: int = 4  # a comment is no doc
    # and neither is this
    fifth: Annotated[int, Doc("As an object.")] = 5
    sixth: Annotated[int, 5, "The first text."] = 6

    """Not under a field of its own, but under the last one."""
    seventh: int = 7
    f"no {first} literal"


class Train(Base, Plain):
    second: int = 22
    """Doc of the subclass."""
    first = 11
    third = 33
    """Nearer than the annotation."""
    optimizer: Adam | SGD = search([Adam(), SGD(momentum=0.5)])
    """Which one."""
    maybe: SGD | None = None
    needed: str
    named: int = search({"small": 8, "large": 64})
    color: Color = search()
    act: Callable[[float], float] = search([relu, len])
    data: np.ndarray = value(factory=load)
    twice: int = value(derive=lambda s: 2 * s.first)
    shared: list[int] = value([1, 2])
    left: int = search([1, 2], zip="pair")
    right: int = search([3, 4], zip="pair")
    long: int = search(range(10**9))


def rows(cls: type[Any]) -> dict[str, Described]:
    return {each.name: each for each in describe(cls)}


def test_fields_come_in_order_each_followed_by_what_is_inside() -> None:
    inside = {
        "optimizer": ["rate", "schedule", "schedule.steps", "momentum"],
        "maybe": ["rate", "momentum"],
    }
    expected: list[str] = []
    for name in Train.keys(Train(needed="x")):
        expected += [name, *(f"{name}.{each}" for each in inside.get(name, []))]
    assert [each.name for each in describe(Train)] == expected


@pytest.mark.parametrize(
    ("name", "type_text", "default"),
    [
        ("first", "int", "11"),
        ("optimizer", "Adam | SGD", "[Adam, SGD]"),
        ("optimizer.rate", "float", "[0.1, 0.2] (Adam), 0.5 (SGD)"),
        ("optimizer.schedule", "Schedule", "Schedule"),
        ("optimizer.schedule.steps", "int", "10"),
        ("optimizer.momentum", "float", "0.5"),
        ("maybe", "SGD | None", "None"),
        ("maybe.momentum", "float", "required"),
        ("needed", "str", "required"),
        ("named", "int", "['small', 'large']"),
        ("color", "RED | BLUE", "[RED, BLUE]"),
        ("act", "Callable", "[relu, len]"),
        ("data", "ndarray", "made by load"),
        ("twice", "int", "derived from the other fields"),
        ("shared", "list[int]", "[1, 2]"),
        ("left", "int", "[1, 2] (zip 'pair')"),
        ("long", "int", "[0, 1, 2, 3, 4, ..., 999999999] (1,000,000,000 points)"),
        ("extra", "int", "[1, 2]"),
    ],
)
def test_types_and_defaults(name: str, type_text: str, default: str) -> None:
    row = rows(Train)[name]
    assert (row.type, row.default) == (type_text, default)


@pytest.mark.parametrize(
    ("name", "doc"),
    [
        ("first", "Doc of the base."),
        ("second", "Doc of the subclass."),
        ("third", "Nearer than the annotation."),
        ("fourth", ""),
        ("fifth", "As an object."),
        ("sixth", "Not under a field of its own, but under the last one."),
        ("seventh", ""),
        ("extra", "From a class that is no experiment."),
        ("optimizer", "Which one."),
        ("optimizer.rate", "Step size\nof Adam."),
        ("optimizer.schedule.steps", "How many steps."),
        ("maybe.momentum", "Share of the step before."),
        ("needed", ""),
    ],
)
def test_docs(name: str, doc: str) -> None:
    assert rows(Train)[name].doc == doc


def test_an_annotation_of_a_subclass_is_nearer_than_a_docstring_of_its_base() -> None:
    class Sub(Base):
        first: Annotated[int, "Anew."] = 1

    assert rows(Base)["third"].doc == "In the annotation."
    assert rows(Sub)["first"].doc == "Anew."
    assert rows(Sub)["third"].doc == "In the annotation."


def test_an_indented_class_and_a_doc_at_the_left_edge() -> None:
    class Local(Experiment):
        first: int = 1
        """One line
and another."""
        second: int = 2
        'Said "so".'

    assert rows(Local)["first"].doc == "One line\nand another."
    assert rows(Local)["second"].doc == 'Said "so".'


def test_a_class_without_source_has_no_docs_but_those_of_its_annotations() -> None:
    module = types.ModuleType("made_up")
    code = (
        "from typing import Annotated\n"
        "from superparams import Experiment\n"
        "class Made(Experiment):\n"
        "    first: int = 1\n"
        "    'nobody can read this'\n"
        "    second: Annotated[int, 'but this'] = 2\n"
    )
    exec(code, vars(module))
    assert [each.doc for each in describe(module.Made)] == ["", "but this"]


def test_docs_of_a_script_and_of_a_command(tmp_path: Path) -> None:
    text = (
        "from superparams import Experiment\n"
        "from superparams.declare.words import describe\n"
        "class Made(Experiment):\n"
        "    first: int = 1\n"
        "    'Said here.'\n"
        "print(describe(Made)[0].doc)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(text, "utf-8")
    for arguments, expected in (
        ([str(script)], ["Said here."]),
        (["-c", text], ["Said here.", ""]),
    ):
        done = subprocess.run(
            [sys.executable, *arguments],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() in expected  # Python keeps the text of -c from 3.13 on


UserId = NewType("UserId", int)
T = TypeVar("T", bound=float)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (int | None, "int | None"),
        (Literal["a", 1, None], "a | 1 | None"),
        (Literal["a"] | int, "a | int"),
        (Annotated[int, "x"], "int"),
        (UserId, "int"),
        (T, "float"),
        (Any, "Any"),
        (object, "Any"),
        (list[int | None], "list[int | None]"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (list, "list"),
        (Callable[[int], str], "Callable"),
        (type[int], "type[int]"),
        (np.ndarray, "ndarray"),
        (Color | None, "RED | BLUE | None"),
        (Adam | SGD, "Adam | SGD"),
        ("Nowhere", "Nowhere"),
        ("int | None", "int | None"),
        (None, "None"),
        (5, "5"),
        (
            enum.Enum("Many", [f"M{i}" for i in range(20)]),
            " | ".join([f"M{i}" for i in range(12)]) + " | ...",
        ),
    ],
)
def test_types_are_written_in_short(annotation: Any, text: str) -> None:
    assert describe(made(annotation))[0].type == text


class Node(Params):
    depth: int = 0
    child: Node | None = None


class Tree(Experiment):
    root: Node
    other: Node = Node(child=Node(depth=3))


def test_groups_that_hold_their_own_kind_come_to_an_end() -> None:
    found = rows(Tree)
    assert list(found) == [
        *("root", "root.depth", "root.child"),
        *("other", "other.depth", "other.child", "other.child.depth", "other.child.child"),
    ]
    assert found["other.child.depth"].default == "3"


def test_methods_are_no_fields() -> None:
    class Box(Params, Generic[T]):
        item: T = 1.0  # type: ignore[assignment]
        """What is inside."""

        def method(self) -> int:
            """No field."""
            return 1

    assert describe(Box) == [Described("item", "float", "1.0", "What is inside.")]


def test_nothing_is_made_to_describe() -> None:
    def never() -> int:
        raise AssertionError

    class Careful(Experiment):
        made: int = value(factory=never)
        derived: int = value(derive=lambda s: never())

    assert [each.default for each in describe(Careful)] == [
        "made by never",
        "derived from the other fields",
    ]
